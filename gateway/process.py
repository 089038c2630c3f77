"""How a command runs in its process: until it is done, or until it is told to stop."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

_ENDS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class Stopped(Exception):  # the end of a process, not an error of an operation
    """The process was told to stop by the signal *number*, and what was open has been closed."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by signal {number}")
        self.number = number


def run(main: Coroutine[Any, Any, T]) -> T:
    """What *main* gives. Ctrl-C, SIGTERM and SIGHUP cancel it first, so that files and connections are closed.

    Needs a thread without a running event loop. Raises: KeyboardInterrupt, Stopped, and what *main* raises.
    """
    return asyncio.run(_stoppable(main))


async def _stoppable(main: Coroutine[Any, Any, T]) -> T:
    task = asyncio.current_task()
    told: list[int] = []

    def stop(number: int) -> None:
        told.append(number)
        if task is not None:
            task.cancel()

    with _handling([number for number in _ENDS if signal.getsignal(number) is signal.SIG_DFL], stop):
        try:
            return await main
        except asyncio.CancelledError:
            if told:
                raise Stopped(told[0]) from None
            raise


@contextlib.contextmanager
def told_to_stop() -> Iterator[asyncio.Event]:
    """An event that Ctrl-C and SIGTERM set: the normal end of whatever serves. The second one ends it at once."""
    told = asyncio.Event()
    with contextlib.ExitStack() as handling:

        def stop(_: int) -> None:
            told.set()
            handling.close()

        handling.enter_context(_handling([signal.SIGINT, signal.SIGTERM], stop))
        yield told


@contextlib.contextmanager
def _handling(numbers: list[int], handler: Callable[[int], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    handled = []
    for number in numbers:
        # Signals reach the main thread only, and not every system has them all.
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, handler, number)
            handled.append(number)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)

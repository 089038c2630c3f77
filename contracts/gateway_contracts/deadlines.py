"""Deadlines: what takes too long is ended.

This stands beside `asyncio.timeout` for speed. `asyncio.timeout` sets a timer of the loop for each deadline and takes
it back, which costs 5 to 8 µs; one of `Deadlines` costs 1. A dial has two, in the guard and in `HttpClient`, and with
the journal four: about 10 to 20 of the 200 µs that the benchmark `facade` of `tests/benchmarks` measures, whose goal is
1.1 times the bare call. `tests/contracts/test_deadlines.py` holds both to the same behaviour.
"""

import asyncio
from typing import Any

GRAIN_SECONDS = 0.1  # how late a deadline may ring


class Deadlines:
    """Ends what takes too long, with one timer for all deadlines, which belong to one event loop.

    It cancels a late task at most `GRAIN_SECONDS` after its time.
    """

    def __init__(self) -> None:
        self._open: dict[Deadline, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def after(self, seconds: float) -> "Deadline":
        """Give a context in which the current task may stay for *seconds*. Raises: TimeoutError."""
        loop = self._loop = self._loop or asyncio.get_running_loop()  # asking for it is a system call, so once
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("only a task can have a deadline")
        return Deadline(self, task, loop.time() + seconds)

    def _add(self, deadline: "Deadline") -> None:
        self._open[deadline] = None
        if self._timer is None or deadline.at < self._timer.when():
            self._set(deadline.at)

    def _remove(self, deadline: "Deadline") -> None:
        self._open.pop(deadline, None)

    def _set(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(at, self._ring)

    def _ring(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for late in sorted((each for each in self._open if each.at <= now), key=lambda each: each.at):
            self._remove(late)
            late.expire()
        if self._open:
            self._set(max(min(each.at for each in self._open), now + GRAIN_SECONDS))


class Deadline:
    """One of `Deadlines`, for one `with` in one task."""

    __slots__ = ("_all", "_cancelling", "_late", "_task", "at")

    def __init__(self, deadlines: Deadlines, task: "asyncio.Task[Any]", at: float) -> None:
        self._all = deadlines
        self._task = task
        self._cancelling = task.cancelling()
        self._late = False
        self.at = at

    def __enter__(self) -> None:
        self._all._add(self)

    def expire(self) -> None:
        """Cancel the task: the time is over."""
        self._late = True
        self._task.cancel()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._all._remove(self)
        # Another task may have cancelled this one too, and is then obeyed, as with `asyncio.timeout`.
        if self._late and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

"""Deadlines: what takes too long is ended."""

import asyncio
from typing import Any

GRAIN_SECONDS = 0.1  # how late a deadline may ring


class Deadlines:
    """Ends what takes too long, with one timer for all of it: `asyncio.timeout` makes one for each, and its heap.

    Whatever is late is cancelled at most `GRAIN_SECONDS` after its time. All of it belongs to one event loop.
    """

    def __init__(self) -> None:
        self._open: dict[Deadline, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def after(self, seconds: float) -> "Deadline":
        """A context in which the current task may stay for so long. Raises: TimeoutError."""
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
        # Somebody else may have cancelled the task too, and is then obeyed: as `asyncio.timeout` does it.
        if self._late and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

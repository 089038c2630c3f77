"""What tests of a whole account share: the operations that it has, what it leaves behind, and nobody who waits."""

import asyncio
import contextlib
import gc
import os
import stat
import warnings
from collections.abc import AsyncIterator, Iterator
from typing import Any

import attrs
import pytest

from .. import OPERATIONS, Operation
from .far_side import FarSide
from .lacking import Lacks, method_of, refusal_of
from .survey import needs

MAX_SECONDS = 5
"""How long something may take that happens at once on an idle machine."""

_MADE = frozenset({"live_call", "finished_call", "agent", "hook", "tenant"})
_at_once = asyncio.sleep  # itself, whatever a test puts in its place


@attrs.frozen
class Able:
    """An operation that a vendor has."""

    operation: Operation
    method: Any
    more: dict[str, Any]

    async def needs(self, far: FarSide) -> dict[str, Any]:
        """What it has to be given."""
        return {**await needs(self.operation, far), **self.more}


async def able(pbx: Any, far: FarSide) -> list[Able]:
    """Every operation that the vendor has."""
    found = []
    for operation in OPERATIONS.values():
        with contextlib.suppress(Lacks):
            method, _ = await method_of(pbx, far, operation)
            # With a leg nothing is looked up first, so that every request of a transfer is its own.
            leg = {"leg": "b"} if operation.name == "transfer_call" else {}
            found.append(
                Able(operation, method, {} if leg and await refusal_of(method, far, operation, **leg) else leg)
            )
    await far.reset()
    return found


class Once:
    """A far side that makes each thing once."""

    def __init__(self, far: FarSide) -> None:
        self._far = far
        self._made: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._far, name)
        if name not in _MADE:
            return found

        async def make() -> Any:
            if name not in self._made:
                self._made[name] = await found()
            return self._made[name]

        return make


def kind_of(operation: Operation) -> str:
    """What *operation* does at the vendor: `ring`, `read` or `write`."""
    return "ring" if operation.rings else "read" if operation.reads else "write"


def addresses(far: FarSide) -> list[str]:
    """The settings that say where the vendor is."""
    return [name for name, value in far.settings.items() if str(value).startswith(("http://", "https://"))]


def arrived(far: FarSide) -> int:
    """How many requests arrived, without those for tokens."""
    return len(far.requests())


class AccountTests:
    """What tests of a whole account share."""

    @pytest.fixture
    def impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whoever waits before another try does not wait."""

        async def sleep(delay: float, result: Any = None) -> Any:
            return await _at_once(0, result)

        monkeypatch.setattr(asyncio, "sleep", sleep)


async def until(happened: Any) -> None:
    """Wait until *happened* gives something true. Raises: TimeoutError."""
    async with asyncio.timeout(MAX_SECONDS):
        while not happened():
            await _at_once(0)


@contextlib.asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """Fail when a task, a socket or something unclosed is left of what the block began."""
    tasks, sockets = _tasks(), _sockets()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", ResourceWarning)
        with _heard_by_the_loop() as complaints:
            yield
            gc.collect(1)
            with contextlib.suppress(TimeoutError):
                await until(lambda: _sockets() <= sockets and _tasks() <= tasks)
    left = [task.get_coro() for task in _tasks() - tasks]
    assert [] == left, "tasks are left"
    assert _sockets() <= sockets, "sockets are left"
    assert [] == [str(each.message) for each in warned if issubclass(each.category, ResourceWarning)]
    assert [] == complaints


@contextlib.contextmanager
def _heard_by_the_loop() -> Iterator[list[str]]:
    """What is told to the event loop, such as a session that nobody closed, or a task whose error nobody saw."""
    complaints: list[str] = []
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: complaints.append(str(context.get("message"))))
    try:
        yield complaints
    finally:
        loop.set_exception_handler(before)


def _tasks() -> set[Any]:
    # A server goes on answering whoever is gone, which is the far side's own matter when it runs in this loop.
    return {
        task
        for task in asyncio.all_tasks()
        if not getattr(task.get_coro(), "__qualname__", "").startswith("RequestHandler.")
    }


def _sockets() -> int:
    found = 0
    for name in os.listdir("/dev/fd") if os.path.isdir("/dev/fd") else ():
        with contextlib.suppress(OSError):
            found += stat.S_ISSOCK(os.fstat(int(name)).st_mode)
    return found

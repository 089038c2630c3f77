"""The pace of our own requests, so that the vendor's limit (503, of unknown height) is not met, or not met again."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable

import attrs


@attrs.define(eq=False)
class RequestLimit:
    """Lets *per_second* requests through, evenly spaced, in the order in which they came; None lets all through."""

    per_second: float | None
    _clock: Callable[[], float] = time.monotonic
    _sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _free_at: float = attrs.field(default=0.0, init=False)

    async def wait(self, *, until: float = math.inf) -> float | None:
        """Wait for one's turn; at once, and without taking it, the seconds until a turn that comes after *until*.

        *until* is on the clock of `time.monotonic`.
        """
        if self.per_second is None:
            return None
        now = self._clock()
        turn = max(now, self._free_at)
        if turn > until:
            return turn - now
        self._free_at = turn + 1 / self.per_second
        if turn > now:
            await self._sleep(turn - now)
        return None

    async def rest(self, seconds: float, *, until: float) -> bool:
        """Wait after the vendor's limit was met; False, at once, when the request must be done before that.

        *until* is when it must be done, on the clock of `time.monotonic`.
        """
        if self._clock() + seconds >= until:
            return False
        await self._sleep(seconds)
        return True

"""The fence: the last look before what rings a phone is sent."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar

FENCE: ContextVar[Callable[[], Awaitable[None]] | None] = ContextVar("fence", default=None)
"""Set by the gateway while it dials. It raises when the dial may no longer be sent."""


async def pass_fence() -> None:
    """Return when the click-to-call that is under way may still be sent.

    `HttpClient` awaits this for every request with `Effect.RING`, when its connection stands. An adapter that rings a
    phone in any other way awaits it right before it writes, and awaits nothing in between. It may be called twice.

    Raises: GatewayError with `dial_state = not_placed` when the dial took longer than `timeouts.dial_start` to get
    here, or was given up meanwhile. Let it pass: nothing was sent.
    """
    check = FENCE.get()
    if check is not None:
        await check()

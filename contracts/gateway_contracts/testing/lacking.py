"""What a vendor has not got: told as it should be, and no reason to fail."""

import contextlib
import functools
from collections.abc import Awaitable, Callable
from typing import Any

from .. import Audio, GatewayError, Operation, Unsupported
from .far_side import FarSide, NoNetwork
from .survey import needs

Test = Callable[..., Awaitable[None]]


class Lacks(Exception):  # it is no failure, so it is no error by name
    """The vendor has not got what a test is about."""


def where_supported(test: Test) -> Test:
    """Make *test* end well for a vendor that lacks its interface, once that is said as it should be.

    It also ends well where it is about trouble that a vendor without a network cannot run into.
    """

    @functools.wraps(test)
    async def run(*args: Any, **kwargs: Any) -> None:
        try:
            with contextlib.suppress(Lacks):
                await test(*args, **kwargs)
        except NoNetwork:
            assert not kwargs["far"].network, "only a far side that says so has no network"

    return run


async def method_of(pbx: Any, far: FarSide, operation: Operation) -> tuple[Any, dict[str, Any]]:
    """The method of *operation* and what it needs."""
    try:
        method = getattr(getattr(pbx, operation.interface), operation.name)
    except Unsupported as error:
        lacking = error
    else:
        refusal = await refusal_of(method, far, operation)
        if refusal is None:
            await far.reset()
            return method, await needs(operation, far)
        lacking = refusal
        assert operation.name == lacking.operation
    assert operation.interface in lacking.message, "what is unsupported is told with the name of its interface"
    assert lacking.account
    raise Lacks


_REFUSALS: dict[tuple[str, ...], Unsupported | None] = {}  # by vendor, operation and arguments: found out once


async def refusal_of(method: Any, far: FarSide, operation: Operation, **more: Any) -> Unsupported | None:
    """Why the vendor lacks an operation of an interface that it has, or *more* of it; None when it has it."""
    key = (far.vendor, operation.name, *more)
    if key not in _REFUSALS:
        _REFUSALS[key] = None
        await far.reset()
        arguments = {**await needs(operation, far), **more}
        received = len(far.requests())
        with contextlib.suppress(GatewayError):  # the test itself will say
            try:
                answer = await method(**arguments)
            except Unsupported as error:
                assert received == len(far.requests())
                _REFUSALS[key] = error.with_traceback(None)
            else:
                if isinstance(answer, Audio):
                    await answer.aclose()
    return _REFUSALS[key]

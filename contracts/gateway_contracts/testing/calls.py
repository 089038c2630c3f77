"""What rings a phone: click-to-call, and the steering of calls."""

import contextlib
from datetime import timedelta
from typing import Any

import pytest

from .. import OPERATIONS, AgentNotRegistered, CallState, DialState, GatewayError, NotFound, OutcomeUnknown, Unsupported
from ..fence import FENCE
from .far_side import FarSide, Trouble, settled
from .lacking import Lacks, method_of, refusal_of, where_supported
from .survey import needs

RINGING = [name for name, operation in OPERATIONS.items() if operation.rings]
_NOTHING_PROVEN = [
    Trouble.REPLY_LOST,
    Trouble.NOT_DONE,
    Trouble.ERROR_AFTER,
    Trouble.WEB_PAGE,
    Trouble.HALF_JSON,
    Trouble.HALF_BODY,
]


async def _connect_once(pbx: Any) -> None:
    """Leave a connection that can be reused, which is what HTTP clients re-send on."""
    for interface, name in (("call_control", "list_calls"), ("history", "list_records")):
        with contextlib.suppress(Unsupported):
            await getattr(getattr(pbx, interface), name)()
            return


def _done(far: FarSide) -> int:
    """How many phones the vendor really made ring, by whatever operation."""
    return len(far.rang()) + len(far.steered())


async def _in_one_request(pbx: Any, far: FarSide, name: str) -> tuple[Any, dict[str, Any]]:
    """The operation called *name*, with arguments for which one request is enough. Raises: Lacks."""
    operation = OPERATIONS[name]
    method, arguments = await method_of(pbx, far, operation)
    if name == "transfer_call":
        # With a leg nothing is looked up first, so every request is the transfer's own.
        leg = {"leg": "b"}
        refused = await refusal_of(method, far, operation, **leg)
        await far.reset()
        arguments = {**await needs(operation, far), **({} if refused else leg)}
    return method, arguments


class CallTests:
    """ClickToCall and CallControl."""

    @where_supported
    async def test_a_started_call_rings_its_extension_once(self, pbx: Any, far: FarSide) -> None:
        """One start_call is one ringing phone, and the answer says who and whom."""
        method, arguments = await method_of(pbx, far, OPERATIONS["start_call"])
        before, asked = len(far.rang()), len(far.requests())

        started = await method(**arguments)

        assert [far.extension] == list(far.rang())[before:]
        assert any(far.number.lstrip("+0") in request for request in far.requests()[asked:]), "another number"
        assert (far.extension, far.number) == (started.extension, started.number)
        assert timedelta(0) == started.requested_at.utcoffset()

    @where_supported
    async def test_a_call_that_is_refused_at_the_fence_is_not_started(self, pbx: Any, far: FarSide) -> None:
        """The last look before the bytes go out: the dial is too late, or another process has given it up.

        `HttpClient` awaits `pass_fence` for what has `Effect.RING`; an adapter that rings in another way awaits it.
        """
        method, arguments = await method_of(pbx, far, OPERATIONS["start_call"])
        await _connect_once(pbx)
        before, asked = _done(far), []

        async def refuse() -> None:
            asked.append(_done(far))
            raise GatewayError("too late", dial_state=DialState.NOT_PLACED)

        token = FENCE.set(refuse)
        try:
            with pytest.raises(GatewayError, match="too late") as caught:
                await method(**arguments)
        finally:
            FENCE.reset(token)

        assert DialState.NOT_PLACED is caught.value.dial_state
        assert [before] == asked
        assert before == _done(far)

    @where_supported
    async def test_an_unregistered_extension_is_a_proven_refusal(self, pbx: Any, far: FarSide) -> None:
        """A phone that is not there did not ring, and the error says so."""
        method, arguments = await method_of(pbx, far, OPERATIONS["start_call"])
        before = _done(far)

        with pytest.raises(AgentNotRegistered) as caught:
            await method(**{**arguments, "extension": far.unregistered_extension})

        assert DialState.NOT_PLACED is caught.value.dial_state
        assert caught.value.operation == "start_call"
        assert before == _done(far)

    @pytest.mark.parametrize("trouble", _NOTHING_PROVEN)
    @pytest.mark.parametrize("name", RINGING)
    @where_supported
    async def test_what_rings_is_sent_once_whatever_becomes_of_the_reply(
        self, pbx: Any, far: FarSide, name: str, trouble: Trouble
    ) -> None:
        """Without a proof the outcome is unknown, and nothing is sent a second time."""
        method, arguments = await _in_one_request(pbx, far, name)
        await _connect_once(pbx)
        far.make_trouble(name, trouble)
        done, received = _done(far), len(far.requests())

        if settled(far, name, trouble):
            await method(**arguments)
        else:
            with pytest.raises(OutcomeUnknown) as caught:
                await method(**arguments)
            assert DialState.UNKNOWN is caught.value.dial_state

        assert received + 1 == len(far.requests())
        assert _done(far) - done <= 1

    @pytest.mark.parametrize("name", RINGING)
    @where_supported
    async def test_a_refused_token_is_replaced_and_the_request_done_once(
        self, pbx: Any, far: FarSide, name: str
    ) -> None:
        """A 401 comes before anything happens: with a fresh token the request goes out again, and is done once."""
        method, arguments = await method_of(pbx, far, OPERATIONS[name])
        await _connect_once(pbx)
        far.refuse_tokens()
        done = _done(far)

        await method(**arguments)

        assert done + 1 == _done(far)

    @pytest.mark.parametrize("name", RINGING)
    @where_supported
    async def test_a_403_lets_nothing_ring_again_and_the_next_request_has_a_fresh_token(
        self, pbx: Any, far: FarSide, name: str
    ) -> None:
        """Unless the vendor documents it, a 403 does not say that nothing rang, whatever it says about the token."""
        method, arguments = await _in_one_request(pbx, far, name)
        await _connect_once(pbx)
        far.make_trouble(name, Trouble.STATUS_403)
        done, received, tokens = _done(far), len(far.requests()), far.token_requests()

        with pytest.raises(GatewayError) as caught:
            await method(**arguments)
        sent = len(far.requests()) - received
        await method(**arguments)

        proof = 403 in far.proofs.get(name, ())
        assert (DialState.NOT_PLACED if proof else DialState.UNKNOWN) is caught.value.dial_state
        assert (1, 1) == (sent, _done(far) - done)
        assert min(tokens, 1) == far.token_requests() - tokens

    @where_supported
    async def test_steering_a_call_that_is_not_there_is_not_found(self, pbx: Any, far: FarSide) -> None:
        """A call that has ended cannot be listened to, and no phone rings."""
        method, arguments = await method_of(pbx, far, OPERATIONS["listen_call"])
        done = _done(far)

        with pytest.raises(NotFound) as caught:
            await method("00000000-0000-0000-0000-000000000000", extension=arguments["extension"])

        assert DialState.NOT_PLACED is caught.value.dial_state
        assert done == _done(far)

    @where_supported
    async def test_a_live_call_is_listed_with_both_sides(self, pbx: Any, far: FarSide) -> None:
        """The call that the vendor has in progress is shown with its id, its sides and an aware start, and beside it
        whatever else goes on.
        """
        method, _ = await method_of(pbx, far, OPERATIONS["list_calls"])
        call_id = await far.live_call()
        both = {far.extension}
        with contextlib.suppress(Unsupported):
            await pbx.click_to_call.start_call(extension=far.second_extension, number=far.number)
            both.add(far.second_extension)

        calls = {each.call_id: each for each in (await method()).items}

        assert both == {each.extension for each in calls.values()}
        assert (far.extension, far.number) == (calls[call_id].extension, calls[call_id].to_number)
        assert timedelta(0) == calls[call_id].started_at.utcoffset()
        assert calls[call_id].state in {CallState.ANSWERED, CallState.UNKNOWN}, "both sides have picked up"

    @where_supported
    async def test_a_call_has_one_id_wherever_it_is_seen(self, pbx: Any, far: FarSide) -> None:
        """The id that a click-to-call answers is that of the live call and of its record."""
        elsewhere = {}
        for name in ("list_calls", "get_record"):
            with contextlib.suppress(Lacks):
                elsewhere[name], _ = await method_of(pbx, far, OPERATIONS[name])
        method, arguments = await method_of(pbx, far, OPERATIONS["start_call"])

        call_id = (await method(**arguments)).call_id

        assert far.tells_call_id == (call_id is not None)
        if call_id is None:
            await far.reset()
            call_id = await far.live_call()
        if "list_calls" in elsewhere:
            assert call_id in [each.call_id for each in (await elsewhere["list_calls"]()).items]
        record_id = await far.end_call(call_id)
        if "get_record" in elsewhere:
            assert call_id == (await elsewhere["get_record"](record_id)).call_id

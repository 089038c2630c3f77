"""The tests that every plugin passes. Each looks at both ends: what the adapter says and what the vendor really did."""

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from .. import (
    OPERATIONS,
    AgentNotRegistered,
    Audio,
    DialState,
    GatewayError,
    NotFound,
    Operation,
    Outcome,
    OutcomeUnknown,
    Unsupported,
)
from .far_side import FarSide, Trouble
from .report import PROPERTY, as_json
from .survey import ALONG, NEEDED, NOT_SURVEYED, OPTIONAL, survey

RINGING = [name for name, operation in OPERATIONS.items() if operation.rings]
READS = [name for name, operation in OPERATIONS.items() if operation.reads and not operation.binary]
_NOTHING_PROVEN = [
    Trouble.REPLY_LOST,
    Trouble.NOT_DONE,
    Trouble.ERROR_AFTER,
    Trouble.WEB_PAGE,
    Trouble.HALF_JSON,
    Trouble.HALF_BODY,
]
_NOT_AS_DOCUMENTED = [Trouble.WEB_PAGE, Trouble.HALF_JSON, Trouble.WRONG_TYPES]


Test = Callable[..., Awaitable[None]]


class _Lacks(Exception):  # never leaves this module
    """The vendor has not got what a test is about."""


def _where_supported(test: Test) -> Test:
    """Make *test* end well for a vendor that lacks its interface, once that is said as it should be."""

    @functools.wraps(test)
    async def run(*args: Any, **kwargs: Any) -> None:
        with contextlib.suppress(_Lacks):
            await test(*args, **kwargs)

    return run


async def _method(pbx: Any, far: FarSide, operation: Operation) -> tuple[Any, dict[str, Any]]:
    """The method of *operation* and what it needs."""
    try:
        method = getattr(getattr(pbx, operation.interface), operation.name)
    except Unsupported as error:
        lacking = error
    else:
        refusal = await _refusal(method, far, operation)
        if refusal is None:
            await far.reset()
            return method, dict(await NEEDED[operation.name](far))
        lacking = refusal
        assert operation.name == lacking.operation
    assert operation.interface in lacking.message, "what is unsupported is told with the name of its interface"
    assert lacking.account
    raise _Lacks


_REFUSALS: dict[tuple[str, ...], Unsupported | None] = {}  # by vendor, operation and arguments: found out once


async def _refusal(method: Any, far: FarSide, operation: Operation, **more: Any) -> Unsupported | None:
    """Why the vendor lacks an operation of an interface that it has, or *more* of it; None when it has it."""
    key = (far.vendor, operation.name, *more)
    if key not in _REFUSALS:
        _REFUSALS[key] = None
        await far.reset()
        arguments = {**await NEEDED[operation.name](far), **more}
        received = far.received()
        with contextlib.suppress(GatewayError):  # the test itself will say
            try:
                answer = await method(**arguments)
            except Unsupported as error:
                assert received == far.received()
                _REFUSALS[key] = error.with_traceback(None)
            else:
                if isinstance(answer, Audio):
                    await answer.aclose()
    return _REFUSALS[key]


async def _connect_once(pbx: Any) -> None:
    """Leave a connection that can be reused, which is what HTTP clients re-send on."""
    for interface, name in (("call_control", "list_calls"), ("history", "list_records")):
        with contextlib.suppress(Unsupported):
            await getattr(getattr(pbx, interface), name)()
            return


def _done(far: FarSide) -> int:
    """How many phones the vendor really made ring, by whatever operation."""
    return len(far.rang()) + len(far.steered())


class Suite:
    """Subclass it with the fixtures `far` and `pbx`."""

    # What rings a phone

    @_where_supported
    async def test_a_started_call_rings_its_extension_once(self, pbx: Any, far: FarSide) -> None:
        """One start_call is one ringing phone, and the answer says who and whom."""
        method, arguments = await _method(pbx, far, OPERATIONS["start_call"])
        before = len(far.rang())

        started = await method(**arguments)

        assert [far.extension] == list(far.rang())[before:]
        assert (far.extension, far.number) == (started.extension, started.number)
        assert timedelta(0) == started.requested_at.utcoffset()

    @_where_supported
    async def test_an_unregistered_extension_is_a_proven_refusal(self, pbx: Any, far: FarSide) -> None:
        """A phone that is not there did not ring, and the error says so."""
        method, arguments = await _method(pbx, far, OPERATIONS["start_call"])
        before = _done(far)

        with pytest.raises(AgentNotRegistered) as caught:
            await method(**{**arguments, "extension": far.unregistered_extension})

        assert DialState.NOT_PLACED is caught.value.dial_state
        assert caught.value.operation == "start_call"
        assert before == _done(far)

    @pytest.mark.parametrize("trouble", _NOTHING_PROVEN)
    @pytest.mark.parametrize("name", RINGING)
    @_where_supported
    async def test_what_rings_is_sent_once_whatever_becomes_of_the_reply(
        self, pbx: Any, far: FarSide, name: str, trouble: Trouble
    ) -> None:
        """Without a proof that nothing rang the outcome is unknown, and nothing is sent a second time."""
        operation = OPERATIONS[name]
        method, arguments = await _method(pbx, far, operation)
        if name == "transfer_call":
            # With a leg nothing is looked up first, so every request is the transfer's own.
            leg = {"leg": "b"}
            refused = await _refusal(method, far, operation, **leg)
            await far.reset()
            arguments = {**await NEEDED[name](far), **({} if refused else leg)}
        await _connect_once(pbx)
        far.make_trouble(name, trouble)
        done, received = _done(far), far.received()

        with pytest.raises(OutcomeUnknown) as caught:
            await method(**arguments)

        assert DialState.UNKNOWN is caught.value.dial_state
        assert received + 1 == far.received()
        assert _done(far) - done <= 1

    @pytest.mark.parametrize("name", RINGING)
    @_where_supported
    async def test_a_refused_token_is_replaced_and_the_request_done_once(
        self, pbx: Any, far: FarSide, name: str
    ) -> None:
        """A 401 comes before anything happens: with a fresh token the request goes out again, and is done once."""
        method, arguments = await _method(pbx, far, OPERATIONS[name])
        await _connect_once(pbx)
        far.refuse_tokens()
        done = _done(far)

        await method(**arguments)

        assert done + 1 == _done(far)

    @_where_supported
    async def test_steering_a_call_that_is_not_there_is_not_found(self, pbx: Any, far: FarSide) -> None:
        """A call that has ended cannot be listened to, and no phone rings."""
        method, arguments = await _method(pbx, far, OPERATIONS["listen_call"])
        done = _done(far)

        with pytest.raises(NotFound) as caught:
            await method("00000000-0000-0000-0000-000000000000", extension=arguments["extension"])

        assert DialState.NOT_PLACED is caught.value.dial_state
        assert done == _done(far)

    # Arguments

    @pytest.mark.parametrize(
        ("name", "argument"),
        [
            (name, parameter.name)
            for name, operation in OPERATIONS.items()
            for parameter in operation.parameters
            if not parameter.required and parameter.name not in NOT_SURVEYED
        ],
    )
    @_where_supported
    async def test_every_argument_arrives_or_is_refused(self, pbx: Any, far: FarSide, name: str, argument: str) -> None:
        """An argument that the vendor cannot be told is refused by name before anything is sent."""
        method, arguments = await _method(pbx, far, OPERATIONS[name])
        received = far.received()

        answer, refusal = None, None
        try:
            answer = await method(**{**arguments, **ALONG.get((name, argument), {}), argument: OPTIONAL[argument](far)})
        except Unsupported as error:
            refusal = error
        if isinstance(answer, Audio):
            await answer.aclose()

        assert refusal is None or argument in refusal.message
        assert (refusal is None) == (far.received() > received)

    async def test_everything_is_supported_or_refused(self, pbx: Any, far: FarSide, record_property: Any) -> None:
        """A survey of every operation and argument meets no other error. The support report is made of it."""
        found = await survey(pbx, far)

        record_property(PROPERTY, {"vendor": far.vendor, "operations": {n: as_json(s) for n, s in found.items()}})
        assert any(each.supported for each in found.values())

    # Reads

    @pytest.mark.parametrize("trouble", _NOT_AS_DOCUMENTED)
    @pytest.mark.parametrize("name", READS)
    @_where_supported
    async def test_an_answer_that_is_not_as_documented_is_a_classified_error(
        self, pbx: Any, far: FarSide, name: str, trouble: Trouble
    ) -> None:
        """A web page, half of the JSON or other types end as an error that names the account, never as a value."""
        method, arguments = await _method(pbx, far, OPERATIONS[name])
        await asyncio.gather(far.live_call(), far.finished_call(), far.hook())  # so that no list is empty
        far.make_trouble(name, trouble)

        with pytest.raises(GatewayError) as caught:
            await method(**arguments)

        assert caught.value.code == "vendor_protocol_error"
        assert name == caught.value.operation
        assert caught.value.account

    @pytest.mark.parametrize("name", READS)
    @_where_supported
    async def test_a_read_whose_reply_is_lost_is_asked_again(self, pbx: Any, far: FarSide, name: str) -> None:
        """A read changes nothing, so a dropped connection costs a second request and no error."""
        method, arguments = await _method(pbx, far, OPERATIONS[name])
        far.make_trouble(name, Trouble.REPLY_LOST)

        answer = await method(**arguments)

        assert answer is not None

    @_where_supported
    async def test_one_token_serves_requests_that_come_together(self, pbx: Any, far: FarSide) -> None:
        """Twenty requests at once after every token was refused all succeed."""
        method, _ = await _method(pbx, far, OPERATIONS["list_calls"])
        far.refuse_tokens()

        pages = await asyncio.gather(*(method() for _ in range(20)))

        assert len(pages) == 20

    @_where_supported
    async def test_a_live_call_is_listed_with_both_sides(self, pbx: Any, far: FarSide) -> None:
        """The call that the vendor has in progress is shown with its id, its sides and an aware start."""
        method, _ = await _method(pbx, far, OPERATIONS["list_calls"])
        call_id = await far.live_call()

        calls = {each.call_id: each for each in (await method()).items}

        assert (far.extension, far.number) == (calls[call_id].extension, calls[call_id].to_number)
        assert timedelta(0) == calls[call_id].started_at.utcoffset()

    @_where_supported
    async def test_a_record_found_in_the_list_is_found_by_its_id(self, pbx: Any, far: FarSide) -> None:
        """`get_record` resolves every id that `list_records` gave, and both say the same."""
        method, _ = await _method(pbx, far, OPERATIONS["list_records"])
        record_id = await far.finished_call()

        listed = {record.record_id: record for record in (await method()).items}

        assert listed[record_id] == await pbx.history.get_record(record_id)
        assert Outcome.ANSWERED is listed[record_id].outcome
        assert listed[record_id].duration_seconds >= listed[record_id].talk_seconds >= 0

    @_where_supported
    async def test_every_record_comes_once_through_pages(self, pbx: Any, far: FarSide) -> None:
        """Pages of two hold all records, none twice, and end."""
        method, _ = await _method(pbx, far, OPERATIONS["list_records"])
        made = {await far.finished_call() for _ in range(5)}

        seen: list[str] = []
        cursor = None
        while True:
            page = await method(limit=2, cursor=cursor) if cursor else await method(limit=2)
            seen += [record.record_id for record in page.items]
            cursor = page.next
            if cursor is None:
                break

        assert made <= set(seen)
        assert len(set(seen)) == len(seen)

    @_where_supported
    async def test_an_empty_time_range_has_no_records(self, pbx: Any, far: FarSide) -> None:
        """A range that ends where it starts holds nothing, since its end is not part of it."""
        method, _ = await _method(pbx, far, OPERATIONS["list_records"])
        now = datetime.now(UTC)

        page = await method(since=now, until=now)

        assert (page.items, page.next) == ((), None)

    @pytest.mark.parametrize(
        ("name", "argument"),
        [("get_record", "record_id"), ("locate_recording", "record_id"), ("fetch_recording", "record_id")],
    )
    @_where_supported
    async def test_a_record_that_is_not_there_is_not_found(
        self, pbx: Any, far: FarSide, name: str, argument: str
    ) -> None:
        """An id that nobody gave is not found."""
        method, _ = await _method(pbx, far, OPERATIONS[name])

        with pytest.raises(NotFound):
            await method(**{argument: "00000000-0000-0000-0000-000000000000"})

    # Recordings

    @_where_supported
    async def test_a_range_of_a_recording_is_exactly_those_bytes(self, pbx: Any, far: FarSide) -> None:
        """The parts of a recording put together are the recording."""
        method, arguments = await _method(pbx, far, OPERATIONS["fetch_recording"])
        async with await method(**arguments) as audio:
            whole = await audio.read()

        parts = b""
        for span in ("bytes=0-99", "bytes=100-999", "bytes=1000-"):
            async with await method(**arguments, byte_range=span) as audio:
                assert audio.partial
                parts += await audio.read()

        assert whole == parts
        assert whole.startswith(b"RIFF")

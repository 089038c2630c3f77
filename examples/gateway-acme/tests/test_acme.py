"""What the suite cannot know: Acme's own words, its XML, and its events by long-poll."""

import asyncio
import contextlib
import itertools
from datetime import UTC, datetime

import attrs
import pytest
from acme_pbx import NOW
from gateway import Gateway
from gateway_contracts import (
    Account,
    Direction,
    EventType,
    InvalidRequest,
    NotFound,
    Outcome,
    Secret,
    Unsupported,
    VendorAuthFailed,
    VendorProtocolError,
    to_json,
)
from gateway_simulators import Fault, FaultKind

from gateway_acme import Settings, wire
from gateway_acme.adapter import open_adapter


@pytest.fixture
async def acme(far):
    """The adapter itself, which never pauses."""
    settings = Settings(**{**far.settings, "password": Secret(far.settings["password"])})
    async with open_adapter(Account(name="main"), settings) as adapter:
        yield attrs.evolve(adapter, pauses=lambda: itertools.repeat(0.0))


async def test_a_dial_tells_acme_all_that_it_can_be_told(pbx, far):
    """Who rings, whom it calls, and from which of our numbers."""
    started = await pbx.click_to_call.start_call(extension="102", number="0900000000", hotline="1900")

    assert far.pbx.rang == [{"agent": "102", "number": "0900000000", "line": "1900"}]
    assert started.call_id in [each.call_id for each in (await pbx.call_control.list_calls()).items]


@pytest.mark.parametrize(
    ("operation", "mode"), [("listen_call", "listen"), ("whisper_call", "whisper"), ("barge_call", "talk")]
)
async def test_a_supervisor_joins_as_asked(pbx, far, operation, mode):
    """In Acme's words, on the call that was named."""
    call = far.pbx.live_call()

    await getattr(pbx.call_control, operation)(str(call), extension="102")

    assert far.pbx.steered == [{"what": "join", "call": call, "agent": "102", "mode": mode}]


async def test_a_record_in_our_words(pbx, far):
    """Milliseconds become UTC, numbers become ids, an inbound call was placed by the number; the answer is kept."""
    record_id = far.pbx.finished_call(direction="in", result="NOANSWER", answered=None, audio="no")

    record = await pbx.history.get_record(str(record_id))

    row = far.pbx.records[record_id]
    assert datetime.fromtimestamp(row["started"] / 1000, UTC) == record.started_at
    assert (
        record.direction,
        record.outcome,
        record.vendor_status,
    ) == (Direction.INBOUND, Outcome.NO_ANSWER, "NOANSWER")
    assert (record.from_number, record.to_number) == ("0899098899", "101")
    assert (record.duration_seconds, record.talk_seconds) == (8, 0)
    assert str(record_id) == record.raw["id"]
    with pytest.raises(NotFound):
        await pbx.recording.fetch_recording(record.record_id)


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({"since": datetime.fromtimestamp((NOW - 120_000) / 1000, UTC)}, 2),
        ({"until": datetime.fromtimestamp((NOW - 120_000) / 1000, UTC)}, 1),
        ({"extension": "102"}, 1),
        ({"number": "0900"}, 1),
        ({"direction": Direction.INBOUND}, 1),
        ({"outcome": Outcome.BUSY}, 1),
        ({"min_duration_seconds": 9}, 1),
    ],
)
async def test_every_filter_is_the_vendors(pbx, far, filters, count):
    """Each is sent to Acme, `since` is included and `until` is not."""
    far.pbx.finished_call(agent="102", number="0900")
    far.pbx.finished_call(direction="in", result="BUSY")
    long_call = far.pbx.finished_call()
    far.pbx.records[long_call]["ended"] += 60_000

    page = await pbx.history.list_records(**filters)

    assert count == len(page.items)


async def test_a_cursor_goes_with_its_own_filters(pbx, far):
    """The same ones, or none; what Acme refuses is the caller's mistake."""
    for _ in range(3):
        far.pbx.finished_call()
    page = await pbx.history.list_records(extension="101", limit=2)

    rest = await pbx.history.list_records(cursor=page.next)
    with pytest.raises(InvalidRequest):
        await pbx.history.list_records(cursor=page.next, extension="102")
    with pytest.raises(InvalidRequest):
        await pbx.history.list_records(cursor="made-up")

    assert len(rest.items) == 1


async def test_a_page_that_acme_gives_again_is_an_error(pbx, far):
    """Its cursors would be followed for ever, though each is a new one; what came is not all."""
    for _ in range(5):
        far.pbx.finished_call()
    far.pbx.pages_by = "first_page"
    page = await pbx.history.list_records(limit=2)
    far.pbx.finished_call(started=NOW)

    with pytest.raises(VendorProtocolError, match="again"):
        await pbx.history.list_records(cursor=page.next)


async def test_an_outcome_that_acme_has_no_word_for_is_refused(pbx):
    """Leaving the filter out would answer something else."""
    with pytest.raises(Unsupported, match="outcome unreachable"):
        await pbx.history.list_records(outcome=Outcome.UNREACHABLE)


async def test_wrong_credentials_are_the_accounts_fault(far):
    """They are named, and never shown."""
    accounts = {"main": {"vendor": "acme", "settings": {**far.settings, "password": "wrong-pass"}}}
    async with Gateway.from_config({"accounts": accounts}) as gateway:
        with pytest.raises(VendorAuthFailed) as caught:
            await gateway["main"].call_control.list_calls()

    assert "wrong-pass" not in str(caught.value)


# XML

BOMB = '<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]><calls>&c;</calls>'
OUTSIDE = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><calls>&b;</calls>'


@pytest.mark.parametrize(
    "body",
    [
        BOMB,
        OUTSIDE,
        BOMB.encode("utf-16"),
        "<a>" * 6 + "</a>" * 6,
        "<a>" * 100_000,
        "<calls>&b;</calls>",
        b"<calls>\xff</calls>",
        "<calls",
        "<!doctype html><p>",
        "<calls/><calls/>",
    ],
)
def test_hostile_xml_is_refused(body):
    """No document type, no entity, no depth, no other encoding; always as the same error."""
    with pytest.raises(ValueError, match=r"."):
        wire.decode(body if isinstance(body, bytes) else body.encode())


@pytest.mark.parametrize("body", [BOMB, "<calls><call/></calls>", "<record/>", "<calls><record/></calls>", ""])
async def test_an_answer_that_does_not_fit_is_a_protocol_error(pbx, far, body):
    """Whatever it is instead."""
    far.pbx.faults.add(Fault("/api/calls", kind=FaultKind.REPLACE, body=body, content_type="application/xml"))

    with pytest.raises(VendorProtocolError):
        await pbx.call_control.list_calls()


@pytest.mark.parametrize("text", ["0", "1767225600123", "1", "253402300799999"])
def test_a_time_survives_both_ways(text):
    """Not a millisecond is lost."""
    assert text == wire.milliseconds(wire.moment(text))


@pytest.mark.parametrize("text", ["", "-1", "1.5", "9" * 15, "9" * 16, "\u0661", "now"])
def test_what_is_no_time_is_refused(text):
    """As the one error that is caught."""
    with pytest.raises(ValueError, match=r"."):
        wire.moment(text)


# Events


async def test_events_come_as_they_happen(acme, far):
    """In order, in our words, the same id whenever they are seen; an unknown kind is `unknown`."""
    async with contextlib.aclosing(acme.follow_events()) as events:
        following = anext(events)
        first = await _after(far, following, "ring", "answer", "hangup", "disco")
        rest = [await anext(events) for _ in range(3)]

    found = [first, *rest]
    assert [each.type for each in found] == [EventType.RINGING, EventType.ANSWERED, EventType.ENDED, EventType.UNKNOWN]
    assert [each.event_id for each in found] == ["1", "2", "3", "4"]
    assert {datetime.fromtimestamp((NOW + 1234) / 1000, UTC)} == {each.occurred_at for each in found}
    assert (first.from_number, first.to_number) == ("0899098899", "101")
    assert to_json(first, raw=True)["raw"]["kind"] == "ring"


async def test_trouble_costs_no_event(acme, far):
    """It asks again from where it was, whatever went wrong."""
    troubles = [FaultKind.DROP, FaultKind.ERROR_AFTER, FaultKind.HTML, FaultKind.HALF_JSON, FaultKind.REFUSE]
    async with contextlib.aclosing(acme.follow_events()) as events:
        following = anext(events)
        first = await _after(far, following, "ring")
        far.pbx.faults.add(*(Fault("/api/events", kind=kind, times=3) for kind in troubles))
        await far.pbx.happens("answer", 7)
        second = await anext(events)
        await far.pbx.happens("hangup", 7)
        third = await anext(events)

    assert [each.event_id for each in (first, second, third)] == ["1", "2", "3"]
    assert far.pbx.faults.pending == []


async def test_events_that_acme_forgot_are_a_gap(acme, far):
    """Somebody who reconciles must know."""
    async with contextlib.aclosing(acme.follow_events()) as events:
        await _after(far, anext(events), "ring")
        await far.pbx.happens("answer", 7)
        far.pbx.forget_events()
        gap = await anext(events)

    assert (gap.type, gap.raw) == (EventType.UNKNOWN, {"gap": {"after": 1, "last": 2}})


async def test_events_end_when_the_credentials_do_not_work(acme, far):
    """Asking again would not help."""
    far.pbx.password = "changed"

    with pytest.raises(VendorAuthFailed):
        await anext(acme.follow_events())


async def _after(far, following, *kinds):
    """The event that is waited for, once the PBX has been asked and these kinds have happened."""
    task = asyncio.ensure_future(following)
    await far.pbx.asked("/api/events")
    for kind in kinds:
        await far.pbx.happens(kind, 7)
    return await task

"""What applications hold: the same over accounts in this process and over those of a sidecar."""

import contextlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from gateway_contracts import INTERFACES, ClickToCall, interface_name, operations_of
from gateway_contracts.http import client as http_client

from gateway import (
    AgentBusy,
    AgentNotRegistered,
    Call,
    CallState,
    ConfigError,
    DialState,
    Direction,
    Gateway,
    GatewayError,
    InvalidRequest,
    Leg,
    NotFound,
    Origin,
    Outcome,
    Page,
    RangeNotSatisfiable,
    StartedCall,
    Unsupported,
    VendorUnavailable,
)

DIAL = {"extension": "101", "number": "+84899098899"}


@pytest.fixture(params=["embedded", "remote"])
async def facade(request, gateway, sidecar):
    """The same accounts, held here or asked for at a sidecar."""
    async with contextlib.AsyncExitStack() as stack:
        if request.param == "embedded":
            yield gateway
        else:
            address = await stack.enter_async_context(sidecar(gateway))
            yield await stack.enter_async_context(Gateway.remote(address))


@pytest.fixture
def pbx(facade):
    return facade["pbx"]


@pytest.fixture
def far(gateway):
    """The memory PBX itself."""
    return gateway["pbx"].adapter


@pytest.fixture
async def record(pbx, far, now):
    """A finished call of a minute, answered after ten seconds."""
    started = await pbx.click_to_call.start_call(**DIAL, wait=True)
    far.clock = lambda: now + timedelta(seconds=60)
    return far.end_call(started.call_id)


async def test_a_started_call_is_seen_and_rings(pbx, far, now):
    """The answer, the live call and the phone agree."""
    started = await pbx.click_to_call.start_call(**DIAL)

    page = await pbx.call_control.list_calls()

    assert (
        StartedCall(account="pbx", call_id=started.call_id, extension="101", number="+84899098899", requested_at=now)
        == started
    )
    live = Call(
        account="pbx",
        call_id=started.call_id,
        direction=Direction.OUTBOUND,
        state=CallState.RINGING,
        from_number="101",
        to_number="+84899098899",
        extension="101",
        started_at=now,
    )
    assert Page(items=(live,), total=1) == page
    assert [("start_call", started.call_id, "101")] == far.told


async def test_steering_a_call_reaches_the_pbx(pbx, far):
    """Listen, whisper, barge, transfer and park, with ids that need encoding kept whole."""
    started = await pbx.click_to_call.start_call(**DIAL, wait=True)
    control = pbx.call_control

    assert await control.listen_call(started.call_id, extension="102") is None
    await control.whisper_call(started.call_id, extension="102")
    await control.barge_call(call_id=started.call_id, extension="102")
    await control.transfer_call(started.call_id, to="102", leg=Leg.B)
    await control.park_call(started.call_id, leg="a")

    assert [
        ("listen_call", "102"),
        ("whisper_call", "102"),
        ("barge_call", "102"),
        ("transfer_call", "102"),
        ("park_call", "a"),
    ] == [(name, who) for name, _, who in far.told[1:]]


async def test_a_finished_call_is_a_record(pbx, record):
    """With the same attributes however it is reached."""
    page = await pbx.history.list_records()

    assert Page(items=(record,), total=1) == page
    assert record == await pbx.history.get_record(record.record_id)
    assert (60, 60, Outcome.ANSWERED, True) == (
        record.duration_seconds,
        record.talk_seconds,
        record.outcome,
        record.has_recording,
    )


ZONE = timezone(timedelta(hours=7))


@pytest.mark.parametrize(
    ("found", "filters"),
    [
        (True, {}),
        (True, {"since": datetime(2026, 1, 31, 9, tzinfo=UTC), "until": datetime(2026, 1, 31, 9, 0, 1, tzinfo=UTC)}),
        (True, {"since": datetime(2026, 1, 31, 16, tzinfo=ZONE)}),
        (False, {"until": datetime(2026, 1, 31, 16, tzinfo=ZONE)}),
        (False, {"since": datetime(2026, 1, 31, 9, 0, 0, 1, tzinfo=UTC)}),
        (True, {"extension": "101", "number": "+84899098899", "direction": Direction.OUTBOUND}),
        (True, {"number": "101", "outcome": "answered", "direction": "outbound"}),
        (False, {"extension": "102"}),
        (False, {"number": "84899098899"}),
        (False, {"outcome": Outcome.BUSY}),
        (False, {"direction": Direction.INBOUND}),
        (True, {"min_duration_seconds": 60}),
        (False, {"min_duration_seconds": 61}),
        (True, {"min_duration_seconds": 0}),
    ],
)
async def test_records_are_found_by_what_is_asked(pbx, record, found, filters):
    """Filters mean the same everywhere; `since` is included, `until` is not."""
    page = await pbx.history.list_records(**filters)

    assert ((record,) if found else ()) == page.items


async def test_every_record_comes_once_over_pages(pbx, far):
    """Also when new ones arrive meanwhile, and with a cursor alone."""
    made = []
    for _ in range(5):
        started = await pbx.click_to_call.start_call(**DIAL)
        made.append(far.end_call(started.call_id, outcome=Outcome.NO_ANSWER).record_id)

    first = await pbx.history.list_records(limit=2, outcome=Outcome.NO_ANSWER)
    started = await pbx.click_to_call.start_call(**DIAL)
    far.end_call(started.call_id, outcome=Outcome.NO_ANSWER)
    second = await pbx.history.list_records(cursor=first.next)
    third = await pbx.history.list_records(cursor=second.next, limit=2, outcome=Outcome.NO_ANSWER)

    assert made[::-1] == [each.record_id for page in (first, second, third) for each in page.items]
    assert (5, None) == (first.total, third.next)


async def test_records_are_walked_through(pbx, far):
    """`records` hides the pages."""
    for _ in range(5):
        far.end_call((await pbx.click_to_call.start_call(**DIAL)).call_id)

    found = [each.record_id async for each in pbx.records(limit=2, extension="101")]

    assert [f"record-{number}" for number in (5, 4, 3, 2, 1)] == found


async def test_records_of_a_vendor_without_history_are_unsupported(gateway_of, adapter_of):
    """Said when the first one is asked for, as everywhere."""
    async with gateway_of({"a": adapter_of(ClickToCall)}) as gateway:
        with pytest.raises(Unsupported, match="has no history") as caught:
            await anext(aiter(gateway["a"].records()))

    assert ("a", "list_records") == (caught.value.account, caught.value.operation)


async def test_a_recording_is_audio(pbx, record):
    """A real WAV, whole and in parts."""
    async with await pbx.recording.fetch_recording(record.record_id) as audio:
        whole = await audio.read()

    parts = b""
    for span in ("bytes=0-99", "bytes=100-999", "bytes=1000-"):
        async with await pbx.recording.fetch_recording(record.record_id, byte_range=span) as part:
            parts += await part.read()

    assert whole == parts
    assert whole.startswith(b"RIFF")
    assert ("audio/wav", "pbx", record.record_id, False, 0, len(whole) - 1, len(whole)) == (
        audio.media_type,
        audio.account,
        audio.record_id,
        audio.partial,
        audio.start,
        audio.end,
        audio.size,
    )
    assert (True, 1000, len(whole) - 1, len(whole)) == (part.partial, part.start, part.end, part.size)


NOT_PLACED = DialState.NOT_PLACED
ERRORS = [
    (AgentNotRegistered, NOT_PLACED, lambda pbx: pbx.click_to_call.start_call(extension="999", number="1")),
    (AgentBusy, NOT_PLACED, lambda pbx: pbx.click_to_call.start_call(extension="103", number="1")),
    (Unsupported, NOT_PLACED, lambda pbx: pbx.click_to_call.start_call(**DIAL, hotline="1900")),
    (Unsupported, None, lambda pbx: pbx.click_to_call.start_call(**DIAL, idempotency_key="k")),
    (InvalidRequest, NOT_PLACED, lambda pbx: pbx.click_to_call.start_call(extension="101")),
    (InvalidRequest, NOT_PLACED, lambda pbx: pbx.click_to_call.start_call(**DIAL, wait="yes")),
    (InvalidRequest, NOT_PLACED, lambda pbx: pbx.click_to_call.start_call(**DIAL, nonsense=1)),
    (InvalidRequest, NOT_PLACED, lambda pbx: pbx.click_to_call.start_call(extension=" ", number="\ud800")),
    (InvalidRequest, None, lambda pbx: pbx.click_to_call.start_call(**DIAL, idempotency_key="a\nb")),
    (NotFound, NOT_PLACED, lambda pbx: pbx.call_control.listen_call("none", extension="102")),
    (NotFound, NOT_PLACED, lambda pbx: pbx.call_control.transfer_call("a/b?c#d%2F é", to="102")),
    (InvalidRequest, NOT_PLACED, lambda pbx: pbx.call_control.park_call("none", leg="c")),
    (NotFound, None, lambda pbx: pbx.history.get_record("none")),
    (NotFound, None, lambda pbx: pbx.recording.fetch_recording("none")),
    (Unsupported, None, lambda pbx: pbx.recording.locate_recording("none")),
    (Unsupported, None, lambda pbx: pbx.history.list_records(recording_name="x.wav")),
    (InvalidRequest, None, lambda pbx: pbx.history.list_records(cursor="bm9uZQ==")),
    (InvalidRequest, None, lambda pbx: pbx.history.list_records(cursor="ă")),
    (InvalidRequest, None, lambda pbx: pbx.history.list_records(limit=0)),
    (InvalidRequest, None, lambda pbx: pbx.history.list_records(limit=10**30)),
    (InvalidRequest, None, lambda pbx: pbx.history.list_records(since=datetime(2026, 1, 31))),
    (
        InvalidRequest,
        None,
        lambda pbx: pbx.history.list_records(
            since=datetime(2026, 1, 31, tzinfo=UTC), until=datetime(2026, 1, 30, tzinfo=UTC)
        ),
    ),
]


@pytest.mark.parametrize(("kind", "state", "act"), ERRORS)
async def test_an_error_is_the_same_everywhere(gateway, facade, kind, state, act):
    """Class and every attribute, down to the words."""
    with pytest.raises(GatewayError) as here:
        await act(gateway["pbx"])
    with pytest.raises(GatewayError) as caught:
        await act(facade["pbx"])

    found = caught.value
    assert kind is type(found)
    assert (state, "pbx") == (found.dial_state, found.account)
    assert {**here.value.as_problem(), "request_id": None} == {**found.as_problem(), "request_id": None}


async def test_an_error_names_its_operation_and_every_bad_field(pbx):
    """Whoever shows it in a form can put each text beside its field."""
    with pytest.raises(InvalidRequest) as caught:
        await pbx.click_to_call.start_call(extension=101, number="")

    assert ("start_call", Origin.CALLER, {"extension", "number"}) == (
        caught.value.operation,
        caught.value.origin,
        set(caught.value.fields),
    )


async def test_a_range_outside_a_recording_is_told(pbx, record):
    """With its own code."""
    with pytest.raises(RangeNotSatisfiable):
        await pbx.recording.fetch_recording(record.record_id, byte_range="bytes=99999-")


async def test_a_call_without_answer_has_no_recording(pbx, far):
    """There is nothing to hear."""
    started = await pbx.click_to_call.start_call(**DIAL)
    record = far.end_call(started.call_id, outcome=Outcome.BUSY)

    assert (0, False) == (record.talk_seconds, record.has_recording)
    with pytest.raises(NotFound):
        await pbx.recording.fetch_recording(record.record_id)


@pytest.mark.parametrize("interface", INTERFACES, ids=interface_name)
async def test_an_interface_is_there_or_unsupported(pbx, interface):
    """Asking for what a vendor lacks says so at once, with what could be asked of it and what it has."""
    name = interface_name(interface)
    if name in ("click_to_call", "call_control", "history", "recording"):
        found = getattr(pbx, name)
        assert isinstance(found, interface)
        assert set(operations_of(interface)) <= set(dir(found))
    else:
        with pytest.raises(Unsupported, match=rf"has no {name} \(.*\); it has click_to_call") as caught:
            getattr(pbx, name)
        assert all(operation in caught.value.message for operation in operations_of(interface))
        assert "pbx" == caught.value.account


async def test_a_route_fails_over_to_the_account_that_has_the_extension(facade, gateway):
    """201 exists at the second account only; the answer names it."""
    started = await facade["sales"].click_to_call.start_call(extension="201", number="1")

    assert "other" == started.account
    assert [] == gateway["pbx"].adapter.told
    assert [("start_call", started.call_id, "201")] == gateway["other"].adapter.told


async def test_a_route_shows_the_calls_of_all_its_accounts(facade):
    """And walks through the records of all."""
    await facade["pbx"].click_to_call.start_call(**DIAL)
    await facade["other"].click_to_call.start_call(**DIAL)

    page = await facade["sales"].call_control.list_calls()

    assert ["pbx", "other"] == [each.account for each in page.items]


async def test_accounts_are_listed_and_found_by_name(facade):
    """A name that nobody has gets a hint."""
    assert ["pbx", "other", "sales"] == [each.name for each in facade]
    assert 3 == len(facade)
    assert ["memory", "memory", None] == [each.vendor for each in facade]
    assert ("pbx", "other") == facade["sales"].routed
    with pytest.raises(NotFound, match="did you mean 'pbx'"):
        facade["pbxx"]


async def test_arguments_after_the_ids_must_be_named(pbx):
    """As the interface declares them; this is a mistake in the program."""
    with pytest.raises(TypeError, match="by position"):
        await pbx.call_control.listen_call("c1", "102")
    with pytest.raises(TypeError, match="twice"):
        await pbx.call_control.listen_call("c1", call_id="c1", extension="102")
    with pytest.raises(TypeError):
        await pbx.click_to_call.start_call("101", "1")


# The gateway itself


async def test_a_gateway_must_be_open():
    """The error says how."""
    gateway = Gateway.from_config({"accounts": {"pbx": {"vendor": "memory"}}})

    with pytest.raises(RuntimeError, match="async with"):
        gateway["pbx"]


async def test_a_gateway_opens_once_at_a_time_and_again():
    """Two opens would be two sessions and one close."""
    gateway = Gateway.from_config({"accounts": {"pbx": {"vendor": "memory"}}})
    async with gateway:
        with pytest.raises(RuntimeError, match="open already"):
            await gateway.__aenter__()
    async with gateway:
        assert 1 == len(gateway)


async def test_a_gateway_is_read_from_a_file(tmp_path):
    """Three lines are enough."""
    (tmp_path / "gateway.toml").write_text('[accounts.pbx]\nvendor = "memory"\n')

    async with Gateway.from_file(tmp_path / "gateway.toml") as gateway:
        assert (ClickToCall,) == gateway["pbx"].interfaces[:1]


@pytest.mark.parametrize(
    ("text", "connect"),
    [
        ("inherits none", "yield object()"),
        ("failed to connect: RuntimeError", "raise RuntimeError('s3cr3t')\n    yield"),
    ],
)
async def test_an_account_that_cannot_be_opened_is_named(monkeypatch, text, connect):
    """With the plugin to blame, and without what its error says, which may be anything."""
    scope = {"contextlib": contextlib}
    exec(f"@contextlib.asynccontextmanager\nasync def connect(account, settings):\n    {connect}\n", scope)  # noqa: S102 # two ways to be broken
    import gateway_memory

    monkeypatch.setattr(gateway_memory, "connect", scope["connect"])

    async with Gateway.from_config({"accounts": {"pbx": {"vendor": "memory"}}}) as gateway:
        with pytest.raises(VendorUnavailable, match=text) as caught:
            await gateway["pbx"].call_control.list_calls()

    assert "accounts.pbx" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


async def test_the_address_of_a_sidecar_must_be_one():
    """`https://…`, not a name alone."""
    with pytest.raises(ConfigError, match="address of a sidecar"):
        async with Gateway.remote("localhost:8080"):
            pass


@pytest.fixture(autouse=True)
def no_backoff(monkeypatch):
    monkeypatch.setattr(http_client, "FIRST_BACKOFF_SECONDS", 0)

"""Between applications and adapters: arguments checked, a deadline, one log line, and only our errors coming back."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import pytest
from gateway_contracts import OPERATIONS, Timeouts

from gateway import (
    AgentBusy,
    Conflict,
    DialState,
    GatewayError,
    InvalidRequest,
    JournalError,
    Leg,
    NotFound,
    Origin,
    OutcomeUnknown,
    Page,
    QueueKind,
    Secret,
    Unsupported,
    VendorAuthFailed,
    VendorProtocolError,
    VendorRejected,
    VendorTimeout,
)
from gateway.accounts.arguments import check_arguments
from gateway.accounts.guard import Guard

NUMBER = "0899098899"
DIAL = {"extension": "101", "number": NUMBER}
ARGUMENTS = {
    "start_call": DIAL,
    "transfer_call": {"call_id": "c1", "to": "102"},
    "listen_call": {"call_id": "c1", "extension": "102"},
    "whisper_call": {"call_id": "c1", "extension": "102"},
    "barge_call": {"call_id": "c1", "extension": "102"},
    "park_call": {"call_id": "c1", "leg": "a"},
    "start_queue": {"queue_code": "q", "kind": "autocall"},
}
RINGING = [name for name, operation in OPERATIONS.items() if operation.rings]


class Adapter:
    """Does whatever it is told, for every operation, and remembers the arguments."""

    def __init__(self, result=None):
        self.result = result
        self.got = []

    def __getattr__(self, name):
        async def method(**arguments):
            self.got.append((name, arguments))
            if isinstance(self.result, BaseException):
                raise self.result
            return await self.result() if callable(self.result) else self.result

        return method


def guard(result=None, timeouts=None):
    """A guard over such an adapter."""
    return Guard(Adapter(result), "hanoi", "acme", timeouts or Timeouts())


async def failure(result, name="list_calls", arguments=None, timeouts=None):
    """The error that comes out when the adapter does *result*."""
    with pytest.raises(GatewayError) as caught:
        await guard(result, timeouts)(OPERATIONS[name], arguments or {})
    return caught.value


async def refused(name, arguments):
    """What is wrong with *arguments*; the adapter must not have been asked."""
    adapter = Adapter()
    with pytest.raises(InvalidRequest) as caught:
        await Guard(adapter, "hanoi", "acme", Timeouts())(OPERATIONS[name], arguments)
    assert [] == adapter.got
    assert ("hanoi", name, Origin.CALLER) == (caught.value.account, caught.value.operation, caught.value.origin)
    return caught.value


# Arguments


async def test_every_bad_argument_is_named_at_once():
    """Also what is missing and what nobody knows."""
    error = await refused("start_call", {"extension": 101, "wait": "yes", "hotlin": "1900", "callee_id_name": " "})

    assert {"extension", "wait", "hotlin", "callee_id_name", "number"} == set(error.fields)
    assert DialState.NOT_PLACED is error.dial_state


@pytest.mark.parametrize(
    ("field", "name", "arguments"),
    [
        ("extension", "start_call", {"extension": "", "number": "1"}),
        ("extension", "start_call", {"extension": " \t", "number": "1"}),
        ("extension", "start_call", {"extension": None, "number": "1"}),
        ("extension", "start_call", {"extension": True, "number": "1"}),
        ("number", "start_call", {"extension": "1", "number": 899098899}),
        ("number", "start_call", {"extension": "1", "number": "\ud800"}),
        ("wait", "start_call", {**DIAL, "wait": "false"}),
        ("wait", "start_call", {**DIAL, "wait": 1}),
        ("wait", "start_call", {**DIAL, "wait": None}),
        ("idempotency_key", "start_call", {**DIAL, "idempotency_key": "a\r\nX: y"}),
        ("leg", "park_call", {"call_id": "c", "leg": "c"}),
        ("leg", "park_call", {"call_id": "c", "leg": None}),
        ("call_id", "park_call", {"leg": "a"}),
        ("since", "list_records", {"since": datetime(2026, 1, 31)}),
        ("since", "list_records", {"since": "2026-01-31"}),
        ("until", "list_records", {"since": "2026-01-31T09:00:00Z", "until": "2026-01-31T08:59:59Z"}),
        ("ended_until", "list_records", {"ended_since": "2026-01-31T09:00:00Z", "ended_until": "2026-01-01T00:00:00Z"}),
        ("limit", "list_records", {"limit": 0}),
        ("limit", "list_records", {"limit": -1}),
        ("limit", "list_records", {"limit": 10_001}),
        ("limit", "list_records", {"limit": 10**30}),
        ("limit", "list_records", {"limit": 1.0}),
        ("min_duration_seconds", "list_records", {"min_duration_seconds": -1}),
        ("min_duration_seconds", "list_records", {"min_duration_seconds": True}),
        ("direction", "list_records", {"direction": "sideways"}),
        ("cursor", "list_records", {"cursor": ""}),
        ("byte_range", "fetch_recording", {"record_id": "r", "byte_range": "bytes=0-1\r\nX: y"}),
        ("agents[1]", "load_queue", {"queue_code": "q", "kind": "autocall", "customers": [], "agents": ["1", 2]}),
        ("agents[0]", "load_queue", {"queue_code": "q", "kind": "autocall", "customers": [], "agents": [" "]}),
        ("agents", "load_queue", {"queue_code": "q", "kind": "autocall", "customers": [], "agents": "101"}),
        (
            "customers[0].numbers",
            "load_queue",
            {"queue_code": "q", "kind": "autocall", "customers": [{"customer_id": "1"}]},
        ),
        (
            "customers[0].nmbers",
            "load_queue",
            {"queue_code": "q", "kind": "autocall", "customers": [{"customer_id": "1", "numbers": [], "nmbers": []}]},
        ),
    ],
)
async def test_an_argument_that_cannot_be_is_named_by_its_path(field, name, arguments):
    """Before the adapter is asked."""
    assert [field] == list((await refused(name, arguments)).fields)


async def test_arguments_arrive_in_their_own_types():
    """Whether an application gave them or JSON did."""
    adapter = Adapter(Page(items=()))

    await Guard(adapter, "hanoi", "acme", Timeouts())(
        OPERATIONS["list_records"],
        {"since": "2026-01-31T09:00:00+07:00", "direction": "inbound", "limit": 5, "outcome": None},
    )

    assert [
        (
            "list_records",
            {"since": datetime(2026, 1, 31, 2, tzinfo=UTC), "direction": "inbound", "limit": 5},
        )
    ] == adapter.got
    assert timedelta(0) == adapter.got[0][1]["since"].utcoffset()


async def test_an_empty_range_is_allowed():
    """It holds nothing, which is an answer."""
    moment = datetime(2026, 1, 31, tzinfo=UTC)

    assert Page(items=()) == await guard(Page(items=()))(OPERATIONS["list_records"], {"since": moment, "until": moment})


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("park_call", {"call_id": "c", "leg": Leg.A}),
        ("delete_queue", {"queue_code": "q", "kind": QueueKind.AUTOCALL}),
        ("create_extension", {"tenant_id": "t", "extension": "1", "password": Secret("x")}),
    ],
)
async def test_values_that_are_right_already_stay(name, arguments):
    """Enumerations and secrets as applications give them."""
    adapter = Adapter(OSError())

    with pytest.raises(GatewayError):
        await Guard(adapter, "hanoi", "acme", Timeouts())(OPERATIONS[name], arguments)

    assert [(name, arguments)] == adapter.got


async def test_an_idempotency_key_is_refused_while_there_is_no_journal():
    """A promise that a restart would break is not given; nothing was dialled, and nothing is said of the key's dial."""
    adapter = Adapter()

    with pytest.raises(Unsupported, match="idempotency_key") as caught:
        await Guard(adapter, "hanoi", "acme", Timeouts())(OPERATIONS["start_call"], {**DIAL, "idempotency_key": "k1"})

    assert [] == adapter.got
    assert caught.value.dial_state is None


# What comes back


@pytest.mark.parametrize(
    "error", [ValueError("secret"), KeyError("x"), OSError(), RecursionError(), ZeroDivisionError()]
)
async def test_a_plugins_fault_in_a_read_is_a_protocol_error(error):
    """It names the plugin, the account and the kind of fault, and not its text, which may hold anything."""
    found = await failure(error)

    assert isinstance(found, VendorProtocolError)
    assert ("hanoi", "list_calls", Origin.GATEWAY, None) == (
        found.account,
        found.operation,
        found.origin,
        found.dial_state,
    )
    assert type(error).__name__ in found.message
    assert "secret" not in str(found)
    assert error is found.__cause__


@pytest.mark.parametrize("name", RINGING)
async def test_a_plugins_fault_in_what_rings_is_unknown(name):
    """It may have sent the request before it failed."""
    found = await failure(ValueError(), name, ARGUMENTS[name])

    assert isinstance(found, OutcomeUnknown)
    assert (DialState.UNKNOWN, Origin.GATEWAY) == (found.dial_state, found.origin)


async def test_a_plugins_fault_in_a_write_is_unknown():
    """A tenant may have been made."""
    found = await failure(ValueError(), "create_tenant", {"tenant_id": "t"})

    assert isinstance(found, OutcomeUnknown)
    assert found.dial_state is None


@pytest.mark.parametrize(
    ("expected", "name", "result"),
    [
        (VendorProtocolError, "list_calls", None),
        (VendorProtocolError, "list_calls", []),
        (VendorProtocolError, "get_record", Page(items=())),
        (OutcomeUnknown, "start_call", None),
    ],
)
async def test_an_answer_of_another_type_is_a_plugins_fault(expected, name, result):
    """It would fail later, where nobody knows why."""
    arguments = {"start_call": DIAL, "get_record": {"record_id": "r"}}.get(name, {})

    assert expected is type(await failure(result, name, arguments))


@pytest.mark.parametrize("name", RINGING)
@pytest.mark.parametrize("state", DialState)
async def test_what_a_plugin_says_about_dialling_is_kept(name, state):
    """It has the proof."""
    assert state is (await failure(AgentBusy("busy", dial_state=state), name, ARGUMENTS[name])).dial_state


@pytest.mark.parametrize("name", RINGING)
@pytest.mark.parametrize(
    ("expected", "error"),
    [
        (DialState.NOT_PLACED, Unsupported("no")),
        (DialState.NOT_PLACED, InvalidRequest("no")),
        (DialState.UNKNOWN, InvalidRequest("no", origin=Origin.VENDOR)),
        (DialState.UNKNOWN, AgentBusy("busy")),
        (DialState.UNKNOWN, NotFound("gone")),
        (DialState.UNKNOWN, VendorAuthFailed("no")),
        (DialState.UNKNOWN, OutcomeUnknown("lost")),
    ],
)
async def test_every_error_of_what_rings_says_whether_a_phone_rang(name, expected, error):
    """Where the plugin says nothing, only what cannot have been sent is `not_placed`."""
    assert expected is (await failure(error, name, ARGUMENTS[name])).dial_state


async def test_an_error_of_a_read_says_nothing_about_dialling():
    """There is nothing to say."""
    assert (await failure(Conflict("no"))).dial_state is None


async def test_an_error_is_given_its_account_and_operation():
    """A plugin need not know them; what it knows better stays."""
    plain = await failure(VendorRejected("no"))
    own = await failure(VendorRejected("no", account="really-this-one", operation="x"))

    assert ("hanoi", "list_calls") == (plain.account, plain.operation)
    assert ("really-this-one", "list_calls") == (own.account, own.operation)


@pytest.mark.parametrize(
    ("expected", "error"),
    [
        ("vendor_protocol_error", Conflict("taken", vendor_code="E7")),
        ("vendor_protocol_error", NotFound("gone", vendor_code="E7")),
        ("vendor_protocol_error", GatewayError("?", vendor_code="E7")),
        ("vendor_unavailable", AgentBusy("busy", vendor_code="E7", retry_after=3)),
        ("vendor_unavailable", JournalError("no", vendor_code="E7")),
    ],
)
async def test_an_error_that_an_operation_does_not_declare_becomes_one_of_the_vendors(expected, error):
    """Applications are told by the docstring what to expect; what the plugin said stays in the message."""
    found = await failure(error)

    assert (expected, Origin.VENDOR, "E7") == (found.code, found.origin, found.vendor_code)
    assert (error.message in found.message, error.code in found.message) == (True, True)
    assert (error.retryable, error.retry_after) == (found.retryable, found.retry_after)


async def test_what_an_undeclared_error_says_of_ringing_stays():
    """The plugin has the proof, whatever class it took."""
    found = await failure(NotFound("no line", dial_state=DialState.NOT_PLACED), "start_call", DIAL)

    assert ("vendor_protocol_error", DialState.NOT_PLACED) == (found.code, found.dial_state)


async def test_an_adapter_with_a_part_of_an_interface_refuses_the_other():
    """Events come by webhooks or over a stream; an adapter inherits what its vendor knows."""
    with pytest.raises(Unsupported) as caught:
        await Guard(object(), "hanoi", "acme", Timeouts())(OPERATIONS["list_hooks"], {})

    assert ("hanoi", "list_hooks") == (caught.value.account, caught.value.operation)
    assert "events.list_hooks" in caught.value.message


# Deadlines

IN_NO_TIME = Timeouts(connect=0.001, read=0.001, dial=0.001, dial_wait=0.001)


async def forever():
    await asyncio.Event().wait()


async def test_a_plugin_that_hangs_in_a_read_is_late():
    """Nothing was changed, so the caller may try again."""
    found = await failure(forever, timeouts=IN_NO_TIME)

    assert isinstance(found, VendorTimeout)
    assert found.retryable


@pytest.mark.parametrize("name", RINGING)
async def test_a_plugin_that_hangs_in_what_rings_is_unknown(name):
    """The phone may be ringing."""
    found = await failure(forever, name, ARGUMENTS[name], IN_NO_TIME)

    assert isinstance(found, OutcomeUnknown)
    assert DialState.UNKNOWN is found.dial_state


async def test_a_call_that_waits_has_the_time_it_needs():
    """The deadline of a waiting click-to-call is `dial_wait`, not `dial`."""
    waiting = asyncio.Event()

    async def pick_up():
        waiting.set()
        await forever()

    times = Timeouts(connect=0.001, read=0.001, dial=0.001, dial_wait=1000)
    call = asyncio.create_task(guard(pick_up, times)(OPERATIONS["start_call"], {**DIAL, "wait": True}))
    for _ in range(2):  # the second one starts after the call and is over when a call that does not wait would be
        await failure(forever, "start_call", DIAL, times)

    assert waiting.is_set()
    assert not call.done()
    call.cancel()
    await asyncio.wait([call])


async def test_cancelling_reaches_the_plugin_and_the_caller():
    """It is no error of ours."""
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def work():
        started.set()
        try:
            await forever()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    task = asyncio.create_task(guard(work)(OPERATIONS["list_calls"], {}))
    await started.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert cancelled.is_set()


# Logs


@pytest.fixture
def lines(caplog):
    """What the gateway logs about operations."""
    caplog.set_level(logging.DEBUG, logger="gateway")
    return lambda: [record.getMessage() for record in caplog.records if "event=operation." in record.getMessage()]


async def test_an_operation_is_one_line_in_the_log(lines):
    """With account, operation and how long it took."""
    await guard(Page(items=()))(OPERATIONS["list_calls"], {})

    (line,) = lines()
    assert "event=operation.done account=hanoi operation=list_calls milliseconds=" in line
    assert "level=info" in line


@pytest.mark.parametrize(
    "result", [AgentBusy("busy 0899098899", dial_state=DialState.NOT_PLACED), ValueError(NUMBER), None, forever]
)
async def test_a_failure_is_one_line_in_the_log_without_the_number(lines, caplog, result):
    """With code and dial state; neither arguments nor texts of errors."""
    found = await failure(result, "start_call", DIAL, IN_NO_TIME)

    (line,) = lines()
    assert f"operation=start_call code={found.code} dial_state={found.dial_state} " in line
    assert "level=warning" in line
    assert NUMBER not in caplog.text


async def test_refused_arguments_are_one_line_in_the_log_without_them(lines, caplog):
    """What somebody typed is not ours to keep."""
    await refused("start_call", {"extension": "101", "number": NUMBER, NUMBER: "x"})

    assert 1 == len(lines())
    assert NUMBER not in caplog.text


async def test_a_cancelled_operation_is_one_line_in_the_log(lines):
    """A dial that nobody waited for is worth knowing of."""
    started = asyncio.Event()

    async def work():
        started.set()
        await forever()

    task = asyncio.create_task(guard(work)(OPERATIONS["start_call"], DIAL))
    await started.wait()
    task.cancel()
    await asyncio.wait([task])

    (line,) = lines()
    assert "event=operation.cancelled account=hanoi operation=start_call" in line


@pytest.mark.parametrize("value", ["101\r\nX: y", "10\x001", "10\x7f1", "1" * 8001, "  "])
async def test_text_that_no_phone_has_is_refused_by_name(value):
    """Control characters, blanks and whole books do not reach a vendor."""
    guarded = guard()

    with pytest.raises(InvalidRequest) as caught:
        await guarded(OPERATIONS["start_call"], {**DIAL, "extension": value})

    assert {"extension"} == set(caught.value.fields)
    assert DialState.NOT_PLACED is caught.value.dial_state
    assert [] == guarded._adapter.got


class OlderAdapter:
    """Was written when calls had no hotline."""

    async def start_call(self, *, extension, number):
        raise AssertionError("not reached with a hotline")


async def test_an_argument_that_is_newer_than_the_plugin_is_refused():
    """By its name, with the proof that nothing rang: the plugin is not broken, it is older."""
    guard = Guard(OlderAdapter(), "pbx", "acme", Timeouts())

    with pytest.raises(Unsupported, match="older than hotline") as caught:
        await guard(OPERATIONS["start_call"], {**DIAL, "hotline": "1900"})

    assert DialState.NOT_PLACED is caught.value.dial_state


async def test_rows_that_could_not_be_read_are_logged_once_and_without_what_they_hold(caplog):
    """Lists are read again and again; what is new is told."""
    caplog.set_level(logging.WARNING, "gateway")
    pages = iter([("x", {"n": NUMBER}), ("x", {"n": NUMBER}), ("x", "y"), None, "a page of its own"])
    found = guard()

    async def page():
        rows = next(pages)
        return Page(items=(), skipped=2, raw=rows)

    found._adapter.result = page  # the adapter of this test
    for _ in range(5):
        await found(OPERATIONS["list_calls"], {})

    lines = [each.getMessage() for each in caplog.records]
    assert [2, 1, 2, 2] == [int(line.partition("rows=")[2]) for line in lines]
    assert all("event=rows.skipped account=hanoi operation=list_calls" in line for line in lines)
    assert NUMBER not in caplog.text


async def test_what_is_remembered_of_rows_has_a_bound(monkeypatch):
    """However many a vendor makes up."""
    monkeypatch.setattr("gateway.accounts.guard._SKIPPED_KNOWN", 10)
    numbers = iter(range(1000))
    found = guard()

    async def page():
        return Page(items=(), skipped=3, raw=tuple({"n": next(numbers)} for _ in range(3)))

    found._adapter.result = page  # the adapter of this test
    for _ in range(20):
        await found(OPERATIONS["list_calls"], {})

    assert len(found._skipped) <= 10  # what is kept cannot be seen from outside


def test_arguments_that_were_checked_are_not_checked_again():
    """Several layers stand around an account, and each may check what it hands on."""
    checked = check_arguments(OPERATIONS["start_call"], {**DIAL, "wait": True, "idempotency_key": '"k"'})
    handed_on = checked.without("idempotency_key")

    assert checked is check_arguments(OPERATIONS["start_call"], checked)
    assert handed_on is check_arguments(OPERATIONS["start_call"], handed_on)
    assert {**DIAL, "wait": True} == handed_on

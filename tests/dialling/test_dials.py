"""Safe dialling through the whole gateway: real simulators, a real journal, and what goes wrong between them."""

import asyncio
import contextlib
import itertools
import sqlite3
from datetime import UTC, datetime

import aiohttp
import attrs
import pytest
from gateway_contracts import (
    AgentNotRegistered,
    Conflict,
    DialState,
    EventType,
    Forbidden,
    GatewayError,
    IdempotencyMismatch,
    InvalidRequest,
    JournalError,
    NotFound,
    OutcomeUnknown,
)
from gateway_simulators import Fault, LiveClock
from gateway_simulators.antbuddy import AntbuddySimulator
from gateway_simulators.tel4vn_v1 import Tel4vnV1Simulator
from sqlalchemy import update
from yarl import URL

from gateway import Gateway
from gateway.accounts import arguments as argument_checks
from gateway.config import timeouts_of
from gateway.dialling import dials as dialling_module
from gateway.dialling import fingerprints
from gateway.dialling import resolver as resolving
from gateway.dialling.process import DiallingProcess
from gateway.http import connections, server
from gateway.journal import dials, schema
from gateway.keys import new_key
from tests.gateways import serving

NUMBER = "0899888999"
DIAL = {"extension": "101", "number": NUMBER}
CLICK = "/v1/click2call/async"
ANTBUDDY_CLICK = "/oapi/v1/call/click-to-call/*"
AT_ONCE = resolving.Patience(looking=-1000, every=0, rarely=0)
TOKEN = "token-of-the-account-hanoi"


@pytest.fixture
async def pbx():
    """A PBX that lives in the present, since calls are looked for by time. They last until they are ended."""
    async with Tel4vnV1Simulator(clock=LiveClock()) as simulator:
        simulator.behaviour.ring_seconds = 3600
        yield simulator


@pytest.fixture
async def antbuddy():
    async with AntbuddySimulator(clock=LiveClock()) as simulator:
        simulator.behaviour.ring_seconds = 3600
        yield simulator


@pytest.fixture
def config(pbx, antbuddy, tmp_path):
    """The accounts `hanoi` and `hotline`, the route `sales` over both, and a journal."""
    settings = {"base_url": antbuddy.url, "socket_url": antbuddy.socket_url, "app_id": antbuddy.app_id}
    settings |= {"app_secret": antbuddy.app_secret, "account_id": antbuddy.account_id, "devices": antbuddy.devices}
    hanoi = {"base_url": pbx.url, "api_key": pbx.api_key}
    return {
        "accounts": {
            "hanoi": {"vendor": "tel4vn-v1", "settings": hanoi, "hook_token": TOKEN},
            "hotline": {"vendor": "antbuddy", "settings": settings},
        },
        "routes": {"sales": {"accounts": ["hanoi", "hotline"], "failover_on": ["agent_not_registered"]}},
        "journal": {"url": f"sqlite:///{tmp_path}/gateway.db"},
    }


@pytest.fixture
async def gateway(config):
    async with Gateway.from_config(config) as gateway:
        yield gateway


@pytest.fixture
def patient(monkeypatch):
    """A resolver that finds nothing by itself while a test runs."""
    monkeypatch.setattr(resolving, "PATIENCE", resolving.Patience(every=3600, rarely=3600))


@pytest.fixture
def hasty(monkeypatch):
    """A resolver that looks at once, and stops looking when it finds nothing."""
    monkeypatch.setattr(resolving, "PATIENCE", AT_ONCE)


@pytest.fixture
def rows(tmp_path):
    """What is in the journal's file, seen by somebody else."""

    def read(query):
        with contextlib.closing(sqlite3.connect(tmp_path / "gateway.db")) as database:
            return database.execute(query).fetchall()

    return read


@contextlib.contextmanager
def unwritable(tmp_path):
    """Somebody else holds the journal's file."""
    with contextlib.closing(sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


async def hasten(gateway):
    """Let the journal not wait for whoever holds its file."""
    store = (await gateway.journal.get()).store
    await store.write(lambda connection: connection.exec_driver_sql("PRAGMA busy_timeout=1").close())


async def dial(account, **more):
    return await account.click_to_call.start_call(**{**DIAL, **more})


# The intent


async def test_an_intent_is_on_disk_before_the_vendor_is_asked(gateway, pbx, rows):
    """With all that is needed to find the call again; when the vendor has answered, the end is there too."""
    pbx.faults.add(Fault(CLICK, kind="hold"))
    dialling = asyncio.create_task(dial(gateway["hanoi"], idempotency_key="k1"))
    await pbx.until(lambda: pbx.faults.held)

    query = "SELECT account, asked, caller, idempotency_key, state, extension, number, tried_at > 0 FROM dials"
    assert [("hanoi", "hanoi", "", "k1", "in_progress", "101", NUMBER, 1)] == rows(query)

    pbx.faults.release()
    call = await dialling
    assert call.dial_id.startswith("dl_")
    found = rows("SELECT dial_id, state, call_id, evidence FROM dials")
    assert [(call.dial_id, "placed", call.call_id, "answer")] == found
    assert call.call_id == pbx.originated[0].call_id


async def test_a_request_has_the_same_fingerprint_in_every_release(gateway, rows):
    """Or a key that was used before an update would belong to another request after it."""
    await dial(gateway["hanoi"], auto_answer=True, idempotency_key="k1")

    assert [("755278c9",)] == rows("SELECT substr(fingerprint, 1, 8) FROM dials")


async def test_an_argument_that_came_later_changes_no_fingerprint_where_it_says_nothing(gateway, rows, monkeypatch):
    """A key that was used before an update still belongs to its request."""
    arguments = sorted([*fingerprints._request_of(), ("later", False)])
    monkeypatch.setattr(fingerprints, "_request_of", lambda: arguments)

    await dial(gateway["hanoi"], auto_answer=True, idempotency_key="k1")

    assert [("755278c9",)] == rows("SELECT substr(fingerprint, 1, 8) FROM dials")


async def test_the_arguments_of_a_dial_are_checked_once(gateway, monkeypatch):
    """By the first layer that they come through; the guard takes them as they are."""
    checked = []
    checks_of = argument_checks.checks_of
    monkeypatch.setattr(argument_checks, "checks_of", lambda operation: checked.append(1) or checks_of(operation))

    await dial(gateway["hanoi"], idempotency_key="k1")

    assert [1] == checked


async def test_what_cannot_be_written_is_not_dialled(gateway, pbx, tmp_path):
    """The journal in trouble means no call; when it has recovered, the same key dials."""
    await hasten(gateway)
    with unwritable(tmp_path), pytest.raises(JournalError) as caught:
        await dial(gateway["hanoi"], idempotency_key="k1")

    assert (None, "hanoi", "start_call") == (
        caught.value.dial_state,  # of the key's dial, which cannot be read now
        caught.value.account,
        caught.value.operation,
    )
    assert [] == pbx.originated
    await dial(gateway["hanoi"], idempotency_key="k1")
    assert 1 == len(pbx.originated)


async def test_an_answer_that_cannot_be_written_is_given_all_the_same(gateway, pbx, tmp_path, monkeypatch):
    """The end is written when the journal can be written again; until then the key is under way."""
    monkeypatch.setattr(DiallingProcess, "pauses", lambda _: itertools.repeat(0.01))
    await hasten(gateway)
    pbx.faults.add(Fault(CLICK, kind="hold"))
    dialling = asyncio.create_task(dial(gateway["hanoi"], idempotency_key="k1"))
    await pbx.until(lambda: pbx.faults.held)
    with unwritable(tmp_path):
        pbx.faults.release()
        call = await dialling
    store = (await gateway.journal.get()).store
    while (await store.read(lambda connection: dials.read(connection, call.dial_id))).state == "in_progress":
        await store.probe()

    assert pbx.originated[0].call_id == call.call_id
    assert call == await dial(gateway["hanoi"], idempotency_key="k1")
    assert 1 == len(pbx.originated)


async def test_a_cancelled_caller_does_not_lose_the_dial(gateway, pbx):
    """Its end is written, and whoever asks with the key gets it."""
    pbx.faults.add(Fault(CLICK, kind="hold"))
    dialling = asyncio.create_task(dial(gateway["hanoi"], idempotency_key="k1"))
    await pbx.until(lambda: pbx.faults.held)
    dialling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dialling
    with pytest.raises(Conflict):
        await dial(gateway["hanoi"], idempotency_key="k1")
    pbx.faults.release()
    (running,) = gateway["hanoi"].carry_out.dialling._running
    await asyncio.wait([running])

    call = await dial(gateway["hanoi"], idempotency_key="k1")

    assert [call.call_id] == [each.call_id for each in pbx.originated]


async def test_a_caller_that_is_gone_before_the_vendor_is_asked_rings_nobody(gateway, pbx, tmp_path):
    """The intent is written late, and ends at once; the key may be used."""
    await dial(gateway["hanoi"], extension="102")
    with unwritable(tmp_path):
        dialling = asyncio.create_task(dial(gateway["hanoi"], idempotency_key="k1"))
        await asyncio.wait([dialling], timeout=0)
        running = list(gateway["hanoi"].carry_out.dialling._running)
        dialling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dialling
    await asyncio.wait(running)

    assert ["102"] == [each.extension for each in pbx.originated]
    await dial(gateway["hanoi"], idempotency_key="k1")
    assert ["102", "101"] == [each.extension for each in pbx.originated]


async def test_an_intent_of_which_nobody_heard_that_it_is_written_keeps_no_key(gateway, pbx, monkeypatch):
    """The journal's server went away after it had written: nothing was dialled, and the key may be used soon."""
    monkeypatch.setattr(DiallingProcess, "pauses", lambda _: itertools.repeat(0.01))
    await dial(gateway["hanoi"], extension="102")
    store = (await gateway.journal.get()).store
    write = store.write

    async def write_and_fail(work):
        monkeypatch.undo()
        monkeypatch.setattr(DiallingProcess, "pauses", lambda _: itertools.repeat(0.01))
        await write(work)
        raise JournalError("gone")

    monkeypatch.setattr(store, "write", write_and_fail)
    with pytest.raises(JournalError):
        await dial(gateway["hanoi"], idempotency_key="k1")
    await asyncio.wait(gateway["hanoi"].carry_out.dialling.process._late)

    await dial(gateway["hanoi"], idempotency_key="k1")
    assert 2 == len(pbx.originated)


async def test_a_process_that_dials_stays_alive(gateway, pbx, rows, monkeypatch):
    """Its lease is renewed for as long as the vendor takes, so that nobody takes the dial for a dead one's."""
    monkeypatch.setattr(dials, "LIFE_SECONDS", 0.03)
    pbx.faults.add(Fault(CLICK, kind="hold"))
    dialling = asyncio.create_task(dial(gateway["hanoi"]))
    await pbx.until(lambda: pbx.faults.held)
    store = (await gateway.journal.get()).store
    seen = set()
    while len(seen) < 3:
        seen |= set(rows("SELECT until FROM leases"))
        await store.probe()
    pbx.faults.release()

    assert pbx.originated == []
    await dialling


# The fence


@pytest.fixture
def stalled(gateway, pbx):
    """The process dials, and is held up after the intent, while it waits for its token; meanwhile a *work* is done."""

    @contextlib.asynccontextmanager
    async def stall():
        pbx.faults.add(Fault("/v1/auth/token", kind="hold", execute=True))
        dialling = asyncio.create_task(dial(gateway["hanoi"], idempotency_key="k1"))
        await pbx.until(lambda: pbx.faults.held)
        yield dialling
        pbx.faults.release()
        await asyncio.wait([dialling])

    return stall


@pytest.mark.parametrize("state", ["unknown", "not_placed", "placed"])
async def test_a_dial_that_was_given_up_meanwhile_is_not_sent(gateway, pbx, rows, stalled, state):
    """Another process took this one for dead: the try is read again when the token and the connection are there."""
    async with stalled() as dialling:
        store = (await gateway.journal.get()).store
        give_up = update(schema.dials).values(state=state)
        await store.write(lambda connection: connection.execute(give_up).rowcount)

    assert DialState.NOT_PLACED is dialling.exception().dial_state
    assert [] == pbx.originated
    assert [("placed" if state == "placed" else "not_placed",)] == rows("SELECT state FROM dials")


async def test_a_dial_that_is_still_its_own_is_sent_after_a_wait(gateway, pbx, rows, stalled):
    """Once."""
    async with stalled():
        pass

    assert 1 == len(pbx.originated)
    assert [("placed",)] == rows("SELECT state FROM dials")


async def test_a_dial_is_not_sent_late(gateway, pbx, rows, stalled, monkeypatch):
    """After `dial_start` nobody waits for the call any more, whatever held it up: asleep, or a slow vendor."""
    async with stalled() as dialling:
        now = dialling_module.moment()
        monkeypatch.setattr(dialling_module, "moment", lambda: now + 10)

    assert ("vendor_timeout", True) == (dialling.exception().code, dialling.exception().retryable)
    assert DialState.NOT_PLACED is dialling.exception().dial_state
    assert "timeouts.dial_start" in dialling.exception().message
    assert [] == pbx.originated
    assert [("not_placed",)] == rows("SELECT state FROM dials")


async def test_a_dial_waits_no_longer_for_the_journal_than_it_may(config, pbx, tmp_path):
    """The database stands still: nothing rings when it goes on, and its key is not spent."""
    config["accounts"]["hanoi"]["timeouts"] = {"dial_start": 0.2}
    async with Gateway.from_config(config) as gateway:
        await gateway.journal.get()
        with unwritable(tmp_path), pytest.raises(JournalError, match="did not take the dial in time") as caught:
            await dial(gateway["hanoi"], idempotency_key="k1")
        assert caught.value.dial_state is None
        await asyncio.wait(gateway["hanoi"].carry_out.dialling.process._late)

    assert [] == pbx.originated


async def test_a_process_that_stood_still_after_the_commit_reads_its_dial_again(gateway, pbx, monkeypatch):
    """It went on seconds later, as if nothing had been: meanwhile another process has given the dial up."""
    await dial(gateway["hanoi"], extension="102")
    begin = dials.begin

    def begin_and_stop(connection, *args, **more):
        kept, new = begin(connection, *args, **more)
        connection.execute(update(schema.dials).where(schema.dials.c.dial_id == kept.dial_id).values(state="unknown"))
        now = dialling_module.moment
        monkeypatch.setattr(dialling_module, "moment", lambda: now() - 5)  # and 5 seconds later it is as it was
        return kept, new

    monkeypatch.setattr(dials, "begin", begin_and_stop)
    write = (await gateway.journal.get()).store.write

    async def write_and_wake(work):
        found = await write(work)
        monkeypatch.undo()
        return found

    monkeypatch.setattr((await gateway.journal.get()).store, "write", write_and_wake)
    with pytest.raises(Conflict) as caught:
        await dial(gateway["hanoi"])

    assert DialState.NOT_PLACED is caught.value.dial_state
    assert ["102"] == [each.extension for each in pbx.originated]


async def test_a_dial_of_which_nothing_was_awaited_is_not_read_again(gateway, pbx, monkeypatch):
    """With a token and a connection at hand, the bytes follow the commit."""
    await dial(gateway["hanoi"], extension="102")
    asked = []
    is_current = dials.is_current
    monkeypatch.setattr(dials, "is_current", lambda *args, **more: asked.append(1) or is_current(*args, **more))
    await dial(gateway["hanoi"])

    assert [] == asked
    assert 2 == len(pbx.originated)


async def test_what_is_sent_again_after_a_401_passes_the_fence_again(gateway, pbx, monkeypatch):
    """The token was revoked; when its successor comes, the dial may be too late."""
    await dial(gateway["hanoi"], extension="102")
    pbx.expire_tokens()
    pbx.faults.add(Fault("/v1/auth/token", kind="hold", execute=True))
    dialling = asyncio.create_task(dial(gateway["hanoi"]))
    await pbx.until(lambda: pbx.faults.held)
    now = dialling_module.moment()
    monkeypatch.setattr(dialling_module, "moment", lambda: now + 10)
    pbx.faults.release()
    with pytest.raises(GatewayError) as caught:
        await dialling

    assert DialState.NOT_PLACED is caught.value.dial_state
    assert 1 == len(pbx.originated)


async def test_a_slow_body_takes_the_dials_time(keyed, pbx):
    """It counts from the head of the request: who clicked has long gone when the rest of it comes."""
    _, url, keys = keyed
    body = b'{"extension": "101", "number": "0899888999"}'
    address = URL(url)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    head = f"POST /v1/accounts/hanoi/calls HTTP/1.1\r\nHost: {address.host}:{address.port}\r\nConnection: close\r\n"
    head += f"Authorization: Bearer {keys['crm']}\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")  # so the head was read, and the body is waited for
    with pytest.MonkeyPatch.context() as patch:
        now = dialling_module.moment()
        patch.setattr(dialling_module, "moment", lambda: now + 10)
        writer.write(body)
        answer = await reader.read()
    writer.close()

    assert b"504" in answer.partition(b"\r\n")[0]
    assert b'"dial_state":"not_placed"' in answer
    assert [] == pbx.originated


async def test_what_was_found_out_stays_whatever_the_caller_sees(config, pbx, rows):
    """Another process found the call while this one lost its answer."""
    async with Gateway.from_config(config) as gateway:
        pbx.faults.add(Fault(CLICK, kind="hold", execute=True))
        dialling = asyncio.create_task(dial(gateway["hanoi"], idempotency_key="k1"))
        await pbx.until(lambda: pbx.faults.held)
        store = (await gateway.journal.get()).store
        found = "UPDATE dials SET state = 'placed', call_id = 'found'"
        await store.write(lambda connection: connection.exec_driver_sql(found).rowcount)
    with pytest.raises(OutcomeUnknown):
        await dialling

    assert [("placed", "found")] == rows("SELECT state, call_id FROM dials")


async def test_closing_the_gateway_ends_its_dials_as_unknown(config, pbx, rows):
    """Whoever still waits is told so; the next gateway finds out what it was."""
    async with Gateway.from_config(config) as gateway:
        pbx.faults.add(Fault(CLICK, kind="hold", execute=True))
        dialling = asyncio.create_task(dial(gateway["hanoi"], idempotency_key="k1"))
        await pbx.until(lambda: pbx.faults.held)
    with pytest.raises(OutcomeUnknown) as caught:
        await dialling

    assert [("unknown", caught.value.dial_id)] == rows("SELECT state, dial_id FROM dials")
    assert [] == rows("SELECT * FROM leases")
    async with Gateway.from_config(config) as gateway:
        found = await gateway["hanoi"].dial(caught.value.dial_id)
    assert ("placed", "live_call", pbx.originated[0].call_id) == (found.state, found.evidence, found.call_id)


# Keys


async def test_one_key_dials_once(gateway, pbx):
    """However often and however much at once; each gets the first answer, or is told that it is under way."""
    tries = (dial(gateway["hanoi"], idempotency_key="k1") for _ in range(20))
    first = await asyncio.gather(*tries, return_exceptions=True)
    again = await dial(gateway["hanoi"], idempotency_key="k1")

    assert 1 == len(pbx.originated)
    assert [again] == [each for each in first if not isinstance(each, Conflict)]
    assert (pbx.originated[0].call_id, pbx.originated[0].call_id) == (again.call_id, again.raw["call_id"])


async def test_one_key_dials_once_whichever_process_is_asked(config, pbx):
    """Two gateways on one database."""
    async with Gateway.from_config(config) as one, Gateway.from_config(config) as other:
        for extension in range(200, 210):
            pbx.register(str(extension))
        tries = (
            dial(each["hanoi"], idempotency_key=f"k{extension}", extension=str(extension))
            for extension in range(200, 210)
            for each in (one, other)
        )
        await asyncio.gather(*tries, return_exceptions=True)

    assert 10 == len(pbx.originated)
    assert 10 == len({each.extension for each in pbx.originated})


@pytest.mark.parametrize("more", [{"number": "0899888998"}, {"extension": "102"}, {"auto_answer": True}])
async def test_a_key_belongs_to_its_request(gateway, pbx, more):
    """Another one under it is refused and rings nobody; what is said in other words is the same."""
    first = await dial(gateway["hanoi"], idempotency_key="k1")
    with pytest.raises(IdempotencyMismatch) as caught:
        await dial(gateway["hanoi"], idempotency_key="k1", **more)

    assert (DialState.PLACED, first.dial_id) == (caught.value.dial_state, caught.value.dial_id)
    assert first == await dial(gateway["hanoi"], idempotency_key="k1", auto_answer=False, hotline=None)
    assert 1 == len(pbx.originated)


async def test_a_key_is_one_for_each_account_and_route(gateway, pbx, antbuddy):
    """The same words on another name are another key."""
    await dial(gateway["hanoi"], idempotency_key="k1")
    await dial(gateway["hotline"], idempotency_key="k1")
    await dial(gateway["sales"], idempotency_key="k1", extension="102")

    assert (2, 1) == (len(pbx.originated), len(antbuddy.originated))


@pytest.mark.parametrize("key", ["", " ", "k" * 201, f'"{"k" * 201}"', "a\tb", "a\x7f"])
async def test_a_key_is_up_to_200_printable_characters(gateway, pbx, key):
    """Anything else is refused before anything is written."""
    with pytest.raises(InvalidRequest) as caught:
        await dial(gateway["hanoi"], idempotency_key=key)

    assert ["idempotency_key"] == list(caught.value.fields)
    assert [] == pbx.originated
    await dial(gateway["hanoi"], idempotency_key=f'"{"kệ" * 100}"')


async def test_what_did_not_ring_may_be_tried_again(gateway, pbx, rows):
    """Under the same key and as the same dial."""
    pbx.unregister("101")
    with pytest.raises(AgentNotRegistered) as caught:
        await dial(gateway["hanoi"], idempotency_key="k1")
    refused = await gateway["hanoi"].dial(caught.value.dial_id)
    pbx.register("101")
    call = await dial(gateway["hanoi"], idempotency_key="k1")
    placed = await gateway["hanoi"].dial(call.dial_id)

    assert caught.value.dial_id == call.dial_id
    assert ("not_placed", "agent_not_registered", None) == (refused.state, refused.error.code, refused.conversation_id)
    assert ("placed", None, call.call_id) == (placed.state, placed.error, placed.call_id)
    assert placed.requested_at > refused.requested_at
    assert 1 == rows("SELECT count(*) FROM dials")[0][0]


async def test_an_unknown_outcome_is_replayed_until_it_is_known(gateway, pbx, patient, monkeypatch):
    """The same error, then what it turned out to be; the phone has rung once."""
    pbx.faults.add(Fault(CLICK, kind="drop"))
    seen = []
    for _ in range(2):
        with pytest.raises(OutcomeUnknown) as caught:
            await dial(gateway["hanoi"], idempotency_key="k1")
        seen.append((caught.value.message, caught.value.dial_id, caught.value.dial_state, caught.value.account))
    monkeypatch.setattr(resolving, "PATIENCE", AT_ONCE)
    found = await gateway["hanoi"].dial(caught.value.dial_id)
    call = await dial(gateway["hanoi"], idempotency_key="k1")

    assert seen[0] == seen[1]
    assert ("placed", "live_call") == (found.state, found.evidence)
    assert (pbx.originated[0].call_id, caught.value.dial_id) == (call.call_id, call.dial_id)
    assert 1 == len(pbx.originated)


# Routes


async def test_a_route_is_one_dial_whose_account_is_known_before_it_is_tried(gateway, pbx, antbuddy, rows):
    """The first account refuses; the journal names the second while that is asked."""
    pbx.unregister("101")
    antbuddy.faults.add(Fault(ANTBUDDY_CLICK, kind="hold"))
    dialling = asyncio.create_task(dial(gateway["sales"], idempotency_key="k1"))
    await antbuddy.until(lambda: antbuddy.faults.held)
    assert [("sales", "hotline", "in_progress")] == rows("SELECT asked, account, state FROM dials")
    antbuddy.faults.release()

    call = await dialling

    assert ("hotline", 1) == (call.account, len(antbuddy.originated))
    assert call == await dial(gateway["sales"], idempotency_key="k1")
    found = [await gateway[name].dial(call.dial_id) for name in ("sales", "hotline")]
    assert [("sales", "hotline", "placed")] * 2 == [(each.asked, each.account, each.state) for each in found]
    with pytest.raises(NotFound):
        await gateway["hanoi"].dial(call.dial_id)


async def test_a_route_does_not_go_on_when_the_journal_cannot_say_so(gateway, pbx, antbuddy, tmp_path):
    """The next account is not asked before its turn is written; nothing rang."""
    await hasten(gateway)
    pbx.unregister("101")
    pbx.faults.add(Fault(CLICK, kind="hold"))
    dialling = asyncio.create_task(dial(gateway["sales"]))
    await pbx.until(lambda: pbx.faults.held)
    with unwritable(tmp_path):
        pbx.faults.release()
        with pytest.raises(JournalError) as caught:
            await dialling

    assert DialState.NOT_PLACED is caught.value.dial_state
    assert [] == antbuddy.originated


async def test_a_route_whose_next_turn_was_written_unheard_ends_all_the_same(gateway, pbx, antbuddy, monkeypatch, rows):
    """The journal's server went away after it had written: nothing rang at either account, and the key may be used."""
    monkeypatch.setattr(DiallingProcess, "pauses", lambda _: itertools.repeat(0.01))
    pbx.unregister("101")
    store = (await gateway.journal.get()).store
    write = store.write

    async def lose_the_answer_to_a_move(work):
        found = await write(work)
        if getattr(work, "func", None) is dials.move:
            raise JournalError("gone")
        return found

    monkeypatch.setattr(store, "write", lose_the_answer_to_a_move)
    with pytest.raises(JournalError):
        await dial(gateway["sales"], idempotency_key="k1")
    await asyncio.wait(gateway["sales"].carry_out.dialling.process._late)

    assert [("not_placed",)] == rows("SELECT state FROM dials")
    assert [] == antbuddy.originated


async def test_a_route_does_not_go_on_after_an_unknown_outcome(gateway, pbx, antbuddy):
    """What may have rung is not dialled elsewhere."""
    pbx.faults.add(Fault(CLICK, kind="error_after"))
    with pytest.raises(OutcomeUnknown):
        await dial(gateway["sales"], idempotency_key="k1")
    with pytest.raises(OutcomeUnknown):
        await dial(gateway["sales"], idempotency_key="k1")

    assert (1, 0) == (len(pbx.originated), len(antbuddy.originated))


# Over HTTP


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def keyed(config):
    """A sidecar with the keys of `crm`, `desk` and `boss`; gives its gateway, address and headers by name."""
    scopes = {"crm": ["calls"], "desk": ["calls"], "boss": ["calls", "admin"], "reader": ["records"]}
    keys = {name: new_key() for name in scopes}
    config["proxy"] = {"keys": [{"name": n, "sha256": keys[n][1], "scopes": scopes[n]} for n in scopes]}
    async with Gateway.from_config(config) as gateway, serving(gateway) as url:
        yield gateway, url, {name: key for name, (key, _) in keys.items()}


async def post(session, url, key, idempotency_key, **more):
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": idempotency_key}
    async with session.post(f"{url}/v1/accounts/hanoi/calls", json={**DIAL, **more}, headers=headers) as answer:
        return answer.status, answer.headers, await answer.json()


async def test_a_replay_says_so(keyed, session, pbx, patient):
    """In a header, of answers and of problems; a first answer does not, and another request is 422."""
    _, url, keys = keyed
    first = await post(session, url, keys["crm"], "k1")
    again = await post(session, url, keys["crm"], "k1")
    other = await post(session, url, keys["crm"], "k1", extension="102")
    pbx.faults.add(Fault(CLICK, kind="drop"))
    lost = [await post(session, url, keys["crm"], "k2", extension="102") for _ in range(2)]

    assert (201, None) == (first[0], first[1].get("Idempotency-Replayed"))
    assert (201, "true", first[2]) == (again[0], again[1]["Idempotency-Replayed"], again[2])
    assert (422, "idempotency_mismatch") == (other[0], other[2]["code"])
    assert [(504, "outcome_unknown", None), (504, "outcome_unknown", "true")] == [
        (status, body["code"], headers.get("Idempotency-Replayed")) for status, headers, body in lost
    ]
    assert lost[0][2]["dial_id"] == lost[1][2]["dial_id"]
    assert 2 == len(pbx.originated)


async def test_a_refused_retry_says_nothing_of_the_keys_dial(config, session, pbx, patient, tmp_path):
    """The request itself did not get as far as the vendor; the key's dial has rung. Without a key that is the same."""
    keys = {name: new_key() for name in ("crm", "reader")}
    scopes = {"crm": ["calls"], "reader": ["records"]}
    config["proxy"] = {"keys": [{"name": n, "sha256": keys[n][1], "scopes": scopes[n]} for n in keys]}
    async with Gateway.from_config(config) as gateway, serving(gateway) as url:
        pbx.faults.add(Fault(CLICK, kind="drop"))
        first = await post(session, url, keys["crm"][0], "k1")
        await hasten(gateway)

        async def refused(key=keys["crm"][0], account="hanoi", idempotency_key="k1", **more):
            headers = {"Authorization": f"Bearer {key}", **more.pop("headers", {})}
            headers |= {"Idempotency-Key": idempotency_key} if idempotency_key else {}
            async with session.post(
                f"{url}/v1/accounts/{account}/calls", json={**DIAL, **more}, headers=headers
            ) as answer:
                body = await answer.json()
                return answer.status, body.get("dial_state")

        ways = {
            401: {"key": "gw_replaced"},
            403: {"key": keys["reader"][0]},
            404: {"account": "renamed"},
            400: {"numbr": "1"},
        }
        found = {status: await refused(**way) for status, way in ways.items()}
        site = await refused(headers={"Origin": "https://other.example"})
        without = {status: await refused(idempotency_key=None, **way) for status, way in ways.items()}
        with unwritable(tmp_path):
            held = await refused()
            held_without = await refused(idempotency_key=None)

    assert "unknown" == first[2]["dial_state"]
    assert {status: (status, None) for status in ways} == found
    assert {status: (status, "not_placed") for status in ways} == without
    assert [(403, None), (503, None), (503, "not_placed")] == [site, held, held_without]
    assert 1 == len(pbx.originated)


async def test_a_refused_retry_from_python_says_nothing_either(config, pbx, patient):
    """Whoever refuses it: this process, the network, or the sidecar."""
    key, digest = new_key()
    config["proxy"] = {"keys": [{"name": "crm", "sha256": digest, "scopes": ["calls"]}]}
    states = []
    async with Gateway.from_config(config) as gateway, contextlib.AsyncExitStack() as sidecar:
        url = await sidecar.enter_async_context(serving(gateway))
        async with Gateway.remote(url, key=key) as remote:
            for account in (gateway["hanoi"], remote["hanoi"]):
                for more in ({"idempotency_key": "k1"}, {}):
                    with pytest.raises(InvalidRequest) as caught:
                        await dial(account, number="\x00", **more)
                    states.append(caught.value.dial_state)
            pbx.faults.add(Fault(CLICK, kind="drop"))
            with pytest.raises(OutcomeUnknown) as caught:
                await dial(remote["hanoi"], idempotency_key="k0", extension="102")
            assert DialState.UNKNOWN is caught.value.dial_state
            await sidecar.aclose()
            for more in ({"idempotency_key": "k1"}, {}):
                with pytest.raises(GatewayError) as caught:
                    await dial(remote["hanoi"], **more)
                states.append(caught.value.dial_state)

    assert [None, DialState.NOT_PLACED] * 3 == states


@pytest.mark.parametrize("spelled", ['"k-1"', "k-1", ' "k-1" '])
async def test_a_key_in_quotes_is_the_same_key(keyed, session, pbx, spelled):
    """As the draft standard of the header writes it; embedded and remote alike."""
    _, url, keys = keyed
    first = await post(session, url, keys["crm"], "k-1")
    again = await post(session, url, keys["crm"], spelled)
    async with Gateway.remote(url, key=keys["crm"]) as remote:
        third = await dial(remote["hanoi"], idempotency_key=spelled.strip())

    assert first[2] == again[2]
    assert first[2]["dial_id"] == third.dial_id
    assert 1 == len(pbx.originated)


@pytest.mark.parametrize("empty", ['""', '" "'])
async def test_a_key_in_quotes_that_holds_nothing_is_none(gateway, pbx, empty):
    """Or all clicks of an application that forgot it would be one dial."""
    with pytest.raises(InvalidRequest) as caught:
        await dial(gateway["hanoi"], idempotency_key=empty)

    assert {"idempotency_key": "must not be blank"} == caught.value.fields
    assert [] == pbx.originated


async def test_a_dial_under_way_is_a_conflict(keyed, session, pbx):
    """With the time to wait."""
    _, url, keys = keyed
    pbx.faults.add(Fault(CLICK, kind="hold"))
    first = asyncio.create_task(post(session, url, keys["crm"], "k1"))
    await pbx.until(lambda: pbx.faults.held)
    status, headers, problem = await post(session, url, keys["crm"], "k1")
    pbx.faults.release()
    await first

    assert (409, "conflict", True, "unknown", "1") == (
        status,
        problem["code"],
        problem["retryable"],
        problem["dial_state"],
        headers["Retry-After"],
    )


async def test_a_dial_under_way_may_be_asked_for_again_from_python_too(keyed, pbx):
    """The error says so, other than what else is a conflict: with the same key nobody is rung twice."""
    _, url, keys = keyed
    async with Gateway.remote(url, key=keys["crm"]) as remote:
        pbx.faults.add(Fault(CLICK, kind="hold"))
        first = asyncio.create_task(dial(remote["hanoi"], idempotency_key="k1"))
        await pbx.until(lambda: pbx.faults.held)
        with pytest.raises(Conflict) as caught:
            await dial(remote["hanoi"], idempotency_key="k1")
        pbx.faults.release()
        await first

    assert (True, 1.0) == (caught.value.retryable, caught.value.retry_after)
    assert not Conflict("x").retryable


async def test_a_key_of_a_route_sees_the_dials_that_it_made_through_it(config, session, pbx):
    """Though the account that did them is none of its own; another key of the route does not see them."""
    limits = {"one": ["sales"], "other": ["sales"]}
    keys = {name: new_key() for name in limits}
    config["proxy"] = {
        "keys": [{"name": n, "sha256": keys[n][1], "scopes": ["calls"], "accounts": limits[n]} for n in limits]
    }
    async with Gateway.from_config(config) as gateway, serving(gateway) as url:
        headers = {name: {"Authorization": f"Bearer {key}"} for name, (key, _) in keys.items()}
        async with session.post(f"{url}/v1/accounts/sales/calls", json=DIAL, headers=headers["one"]) as answer:
            started = await answer.json()
        seen = {}
        for name, account in (("one", "sales"), ("one", "hanoi"), ("other", "sales")):
            path = f"{url}/v1/accounts/{account}/dials/{started['dial_id']}"
            async with session.get(path, headers=headers[name]) as answer:
                seen[name, account] = answer.status, (await answer.json()).get("account")

    assert [(200, "hanoi"), (403, "hanoi"), (404, "sales")] == list(seen.values())


async def test_keys_of_two_callers_are_two(keyed, session, pbx):
    """And each sees its own dials only, an admin all; other scopes see none."""
    _, url, keys = keyed
    mine = (await post(session, url, keys["crm"], "k1"))[2]["dial_id"]
    theirs = (await post(session, url, keys["desk"], "k1", extension="102"))[2]["dial_id"]

    async def seen(name, dial_id):
        headers = {"Authorization": f"Bearer {keys[name]}"}
        async with session.get(f"{url}/v1/accounts/hanoi/dials/{dial_id}", headers=headers) as answer:
            return answer.status

    assert mine != theirs
    assert 2 == len(pbx.originated)
    assert [200, 404, 404, 200] == [await seen(name, each) for name in ("crm", "desk") for each in (mine, theirs)]
    assert [200, 200, 403, 404] == [
        await seen("boss", mine),
        await seen("boss", theirs),
        await seen("reader", mine),
        await seen("boss", "dl_none"),
    ]


async def test_a_dial_that_was_sent_ahead_takes_its_time_from_its_head(config, pbx):
    """It stood behind a slow request on its connection, and nobody waits for it any more."""
    config["proxy"] = {"listen": "127.0.0.1:0"}
    body = '{"extension": "101", "number": "0899888999"}'
    async with Gateway.from_config(config) as gateway, server.serving(gateway) as url:
        address = URL(url)
        reader, writer = await asyncio.open_connection(address.host, address.port)
        host = f"Host: {address.host}:{address.port}\r\n"
        head = f"{host}Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        pbx.faults.add(Fault("/v1/call", kind="hold"))
        slow = f"GET /v1/accounts/hanoi/calls HTTP/1.1\r\n{host}\r\n"
        writer.write(f"{slow}POST /v1/accounts/hanoi/calls HTTP/1.1\r\n{head}{body}".encode())
        await pbx.until(lambda: pbx.faults.held)
        with pytest.MonkeyPatch.context() as patch:
            now = dialling_module.moment()
            patch.setattr(dialling_module, "moment", lambda: now + 10)
            pbx.faults.release()
            answer = await reader.read()
        writer.close()
        async with aiohttp.ClientSession(url) as session:  # whose connection waits between two dials
            for extension in ("101", "102"):
                async with session.post("/v1/accounts/hanoi/calls", json={**DIAL, "extension": extension}) as later:
                    assert 201 == later.status

    assert b"timeouts.dial_start" in answer
    assert ["101", "102"] == [each.extension for each in pbx.originated]


async def test_a_dial_behind_a_request_that_was_refused_from_its_head_is_in_time(config, pbx):
    """The body of that came after its answer, long ago: it is no head of the dial's."""
    config["proxy"] = {"listen": "127.0.0.1:0"}
    body = '{"extension": "101", "number": "0899888999"}'
    async with Gateway.from_config(config) as gateway, server.serving(gateway) as url:
        address = URL(url)
        reader, writer = await asyncio.open_connection(address.host, address.port)
        head = (
            f"Host: {address.host}:{address.port}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        )
        writer.write(f"POST /v1/accounts/none/calls HTTP/1.1\r\n{head}\r\n".encode())
        refused = await reader.readuntil(b"\r\n\r\n")
        await reader.readuntil(b"}")
        writer.write(body.encode() + b"\r\n")
        await writer.drain()
        async with aiohttp.ClientSession(url) as session, session.get("/livez") as answer:
            assert 200 == answer.status  # so the body was heard before the clock goes on
        with pytest.MonkeyPatch.context() as patch:
            now = dialling_module.moment()
            for module in (dialling_module, connections):
                patch.setattr(module, "moment", lambda: now + 10)
            writer.write(f"POST /v1/accounts/hanoi/calls HTTP/1.1\r\n{head}Connection: close\r\n\r\n{body}".encode())
            answer = await reader.read()
        writer.close()

    assert b"404" in refused
    assert b" 201 " in answer.partition(b"\r\n")[0]
    assert 1 == len(pbx.originated)


async def test_a_limited_key_sees_no_try_on_an_account_that_is_not_its_own(config, session, pbx, antbuddy):
    """A route tried it first: the key, an administrator of the second account, sees the dial and not that try."""
    limits = {"one": ["sales"], "boss": ["hotline"]}
    scopes = {"one": ["calls"], "boss": ["calls", "admin", "events"]}
    keys = {name: new_key() for name in limits}
    config["proxy"] = {
        "keys": [{"name": n, "sha256": keys[n][1], "scopes": scopes[n], "accounts": limits[n]} for n in limits]
    }
    pbx.unregister("101")
    async with Gateway.from_config(config) as gateway, serving(gateway) as url:
        headers = {name: {"Authorization": f"Bearer {key}"} for name, (key, _) in keys.items()}
        async with session.post(f"{url}/v1/accounts/sales/calls", json=DIAL, headers=headers["one"]) as answer:
            dial_id = (await answer.json())["dial_id"]
        seen = {}
        paths = {"boss": ("accounts/hotline/dials", "conversations"), "one": ("accounts/sales/dials",)}
        for name, path in ((each, path) for each in paths for path in paths[each]):
            async with session.get(f"{url}/v1/{path}/{dial_id}", headers=headers[name]) as answer:
                found = await answer.json()
                dial_ = found["dials"][0] if "dials" in found else found
                seen[name, path] = [each["account"] for each in dial_["tries"]]

    assert {("boss", path): [] for path in paths["boss"]} | {("one", paths["one"][0]): ["hanoi"]} == seen


async def test_the_same_from_python_over_a_sidecar(keyed, pbx, patient):
    """A remote gateway gives the same calls, errors and dials."""
    _, url, keys = keyed
    async with Gateway.remote(url, key=keys["crm"]) as remote:
        first = await dial(remote["hanoi"], idempotency_key="k1")
        assert attrs.evolve(first, raw=None) == await dial(remote["hanoi"], idempotency_key="k1")
        assert (first.call_id, "placed") == (
            (found := await remote["hanoi"].dial(first.dial_id)).call_id,
            found.state,
        )
        pbx.faults.add(Fault(CLICK, kind="drop"))
        with pytest.raises(OutcomeUnknown) as caught:
            await dial(remote["hanoi"], idempotency_key="k2", extension="102")
        unknown = await remote["hanoi"].dial(caught.value.dial_id)
        assert ("unknown", "outcome_unknown", None) == (unknown.state, unknown.error.code, unknown.finished_at)
        with pytest.raises(NotFound):
            await remote["hanoi"].dial("dl_none")
    async with Gateway.remote(url, key=keys["reader"]) as remote:
        with pytest.raises(Forbidden):
            await remote["hanoi"].dial(first.dial_id)


# Finding out


async def lost(account, **more):
    """Dial with an unknown outcome; gives the dial's id."""
    with pytest.raises(OutcomeUnknown) as caught:
        await dial(account, **more)
    return caught.value.dial_id


async def test_a_finished_call_is_found_in_the_records(gateway, pbx, hasty):
    """With its ids."""
    pbx.faults.add(Fault(CLICK, kind="drop"))
    dial_id = await lost(gateway["hanoi"])
    await pbx.hang_up(pbx.originated[0].call_id)

    found = await gateway["hanoi"].dial(dial_id)

    assert ("placed", "record", pbx.originated[0].call_id) == (found.state, found.evidence, found.call_id)
    assert found.conversation_id


async def test_what_nothing_shows_stays_unknown(gateway, pbx, hasty, rows):
    """Looking proves no silence: the key stays spent, and says so, with what to do."""
    pbx.faults.add(Fault(CLICK, kind="drop_before"))
    dial_id = await lost(gateway["hanoi"], idempotency_key="k1")

    found = await gateway["hanoi"].dial(dial_id)

    assert ("unknown", "not_found", None) == (found.state, found.resolution, found.evidence)
    assert (None, found.conversation_id) != (found.finished_at, None)
    with pytest.raises(OutcomeUnknown, match="Ask the agent") as caught:
        await dial(gateway["hanoi"], idempotency_key="k1")
    assert (dial_id, False, f"dials/{dial_id}/statement" in caught.value.message) == (
        caught.value.dial_id,
        caught.value.retryable,
        True,
    )
    assert [] == pbx.originated


async def age(gateway, seconds=600):
    """Let all dials be so much older."""
    store = (await gateway.journal.get()).store
    old = update(schema.dials).values(tried_at=schema.dials.c.tried_at - seconds * 1_000_000)
    await store.write(lambda connection: connection.execute(old).rowcount)


async def test_a_statement_does_not_overrule_what_the_vendor_shows(gateway, pbx, monkeypatch):
    """The live list shows the call, though the records cannot be read: the gateway looks before it takes the word."""
    monkeypatch.setattr(resolving, "PATIENCE", attrs.evolve(AT_ONCE, looking=3600))
    pbx.faults.add(Fault(CLICK, kind="drop"), Fault("/v1/cdr*", kind="refuse", times=None))
    dial_id = await lost(gateway["hanoi"])
    with pytest.raises(Conflict) as caught:
        await gateway["hanoi"].make_statement(dial_id, state="not_placed", note="Lan: it was silent")

    assert "known to be placed by evidence (live_call)" in caught.value.message


async def test_a_record_that_comes_later_overrules_a_statement(gateway, pbx, monkeypatch):
    """The PBX could not be asked when a person was mistaken; the key rings nobody again."""
    monkeypatch.setattr(resolving, "PATIENCE", attrs.evolve(AT_ONCE, looking=3600))
    pbx.faults.add(Fault(CLICK, kind="drop"), Fault("/v1/c*", kind="refuse", times=4))
    dial_id = await lost(gateway["hanoi"], idempotency_key="k1")
    store = (await gateway.journal.get()).store
    short = update(schema.dials).values(tried_at=schema.dials.c.tried_at - 121_000_000)
    monkeypatch.setattr(dials, "LIFE_SECONDS", 0.0)
    await store.write(lambda connection: connection.execute(short).rowcount)
    await gateway["hanoi"].make_statement(dial_id, state="not_placed", note="Lan: it was silent")
    await pbx.hang_up(pbx.originated[0].call_id)
    accounts = {"hanoi": gateway["hanoi"]}
    await resolving.Resolver(gateway.journal, accounts, timeouts_of(gateway.config)).look("hanoi")
    found = await gateway["hanoi"].dial(dial_id)

    assert ("placed", "record", None) == (found.state, found.evidence, found.resolution)


async def test_a_person_lets_the_key_dial_again(config, pbx, hasty, rows, session):
    """By an audited statement, in Python as over HTTP; every try of the key stays visible."""
    key, digest = new_key()
    config["proxy"] = {"keys": [{"name": "ops", "sha256": digest, "scopes": ["calls", "admin"]}]}
    pbx.faults.add(*(Fault(CLICK, kind="drop_before") for _ in range(2)))
    async with Gateway.from_config(config) as gateway, serving(gateway) as url:
        dial_id = await lost(gateway["hanoi"], idempotency_key="k1")
        await age(gateway)
        stated = await gateway["hanoi"].make_statement(dial_id, state="not_placed", note="Lan: it was silent")
        assert dial_id == await lost(gateway["hanoi"], idempotency_key="k1")
        await age(gateway)
        path, headers = f"{url}/v1/accounts/hanoi/dials/{dial_id}/statement", {"Authorization": f"Bearer {key}"}
        said = {"state": "not_placed", "note": "Lan: silent again"}
        async with session.post(path, json=said, headers=headers) as answer:
            over_http = answer.status, await answer.json()
        call = await dial(gateway["hanoi"], idempotency_key="k1")
        found = await gateway["hanoi"].dial(dial_id)
        with pytest.raises(Conflict, match="known to be placed"):
            await gateway["hanoi"].make_statement(dial_id, state="not_placed", note="no")

    assert ("not_placed", "stated", "statement") == (stated.state, stated.resolution, stated.evidence)
    assert (200, "not_placed", "ops") == (over_http[0], over_http[1]["state"], over_http[1]["statements"][1]["key"])
    assert (dial_id, [call.call_id]) == (call.dial_id, [each.call_id for each in pbx.originated])
    assert [("not_placed", "stated")] * 2 == [(each.state, each.resolution) for each in found.tries]
    assert ["Lan: it was silent", "Lan: silent again"] == [each.note for each in found.statements]


async def test_a_statement_is_the_word_of_an_administrator_of_the_account(keyed, session, pbx, patient):
    """Not while the vendor may still answer, not of nothing, not without a note."""
    _, url, keys = keyed
    pbx.faults.add(Fault(CLICK, kind="drop_before"))
    dial_id = (await post(session, url, keys["crm"], "k1"))[2]["dial_id"]

    async def said(name, *, of=dial_id, **body):
        headers = {"Authorization": f"Bearer {keys[name]}"}
        path = f"{url}/v1/accounts/hanoi/dials/{of}/statement"
        body = {"state": "not_placed", "note": "silent", **body}
        async with session.post(path, json=body, headers=headers) as answer:
            return answer.status, (await answer.json()).get("code"), "Retry-After" in answer.headers

    assert (403, "forbidden", False) == await said("crm")
    assert (404, "not_found", False) == await said("boss", of="dl_none")
    assert (409, "conflict", True) == await said("boss")
    for wrong in ({"state": "unknown"}, {"note": " "}, {"note": "x" * 1001}, {"note": "a\x00b"}, {"more": 1}):
        assert (400, "invalid_request", False) == await said("boss", **wrong)


async def test_a_statement_over_a_sidecar_from_python(config, pbx, hasty):
    """The same words, the same errors."""
    pbx.faults.add(Fault(CLICK, kind="drop_before"))
    async with Gateway.from_config(config) as gateway, serving(gateway) as url, Gateway.remote(url) as remote:
        dial_id = await lost(remote["hanoi"], idempotency_key="k1")
        await age(gateway)
        with pytest.raises(InvalidRequest):
            await remote["hanoi"].make_statement(dial_id, state="perhaps", note="x")
        stated = await remote["hanoi"].make_statement(dial_id, state="placed", note="Lan took the call")
        with pytest.raises(NotFound):
            await remote["hanoi"].make_statement("dl_none", state="placed", note="x")

    assert ("placed", "stated", "local") == (stated.state, stated.resolution, stated.statements[0].key)


@pytest.mark.parametrize("path", ["/v1/call", "/v1/cdr*"])
async def test_looking_goes_on_while_a_source_fails(gateway, pbx, hasty, path):
    """A vendor that cannot be asked has shown nothing; it is asked again."""
    pbx.faults.add(Fault(CLICK, kind="drop"))
    dial_id = await lost(gateway["hanoi"])
    await pbx.hang_up(pbx.originated[0].call_id)
    pbx.faults.add(Fault(path, kind="replace", status=400, body={"error": "no"}))

    first = await gateway["hanoi"].dial(dial_id)
    second = await gateway["hanoi"].dial(dial_id)

    assert [("unknown", "looking"), ("placed", None)] == [(each.state, each.resolution) for each in (first, second)]


@pytest.mark.parametrize(("looking", "resolution"), [(-110, "looking"), (-130, "not_found")])
async def test_looking_goes_on_until_records_may_no_longer_come(gateway, pbx, monkeypatch, looking, resolution):
    """It counts from the end of the dial's `dial_wait`, which is 120 s."""
    monkeypatch.setattr(resolving, "PATIENCE", resolving.Patience(looking=looking, every=0, rarely=0))
    pbx.faults.add(Fault(CLICK, kind="drop_before"))
    dial_id = await lost(gateway["hanoi"])

    assert resolution == (await gateway["hanoi"].dial(dial_id)).resolution


@pytest.mark.parametrize("live", [True, False])
async def test_a_customer_who_calls_back_is_no_dial(gateway, pbx, hasty, live):
    """The same extension and number at the same time, the other way round."""
    pbx.faults.add(Fault(CLICK, kind="drop_before"))
    dial_id = await lost(gateway["hanoi"])
    call_id = pbx.incoming(NUMBER, extension="101")
    if not live:
        await pbx.hang_up(call_id)

    assert "unknown" == (await gateway["hanoi"].dial(dial_id)).state


async def test_a_vendor_is_not_asked_more_often_than_it_should(gateway, pbx, monkeypatch):
    """However often somebody asks about the dial; and less often when the vendor fails."""
    monkeypatch.setattr(resolving, "PATIENCE", attrs.evolve(AT_ONCE, every=3600, rarely=3600))
    pbx.faults.add(Fault(CLICK, kind="drop_before"), Fault("/v1/call", kind="refuse", times=None))
    dial_id = await lost(gateway["hanoi"])
    await gateway["hanoi"].dial(dial_id)
    asked = len(pbx.requests)
    for _ in range(5):
        await gateway["hanoi"].dial(dial_id)

    assert asked == len(pbx.requests)


async def test_more_dials_than_a_look_takes_are_looked_for_in_turns(gateway, pbx, hasty, monkeypatch):
    """Those that cannot be found hide no other, of their account or of another."""
    monkeypatch.setattr(dials.finding, "MOST", 2)
    monkeypatch.setattr(resolving, "PATIENCE", attrs.evolve(AT_ONCE, looking=3600))
    pbx.faults.add(*(Fault(CLICK, kind="drop_before") for _ in range(5)))
    for _ in range(5):
        await lost(gateway["hanoi"])
    pbx.faults.add(Fault(CLICK, kind="drop"))
    rang = await lost(gateway["hanoi"], extension="102")
    states = [(await gateway["hanoi"].dial(rang)).state for _ in range(3)]

    assert ["unknown", "unknown", "placed"] == states


async def test_a_vendor_without_call_ids_is_looked_through_too(gateway, antbuddy, hasty):
    """AntBuddy names no call: its row is found by extension, number and time, and belongs to one dial only.

    Here the first dial rang, was answered and has its row; the second never left.
    """
    first = await dial(gateway["hotline"])
    await antbuddy.hang_up(antbuddy.originated[0].call_id)
    antbuddy.faults.add(Fault(ANTBUDDY_CLICK, kind="drop_before"))
    never = await lost(gateway["hotline"])
    assert "unknown" == (await gateway["hotline"].dial(never)).state

    antbuddy.faults.add(Fault(ANTBUDDY_CLICK, kind="drop"))
    rang = await lost(gateway["hotline"], extension="102")
    await antbuddy.hang_up(antbuddy.originated[1].call_id)
    found = await gateway["hotline"].dial(rang)

    assert ("placed", "record") == (found.state, found.evidence)
    assert "answer" == (await gateway["hotline"].dial(first.dial_id)).evidence


# What really happened at a PBX that does not tell all: it files no call that was not answered, and loses those that are
# under way when it crashes. Each key rings once, whatever is done with it.


@pytest.fixture
def forgetful(pbx):
    """A PBX that files no unanswered calls."""
    pbx.behaviour.files_unanswered = False
    return pbx


async def test_an_unanswered_call_that_is_never_filed_is_not_dialled_again(forgetful, config, hasty):
    """The answer was lost, the extension rang, nobody picked up: no record ever comes. A restart changes nothing."""
    forgetful.faults.add(Fault(CLICK, kind="drop"))
    async with Gateway.from_config(config) as gateway:
        dial_id = await lost(gateway["hanoi"], idempotency_key="k1")
    await forgetful.hang_up(forgetful.originated[0].call_id)
    async with Gateway.from_config(config) as gateway:
        found = await gateway["hanoi"].dial(dial_id)
        assert dial_id == await lost(gateway["hanoi"], idempotency_key="k1")

    assert ("unknown", "not_found") == (found.state, found.resolution)
    assert 1 == len(forgetful.originated)


async def test_a_call_that_a_crash_lost_is_not_dialled_again(forgetful, gateway, hasty):
    """Agent and customer were connected when the PBX was killed."""
    forgetful.faults.add(Fault(CLICK, kind="drop"))
    dial_id = await lost(gateway["hanoi"], idempotency_key="k1")
    forgetful.crash()
    found = await gateway["hanoi"].dial(dial_id)

    assert ("unknown", "not_found") == (found.state, found.resolution)
    assert dial_id == await lost(gateway["hanoi"], idempotency_key="k1")
    assert 1 == len(forgetful.originated)


async def test_an_answered_call_that_is_filed_is_found(forgetful, gateway, hasty):
    """The one that such a PBX does tell of."""
    forgetful.faults.add(Fault(CLICK, kind="drop"))
    dial_id = await lost(gateway["hanoi"], idempotency_key="k1")
    call_id = forgetful.originated[0].call_id
    await forgetful.answer(call_id)
    await forgetful.hang_up(call_id)

    assert "record" == (await gateway["hanoi"].dial(dial_id)).evidence


# Another PBX under the same name


async def test_an_account_that_was_led_to_another_pbx_concludes_nothing(config, pbx, monkeypatch):
    """Only `base_url` was changed: the dial says so, its key stays spent, and the old PBX tells all when it is back."""
    monkeypatch.setattr(resolving, "PATIENCE", attrs.evolve(AT_ONCE, looking=3600))
    pbx.faults.add(Fault(CLICK, kind="drop"))
    old = config["accounts"]["hanoi"]["settings"]["base_url"]
    async with Gateway.from_config(config) as gateway:
        dial_id = await lost(gateway["hanoi"], idempotency_key="k1")
    async with Tel4vnV1Simulator(clock=LiveClock()) as other:
        other.behaviour.ring_seconds = 3600
        config["accounts"]["hanoi"]["settings"] = {"base_url": other.url, "api_key": other.api_key}
        async with Gateway.from_config(config) as gateway:
            elsewhere = await gateway["hanoi"].dial(dial_id)
            with pytest.raises(OutcomeUnknown, match="no longer leads to the PBX"):
                await dial(gateway["hanoi"], idempotency_key="k1")
            assert [] == other.originated
    config["accounts"]["hanoi"]["settings"] = {"base_url": f"{old}/", "api_key": pbx.api_key}
    async with Gateway.from_config(config) as gateway:
        found = await gateway["hanoi"].dial(dial_id)

    assert (True, "unknown") == (elsewhere.elsewhere, elsewhere.state)
    assert (False, "placed", "live_call") == (found.elsewhere, found.state, found.evidence)
    assert 1 == len(pbx.originated)


async def test_an_event_that_came_first_gives_the_conversation(config, pbx, hasty):
    """The webhook comes while the vendor is still asked: dial and event are one conversation, answered or not."""
    async with Gateway.from_config(config) as gateway, serving(gateway) as url:
        await gateway["hanoi"].events.create_hook(event=EventType.RINGING, url=f"{url}/hooks/hanoi/{TOKEN}")
        pbx.faults.add(Fault(CLICK, kind="hold", execute=True), Fault(CLICK, kind="drop"))
        dialling = asyncio.create_task(dial(gateway["hanoi"]))
        await pbx.until(lambda: pbx.originated)
        await pbx.settle()
        await pbx.until(lambda: pbx.faults.held)
        pbx.faults.release()
        call = await dialling
        lost_id = await lost(gateway["hanoi"], extension="102")
        await pbx.settle()
        store = (await gateway.journal.get()).store
        pbx.faults.add(Fault("/v1/c*", kind="refuse", times=None))
        found = [await gateway["hanoi"].dial(each) for each in (call.dial_id, lost_id)]
        conversations = await store.read(
            lambda c: c.exec_driver_sql("SELECT conversation_id FROM events ORDER BY seq").scalars().all()
        )

    assert [each.conversation_id for each in found] == conversations
    assert [each.call_id for each in pbx.originated] == [each.call_id for each in found]
    assert ["answer", "event"] == [each.evidence for each in found]
    assert ["placed", "placed"] == [each.state for each in found]


@pytest.fixture
def abandon():
    """Leaves a dial as a killed process does, and gives its id; the process passes for alive until it has *left*."""

    async def write(store, *, left):
        intent = dials.Intent(
            dial_id="dl_1",
            account="hanoi",
            asked="hanoi",
            caller="",
            key="k1",
            fingerprint="other",
            request="{}",
            extension="101",
            number=NUMBER,
            at=datetime.now(UTC),
            process="dead",
        )
        await store.write(lambda connection: dials.begin(connection, intent, "{}", {}))
        if left:
            await store.write(lambda connection: dials.leave(connection, "dead"))
        return intent.dial_id

    return write


async def test_a_process_that_was_killed_leaves_no_dial_under_way(gateway, hasty, abandon):
    """Its lease runs out; then the dial is looked for, and its key gives what was found."""
    store = (await gateway.journal.get()).store
    dial_id = await abandon(store, left=False)
    assert "in_progress" == (await gateway["hanoi"].dial(dial_id)).state
    await store.write(lambda connection: dials.leave(connection, "dead"))

    found = await gateway["hanoi"].dial(dial_id)

    assert ("unknown", "not_found", "outcome_unknown") == (found.state, found.resolution, found.error.code)


async def test_the_sidecar_finds_out_by_itself(config, pbx, monkeypatch, abandon):
    """Nobody has to ask about unknown dials, nor about those of dead processes."""
    monkeypatch.setattr(resolving, "PATIENCE", attrs.evolve(AT_ONCE, every=0.01, rarely=0.01))
    async with Gateway.from_config(config) as gateway:
        store = (await gateway.journal.get()).store
        left = await abandon(store, left=True)
        async with serving(gateway):
            while (await store.read(lambda c: dials.read(c, left))).resolution != "not_found":
                await store.probe()
            pbx.faults.add(Fault(CLICK, kind="drop"))
            dial_id = await lost(gateway["hanoi"], extension="102")
            while (await store.read(lambda c: dials.read(c, dial_id))).state != "placed":
                await store.probe()


async def test_without_a_journal_nothing_is_known_of_dials(config):
    """Said with the setting that is missing; a key is refused, and rings nobody."""
    del config["journal"]
    async with Gateway.from_config(config) as gateway:
        for work in (gateway["hanoi"].dial("dl_1"), dial(gateway["hanoi"], idempotency_key="k1")):
            with pytest.raises(GatewayError, match=r"journal\.url") as caught:
                await work
            assert "unsupported" == caught.value.code

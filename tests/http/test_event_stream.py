"""Events over HTTP: page after page, or as server-sent events, from a real sidecar and a real database."""

import asyncio
import contextlib
import json

import pytest
from sqlalchemy import delete

from gateway import Gateway
from gateway.http import event_stream as readers
from gateway.http.server import serving as gateway_serving
from gateway.journal import log as journal_log
from gateway.journal import reading as journal_reading
from gateway.journal.schema import events as rows
from gateway.keys import hash_of
from tests.events.calls import ANSWERED, ENDED, NUMBER, event, rings, until

SSE = {"Accept": "text/event-stream"}
KEYS = [
    {"name": "all", "sha256": hash_of("all"), "scopes": ["events"]},
    {"name": "one", "sha256": hash_of("one"), "scopes": ["events"], "accounts": ["hanoi"]},
    {"name": "calls", "sha256": hash_of("calls"), "scopes": ["calls"]},
]


async def log_of(gateway):
    return (await gateway.journal.get()).log


def bearing(key):
    return {"Authorization": f"Bearer {key}"}


@contextlib.asynccontextmanager
async def asking(address, query="", **headers):
    """A raw connection that has asked for a stream; gives its reader, behind the response's head, and its writer."""
    host, _, port = address.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, port, limit=2**22)
    try:
        lines = [f"GET /v1/events{query} HTTP/1.0", f"Host: {host}:{port}", "Accept: text/event-stream"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head.split(b"\r\n")[0]
        yield reader, writer
    finally:
        writer.close()


async def block(reader):
    """The next block of a stream, as its fields."""
    text = (await reader.readuntil(b"\n\n")).decode()
    return dict(line.split(": ", 1) for line in text.strip().split("\n"))


async def seqs(reader, count):
    return [int((await block(reader))["id"]) for _ in range(count)]


async def page(session, address, query="", **headers):
    async with session.get(f"{address}/v1/events{query}", headers=headers) as response:
        return response.status, await response.json()


# Pages


async def test_a_reader_gets_page_after_page_from_where_it_was(running, session):
    """Nothing twice, nothing left out; `next` is where to go on."""
    async with running() as (gateway, address):
        await (await log_of(gateway)).append(rings(5))
        first = await page(session, address, "?after=0&limit=3")
        second = await page(session, address, f"?after={first[1]['next']}&limit=3")
        third = await page(session, address, f"?after={second[1]['next']}")

    assert (200, ["c1", "c2", "c3"], 3) == (first[0], [each["call_id"] for each in first[1]["items"]], first[1]["next"])
    assert (["c4", "c5"], 5) == ([each["call_id"] for each in second[1]["items"]], second[1]["next"])
    assert {"items": [], "next": 5, "resync": False, "reason": None, "oldest": None} == third[1]
    assert "raw" not in first[1]["items"][0]


async def test_without_a_place_a_reader_begins_at_the_newest(running, session):
    """And is told where that is."""
    async with running() as (gateway, address):
        await (await log_of(gateway)).append(rings(5))
        response = await page(session, address)

    assert (200, [], 5) == (response[0], response[1]["items"], response[1]["next"])


async def test_a_waiting_reader_is_answered_when_there_is_something_for_it(running, session):
    """What it does not want does not end its wait, and is passed over."""
    async with running() as (gateway, address):
        log = await log_of(gateway)
        waiting = asyncio.create_task(page(session, address, "?after=0&wait=60&type=call.ended&raw=1"))
        await until(lambda: len(log._listeners) > 1)  # one is the sidecar's own
        await log.append(rings(3))
        await log.append([event(ENDED, raw={"state": "hangup"})])
        status, found = await waiting

    assert (200, ["call.ended"], 4) == (status, [each["type"] for each in found["items"]], found["next"])
    assert {"state": "hangup"} == found["items"][0]["raw"]


async def test_a_wait_is_over_when_the_sidecar_stops(running, session):
    """Nobody waits for its sixty seconds."""
    async with running() as (gateway, address):
        log = await log_of(gateway)
        others = len(log._listeners)
        waiting = asyncio.create_task(page(session, address, "?wait=60"))
        await until(lambda: len(log._listeners) > others)

    assert (200, []) == ((await waiting)[0], (await waiting)[1]["items"])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("account=hanoi", [1, 2, 3]),
        ("account=hanoi&account=saigon", [1, 2, 3, 4]),
        ("type=call.answered&type=call.ended", [2, 3]),
        ("extension=102", [3]),
        ("number=%2B84899098899", [1, 2, 4]),
    ],
)
async def test_a_reader_says_what_it_wants(running, session, query, expected):
    """Accounts, types, an extension, an outside number however its country is written."""
    parts = [event(), event(ANSWERED), event(ENDED, "c2", extension="102", to_number="0911222333")]
    async with running() as (gateway, address):
        await (await log_of(gateway)).append([*parts, event(account="saigon")])
        _, found = await page(session, address, f"?after=0&{query}")

    assert expected == [each["seq"] for each in found["items"]]


async def remove(gateway, up_to):
    store = (await gateway.journal.get()).store
    await store.write(lambda connection: connection.execute(delete(rows).where(rows.c.seq <= up_to)).rowcount)


async def test_a_reader_that_was_away_too_long_is_told_so(running, session):
    """It goes on from the oldest that is kept; one that has not missed any is not told."""
    async with running() as (gateway, address):
        await (await log_of(gateway)).append(rings(9))
        await remove(gateway, 6)
        lost = (await page(session, address, "?after=5&limit=2"))[1]
        whole = (await page(session, address, "?after=6"))[1]
        fresh = (await page(session, address, "?after=0"))[1]
        strange = (await page(session, address, "?after=99"))[1]

    assert (True, "removed", 7, [7, 8], 8) == (
        lost["resync"],
        lost["reason"],
        lost["oldest"],
        [each["seq"] for each in lost["items"]],
        lost["next"],
    )
    assert (False, [7, 8, 9]) == (whole["resync"], [each["seq"] for each in whole["items"]])
    assert (False, 3) == (fresh["resync"], len(fresh["items"]))
    assert (True, "ahead", 7, [7, 8, 9]) == (  # the place is of another journal
        strange["resync"],
        strange["reason"],
        strange["oldest"],
        [each["seq"] for each in strange["items"]],
    )


@pytest.mark.parametrize(
    "query",
    [
        *("wait=61", "wait=-1", "limit=0", "limit=1001", "after=-1", "after=x", f"after={10**18}", "after=1e3"),
        *("type=call.danced", "tipe=1", "account=both", "extension=", f"number={'9' * 101}"),
    ],
)
async def test_a_bad_question_is_refused(running, session, query):
    """With the name of what is wrong."""
    async with running() as (_, address):
        status, problem = await page(session, address, f"?{query}")

    assert (400, "invalid_request", [query.partition("=")[0]]) == (
        status,
        problem["code"],
        [name.partition("[")[0] for name in problem["fields"]],
    )


async def test_a_key_reads_the_events_of_its_accounts_only(running, session):
    """Those of accounts that are no longer configured too; and other accounts are as good as unknown."""
    async with running(keys=KEYS) as (gateway, address):
        log = await log_of(gateway)
        await log.append([event(), event(account="saigon"), event(account="gone")])
        seen = {key: await page(session, address, "?after=0", **bearing(key)) for key in ("all", "one")}
        refused = [await page(session, address, f"?account={name}", **bearing("one")) for name in ("saigon", "nowhere")]
        unknown = await page(session, address, "?account=nowhere", **bearing("all"))
        scopeless = await page(session, address, **bearing("calls"))
        nobody = await page(session, address)
        async with asking(address, "?after=0", **bearing("one")) as (reader, _):
            stream = [await block(reader), await block(reader)]
            await log.append([event(ENDED, account="gone"), event(ENDED, account="saigon"), event(ENDED)])
            stream.append(await block(reader))

    assert [["hanoi", "saigon", "gone"], ["hanoi"]] == [
        [each["account"] for each in found["items"]] for _, found in seen.values()
    ]
    assert [(403, "forbidden")] * 2 == [(status, problem["code"]) for status, problem in refused]
    assert [404, 403, 401] == [unknown[0], scopeless[0], nobody[0]]
    assert ["hanoi", "hanoi"] == [json.loads(each["data"])["account"] for each in stream[1:]]


async def test_a_sidecar_without_a_journal_has_no_events(session, sidecar):
    """It says so, and what to set."""
    config = {"accounts": {"hanoi": {"vendor": "memory"}}}
    async with Gateway.from_config(config) as gateway, sidecar(gateway) as address:
        status, problem = await page(session, address)

    assert (501, "unsupported") == (status, problem["code"])
    assert "journal.url" in problem["detail"]


# Streams


async def test_a_stream_has_what_was_and_what_comes(running, session):
    """As a browser's EventSource wants it: id, event and data; a first block that keeps the place."""
    async with running() as (gateway, address):
        log = await log_of(gateway)
        await log.append(rings(2))
        async with session.get(f"{address}/v1/events?after=1", headers=SSE) as response:
            start = await block(response.content)
            old = await block(response.content)
            await log.append([event(ENDED, raw={"x": 1})])
            new = await block(response.content)

    assert (200, "text/event-stream", "no-store") == (
        response.status,
        response.headers["Content-Type"],
        response.headers["Cache-Control"],
    )
    assert {"retry": "2000", "id": "1"} == start
    assert [("2", "call.ringing"), ("3", "call.ended")] == [(each["id"], each["event"]) for each in (old, new)]
    assert (3, "c1", NUMBER) == tuple(json.loads(new["data"])[name] for name in ("seq", "call_id", "to_number"))
    assert "raw" not in json.loads(new["data"])


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_a_stream_is_framed_as_its_head_says(running, version):
    """aiohttp writes the head and the end, the stream writes the rest: in chunks, or plain to a client of HTTP/1.0."""
    async with contextlib.AsyncExitStack() as stack:
        async with running() as (gateway, address):
            reader, writer = await asyncio.open_connection(*address.removeprefix("http://").split(":"))
            stack.callback(writer.close)
            writer.write(
                f"GET /v1/events?after=0 HTTP/{version}\r\nHost: 127.0.0.1\r\nAccept: {SSE['Accept']}\r\n\r\n".encode()
            )
            head = await reader.readuntil(b"\r\n\r\n")
            await (await log_of(gateway)).append(rings(2))
            sent = await reader.readuntil(b"id: 2\n")
        sent += await reader.read()

    assert (version == "1.1") == (b"\r\ntransfer-encoding: chunked\r\n" in head.lower())
    content = plain(sent) if version == "1.1" else sent
    assert ["0", "1", "2"] == [each.partition(b"\n")[0].decode() for each in content.split(b"id: ")[1:]]
    assert content.endswith(b"\n\n")


def plain(chunks):
    """What is in *chunks*, of which the last one is empty."""
    found = b""
    while chunks != b"0\r\n\r\n":
        size, _, chunks = chunks.partition(b"\r\n")
        found, end, chunks = found + chunks[: int(size, 16)], chunks[int(size, 16) :][:2], chunks[int(size, 16) + 2 :]
        assert b"\r\n" == end
    return found


async def test_a_stream_goes_on_after_the_last_event_that_was_read(running):
    """`Last-Event-ID` wins over the address, which a browser repeats as it was."""
    async with running() as (gateway, address):
        await (await log_of(gateway)).append(rings(5))
        async with asking(address, "?after=0", Last_Event_ID="3") as (reader, _):
            assert [3, 4, 5] == await seqs(reader, 3)


async def test_a_stream_says_that_events_were_removed(running):
    """And goes on with the oldest that is kept."""
    async with running() as (gateway, address):
        await (await log_of(gateway)).append(rings(5))
        await remove(gateway, 3)
        async with asking(address, Last_Event_ID="1") as (reader, _):
            _, told, first = [await block(reader) for _ in range(3)]

    data = {"after": 1, "reason": "removed", "oldest": 4}
    assert ("resync", "3", data) == (told["event"], told["id"], json.loads(told["data"]))
    assert "4" == first["id"]


async def test_a_stream_says_that_the_journal_is_an_older_one(running):
    """Restored from a backup, it gives numbers again that the reader has seen: it reads all that there is."""
    async with running() as (gateway, address):
        await (await log_of(gateway)).append(rings(2))
        async with asking(address, Last_Event_ID=str(10**18 - 1)) as (reader, _):
            _, told, first = [await block(reader) for _ in range(3)]

    assert {"after": 10**18 - 1, "reason": "ahead", "oldest": 1} == json.loads(told["data"])
    assert ("0", "1") == (told["id"], first["id"])


@pytest.mark.parametrize("after", [str(10**18), "9" * 30])
async def test_a_number_that_is_none_is_refused_in_the_same_words_everywhere(running, session, after):
    """In the address, as Last-Event-ID, and on the way to a stream: at most eighteen digits."""
    async with running() as (_, address):
        asked = await page(session, address, f"?after={after}")
        resumed = await page(session, address, **SSE, **{"Last-Event-ID": after})

    assert [(400, "invalid_request")] * 2 == [(status, problem["code"]) for status, problem in (asked, resumed)]
    assert {"after": "must be a whole number of at most 18 digits"} == asked[1]["fields"]
    assert "at most 18 digits" in resumed[1]["fields"]["Last-Event-ID"]


async def test_a_stream_that_has_nothing_to_say_keeps_its_place(running, monkeypatch):
    """A heartbeat carries the number of what was passed over, so that a reader that is cut off goes on from there."""
    monkeypatch.setattr(readers, "HEARTBEAT_SECONDS", 0.01)
    async with running() as (gateway, address), asking(address, "?type=call.ended") as (reader, _):
        await (await log_of(gateway)).append(rings(5))
        while (await block(reader))["id"] != "5":
            pass


@pytest.mark.parametrize("bad", [{"Last_Event_ID": "x"}, {"query": "?wait=5"}, {"query": "?limit=5"}])
async def test_a_bad_question_for_a_stream_is_refused(running, session, bad):
    """What is for pages is not for streams."""
    query, headers = bad.get("query", ""), {name.replace("_", "-"): bad[name] for name in bad if name != "query"}
    async with running() as (_, address):
        status, problem = await page(session, address, query, **SSE, **headers)

    assert (400, "invalid_request") == (status, problem["code"])


async def test_streams_end_when_the_sidecar_stops(running):
    """To the reader it is the end of the response, whole."""
    async with running() as (gateway, address):
        await (await log_of(gateway)).append(rings(1))
        async with asking(address, "?after=0") as (reader, _):
            await seqs(reader, 2)
            ended = asyncio.create_task(reader.read())
    assert b"" == await ended


async def test_too_many_readers_are_refused(running, session, monkeypatch):
    """The next one is told when to come again; a place is free when a reader has gone."""
    monkeypatch.setattr(readers, "MAX_READERS", 1)
    monkeypatch.setattr(readers, "HEARTBEAT_SECONDS", 0.01)
    async with running() as (_, address):
        async with asking(address) as (reader, _):
            await block(reader)
            status, problem = await page(session, address)
        async with asyncio.timeout(20):
            while (await page(session, address))[0] != 200:
                pass

    assert (429, "rate_limited", 30) == (status, problem["code"], problem["retry_after"])


# Slow readers


async def test_readers_that_are_stuck_cost_nobody_anything(running, monkeypatch):
    """Of fifty readers two read nothing: the others have every event, and for the two little is held."""
    made = 60
    for module in (journal_log, journal_reading, readers):
        monkeypatch.setattr(module, "MAX_CHARACTERS", 100_000)  # about two events of these are read on at once
    most = spy(monkeypatch)
    async with running() as (gateway, address), contextlib.AsyncExitStack() as stack:
        log = await log_of(gateway)
        streams = [await stack.enter_async_context(asking(address, "?raw=1")) for _ in range(50)]
        for _, writer in streams[:2]:
            writer.transport.pause_reading()
        reading = [asyncio.create_task(seqs(reader, made + 1)) for reader, _ in streams[2:]]
        for number in range(made):
            await log.append([event(call_id=f"c{number}", raw="x" * 100_000)])
        assert [list(range(made + 1))] * 48 == await asyncio.gather(*reading)

    assert readers.BEHIND_BYTES < max(most) < readers.BEHIND_BYTES + 240_000


async def test_a_reader_that_is_stuck_does_not_keep_the_sidecar_from_stopping(url):
    """It is not waited for, neither its thirty seconds nor the minute that requests in progress have."""
    config = {
        "accounts": {"hanoi": {"vendor": "memory", "reconcile_seconds": 0}},
        "journal": {"url": url, "retention_days": 36_500},
        "proxy": {"listen": "127.0.0.1:0"},
    }
    async with (
        asyncio.timeout(25),
        contextlib.AsyncExitStack() as stack,
        Gateway.from_config(config) as gateway,
        gateway_serving(gateway) as address,
    ):
        _, writer = await stack.enter_async_context(asking(address, "?raw=1"))
        writer.transport.pause_reading()
        for number in range(80):
            await (await log_of(gateway)).append([event(call_id=f"c{number}", raw="x" * 100_000)])


async def test_a_reader_that_stays_stuck_is_dropped(running, monkeypatch):
    """Its connection is broken off; it may come again and say where it was."""
    monkeypatch.setattr(readers, "STUCK_SECONDS", 0.01)
    async with running() as (gateway, address):
        log = await log_of(gateway)
        others = len(log._listeners)
        await check_dropped(log, others, address)


async def check_dropped(log, others, address):
    async with asking(address, "?raw=1") as (reader, writer):
        writer.transport.pause_reading()
        async with asyncio.timeout(20):
            while len(log._listeners) > others:
                await log.append([event(after=log.head, raw="x" * 200_000)])
                await asyncio.sleep(0)
        writer.transport.resume_reading()

        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await seqs(reader, log.head + 1)


def spy(monkeypatch):
    """How much waits for a client after each write."""
    seen = []
    send = readers._Stream._send

    def sending(stream, content):
        send(stream, content)
        if not stream.gone:
            seen.append(stream._request.transport.get_write_buffer_size())

    monkeypatch.setattr(readers._Stream, "_send", sending)
    return seen


@pytest.fixture
def small(monkeypatch):
    """Three events of 100 kB are as many as are read at once; thirty to begin with, and thirty to come."""
    for module in (journal_log, journal_reading, readers):
        monkeypatch.setattr(module, "MAX_CHARACTERS", 250_000)
    return [rings(30, first, raw="x" * 100_000) for first in (1, 31)]


async def test_a_stream_is_never_given_much_at_once(running, monkeypatch, small):
    """Neither out of the log nor when much comes at once: what nobody takes stays small. Nothing is left out."""
    lengths = []
    send = readers._Stream._send

    def sending(stream, content):
        lengths.append(len(content))
        send(stream, content)

    monkeypatch.setattr(readers._Stream, "_send", sending)
    async with running() as (gateway, address):
        log = await log_of(gateway)
        await log.append(small[0])
        async with asking(address, "?raw=1&after=0") as (reader, _):
            old = await seqs(reader, 31)
            await until(lambda: all(each.live for each in streams_of(log)))
            await log.append(small[1])
            new = await seqs(reader, 30)

    assert (list(range(31)), list(range(31, 61))) == (old, new)
    assert 300_000 < max(lengths) < 310_000


def streams_of(log):
    return [each for listener in log._listeners for each in getattr(listener.__self__, "_streams", ())]


async def test_a_page_is_never_large(running, session, small):
    """It has fewer items than were asked for, whether it is there or waited for; `next` goes on behind them."""
    async with running() as (gateway, address):
        log = await log_of(gateway)
        await log.append(small[0])
        first = await page(session, address, "?after=0&limit=1000&raw=1")
        second = await page(session, address, f"?after={first[1]['next']}&limit=1000&raw=1")
        brief = await page(session, address, "?after=0&limit=1000")
        listeners = len(log._listeners)
        waiting = asyncio.create_task(page(session, address, "?after=30&limit=1000&raw=1&wait=60"))
        await until(lambda: len(log._listeners) > listeners)
        await log.append(small[1])
        waited = await waiting

    found = [([each["seq"] for each in body["items"]], body["next"]) for _, body in (first, second, waited)]
    assert [([1, 2, 3], 3), ([4, 5, 6], 6), ([31, 32, 33], 33)] == found
    assert 30 == len(brief[1]["items"])


async def test_a_reader_that_was_slow_misses_nothing(running):
    """It reads on from the log, in order, when it reads again."""
    made = 80
    async with running() as (gateway, address), asking(address, "?raw=1") as (reader, writer):
        log = await log_of(gateway)
        await block(reader)
        writer.transport.pause_reading()
        for number in range(made):
            await log.append([event(call_id=f"c{number}", raw="x" * 100_000)])
        writer.transport.resume_reading()

        assert list(range(1, made + 1)) == await seqs(reader, made)
        await log.append([event(ENDED)])
        assert [made + 1] == await seqs(reader, 1)


async def test_events_of_another_process_reach_a_stream(running, url, monkeypatch):
    """Two sidecars on one database."""
    monkeypatch.setattr("gateway.journal.log.POLL_SECONDS", 0.01)
    async with running() as (_, address), running() as (other, _), asking(address) as (reader, _):
        await block(reader)
        await (await log_of(other)).append(rings(1))

        assert [1] == await seqs(reader, 1)

"""The AntBuddy simulator: its document, its hashes and limits, its recordings and its calls."""

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import aiohttp
import orjson
import pytest
from gateway_simulators import Fault, ManualClock
from gateway_simulators.antbuddy import AntbuddySimulator
from openapi_spec_validator import validate
from yarl import URL

from tests.wire import Wire

NUMBER = "0899888999"
NOW = datetime(2026, 1, 15, 9, 0, tzinfo=UTC)
WIRE = Wire.load("antbuddy")
HISTORIES, PLAY = "/oapi/v1/call/histories", "/oapi/v1/call/play_recording"


class Response(NamedTuple):
    status: int
    body: Any
    headers: Any
    raw: bytes


class Client:
    """Talks to the vendor as an adapter would; *checked* is False where a wrong request is meant to be wrong."""

    def __init__(self, session, pbx):
        self.session = session
        self.pbx = pbx

    async def get(self, path, *, checked=True, wrong=None, **query):
        text = self.pbx.app_id + "".join(query.values()) + self.pbx.app_secret
        query = {"appId": self.pbx.app_id, **query, "hash": hashlib.sha256(text.encode()).hexdigest(), **(wrong or {})}
        return await self.send("GET", path, query=query, checked=checked)

    async def post(self, path, body=None, *, checked=True, wrong=None):
        digest = hashlib.sha256(f"{self.pbx.app_id}{self.pbx.app_secret}".encode()).hexdigest()
        headers = {"x-auth-app-id": self.pbx.app_id, "x-auth-app-hash": digest, **(wrong or {})}
        return await self.send("POST", path, body=body, headers=headers, checked=checked)

    async def send(self, method, path, *, query=None, body=None, headers=None, checked=False):
        if checked:
            WIRE.check_request(method, path, query or {}, body)
        async with self.session.request(method, path, params=query, json=body, headers=headers) as response:
            raw = await response.read()
            parsed = orjson.loads(raw) if response.content_type == "application/json" else None
            if checked:
                WIRE.check_answer(method, path, response.status, parsed)
            return Response(response.status, parsed, response.headers, raw)

    async def histories(self, first, last, **more):
        def text(moment):
            return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")

        checked = more.pop("checked", True)
        return await self.get(HISTORIES, created_from=text(first), created_to=text(last), checked=checked, **more)

    async def dial(self, extension="101", **body):
        device = self.pbx.devices[extension]
        body = body or {"sipUser": device["sip_user"], "sipPassword": device["sip_password"]}
        return await self.post(f"/oapi/v1/call/click-to-call/{NUMBER}", body, checked="sipUser" in body)

    async def link(self, row):
        return URL((await self.get(PLAY, media=row["recording"])).body["media"], encoded=True)

    async def control(self, method, path, body=None):
        return await self.send(method, f"/_simulator/{path}", body=body)


@pytest.fixture
async def pbx():
    async with AntbuddySimulator(clock=ManualClock()) as pbx:
        yield pbx


@pytest.fixture
async def client(pbx):
    async with aiohttp.ClientSession(pbx.url) as session:
        yield Client(session, pbx)


# The document


def test_the_document_is_openapi_and_has_every_operation_with_its_source():
    """Valid OpenAPI 3.1, the four operations, each with line and date."""
    validate(WIRE.document)
    operations = [said for item in WIRE.document["paths"].values() for said in item.values()]

    assert [said["x-source"] for said in operations] == ["004:8", "004:29", "004:61", "004:104"]
    assert all(re.fullmatch(r"2026-\d\d-\d\d", said["x-date"]) for said in operations)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"limit": "101"}, "limit"),
        ({"page": "0"}, "page"),
        ({"created_from": "2026-01-15T09:00:00Z"}, "created_from"),
        ({"hash": "x"}, "hash"),
        ({"offset": "1"}, "no query parameter offset"),
    ],
)
def test_wrong_requests_are_caught(query, told):
    """Whatever the document does not allow is an AssertionError that says where."""
    right = {
        "appId": "1",
        "created_from": "2026-01-15T09:00:00.000Z",
        "created_to": "2026-01-15T09:00:00.000Z",
        "hash": "0" * 64,
    }
    WIRE.check_request("GET", HISTORIES, right, None)

    with pytest.raises(AssertionError, match=told):
        WIRE.check_request("GET", HISTORIES, {**right, **query}, None)


# Hashes and limits


@pytest.mark.parametrize("wrong", [{"hash": "0" * 64}, {"appId": "other"}, {"limit": "7"}])
async def test_a_wrong_hash_is_refused(pbx, client, wrong):
    """The hash covers every value as it was sent."""
    pbx.add_record()

    response = await client.histories(NOW - timedelta(days=1), NOW, limit="5", wrong=wrong)

    assert response.status == 401


async def test_posts_are_judged_by_their_headers(client):
    """Both POSTs ask for the hash of id and secret."""
    for path in ("/oapi/v1/voice/auth_token", f"/oapi/v1/call/click-to-call/{NUMBER}"):
        refused = await client.post(path, checked=False, wrong={"x-auth-app-hash": "0" * 64})
        assert refused.status == 401


async def test_windows_and_pages_have_their_documented_limits(client):
    """31 days and 100 rows; 20 rows and the first page by default."""
    assert (await client.histories(NOW - timedelta(days=31), NOW)).status == 200
    assert (await client.histories(NOW - timedelta(days=31, seconds=1), NOW)).status == 400
    assert (await client.histories(NOW, NOW, limit="101", checked=False)).status == 400
    assert (await client.histories(NOW, NOW, page="0", checked=False)).status == 400
    assert (await client.get(HISTORIES, created_from="x", created_to="y", checked=False)).status == 400


async def test_history_is_paged_newest_first(pbx, client):
    """Each row is on one page; the default is 20 rows."""
    pbx.seed_records(45, NOW - timedelta(days=1))
    pages = [(await client.histories(NOW - timedelta(days=2), NOW, page=str(page))).body for page in range(1, 5)]

    assert [len(page) for page in pages] == [20, 20, 5, 0]
    assert pbx.records == [row for page in pages for row in page]


@pytest.mark.parametrize(
    ("paging", "page_rows", "counts"),
    [("first_page", 0, [30, 30, 30]), ("document", 20, [20, 20, 5]), ("everything", 0, [45, 45, 45])],
)
async def test_a_vendor_may_overlook_what_page_is_asked_for(pbx, client, paging, page_rows, counts):
    """The number, the limit, or both."""
    pbx.seed_records(45, NOW - timedelta(days=1))
    pbx.behaviour.paging, pbx.behaviour.page_rows = paging, page_rows
    span = (NOW - timedelta(days=2), NOW)
    pages = [(await client.histories(*span, limit="30", page=str(page))).body for page in range(1, 4)]

    assert counts == [len(page) for page in pages]
    assert (paging == "document") == (pages[0] != pages[1])


@pytest.mark.parametrize(("filed_under", "found"), [("start", 1), ("end", 0)])
async def test_what_the_document_leaves_open_can_be_chosen(pbx, client, filed_under, found):
    """Which time of a call is looked at, whether the end belongs to a range, and the envelope."""
    pbx.behaviour.filed_under = filed_under
    pbx.behaviour.envelope = "data"
    pbx.add_record(unix_timestamp=NOW - timedelta(seconds=10), duration_seconds=60)

    body = (await client.histories(NOW - timedelta(seconds=10), NOW)).body
    pbx.behaviour.ends_included = False
    edge = (await client.histories(NOW - timedelta(days=1), NOW - timedelta(seconds=10))).body

    assert (found, 0) == (len(body["data"]), len(edge["data"]))


async def test_too_many_requests_in_a_second_are_refused(pbx, client):
    """503 with Retry-After; a second later there is room again."""
    pbx.behaviour.requests_per_second = 2
    responses = [await client.histories(NOW, NOW) for _ in range(3)]
    await pbx.advance(1)
    later = await client.histories(NOW, NOW)

    assert [each.status for each in (*responses, later)] == [200, 200, 503, 200]
    assert responses[2].headers["Retry-After"] == "1"


# Recordings


async def test_a_signed_address_gives_the_recording_until_it_expires(pbx, client):
    """Real audio with ranges; another signature, another name or a later time is refused."""
    row = pbx.add_record(recording="call_recording_a@b.mp3")
    url = await client.link(row)
    whole = await client.send("GET", url)
    part = await client.send("GET", url, headers={"Range": "bytes=8-11"})
    forged = await client.send("GET", url.update_query(Expires="9999999999"))
    await pbx.advance(600)
    late = await client.send("GET", url)

    assert (whole.status, whole.raw[:4], part.status, part.raw) == (200, b"RIFF", 206, b"WAVE")
    assert (forged.status, late.status) == (403, 403)
    assert (await client.get(PLAY, media="nothing.mp3")).status == 404


async def test_a_recording_can_be_broken_off(pbx, client):
    """Once, after so many bytes."""
    url = await client.link(pbx.add_record())
    pbx.cut_recording(1000)

    with pytest.raises(aiohttp.ClientPayloadError):
        await client.send("GET", url)
    assert (await client.send("GET", url)).status == 200


# Calls


async def test_click_to_call_rings_the_device_and_ends_in_the_history(pbx, client):
    """The device is known by its credentials, and the row has the recording of the first leg's id."""
    assert (await client.dial()).status == 200
    (dialled,) = pbx.originated
    await pbx.advance(28)
    (row,) = (await client.histories(NOW - timedelta(days=1), NOW + timedelta(days=1))).body

    assert (dialled.extension, dialled.number) == ("101", NUMBER)
    assert f"call_recording_{dialled.call_id}.mp3" == row["recording"]
    assert (
        row["direction"], row["status_detail"], row["duration_seconds"], row["billing_seconds"]
    ) == ("from_ab", "SUCCESS", 28, 20)  # fmt: skip


async def test_an_offline_device_or_a_wrong_password_is_400(pbx, client):
    """Nothing rings."""
    assert (await client.dial("104")).status == 400
    assert (await client.dial(sipUser="agent101", sipPassword="wrong")).status == 400
    assert (await client.dial(other="x")).status == 400
    assert pbx.originated == []


async def test_every_leg_is_told_of(pbx):
    """Two legs are two channels, joined by Bridge-ID; directions are those of the switch, durations are text."""
    call_id = pbx.incoming(NUMBER)
    await pbx.answer(call_id)
    await pbx.advance(7)
    await pbx.hang_up(call_id)

    names = [each.event.removeprefix("CHANNEL_") for each in pbx.emitted]
    assert names == ["CREATE", "CREATE", "ANSWER", "ANSWER", "BRIDGE", "DESTROY", "DESTROY"]
    first, second, last = pbx.emitted[0].payload, pbx.emitted[1].payload, pbx.emitted[-1].payload
    assert (first["Call-Direction"], second["Call-Direction"]) == ("inbound", "outbound")
    assert call_id == first["Call-ID"] == second["Other-Leg-Call-ID"] == second["Custom-Channel-Vars"]["Bridge-ID"]
    assert "7" == last["Duration-Seconds"] == last["Billing-Seconds"]
    assert last["Timestamp"] == 63_935_686_800 + 7


@pytest.mark.parametrize(("answers", "status"), [(True, "SUCCESS"), (False, "UNSUCCESS"), ("busy", "BUSY")])
async def test_numbers_answer_or_not(pbx, client, answers, status):
    """The history has the documented word."""
    pbx.behaviour.number_answers = answers
    await client.dial()
    await pbx.advance(100)

    assert [status] == [row["status_detail"] for row in pbx.records]


# The control plane


async def test_everything_can_be_done_from_outside(pbx, client):
    """State, calls, records, faults and behaviour, for users in other languages."""
    call_id = (await client.control("POST", "incoming", {"number": NUMBER, "ring_group": ["101", "102"]})).body[
        "call_id"
    ]
    await client.control("POST", f"calls/{call_id}/answer", {"extension": "102"})
    await client.control("POST", "advance", {"seconds": 3})
    state = (await client.control("GET", "state")).body
    await client.control("POST", f"calls/{call_id}/hang-up", {})
    await client.control("POST", "records", {"duration_seconds": 1})
    await client.control("POST", "seed", {"count": 2, "since": "2026-01-01T00:00:00+00:00"})
    await client.control("POST", "extensions/104/register", {})
    await client.control("POST", "extensions/103/unregister", {})
    await client.control("POST", "expire-tokens")
    changed = await client.control("PATCH", "behaviour", {"envelope": "data"})
    cut = await client.control("POST", "cut-sockets")

    assert [call_id] == [call["call_id"] for call in state["calls"]]
    assert (pbx.app_secret, pbx.socket_url) == (state["credentials"]["app_secret"], state["socket_url"])
    assert (changed.body["envelope"], len(pbx.records), cut.body) == ("data", 4, {"cut": 0})
    assert [device.registered for device in pbx.phones.devices.values()] == [True, True, False, True]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "incoming", {"number": NUMBER, "extension": "999"}, 400),
        ("POST", "incoming", {"number": 7}, 400),
        ("POST", "incoming", {}, 400),
        ("POST", "incoming", {"number": NUMBER, "colour": "red"}, 400),
        ("POST", "calls/none/answer", {}, 404),
        ("POST", "extensions/999/unregister", {}, 400),
        ("PATCH", "behaviour", {"ring_seconds": -1}, 400),
        ("PATCH", "behaviour", {"number_answers": "maybe"}, 400),
        ("PATCH", "behaviour", {"colour": "red"}, 400),
        ("POST", "faults", {"path": "*"}, 400),
    ],
)
async def test_bad_control_is_refused(client, method, path, body, status):
    """With an error that says what is wrong."""
    response = await client.control(method, path, body)

    assert status == response.status
    assert response.body["error"]


async def test_faults_hit_the_vendors_operations(pbx, client):
    """Also the handshake of the socket; a held request goes on when it is released."""
    pbx.faults.add(Fault("/socket.io/1/", kind="refuse", status=500), Fault(HISTORIES, kind="html"))

    assert (await client.send("GET", "/socket.io/1/")).status == 500
    assert (await client.histories(NOW, NOW, checked=False)).headers["Content-Type"].startswith("text/html")
    assert (await client.control("POST", "faults", {"path": "*", "kind": "drop"})).body["held"] == 0
    await client.control("POST", "faults/release")
    assert (await client.control("DELETE", "faults")).body["faults"] == []

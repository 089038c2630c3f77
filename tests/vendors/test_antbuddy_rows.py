"""Every operation of AntBuddy's document, through the facade, HTTP, the remote client and the command line.

What is compared is what the application sees and what the vendor received. The first row, the socket's token, is asked
for by following events, which only an application in the same process can do.
"""

import asyncio

import pytest

from gateway import Gateway
from tests.vendors.access_paths import WAYS, Row, check
from tests.vendors.antbuddy_far_side import AntbuddyFarSide, record_id_of

NUMBER = "0899888999"
RECORDING = "call_recording_F5879958-1A1211E8-A55AA457-72574952@172.16.0.204.mp3"
ROW = {
    "caller": {"number": "01693608879", "type": "realnumber"},
    "callee": {"number": "agent101", "type": "user", "username": "agent101"},
    "class": "trunking",
    "did_number": "02873019555",
    "direction": "to_ab",
    "status_detail": "SUCCESS",
    "duration_seconds": 50,
    "unix_timestamp": 1519639917,
    "billing_seconds": 43,
    "recording": RECORDING,
}
RECORD_ID = record_id_of(ROW)
SEEN = {
    "account": "hanoi",
    "record_id": RECORD_ID,
    "call_id": "F5879958-1A1211E8-A55AA457-72574952@172.16.0.204",
    "sip_call_id": None,
    "direction": "inbound",
    "outcome": "answered",
    "vendor_status": "SUCCESS",
    "cause": None,
    "from_number": "01693608879",
    "to_number": "101",
    "extension": "101",
    "hotline": "02873019555",
    "queue": None,
    "started_at": "2018-02-26T10:11:57Z",
    "ringing_at": None,
    "answered_at": "2018-02-26T10:12:04Z",
    "ended_at": "2018-02-26T10:12:47Z",
    "duration_seconds": 50,
    "talk_seconds": 43,
    "customer_id": None,
    "has_recording": True,
}
FILTERS = {
    "since": "2018-02-26T17:00:00+07:00",
    "until": "2018-02-27T00:00:00Z",
    "extension": "101",
    "number": "01693608879",
    "direction": "inbound",
    "outcome": "answered",
    "min_duration_seconds": 50,
    "duration_seconds": 50,
    "ended_since": "2018-02-26T10:12:47Z",
    "ended_until": "2018-02-26T10:12:48Z",
    "recording_name": RECORDING,
    "limit": 50,
}
LISTED = {
    "created_from": "2018-02-26T09:59:59.000Z",
    "created_to": "2018-02-27T01:00:00.000Z",
    "limit": "100",
    "page": "1",
}
FOUND = {
    "created_from": "2018-02-26T10:11:56.000Z",
    "created_to": "2018-02-26T10:13:47.000Z",
    "limit": "100",
    "page": "1",
}
HISTORIES, PLAY = "/oapi/v1/call/histories", "/oapi/v1/call/play_recording"


ROWS = [
    Row(
        "2",
        "start_call",
        {"extension": "101", "number": NUMBER},
        "POST",
        f"/oapi/v1/call/click-to-call/{NUMBER}",
        body={"sipUser": "agent101", "sipPassword": "sip-password-101"},
        sees={"account": "hanoi", "extension": "101", "number": NUMBER, "call_id": None},
    ),
    Row("3", "list_records", FILTERS, "GET", HISTORIES, query=LISTED, sees={"items": [SEEN], "next": None}),
    Row("3 one", "get_record", {"record_id": RECORD_ID}, "GET", HISTORIES, query=FOUND, sees=SEEN),
    Row(
        "4 link",
        "locate_recording",
        {"record_id": RECORD_ID},
        "GET",
        PLAY,
        query={"media": RECORDING},
        sees={"account": "hanoi", "record_id": RECORD_ID, "media_type": None},
    ),
    Row("4", "fetch_recording", {"record_id": RECORD_ID}, "GET", PLAY, query={"media": RECORDING}, sees=b"RIFF"),
    Row(
        "4 part",
        "fetch_recording",
        {"record_id": RECORD_ID, "byte_range": "bytes=8-11"},
        "GET",
        PLAY,
        query={"media": RECORDING},
        sees=b"WAVE",
    ),
]


@pytest.fixture
async def far():
    """The vendor's end."""
    async with AntbuddyFarSide.open() as far:
        yield far


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.numbers} {row.operation}".replace(" ", "-"))
async def test_every_documented_operation_works_in_all_four_ways(row, way, far, tmp_path):
    """The vendor receives exactly what its document asks for, hash included, whichever way the application took."""
    far.pbx.add_record(**ROW)

    request = await check(row, way, far, {}, tmp_path)

    if row.method == "POST":
        credentials = request.headers["x-auth-app-id"], request.headers["x-auth-app-hash"]
        assert (far.pbx.app_id, far.hash_of()) == credentials


async def test_following_events_asks_for_a_token_with_the_header_hash(far):
    """Row 1: the token is asked for with the header hash, and the subscription carries it."""
    pbx = far.pbx
    config = {"accounts": {"hanoi": {"vendor": far.vendor, "settings": far.settings}}}
    async with Gateway.from_config(config) as gateway:
        events = gateway["hanoi"].events.follow_events()
        first = asyncio.ensure_future(anext(events))
        await pbx.until(lambda: pbx.subscribers)
        call_id = pbx.incoming(NUMBER)
        event = await first
        await events.aclose()

    (request,) = pbx.requests
    assert (request.method, request.path, request.body) == ("POST", "/oapi/v1/voice/auth_token", None)
    assert far.hash_of() == request.headers["x-auth-app-hash"]
    assert call_id == event.call_id

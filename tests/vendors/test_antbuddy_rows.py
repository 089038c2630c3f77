"""Every operation of AntBuddy's document, through the facade, HTTP, the remote client and the command line.

What is compared is what the application sees and what the vendor received. The first row, the socket's token, is asked
for by following events, which only an application in the same process can do.
"""

import asyncio
import hashlib
import json
from typing import Any

import aiohttp
import attrs
import pytest
from click.testing import CliRunner
from gateway_contracts import OPERATIONS, Audio, Location, to_json
from gateway_contracts.converters import dumps, loads

from gateway import Gateway
from tests.vendors.antbuddy_far_side import AntbuddyFarSide, record_id_of
from tests.vendors.conftest import serving

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


@attrs.frozen
class Row:
    """One operation: how it is asked for, what the vendor must receive, and what the application must see."""

    numbers: str
    operation: str
    arguments: dict[str, Any]
    method: str
    path: str
    query: dict[str, str] = attrs.field(factory=dict)
    body: dict[str, Any] | None = None
    sees: Any = None


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


# The four ways. Each takes an operation and its arguments as JSON, and gives the answer as JSON, or as bytes.


async def _by_facade(gateway, operation, arguments):
    found = OPERATIONS[operation]
    answer = await getattr(getattr(gateway["hanoi"], found.interface), operation)(**arguments)
    if isinstance(answer, Audio):
        async with answer:
            return await answer.read()
    return loads(dumps(to_json(answer)))


async def embedded(config, operation, arguments, _):
    async with Gateway.from_config(config) as gateway:
        return await _by_facade(gateway, operation, arguments)


async def remote(config, operation, arguments, _):
    async with Gateway.from_config(config) as local, serving(local) as url, Gateway.remote(url) as gateway:
        return await _by_facade(gateway, operation, arguments)


async def http(config, operation, arguments, _):
    found = OPERATIONS[operation]
    places: dict[Location, dict[str, Any]] = {place: {} for place in Location}
    for parameter in found.parameters:
        if parameter.name in arguments:
            places[parameter.location][parameter.sent_as] = arguments[parameter.name]
    async with Gateway.from_config(config) as gateway, serving(gateway) as url, aiohttp.ClientSession() as session:
        response = await session.request(
            found.verb,
            f"{url}/v1/accounts/hanoi{found.path.format(**places[Location.PATH])}",
            params={name: str(value) for name, value in places[Location.QUERY].items()},
            json=places[Location.BODY] if found.verb == "POST" else None,
            headers=places[Location.HEADER],
        )
        body = await response.read()
        assert response.status in {found.status, 206}, body
        return body if found.binary else loads(body)


async def command_line(config, operation, arguments, folder):
    from gateway.cli import main

    file, out = folder / "gateway.toml", folder / "answer"
    settings = config["accounts"]["hanoi"]["settings"]
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items() if name != "devices"]
    for extension, device in settings["devices"].items():
        lines.append(f'[accounts.hanoi.settings.devices."{extension}"]')
        lines += [f"{name} = {json.dumps(value)}" for name, value in device.items()]
    file.write_text("\n".join(['[accounts.hanoi]\nvendor = "antbuddy"\n[accounts.hanoi.settings]', *lines]))
    words = [f"{name}={value}" for name, value in arguments.items()]
    more = ["--out", str(out)] if OPERATIONS[operation].binary else []
    run = ["--config", str(file), "call", *more, "hanoi", operation, *words]
    # In a thread, since it runs a loop of its own while the simulator runs in this one.
    done = await asyncio.to_thread(CliRunner().invoke, main, run)
    assert done.exit_code == 0, done.output
    return out.read_bytes() if more else loads(done.stdout)


@pytest.fixture
async def far():
    """The vendor's end."""
    async with AntbuddyFarSide.open() as far:
        yield far


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("way", [embedded, http, remote, command_line], ids=lambda way: way.__name__)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.numbers} {row.operation}".replace(" ", "-"))
async def test_every_documented_operation_works_in_all_four_ways(row, way, far, tmp_path):
    """The vendor receives exactly what its document asks for, hash included, whichever way the application took."""
    pbx = far.pbx
    pbx.add_record(**ROW)
    config = {"accounts": {"hanoi": {"vendor": far.vendor, "settings": far.settings}}}

    seen = await way(config, row.operation, row.arguments, tmp_path)

    (request,) = [each for each in pbx.requests if each.path == row.path]
    assert (row.method, row.body) == (request.method, request.body)
    if row.method == "POST":
        credentials = request.headers["x-auth-app-id"], request.headers["x-auth-app-hash"]
        assert (pbx.app_id, sha256(pbx.app_id + pbx.app_secret)) == credentials
    else:
        hashed = sha256(pbx.app_id + "".join(row.query.values()) + pbx.app_secret)
        assert {"appId": pbx.app_id, **row.query, "hash": hashed} == dict(request.query)
    if isinstance(row.sees, bytes):
        assert seen.startswith(row.sees)
    else:
        assert row.sees.items() <= seen.items()


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
    assert sha256(pbx.app_id + pbx.app_secret) == request.headers["x-auth-app-hash"]
    assert call_id == event.call_id

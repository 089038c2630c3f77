"""What a simulator does wrong on purpose, seen through the TEL4VN v1 simulator."""

import asyncio

import aiohttp
import pytest
from gateway_simulators import Fault, FaultKind

DIAL = "/v1/click2call/async"


async def dial(client, path=DIAL):
    return await client.get(path, checked=False, ext="101", phone="0899098899")


async def raw_dials(pbx, client, count):
    """Send click-to-calls down one connection, without a client that tries again; gives what came back to each."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(pbx.url.rsplit(":", 1)[1]))
    heads = []
    for _ in range(count):
        extension = str(200 + len(pbx.originated))
        pbx.register(extension)
        line = f"GET {DIAL}?ext={extension}&phone=0899 HTTP/1.1"
        writer.write(f"{line}\r\nHost: pbx\r\nAuthorization: Bearer {client.token}\r\n\r\n".encode())
        heads.append(await reader.read(65536))
    writer.close()
    await writer.wait_closed()
    return heads


async def test_drop_executes_and_closes_a_reused_connection(pbx, client):
    """The second request on a connection rings the phone and gets no byte of a response."""
    pbx.faults.add(Fault(DIAL, kind="drop", skip=1))
    first, second = await raw_dials(pbx, client, 2)

    assert first.startswith(b"HTTP/1.1 200")
    assert second == b""
    assert len(pbx.originated) == 2


async def test_drop_before_closes_without_executing(pbx, client):
    """The request was read, nothing rang, and no response came."""
    pbx.faults.add(Fault(DIAL, kind="drop_before"))
    before = len(pbx.requests)

    assert await raw_dials(pbx, client, 1) == [b""]
    assert (len(pbx.requests) - before, pbx.originated) == (1, [])


async def test_drop_of_a_held_dial_does_not_wait(pbx, client):
    """A synchronous click-to-call whose response is lost anyway is dropped while the phone still rings."""
    pbx.faults.add(Fault("/v1/click2call", kind="drop", times=None))
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await dial(client, "/v1/click2call")

    assert len(pbx.originated) == 1


async def test_refuse_does_not_execute(pbx, client):
    """The status and body are as given, and nothing rang."""
    pbx.faults.add(Fault(DIAL, kind="refuse", status=429, body={"error": "slow down"}, headers={"Retry-After": "7"}))
    response = await dial(client)

    assert (response.status, response.body, response.headers["Retry-After"]) == (429, {"error": "slow down"}, "7")
    assert pbx.originated == []


async def test_refuse_is_maintenance_by_default(client, pbx):
    """Without a status the PBX is offline for maintenance."""
    pbx.faults.add(Fault(DIAL, kind="refuse"))

    assert (await client.get(DIAL, ext="101", phone="0899")).status == 503


async def test_error_after_executes(pbx, client):
    """The phone rang, although the response is an error."""
    pbx.faults.add(Fault(DIAL, kind="error_after"))

    assert (await dial(client)).status == 500
    assert len(pbx.originated) == 1


@pytest.mark.parametrize("execute", [False, True])
async def test_html_is_a_web_page(pbx, client, execute):
    """A page comes where JSON is expected; the fault says whether the phone rang."""
    pbx.faults.add(Fault(DIAL, kind="html", execute=execute))
    response = await dial(client)

    assert (response.status, response.headers["Content-Type"][:9]) == (200, "text/html")
    assert b"<html>" in response.raw
    assert len(pbx.originated) == execute


async def test_truncate_ends_in_the_middle_of_the_body(pbx, client):
    """Less comes than Content-Length promised, and the phone rang."""
    pbx.faults.add(Fault(DIAL, kind="truncate"))
    with pytest.raises(aiohttp.ClientPayloadError):
        await dial(client)

    assert len(pbx.originated) == 1


async def test_half_json_is_good_http(pbx, client):
    """The response is complete, its JSON is not."""
    pbx.faults.add(Fault("/v1/call", kind="half_json"))
    async with client.session.get("/v1/call", headers={"Authorization": f"Bearer {client.token}"}) as response:
        assert (response.status, await response.text()) == (200, '{"data":[]')


async def test_wrong_types_keep_the_shape(pbx, client):
    """Numbers become text, text becomes lists."""
    pbx.faults.add(Fault("/v1/call", kind="wrong_types"))
    pbx.incoming("0899888999")
    body = (await client.get("/v1/call", checked=False)).body

    assert (body["total"], body["data"][0]["source"]) == ("1", ["0899888999"])


@pytest.mark.parametrize("execute", [False, True])
async def test_replace_answers_what_is_given(pbx, client, execute):
    """Body, status and type are the fault's; it says whether the phone rang."""
    pbx.faults.add(Fault(DIAL, kind="replace", status=202, body="queued", content_type="text/plain", execute=execute))
    response = await dial(client)

    assert (response.status, response.raw, response.headers["Content-Type"]) == (202, b"queued", "text/plain")
    assert len(pbx.originated) == execute


async def test_headers_are_added_to_the_real_answer(pbx, client):
    """The response is the real one, with more headers."""
    pbx.faults.add(Fault("/v1/call", kind="headers", headers={"X-Slow": "1"}))
    response = await client.get("/v1/call")

    assert (response.body, response.headers["X-Slow"]) == ({"data": [], "total": 0}, "1")


@pytest.mark.parametrize("execute", [False, True])
async def test_hold_waits_until_released(pbx, client, execute):
    """The response to a held request comes after release; the fault says whether the phone rings before that."""
    pbx.faults.add(Fault(DIAL, kind="hold", execute=execute))
    response = asyncio.ensure_future(dial(client))
    await pbx.until(lambda: pbx.faults.held)
    assert (len(pbx.originated), response.done()) == (execute, False)

    pbx.faults.release()
    assert (await response).body["status"] == "success"
    assert (len(pbx.originated), pbx.faults.held) == (1, 0)


async def test_clear_lets_held_requests_go_and_ends_all_faults(pbx, client):
    """After clear nothing is held and nothing goes wrong."""
    pbx.faults.add(Fault("/v1/call", kind="hold"), Fault("*", kind="refuse", times=None))
    response = asyncio.ensure_future(client.get("/v1/call"))
    await pbx.until(lambda: pbx.faults.held)
    pbx.faults.clear()

    assert (await response).status == 200
    assert (await client.get("/v1/call")).status == 200


async def test_delay_answers_by_itself(pbx, client):
    """The response to a delayed request comes by itself after a moment."""
    pbx.faults.add(Fault("/v1/call", kind="delay", seconds=0.01))
    response = asyncio.ensure_future(client.get("/v1/call"))
    await pbx.until(lambda: pbx.faults.held)

    assert (await response).status == 200


async def test_delay_can_be_released(pbx, client):
    """Nobody needs to wait for a long delay to end."""
    pbx.faults.add(Fault("/v1/call", kind="delay", seconds=3600))
    response = asyncio.ensure_future(client.get("/v1/call"))
    await pbx.until(lambda: pbx.faults.held)
    pbx.faults.release()

    assert (await response).status == 200


async def test_a_fault_hits_as_often_as_it_says(pbx, client):
    """skip leaves the first alone, times ends it, None never ends; the first that fits comes first."""
    pbx.faults.add(
        Fault("/v1/c*", kind="refuse", method="get", skip=1, times=2, status=500),
        Fault("/v1/c*", kind="refuse", times=None, status=503),
    )
    statuses = [(await client.get("/v1/call")).status for _ in range(5)]

    assert statuses == [503, 500, 500, 503, 503]
    assert [fault.status for fault in pbx.faults.pending] == [503]


async def test_a_fault_leaves_other_paths_and_methods_alone(pbx, client):
    """Only what fits path and method is hit."""
    pbx.faults.add(Fault("/v1/event", kind="refuse", method="POST", times=None))

    assert (await client.get("/v1/event")).status == 200
    assert (await client.get("/v1/call")).status == 200
    assert (await client.post("/v1/event", {"callback_url": "http://example.vn/", "event": "cdr"})).status == 503


@pytest.mark.parametrize(
    "wrong",
    [{"kind": "explode"}, {"times": 0}, {"skip": -1}, {"status": 99}, {"seconds": -1}, {"headers": {"a": 1}}],
)
def test_a_fault_that_means_nothing_is_refused(wrong):
    """An unknown kind or an impossible number is an error when the fault is made."""
    with pytest.raises(ValueError):
        Fault("/v1/call", **{"kind": FaultKind.REFUSE, **wrong})

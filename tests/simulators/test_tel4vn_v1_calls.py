"""Calls of the TEL4VN v1 simulator: click-to-call, what is live, and call control."""

import asyncio
import io
from itertools import pairwise

import aiohttp
import pytest
from gateway_simulators import Fault, LiveClock, ManualClock
from gateway_simulators.tel4vn_v1 import Tel4vnV1Simulator


async def dial(client, extension="101", number="0899098899", **more):
    return (await client.get("/v1/click2call/async", ext=extension, phone=number, **more)).body


async def live(client):
    return {row["call_id"]: row for row in (await client.get("/v1/call")).body["data"]}


async def agents(client):
    return {row["extension"]: row for row in (await client.get("/v1/monitor/agent")).body["data"]}


@pytest.fixture
async def call_id(pbx, client):
    """An outbound call in which 101 talks with 0899098899."""
    call_id = (await dial(client))["call_id"]
    await pbx.answer(call_id)
    return call_id


async def test_async_dial_answers_at_once_and_rings_the_extension(pbx, client):
    """The response has the call's id while the extension still rings."""
    body = await dial(client)

    assert body["status"] == "success"
    assert [(body["call_id"], "101", "0899098899")] == [(o.call_id, o.extension, o.number) for o in pbx.originated]
    assert (await agents(client))["101"]["call_state"] == "RINGING"


async def test_dial_keeps_all_parameters(pbx, client):
    """All eight parameters of a click-to-call can be seen in what was originated, and the hotline is used."""
    query = {
        "ext": "101",
        "phone": "0899098899",
        "src_cid_name": "Nguyễn Văn An",
        "src_cid_number": "1900",
        "dest_cid_name": "Shop",
        "dest_cid_number": "19001920",
        "auto_answer": "true",
        "hotline": "19001920",
    }
    await client.get("/v1/click2call/async", **query)

    assert query == pbx.originated[0].query
    assert next(iter(pbx.calls.values())).hotline == "19001920"


async def test_sync_dial_is_held_until_the_extension_picks_up(pbx, client):
    """The response comes with the pick-up and not a second earlier."""
    response = asyncio.ensure_future(client.get("/v1/click2call", ext="101", phone="0899098899"))
    await pbx.until(lambda: pbx.originated)
    await pbx.advance(2)
    assert (await agents(client))["101"]["call_state"] == "RINGING"
    assert not response.done()

    await pbx.advance(1)

    assert {"status": "success", "call_id": pbx.originated[0].call_id} == (await response).body
    assert (await agents(client))["101"]["call_state"] == "ONCALL"


async def test_sync_dial_is_answered_when_the_extension_does_not_pick_up(pbx, client):
    """The phone rang, so the response has the call's id although no agent picked up."""
    pbx.behaviour.extension_answers = False
    response = asyncio.ensure_future(client.get("/v1/click2call", ext="101", phone="0899098899"))
    await pbx.until(lambda: pbx.originated)
    await pbx.advance(3)

    assert pbx.originated[0].call_id == (await response).body["call_id"]
    assert pbx.calls == {}


@pytest.mark.parametrize("spelling", ["true", "1"])
async def test_auto_answer_picks_up_at_once(client, spelling):
    """With auto_answer the synchronous click-to-call needs no clock."""
    response = await client.get("/v1/click2call", ext="101", phone="0899", auto_answer=spelling, checked=False)

    assert response.body["status"] == "success"


async def test_no_auto_answer_lets_the_extension_ring(client):
    """auto_answer=false is not taken for true."""
    await dial(client, auto_answer="false")

    assert (await agents(client))["101"]["call_state"] == "RINGING"


@pytest.mark.parametrize("extension", ["104", "999"])
async def test_dial_refuses_an_extension_that_is_not_registered(pbx, client, extension):
    """No phone rings, and only the asynchronous response explains."""
    response = await client.get("/v1/click2call", ext=extension, phone="0899098899")

    assert response.body == {"status": "fail", "error": "USER_NOT_REGISTERED"}
    assert (await dial(client, extension))["message"] == "User not registered extension with Softphone or IP Phone"
    assert pbx.originated == []


async def test_dial_refuses_a_busy_extension(pbx, client):
    """An extension in a call is not rung again, and after the call it is."""
    first = await dial(client)
    assert await dial(client) == {"status": "fail", "error": "USER_BUSY"}

    await pbx.hang_up(first["call_id"])
    assert (await dial(client))["status"] == "success"
    assert len(pbx.originated) == 2


@pytest.mark.parametrize("query", [{"ext": "101"}, {"phone": "0899"}, {"ext": "", "phone": "0899"}])
async def test_dial_wants_extension_and_number(pbx, client, query):
    """A click-to-call without one of both is 400 and rings nobody."""
    response = await client.get("/v1/click2call/async", checked=False, **query)

    assert (response.status, pbx.originated) == (400, [])
    assert "is required" in response.body["error"]


async def test_a_call_goes_its_way_by_the_clock(pbx, client):
    """Extension 3 s, number 5 s, talk 20 s: then the call is over and 101 is free."""
    call_id = (await dial(client))["call_id"]
    phases = []
    for seconds in (2, 1, 4, 1, 19):
        await pbx.advance(seconds)
        phases.append(pbx.calls[call_id].phase)
    await pbx.advance(1)

    assert phases == ["extension_ringing", "number_ringing", "number_ringing", "answered", "answered"]
    assert (pbx.calls, (await agents(client))["101"]["call_id"]) == ({}, "")


async def test_live_calls_have_the_documented_shape(pbx, client, call_id):
    """Source and destination are the two parties, the time is local to Viet Nam."""
    assert {
        "call_id": call_id,
        "context": "test.tel4vn.com",
        "created_time": "2026-01-15 16:00:00",
        "destination": "0899098899",
        "direction": "outbound",
        "ip": "192.0.2.1",
        "source": "101",
        "state": "CS_EXECUTE",
    } == (await live(client))[call_id]


async def test_agents_are_the_registered_extensions(pbx, client):
    """Agents without a call have empty fields; who logs out is gone, who logs in is there."""
    pbx.unregister("103")
    pbx.register("205", agent_name="Test 05", username="test05")
    seen = await agents(client)

    assert list(seen) == ["101", "102", "205"]
    assert (seen["205"]["agent_name"], seen["205"]["username"]) == ("Test 05", "test05")
    assert [seen["205"][name] for name in ("call_id", "call_state", "call_time", "destination", "direction")] == [
        ""
    ] * 5


async def test_an_inbound_call_rings_and_is_answered_by_its_extension(pbx, client):
    """The caller is the source; the extension answers after its ringing time."""
    call_id = pbx.incoming("0899888999", extension="102")
    row = (await live(client))[call_id]
    assert (row["source"], row["destination"], row["direction"]) == ("0899888999", "102", "inbound")
    assert (await agents(client))["102"]["call_state"] == "RINGING"

    await pbx.advance(3)
    assert (await agents(client))["102"]["call_state"] == "ONCALL"


async def test_a_ring_group_rings_all_and_frees_all_but_one(pbx, client):
    """Every free member rings; when one picks up, the others are free again."""
    pbx.incoming("0811", extension="103")
    call_id = pbx.incoming("0899888999", ring_group=["101", "102", "103", "104"])
    assert pbx.calls[call_id].ringing == ["101", "102"]

    await pbx.answer(call_id, extension="102")
    seen = await agents(client)
    assert (seen["101"]["call_state"], seen["102"]["call_state"]) == ("", "ONCALL")
    assert pbx.calls[call_id].extension == "102"


async def test_what_nobody_can_do_is_refused(pbx, call_id):
    """An unknown call, a second answer, and an unknown extension are errors of the test that asks for them."""
    with pytest.raises(LookupError, match="no live call 'none'"):
        await pbx.hang_up("none")
    with pytest.raises(ValueError, match="answered already"):
        await pbx.answer(call_id)
    with pytest.raises(ValueError, match="no extension 999"):
        pbx.incoming("0899", extension="999")
    with pytest.raises(ValueError, match="no extension '999'"):
        pbx.unregister("999")
    with pytest.raises(ValueError, match="102 does not ring"):
        await pbx.answer(pbx.incoming("0899", extension="103"), extension="102")


async def test_transfer_moves_the_named_leg(pbx, client, call_id):
    """The customer (bleg of an outbound call) goes on with 102, and 101 is free; the call keeps its id."""
    response = await client.post(f"/v1/call/{call_id}/transfer", {"ext": "102", "legs": "bleg"})
    seen = await agents(client)

    assert {"status": "success", "call_id": call_id, "ext": "102"} == response.body
    assert [("transfer", call_id, "102")] == pbx.rung
    assert (pbx.calls[call_id].aleg, pbx.calls[call_id].bleg) == ("102", "0899098899")
    assert ("", call_id) == (seen["101"]["call_id"], seen["102"]["call_id"])


async def test_transfer_can_move_the_other_leg(pbx, client, call_id):
    """Moving the aleg of an outbound call connects both agents, and the customer is out."""
    await client.post(f"/v1/call/{call_id}/transfer", {"ext": "102", "legs": "aleg"})

    assert (pbx.calls[call_id].aleg, pbx.calls[call_id].bleg) == ("101", "102")


async def test_a_transferred_call_ends_by_the_clock(pbx, client, call_id):
    """A transfer does not stop the call from ending, and frees everybody then."""
    await client.post(f"/v1/call/{call_id}/transfer", {"ext": "102", "legs": "bleg"})
    await pbx.advance(20)

    assert (pbx.calls, (await agents(client))["102"]["call_id"]) == ({}, "")


@pytest.mark.parametrize("operation", ["listen", "whisper", "barge"])
async def test_a_supervisor_joins_the_call(pbx, client, call_id, operation):
    """The supervisor's phone rings, is in the call, and is free after it."""
    response = await client.post(f"/v1/call/{call_id}/{operation}", {"ext": "102"})

    assert {"status": "success", "call_id": call_id, "ext": "102"} == response.body
    assert [(operation, call_id, "102")] == pbx.rung
    assert {"102": operation} == pbx.calls[call_id].supervisors
    assert call_id == (await agents(client))["102"]["call_id"]

    await pbx.hang_up(call_id)
    assert (await agents(client))["102"]["call_id"] == ""


@pytest.mark.parametrize("operation", ["transfer", "listen", "whisper", "barge"])
async def test_call_control_refuses_phones_that_cannot_ring(pbx, client, call_id, operation):
    """Who is not registered or is busy is not rung."""
    legs = {"legs": "bleg"} if operation == "transfer" else {}
    errors = []
    for extension in ("104", "101"):
        response = await client.post(f"/v1/call/{call_id}/{operation}", {"ext": extension, **legs})
        errors.append((response.status, response.body))

    assert [(200, {"status": "fail", "error": e}) for e in ("USER_NOT_REGISTERED", "USER_BUSY")] == errors
    assert pbx.rung == []


@pytest.mark.parametrize("operation", ["transfer", "listen", "whisper", "barge", "park"])
async def test_call_control_of_an_unknown_call_is_not_found(pbx, client, operation):
    """A call that is not live is 404."""
    body = {"transfer": {"ext": "102", "legs": "bleg"}, "park": {"legs": "aleg"}}.get(operation, {"ext": "102"})
    response = await client.post(f"/v1/call/none/{operation}", body)

    assert response[:2] == (404, {"error": "Not Found"})


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("transfer", {"ext": "102", "legs": "both"}),
        ("transfer", {"ext": "102", "legs": ""}),
        ("transfer", {"legs": "aleg"}),
        ("listen", {}),
        ("whisper", {"ext": 102}),
        ("barge", None),
        ("park", {}),
    ],
)
async def test_call_control_wants_complete_bodies(pbx, client, call_id, operation, body):
    """A missing or wrong field is 400 and has no effect."""
    response = await client.post(f"/v1/call/{call_id}/{operation}", body, checked=False)

    assert (response.status, pbx.rung) == (400, [])


async def test_a_transfer_without_legs_moves_the_customer(pbx, client, call_id):
    """One of the two documents has no legs in it."""
    response = await client.post(f"/v1/call/{call_id}/transfer", {"ext": "102"})

    assert {"status": "success", "call_id": call_id, "ext": "102"} == response.body
    assert (pbx.calls[call_id].aleg, pbx.calls[call_id].bleg) == ("102", pbx.calls[call_id].number)


async def test_park_cuts_the_leg_and_drops_the_other_after_a_while(pbx, client, call_id):
    """The agent is free at once; the customer waits ten seconds and is dropped."""
    response = await client.post(f"/v1/call/{call_id}/park", {"legs": "aleg"})

    assert {"status": "success", "call_id": call_id} == response.body
    assert [("park", call_id, None)] == pbx.rung
    assert ((await agents(client))["101"]["call_id"], (await live(client))[call_id]["state"]) == ("", "CS_PARK")

    await pbx.advance(9)
    assert call_id in pbx.calls

    await pbx.advance(1)
    assert pbx.calls == {}


async def test_an_agent_can_be_parked(pbx, client, call_id):
    """When the customer's leg is cut the agent stays in the call, with nobody at the other end."""
    await client.post(f"/v1/call/{call_id}/park", {"legs": "bleg"})
    agent, row = (await agents(client))["101"], (await live(client))[call_id]

    assert (agent["call_id"], agent["destination"]) == (call_id, "")
    assert (row["source"], row["destination"]) == ("101", "")


async def test_a_parked_party_can_be_fetched_by_a_transfer(pbx, client, call_id):
    """A transfer within the time ends the waiting, and they talk as long as others do."""
    await client.post(f"/v1/call/{call_id}/park", {"legs": "aleg"})
    await pbx.advance(9)
    await client.post(f"/v1/call/{call_id}/transfer", {"ext": "102", "legs": "bleg"})

    assert (pbx.calls[call_id].phase, pbx.calls[call_id].aleg) == ("answered", "102")
    await pbx.advance(19)
    assert call_id in pbx.calls
    await pbx.advance(1)
    assert pbx.calls == {}


async def test_what_cannot_be_done_now_fails_without_an_error(pbx, client, call_id):
    """A second park, and a transfer of the leg that was cut, fail and say no more."""
    await client.post(f"/v1/call/{call_id}/park", {"legs": "aleg"})
    park = await client.post(f"/v1/call/{call_id}/park", {"legs": "bleg"})
    transfer = await client.post(f"/v1/call/{call_id}/transfer", {"ext": "102", "legs": "aleg"})

    assert [park.body, transfer.body] == [{"status": "fail"}] * 2
    assert len(pbx.rung) == 1


async def test_a_ringing_call_has_nothing_to_control(pbx, client):
    """Listening to a call that nobody has answered fails."""
    call_id = (await dial(client))["call_id"]

    assert (await client.post(f"/v1/call/{call_id}/listen", {"ext": "102"})).body == {"status": "fail"}
    assert pbx.rung == []


async def test_many_synchronous_dials_are_held_at_once(pbx, client):
    """Hundreds of held click-to-calls block no client, and all get their response at one pick-up time."""
    extensions = [str(number) for number in range(1000, 1400)]
    for extension in extensions:
        pbx.register(extension)
    async with aiohttp.ClientSession(pbx.url, connector=aiohttp.TCPConnector(limit=0)) as client.session:
        dials = [asyncio.ensure_future(client.get("/v1/click2call", ext=e, phone="0899")) for e in extensions]
        await pbx.until(lambda: len(pbx.originated) == len(extensions))
        assert len(await agents(client)) == 403
        await pbx.advance(3)
        responses = await asyncio.gather(*dials)

    assert {"success"} == {response.body["status"] for response in responses}
    assert len(extensions) == len({response.body["call_id"] for response in responses})


async def test_leaving_ends_held_requests():
    """A simulator that ends closes the connections that it holds, instead of waiting for its clock."""
    async with aiohttp.ClientSession() as session:
        async with Tel4vnV1Simulator(clock=ManualClock()) as pbx:
            async with session.post(f"{pbx.url}/v1/auth/token", json={"api_key": pbx.api_key}) as response:
                token = (await response.json())["data"]["token"]
            held = asyncio.ensure_future(
                session.get(
                    f"{pbx.url}/v1/click2call",
                    params={"ext": "101", "phone": "0899"},
                    headers={"Authorization": f"Bearer {token}"},
                )
            )
            await pbx.until(lambda: pbx.originated)

        with pytest.raises(aiohttp.ClientConnectionError):
            await held
        (call,) = pbx.calls.values()
        assert (call.picked_up.done(), call.picked_up.cancelled(), call.timer) == (True, False, None)


async def test_leaving_rings_nobody_whom_a_fault_held():
    """A dial that a fault still holds at the end is closed without being executed."""
    async with aiohttp.ClientSession() as session:
        async with Tel4vnV1Simulator(clock=ManualClock()) as pbx:
            pbx.faults.add(Fault("*", kind="hold", times=None))
            held = asyncio.ensure_future(session.get(f"{pbx.url}/v1/click2call"))
            await pbx.until(lambda: pbx.faults.held)

        with pytest.raises(aiohttp.ClientConnectionError):
            await held
        assert (pbx.originated, pbx.faults.pending) == ([], [])


async def test_a_live_clock_moves_calls_by_itself():
    """Without anybody's doing a call rings, is answered and ends."""
    async with Tel4vnV1Simulator(clock=LiveClock(speed=1000)) as pbx:
        phases = []
        call = pbx.calls[pbx.incoming("0899888999")]
        while call.phase != "ended":
            phases.append(call.phase)
            await pbx.until(lambda: call.phase != phases[-1])

        assert phases == ["extension_ringing", "answered"]
        with pytest.raises(TypeError, match="ManualClock"):
            await pbx.advance(1)


async def test_requests_are_logged_as_they_came(pbx, client):
    """Method, path, repeated parameters, headers in lower case, parsed body and the clock's time are kept, in order."""
    await pbx.advance(1)
    await client.get("/v1/call", checked=False, headers={"X-Trace": "7"}, a="1")
    await client.post("/v1/call/none/park", {"legs": "aleg"})
    get, post = pbx.requests[-2:]

    assert (
        get.method,
        get.path,
        get.query,
        get.headers["x-trace"],
        get.body,
    ) == ("GET", "/v1/call", [("a", "1")], "7", None)
    assert ({"legs": "aleg"}, pbx.clock.now()) == (post.body, post.at)
    assert all(earlier.at <= later.at for earlier, later in pairwise(pbx.requests))


async def test_a_huge_body_is_refused_as_json(client):
    """More than a megabyte is not read."""
    async with client.session.post("/v1/auth", data=io.BytesIO(b"x" * (1024**2 + 1))) as response:
        assert (response.status, "error" in await response.json()) == (413, True)


async def test_two_simulators_share_nothing():
    """A token of one PBX is worthless at another."""
    clock = ManualClock()
    async with (
        Tel4vnV1Simulator(clock=clock) as one,
        Tel4vnV1Simulator(clock=clock) as other,
        aiohttp.ClientSession() as session,
    ):
        async with session.post(f"{one.url}/v1/auth/token", json={"api_key": one.api_key}) as response:
            token = (await response.json())["data"]["token"]
        async with session.get(f"{other.url}/v1/call", headers={"Authorization": f"Bearer {token}"}) as response:
            assert response.status == 401


async def test_a_simulator_has_no_address_before_it_runs():
    """Asking for the address, or for records that carry it, before the start is an error that says so."""
    with pytest.raises(RuntimeError, match="async with"):
        Tel4vnV1Simulator().add_record()

"""The control plane of the TEL4VN v1 simulator, for users who are not in the same process."""

import asyncio

import pytest


async def test_state_shows_everything(pbx, client, hooked):
    """Calls, phones rung, webhooks, hooks, extensions and credentials are there, and JSON can say them."""
    call_id = (await client.get("/v1/click2call/async", ext="101", phone="0899098899")).body["call_id"]
    await pbx.answer(call_id)
    await client.post(f"/v1/call/{call_id}/listen", {"ext": "102"})
    await client.control("POST", "faults", {"path": "/v1/cdr", "kind": "html"})
    state = (await client.control("GET", "state")).body

    assert (state["url"], state["credentials"]["api_key"]) == (pbx.url, pbx.api_key)
    assert [(call["call_id"], call["phase"], call["supervisors"]) for call in state["calls"]] == [
        (call_id, "answered", {"102": "listen"})
    ]
    assert [rung["number"] for rung in state["originated"]] == ["0899098899"]
    assert state["rung"] == [{"operation": "listen", "call_id": call_id, "extension": "102"}]
    assert [sent["event"] for sent in state["webhooks_sent"]] == ["ringing", "answered"]
    assert [hook["event"] for hook in state["hooks"]] == ["ringing", "answered", "hangup", "cdr"]
    assert [(phone["extension"], phone["registered"]) for phone in state["extensions"]][2:] == [
        ("103", True),
        ("104", False),
    ]
    assert state["faults"]["faults"][0]["kind"] == "html"
    assert state["behaviour"]["ring_seconds"] == 3
    assert state["tenants"] == []


async def test_a_call_can_be_led_from_outside(pbx, client, hooked):
    """Incoming, answer, advance and hang-up do what the methods do."""
    call_id = (await client.control("POST", "incoming", {"number": "0899888999", "extension": "102"})).body["call_id"]
    await client.control("POST", f"calls/{call_id}/answer")
    moved = await client.control("POST", "advance", {"seconds": 5})
    await client.control("POST", f"calls/{call_id}/hang-up", {"cause": "NORMAL_CLEARING"})

    assert moved.body == {"now": "2026-01-15T09:00:05+00:00"}
    assert hooked.states == ["ringing", "answered", "hangup", "cdr"]
    assert hooked.bodies[3]["billsec"] == 5


async def test_faults_can_be_made_and_cleared_from_outside(pbx, client):
    """A posted fault hits the vendor's operations, not the control plane, and can be taken back."""
    made = await client.control("POST", "faults", {"path": "*", "kind": "refuse", "times": None, "status": 429})
    assert (made.status, (await client.get("/v1/call")).status) == (200, 429)

    assert (await client.control("DELETE", "faults")).body == {"faults": [], "held": 0}
    assert (await client.get("/v1/call")).status == 200


async def test_held_requests_can_be_released_from_outside(pbx, client):
    """A release is heard while a request is held."""
    await client.control("POST", "faults", {"path": "/v1/call", "kind": "hold"})
    held = asyncio.ensure_future(client.get("/v1/call"))
    await pbx.until(lambda: pbx.faults.held)
    await client.control("POST", "faults/release")

    assert (await held).status == 200


async def test_records_can_be_added_and_seeded_from_outside(pbx, client):
    """One record with overrides, and many at once, are found by the vendor's list."""
    added = await client.control("POST", "records", {"id": "mine", "duration": 7})
    await client.control("POST", "seed", {"count": 5, "since": "2025-12-01T00:00:00+07:00", "step_seconds": 60})
    page = (await client.get("/v1/cdr", page="1", limit="2")).body

    assert (added.body["id"], page["total"]) == ("mine", 6)
    assert page["data"][1]["time_started"] == "2025-12-01 00:04:00"


async def test_extensions_and_tokens_can_be_changed_from_outside(pbx, client):
    """Extensions log in and out, and tokens end."""
    registered = await client.control("POST", "extensions/205/register", {"agent_name": "Test 05"})
    await client.control("POST", "extensions/101/unregister")
    await client.control("POST", "expire-tokens")

    assert (registered.body["agent_name"], pbx.phones.extensions["101"].registered) == ("Test 05", False)
    assert (await client.get("/v1/call")).status == 401


async def test_behaviour_can_be_changed_from_outside(pbx, client):
    """Given fields change, the others stay."""
    response = await client.control(
        "PATCH", "behaviour", {"talk_seconds": 60, "number_answers": "busy", "webhook_faults": {"drop": ["cdr"]}}
    )
    shown = response.body

    assert (shown["talk_seconds"], shown["ring_seconds"], shown["webhook_faults"]["drop"]) == (60, 3, ["cdr"])
    assert (pbx.behaviour.number_answers, pbx.behaviour.webhook_faults.drop) == ("busy", {"cdr"})


async def test_a_wrong_change_of_behaviour_changes_nothing(pbx, client):
    """One wrong field refuses the whole change."""
    response = await client.control("PATCH", "behaviour", {"talk_seconds": 60, "ring_seconds": -1})

    assert (response.status, pbx.behaviour.talk_seconds) == (400, 20)
    assert "ring_seconds" in response.body["error"]


@pytest.mark.parametrize(
    ("method", "path", "body", "told"),
    [
        ("POST", "advance", {}, "seconds is required"),
        ("POST", "advance", {"seconds": True}, "seconds has the wrong type"),
        ("POST", "advance", {"seconds": -1}, "only moves forward"),
        ("POST", "advance", {"seconds": 1e300}, "too large"),
        ("POST", "advance", [], "JSON object"),
        ("POST", "incoming", {"number": "0899", "colour": "red"}, "colour is not known"),
        ("POST", "incoming", {"number": "0899", "extension": "999"}, "no extension 999"),
        ("POST", "incoming", {"number": "0899", "ring_group": []}, "no extension"),
        ("POST", "faults", {"path": "*"}, "path and kind are required"),
        ("POST", "faults", {"path": "*", "kind": "explode"}, "explode"),
        ("POST", "faults", {"path": "*", "kind": "html", "colour": "red"}, "colour is not known"),
        ("POST", "seed", {"count": 1, "since": "2026-01-15"}, "aware"),
        ("POST", "extensions/999/unregister", {}, "no extension '999'"),
        ("PATCH", "behaviour", {"colour": "red"}, "colour is not known"),
        ("PATCH", "behaviour", {"webhook_faults": {"colour": "red"}}, "colour is not known"),
        ("PATCH", "behaviour", {"webhook_faults": {"drop": "cdr"}}, "list of event names"),
        ("PATCH", "behaviour", {"number_answers": "perhaps"}, "number_answers"),
        ("PATCH", "behaviour", {"scroll_page": 0}, "scroll_page"),
    ],
)
async def test_bad_input_is_explained(client, method, path, body, told):
    """What cannot be done is 400 with a reason."""
    response = await client.control(method, path, body)

    assert response.status == 400
    assert told in response.body["error"]


async def test_broken_json_is_explained(client):
    """A body that is no JSON is 400 as well."""
    async with client.session.post("/_simulator/advance", data=b"{") as response:
        assert (response.status, "error" in await response.json()) == (400, True)


async def test_an_unknown_call_is_not_found(client):
    """Answering a call that is not live is 404."""
    assert (await client.control("POST", "calls/none/answer")).status == 404


async def test_the_control_plane_leaves_no_trace(pbx, client):
    """Its requests need no token and are not in the log of the vendor's."""
    before = len(pbx.requests)
    client.token = ""

    assert (await client.control("GET", "state")).status == 200
    assert len(pbx.requests) == before

"""Hooks and webhooks of the TEL4VN v1 simulator."""

import pytest
from gateway_simulators import ManualClock
from gateway_simulators.tel4vn_v1 import Tel4vnV1Simulator

from tests import wire


async def dial(client):
    return (await client.get("/v1/click2call/async", ext="101", phone="0899098899")).body["call_id"]


async def test_a_hook_is_listed_and_deleted(pbx, client):
    """A new hook is in the list with its id, and gone once deleted; deleting it again is 404."""
    made = await client.post("/v1/event", {"callback_url": "http://example.vn/h", "event": "hangup"})
    (row,) = (await client.get("/v1/event")).body["data"]
    hook_id = row["event_domain_uuid"]

    assert made.body == {"created": True}
    assert (row["event_name"], row["callback_url"], row["callback_apikey"]) == ("hangup", "http://example.vn/h", "")
    assert (await client.delete(f"/v1/event/{hook_id}")).body == {"deleted": True}
    assert (await client.get("/v1/event")).body == {"data": []}
    assert (await client.delete(f"/v1/event/{hook_id}")).status == 404


async def test_hooks_can_have_the_names_of_2023(pbx, client):
    """The later edition says id and event, gives a total, and the id at once."""
    pbx.behaviour.hook_shape = "2023"
    made = await client.post("/v1/event", {"callback_url": "http://example.vn/h", "event": "hangup"})
    body = (await client.get("/v1/event")).body

    assert (body["total"], body["data"][0]["event"]) == (1, "hangup")
    assert body["data"][0]["id"] == made.body["id"]


async def test_a_hook_is_one_for_an_event_and_an_address(client):
    """The same event and address again changes the key; another address or event is another hook."""
    for url, key, event in (("a", "old", "cdr"), ("a", "new", "cdr"), ("b", "x", "cdr"), ("a", "x", "hangup")):
        body = {"callback_url": f"http://example.vn/{url}", "callback_apikey": key, "event": event}
        await client.post("/v1/event", body)
    rows = (await client.get("/v1/event")).body["data"]

    assert [row["callback_apikey"] for row in rows] == ["new", "x", "x"]


@pytest.mark.parametrize("body", [{"event": "cdr"}, {"callback_url": "http://example.vn/"}, {}, [], None])
async def test_a_hook_wants_address_and_event(client, body):
    """A registration without one of both is 400."""
    assert (await client.post("/v1/event", body, checked=False)).status == 400


async def test_an_outbound_call_is_told_step_by_step(pbx, client, hooked):
    """Ringing, answered, hangup and cdr come in order, from the extension to the number, each as documented."""
    call_id = await dial(client)
    await pbx.settle()
    assert hooked.states == ["ringing"]

    await pbx.advance(8)
    assert hooked.states == ["ringing", "answered"]

    await pbx.advance(20)
    assert hooked.states == ["ringing", "answered", "hangup", "cdr"]
    assert {(body["call_id"], body["from_number"], body["to_number"]) for body in hooked.bodies} == {
        (call_id, "101", "0899098899")
    }
    for body in hooked.bodies:
        wire.check_webhook(body)


async def test_the_end_is_told_with_durations_and_the_recording(pbx, client, hooked):
    """Hangup and cdr have both durations; only cdr has the recording, which can be fetched."""
    await dial(client)
    await pbx.advance(28)
    ringing, _, hangup, cdr = hooked.bodies

    assert [(body["duration"], body["billsec"]) for body in (hangup, cdr)] == [(28, 20)] * 2
    assert "duration" not in ringing
    assert "recording_url" not in hangup
    response = await client.get(cdr["recording_url"].removeprefix(pbx.url), checked=False)
    assert response.raw[:4] == b"RIFF"


async def test_an_inbound_call_is_told_from_customer_to_extension(pbx, hooked):
    """For an inbound call the extension is the one that is called, and one id holds all together."""
    call_id = pbx.incoming("0899888999", hotline="19001920", extension="102")
    await pbx.advance(23)

    assert hooked.states == ["ringing", "answered", "hangup", "cdr"]
    assert {(b["call_id"], b["from_number"], b["to_number"], b["hotline"], b["direction"]) for b in hooked.bodies} == {
        (call_id, "0899888999", "102", "19001920", "inbound")
    }


@pytest.mark.parametrize("shape", ["2021", "2023"])
async def test_a_call_that_nobody_answers_only_ends(pbx, client, hooked, shape):
    """The documents know four events, and a hook for a missed call is taken and never fired."""
    pbx.behaviour.hook_shape = shape
    await client.post("/v1/event", {"callback_url": hooked.url, "event": "missed"}, checked=False)
    pbx.behaviour.extension_answers = False
    pbx.incoming("0899888999")
    await pbx.advance(3)

    assert hooked.states == ["ringing", "hangup", "cdr"]
    assert [body.get("billsec") for body in hooked.bodies] == [None, 0, 0]
    for body in hooked.bodies:
        wire.check_webhook(body)


async def test_an_unanswered_outbound_call_ends_too(pbx, client, hooked):
    """It rings, and it ends."""
    pbx.behaviour.number_answers = False
    await dial(client)
    await pbx.advance(8)

    assert hooked.states == ["ringing", "hangup", "cdr"]


async def test_a_ring_group_rings_once_for_each_and_has_another_id_in_the_end(pbx, hooked):
    """Several ringing share one call_id with answered and hangup; the cdr has the id of the record."""
    call_id = pbx.incoming("0899888999", ring_group=["101", "102"])
    call = pbx.calls[call_id]
    record_id = call.record_id
    await pbx.advance(23)

    assert [(body["state"], body["to_number"]) for body in hooked.bodies] == [
        ("ringing", "101"),
        ("ringing", "102"),
        ("answered", "101"),
        ("hangup", "101"),
        ("cdr", "101"),
    ]
    assert [body["call_id"] for body in hooked.bodies] == [call_id] * 4 + [record_id]
    assert record_id != call_id
    sip_call_ids = [call.sip_call_id] * 4 + [call.record_sip_call_id]
    assert [body["sip_call_id"] for body in hooked.bodies] == sip_call_ids


async def test_a_webhook_arrives_while_it_is_true(pbx, hooked):
    """However far the clock moves, a listener who looks at the live calls finds what the webhook says."""
    seen = []
    hooked.on_receive = lambda: seen.append([call.phase for call in pbx.calls.values()])
    pbx.incoming("0899888999")
    await pbx.advance(30)

    assert seen == [["extension_ringing"], ["answered"], [], []]


async def test_answer_and_hang_up_have_told_when_they_return(pbx, hooked):
    """After answering and hanging up by hand the listener has heard of it."""
    call_id = pbx.incoming("0899888999")
    await pbx.answer(call_id)
    assert hooked.states == ["ringing", "answered"]

    await pbx.hang_up(call_id)
    assert hooked.states == ["ringing", "answered", "hangup", "cdr"]


async def test_only_registered_events_are_sent_and_made_up_ones_never(pbx, client, listener):
    """Who asked for hangup hears only of hangup; an unknown event is accepted and silent."""
    for event in ("hangup", "create"):
        response = await client.post("/v1/event", {"callback_url": listener.url, "event": event}, checked=False)
        assert response.body == {"created": True}
    pbx.incoming("0899888999")
    await pbx.advance(30)

    assert listener.states == ["hangup"]


async def test_the_key_travels_in_authorization(pbx, client, listener):
    """With a key there is a header, without a key there is none."""
    for event, key in (("ringing", {"callback_apikey": "foo"}), ("answered", {})):
        await client.post("/v1/event", {"callback_url": listener.url, "event": event, **key})
    pbx.incoming("0899888999")
    await pbx.advance(3)

    assert [headers.get("Authorization") for headers in listener.headers] == ["foo", None]
    assert listener.headers[0]["Content-Type"] == "application/json"


async def test_webhooks_can_be_forms(pbx, client, hooked):
    """When told so the same fields come as a web form."""
    pbx.behaviour.webhook_form = True
    call_id = await dial(client)
    await pbx.advance(28)

    assert hooked.headers[0]["Content-Type"] == "application/x-www-form-urlencoded"
    assert (hooked.bodies[2]["call_id"], hooked.bodies[2]["duration"]) == (call_id, "28")


async def test_what_was_sent_is_kept_with_its_answer(pbx, hooked):
    """Each try is in the log with address, event, body and status."""
    pbx.incoming("0899888999")
    await pbx.settle()
    (sent,) = pbx.webhooks_sent

    assert (sent.url, sent.event, sent.body, sent.status) == (hooked.url, "ringing", hooked.bodies[0], 200)


async def test_a_failed_webhook_is_sent_once_more(pbx, hooked):
    """After a 5xx the vendor tries a second time, and no third."""
    hooked.statuses = [500, 503]
    pbx.incoming("0899888999")
    await pbx.settle()

    assert [sent.status for sent in pbx.webhooks_sent] == [500, 503]
    assert hooked.bodies[0] == hooked.bodies[1]


async def test_a_refused_webhook_is_not_sent_again(pbx, hooked):
    """A 4xx is a response."""
    hooked.statuses = [404]
    pbx.incoming("0899888999")
    await pbx.settle()

    assert [sent.status for sent in pbx.webhooks_sent] == [404]


async def test_an_unanswered_webhook_is_sent_once_more(pbx, hooked):
    """A listener that does not respond in time gets the same webhook again."""
    hooked.deaf = True
    pbx.behaviour.webhook_timeout_seconds = 0.05
    pbx.incoming("0899888999")
    await pbx.settle()

    assert [sent.status for sent in pbx.webhooks_sent] == [None, None]
    assert hooked.states == ["ringing", "ringing"]


async def test_nobody_listening_does_not_hurt(pbx, client):
    """A dead or nonsensical address is tried, and the call goes on."""
    for url in ("http://127.0.0.1:9/", "nonsense"):
        await client.post("/v1/event", {"callback_url": url, "event": "ringing"}, checked=False)
    call_id = pbx.incoming("0899888999")
    await pbx.advance(3)

    assert {sent.status for sent in pbx.webhooks_sent} == {None}
    assert pbx.calls[call_id].phase == "answered"


async def test_webhooks_can_come_twice(pbx, hooked):
    """Duplicates are exact."""
    pbx.behaviour.webhook_faults.duplicate = True
    pbx.incoming("0899888999")
    await pbx.settle()

    assert hooked.states == ["ringing", "ringing"]
    assert hooked.bodies[0] == hooked.bodies[1]


async def test_webhooks_can_be_lost(pbx, hooked):
    """A dropped event is never sent, the others are."""
    pbx.behaviour.webhook_faults.drop = {"answered", "hangup"}
    pbx.incoming("0899888999")
    await pbx.advance(30)

    assert hooked.states == ["ringing", "cdr"]


async def test_webhooks_can_come_in_reverse(pbx, hooked):
    """All of a call are held back until its record, then the newest comes first."""
    pbx.behaviour.webhook_faults.reorder = True
    pbx.incoming("0899888999")
    await pbx.advance(22)
    assert hooked.states == []

    await pbx.advance(1)
    assert hooked.states == ["cdr", "hangup", "answered", "ringing"]


async def test_held_back_webhooks_can_be_released(pbx, hooked):
    """What reorder holds can be sent before the call ends."""
    pbx.behaviour.webhook_faults.reorder = True
    pbx.incoming("0899888999")
    await pbx.advance(3)
    pbx.release_webhooks()
    await pbx.settle()

    assert hooked.states == ["answered", "ringing"]


async def test_webhooks_can_come_late(pbx, hooked):
    """A delayed webhook comes when the clock says so, and not before."""
    pbx.behaviour.webhook_faults.delay_seconds = 10
    pbx.incoming("0899888999")
    await pbx.advance(9)
    assert hooked.states == []

    await pbx.advance(1)
    assert hooked.states == ["ringing"]


async def test_webhooks_of_one_call_wait_for_each_other(pbx, hooked):
    """A webhook that has to be sent again is not overtaken by the next one of its call."""
    hooked.statuses = [200, 200, 503]
    pbx.incoming("0899888999")
    await pbx.advance(30)

    assert hooked.states == ["ringing", "answered", "hangup", "hangup", "cdr"]


async def test_leaving_forgets_delayed_webhooks(listener):
    """What was to be sent later is not sent by a PBX that has ended, although its clock goes on."""
    clock = ManualClock()
    async with Tel4vnV1Simulator(clock=clock) as pbx:
        pbx.behaviour.webhook_faults.delay_seconds = 10
        pbx.webhooks.create("ringing", listener.url, "")
        pbx.incoming("0899888999")
    await clock.advance(60)

    assert listener.bodies == []


async def test_webhooks_of_a_transferred_call_name_the_new_extension(pbx, client, hooked):
    """After a transfer the call is the new agent's."""
    call_id = await dial(client)
    await pbx.answer(call_id)
    await client.post(f"/v1/call/{call_id}/transfer", {"ext": "102", "legs": "bleg"})
    await pbx.hang_up(call_id)

    assert [body["from_number"] for body in hooked.bodies] == ["101", "101", "102", "102"]

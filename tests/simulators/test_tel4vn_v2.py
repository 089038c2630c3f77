"""The TEL4VN v2 simulator against its wire document, and what it has beside the telephones that v1 shares with it."""

import re

import aiohttp
import pytest
from aiohttp import web
from gateway_simulators import Fault, ManualClock
from gateway_simulators.tel4vn_v2 import Tel4vnV2Simulator
from openapi_spec_validator import validate

from tests.simulators.conftest import Client, Listener
from tests.wire import Wire

WIRE = Wire.load("tel4vn-v2")
OPERATIONS = [(method, path, said) for path, item in WIRE.document["paths"].items() for method, said in item.items()]
CAMPAIGN = "aaaaaaaa-1111-2222-3333-eeeeeeee"
NUMBER = "0899098899"
LOAD = {"queue_code": "Q1", "customers": [{"id": "KH01", "mobiles": [NUMBER]}, {"id": "KH02", "mobiles": ["12"]}]}
LOADS = {
    "autodialer": {**LOAD, "campaign_id": CAMPAIGN, "precall_ratio": "150", "max_recall_count": "2"},
    "autocall": {**LOAD, "template": "IVR-1", "concurrent_call": 5},
}


@pytest.fixture
async def pbx():
    async with Tel4vnV2Simulator(clock=ManualClock()) as pbx:
        yield pbx


@pytest.fixture
async def client(pbx):
    async with aiohttp.ClientSession(pbx.url) as session:
        client = Client(session, pbx, vendor="tel4vn-v2")
        await client.log_in("/v2/auth/token")
        yield client


# The wire document


def test_the_document_is_openapi_with_every_operation_and_its_source():
    """All 28 documented operations are there, each with the line of its document, and a date."""
    validate(WIRE.document)

    assert len(OPERATIONS) == 28 == len({said["operationId"] for _, _, said in OPERATIONS})
    for _, path, said in OPERATIONS:
        assert re.fullmatch(r"002:\d+", said["x-source"]), path
        assert said["x-date"] == "2021-07-15"


async def test_the_simulator_serves_every_operation(client):
    """Without a token each is refused for the token only."""
    client.token = ""
    for method, path, said in OPERATIONS:
        async with client.session.request(method, re.sub(r"\{\w+\}", "x", path)) as response:
            expected = 400 if said.get("security") == [] else 401
            assert (path, response.status) == (path, expected)


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "told"),
    [
        ("GET", "/v2/cdr", [("page", "0")], None, "query parameter page"),
        ("GET", "/v2/cdr", [("limit", "5"), ("offset", "0"), ("status", "busy")], None, "no query parameter status"),
        ("POST", "/v2/call/x/transfer", [], {"ext": "101", "legs": "aleg"}, "'legs' was unexpected"),
        ("POST", "/v2/call/x/park", [], {"legs": "aleg"}, "no such operation"),
        ("POST", "/v2/click2call", [], {"id": "KH1", "mobile": NUMBER}, "'agent' is a required"),
        ("POST", "/v2/autodialer/queue", [], {**LOADS["autodialer"], "precall_ratio": 150}, "not of type 'string'"),
        ("POST", "/v2/autocall/queue", [], {**LOADS["autocall"], "concurrent_call": "5"}, "not of type 'integer'"),
        ("POST", "/v2/customer", [], {"campaign_id": "C"}, "is a required property"),
    ],
)
def test_wrong_requests_are_caught(method, path, query, body, told):
    """Whatever the document does not allow is an AssertionError that says where."""
    with pytest.raises(AssertionError, match=re.escape(told)):
        WIRE.check_request(method, path, query, body)


# Access


async def test_login_and_token_have_the_documents_shapes(pbx, client):
    """The account comes with its key, the token with the seconds that are left of it."""
    login = await client.post("/v1/auth", {"username": pbx.username, "password": pbx.password})
    refused = await client.post("/v1/auth", {"username": pbx.username, "password": "wrong"})
    data = await client.log_in("/v2/auth/token")

    assert (login.body["data"]["api_key"], login.body["data"]["username"]) == (pbx.api_key, "adminfortest")
    assert (refused.status, data["expired_in"], data["refresh_token"]) == (401, 14_763_877, "")


# Records


@pytest.mark.parametrize("mapping", ["default", "flex", "mixed"])
async def test_records_are_written_in_the_tenants_mapping(pbx, client, mapping):
    """Kept, seeded and found rows all fit the document, and count the same."""
    pbx.behaviour.cdr_mapping = mapping
    pbx.seed_records(50, pbx.clock.now(), step_seconds=60)
    pbx.add_record(status="busy", time_answered="")
    page = await client.get("/v2/cdr", page="1", limit="60")

    names = {"id" in row for row in page.body["data"]}
    assert names == {"default": {True}, "flex": {False}, "mixed": {True, False}}[mapping]
    assert (len(page.body["data"]), page.body["total"]) == (51, 51)
    for row in page.body["data"][:5]:
        record_id = row.get("id", row.get("cdrId")).strip()
        assert row == (await client.get(f"/v2/cdr/{record_id}")).body
        assert row == (await client.get(f"/v2/cdr/{row['sip_call_id']}")).body


async def test_records_may_be_given_by_the_names_of_either_mapping(pbx, client):
    """The same call, said in either, is the same call."""
    flex = pbx.add_record(cdrId="one", to=NUMBER, direction="inbound", extensionId="102", status="cancel")
    pbx.behaviour.cdr_mapping = "flex"
    shown = (await client.get("/v2/cdr/one")).body

    assert (flex["id"], flex["from_number"], flex["extension"], flex["status"]) == ("one", NUMBER, "102", "CANCEL")
    assert (shown["cdrId"], shown["to"], shown["extensionId"], shown["status"]) == ("one", NUMBER, "102", "cancel")


async def test_records_are_filtered_and_paged(pbx, client):
    """Every documented filter narrows, and an offset counts rows."""
    pbx.add_record(extension="102", to_number="0900000000", duration=5, direction="inbound")
    for _ in range(3):
        pbx.add_record()
    filters = {"extension": "102", "phone": "0900000000", "duration": "5", "direction": "inbound"}
    for name, value in filters.items():
        response = await client.get("/v2/cdr", page="1", limit="10", **{name: value})
        assert (name, response.body["total"]) == (name, 1)

    second = await client.get("/v2/cdr", page="9", limit="3", offset="2")
    assert (len(second.body["data"]), second.body["offset"], second.body["total"]) == (2, 2, 4)


async def test_without_page_and_limit_the_records_are_scrolled(pbx, client):
    """The text says that this is the default; an offset alone makes no page."""
    pbx.seed_records(25, pbx.clock.now())
    rows, more = [], {}
    while True:
        body = (await client.get("/v2/cdr", limit="10", offset="0", **more)).body
        more = {"scroll_id": body["scroll_id"]}
        if not body["data"]:
            break
        rows += body["data"]

    assert rows == (await client.get("/v2/cdr", page="1", limit="100")).body["data"]
    assert len(rows) == 25


async def test_without_limit_and_offset_there_are_no_rows_at_a_host_that_counts_by_offset(pbx, client):
    """The later edition says that both become -1."""
    pbx.behaviour.paging = "offset"
    pbx.add_record()
    response = await client.get("/v2/cdr", checked=False, limit="5")

    assert response.body == {"data": [], "limit": -1, "offset": -1, "total": 1}


async def test_recordings_are_served_for_both_mappings(pbx, client):
    """The address in the row is public."""
    default = pbx.add_record()
    pbx.behaviour.cdr_mapping = "flex"
    flex = pbx.add_record()
    for url in (default["recording_url"], flex["recordFile"]):
        response = await client.get(url.removeprefix(pbx.url), checked=False)
        assert response.raw.startswith(b"RIFF")


# Calls


async def test_a_customers_call_is_placed_in_either_form_and_recorded_with_its_customer(pbx, client):
    """The id is on the record; the codes of the second form are text."""
    first = (await client.get("/v1/click2call/async", ext="101", phone=NUMBER, customer_id="KH1")).body
    second = (await client.post("/v2/click2call", {"id": "KH2", "mobile": NUMBER, "agent": "102"})).body
    await pbx.advance(60)

    assert second["code"] == "0"
    for response, customer in ((first, "KH1"), (second, "KH2")):
        assert (await client.get(f"/v2/cdr/{response['call_id']}")).body["customer_id"] == customer


@pytest.mark.parametrize(("agent", "code"), [("104", "USER_NOT_REGISTERED"), ("101", "USER_BUSY")])
async def test_a_phone_that_is_away_or_busy_does_not_ring(pbx, client, agent, code):
    """The second form says so with a code of its own."""
    await client.get("/v1/click2call/async", ext="101", phone=NUMBER)
    response = await client.post("/v2/click2call", {"id": "KH1", "mobile": NUMBER, "agent": agent})

    assert (response.body["code"], response.body["status"], response.body["error"]) == ("1", "fail", code)
    assert len(pbx.originated) == 1


@pytest.mark.parametrize("direction", ["outbound", "inbound"])
async def test_a_transfer_moves_the_customer(pbx, client, direction):
    """The document knows no legs; whoever is the customer talks to the other extension afterwards."""
    if direction == "outbound":
        call_id = (await client.get("/v1/click2call/async", ext="101", phone=NUMBER)).body["call_id"]
    else:
        call_id = pbx.incoming(NUMBER)
    await pbx.answer(call_id)
    if direction == "outbound":
        await pbx.advance(3)
    await client.post(f"/v2/call/{call_id}/transfer", {"ext": "102"})
    for how in ("listen", "whisper", "barge"):
        response = await client.post(f"/v2/call/{call_id}/{how}", {"ext": "103"})
        assert response.body["status"] == ("success" if how == "listen" else "fail")

    call = pbx.calls[call_id]
    assert ({call.aleg, call.bleg}, call.extension) == ({NUMBER, "102"}, "102")
    assert [rung.operation for rung in pbx.rung] == ["transfer", "listen"]


async def test_live_calls_are_listed(pbx, client):
    """They have v1's shape at their own path."""
    call_id = pbx.incoming(NUMBER)

    assert [call_id] == [row["call_id"] for row in (await client.get("/v2/call")).body["data"]]


async def test_the_webhook_of_a_record_has_its_status(pbx, client):
    """Only `cdr` says how the call ended."""
    listener = Listener()
    app = web.Application()
    app.router.add_post("/hook", listener.receive)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    for event in ("ringing", "answered", "hangup", "cdr"):
        await client.post("/v1/event", {"callback_url": url, "event": event})
    await client.get("/v1/click2call/async", ext="101", phone=NUMBER)
    await pbx.advance(60)
    await runner.cleanup()

    assert listener.states == ["ringing", "answered", "hangup", "cdr"]
    assert [body.get("status") for body in listener.bodies] == [None, None, None, "ANSWERED"]
    for body in listener.bodies:
        WIRE.check_webhook(body)


# Queues


@pytest.mark.parametrize("kind", ["autodialer", "autocall"])
async def test_a_queue_lives_through_its_states(pbx, client, kind):
    """Loaded it runs, it is stopped and started, and, stopped again, deleted; afterwards it is not found."""
    base = f"/v2/{kind}/queue"
    loaded = await client.post(base, LOADS[kind])
    queue = pbx.queues[kind, "Q1"]
    states = [queue.running]
    for word in ("stop", "start"):
        await client.post(f"{base}/{word}", {"queue_code": "Q1"})
        states.append(queue.running)
    running = await client.post(f"{base}/delete", {"queue_code": "Q1"})
    await client.post(f"{base}/stop", {"queue_code": "Q1"})
    await client.post(f"{base}/delete", {"queue_code": "Q1"})

    assert (running.status, running.body.get("message", running.body.get("content"))) == (400, "queue is running")
    assert (states, queue.customers) == ([True, False, True], {"KH01": [NUMBER]})
    assert [rung.operation for rung in pbx.rung] == ["start_queue"]
    if kind == "autocall":
        assert loaded.body["data"] == {"fail": ["KH02"], "success": ["KH01"]}
    for word in ("stop", "start", "delete"):
        gone = await client.post(f"{base}/{word}", {"queue_code": "Q1"})
        assert (gone.status, gone.body.get("message", gone.body.get("content"))) == (404, "queue not found")


async def test_a_load_is_refused_in_the_documents_words(pbx, client):
    """A campaign that is not there, a load of nobody, and one of whom nobody can be reached."""
    wrong = await client.post("/v2/autodialer/queue", {**LOADS["autodialer"], "campaign_id": "C9"})
    nobody = await client.post("/v2/autocall/queue", {**LOADS["autocall"], "customers": []}, checked=False)
    unreachable = {**LOADS["autocall"], "customers": [{"id": "KH02", "mobiles": ["1"]}]}
    failed = await client.post("/v2/autocall/queue", unreachable)

    assert failed.body == {"code": 400, "content": "import fail", "data": {"fail": ["KH02"], "success": []}}
    assert wrong.body == {"message": "campaign is invalid"}
    assert nobody.body == {"code": 400, "content": "import fail", "data": {"fail": [], "success": []}}
    assert pbx.queues == {}


async def test_customers_are_blocked_in_a_queue(pbx, client):
    """Their ids are kept with it."""
    pbx.add_queue("autocall", "Q1")
    await client.post("/v2/autocall/queue/dnc", {"queue_code": "Q1", "customers": [{"id": "KH_01"}]})

    assert pbx.queues["autocall", "Q1"].blocked == {"KH_01"}


# Users and customers


async def test_a_users_status_says_whether_the_softphone_is_there(pbx, client):
    """By id or user name, with a truth that is text."""
    phone = pbx.phones.extensions["104"]
    responses = [await client.get(f"/v2/user/{key}/status") for key in (phone.user_id, phone.username)]
    pbx.register("104")
    responses.append(await client.get(f"/v2/user/{phone.username}/status"))

    assert [each.body["data"]["ext_loggedin"] for each in responses] == ["false", "false", "true"]
    assert (await client.get("/v2/user/nobody/status")).body == {
        "code": 404,
        "content": "user is not existed",
        "error": "Not Found",
    }


async def test_customers_are_made_found_and_listed(pbx, client):
    """A new one has an id, is new, and was never updated."""
    body = {"campaign_id": CAMPAIGN, "customer_code": "KH01", "phone_number": NUMBER, "contract_number": "HD1"}
    made = await client.post("/v2/customer", body)
    found = await client.get(f"/v2/customer/{made.body['id']}")
    listed = await client.get("/v2/customer", campaign_id=CAMPAIGN, limit="5", offset="0")
    others = await client.get("/v2/customer", campaign_id="C9")

    assert made.status == 201
    assert (found.body["data"]["status"], found.body["data"]["updated_at"]) == ("NEW", "0001-01-01T00:00:00Z")
    assert ([found.body["data"]], 0) == (listed.body["data"], others.body["total"])
    assert (await client.get("/v2/customer/nobody")).status == 404


async def test_a_wrong_number_is_refused_with_a_list(pbx, client):
    """The vendor's own words, field by field."""
    body = {"campaign_id": CAMPAIGN, "customer_code": "KH01", "phone_number": "12", "contract_number": "HD1"}
    response = await client.post("/v2/customer", body)

    text = "Does not match pattern '^(84|0[3|5|7|8|9])+([0-9]{8})$'"
    assert response.body == {"code": 400, "content": [{"phone_number": text}], "error": "Bad Request"}
    assert pbx.customers == {}


# Knobs and the control plane


async def test_envelopes_and_codes_can_be_turned(pbx, client):
    """A user can be found in every shape of responses that hosts have."""
    seen = set()
    for envelope in ("data", "flat"):
        for code in ("int", "text", "absent"):
            pbx.behaviour.envelope, pbx.behaviour.code = envelope, code
            body = (await client.get("/v2/user/agent101/status", checked=False)).body
            seen.add(("data" in body, repr(body.get("code"))))

    assert seen == {(data, code) for data in (True, False) for code in ("200", "'200'", "None")}


async def test_errors_can_hide_behind_200_but_not_those_of_tokens(pbx, client):
    """Only the body tells then; a token that is refused is refused."""
    pbx.behaviour.errors_as_200 = True
    hidden = await client.get("/v2/customer/nobody", checked=False)
    client.token = ""

    assert (hidden.status, hidden.body["code"]) == (200, 404)
    assert (await client.get("/v2/customer/nobody")).status == 401


@pytest.mark.parametrize(
    ("name", "value"), [("cdr_mapping", "other"), ("envelope", "x"), ("code", 200), ("errors_as_200", "yes")]
)
async def test_a_wrong_knob_is_refused(pbx, client, name, value):
    """The control plane changes nothing then."""
    response = await client.control("PATCH", "behaviour", {name: value})

    assert (response.status, getattr(pbx.behaviour, name) == value) == (400, False)


@pytest.mark.parametrize(
    ("paging", "expected"), [("document", [2, 3]), ("first_page", [0, 1]), ("everything", [0, 1, 2, 3, 4])]
)
async def test_customers_are_cut_by_their_offset(pbx, client, paging, expected):
    """Unless the host overlooks it, or the limit too."""
    for number in range(5):
        pbx.add_customer(customer_id=f"id{number}")
    pbx.behaviour.paging = paging
    body = (await client.get("/v2/customer", limit="2", offset="2")).body

    assert [f"id{number}" for number in expected] == [each["customer_id"] for each in body["data"]]
    assert 5 == body["total"]


async def test_the_control_plane_shows_queues_and_customers(pbx, client):
    """Beside what every PBX shows; what v1 has only is not there."""
    pbx.add_queue("autocall", "Q1", {"KH01": [NUMBER]}).blocked.add("KH01")
    pbx.add_customer(customer_id="KH01")
    state = (await client.control("GET", "state")).body

    assert [(each["queue_code"], each["running"], each["blocked"]) for each in state["queues"]] == [
        ("Q1", False, ["KH01"])
    ]
    assert [each["customer_id"] for each in state["customers"]] == ["KH01"]
    assert state["credentials"].keys() == {"username", "password", "api_key"}
    assert "tenants" not in state


async def test_a_fault_hits_an_operation(pbx, client):
    """A queue whose start was executed without a response has rung."""
    pbx.add_queue("autocall", "Q1")
    pbx.faults.add(Fault("/v2/autocall/queue/start", kind="error_after"))
    response = await client.post("/v2/autocall/queue/start", {"queue_code": "Q1"}, checked=False)

    assert (response.status, pbx.queues["autocall", "Q1"].running, len(pbx.rung)) == (500, True, 1)


async def test_a_log_of_requests_fits_the_document(pbx, client):
    """What was sent above is what the document says."""
    await client.get("/v2/cdr", page="1", limit="5")
    await client.post("/v2/autocall/queue", LOADS["autocall"])

    WIRE.check_requests(pbx.requests)

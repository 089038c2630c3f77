"""The promised operations, and what is derived from each."""

import abc
import inspect
import re

import gateway_contracts
import pytest
from gateway_contracts import (
    CONTRACTS_VERSION,
    INTERFACES,
    OPERATIONS,
    CallControl,
    ClickToCall,
    Events,
    Location,
    Page,
    Unsupported,
    interface_name,
    interfaces_of,
    lacking,
    operation,
    operations_of,
)

# DESIGN, Interfaces and operations, as they were in 1.0. What came later stands in surface.txt.
PROMISED = {
    ("ClickToCall", "start_call", "POST", "/calls"),
    ("CallControl", "list_calls", "GET", "/calls"),
    ("CallControl", "transfer_call", "POST", "/calls/{call_id}/transfer"),
    ("CallControl", "listen_call", "POST", "/calls/{call_id}/listen"),
    ("CallControl", "whisper_call", "POST", "/calls/{call_id}/whisper"),
    ("CallControl", "barge_call", "POST", "/calls/{call_id}/barge"),
    ("CallControl", "park_call", "POST", "/calls/{call_id}/park"),
    ("History", "list_records", "GET", "/records"),
    ("History", "get_record", "GET", "/records/{record_id}"),
    ("Recording", "locate_recording", "GET", "/records/{record_id}/recording/link"),
    ("Recording", "fetch_recording", "GET", "/records/{record_id}/recording"),
    ("Events", "list_hooks", "GET", "/hooks"),
    ("Events", "create_hook", "POST", "/hooks"),
    ("Events", "delete_hook", "DELETE", "/hooks/{hook_id}"),
    ("Reports", "list_call_ids", "GET", "/reports/call-ids"),
    ("Reports", "count_calls", "GET", "/reports/call-counts"),
    ("Agents", "list_agents", "GET", "/agents"),
    ("Agents", "get_agent", "GET", "/agents/{agent_id}"),
    ("Campaigns", "load_queue", "PUT", "/queues/{queue_code}"),
    ("Campaigns", "start_queue", "POST", "/queues/{queue_code}/start"),
    ("Campaigns", "stop_queue", "POST", "/queues/{queue_code}/stop"),
    ("Campaigns", "delete_queue", "DELETE", "/queues/{queue_code}"),
    ("Campaigns", "block_customers", "POST", "/queues/{queue_code}/blocked-customers"),
    ("Customers", "list_customers", "GET", "/customers"),
    ("Customers", "get_customer", "GET", "/customers/{customer_id}"),
    ("Customers", "create_customer", "POST", "/customers"),
    ("Tenants", "create_tenant", "POST", "/tenants"),
    ("Tenants", "get_tenant", "GET", "/tenants/{tenant_id}"),
    ("Tenants", "update_tenant", "PATCH", "/tenants/{tenant_id}"),
    ("Tenants", "create_extension", "POST", "/tenants/{tenant_id}/extensions"),
    ("Tenants", "get_extension", "GET", "/tenants/{tenant_id}/extensions/{extension}"),
}
RINGING = {"start_call", "transfer_call", "listen_call", "whisper_call", "barge_call", "park_call"}
SCOPES = {
    "ClickToCall": "calls",
    "CallControl": "calls",
    "Agents": "calls",
    "History": "records",
    "Recording": "records",
    "Reports": "records",
    "Campaigns": "campaigns",
    "Customers": "campaigns",
    "Events": "admin",
    "Tenants": "admin",
}
EACH = pytest.mark.parametrize("name", sorted(OPERATIONS))


def test_every_promised_operation_is_there_and_any_other_came_later():
    """Names, verbs and paths are public."""
    found = {
        (interface.__name__, each.name, each.verb, each.path)
        for interface in INTERFACES
        for each in operations_of(interface).values()
        if each.since is None
    }

    assert PROMISED == found


def test_what_rings_a_phone_is_marked():
    """The six of DESIGN, and start_queue, which makes the vendor dial; all others must not be marked."""
    assert RINGING | {"start_queue"} == {each.name for each in OPERATIONS.values() if each.rings and not each.since}


def test_no_two_operations_share_a_name_or_a_route():
    """An operation is found by its name alone, and a request by verb and path."""
    assert sum(len(operations_of(each)) for each in INTERFACES) == len(OPERATIONS)
    assert len(OPERATIONS) == len({(each.verb, re.sub(r"{\w+}", "{}", each.path)) for each in OPERATIONS.values()})


def test_every_interface_has_its_scope():
    """What a key must have is said with the interface."""
    assert SCOPES == {interface.__name__: interface.scope for interface in INTERFACES}


@EACH
def test_an_operation_says_what_it_does_and_what_it_raises(name):
    """The first line is one imperative sentence, and `Raises:` names classes that exist."""
    method = next(getattr(each, name) for each in INTERFACES if name in operations_of(each))
    found = OPERATIONS[name]
    raised = re.search(r"Raises: (.*)", found.description, re.DOTALL)

    assert re.fullmatch(r"[A-Z][^.]+\.", found.summary)
    assert raised
    assert all(hasattr(gateway_contracts, word) for word in re.findall(r"\b[A-Z]\w+", raised[1]))
    assert getattr(method, "__isabstractmethod__", False) == (found.since is None)


@EACH
def test_a_ringing_operation_says_that_its_outcome_can_be_unknown(name):
    """Whoever reads only the docstring learns of it."""
    assert OPERATIONS[name].rings <= ("OutcomeUnknown" in OPERATIONS[name].description)


@EACH
def test_only_ids_in_the_path_may_be_given_by_position(name):
    """Everything after the ids is keyword-only."""
    method = next(getattr(each, name) for each in INTERFACES if name in operations_of(each))
    by_position = [
        parameter.name
        for parameter in list(inspect.signature(method).parameters.values())[1:]
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY
    ]

    assert re.findall(r"{(\w+)}", OPERATIONS[name].path) == by_position


@EACH
def test_every_argument_travels_somewhere(name):
    """Ids in the path, the rest in the query of what has no body, in the body of what has, or in a header."""
    found = OPERATIONS[name]
    body = found.verb in {"POST", "PUT", "PATCH"}

    for parameter in found.parameters:
        expected = {Location.PATH} if "{" + parameter.name + "}" in found.path else {Location.HEADER}
        expected |= set() if expected == {Location.PATH} else {Location.BODY if body else Location.QUERY}
        assert parameter.location in expected


def test_start_call_takes_the_promised_arguments():
    """The names of arguments are the names of JSON fields."""
    found = {parameter.name: parameter for parameter in OPERATIONS["start_call"].parameters}

    promised = [
        "extension",
        "number",
        "wait",
        "auto_answer",
        "caller_id_name",
        "caller_id_number",
        "callee_id_name",
        "callee_id_number",
        "hotline",
        "customer_id",
        "idempotency_key",
    ]
    assert promised == [name for name in found if name in promised]
    assert ["extension", "number"] == [name for name, each in found.items() if each.required]
    assert (Location.HEADER, "Idempotency-Key") == (
        found["idempotency_key"].location,
        found["idempotency_key"].sent_as,
    )
    assert 201 == OPERATIONS["start_call"].status


def test_list_records_takes_the_promised_arguments():
    """The filters of DESIGN are all there, none is required."""
    found = {parameter.name: parameter for parameter in OPERATIONS["list_records"].parameters}

    assert {
        "since",
        "until",
        "extension",
        "number",
        "direction",
        "outcome",
        "min_duration_seconds",
        "cursor",
        "limit",
    } <= set(found)
    assert not any(each.required for each in found.values())


@pytest.mark.parametrize(
    ("expected", "name"), [(201, "start_call"), (200, "list_calls"), (204, "transfer_call"), (204, "delete_hook")]
)
def test_the_status_follows_from_what_is_answered(expected, name):
    """204 where there is nothing to say, 201 where something was made, else 200."""
    assert expected == OPERATIONS[name].status


def test_an_operation_knows_what_kind_of_answer_it_has():
    """Pages with a cursor can be streamed, audio is not JSON, a GET changes nothing."""
    assert {"list_records", "list_customers"} == {each.name for each in OPERATIONS.values() if each.paged}
    assert {"fetch_recording"} == {each.name for each in OPERATIONS.values() if each.binary}
    assert {each.name for each in OPERATIONS.values() if each.verb == "GET"} == {
        each.name for each in OPERATIONS.values() if each.reads
    }


def test_names_of_interfaces_are_words():
    """`ClickToCall` in code is `click_to_call` as an attribute and in JSON."""
    assert [
        "click_to_call",
        "call_control",
        "history",
        "recording",
        "events",
        "reports",
        "agents",
        "campaigns",
        "customers",
        "tenants",
    ] == [interface_name(interface) for interface in INTERFACES]


def test_an_adapter_can_do_what_it_inherits():
    """In the order in which documents show interfaces, whatever the order of inheritance."""

    class Adapter(CallControl, ClickToCall):
        pass

    assert (ClickToCall, CallControl) == interfaces_of(Adapter)
    assert () == interfaces_of(object)


def test_an_adapter_that_forgets_an_operation_cannot_be_made():
    """The methods are abstract: Python says which one is missing."""

    class Forgetful(CallControl):
        async def list_calls(self):
            return Page(items=())

    with pytest.raises(TypeError, match="transfer_call"):
        Forgetful()


def test_adding_an_operation_is_saying_it_once():
    """Everything is read from the method: nothing is registered anywhere."""

    class Weather(abc.ABC):
        scope = "records"

        @abc.abstractmethod
        @operation("GET", "/weather/{place}", headers={"language": "Accept-Language"})
        async def ask_weather(self, place: str, *, days: int = 1, language: str | None = None) -> Page[str]:
            """Ask for
            the weather.

            Never right.
            """

    found = operations_of(Weather)["ask_weather"]

    assert ("ask_weather", "weather", "GET", "/weather/{place}", 200, "records", False) == (
        found.name,
        found.interface,
        found.verb,
        found.path,
        found.status,
        found.scope,
        found.rings,
    )
    assert [
        ("place", str, Location.PATH, "place", True),
        ("days", int, Location.QUERY, "days", False),
        ("language", str | None, Location.HEADER, "Accept-Language", False),
    ] == [(each.name, each.type, each.location, each.sent_as, each.required) for each in found.parameters]
    assert ("Ask for the weather.", "Never right.") == (found.summary, found.description)


class Lamps(abc.ABC):
    """An interface with one operation of its first version, and two of a later one."""

    scope = "records"

    @abc.abstractmethod
    @operation("POST", "/lamps/{lamp_id}/on")
    async def light(self, lamp_id: str) -> Page[str] | None:
        """Light a lamp."""

    @operation("POST", "/lamps/{lamp_id}/off", since="1.9")
    async def put_out(self, lamp_id: str) -> None:
        """Put a lamp out."""
        raise NotImplementedError

    @operation("GET", "/lamps", since="1.9")
    async def list_lamps(self) -> Page[str]:
        """List the lamps."""
        raise NotImplementedError


class Candle(Lamps):
    """Was written before lamps could be put out."""

    async def light(self, lamp_id):
        return None


@pytest.mark.parametrize(("name", "arguments"), [("put_out", ("l1",)), ("list_lamps", ())])
async def test_an_operation_that_is_added_later_is_refused_by_an_adapter_without_it(name, arguments):
    """The adapter can be made, and says what it lacks."""
    with pytest.raises(Unsupported, match=f"lamps.{name}: it is older than that .contracts 1.9.") as caught:
        await getattr(Candle(), name)(*arguments)

    assert "unsupported" == caught.value.code
    assert [None, "1.9", "1.9"] == [each.since for each in operations_of(Lamps).values()]


RETURNS = ("returns", "may_return_none", "status")


def test_an_operation_that_once_returned_none_may_still():
    """Its declaration says so beside the model that it returns now."""
    found = operations_of(Lamps)

    assert (Page[str], True, 200) == tuple(getattr(found["light"], each) for each in RETURNS)
    assert (type(None), True, 204) == tuple(getattr(found["put_out"], each) for each in RETURNS)
    assert (Page[str], False, 200) == tuple(getattr(found["list_lamps"], each) for each in RETURNS)


@EACH
def test_no_operation_is_newer_than_the_contracts(name):
    """Raise CONTRACTS_VERSION with the first operation that is added after a release."""
    version = [int(part) for part in CONTRACTS_VERSION.split(".")]

    assert [int(part) for part in (OPERATIONS[name].since or "1.0").split(".")] <= version


async def test_an_adapter_says_in_a_line_what_its_vendor_lacks():
    """Whether it would be awaited or iterated; the reason is the one that was given."""

    class Silent(Events):
        list_hooks = create_hook = delete_hook = parse_webhook = lacking("no events: call us")
        follow_events = lacking("no events to follow")

    with pytest.raises(Unsupported, match="no events: call us"):
        await Silent().create_hook(event="call.ended", url=None)
    with pytest.raises(Unsupported, match="to follow"):
        async for _ in Silent().follow_events():
            pass

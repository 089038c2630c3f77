"""A route is several accounts that look like one, and never a way to ring a phone twice."""

import pytest
from gateway_contracts import (
    OPERATIONS,
    Agents,
    CallControl,
    ClickToCall,
    Customers,
    History,
    Recording,
    Reports,
    Tenants,
)

from gateway import (
    Agent,
    AgentBusy,
    AgentNotRegistered,
    AgentState,
    Call,
    CallState,
    ConfigError,
    Conflict,
    DialState,
    Direction,
    GatewayError,
    InvalidRequest,
    NotFound,
    Origin,
    OutcomeUnknown,
    Page,
    RateLimited,
    StartedCall,
    Unsupported,
    VendorAuthFailed,
    VendorProtocolError,
    VendorRejected,
    VendorTimeout,
    VendorUnavailable,
)

NOT_PLACED = {"dial_state": DialState.NOT_PLACED}
DIAL = {"extension": "101", "number": "0899098899"}
NOTHING_SENT = VendorUnavailable("refused", **NOT_PLACED)


@pytest.fixture
def route(gateway_of, adapter_of, now):
    """Opens the route `sales` over the accounts `a` and `b`, whose adapters do what they are told; gives all three."""

    def start(account):
        return StartedCall(account=account, call_id=f"{account}1", extension="101", number="1", requested_at=now)

    class Opened:
        def __init__(self, *interfaces, a=None, b=None, failover_on=()):
            interfaces = interfaces or (ClickToCall, CallControl)
            self.a = adapter_of(*interfaces, **(a or {"start_call": start("a")}))
            self.b = adapter_of(*interfaces, **(b or {"start_call": start("b")}))
            self._gateway = gateway_of(
                {"a": self.a, "b": self.b},
                routes={"sales": {"accounts": ["a", "b"], "failover_on": list(failover_on)}},
            )

        async def __aenter__(self):
            gateway = await self._gateway.__aenter__()
            self.sales = gateway["sales"]
            return self

        async def __aexit__(self, *trouble):
            await self._gateway.__aexit__(*trouble)

    return Opened


async def test_the_first_account_dials(route):
    """And the answer says that it was the one."""
    async with route() as found:
        started = await found.sales.click_to_call.start_call(**DIAL)

    assert "a" == started.account
    assert [] == found.b.asked


async def test_the_next_account_dials_when_nothing_was_sent(route):
    """No connection, no ringing phone; `account` names who really did it."""
    async with route(a={"start_call": NOTHING_SENT}) as found:
        started = await found.sales.click_to_call.start_call(**DIAL)

    assert "b" == started.account
    assert [1, 1] == [len(found.a.asked), len(found.b.asked)]


@pytest.mark.parametrize(
    "error",
    [
        OutcomeUnknown("lost", dial_state=DialState.UNKNOWN),
        OutcomeUnknown("lost"),
        VendorUnavailable("503 after sending", origin=Origin.VENDOR, dial_state=DialState.UNKNOWN),
        VendorUnavailable("503, documented", origin=Origin.VENDOR, **NOT_PLACED),
        VendorUnavailable("who knows"),
        VendorTimeout("late"),
        VendorTimeout("late", dial_state=DialState.PLACED),
        VendorProtocolError("HTML"),
        VendorRejected("no", **NOT_PLACED),
        VendorAuthFailed("no", **NOT_PLACED),
        RateLimited("slow", **NOT_PLACED),
        AgentBusy("busy", **NOT_PLACED),
        AgentNotRegistered("off", **NOT_PLACED),
        Conflict("in the way", **NOT_PLACED),
        InvalidRequest("bad", **NOT_PLACED),
        ValueError("a fault of the plugin"),
    ],
    ids=lambda error: f"{type(error).__name__}-{getattr(error, 'dial_state', None)}",
)
async def test_nothing_else_lets_the_next_account_dial(route, error):
    """What may have rung is not dialled again, and a refusal is an answer."""
    async with route(a={"start_call": error}) as found:
        with pytest.raises(GatewayError) as caught:
            await found.sales.click_to_call.start_call(**DIAL)

    assert [] == found.b.asked
    assert "a" == caught.value.account


@pytest.mark.parametrize("state", [DialState.NOT_PLACED, DialState.UNKNOWN, DialState.PLACED, None])
async def test_a_documented_rejection_may_fail_over_only_with_its_proof(route, state):
    """`failover_on` names the code; the plugin must have said `not_placed`."""
    error = AgentNotRegistered("off", dial_state=state)
    async with route(a={"start_call": error}, failover_on=["agent_not_registered"]) as found:
        if state is DialState.NOT_PLACED:
            assert "b" == (await found.sales.click_to_call.start_call(**DIAL)).account
        else:
            with pytest.raises(AgentNotRegistered):
                await found.sales.click_to_call.start_call(**DIAL)
            assert [] == found.b.asked


async def test_only_the_named_rejections_fail_over(route):
    """Each code for itself, not its parents or relatives."""
    async with route(a={"start_call": AgentBusy("busy", **NOT_PLACED)}, failover_on=["conflict"]) as found:
        with pytest.raises(AgentBusy):
            await found.sales.click_to_call.start_call(**DIAL)

    assert [] == found.b.asked


@pytest.mark.parametrize("code", ["outcome_unknown", "vendor_timeout", "internal_error", "agent_buzy"])
async def test_only_rejections_can_be_told_to_fail_over(route, code):
    """Nobody can configure a phone to ring twice: the file is refused, with what may stand there."""
    with pytest.raises(ConfigError, match="agent_busy") as caught:
        async with route(failover_on=[code]):
            pass

    assert "routes.sales.failover_on[0]" == caught.value.path


async def test_an_unknown_outcome_never_fails_over(route):
    """Whatever else may."""
    async with route(a={"start_call": OutcomeUnknown("lost")}, failover_on=["agent_busy"]) as found:
        with pytest.raises(OutcomeUnknown):
            await found.sales.click_to_call.start_call(**DIAL)

    assert [] == found.b.asked


async def test_the_last_accounts_error_is_the_routes(route):
    """With its account and its proof."""
    async with route(a={"start_call": NOTHING_SENT}, b={"start_call": AgentBusy("busy", **NOT_PLACED)}) as found:
        with pytest.raises(AgentBusy) as caught:
            await found.sales.click_to_call.start_call(**DIAL)

    assert ("b", "start_call", DialState.NOT_PLACED) == (
        caught.value.account,
        caught.value.operation,
        caught.value.dial_state,
    )


async def test_bad_arguments_go_to_no_second_account(route):
    """They are bad everywhere."""
    async with route() as found:
        with pytest.raises(InvalidRequest) as caught:
            await found.sales.click_to_call.start_call(extension="", number="1")

    assert ([], []) == (found.a.asked, found.b.asked)
    assert ["extension"] == list(caught.value.fields)


async def test_a_call_is_steered_where_it_is(route):
    """The account that does not know it says so, with proof; the next is asked."""
    gone = NotFound("no such call", **NOT_PLACED)
    async with route(a={"listen_call": gone}, b={"listen_call": None}) as found:
        await found.sales.call_control.listen_call("b1", extension="102")

    assert [1, 1] == [len(found.a.asked), len(found.b.asked)]


async def test_an_argument_that_the_first_account_cannot_say_goes_to_the_next(route, now):
    """It was refused before anything was sent."""
    async with route(a={"start_call": Unsupported("no hotline")}) as found:
        started = await found.sales.click_to_call.start_call(**DIAL, hotline="1900")

    assert "b" == started.account


async def test_a_read_goes_to_the_next_account_when_the_first_is_away(route):
    """A read changes nothing."""
    agent = Agent(account="b", agent_id="7", name=None, extension=None, state=AgentState.AVAILABLE)
    async with route(Agents, a={"get_agent": VendorTimeout("late")}, b={"get_agent": agent}) as found:
        assert "b" == (await found.sales.agents.get_agent("7")).account


@pytest.mark.parametrize("first", [True, False])
async def test_not_found_says_nothing_while_another_account_could_not_be_asked(route, first):
    """What one account has not may be at the one that is away: that is the error."""
    away, missing = {"get_agent": VendorTimeout("late")}, {"get_agent": NotFound("no such agent")}
    async with route(Agents, a=away if first else missing, b=missing if first else away) as found:
        with pytest.raises(VendorTimeout) as caught:
            await found.sales.agents.get_agent("7")

    assert ("a" if first else "b") == caught.value.account


@pytest.mark.parametrize(
    "error", [VendorUnavailable("503", origin=Origin.VENDOR), OutcomeUnknown("lost"), RateLimited("")]
)
async def test_a_write_does_not_go_to_the_next_account(route, error):
    """A tenant must not be made twice."""
    async with route(Tenants, a={"create_tenant": error}) as found:
        with pytest.raises(type(error)):
            await found.sales.tenants.create_tenant(tenant_id="t")

    assert [] == found.b.asked


# Lists


def call(account, call_id, **more):
    return Call(
        account=account,
        call_id=call_id,
        direction=Direction.OUTBOUND,
        state=CallState.RINGING,
        from_number="101",
        to_number="1",
        **more,
    )


async def test_live_calls_are_those_of_all_accounts(route):
    """Each names its account."""
    first, second = call("a", "1"), call("b", "1")
    async with route(a={"list_calls": Page(items=(first,))}, b={"list_calls": Page(items=(second,), total=1)}) as found:
        page = await found.sales.call_control.list_calls()

    assert Page(items=(first, second), total=2) == page


async def test_live_calls_are_not_told_in_part(route):
    """An account that does not answer is an error: its calls would seem to have ended."""
    async with route(a={"list_calls": Page(items=())}, b={"list_calls": VendorTimeout("late")}) as found:
        with pytest.raises(VendorTimeout) as caught:
            await found.sales.call_control.list_calls()

    assert "b" == caught.value.account


async def test_rows_that_could_not_be_read_are_counted_over_all_accounts(route):
    """With what they were; a page of one account has its own."""
    odd = Page(items=(call("a", "1"),), total=3, skipped=2, raw=("x", "y"))
    more = Page(items=(call("b", "1"),), skipped=1, raw=("z",))
    async with route(a={"list_calls": odd}, b={"list_calls": more}) as found:
        page = await found.sales.call_control.list_calls()
    assert (2, 5, 3, ("x", "y", "z")) == (len(page.items), page.total, page.skipped, page.raw)

    odd = Page(items=(), next="2", total=2, skipped=2, raw=("x", "y"))
    async with route(Customers, a={"list_customers": odd}, b=pages("b")) as found:
        page = await found.sales.customers.list_customers()
    assert (2, ("x", "y"), "a:2", None) == (page.skipped, page.raw, page.next, page.total)


def pages(account):
    """Three records of *account*, in pages of two."""

    def list_customers(**arguments):
        from gateway_contracts import Customer

        start = int(arguments.get("cursor") or "0")
        items = tuple(
            Customer(account=account, customer_id=f"{account}{number}") for number in range(start, min(start + 2, 3))
        )
        return Page(items=items, next=str(start + 2) if start + 2 < 3 else None, total=3)

    return {"list_customers": list_customers}


async def test_pages_go_through_all_accounts_one_after_the_other(route):
    """With each account's own cursor, and the filters for all."""
    async with route(Customers, a=pages("a"), b=pages("b")) as found:
        seen = []
        async for page in found.sales.pages(OPERATIONS["list_customers"], {"limit": 2}):
            seen.append([each.customer_id for each in page.items])

    assert [["a0", "a1"], ["a2"], ["b0", "b1"], ["b2"]] == seen
    assert [{"limit": 2}, {"limit": 2, "cursor": "2"}] == [arguments for _, arguments in found.a.asked]


@pytest.mark.parametrize("cursor", ["nobody:5", "5", "", ":", "sales:"])
async def test_a_cursor_of_somebody_else_is_refused(route, cursor):
    """It says whose it is not."""
    async with route(Customers, a=pages("a"), b=pages("b")) as found:
        with pytest.raises(InvalidRequest) as caught:
            await found.sales.customers.list_customers(cursor=cursor)

    assert ["cursor"] == list(caught.value.fields)
    assert ("sales", "list_customers") == (caught.value.account, caught.value.operation)
    assert [] == found.a.asked


async def test_a_route_has_what_any_of_its_accounts_has(gateway_of, adapter_of, now):
    """And asks only those that have it."""
    started = StartedCall(account="b", call_id=None, extension="1", number="1", requested_at=now)
    a, b = adapter_of(History, Recording), adapter_of(ClickToCall, start_call=started)
    async with gateway_of({"a": a, "b": b}, routes={"sales": {"accounts": ["a", "b"]}}) as gateway:
        sales = gateway["sales"]
        answer = await sales.click_to_call.start_call(**DIAL)

        assert started == answer
        assert (History, Recording, ClickToCall) == sales.interfaces
        assert ("a", "b") == sales.routed
        assert sales.vendor is None
        with pytest.raises(Unsupported, match=r"No account of route sales \(a, b\) has reports") as caught:
            _ = sales.reports
        assert "sales" == caught.value.account
        with pytest.raises(Unsupported):
            await sales.carry_out(OPERATIONS["list_call_ids"], {})
        assert Reports not in sales.interfaces

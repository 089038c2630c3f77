"""The survey tells what a vendor really does with what it is asked, in the vendor's own reasons."""

import contextlib

import pytest
from gateway_contracts import (
    OPERATIONS,
    CallControl,
    Direction,
    InvalidRequest,
    Leg,
    Limits,
    Support,
    SupportLevel,
    Unsupported,
    VendorProtocolError,
    VendorRejected,
    interface_name,
    interfaces_of,
    operation,
    operations_of,
    to_json,
)
from gateway_contracts.testing import Suite, survey
from gateway_memory import Settings
from gateway_memory.adapter import Memory


class Pbx:
    """An adapter by its interfaces, as the facade has them."""

    def __init__(self, adapter):
        self._adapter = adapter
        self._names = {interface_name(each) for each in interfaces_of(type(adapter))}

    def __getattr__(self, name):
        if name not in self._names:
            raise Unsupported(f"A long text about {name}")
        return self._adapter


class FarSide:
    vendor = "memory"
    extension, second_extension, number, hotline = "101", "102", "0899888999", "1900"

    def __init__(self, adapter):
        self._adapter = adapter

    async def reset(self):
        for call in (await self._adapter.list_calls()).items:
            self._adapter.end_call(call.call_id)

    async def live_call(self):
        await self.reset()
        return (await Memory.start_call(self._adapter, extension="101", number=self.number, wait=True)).call_id

    async def finished_call(self):
        return self._adapter.end_call(await self.live_call()).record_id

    async def none(self):
        return "none"

    agent = hook = tenant = none


class Limited(Memory):
    """It gives 100 rows, of 31 days at most, knows two directions, and moves one side of a call."""

    async def list_records(self, **asked):
        if (asked.get("limit") or 0) > 100:
            raise InvalidRequest("Too many")
        if "until" in asked and "since" in asked and (asked["until"] - asked["since"]).days > 31:
            raise VendorRejected("Too long")
        if asked.get("direction") in {Direction.UNKNOWN, Direction.INTERNAL}:
            raise Unsupported("memory has no word for it")
        if asked.get("outcome"):
            raise Unsupported("memory cannot be told outcome")
        return await super().list_records(**asked)

    async def transfer_call(self, call_id, *, to, leg=None, **more):
        if leg is Leg.B:
            raise Unsupported("memory moves one side")


class Wrong(Memory):
    async def list_records(self, *, extension=None, **asked):
        if extension:
            raise VendorProtocolError("That is no answer")
        return await super().list_records(**asked)


async def surveyed(kind):
    adapter = kind("hanoi", Settings())
    return await survey(Pbx(adapter), FarSide(adapter))


async def test_every_operation_is_told_with_the_reasons_of_the_adapter():
    """An interface that is missing has a short one of the survey's own, whatever the facade says."""
    found = await surveyed(Memory)

    assert list(OPERATIONS) == list(found.operations)
    assert Support(support=SupportLevel.FULL) == found.operations["list_calls"]
    assert {"customer_id": "memory cannot be told customer_id: leave it out"}.items() <= (
        found.operations["start_call"].reasons.items()
    )
    assert {"list_agents": "memory has no agents"} == found.operations["list_agents"].reasons
    assert {"locate_recording": "memory has no addresses for its recordings: use fetch_recording"} == (
        found.operations["locate_recording"].reasons
    )


class Later(Memory):
    async def greet_call(self, call_id: str) -> None:
        """Greet both sides."""


@pytest.fixture
def grown(monkeypatch):
    """Lets `greet_call` be an operation that came later."""
    later = operation("POST", "/calls/{call_id}/greet", since="1.9")(Later.greet_call)
    monkeypatch.setattr(CallControl, "greet_call", later, raising=False)
    operations_of.cache_clear()
    monkeypatch.setitem(OPERATIONS, "greet_call", operations_of(CallControl)["greet_call"])
    yield
    monkeypatch.undo()
    operations_of.cache_clear()


@pytest.mark.parametrize(("level", "kind"), [(SupportLevel.UNSUPPORTED, Memory), (SupportLevel.FULL, Later)])
async def test_an_operation_that_came_later_is_supported_by_an_adapter_that_has_it(grown, level, kind):
    """By another it is not; nothing is asked of its author."""
    found = await surveyed(kind)

    assert level is found.operations["greet_call"].support
    assert bool(found.operations["greet_call"].reasons) == (level is SupportLevel.UNSUPPORTED)


async def test_limits_are_what_the_vendor_answered_last():
    """The longest page and range that it took, the words that it has; all of a kind refused is an argument less."""
    found = await surveyed(Limited)

    assert (
        Limits(
            page_rows=100,
            range_days={"list_records": 31},
            totals=("list_calls", "list_records"),
            values={"transfer_call.leg": ("a",), "list_records.direction": ("inbound", "outbound")},
            recording_ranges=True,
            started_call_id=True,
        )
        == found.limits
    )
    assert "outcome" in found.operations["list_records"].without
    assert "direction" not in found.operations["list_records"].without
    assert SupportLevel.FULL is found.operations["transfer_call"].support


async def test_any_other_error_is_none_of_a_vendors_limits():
    """It ends the survey, and with it the suite's run."""
    with pytest.raises(VendorProtocolError):
        await surveyed(Wrong)


@pytest.mark.parametrize("stale", ["operations", "limits", None])
async def test_a_report_that_is_shipped_must_be_what_the_suite_finds(stale):
    """Embedded and through a sidecar: the account tells what its plugin ships."""
    adapter, told = Memory("hanoi", Settings()), {}
    pbx, found = Pbx(adapter), await surveyed(Memory)
    pbx.support, pbx.limits = found.operations, found.limits
    if stale == "operations":
        pbx.support = {**found.operations, "list_calls": found.operations["list_agents"]}
    if stale == "limits":
        pbx.limits = Limits(page_rows=1)
    fails = pytest.raises(AssertionError, match="gateway plugin check --write") if stale else contextlib.nullcontext()

    with fails:
        await Suite().test_everything_is_supported_or_refused(pbx, FarSide(adapter), told.__setitem__)

    assert {"support": to_json(found)} == told

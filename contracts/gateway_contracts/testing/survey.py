"""What a vendor can do, found by doing it: every operation, and every argument of it that may be left out."""

import typing
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from .. import (
    OPERATIONS,
    Audio,
    Direction,
    EventType,
    GatewayError,
    InvalidRequest,
    Leg,
    Limits,
    Operation,
    Outcome,
    Page,
    Parameter,
    QueueCustomer,
    QueueKind,
    Secret,
    Support,
    SupportLevel,
    SupportReport,
    Unsupported,
    VendorRejected,
)
from .far_side import FarSide

Arguments = Mapping[str, Any]

_DAY = timedelta(days=1)


def _range() -> dict[str, datetime]:
    now = datetime.now(UTC)
    return {"since": now - _DAY / 2, "until": now}


# What each operation needs; the ids come from the far side, which makes what they name.
NEEDED: dict[str, Callable[[FarSide], Awaitable[Arguments]]] = {}


Needs = Callable[[FarSide], Awaitable[Arguments]]


def _needs(*names: str) -> Callable[[Needs], Needs]:
    def add(function: Needs) -> Needs:
        NEEDED.update(dict.fromkeys(names, function))
        return function

    return add


@_needs("list_calls", "list_records", "list_hooks", "list_agents", "list_customers")
async def _nothing(far: FarSide) -> Arguments:
    return {}


@_needs("start_call")
async def _a_call(far: FarSide) -> Arguments:
    return {"extension": far.extension, "number": far.number}


@_needs("transfer_call")
async def _a_transfer(far: FarSide) -> Arguments:
    return {"call_id": await far.live_call(), "to": far.second_extension}


@_needs("listen_call", "whisper_call", "barge_call")
async def _a_supervisor(far: FarSide) -> Arguments:
    return {"call_id": await far.live_call(), "extension": far.second_extension}


@_needs("park_call")
async def _a_side(far: FarSide) -> Arguments:
    return {"call_id": await far.live_call(), "leg": Leg.A}


@_needs("get_record", "locate_recording", "fetch_recording")
async def _a_record(far: FarSide) -> Arguments:
    return {"record_id": await far.finished_call()}


@_needs("create_hook")
async def _a_new_hook(far: FarSide) -> Arguments:
    return {"event": EventType.ENDED, "url": "https://crm.example.vn/hooks"}


@_needs("delete_hook")
async def _a_hook(far: FarSide) -> Arguments:
    return {"hook_id": await far.hook()}


@_needs("list_call_ids", "count_calls")
async def _a_range(far: FarSide) -> Arguments:
    return _range()


@_needs("get_agent")
async def _an_agent(far: FarSide) -> Arguments:
    return {"agent_id": await far.agent()}


@_needs("load_queue")
async def _a_load(far: FarSide) -> Arguments:
    customers = (QueueCustomer(customer_id="KH01", numbers=(far.number,)),)
    return {"queue_code": "Q1", "kind": QueueKind.AUTOCALL, "customers": customers, "template": "IVR-1"}


@_needs("start_queue", "stop_queue", "delete_queue")
async def _a_queue(far: FarSide) -> Arguments:
    return {"queue_code": "Q1", "kind": QueueKind.AUTOCALL}


@_needs("block_customers")
async def _the_blocked(far: FarSide) -> Arguments:
    return {"queue_code": "Q1", "customer_ids": ("KH01",)}


@_needs("get_customer")
async def _a_customer(far: FarSide) -> Arguments:
    return {"customer_id": "KH01"}


@_needs("create_customer")
async def _a_new_customer(far: FarSide) -> Arguments:
    return {"campaign_id": "C1", "customer_code": "KH02", "number": far.number, "contract_number": "HD1"}


@_needs("create_tenant")
async def _a_new_tenant(far: FarSide) -> Arguments:
    return {"tenant_id": f"tenant{datetime.now(UTC).timestamp():.6f}".replace(".", "")}


@_needs("get_tenant")
async def _a_tenant(far: FarSide) -> Arguments:
    return {"tenant_id": await far.tenant()}


@_needs("update_tenant")
async def _a_switch(far: FarSide) -> Arguments:
    return {"tenant_id": await far.tenant(), "enabled": True}


@_needs("create_extension")
async def _a_new_extension(far: FarSide) -> Arguments:
    return {"tenant_id": await far.tenant(), "extension": "777", "password": Secret("123Abc!@#")}


@_needs("get_extension")
async def _an_extension(far: FarSide) -> Arguments:
    return {"tenant_id": await far.tenant(), "extension": far.extension}


# A value for each argument that may be left out.
OPTIONAL: Mapping[str, Callable[[FarSide], Any]] = {
    "wait": lambda far: True,
    "auto_answer": lambda far: True,
    "caller_id_name": lambda far: "Support",
    "caller_id_number": lambda far: "1900",
    "callee_id_name": lambda far: "Customer",
    "callee_id_number": lambda far: far.number,
    "hotline": lambda far: far.hotline,
    "customer_id": lambda far: "KH01",
    "leg": lambda far: Leg.B,
    "since": lambda far: datetime.now(UTC) - _DAY,
    "until": lambda far: datetime.now(UTC),
    "extension": lambda far: far.extension,
    "number": lambda far: far.number,
    "direction": lambda far: Direction.OUTBOUND,
    "outcome": lambda far: Outcome.ANSWERED,
    "min_duration_seconds": lambda far: 1,
    "duration_seconds": lambda far: 1,
    "ended_since": lambda far: datetime.now(UTC) - _DAY,
    "ended_until": lambda far: datetime.now(UTC),
    "recording_name": lambda far: "call.wav",
    "limit": lambda far: 5,
    "byte_range": lambda far: "bytes=0-99",
    "api_key": lambda far: Secret("callback"),
    "campaign_id": lambda far: "C1",
    "name": lambda far: "Khach Hang 01",
    "agents": lambda far: (far.extension,),
    "calls_per_agent_percent": lambda far: 150,
    "template": lambda far: "IVR-1",
    "concurrent_calls": lambda far: 5,
    "max_retries": lambda far: 2,
    "retry_below_seconds": lambda far: 3,
}
# What goes along with an argument, or with one value of it, that makes sense for one kind of queue only.
_AUTODIALER: Arguments = {
    "kind": QueueKind.AUTODIALER,
    "campaign_id": "C1",
    "calls_per_agent_percent": 150,
    "max_retries": 2,
    "template": None,
}
ALONG: Mapping[tuple[str, str], Arguments] = {
    ("load_queue", name): _AUTODIALER
    for name in ("campaign_id", "agents", "calls_per_agent_percent", QueueKind.AUTODIALER.value)
}
# A cursor comes from a page; a hook's address is always given here; an idempotency key is the gateway's own business.
NOT_SURVEYED = frozenset({"cursor", "url", "idempotency_key"})


# What a page and a range are tried with, most first.
PAGE_ROWS = (300, 100, 50, 10)
RANGE_DAYS = (366, 31, 7, 1)


async def survey(pbx: Any, far: FarSide) -> SupportReport:
    """Try everything on *pbx* and tell what *far* supports. Any error but `Unsupported` is a failure."""
    values: dict[str, tuple[str, ...]] = {}
    operations = {name: await _try(pbx, far, operation, values) for name, operation in OPERATIONS.items()}
    return SupportReport(
        vendor=far.vendor, operations=operations, limits=await _measure(pbx, far, operations, values=values)
    )


async def _try(pbx: Any, far: FarSide, operation: Operation, values: dict[str, tuple[str, ...]]) -> Support:
    """How far *operation* is supported; into *values* go the words that the vendor has, where it has not all."""
    if _lacks_interface(pbx, operation):
        # In words of our own: what a facade says may change, and then no plugin's report should be another.
        reasons = {operation.name: f"{far.vendor} has no {operation.interface}"}
        return Support(support=SupportLevel.UNSUPPORTED, reasons=reasons)
    try:
        await call(pbx, far, operation)
    except Unsupported as error:
        return Support(support=SupportLevel.UNSUPPORTED, reasons={operation.name: error.message})
    reasons = {}
    for parameter in operation.parameters:
        words = tuple(_words(parameter))
        if parameter.name in NOT_SURVEYED or (parameter.required and not words):
            continue
        tried = words or (OPTIONAL[parameter.name](far),)
        refusals = {value: await _refusal(pbx, far, operation, parameter, value) for value in tried}
        if None not in refusals.values():
            reasons[parameter.name] = str(refusals[tried[0]])
        elif any(refusals.values()):
            values[f"{operation.name}.{parameter.name}"] = tuple(word.value for word in words if refusals[word] is None)
    level = SupportLevel.PARTIAL if reasons else SupportLevel.FULL
    return Support(support=level, without=tuple(reasons), reasons=reasons)


def _lacks_interface(pbx: Any, operation: Operation) -> bool:
    try:
        getattr(pbx, operation.interface)
    except Unsupported:
        return True
    return False


def _words(parameter: Parameter) -> Iterator[StrEnum]:
    """The words of an argument that takes one of a few."""
    for kind in (parameter.type, *typing.get_args(parameter.type)):
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            yield from kind


async def _refusal(pbx: Any, far: FarSide, operation: Operation, parameter: Parameter, value: Any) -> str | None:
    """Why the vendor cannot be told *value*; None when it can."""
    along = {**ALONG.get((operation.name, parameter.name), {}), **ALONG.get((operation.name, str(value)), {})}
    try:
        await call(pbx, far, operation, {**along, parameter.name: value})
    except Unsupported as error:
        return error.message
    except GatewayError:
        # It was told. One of several words may well be wrong for what the far side has.
        if not isinstance(value, StrEnum):
            raise
    return None


async def _measure(
    pbx: Any, far: FarSide, operations: Mapping[str, Support], *, values: Mapping[str, tuple[str, ...]]
) -> Limits:
    can = {name: OPERATIONS[name] for name, each in operations.items() if each.support is not SupportLevel.UNSUPPORTED}
    totals, days = [], {}
    for name, operation in can.items():
        if typing.get_origin(operation.returns) is Page:
            page = await call(pbx, far, operation)
            totals += [name] if page.total is not None else []
        if {"since", "until"} <= {parameter.name for parameter in operation.parameters} - {*operations[name].without}:
            days[name] = await _longest_range(pbx, far, operation)
    started = await call(pbx, far, can["start_call"]) if "start_call" in can else None
    part = None
    if "fetch_recording" in can and "byte_range" not in operations["fetch_recording"].without:
        part = await call(pbx, far, can["fetch_recording"], {"byte_range": "bytes=0-99"})
    paged = "list_records" in can and "limit" not in operations["list_records"].without
    return Limits(
        page_rows=await _longest_page(pbx, far) if paged else None,
        range_days=days,
        totals=tuple(totals),
        values=values,
        recording_ranges=part.partial if part is not None else None,
        started_call_id=started.call_id is not None if started is not None else None,
    )


async def _longest_range(pbx: Any, far: FarSide, operation: Operation) -> int:
    now = datetime.now(UTC)
    for days in RANGE_DAYS:
        try:
            await call(pbx, far, operation, {"since": now - days * _DAY, "until": now})
        except (InvalidRequest, VendorRejected):
            continue
        return days
    return 0


async def _longest_page(pbx: Any, far: FarSide) -> int:
    for _ in range(PAGE_ROWS[0]):
        await far.finished_call()
    for rows in PAGE_ROWS:
        try:
            return len((await pbx.history.list_records(limit=rows)).items)
        except (InvalidRequest, VendorRejected):
            continue
    return 0


async def call(pbx: Any, far: FarSide, operation: Operation, more: Arguments | None = None) -> Any:
    """Carry *operation* out with what it needs and *more*, and give the answer."""
    await far.reset()
    method = getattr(getattr(pbx, operation.interface), operation.name)
    answer = await method(**{**await NEEDED[operation.name](far), **(more or {})})
    if isinstance(answer, Audio):
        await answer.aclose()
    return answer

"""What a vendor can do, found by doing it: every operation, and every argument of it that may be left out."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from .. import (
    OPERATIONS,
    Audio,
    Direction,
    EventType,
    Leg,
    Operation,
    Outcome,
    QueueCustomer,
    QueueKind,
    Secret,
    Unsupported,
)
from .far_side import FarSide

Arguments = Mapping[str, Any]

_DAY = timedelta(days=1)


@attrs.frozen
class Support:
    """How far a vendor supports one operation. *without* are the arguments that it cannot be told."""

    supported: bool
    without: tuple[str, ...] = ()


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
# What goes along with an argument that makes sense for one kind of queue only.
_AUTODIALER: Arguments = {
    "kind": QueueKind.AUTODIALER,
    "campaign_id": "C1",
    "calls_per_agent_percent": 150,
    "max_retries": 2,
    "template": None,
}
ALONG: Mapping[tuple[str, str], Arguments] = {
    ("load_queue", name): _AUTODIALER for name in ("campaign_id", "agents", "calls_per_agent_percent")
}
# A cursor comes from a page; a hook's address is always given here; an idempotency key is the gateway's own business.
NOT_SURVEYED = frozenset({"cursor", "url", "idempotency_key"})


async def survey(pbx: Any, far: FarSide) -> dict[str, Support]:
    """Try everything on *pbx* and tell what *far* supports, by operation. Any error but `Unsupported` is a failure."""
    return {name: await _try(pbx, far, operation) for name, operation in OPERATIONS.items()}


async def _try(pbx: Any, far: FarSide, operation: Operation) -> Support:
    try:
        await call(pbx, far, operation)
    except Unsupported:
        return Support(supported=False)
    without = []
    for parameter in operation.parameters:
        if parameter.required or parameter.name in NOT_SURVEYED:
            continue
        try:
            along = ALONG.get((operation.name, parameter.name), {})
            await call(pbx, far, operation, {**along, parameter.name: OPTIONAL[parameter.name](far)})
        except Unsupported:
            without.append(parameter.name)
    return Support(supported=True, without=tuple(without))


async def call(pbx: Any, far: FarSide, operation: Operation, more: Arguments | None = None) -> Any:
    """Carry *operation* out with what it needs and *more*, and give the answer."""
    await far.reset()
    method = getattr(getattr(pbx, operation.interface), operation.name)
    answer = await method(**{**await NEEDED[operation.name](far), **(more or {})})
    if isinstance(answer, Audio):
        await answer.aclose()
    return answer


def support_table(found: Mapping[str, Mapping[str, Support]]) -> str:
    """*found*, by vendor and operation, as the README's table."""
    vendors = list(found)
    lines = [
        f"| interface | operation | {' | '.join(f'`{vendor}`' for vendor in vendors)} |",
        f"|---|---|{'---|' * len(vendors)}",
    ]
    shown = ""
    for name, operation in OPERATIONS.items():
        cells = [_cell(found[vendor][name]) for vendor in vendors]
        interface = "" if operation.interface == shown else f"`{operation.interface}`"
        shown = operation.interface
        lines.append(f"| {interface} | `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(support: Support) -> str:
    if not support.supported:
        return "no"
    if support.without:
        return f"yes, without {', '.join(f'`{name}`' for name in support.without)}"
    return "yes"

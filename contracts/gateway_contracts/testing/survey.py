"""What a vendor can do, found by doing it: every operation, and every argument of it that may be left out."""

import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
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
from ..operations import KEPT_BY_GATEWAY, kinds_of
from .far_side import FarSide

Arguments = Mapping[str, Any]

_DAY = timedelta(days=1)


# A value for each argument, by its name, or by the operation's and its name where that takes another; or what makes one
# at the far side. An argument that is not here gets a value of its type.
VALUES: Mapping[str, Callable[[FarSide], Any]] = {
    "agent_id": lambda far: far.agent(),
    "agents": lambda far: (far.extension,),
    "api_key": lambda far: Secret("callback"),
    "byte_range": lambda far: "bytes=0-99",
    "call_id": lambda far: far.live_call(),
    "callee_id_name": lambda far: "Customer",
    "callee_id_number": lambda far: far.number,
    "caller_id_name": lambda far: "Support",
    "caller_id_number": lambda far: "1900",
    "calls_per_agent_percent": lambda far: 150,
    "campaign_id": lambda far: "C1",
    "concurrent_calls": lambda far: 5,
    "contract_number": lambda far: "HD1",
    "customer_code": lambda far: "KH02",
    "customer_id": lambda far: "KH01",
    "customer_ids": lambda far: ("KH01",),
    "customers": lambda far: (QueueCustomer(customer_id="KH01", numbers=(far.number,)),),
    "direction": lambda far: Direction.OUTBOUND,
    "event": lambda far: EventType.ENDED,
    "extension": lambda far: far.extension,
    "hook_id": lambda far: far.hook(),
    "hotline": lambda far: far.hotline,
    "kind": lambda far: QueueKind.AUTOCALL,
    "leg": lambda far: Leg.B,
    "limit": lambda far: 5,
    "max_retries": lambda far: 2,
    "name": lambda far: "Khach Hang 01",
    "number": lambda far: far.number,
    "outcome": lambda far: Outcome.ANSWERED,
    "password": lambda far: Secret("123Abc!@#"),
    "queue_code": lambda far: "Q1",
    "record_id": lambda far: far.finished_call(),
    "recording_name": lambda far: "call.wav",
    "retry_below_seconds": lambda far: 3,
    "since": lambda far: datetime.now(UTC) - _DAY / 2,
    "template": lambda far: "IVR-1",
    "tenant_id": lambda far: far.tenant(),
    "to": lambda far: far.second_extension,
    "url": lambda far: "https://crm.example.vn/hooks",
    "barge_call.extension": lambda far: far.second_extension,
    "create_extension.extension": lambda far: "777",
    "create_tenant.tenant_id": lambda far: f"tenant{datetime.now(UTC).timestamp():.6f}".replace(".", ""),
    "ended_since": lambda far: datetime.now(UTC) - _DAY,
    "list_records.since": lambda far: datetime.now(UTC) - _DAY,
    "listen_call.extension": lambda far: far.second_extension,
    "park_call.leg": lambda far: Leg.A,
    "whisper_call.extension": lambda far: far.second_extension,
}
# What an operation is given beside what it needs, so that it makes sense.
_BESIDE = {"create_hook": ("url",), "load_queue": ("template",)}


async def needs(operation: Operation, far: FarSide) -> dict[str, Any]:
    """What *operation* needs; the ids come from the far side, which makes what they name."""
    beside = _BESIDE.get(operation.name, ())
    needed = [each for each in operation.parameters if each.required or each.name in beside]
    return {each.name: await value_for(operation, each, far) for each in needed}


async def value_for(operation: Operation, parameter: Parameter, far: FarSide) -> Any:
    """A value for an argument of *operation*, which says something: not its default."""
    for name in (f"{operation.name}.{parameter.name}", parameter.name):
        if name in VALUES:
            value = VALUES[name](far)
            return await value if inspect.isawaitable(value) else value
    return _of_its_type(parameter)


def _of_its_type(parameter: Parameter) -> Any:
    for kind in kinds_of(parameter.type):
        if kind is bool:
            return parameter.default is not True
        if kind is datetime:
            return datetime.now(UTC)
        if kind in {int, str, Secret}:
            return kind("1")
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            return next(each for each in kind if each is not parameter.default)
    raise KeyError(f"give the argument {parameter.name} a value in {__name__}.VALUES")


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
# A cursor comes from a page; a hook's address is always given here; some arguments are the gateway's own business.
NOT_SURVEYED = KEPT_BY_GATEWAY | {"cursor", "url"}


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
        tried = words or (await value_for(operation, parameter, far),)
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
    for kind in kinds_of(parameter.type):
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
    answer = await method(**{**await needs(operation, far), **(more or {})})
    if isinstance(answer, Audio):
        await answer.aclose()
    return answer

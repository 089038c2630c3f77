"""Who takes part in a call, read so that the same call looks the same in records and events."""

import attrs
from gateway_contracts import Direction

from . import wire


@attrs.frozen
class Side:
    """One side of a call: its *number*, and whether it is *ours*, a person of the business."""

    number: str | None
    ours: bool = False


@attrs.frozen
class Parties:
    """Both sides of a call as numbers, and which extension and hotline of ours took part."""

    from_number: str | None
    to_number: str | None
    extension: str | None
    hotline: str | None


def parties(direction: Direction, source: Side, target: Side, hotline: str | None) -> Parties:
    """Our side is the extension where it is known, and stands where the direction puts it: the samples of the document
    have a person of ours as callee of an outbound call (004:86-90).
    """
    if direction is Direction.OUTBOUND and target.ours and not source.ours:
        source, target = target, source
    if direction is Direction.INBOUND and source.ours and not target.ours:
        source, target = target, source
    extension = None
    if direction is Direction.OUTBOUND or direction is Direction.INTERNAL:
        extension = source.number if source.ours else None
    elif direction is Direction.INBOUND:
        extension = target.number if target.ours else None
        hotline = hotline or (target.number if not target.ours else None)
    else:
        extension = next((side.number for side in (source, target) if side.ours), None)
    return Parties(source.number, target.number, extension, hotline)


def direction_of(row: wire.HistoryRow) -> Direction:
    """004:88 and 004:90: the class says internal, and else the direction says which way."""
    if (row.kind or "").strip().lower() == wire.INTERNAL_CLASS:
        return Direction.INTERNAL
    return wire.DIRECTIONS.get((row.direction or "").strip().lower(), Direction.UNKNOWN)

"""Who takes part in a call, read so that the same call looks the same in records and events."""

import attrs
from gateway_contracts import Direction
from gateway_contracts.parties import Parties, parties

from . import wire


@attrs.frozen
class Side:
    """One side of a call: its *number*, and whether it is *ours*, a person of the business."""

    number: str | None
    ours: bool = False


def parties_of(direction: Direction, source: Side, target: Side, hotline: str | None) -> Parties:
    """Read who called whom. The document's samples have a person of ours as callee of an outbound call (004:86-90)."""
    ours = {side.number for side in (source, target) if side.ours}
    return parties(direction, source.number, target.number, ours.__contains__, hotline=hotline)


def direction_of(row: wire.HistoryRow) -> Direction:
    """004:88 and 004:90: the class says internal, and else the direction says which way."""
    if (row.kind or "").strip().lower() == wire.INTERNAL_CLASS:
        return Direction.INTERNAL
    return wire.DIRECTIONS.get((row.direction or "").strip().lower(), Direction.UNKNOWN)

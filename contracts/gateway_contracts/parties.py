"""Who takes part in a call: who called whom, and which extension, hotline and leg that is."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from .models import Direction, Leg

CUSTOMER_LEG: Mapping[Direction, Leg] = {
    Direction.OUTBOUND: Leg.B,
    Direction.INBOUND: Leg.A,
    Direction.INTERNAL: Leg.B,
}
"""The side of the customer by a call's direction; of an internal call the side that was called."""

# To look a member of an enumeration up by its name takes as long as to compare it with ten others.
_INBOUND, _OUTBOUND, _INTERNAL = Direction.INBOUND, Direction.OUTBOUND, Direction.INTERNAL


class Parties(NamedTuple):
    """Both sides of a call as numbers, and the extension and the hotline of the business."""

    from_number: str | None
    to_number: str | None
    extension: str | None
    hotline: str | None


def parties(
    direction: Direction,
    source: str | None,
    target: str | None,
    is_extension: Callable[[str | None], bool],
    *,
    extension: str | None = None,
    hotline: str | None = None,
) -> Parties:
    """Read who called whom, so that one call looks the same in live calls, events and records.

    *source* and *target* are the sides as the vendor names them, *extension* and *hotline* what it names beside them.
    The extension stands where *direction* puts the business: when the vendor has the two sides the wrong way round,
    they are swapped. A number in the place of the business that is no extension is the hotline, and the extension
    stands in its place where it is known.
    """
    if direction is _OUTBOUND:
        if is_extension(target) and not is_extension(source):
            source, target = target, source
        extension = extension or (source if is_extension(source) else None)
        if source != extension and not is_extension(source):
            hotline = hotline or source
            source = extension or source
    elif direction is _INBOUND:
        if is_extension(source) and not is_extension(target):
            source, target = target, source
        extension = extension or (target if is_extension(target) else None)
        if target != extension and not is_extension(target):
            hotline = hotline or target
            target = extension or target
    elif direction is _INTERNAL:
        extension = extension or source
    else:
        extension = extension or next((side for side in (source, target) if is_extension(side)), None)
    return Parties(source, target, extension, hotline)


def from_and_to(direction: Direction, *, extension: str | None, number: str | None) -> tuple[str | None, str | None]:
    """Say who called and who was called, where the vendor names them by *extension* and the other side's *number*."""
    return (number, extension) if direction is _INBOUND else (extension, number)

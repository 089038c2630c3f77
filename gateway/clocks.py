"""The clock that deadlines are measured by."""

import time

_CLOCK = getattr(time, "CLOCK_BOOTTIME", None)  # it goes on while the machine sleeps; not every system has it


def moment() -> float:
    """Seconds on a clock that only goes forward, and on while the machine sleeps."""
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)

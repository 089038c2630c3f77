"""Back-off: how long to wait before something that failed is tried again."""

import random
from collections.abc import Iterator


def delays(first: float, most: float) -> Iterator[float]:
    """Give the seconds to wait before each further try, without an end: *first*, doubled each time, up to *most*.

        pauses = delays(0.5, 60.0)
        ...
        await asyncio.sleep(next(pauses))

    Each is shortened by up to half, at random, so that clients that failed together do not come back together. After a
    success, begin again with a new iterator.
    """
    while True:
        yield min(first, most) * random.uniform(0.5, 1)  # noqa: S311 # jitter
        first = min(2 * first, most)

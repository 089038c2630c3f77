"""Delays double, stay within their bounds, and differ."""

import itertools

from gateway_contracts.backoff import delays


def test_delays_double_up_to_a_most_and_each_is_shortened_by_chance():
    """By up to half, so that clients which failed together do not come back together."""
    most = (0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0)
    found = [list(itertools.islice(delays(0.5, 10.0), len(most))) for _ in range(50)]

    for tries in found:
        assert [True] * len(most) == [top / 2 <= seconds <= top for seconds, top in zip(tries, most, strict=True)]
    assert len({tuple(tries) for tries in found}) == 50


def test_delays_never_end():
    """After thousands of failures there is still a next one."""
    assert next(itertools.islice(delays(0.1, 60.0), 5000, None)) <= 60.0

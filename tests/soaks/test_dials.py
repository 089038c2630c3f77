"""A small soak of each kind; `python -m tests.soaks.dials` runs a large one."""

from tests.soaks.dials import soak


async def test_a_killed_sidecar_dials_nothing_twice_and_loses_no_dial(tmp_path):
    """SIGKILL in the middle, answers lost: one call for each key at most, and every end is the truth."""
    figures = await soak(tmp_path, dials=40, kills=2)

    assert [] == figures.disagreements
    assert (2, 40) == (figures.kills, figures.placed + figures.not_placed + figures.not_found)
    assert 1 == figures.most_originated
    assert figures.placed == figures.originated

"""Reconciliation on either database: the same conversations, and each one's timeline."""

import functools

from gateway_contracts import CallState

from gateway.journal.timelines import read_timeline
from tests.vendors.truth import live, world_of


async def test_reconciliation_is_the_same_on_every_database(url, tmp_path):
    """All of a small day, of which half was not heard; every id of a call leads to its timeline."""
    async with world_of("tel4vn-v1", tmp_path, url=url, drop_rate=0.5) as world:
        await live(world, calls=12, longest=600)
        assert [] == await world.differences()

        for call in world.truth:
            for _, value in world.ids_of(call):
                work = functools.partial(read_timeline, wanted=value, account="hanoi")
                found = await world.journal.store.read(work)
                if found is not None:
                    assert CallState.ENDED is found.state
                    assert call.number in {found.from_number, found.to_number}
                    assert found.links
                    assert found.events

"""The soak of webhooks, in small."""

from tests.soaks.webhooks import soak


async def test_no_acknowledged_webhook_is_lost_or_doubled_when_the_sidecar_is_killed(tmp_path):
    """Every event that the vendor was told we have is in the log, once."""
    found = await soak(tmp_path, calls=60, kills=4, seed=1, subscribed=False)

    assert (4, 240) == (found.kills, found.acknowledged)
    assert found.well, found

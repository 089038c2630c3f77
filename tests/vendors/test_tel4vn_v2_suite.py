"""TEL4VN v2 passes the suite, embedded and through a sidecar."""

import pytest
from gateway_contracts.testing import Suite

from tests.vendors.tel4vn_v2_far_side import Tel4vnV2FarSide


@pytest.fixture
async def far():
    """The vendor's end."""
    async with Tel4vnV2FarSide.open() as far:
        yield far


class TestTel4vnV2(Suite):
    """Everything is inherited."""

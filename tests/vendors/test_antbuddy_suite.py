"""AntBuddy passes the suite, embedded and through a sidecar."""

import pytest
from gateway_contracts.testing import Suite

from tests.vendors.antbuddy_far_side import AntbuddyFarSide
from tests.vendors.conftest import reaching


@pytest.fixture
async def far():
    """The vendor's end."""
    async with AntbuddyFarSide.open() as far:
        yield far


@pytest.fixture(params=["embedded", "remote"])
async def pbx(request, far):
    """The account under test, in both ways."""
    async with reaching(far, request.param) as account:
        yield account


class TestAntbuddy(Suite):
    """Everything is inherited."""

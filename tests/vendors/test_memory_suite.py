"""The memory plugin passes the suite, embedded and through a sidecar."""

import contextlib

import pytest
from gateway_contracts.testing import Suite

from gateway import Gateway
from tests.gateways import serving
from tests.vendors.memory_far_side import MemoryFarSide


@pytest.fixture
async def far():
    """The vendor's end."""
    return MemoryFarSide()


@pytest.fixture(params=["embedded", "remote"])
async def pbx(request, far):
    """The account under test, in both ways."""
    accounts = {"hanoi": {"vendor": far.vendor, "settings": far.settings}}
    async with Gateway.from_config({"accounts": accounts}) as gateway:
        far.memory = gateway["hanoi"].adapter
        if request.param == "embedded":
            yield gateway["hanoi"]
        else:
            async with serving(gateway) as url, Gateway.remote(url, raw=True) as remote:
                yield remote["hanoi"]


@pytest.fixture
def connect(far):
    """Opens the account with other settings or timeouts: the far side is the PBX in it."""

    @contextlib.asynccontextmanager
    async def opened(*, settings=None, timeouts=None):
        account = {"vendor": far.vendor, "settings": {**far.settings, **(settings or {})}, "timeouts": timeouts or {}}
        async with Gateway.from_config({"accounts": {"hanoi": account}}) as gateway:
            far.memory = gateway["hanoi"].adapter
            yield gateway["hanoi"]

    return opened


class TestMemory(Suite):
    """Everything is inherited."""

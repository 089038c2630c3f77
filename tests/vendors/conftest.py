"""The vendors' far sides, and the ways in which an application reaches an account."""

import contextlib

import pytest

from gateway import Gateway
from tests.gateways import serving
from tests.vendors.antbuddy_far_side import AntbuddyFarSide
from tests.vendors.tel4vn_v1_far_side import Tel4vnV1FarSide
from tests.vendors.tel4vn_v2_far_side import Tel4vnV2FarSide

FAR_SIDES = [Tel4vnV1FarSide, Tel4vnV2FarSide, AntbuddyFarSide]


@contextlib.asynccontextmanager
async def reaching(far, way, **settings):
    """The account of *far*, embedded or through a sidecar."""
    accounts = {"hanoi": {"vendor": far.vendor, "settings": {**far.settings, **settings}}}
    async with contextlib.AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(Gateway.from_config({"accounts": accounts}))
        if way == "remote":
            url = await stack.enter_async_context(serving(gateway))
            gateway = await stack.enter_async_context(Gateway.remote(url, raw=True))
        yield gateway["hanoi"]


@pytest.fixture
async def far():
    """The vendor's end; a module about another vendor has a fixture of its own by this name."""
    async with Tel4vnV1FarSide.open() as far:
        yield far


@pytest.fixture(params=["embedded", "remote"])
async def pbx(request, far):
    """The account under test, in both ways."""
    async with reaching(far, request.param) as account:
        yield account


@pytest.fixture
def connect(far):
    """Opens the account with other settings or timeouts, in this process."""

    @contextlib.asynccontextmanager
    async def opened(*, settings=None, timeouts=None):
        account = {"vendor": far.vendor, "settings": {**far.settings, **(settings or {})}, "timeouts": timeouts or {}}
        async with Gateway.from_config({"accounts": {"hanoi": account}}) as gateway:
            yield gateway["hanoi"]

    return opened

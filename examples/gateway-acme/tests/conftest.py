"""The two ends of a test: a fake Acme, and an account on it, embedded and through a sidecar."""

import contextlib

import pytest
from acme_pbx import AcmePbx
from far_side import AcmeFarSide
from gateway import Gateway, serving


@pytest.fixture
async def far():
    """The vendor's end."""
    async with AcmePbx() as pbx:
        yield AcmeFarSide(pbx)


@pytest.fixture(params=["embedded", "remote"])
async def pbx(request, far):
    """The account under test, in both ways."""
    accounts = {"main": {"vendor": far.vendor, "settings": far.settings}}
    async with Gateway.from_config({"accounts": accounts, "proxy": {"listen": "127.0.0.1:0"}}) as gateway:
        if request.param == "embedded":
            yield gateway["main"]
        else:
            async with serving(gateway) as url, Gateway.remote(url, raw=True) as remote:
                yield remote["main"]


@pytest.fixture
def connect(far):
    """Opens the account with other settings or timeouts, in this process."""

    @contextlib.asynccontextmanager
    async def opened(*, settings=None, timeouts=None):
        account = {"vendor": far.vendor, "settings": {**far.settings, **(settings or {})}, "timeouts": timeouts or {}}
        async with Gateway.from_config({"accounts": {"main": account}}) as gateway:
            yield gateway["main"]

    return opened

"""The sidecar as a process: what it says nothing about, and what it allows itself."""

import asyncio
import logging
import pkgutil
import resource

import pytest

import gateway
from gateway import Gateway
from gateway.http.server import OPEN_FILES, _allow_many_connections, serving

KEY, NUMBER = "gw_MY-SECRET-KEY", "0899098899"


@pytest.mark.parametrize(
    "request_bytes",
    [
        f"GET /v1/accounts HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\x01\r\n\r\n".encode(),
        f"GET /v1/accounts/m/records?number={NUMBER}&x=".encode() + b"\xff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        f"POST /v1/accounts/m/calls?number={NUMBER} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Encoding: x\r\n"
        "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{".encode(),
    ],
)
async def test_a_request_that_cannot_be_read_is_not_repeated_in_any_log(caplog, capfd, request_bytes):
    """Neither the client's key nor a number reaches a log or stderr, before the key is even looked at."""
    caplog.set_level(logging.DEBUG)
    config = {"accounts": {"m": {"vendor": "memory"}}, "proxy": {"listen": "127.0.0.1:0"}}
    async with Gateway.from_config(config) as gateway, serving(gateway) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(request_bytes)
        response = await reader.readuntil(b"\r\n")
        writer.close()

    seen = "\n".join([caplog.text, *capfd.readouterr()])
    assert response.split()[1].startswith(b"4")
    assert KEY not in seen
    assert NUMBER not in seen


def test_the_limit_of_open_files_is_raised_as_far_as_it_may_be():
    """A call that is held open needs two, and systems start programs with few."""
    _, hard = before = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most // 2, hard))
        _allow_many_connections()
        raised = resource.getrlimit(resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)

    assert (most, hard) == raised


def test_no_module_has_the_name_of_something_public():
    """What `from gateway import …` gives does not depend on what was imported before."""
    modules = {each.name for each in pkgutil.iter_modules(gateway.__path__)}

    assert set() == modules & set(gateway.__all__)

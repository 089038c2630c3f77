"""A vendor without a server: aioresponses answers in place of aiohttp, for tables of what may come back.

Where it matters what travels (a dropped connection, a reused one, a body over 64 KiB, what is sent again below us) the
tests have real servers.
"""

import contextlib
import re
from types import SimpleNamespace

import aiohttp
from aioresponses import aioresponses

ANYWHERE = re.compile("")
WRITER = SimpleNamespace(output_size=0)


class Mocked(aiohttp.ClientResponse):
    """A response as aioresponses 0.7.9 makes it, for an aiohttp from 3.14 on, which asks for one argument more."""

    def __init__(self, *args, stream_writer=WRITER, **options):
        super().__init__(*args, stream_writer=stream_writer, **options)


class MockedVendor:
    """Gives every request the response that it is told, and keeps which there were."""

    def __init__(self, mocked):
        self._mocked = mocked

    def gives(self, status=200, body=b"{}", *, content_type="application/json", **headers):
        """The response from now on. Underscores in header names stand for hyphens."""
        self._mocked.clear()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        said = {"status": status, "body": body, "content_type": content_type, "headers": named}
        for verb in ("GET", "POST", "PUT", "DELETE"):
            self._mocked.add(ANYWHERE, verb, **said, response_class=Mocked, repeat=True)

    @property
    def received(self):
        """The verb and the address of each request."""
        return [key for key, requests in self._mocked.requests.items() for _ in requests]


@contextlib.contextmanager
def mocked_vendor():
    """A `MockedVendor` that all of aiohttp's sessions speak to meanwhile."""
    with aioresponses() as mocked:
        yield MockedVendor(mocked)

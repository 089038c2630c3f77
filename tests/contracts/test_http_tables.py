"""What may come back, in tables: every status, body and media type is a success or one of our errors."""

import contextlib

import attrs
import pytest
from aioresponses import aioresponses
from gateway_contracts import (
    Account,
    Conflict,
    DialState,
    GatewayError,
    InvalidRequest,
    NotFound,
    Origin,
    OutcomeUnknown,
    RateLimited,
    VendorAuthFailed,
    VendorProtocolError,
    VendorRejected,
    VendorTimeout,
    VendorUnavailable,
)
from gateway_contracts.http import Effect, HttpClient

from tests.mocked import ANYWHERE, mocked_vendor


@pytest.fixture
def vendor():
    """A vendor without a server."""
    with mocked_vendor() as vendor:
        yield vendor


@pytest.fixture
async def client():
    """Makes a client, which is closed at the end."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(**options):
            opening = HttpClient("https://pbx.example.vn", account=Account(name="hanoi"), **options)
            return await stack.enter_async_context(opening)

        yield make


@pytest.mark.parametrize(
    "status", [301, 302, 303, 307, 308, 400, 403, 404, 405, 408, 409, 418, 422, 429, 500, 502, 503, 504, 599]
)
async def test_a_status_that_is_no_documented_refusal_proves_nothing(vendor, client, status):
    """A phone may have rung before a 5xx, or behind a redirect, which is never followed."""
    vendor.gives(status, Location="/elsewhere")
    http = await client()

    with pytest.raises(OutcomeUnknown) as caught:
        await http.send("POST", "/dial", effect=Effect.RING)

    assert 1 == len(vendor.received)
    assert (DialState.UNKNOWN, str(status)) == (caught.value.dial_state, caught.value.vendor_code)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"<html>maintenance</html>", "text/html"),
        (b"<html>maintenance</html>", "application/json"),
        (b'{"call_id": ', "application/json"),
        (b"OK", "text/plain"),
        (b"\xff\xfe", "application/json"),
    ],
)
@pytest.mark.parametrize(
    ("effect", "expected"),
    [
        (Effect.RING, OutcomeUnknown),
        (Effect.WRITE, OutcomeUnknown),
        (Effect.READ, VendorProtocolError),
    ],
)
async def test_a_success_that_is_not_json_is_no_success(vendor, client, body, content_type, effect, expected):
    """A web page with 200 says nothing about the call, and is not read again either."""
    vendor.gives(200, body, content_type=content_type)
    http = await client()

    with pytest.raises(expected) as caught:
        await http.send("GET", "/dial", effect=effect)

    assert 1 == len(vendor.received)
    assert Origin.VENDOR is caught.value.origin


async def test_a_response_with_json_of_another_type_is_taken_as_json(vendor, client):
    """Vendors send JSON as text/html too."""
    vendor.gives(body=b'{"a": 1}', content_type="text/html; charset=utf-8")
    http = await client()

    response = await http.send("GET", "/")

    assert ({"a": 1}, "text/html") == (response.data, response.media_type)


@attrs.frozen(kw_only=True)
class Row:
    call_id: str


@pytest.mark.parametrize(("effect", "expected"), [(Effect.RING, OutcomeUnknown), (Effect.READ, VendorProtocolError)])
@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'{"call_id": 5}', b'{"id": "x"}'])
async def test_json_of_other_types_than_documented_is_nonsense(vendor, client, effect, expected, body):
    """`parse` names what does not fit, and a dial's outcome is unknown then."""
    vendor.gives(body=body)
    response = await (await client()).send("GET", "/", effect=effect)

    with pytest.raises(expected, match="does not fit its documents"):
        response.parse(Row)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, InvalidRequest),
        (401, VendorAuthFailed),
        (403, VendorAuthFailed),
        (404, NotFound),
        (405, VendorProtocolError),
        (408, VendorTimeout),
        (409, Conflict),
        (410, VendorRejected),
        (429, RateLimited),
        (302, VendorProtocolError),
        (500, VendorUnavailable),
        (503, VendorUnavailable),
        (504, VendorTimeout),
        (599, VendorUnavailable),
    ],
)
async def test_a_reads_status_is_an_error_of_ours(vendor, client, status, expected):
    """What the adapter does not classify is judged by status, with the vendor's status kept."""
    vendor.gives(status)

    with pytest.raises(expected) as caught:
        await (await client()).send("GET", "/")

    assert expected is type(caught.value)
    assert (Origin.VENDOR, str(status), "hanoi") == (
        caught.value.origin,
        caught.value.vendor_code,
        caught.value.account,
    )


@pytest.mark.parametrize(
    ("status", "expected"), [(400, InvalidRequest), (404, NotFound), (500, OutcomeUnknown), (504, OutcomeUnknown)]
)
async def test_a_writes_status_is_unknown_only_from_500_on(vendor, client, status, expected):
    """A 4xx was refused; a 5xx may have come after the deed. It never says anything about dialling."""
    vendor.gives(status)

    with pytest.raises(expected) as caught:
        await (await client()).send("POST", "/tenants", json={}, effect=Effect.WRITE)

    assert caught.value.dial_state is None
    assert 1 == len(vendor.received)


@pytest.mark.parametrize("status", [400, 503])
async def test_a_documented_refusal_is_a_proof_that_nothing_rang(vendor, client, status):
    """The adapter names the statuses that its vendor documents as "not done"."""
    vendor.gives(status)

    with pytest.raises(GatewayError) as caught:
        await (await client()).send("GET", "/dial", effect=Effect.RING, refusals={400, 503})

    assert DialState.NOT_PLACED is caught.value.dial_state
    assert not isinstance(caught.value, OutcomeUnknown)


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        (7.0, "7"),
        (0.0, "0"),
        (None, ""),
        (None, "soon"),
        (None, "-5"),
        (None, "٣"),
        (None, "1.5"),
        (0.0, "Wed, 21 Oct 2015 07:28:00 GMT"),
        (None, "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"),
        (None, "Mon, 01 Jan 2026 00:00:00 +9999999999"),
    ],
)
async def test_retry_after_is_told_where_it_makes_sense(vendor, client, expected, value):
    """Seconds, or a date; whatever else a server writes is ignored."""
    vendor.gives(429, Retry_After=value)
    http = await client(retried_statuses=())

    with pytest.raises(RateLimited) as caught:
        await http.send("GET", "/")

    assert expected == caught.value.retry_after


async def test_the_shim_is_needed_as_long_as_aioresponses_makes_no_whole_response(client):
    """Once it does, `tests.mocked.Mocked` goes, and this with it."""
    http = await client()
    with aioresponses() as mocked:
        mocked.get(ANYWHERE)

        with pytest.raises(TypeError, match="stream_writer"):
            await http.send("GET", "/")

"""Recordings: fetched from where the vendor says, from allowed hosts only, and known by their first bytes."""

import contextlib
import re
from collections.abc import AsyncIterator, Collection, Mapping
from fnmatch import fnmatchcase

import aiohttp
from yarl import URL

from .errors import (
    GatewayError,
    InvalidRequest,
    NotFound,
    Origin,
    RangeNotSatisfiable,
    RateLimited,
    VendorAuthFailed,
    VendorProtocolError,
    VendorTimeout,
    VendorUnavailable,
)
from .http import HttpClient, NotSent, SentAndLost, retry_after_of
from .models import Audio

MAX_REDIRECTS = 5
_HEAD_BYTES = 64

_SIGNATURES: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"RIFF.{4}WAVE", re.DOTALL), "audio/wav"),
    (re.compile(rb"ID3|\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff]"), "audio/mpeg"),
    (re.compile(rb"\xff[\xf0\xf1\xf8\xf9]"), "audio/aac"),
    (re.compile(rb"OggS"), "audio/ogg"),
    (re.compile(rb"fLaC"), "audio/flac"),
    (re.compile(rb".{4}ftyp", re.DOTALL), "audio/mp4"),
    (re.compile(rb"#!AMR"), "audio/amr"),
    (re.compile(rb"\x1aE\xdf\xa3"), "audio/webm"),
)
_NOT_AUDIO = re.compile(rb"\s*[<{\[]|%PDF|PK\x03\x04")

_RANGE = re.compile(r"\s*bytes\s*=\s*(\d{1,18})?\s*-\s*(\d{1,18})?\s*", re.ASCII)
_CONTENT_RANGE = re.compile(r"\s*bytes\s+(\d{1,18})-(\d{1,18})/(\d{1,18}|\*)\s*", re.ASCII)


def sniff_media_type(head: bytes) -> str | None:
    """What kind of audio starts with *head*; None when that cannot be told."""
    return next((kind for pattern, kind in _SIGNATURES if pattern.match(head)), None)


def check_host(url: URL, allowed: Collection[str], *, secure: bool, account: str) -> None:
    """Refuse an address that is not HTTP or whose host is not *allowed* (`recordings.example.vn`, `*.example.vn`).

    Another port than the scheme's own must be named (`10.0.0.5:8443`). With *secure* only https is taken.
    Raises: VendorProtocolError.
    """
    host = (url.host or "").lower()
    place = f"{host}:{url.port}"
    usual = {"https": 443, "http": 80}.get(url.scheme)
    if url.scheme not in ({"https"} if secure else {"https", "http"}):
        raise VendorProtocolError(f"The recording's address has the scheme {url.scheme!r}", account=account)
    shown = host if url.port == usual else place
    if not any(
        fnmatchcase(place, pattern.lower() if ":" in pattern else f"{pattern.lower()}:{usual}") for pattern in allowed
    ):
        raise VendorProtocolError(
            f"The recording lies on {shown}, which is not an allowed host. If it is the vendor's, add it to the "
            f'account\'s settings: recording_hosts = ["{shown}"]',
            account=account,
        )


async def open_audio(
    http: HttpClient,
    url: str,
    *,
    record_id: str,
    allowed_hosts: Collection[str],
    byte_range: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Audio:
    """Open the recording at *url*, following redirects to allowed hosts only.

    The vendor's own range is used where it has one, otherwise what lies before the range is read and thrown away.
    *headers* go to the host of the vendor's API only.

    The host of the vendor's API is always allowed.

    Raises: InvalidRequest for a range that is none or has several parts, NotFound, RangeNotSatisfiable,
    VendorAuthFailed, RateLimited, VendorProtocolError, VendorUnavailable, VendorTimeout.
    """
    account = http.account.name
    home = URL(http.base_url)
    hosts = (f"{home.host}:{home.port}", *allowed_hosts)
    wanted = _parse_range(byte_range)
    finish = contextlib.AsyncExitStack()
    try:
        target = URL(url)
        for _ in range(MAX_REDIRECTS + 1):
            check_host(target, hosts, secure=home.scheme == "https", account=account)
            sent = {"Accept": "*/*", "Accept-Encoding": "identity"}
            if target.origin() == home.origin():
                sent |= headers or {}
            if wanted:
                sent["Range"] = f"bytes={_text(wanted[0])}-{_text(wanted[1])}"
            response = await finish.enter_async_context(
                http.session.get(
                    target,
                    headers=sent,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(
                        total=None, connect=http.account.timeouts.connect, sock_read=http.account.timeouts.read
                    ),
                )
            )
            if response.status not in {301, 302, 303, 307, 308}:
                break
            target = target.join(URL(response.headers.get("Location", "")))
        else:
            raise VendorProtocolError("The recording's address redirects too often", account=account)
        head = b""
        if response.status == 206 and wanted and wanted[0] != 0:
            head = await _start_of(http, target, sent)
        return await _audio(response, wanted, head, account, record_id, finish)
    except BaseException as error:
        await finish.aclose()
        if isinstance(error, GatewayError):
            raise
        if isinstance(error, ValueError):
            raise VendorProtocolError("The recording's address is not an address", account=account) from error
        raise _trouble(error, account) from error


def audio_of(data: bytes, *, account: str, record_id: str, byte_range: str | None = None) -> Audio:
    """A recording that is in memory already, or the asked-for range of it.

    Raises: RangeNotSatisfiable.
    """
    wanted = _parse_range(byte_range)
    start, end = _resolve(wanted, len(data), account) if wanted else (0, len(data) - 1)

    async def chunks() -> AsyncIterator[bytes]:
        yield data[start : end + 1]

    return Audio(
        account=account,
        record_id=record_id,
        media_type=sniff_media_type(data[:_HEAD_BYTES]) or "application/octet-stream",
        chunks=chunks(),
        partial=wanted is not None,
        start=start,
        end=end if data else None,
        size=len(data),
    )


async def _audio(
    response: aiohttp.ClientResponse,
    wanted: tuple[int | None, int | None] | None,
    head: bytes,
    account: str,
    record_id: str,
    finish: contextlib.AsyncExitStack,
) -> Audio:
    if response.status == 416:
        raise RangeNotSatisfiable("The recording has no byte in that range", account=account)
    if response.status in {404, 410}:
        raise NotFound(f"There is no recording of {record_id} (yet)", account=account)
    if response.status in {401, 403}:
        raise VendorAuthFailed(
            f"The recording's address answered {response.status}", account=account, vendor_code=str(response.status)
        )
    if response.status not in {200, 206}:
        kind: type[GatewayError] = VendorUnavailable if response.status >= 500 else VendorProtocolError
        if response.status == 429:
            kind = RateLimited
        raise kind(
            f"The recording's address answered {response.status}",
            account=account,
            origin=Origin.VENDOR,
            vendor_code=str(response.status),
            retry_after=retry_after_of(response.headers),
        )
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise VendorProtocolError("The recording is compressed, though we asked for it as it is", account=account)
    length = response.content_length
    start, end, size = 0, length - 1 if length else None, length
    served = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "")) if response.status == 206 else None
    if served:
        start, end = int(served[1]), int(served[2])
        size = None if served[3] == "*" else int(served[3])
    if response.status == 206 and not (served and wanted and _is_answer_to(wanted, start, end, size, length)):
        raise VendorProtocolError(
            "The recording's address answered another range than it was asked for", account=account
        )
    body: AsyncIterator[bytes] = response.content.iter_any()
    skip, take = 0, None
    if wanted and not served and size is not None:
        start, end = _resolve(wanted, size, account)
        skip = start
    if end is not None:
        take = end - start + 1
    if not served or start == 0:
        head, body = await _peek(body)
    declared = response.content_type
    media_type = sniff_media_type(head)
    if media_type is None and (declared in {"text/html", "application/json"} or _NOT_AUDIO.match(head)):
        raise VendorProtocolError(f"The recording's address answered {declared}, which is not audio", account=account)
    if media_type is None:
        media_type = declared if declared.startswith("audio/") else "application/octet-stream"
    return Audio(
        account=account,
        record_id=record_id,
        media_type=media_type,
        chunks=_chunks(body, skip, take, account, finish),
        partial=bool(served) or (wanted is not None and size is not None),
        start=start,
        end=end,
        size=size,
        finish=finish.aclose,
    )


async def _start_of(http: HttpClient, target: URL, headers: Mapping[str, str]) -> bytes:
    """The first bytes of what a part was asked of: they say what it is. Nothing where they cannot be had."""
    sent = {**headers, "Range": f"bytes=0-{_HEAD_BYTES - 1}"}
    limits = aiohttp.ClientTimeout(total=http.account.timeouts.read, connect=http.account.timeouts.connect)
    try:
        async with http.session.get(target, headers=sent, allow_redirects=False, timeout=limits) as response:
            return await response.content.read(_HEAD_BYTES) if response.status == 206 else b""
    except (NotSent, SentAndLost, aiohttp.ClientError, TimeoutError, OSError):
        return b""


async def _peek(body: AsyncIterator[bytes]) -> tuple[bytes, AsyncIterator[bytes]]:
    head = b""
    async for chunk in body:
        head += chunk
        if len(head) >= _HEAD_BYTES:
            break

    async def whole() -> AsyncIterator[bytes]:
        if head:
            yield head
        async for chunk in body:
            yield chunk

    return head[:_HEAD_BYTES], whole()


async def _chunks(
    body: AsyncIterator[bytes], skip: int, take: int | None, account: str, finish: contextlib.AsyncExitStack
) -> AsyncIterator[bytes]:
    try:
        async for chunk in body:
            part = chunk[skip:]
            skip = max(skip - len(chunk), 0)
            if take is not None:
                part = part[:take]
                take -= len(part)
            if part:
                yield part
            if take == 0:
                break
        if take:
            raise VendorUnavailable(f"The recording broke off {take} bytes before its end", account=account)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _trouble(error, account) from error
    finally:
        await finish.aclose()


def _is_answer_to(
    wanted: tuple[int | None, int | None], start: int, end: int | None, size: int | None, length: int | None
) -> bool:
    """Whether a 206 with these ends holds what was *wanted*, and is as long as it says."""
    if end is None or end < start or length not in (None, end - start + 1) or (size is not None and end >= size):
        return False
    first, last = wanted
    if first is None:
        return size is None or start == max(size - (last or 0), 0)
    return start == first and (last is None or end <= last)


def is_range(text: str) -> bool:
    """Whether *text* is a range of one part (`bytes=0-499`, `bytes=500-`, `bytes=-500`)."""
    try:
        return _parse_range(text) is not None
    except InvalidRequest:
        return False


def _parse_range(text: str | None) -> tuple[int | None, int | None] | None:
    if text is None:
        return None
    found = _RANGE.fullmatch(text)
    first, last = (int(part) if part is not None else None for part in found.groups()) if found else (None, None)
    if (first is None and last is None) or (first is not None and last is not None and last < first):
        what = "must be one range, such as bytes=0-499, bytes=500- or bytes=-500"
        raise InvalidRequest(f"byte_range {what}", fields={"byte_range": what})
    return first, last


def _resolve(wanted: tuple[int | None, int | None], size: int, account: str) -> tuple[int, int]:
    first, last = wanted
    if first is None:
        first, last = max(size - (last or 0), 0), size - 1
    if first >= size or wanted == (None, 0):
        raise RangeNotSatisfiable(f"The recording has {size} bytes", account=account)
    return first, size - 1 if last is None else min(last, size - 1)


def _text(number: int | None) -> str:
    return "" if number is None else str(number)


def _trouble(error: BaseException, account: str) -> BaseException:
    if isinstance(error, NotSent):
        return VendorUnavailable(f"The recording could not be fetched: {error}", account=account)
    if isinstance(error, TimeoutError):
        return VendorTimeout("The recording did not come in time", account=account)
    if isinstance(error, SentAndLost | aiohttp.ClientError | OSError):
        why = str(error) if isinstance(error, SentAndLost) else type(error).__name__
        return VendorUnavailable(f"The recording broke off: {why}", account=account)
    return error

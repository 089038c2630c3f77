"""Responses that are written while their content comes: lists of records as NDJSON or CSV, and recordings."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web
from gateway_contracts import Audio, Operation, Page
from gateway_contracts.converters import to_json_lines

from ..accounts.account import AccountFacade
from ..formats import CSV, NDJSON, columns, csv_header, csv_rows, in_parts
from ..logs import log, place_of


def stream_type(request: web.Request) -> str | None:
    """The media type in which *request* accepts a whole list as a stream; None when it wants one page as JSON."""
    accepted = request.headers.get("Accept", "").lower()
    return next((each for each in (NDJSON, CSV) if each in accepted), None)


async def stream(
    request: web.Request,
    account: AccountFacade,
    operation: Operation,
    arguments: dict[str, Any],
    media_type: str,
    raw: bool,
) -> web.StreamResponse:
    """A response with every page from the first on, each written as it comes.

    An error before the first page is raised; a later one cuts the response off.
    """
    names = columns(operation)
    async with contextlib.aclosing(account.pages(operation, arguments)) as pages:
        first = await anext(pages)
        response = web.StreamResponse(headers={"Content-Type": media_type})
        await response.prepare(request)
        try:
            if media_type == CSV:
                await response.write(csv_header(names))
            async for page in _with_first(first, pages):
                for rows in in_parts(page.items):
                    await response.write(csv_rows(rows, names) if media_type == CSV else to_json_lines(rows, raw=raw))
                    await asyncio.sleep(0)  # a write into a buffer with room gives no other task its turn
            await response.write_eof()
        except Exception as error:  # noqa: BLE001 # whatever it is, a problem cannot follow half a response
            log.warning("stream.cut", account=account.name, operation=operation.name, **place_of(error))
            _abort(request)
    return response


async def _with_first(first: Page[Any], others: AsyncIterator[Page[Any]]) -> AsyncIterator[Page[Any]]:
    yield first
    async for page in others:
        yield page


async def play(request: web.Request, audio: Audio) -> web.StreamResponse:
    """A response with *audio*, or the range of it that the request asked for."""
    async with audio:
        response = web.StreamResponse(status=206 if audio.partial else 200)
        response.content_type = audio.media_type
        response.headers.update(
            {"Accept-Ranges": "bytes", "Content-Disposition": "attachment", "Gateway-Account": audio.account}
        )
        if audio.end is not None:
            response.content_length = audio.end - audio.start + 1
            if audio.partial:
                size = "*" if audio.size is None else audio.size
                response.headers["Content-Range"] = f"bytes {audio.start}-{audio.end}/{size}"
        await response.prepare(request)
        try:
            async for chunk in audio:
                await response.write(chunk)
            await response.write_eof()
        except Exception as error:  # noqa: BLE001 # whatever it is, a problem cannot follow half a recording
            log.warning("recording.cut", account=audio.account, **place_of(error))
            _abort(request)
    return response


def _abort(request: web.Request) -> None:
    """Break the connection off, so that the client does not take a part for the whole."""
    if request.transport is not None:
        request.transport.abort()

"""The same facade over a sidecar: every operation becomes one request, every problem the error that it was."""

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import attrs
from gateway_contracts import (
    INTERFACES,
    Account,
    Audio,
    CallEvent,
    ConfigError,
    DialState,
    GatewayError,
    InvalidRequest,
    Location,
    Operation,
    PluginError,
    Support,
    SupportReport,
    Timeouts,
    Unsupported,
    VendorAuthFailed,
    VendorProtocolError,
    VendorTimeout,
    VendorUnavailable,
    interface_name,
    to_json,
)
from gateway_contracts.backoff import delays
from gateway_contracts.errors import error_of
from gateway_contracts.http import Effect, HttpClient, NotSent, Response, SentAndLost, segment
from yarl import URL

from .accounts.account import AccountFacade
from .accounts.arguments import check_arguments
from .accounts.guard import told_of_key
from .accounts.support import at_length
from .logs import log
from .models import Dial, EventPage, EventQuery, Lost, ResyncReason, events_lost

_SPAN = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")

# Longer than the sidecar's own, which knows more about what happened.
_TIMEOUTS = Timeouts(connect=5, read=120, dial=120, dial_wait=360)
_WAIT_SECONDS = 30
_MAX_BACKOFF_SECONDS = 30.0
FIRST_BACKOFF_SECONDS = 0.2


@attrs.frozen
class _Key:
    """The caller's key, as a token that cannot be renewed."""

    key: str = attrs.field(repr=False)

    async def get(self) -> str:
        return self.key

    def refuse(self, token: str) -> None:
        """A sidecar that refuses a key once refuses it again."""


@attrs.frozen(kw_only=True)
class _AccountRow:
    name: str
    vendor: str | None = None
    interfaces: tuple[str, ...]
    operations: tuple[str, ...] | None = None
    accounts: tuple[str, ...] = ()
    reason: str | None = None
    support: Mapping[str, Support] | None = None


@attrs.frozen(kw_only=True)
class _Accounts:
    items: tuple[_AccountRow, ...]
    vendors: Mapping[str, SupportReport] = attrs.field(factory=dict)


@contextlib.asynccontextmanager
async def open_remote(url: str, key: str | None, raw: bool) -> AsyncIterator[Mapping[str, AccountFacade]]:
    """What the sidecar at *url* lets *key* use. Raises: ConfigError, Unauthenticated, VendorUnavailable, …"""
    if urlsplit(url).scheme not in {"http", "https"}:
        raise ConfigError("url", "must be the address of a sidecar, such as http://127.0.0.1:8080")
    account = Account(name="", timeouts=_TIMEOUTS)
    client = HttpClient(url, account=account, tokens=_Key(key) if key else None, classify=_judge, retried_statuses=())
    async with client as http:
        response = await http.send("GET", "/v1/accounts")
        known = {interface_name(interface): interface for interface in INTERFACES}
        answered = response.parse(_Accounts)
        yield {
            row.name: AccountFacade(
                name=row.name,
                vendor=row.vendor,
                interfaces=tuple(known[name] for name in row.interfaces if name in known),
                carry_out=(remote := _Remote(http, row, raw)),
                routed=row.accounts,
                find_dial=remote.dial,
                state_dial=remote.make_statement,
                broken=PluginError(row.reason) if row.reason else None,
                report=(report := answered.vendors.get(row.vendor or "")),
                support=at_length(row.support, report) if row.support is not None else None,
            )
            for row in answered.items
        }


async def follow_remote(url: str, key: str | None, raw: bool, query: EventQuery) -> AsyncGenerator[CallEvent, None]:
    """Every event of the sidecar's that *query* asks for, for ever, page by page; where it was lost it goes on.

    Raises: EventsLost, InvalidRequest, NotFound, Unauthenticated, Forbidden, Unsupported.
    """
    filters = [(name, str(value)) for name in ("account", "type") for value in getattr(query, name)]
    filters += [(name, value) for name in ("extension", "number") if (value := getattr(query, name)) is not None]
    filters += [("raw", "1")] if raw else []
    client = HttpClient(
        url,
        account=Account(name="", timeouts=_TIMEOUTS),
        tokens=_Key(key) if key else None,
        classify=_judge,
        retried_statuses=(),
    )
    after, failures, pauses = query.after, 0, _pauses()
    async with client as http:
        while True:
            # The first page comes at once: it says where a reader that begins now will go on.
            place = [] if after is None else [("after", str(after)), ("wait", str(_WAIT_SECONDS))]
            try:
                page = (await http.send("GET", "/v1/events", params=[*filters, *place])).parse(EventPage)
            except GatewayError as error:
                if (error.status < 500 and error.status != 429) or isinstance(error, Unsupported | VendorAuthFailed):
                    raise
                failures += 1
                log.warning("events.unreachable", failures=failures, code=error.code)
                await asyncio.sleep(max(next(pauses), min(error.retry_after or 0, _MAX_BACKOFF_SECONDS)))
                continue
            failures, pauses = 0, _pauses()
            if page.resync and page.oldest is not None:
                raise events_lost(Lost(page.reason or ResyncReason.REMOVED, page.oldest))
            for event in page.items:
                yield event
            after = page.next


def _pauses() -> Iterator[float]:
    return delays(FIRST_BACKOFF_SECONDS, _MAX_BACKOFF_SECONDS)


class _Remote:
    """Carries operations out by asking the sidecar."""

    def __init__(self, http: HttpClient, row: _AccountRow, raw: bool) -> None:
        self._http = http
        self._account = row.name
        self._operations = row.operations
        self._raw = raw

    async def __call__(self, operation: Operation, arguments: Mapping[str, Any]) -> Any:
        try:
            if operation.since and self._operations is not None and operation.name not in self._operations:
                raise Unsupported(
                    f"The sidecar is older than {operation.interface}.{operation.name}: update it",
                    dial_state=DialState.NOT_PLACED if operation.rings else None,
                )
            checked = check_arguments(operation, arguments)
            path, params, body, headers = self._request(operation, checked)
            if operation.binary:
                return await self._audio(path, headers, checked)
            effect = Effect.RING if operation.rings else Effect.READ if operation.reads else Effect.WRITE
            response = await self._http.send(
                operation.verb,
                path,
                params=params,
                json=body,
                effect=effect,
                headers=headers,
                timeout=_TIMEOUTS.dial_wait if checked.get("wait") else None,
            )
            if operation.returns is type(None) or (operation.may_return_none and response.status == 204):
                return None
            return response.parse(operation.returns)
        except GatewayError as error:
            error.account = error.account or self._account
            error.operation = error.operation or operation.name
            # A sidecar says nothing of a key's dial that it could not look at; whatever else comes here says something.
            if operation.rings and error.dial_state is None and arguments.get("idempotency_key") is None:
                error.dial_state = DialState.NOT_PLACED if isinstance(error, InvalidRequest) else DialState.UNKNOWN
            told_of_key(error, arguments)
            raise

    async def dial(self, dial_id: str) -> Dial:
        """The dial called *dial_id*."""
        path = f"/v1/accounts/{segment('account', self._account)}/dials/{segment('dial_id', dial_id)}"
        return (await self._http.send("GET", path)).parse(Dial)

    async def make_statement(self, dial_id: str, *, state: str, note: str) -> Dial:
        """The dial called *dial_id*, with a person's word on how it ended."""
        path = f"/v1/accounts/{segment('account', self._account)}/dials/{segment('dial_id', dial_id)}/statement"
        response = await self._http.send("POST", path, json={"state": state, "note": note}, effect=Effect.WRITE)
        return response.parse(Dial)

    def _request(
        self, operation: Operation, arguments: Mapping[str, Any]
    ) -> tuple[str, list[tuple[str, str]], Any, dict[str, str]]:
        path = f"/v1/accounts/{segment('account', self._account)}{operation.path}"
        params: list[tuple[str, str]] = [("raw", "1")] if self._raw and not operation.binary else []
        body: dict[str, Any] = {}
        headers: dict[str, str] = {}
        for parameter in operation.parameters:
            # An older sidecar does not know every argument, and need not where nothing is said with it.
            if arguments.get(parameter.name, parameter.default) in (None, parameter.default):
                continue
            value = to_json(arguments[parameter.name])
            if parameter.location is Location.PATH:
                path = path.replace("{" + parameter.name + "}", segment(parameter.name, value))
            elif parameter.location is Location.BODY:
                body[parameter.name] = value
            elif parameter.location is Location.HEADER:
                headers[parameter.sent_as] = value
            else:
                params.append((parameter.name, _as_text(value)))
        writes = operation.verb in {"POST", "PUT", "PATCH"}
        return path, params, body if writes else None, headers

    async def _audio(self, path: str, headers: dict[str, str], arguments: Mapping[str, Any]) -> Audio:
        finish = contextlib.AsyncExitStack()
        try:
            response = await finish.enter_async_context(
                self._http.session.get(
                    URL(self._http.base_url + path, encoded=True),
                    headers={**headers, **await self._http.authorization()},
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=None, connect=_TIMEOUTS.connect, sock_read=_TIMEOUTS.read),
                )
            )
            if response.status not in {200, 206}:
                raise await self._problem(response)
            span = _SPAN.fullmatch(response.headers.get("Content-Range", "")) if response.status == 206 else None
            if (response.status == 206 and not span) or response.content_type in {"text/html", "application/json"}:
                raise VendorProtocolError("The sidecar's response is not a recording, or does not say which part of it")
        except BaseException as error:
            await finish.aclose()
            raise _lost(error) from error
        first, size = 0, response.content_length
        last = size - 1 if size else None
        if span:
            first, last = int(span[1]), int(span[2])
            size = None if span[3] == "*" else int(span[3])
        return Audio(
            account=response.headers.get("Gateway-Account", self._account),
            record_id=arguments["record_id"],
            media_type=response.content_type,
            chunks=_chunks(response, finish),
            partial=span is not None,
            start=first,
            end=last,
            size=size,
            finish=finish.aclose,
        )

    async def _problem(self, http: aiohttp.ClientResponse) -> GatewayError:
        response = await self._http.response_of(http, Effect.READ)
        return _error_in(response) or VendorUnavailable(f"The sidecar answered {response.status}")


async def _chunks(response: aiohttp.ClientResponse, finish: contextlib.AsyncExitStack) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.content.iter_any():
            yield chunk
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _lost(error) from error
    finally:
        await finish.aclose()


def _lost(error: BaseException) -> BaseException:
    if isinstance(error, NotSent):
        return VendorUnavailable(f"Nothing was sent to the sidecar: {error}")
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return VendorTimeout("The sidecar did not answer in time")
    if isinstance(error, SentAndLost | aiohttp.ClientError | OSError):
        return VendorUnavailable(f"The sidecar's response broke off ({type(error).__name__})")
    return error


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _judge(response: Response) -> GatewayError | None:
    """As `_error_in`; what the sidecar has judged already is raised, so that nobody judges it again by its status."""
    error = _error_in(response)
    # Of a key's dial, which it does not know, it says nothing when it refuses. It never judged where it failed itself.
    if error is not None and (response.effect is not Effect.RING or error.code != GatewayError.code):
        raise error
    return error


def _error_in(response: Response) -> GatewayError | None:
    """The error that a sidecar's problem stands for; None for success."""
    if 200 <= response.status < 300:
        return None
    # None where it is not a sidecar's response: something that stands before it, judged by its status.
    return error_of(response.data) if isinstance(response.data, dict) else None

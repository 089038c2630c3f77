"""Help for vendors that speak HTTP: one session, authorisation, decoding, and every trouble as one of our errors.

    async with HttpClient("https://pbx.example.vn", account=account, tokens=tokens) as http:
        answer = await http.send("GET", "/v1/call")
        rows = answer.parse(Rows)

What a request does decides what may happen to it (`Effect`): a read may be sent again, anything else is sent once; only
after a 401, which a vendor answers before it acts, does a request go out a second time, with a fresh token. A token
that is refused in another way is replaced too, and then only a read goes out again.
"""

import asyncio
import contextlib
import copy
import random
import re
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any, Protocol, Self, TypeVar
from urllib.parse import quote, urlencode

import aiohttp
import attrs
from yarl import URL

from .converters import InvalidValue, dumps, from_json, loads_mended, to_json
from .deadlines import Deadlines
from .errors import (
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
from .fence import pass_fence
from .plugin import Account
from .secrets import Secret

T = TypeVar("T")

MAX_ANSWER_BYTES = 32 * 1024 * 1024
READ_ATTEMPTS = 3
FIRST_BACKOFF_SECONDS = 0.1
RETRIED_STATUSES = frozenset({429, 500, 502, 503, 504})
DOUBT_SECONDS = 60.0

Params = Sequence[tuple[str, str]]


class Effect(StrEnum):
    """What a request does at the vendor."""

    READ = "read"
    WRITE = "write"
    RING = "ring"


class NotSent(Exception):  # a fact about a request, turned into one of our errors before it leaves
    """No byte of the request reached the vendor: no connection, name or certificate."""


class SentAndLost(Exception):  # see above
    """The request, or part of it, was sent, and no whole answer came back."""


class Tokens(Protocol):
    """Where the token of a request comes from. `TokenCache` is one."""

    async def get(self) -> str:
        """A token that should work."""

    def refuse(self, token: str) -> None:
        """The vendor refused *token*: do not give it out again."""


@attrs.frozen(kw_only=True, slots=False)  # made for every request
class Answer:
    """What the vendor answered. `data` is its body decoded, None where it is empty or cannot be decoded."""

    account: str
    effect: Effect
    status: int
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    data: Any = attrs.field(repr=False)

    @property
    def media_type(self) -> str:
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def parse(self, kind: type[T], data: Any = None) -> T:
        """The answer's data, or *data* taken out of it, as *kind*.

        Raises: VendorProtocolError, or OutcomeUnknown where the request was more than a read.
        """
        try:
            return from_json(self.data if data is None else data, kind)
        except InvalidValue as error:
            raise self.nonsense(f"its answer does not fit its documents: {error}") from error

    def nonsense(self, what: str) -> GatewayError:
        """The error for an answer that is not what the vendor's documents say."""
        if self.effect is Effect.READ:
            return VendorProtocolError(f"The vendor answered {self.status} and {what}", account=self.account)
        return _unknown(f"The vendor answered {self.status} and {what}", self.effect, Origin.VENDOR, self.account)


Decode = Callable[[bytes], Any]
"""Makes plain data of a body that is not empty. Raises ValueError for one that it cannot read."""

Classify = Callable[[Answer], GatewayError | None]
"""Which error an answer stands for, None for success; with `dial_state` where the documents say that nothing rang.

An error that it gives is still judged by what the request did; one that it raises goes out as it is. A
`VendorAuthFailed` that it gives, whatever the status, says that the token is refused, if the request carried one.
"""


async def _never_resend(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    # aiohttp sends a GET, PUT or DELETE again by itself when a reused connection drops, and has no public switch
    # against it (aio-libs/aiohttp#10790). It does so for two exceptions, so neither gets as far as that code.
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError as error:
        raise NotSent(_network_words(error)) from error
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise SentAndLost("the connection dropped before the answer") from error


_RINGING: ContextVar[bool] = ContextVar("ringing", default=False)


class _Connector(aiohttp.TCPConnector):
    """Lets a request that rings pass the fence when its connection stands: its bytes follow, and nothing in between."""

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:
        connection = await super().connect(req, traces, timeout)
        if _RINGING.get():
            try:
                await pass_fence()
            except BaseException:
                connection.release()
                raise
        return connection


class HttpClient:
    """One session to one vendor, for as long as the context is open.

    *tokens* gives the token that goes out as `Authorization: Bearer …`. *classify* reads the vendor's own errors out of
    an answer; what it leaves to us is judged by status. A read is sent again after *retried_statuses*. *decode* reads
    bodies that are not JSON, such as XML. Connections are not limited: a click-to-call that waits for a minute must not
    starve the others.
    """

    def __init__(
        self,
        base_url: str,
        *,
        account: Account,
        tokens: Tokens | None = None,
        classify: Classify | None = None,
        headers: Mapping[str, str] | None = None,
        retried_statuses: Collection[int] = RETRIED_STATUSES,
        decode: Decode = loads_mended,
    ) -> None:
        self.account = account
        self.base_url = base_url.rstrip("/")
        self._tokens = tokens
        self._classify = classify
        self._headers = {"Accept": "application/json", **(headers or {})}
        self._retried_statuses = frozenset(retried_statuses)
        self._decode = decode
        self._limits = aiohttp.ClientTimeout(connect=account.timeouts.connect)
        self._session: aiohttp.ClientSession | None = None
        self._doubted: object = None  # the last request whose refusal, no 401, replaced a token
        self._doubted_until = 0.0

    async def __aenter__(self) -> Self:
        self._deadlines = Deadlines()  # they belong to the loop of this opening
        self._session = aiohttp.ClientSession(
            connector=_Connector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(_never_resend,),
            headers={"User-Agent": "telephony-gateway"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        """The session itself, for what `send` does not cover (streams, sockets). It never sends anything twice."""
        if self._session is None:
            raise RuntimeError("use HttpClient with `async with`")
        return self._session

    async def send(
        self,
        verb: str,
        path: str,
        *,
        params: Params = (),
        json: Any = None,
        form: Params | None = None,
        effect: Effect = Effect.READ,
        timeout: float | None = None,
        headers: Mapping[str, str | Secret] | None = None,
        authorized: bool = True,
        refusals: Collection[int] = (),
        successes: Collection[int] = (),
    ) -> Answer:
        """Send a request and give the answer, if it is a success.

        *path* starts with `/` and is encoded already (see `segment`). The body is *json*, or the fields of a *form*.
        *timeout* is in seconds, by default the account's `read`, or `dial` for what rings. With *authorized* off no
        token goes out and a 401 is not tried again. *refusals* are the statuses that the vendor documents as "not
        done", beside 401; *successes* those that it documents as "done" without showing a body, so that no body, nor
        the loss of it, takes that back. A `Secret` in *json* or *headers* is sent as it is, and blotted out where the
        vendor repeats it in an error.

        Raises: what *classify* and the status stand for; VendorUnavailable, VendorTimeout; OutcomeUnknown when
        something that is more than a read was sent and its answer is lost or makes no sense.
        """
        default = self.account.timeouts.dial if effect is Effect.RING else self.account.timeouts.read
        deadline = time.monotonic() + (timeout or default)
        tokens = self._tokens if authorized else None
        body = _body_of(json, form)
        asked = (verb, path, *params)
        try:
            token = await tokens.get() if tokens else None
            answer = await self._deliver(verb, path, params, body, effect, deadline, headers, token, successes)
            if tokens and token and self._asks_again(token, tokens, answer, asked):
                refused, token = token, await tokens.get()
                if token != refused:
                    answer = await self._deliver(verb, path, params, body, effect, deadline, headers, token, successes)
        except GatewayError as error:
            # Whatever `tokens.get` raises came before the request, or after a 401 to it, so nothing rang.
            if effect is Effect.RING and error.dial_state is None:
                error.dial_state = DialState.NOT_PLACED
            raise
        try:
            if answer.status not in successes:
                self._judge(answer, refusals)
        except GatewayError as error:
            _scrub(error, [*_secrets_in(json), *_secrets_in(headers), *([token] if token else [])])
            raise
        if tokens:
            self._trust(asked)
        return answer

    async def authorization(self) -> dict[str, str]:
        """The header that a request carries, for what `send` does not cover."""
        return {"Authorization": f"Bearer {await self._tokens.get()}"} if self._tokens else {}

    async def authorized(self, read: Callable[[Mapping[str, str]], Awaitable[T]], *, of: str) -> T:
        """The result of *read* with that header, for a read that `send` does not cover. *of* says what is read.

        Where it raises VendorAuthFailed the token is replaced, and *read* is called once more.
        """
        headers = await self.authorization()
        try:
            found = await read(headers)
        except VendorAuthFailed:
            if self._tokens:
                self._doubt(headers["Authorization"].removeprefix("Bearer "), self._tokens, of)
            fresh = await self.authorization()
            if fresh == headers:
                raise
            found = await read(fresh)
        self._trust(of)
        return found

    def _asks_again(self, token: str, tokens: Tokens, answer: Answer, asked: object) -> bool:
        """Let *token* be replaced where *answer* refuses it. Whether what was *asked* may go out again with another."""
        if answer.status == 401:
            tokens.refuse(token)
            return True
        refused = False
        with contextlib.suppress(GatewayError):  # which is no word about the token, and is met again
            refused = isinstance(self._error_in(answer), VendorAuthFailed)
        if refused:
            self._doubt(token, tokens, asked)
        return refused and answer.effect is Effect.READ

    def _doubt(self, token: str, tokens: Tokens, asked: object) -> None:
        """Let *token* be replaced, unless that has just been of no help."""
        # The account may lack a right, which no token mends. So after one that was replaced for it no other is for a
        # while, unless the very same request has got through since.
        now = time.monotonic()
        if now >= self._doubted_until:
            self._doubted, self._doubted_until = asked, now + DOUBT_SECONDS
            tokens.refuse(token)

    def _trust(self, asked: object) -> None:
        if self._doubted == asked:
            self._doubted_until = 0.0

    async def answer_of(self, response: aiohttp.ClientResponse, effect: Effect) -> Answer:
        """*response* read to its end and decoded."""
        return self._answer(response, effect, await _read_at_most(response, MAX_ANSWER_BYTES))

    def _answer(self, response: aiohttp.ClientResponse, effect: Effect, body: bytes = b"") -> Answer:
        try:
            data = self._decode(body) if body.strip() else None
        except ValueError:
            data = None
        return Answer(
            account=self.account.name,
            effect=effect,
            status=response.status,
            headers=response.headers,
            body=body,
            data=data,
        )

    def _error_in(self, answer: Answer) -> GatewayError | None:
        error = self._classify(answer) if self._classify else None
        return error or error_for_status(answer)

    def _judge(self, answer: Answer, refusals: Collection[int]) -> None:
        error = self._error_in(answer)
        if error is None:
            if answer.data is None and answer.body.strip() not in (b"", b"null"):
                raise answer.nonsense(f"its body, {answer.media_type or 'of no type'}, cannot be read")
            return
        error.account = error.account or answer.account
        if answer.effect is not Effect.RING:
            error.dial_state = None  # what a refusal says of ringing is no matter here
        if answer.effect is Effect.RING and error.dial_state is None:
            if answer.status == 401 or answer.status in refusals:
                error.dial_state = DialState.NOT_PLACED
            else:
                raise _unknown(
                    error.message, answer.effect, Origin.VENDOR, answer.account, error.vendor_code
                ) from error
        elif answer.effect is Effect.WRITE and answer.status >= 500 and answer.status not in refusals:
            raise _unknown(error.message, answer.effect, Origin.VENDOR, answer.account, error.vendor_code) from error
        raise error

    async def _deliver(
        self,
        verb: str,
        path: str,
        params: Params,
        body: "_Body | None",
        effect: Effect,
        deadline: float,
        headers: Mapping[str, str | Secret] | None,
        token: str | None,
        successes: Collection[int],
    ) -> Answer:
        """Send once, or a few times what is a read, until *deadline*."""
        account = self.account.name
        for attempt in range(1, READ_ATTEMPTS + 1):
            last = effect is not Effect.READ or attempt == READ_ATTEMPTS
            pause = FIRST_BACKOFF_SECONDS * 2 ** (attempt - 1)
            pause *= 0.5 + random.random() / 2  # noqa: S311 # jitter
            ringing = _RINGING.set(effect is Effect.RING)
            try:
                left = self._left_until(deadline)
                with contextlib.ExitStack() as lost, _IN_OUR_WORDS, self._deadlines.after(left):
                    async with self.session.request(
                        verb,
                        self._address(path, params),
                        data=body.content if body else None,
                        headers=self._sent_headers(headers, token, body, effect),
                        timeout=self._limits_of(left),
                        allow_redirects=False,
                    ) as response:
                        if response.status in successes:  # which has said it all
                            answer = self._answer(response, effect)
                            lost.enter_context(contextlib.suppress(TimeoutError, SentAndLost, _TooLong))
                        answer = await self.answer_of(response, effect)
            except NotSent as error:
                if last or time.monotonic() + pause >= deadline:
                    state = DialState.NOT_PLACED if effect is Effect.RING else None
                    raise VendorUnavailable(f"Nothing was sent: {error}", account=account, dial_state=state) from error
            except TimeoutError as error:
                if effect is not Effect.READ:
                    raise _unknown("The vendor did not answer in time", effect, Origin.NETWORK, account) from error
                raise VendorTimeout("The vendor did not answer in time", account=account) from error
            except SentAndLost as error:
                if effect is not Effect.READ:
                    raise _unknown(f"The request was sent and {error}", effect, Origin.NETWORK, account) from error
                if last or time.monotonic() + pause >= deadline:
                    raise VendorUnavailable(f"The request was sent and {error}", account=account) from error
            except _TooLong:
                text = f"The vendor's answer is larger than {MAX_ANSWER_BYTES} bytes"
                if effect is Effect.READ:  # asking again would not help
                    raise VendorProtocolError(text, account=account) from None
                raise _unknown(text, effect, Origin.VENDOR, account) from None
            else:
                if last or answer.status not in self._retried_statuses:
                    return answer
                pause = retry_after_of(answer.headers) or pause
                if time.monotonic() + pause >= deadline:
                    return answer
            finally:
                _RINGING.reset(ringing)
            await asyncio.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    def _left_until(self, deadline: float) -> float:
        """The seconds that are left to ask in. Raises: NotSent when nothing can be asked any more."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise NotSent("no time was left")
        if self.session.closed:
            raise NotSent("the account is closed")
        return left

    def _limits_of(self, left: float) -> aiohttp.ClientTimeout:
        # The connection's own limit always comes first, so that a late one is known as such, however busy we are.
        most = max(left - 1, left / 2)
        return self._limits if self.account.timeouts.connect <= most else aiohttp.ClientTimeout(connect=most)

    def _address(self, path: str, params: Params) -> URL:
        url = URL(self.base_url + path, encoded=True)
        if not params:
            return url
        return url.update_query(list(params)) if url.raw_query_string else url.with_query(list(params))

    def _sent_headers(
        self, given: Mapping[str, str | Secret] | None, token: str | None, body: "_Body | None", effect: Effect
    ) -> dict[str, str]:
        headers = {**self._headers, **(to_json(given) if given else {})}
        if effect is Effect.RING:
            headers["Accept-Encoding"] = "identity"  # what cannot be unpacked would hide what became of it
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            headers["Content-Type"] = body.media_type
        return headers


class _InOurWords:
    """A context in which what aiohttp raises becomes what it says of the request."""

    # The causes are left out: their texts hold the address with its query, and phone numbers are in it.

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            raise NotSent("no connection in time") from None
        if isinstance(error, aiohttp.InvalidURL):
            raise NotSent("the address is not valid") from None
        if isinstance(error, aiohttp.ClientError):
            raise SentAndLost(f"the answer broke off ({type(error).__name__})") from None


_IN_OUR_WORDS = _InOurWords()


@attrs.frozen
class _Body:
    media_type: str
    content: bytes = attrs.field(repr=False)


def _body_of(json: Any, form: Params | None) -> _Body | None:
    if form is not None:
        return _Body("application/x-www-form-urlencoded", urlencode(form).encode())
    return None if json is None else _Body("application/json", dumps(to_json(json)))


class _TooLong(Exception):  # never leaves this module
    pass


async def _read_at_most(response: aiohttp.ClientResponse, limit: int) -> bytes:
    if response.content_length is not None and "Content-Encoding" not in response.headers:
        if response.content_length > limit:
            raise _TooLong
        return await response.read()  # all at once: no more can come than was announced
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > limit:
            raise _TooLong
    return bytes(content)


def _secrets_in(value: Any) -> list[str]:
    if isinstance(value, Secret):
        return [value.reveal()]
    if isinstance(value, Mapping):
        return [secret for item in value.values() for secret in _secrets_in(item)]
    return [secret for item in value for secret in _secrets_in(item)] if isinstance(value, list | tuple) else []


def _scrub(error: GatewayError, secrets: Sequence[str]) -> None:
    """Take out of *error*, and of what caused it, what a vendor repeats of what it was sent."""
    for secret in secrets:
        for word in (secret, secret.removeprefix("Bearer ").removeprefix("Basic ")):
            if word:
                error.message = _blot(error.message, word)
                error.vendor_code = error.vendor_code and _blot(error.vendor_code, word)
                error.fields = {_blot(name, word): _blot(said, word) for name, said in error.fields.items()}
    error.args = (error.message,)
    if isinstance(error.__cause__, GatewayError):
        _scrub(error.__cause__, secrets)


def _blot(text: str, word: str) -> str:
    """*text* with stars for *word*, and for the beginning of a long one, which is what is left where a text was cut."""
    text = text.replace(word, "********")
    return re.sub(rf"{re.escape(word[:16])}\S*", "********", text) if len(word) > 16 else text


def segment(name: str, value: str) -> str:
    """*value* as one encoded part of a path. *name* is the argument it came from.

    Raises: InvalidRequest for what would change the path (empty, `.`, `..`) or cannot be an id.
    """
    if not value.strip() or value in {".", ".."} or len(value) > 512 or not value.isprintable():
        raise InvalidRequest(f"{name} is not an id", fields={name: "is not an id"})
    return quote(value, safe="")


def error_for_status(answer: Answer, message: str | None = None) -> GatewayError | None:
    """The error that an HTTP status stands for, None for 2xx. *message* is the vendor's own text, if there is any."""
    status = answer.status
    if 200 <= status < 300:
        return None
    kind, retry_after = _ERROR_OF_STATUS.get(status), None
    if kind is None:
        kind = VendorUnavailable if status >= 500 else VendorRejected if status >= 400 else VendorProtocolError
    if kind in (RateLimited, VendorUnavailable):
        retry_after = retry_after_of(answer.headers)
    text = f"The vendor answered {status}" + (f": {message}" if message else "")
    return kind(text, account=answer.account, origin=Origin.VENDOR, vendor_code=str(status), retry_after=retry_after)


_ERROR_OF_STATUS: Mapping[int, type[GatewayError]] = {
    400: InvalidRequest,
    401: VendorAuthFailed,
    403: VendorAuthFailed,
    404: NotFound,
    405: VendorProtocolError,
    408: VendorTimeout,
    409: Conflict,
    429: RateLimited,
    504: VendorTimeout,
}


def _unknown(
    message: str, effect: Effect, origin: Origin, account: str, vendor_code: str | None = None
) -> OutcomeUnknown:
    ending = (
        ". A phone may have rung. Do not dial again: ask about the dial, or look at the live calls and records"
        if effect is Effect.RING
        else ". It may have been done: look before you send it again"
    )
    return OutcomeUnknown(
        message + ending,
        account=account,
        origin=origin,
        vendor_code=vendor_code,
        dial_state=DialState.UNKNOWN if effect is Effect.RING else None,
    )


def _network_words(error: aiohttp.ClientConnectorError) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"the name {error.host!r} was not found"
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return f"the TLS connection to {error.host}:{error.port} failed ({type(error).__name__})"
    return f"no connection to {error.host}:{error.port} ({error.strerror or type(error.os_error).__name__})"


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """The seconds to wait that a vendor says, None where it says nothing that makes sense."""
    value = headers.get("Retry-After", "").strip()
    if not value:
        return None
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)


@attrs.frozen
class Token:
    """A vendor's token and when it ends, in seconds since 1970; it is replaced at *renew_at*."""

    text: str = attrs.field(repr=False)
    renew_at: float


class TokenCache:
    """Keeps one token for everybody: asked for when needed, by one of those who wait, and replaced before it ends.

    *fetch* asks the vendor. A waiter that is cancelled does not cancel the others' wait.
    """

    def __init__(self, fetch: Callable[[], Awaitable[Token]], *, clock: Callable[[], float] = time.time) -> None:
        self._fetch = fetch
        self._clock = clock
        self._token: Token | None = None
        self._fetching: asyncio.Task[Token] | None = None

    async def get(self) -> str:
        """A token that should work. Raises: whatever *fetch* raises."""
        token = self._token
        if token is None or self._clock() >= token.renew_at:
            if self._fetching is None:
                self._fetching = asyncio.create_task(self._renew())
                self._fetching.add_done_callback(_look_at)  # in case every waiter was cancelled
            fetching = self._fetching
            try:
                token = await asyncio.shield(fetching)
            except asyncio.CancelledError:
                waiter = asyncio.current_task()
                if fetching.cancelled() and not (waiter and waiter.cancelling()):
                    raise VendorUnavailable("The account was closed before a token came") from None
                raise
            except GatewayError as error:
                raise copy.copy(error) from error  # each waiter adds its own operation to its error
        return token.text

    def refuse(self, token: str) -> None:
        """Forget *token*, unless it has been replaced meanwhile."""
        if self._token is not None and self._token.text == token:
            self._token = None

    async def aclose(self) -> None:
        """Stop a fetch that is under way."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])

    async def _renew(self) -> Token:
        try:
            self._token = await self._fetch()
        finally:
            self._fetching = None
        return self._token


def renew_at(expiry: float, *, now: float, max_age: float) -> float:
    """When to replace a token: at 80% of its life, a minute before its end, or after *max_age*, whichever is first.

    *expiry* is what a vendor said, told apart by magnitude: from 10^12 on milliseconds since 1970, from 10^9 on seconds
    since 1970, below that seconds from *now*.
    """
    if expiry >= 1e12:
        life = expiry / 1000 - now
    elif expiry >= 1e9:
        life = expiry - now
    else:
        life = expiry
    if life <= 0:  # their clock or ours is wrong; a 401 will tell
        life = 120
    return now + min(max(min(0.8 * life, life - 60), 0.5 * life), max_age)


def _look_at(task: asyncio.Task[Token]) -> None:
    if not task.cancelled():
        task.exception()

"""The client: one session to one vendor, which sends each request as often as its effect allows."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Self, TypeVar

import aiohttp
from yarl import URL

from ..backoff import delays
from ..converters import loads_mended, to_json
from ..deadlines import Deadlines
from ..errors import (
    DialState,
    GatewayError,
    Origin,
    VendorAuthFailed,
    VendorProtocolError,
    VendorTimeout,
    VendorUnavailable,
)
from ..plugin import Account
from ..secrets import Secret
from .connection import IN_OUR_WORDS, RINGING, Connector, NotSent, SentAndLost, TooLong, never_resend, read_at_most
from .request import Body, Effect, Params, body_of, scrub, secrets_in
from .response import Classify, Response, error_for_status, outcome_unknown, retry_after_of
from .tokens import Tokens

T = TypeVar("T")

MAX_RESPONSE_BYTES = 32 * 1024 * 1024
READ_ATTEMPTS = 3
FIRST_BACKOFF_SECONDS, MOST_BACKOFF_SECONDS = 0.1, 1.0
RETRIED_STATUSES = frozenset({429, 500, 502, 503, 504})
DOUBT_SECONDS = 60.0

Decode = Callable[[bytes], Any]
"""Makes plain data of a body that is not empty. Raises ValueError for one that it cannot read."""


class HttpClient:
    """One session to one vendor, for as long as the context is open.

    *tokens* gives the token that goes out as `Authorization: Bearer …`. *classify* reads the vendor's own errors out of
    a response; for a response without one, the status decides. The client sends a read again after
    *retried_statuses*. *decode* reads bodies that are not JSON, such as XML. The number of connections is not limited:
    click-to-calls that wait for a minute must not starve other requests.
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
            connector=Connector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(never_resend,),
            headers={"User-Agent": "telephony-gateway"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        """The session itself, for streams and sockets, which `send` does not cover. It never sends anything twice."""
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
    ) -> Response:
        """Send a request, and return the response if it is a success.

        *path* starts with `/` and is encoded already (see `segment`). The body is *json*, or the fields of a *form*.
        *timeout* is in seconds, by default the account's `read`, or `dial` for a request that rings. With *authorized*
        off the client sends no token and does not try again after a 401. *refusals* are the statuses that the vendor
        documents as "not done", beside 401; *successes* those that it documents as "done" without a body: then no
        body, and no loss of it, turns the success into an error. A `Secret` in *json* or *headers* is sent as it is,
        and blotted out where the vendor repeats it in an error.

        Raises: the error that *classify* or the status stands for; VendorUnavailable, VendorTimeout; OutcomeUnknown
        when a request that is more than a read was sent, and its response was lost or makes no sense.
        """
        default = self.account.timeouts.dial if effect is Effect.RING else self.account.timeouts.read
        deadline = time.monotonic() + (timeout or default)
        tokens = self._tokens if authorized else None
        body = body_of(json, form)
        asked = (verb, path, *params)
        try:
            token = await tokens.get() if tokens else None
            response = await self._deliver(verb, path, params, body, effect, deadline, headers, token, successes)
            if tokens and token and self._asks_again(token, tokens, response, asked):
                refused, token = token, await tokens.get()
                if token != refused:
                    response = await self._deliver(
                        verb, path, params, body, effect, deadline, headers, token, successes
                    )
        except GatewayError as error:
            # The errors of `tokens.get` come before the request, or after a 401 to it, so nothing rang.
            if effect is Effect.RING and error.dial_state is None:
                error.dial_state = DialState.NOT_PLACED
            raise
        try:
            if response.status not in successes:
                self._judge(response, refusals)
        except GatewayError as error:
            scrub(error, [*secrets_in(json), *secrets_in(headers), *([token] if token else [])])
            raise
        if tokens:
            self._trust(asked)
        return response

    async def authorization(self) -> dict[str, str]:
        """Give the header that carries the token, for requests that `send` does not cover."""
        return {"Authorization": f"Bearer {await self._tokens.get()}"} if self._tokens else {}

    async def authorized(self, read: Callable[[Mapping[str, str]], Awaitable[T]], *, of: str) -> T:
        """Return the result of *read* with that header, for reads that `send` does not cover. *of* names what is read.

        When *read* raises VendorAuthFailed, the client replaces the token and calls *read* once more.
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

    def _asks_again(self, token: str, tokens: Tokens, response: Response, asked: object) -> bool:
        """Let *token* be replaced where *response* refuses it. Whether what was *asked* may go out with another."""
        if response.status == 401:
            tokens.refuse(token)
            return True
        refused = False
        with contextlib.suppress(GatewayError):  # which is no word about the token, and is met again
            refused = isinstance(self._error_in(response), VendorAuthFailed)
        if refused:
            self._doubt(token, tokens, asked)
        return refused and response.effect is Effect.READ

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

    async def response_of(self, received: aiohttp.ClientResponse, effect: Effect) -> Response:
        """Read *received* to its end, and decode it."""
        return self._response(received, effect, await read_at_most(received, MAX_RESPONSE_BYTES))

    answer_of = response_of  # its name before

    def _response(self, received: aiohttp.ClientResponse, effect: Effect, body: bytes = b"") -> Response:
        try:
            data = self._decode(body) if body.strip() else None
        except ValueError:
            data = None
        return Response(
            account=self.account.name,
            effect=effect,
            status=received.status,
            headers=received.headers,
            body=body,
            data=data,
        )

    def _error_in(self, response: Response) -> GatewayError | None:
        error = self._classify(response) if self._classify else None
        return error or error_for_status(response)

    def _judge(self, response: Response, refusals: Collection[int]) -> None:
        error, effect = self._error_in(response), response.effect
        if error is None:
            if response.data is None and response.body.strip() not in (b"", b"null"):
                raise response.nonsense(f"its body, {response.media_type or 'of no type'}, cannot be read")
            return
        error.account = error.account or response.account
        if effect is not Effect.RING:
            error.dial_state = None  # what a refusal says of ringing is no matter here
        refused = response.status in refusals
        if effect is Effect.RING and error.dial_state is None:
            if response.status != 401 and not refused:
                raise outcome_unknown(error.message, effect, response.account, vendor_code=error.vendor_code) from error
            error.dial_state = DialState.NOT_PLACED
        elif effect is Effect.WRITE and response.status >= 500 and not refused:
            raise outcome_unknown(error.message, effect, response.account, vendor_code=error.vendor_code) from error
        raise error

    async def _deliver(
        self,
        verb: str,
        path: str,
        params: Params,
        body: Body | None,
        effect: Effect,
        deadline: float,
        headers: Mapping[str, str | Secret] | None,
        token: str | None,
        successes: Collection[int],
    ) -> Response:
        """Send once, or a few times what is a read, until *deadline*."""
        account = self.account.name
        pauses = delays(FIRST_BACKOFF_SECONDS, MOST_BACKOFF_SECONDS)
        for attempt in range(1, READ_ATTEMPTS + 1):
            last = effect is not Effect.READ or attempt == READ_ATTEMPTS
            ringing = RINGING.set(effect is Effect.RING)
            try:
                left = self._left_until(deadline)
                with contextlib.ExitStack() as lost, IN_OUR_WORDS, self._deadlines.after(left):
                    async with self.session.request(
                        verb,
                        self._address(path, params),
                        data=body.content if body else None,
                        headers=self._sent_headers(headers, token, body, effect),
                        timeout=self._limits_of(left),
                        allow_redirects=False,
                    ) as received:
                        if received.status in successes:  # which has said it all
                            response = self._response(received, effect)
                            lost.enter_context(contextlib.suppress(TimeoutError, SentAndLost, TooLong))
                        response = await self.response_of(received, effect)
            except NotSent as error:
                pause = next(pauses)
                if last or time.monotonic() + pause >= deadline:
                    state = DialState.NOT_PLACED if effect is Effect.RING else None
                    raise VendorUnavailable(f"Nothing was sent: {error}", account=account, dial_state=state) from error
            except TimeoutError as error:
                if effect is not Effect.READ:
                    late = outcome_unknown("The vendor did not answer in time", effect, account, origin=Origin.NETWORK)
                    raise late from error
                raise VendorTimeout("The vendor did not answer in time", account=account) from error
            except SentAndLost as error:
                pause, text = next(pauses), f"The request was sent and {error}"
                if effect is not Effect.READ:
                    raise outcome_unknown(text, effect, account, origin=Origin.NETWORK) from error
                if last or time.monotonic() + pause >= deadline:
                    raise VendorUnavailable(text, account=account) from error
            except TooLong:
                text = f"The vendor's answer is larger than {MAX_RESPONSE_BYTES} bytes"
                if effect is Effect.READ:  # asking again would not help
                    raise VendorProtocolError(text, account=account) from None
                raise outcome_unknown(text, effect, account) from None
            else:
                if last or response.status not in self._retried_statuses:
                    return response
                pause = retry_after_of(response.headers) or next(pauses)
                if time.monotonic() + pause >= deadline:
                    return response
            finally:
                RINGING.reset(ringing)
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
        self, given: Mapping[str, str | Secret] | None, token: str | None, body: Body | None, effect: Effect
    ) -> dict[str, str]:
        headers = {**self._headers, **(to_json(given) if given else {})}
        if effect is Effect.RING:
            headers["Accept-Encoding"] = "identity"  # what cannot be unpacked would hide what became of it
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            headers["Content-Type"] = body.media_type
        return headers

"""From user name and password, or an api key, to the token that every request carries."""

import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import attrs
from gateway_contracts import Account, GatewayError, Secret, Unsupported, VendorAuthFailed, VendorProtocolError
from gateway_contracts.http import HttpClient, Token, TokenCache, renew_at

from .responses import classify, unwrap
from .settings import AccountSettings
from .words import Number, truth, whole


@attrs.define(kw_only=True)
class _Login:
    """003:44-51, 002:46-54. The ids of user and domain, and the level, are not used."""

    api_key: str = attrs.field(repr=False)
    user_enabled: str | bool | None = None
    enabled: str | bool | None = None


@attrs.define(kw_only=True)
class _TokenRow:
    token: str = attrs.field(repr=False)
    expired: Number = None
    expired_in: Number = None


@contextlib.asynccontextmanager
async def connected(
    account: Account, settings: AccountSettings, *, login_path: str, token_path: str
) -> AsyncIterator[HttpClient]:
    """The session of an account, with its token, for as long as the context is open."""

    async def fetch() -> Token:
        return await source.fetch()

    tokens = TokenCache(fetch)
    async with HttpClient(settings.base_url, account=account, tokens=tokens, classify=classify) as http:
        source = TokenSource(
            http=http,
            login_path=login_path,
            token_path=token_path,
            api_key=settings.api_key,
            username=settings.username,
            password=settings.password,
            max_age_seconds=settings.token_max_age_seconds,
        )
        try:
            yield http
        finally:
            await tokens.aclose()


@attrs.define(kw_only=True)
class TokenSource:
    """Asks for tokens: `POST` *token_path* with the api key (003:102), which `POST` *login_path* gives for a user name
    and password (003:59). When an api key that came from a login stops working, the login is done once more.
    """

    http: HttpClient
    login_path: str
    token_path: str
    api_key: Secret | None
    username: str | None
    password: Secret | None
    max_age_seconds: float
    _from_login: Secret | None = attrs.field(default=None, init=False, repr=False)
    _disabled: bool = attrs.field(default=False, init=False)  # by the last login's own word

    async def fetch(self) -> Token:
        """A new token. Raises: VendorAuthFailed, Unsupported without credentials, and what any read raises."""
        if self.api_key:
            return await self._exchange(self.api_key)
        if self._from_login is not None:
            try:
                return await self._exchange(self._from_login)
            except VendorAuthFailed:
                self._from_login = None
        self._from_login = await self._log_in()
        try:
            return await self._exchange(self._from_login)
        except VendorAuthFailed as error:
            if self._disabled:
                error.message += ". The vendor says that the account's user is disabled"
            raise

    async def _log_in(self) -> Secret:
        if not self.username:
            place = f"accounts.{self.http.account.name}.settings"
            raise Unsupported(
                f"Nothing but Tenants can be done with tenant_secret alone: set api_key, or username and password, in "
                f"{place}",
                account=self.http.account.name,
            )
        body = {"username": self.username, "password": self.password}
        row = await self._ask(self.login_path, body, "api_key", _Login)
        self._disabled = truth(row.enabled if row.user_enabled is None else row.user_enabled) is False
        return Secret(row.api_key.strip())

    async def _exchange(self, api_key: Secret) -> Token:
        row = await self._ask(self.token_path, {"api_key": api_key}, "token", _TokenRow)
        token = row.token.strip()
        if not token.isascii() or not token.isprintable() or not token or " " in token:
            raise VendorProtocolError("The vendor gave a token that cannot be sent", account=self.http.account.name)
        # Two shapes, and which one a host sends does not follow its API version: an epoch or the seconds that are left.
        expiry = _expiry(row.expired) or _expiry(row.expired_in) or self.max_age_seconds
        return Token(token, renew_at(expiry, now=time.time(), max_age=self.max_age_seconds))

    async def _ask(self, path: str, body: dict[str, Any], wanted: str, kind: Any) -> Any:
        try:
            response = await self.http.send("POST", path, json=body, authorized=False)
            return response.parse(kind, unwrap(response.data, wanted))
        except GatewayError as error:
            if error.status in {400, 404, 422}:  # a refusal in whatever form: the credentials are what was asked about
                # Its text is left out: it may repeat what was sent.
                raise VendorAuthFailed(
                    f"The vendor did not accept the account's credentials at {path}: check api_key, or username and "
                    "password, in the account's settings"
                    + (", and base_url: there may be nothing at that path" if error.status == 404 else ""),
                    account=error.account,
                ) from None
            error.message = f"Asking for a token: {error.message}"
            raise


def _expiry(value: Number) -> float | None:
    """When a token ends, None where that makes no sense: it is used until the vendor refuses it."""
    try:
        return whole(value)
    except (ValueError, OverflowError):
        return None

"""Who may do what: keys that clients bear, known to us by their hash only."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence

import attrs
from gateway_contracts import Forbidden, Unauthenticated

from .config import SCOPES, KeyConfig

MAX_KEY_CHARACTERS = 512


@attrs.frozen(kw_only=True)
class Client:
    """Somebody who asks. `accounts` is None for all of them."""

    name: str
    scopes: frozenset[str]
    accounts: frozenset[str] | None

    def may_use(self, account: str) -> bool:
        """Whether *account* is one of this client's."""
        return self.accounts is None or account in self.accounts

    def need(self, scope: str) -> None:
        """Raises: Forbidden when this client lacks *scope*."""
        if scope not in self.scopes:
            raise Forbidden(f"The key {self.name!r} lacks the scope {scope!r}")

    def check(self, account: str, scope: str) -> None:
        """Raises: Forbidden when this client may not do on *account* what needs *scope*."""
        if not self.may_use(account):
            raise Forbidden(f"The key {self.name!r} may not use the account {account!r}", account=account)
        if scope not in self.scopes:
            raise Forbidden(f"The key {self.name!r} lacks the scope {scope!r}", account=account)


LOCAL = Client(name="local", scopes=frozenset(SCOPES), accounts=None)
"""Every program on this machine, when no keys are configured."""


def new_key() -> tuple[str, str]:
    """A new key and its SHA-256, in hex."""
    key = f"gw_{secrets.token_urlsafe(32)}"
    return key, hash_of(key)


def hash_of(key: str) -> str:
    """The SHA-256 of *key*, in hex. A key is 256 random bits, so a slow hash would add nothing."""
    return hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()  # a header may hold any bytes


class Keyring:
    """The configured keys. Without any, everybody is `LOCAL`: the configuration allows that on loopback only."""

    def __init__(self, keys: Sequence[KeyConfig]) -> None:
        self._keys = [
            (
                key.sha256.encode(),
                Client(
                    name=key.name,
                    scopes=frozenset(key.scopes),
                    accounts=None if "*" in key.accounts else frozenset(key.accounts),
                ),
            )
            for key in keys
        ]

    def __bool__(self) -> bool:
        return bool(self._keys)

    def named(self, name: str) -> Client | None:
        """What the key called *name* may do now, if there is one."""
        if not self._keys:
            return LOCAL if name == LOCAL.name else None
        return next((client for _, client in self._keys if client.name == name), None)

    def client(self, authorization: str | None) -> Client:
        """Who bears the key in an `Authorization` header. Raises: Unauthenticated."""
        if not self._keys:
            return LOCAL
        kind, _, key = (authorization or "").strip().partition(" ")
        if kind.lower() != "bearer" or not key.strip() or len(key) > MAX_KEY_CHARACTERS:
            raise Unauthenticated("Send a key: Authorization: Bearer …")
        presented = hash_of(key.strip()).encode()
        found: Client | None = None
        for known, client in self._keys:  # all of them, always: the time taken says nothing
            if hmac.compare_digest(presented, known):
                found = client
        if found is None:
            raise Unauthenticated("The key is not known")
        return found

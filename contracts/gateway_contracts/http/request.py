"""What goes out: the effect of a request, its path, its credentials and its body."""

import base64
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any
from urllib.parse import quote, urlencode

import attrs

from ..converters import dumps, to_json
from ..errors import GatewayError, InvalidRequest
from ..secrets import Secret

Params = Sequence[tuple[str, str]]


class Effect(StrEnum):
    """What a request does at the vendor."""

    READ = "read"
    WRITE = "write"
    RING = "ring"


def segment(name: str, value: str) -> str:
    """Encode *value* as one part of a path. *name* is the argument that it came from.

    Raises: InvalidRequest for text that would change the path (empty, `.`, `..`) or cannot be an id.
    """
    if not value.strip() or value in {".", ".."} or len(value) > 512 or not value.isprintable():
        raise InvalidRequest(f"{name} is not an id", fields={name: "is not an id"})
    return quote(value, safe="")


def basic_authorization(username: str, password: Secret) -> Secret:
    """The value of an `Authorization` header for basic authentication (RFC 7617), in UTF-8."""
    pair = f"{username}:{password.reveal()}"
    return Secret(f"Basic {base64.b64encode(pair.encode()).decode()}")


@attrs.frozen
class Body:
    """The bytes of a request's body, and what they are."""

    media_type: str
    content: bytes = attrs.field(repr=False)


def body_of(json: Any, form: Params | None) -> Body | None:
    """The body that says *json*, or the fields of a *form*; None for neither."""
    if form is not None:
        return Body("application/x-www-form-urlencoded", urlencode(form).encode())
    return None if json is None else Body("application/json", dumps(to_json(json)))


def secrets_in(value: Any) -> list[str]:
    """The text of every `Secret` in a body or in headers."""
    if isinstance(value, Secret):
        return [value.reveal()]
    if isinstance(value, Mapping):
        return [secret for item in value.values() for secret in secrets_in(item)]
    return [secret for item in value for secret in secrets_in(item)] if isinstance(value, list | tuple) else []


def scrub(error: GatewayError, secrets: Sequence[str]) -> None:
    """Take *secrets* out of *error* and of its causes: a vendor may repeat in its text what it was sent."""
    for secret in secrets:
        for word in (secret, secret.removeprefix("Bearer ").removeprefix("Basic ")):
            if word:
                error.message = _blot(error.message, word)
                error.vendor_code = error.vendor_code and _blot(error.vendor_code, word)
                error.fields = {_blot(name, word): _blot(said, word) for name, said in error.fields.items()}
    error.args = (error.message,)
    if isinstance(error.__cause__, GatewayError):
        scrub(error.__cause__, secrets)


def _blot(text: str, word: str) -> str:
    """*text* with stars for *word*, and for the beginning of a long *word*: the vendor may have cut its text."""
    text = text.replace(word, "********")
    return re.sub(rf"{re.escape(word[:16])}\S*", "********", text) if len(word) > 16 else text

"""Signs the webhooks that we send, as Standard Webhooks says: https://www.standardwebhooks.com."""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import datetime

from gateway_contracts import Secret

PREFIX = "whsec_"
_MIN_BYTES, _MAX_BYTES = 24, 64


def new_secret() -> Secret:
    """A secret to sign with, as the standard writes it."""
    return Secret(PREFIX + base64.b64encode(secrets.token_bytes(32)).decode())


def is_secret(text: str) -> bool:
    """Whether *text* is a secret as the standard writes it: `whsec_` and 24 to 64 bytes as base64."""
    try:
        return text.startswith(PREFIX) and _MIN_BYTES <= len(_bytes_of(text)) <= _MAX_BYTES
    except (binascii.Error, ValueError):
        return False


def signed(keys: Iterable[Secret], identity: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers of the message *body*, sent *at*, signed with each of *keys*."""
    timestamp = str(int(at.timestamp()))
    content = b".".join([identity.encode(), timestamp.encode(), body])
    digests = (hmac.new(_bytes_of(key.reveal()), content, hashlib.sha256).digest() for key in keys)
    return {
        "webhook-id": identity,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests),
    }


def _bytes_of(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(PREFIX), validate=True)

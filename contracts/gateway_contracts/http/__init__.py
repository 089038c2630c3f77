"""Help for vendors that speak HTTP: one session, authorisation, decoding, and every trouble as one of our errors.

    async with HttpClient("https://pbx.example.vn", account=account, tokens=tokens) as http:
        response = await http.send("GET", "/v1/call")
        rows = response.parse(Rows)

The effect of a request (`Effect`) decides how `HttpClient` handles trouble. It may send a read again. It sends every
other request once; only after a 401, with which a vendor refuses a request before acting on it, does it send such a
request a second time, with a fresh token. When a vendor refuses a token in another way, the client replaces the token,
and sends the request again only if it was a read.
"""

from .client import RETRIED_STATUSES, Decode, HttpClient
from .connection import NotSent, SentAndLost
from .request import Effect, Params, basic_authorization, segment
from .response import Classify, Response, error_for_status, retry_after_of
from .tokens import Token, TokenCache, Tokens, renew_at

Answer = Response
"""What `Response` was called before."""

__all__ = [
    "RETRIED_STATUSES",
    "Answer",
    "Classify",
    "Decode",
    "Effect",
    "HttpClient",
    "NotSent",
    "Params",
    "Response",
    "SentAndLost",
    "Token",
    "TokenCache",
    "Tokens",
    "basic_authorization",
    "error_for_status",
    "renew_at",
    "retry_after_of",
    "segment",
]

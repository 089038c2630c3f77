"""Who asks for a dial."""

from contextvars import ContextVar, Token

import attrs

from ..keys import Client

DIAL = "start_call"
"""The operation that dials, and so is kept in the journal."""


@attrs.define
class RequestContext:
    """Who asks, and whether the answer had been given before. Others than *caller* are seen by who *sees_all*.

    It is asked in its context; without one the application itself asks. *accounts* are those that the caller may use,
    None for all, and *at* is when the request was read, by `moment`.
    """

    caller: str = ""
    sees_all: bool = True
    accounts: frozenset[str] | None = None
    replayed: bool = False
    at: float | None = None
    _before: "Token[RequestContext | None] | None" = attrs.field(default=None, init=False, repr=False)

    @classmethod
    def of(cls, client: Client, at: float | None = None) -> "RequestContext":
        """The context of a request of *client* that was read *at* this moment."""
        return cls(client.name, sees_all="admin" in client.scopes, accounts=client.accounts, at=at)

    def __enter__(self) -> "RequestContext":
        self._before = REQUEST_CONTEXT.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            REQUEST_CONTEXT.reset(self._before)


REQUEST_CONTEXT: ContextVar[RequestContext | None] = ContextVar("context", default=None)

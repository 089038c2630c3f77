"""The vendor's end of a test: what it really received, and what it can be told to do."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

import attrs

from .. import Direction, EventType, Outcome, WebhookRequest

RETRY_AFTER_SECONDS = 120  # more than any deadline, so that nobody waits for another try


class Trouble(StrEnum):
    """What a request can run into. Those that are a `status` are not carried out, and have `headers`."""

    REPLY_LOST = "reply_lost"  # carried out, then the connection drops without an answer
    NOT_DONE = "not_done"  # read, not carried out, then the connection drops
    ERROR_AFTER = "error_after"  # carried out, then a 5xx
    WEB_PAGE = "web_page"  # 200 with HTML
    HALF_JSON = "half_json"  # carried out, half of the JSON
    HALF_BODY = "half_body"  # carried out, fewer bytes than announced
    WRONG_TYPES = "wrong_types"  # carried out, JSON of other types than documented
    SLOW = "slow"  # carried out, and the answer held until `reset`
    STATUS_401 = "401"
    STATUS_403 = "403"
    STATUS_404 = "404"
    STATUS_429 = "429"
    STATUS_500 = "500"
    STATUS_502 = "502"
    STATUS_503 = "503"

    @property
    def status(self) -> int | None:
        """The HTTP status to answer with, None for troubles of another kind."""
        return int(self) if self.isdecimal() else None

    @property
    def headers(self) -> dict[str, str]:
        """The headers that come with the status: `Retry-After` where it belongs to it."""
        return {"Retry-After": str(RETRY_AFTER_SECONDS)} if self.status in {429, 503} else {}


class Oddity(StrEnum):
    """What can be wrong with the row of a finished call."""

    NO_ID = "no_id"  # it is empty, where the vendor gives ids
    NO_TIME = "no_time"  # nothing that stands for a time is one
    BAD_TIME = "bad_time"  # of the times one is none, such as 0000-00-00 00:00:00; that of the start is right
    NEGATIVE = "negative"  # a length is below zero
    HUGE = "huge"  # a length does not fit into 64 bits
    LIST = "list"  # a list stands where text is expected
    HALF = "half"  # half an emoji stands in a text


class Paging(StrEnum):
    """How a vendor takes what says which page of a list is wanted."""

    PAGE = "page"  # by the page's number
    OFFSET = "offset"  # by how many rows come before it
    SCROLL = "scroll"  # by what the page before gave to go on with
    FIRST_PAGE = "first_page"  # not at all: it always gives the first page
    EVERYTHING = "everything"  # not at all: it always gives all rows


@attrs.frozen(kw_only=True)
class Webhook:
    """A webhook as the vendor sends it, and what it tells: *type* of the call *call_id*, as records name it, and when
    it *occurred_at*, None where the vendor does not say. *beside* are the types of other events of that call that the
    same webhook tells, without a time.
    """

    request: WebhookRequest
    type: EventType
    call_id: str
    occurred_at: datetime | None = None
    beside: tuple[EventType, ...] = ()


@attrs.frozen(kw_only=True)
class Queue:
    """What the vendor has of a queue: whether it dials, and the ids of its customers and of those to leave out."""

    running: bool
    customers: frozenset[str]
    blocked: frozenset[str]


class NoNetwork(Exception):  # it is no failure, so it is no error by name
    """A vendor that is called without a network has no requests that could run into trouble."""


class FarSide(Protocol):
    """A vendor, real or simulated, as the suite sees it.

    *extension* and *second_extension* are registered and free after `reset`; *unregistered_extension* exists and is
    not. *settings* are what an account of *vendor* needs to reach it. *newest_first* says whether the vendor lists its
    newest records first, or can be told to; *tells_call_id*, whether its answer to a click-to-call names the call.
    *network* is False for a vendor that is called without one: `make_trouble` and `refuse_tokens` raise `NoNetwork`.
    *proofs* holds by operation the statuses after which the vendor documents that nothing was done; 401 is one for
    every vendor. A far side may have *successes*, too: by operation the statuses that the vendor documents as done
    without showing a body, so that no body takes them back. And it may have `page_by(operation, paging)`, which lets
    the lists of *operation* be paged so (`Paging`) until `reset`, and gives False where the vendor never pages so.
    """

    vendor: str
    settings: Mapping[str, Any]
    extension: str
    second_extension: str
    unregistered_extension: str
    number: str
    hotline: str
    newest_first: bool
    tells_call_id: bool
    network: bool
    proofs: Mapping[str, Collection[int]]

    async def reset(self) -> None:
        """End all live calls, forget all trouble, and let held answers go."""

    async def live_call(self) -> str:
        """The call id of a new answered call from *extension* to *number*."""

    async def end_call(self, call_id: str) -> str:
        """Let both sides of a live call hang up; the id of its record."""

    async def finished_call(
        self,
        *,
        started_at: datetime | None = None,
        seconds: int | None = None,
        extension: str | None = None,
        number: str | None = None,
        outcome: str | None = None,
        direction: str | None = None,
    ) -> str:
        """The record id of a new call that is over; what is not given is that of one from *extension* to *number*.

        Without *outcome* it was answered and recorded. *outcome* and *direction* are the vendor's words, also one that
        nobody has documented. *seconds* is how long it took from its start. Without *started_at*, a whole second, it
        was within the last hour, and at another second than the calls before.
        """

    async def spoil(self, record_id: str, oddity: Oddity) -> str | None:
        """Let the row of a finished call have *oddity*.

        Gives the vendor's name of the field that has it now, None where its rows cannot be so. A far side may leave
        this method out.
        """

    def outcome_words(self) -> Mapping[str, Outcome]:
        """Every word by which the vendor's documents say how a call ended, and what it is for us.

        Where several words are one outcome, the one that filters look for comes first.
        """

    def direction_words(self) -> Mapping[str, Direction]:
        """Every word by which the vendor's documents say who called whom, and what it is for us."""

    def recording(self, record_id: str) -> bytes:
        """The recording of a finished call, as the vendor keeps it."""

    async def agent(self) -> str:
        """The id of an agent that can be asked for."""

    async def hook(self) -> str:
        """The id of a registered hook."""

    async def tenant(self) -> str:
        """The id of a tenant that has the extension *extension*."""

    def rang(self) -> Sequence[str]:
        """The extension of every click-to-call that really rang, oldest first."""

    def steered(self) -> Sequence[str]:
        """Our name of every transfer, listen, whisper, barge, park and start of a queue that was done, oldest first."""

    def requests(self) -> Sequence[str]:
        """Every request that arrived but those for tokens, oldest first: its method, path, decoded query and body.

        The path is best shown as it was sent (`%2F` and all): then a slash in an id is told from one between two parts.
        """

    def make_trouble(self, operation: str, trouble: Trouble, *, lasts: bool = False) -> None:
        """Let the next request of *operation* run into *trouble*, or each one until `reset` where it *lasts*."""

    def held(self) -> int:
        """How many answers `Trouble.SLOW` holds now."""

    def refuse_tokens(self) -> None:
        """Answer 401 to every token that was given out so far."""

    def token_requests(self) -> int:
        """How many tokens were given out; 0 where the operations need none."""

    def secrets(self) -> Collection[str]:
        """All that nobody may see: the secrets of *settings*, tokens, and what arrived as `Authorization` so far."""

    def queue(self, queue_code: str) -> Queue | None:
        """What the vendor has of an `autocall` queue; None where there is none."""

    def tenant_enabled(self, tenant_id: str) -> bool:
        """Whether the vendor has a tenant and it is switched on."""

    async def webhooks(self) -> Sequence[Webhook]:
        """Webhooks of a finished call, one of each type at least; none where the vendor calls nobody.

        Those of a type that such a call cannot have, such as a missed one, are of another.
        """

    async def happens(self, *, cut: bool = False) -> str | None:
        """Wait until somebody follows the events; then a call rings, is answered and ends. Gives its id.

        With *cut* the connection drops once it has rung; where the vendor keeps no events for later, the call goes on
        when somebody follows again. None where the vendor has nothing to follow.
        """


def settled(far: FarSide, operation: str, trouble: Trouble) -> bool:
    """Whether the status of an answer whose body *trouble* spoils has said all, by the vendor's documents."""
    return trouble in _BODIES and 200 in getattr(far, "successes", {}).get(operation, ())


_BODIES = frozenset({Trouble.WEB_PAGE, Trouble.HALF_JSON, Trouble.HALF_BODY, Trouble.WRONG_TYPES})

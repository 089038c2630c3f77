"""A stored dial as applications see it: as a `Dial`, and as what its idempotency key is told again."""

from collections.abc import Sequence

from gateway_contracts import (
    Conflict,
    DialState,
    IdempotencyMismatch,
    Origin,
    StartedCall,
    dumps,
    from_json,
    to_json,
)
from gateway_contracts.errors import error_of

from ..journal.dials import StoredDial, StoredStatement, StoredTry
from ..logs import log
from ..models import Dial, DialError, DialProgress, DialStatement, DialTry, Resolution, StatedState
from .errors import lost_error
from .request_context import DIAL, RequestContext

ASK_AGAIN_SECONDS = 1.0
LOOKING = "The gateway still looks for the call: ask again later"
_STATE_IT = "state it: POST /v1/accounts/{account}/dials/{dial_id}/statement"
_NOT_FOUND = (
    "The gateway has looked for the call and not found it, which does not prove that no phone rang. Ask the agent "
    f"whether it rang. If it did not, use a new idempotency key, or {_STATE_IT}"
)
_ELSEWHERE = (
    "The account no longer leads to the PBX that was asked (its vendor, address or identity was changed), so the "
    f"gateway cannot look for the call. Point the account back, or ask the agent what happened and {_STATE_IT}"
)


def replayed(kept: StoredDial, fingerprint: str, context: RequestContext, *, elsewhere: bool) -> StartedCall:
    """What the key of a dial is told again, for a request with this *fingerprint*: how the dial turned out.

    *elsewhere* says that the account speaks to another PBX now. Raises: IdempotencyMismatch, Conflict while the dial is
    under way, and the error of an unknown dial.
    """
    if kept.fingerprint != fingerprint:
        raise IdempotencyMismatch(
            "The idempotency key was used for another request: take a new key for a new call",
            fields={"idempotency_key": "belongs to another request"},
            dial_state=_state_of(kept),
            dial_id=kept.dial_id,
        )
    if kept.state == DialProgress.IN_PROGRESS:
        raise Conflict(
            "The dial of this idempotency key is under way: ask again later, with the same key",
            origin=Origin.GATEWAY,
            account=kept.account,
            dial_state=DialState.UNKNOWN,
            dial_id=kept.dial_id,
            retry_after=ASK_AGAIN_SECONDS,
            retryable=True,  # with the same key it rings no phone
        )
    context.replayed = True
    log.debug("dial.replayed", account=kept.account, dial_id=kept.dial_id, dial_state=kept.state)
    if kept.state == DialProgress.UNKNOWN:
        error = error_of(kept.error or {}) or lost_error(kept.account, kept.dial_id)
        error.account, error.operation = error.account or kept.account, DIAL
        error.dial_id, error.dial_state, error.retryable = kept.dial_id, DialState.UNKNOWN, False
        if elsewhere:
            error.message = f"{error.message}. {_ELSEWHERE.format(account=kept.asked, dial_id=kept.dial_id)}"
        elif kept.resolution is not None:
            error.message = f"{error.message}. {_NOT_FOUND.format(account=kept.asked, dial_id=kept.dial_id)}"
        else:
            error.message = f"{error.message}. {LOOKING}"
        raise error
    if kept.answer is not None:
        return from_json(kept.answer, StartedCall)
    return StartedCall(
        account=kept.account,
        call_id=kept.call_id,
        extension=kept.extension,
        number=kept.number,
        requested_at=kept.tried_at,
        dial_id=kept.dial_id,
    )


def _state_of(kept: StoredDial) -> DialState:
    """What is known of whether *kept* rang."""
    return DialState(kept.state) if kept.state in list(DialState) else DialState.UNKNOWN


def dial_of(kept: StoredDial, tried: Sequence[StoredTry], said: Sequence[StoredStatement], *, elsewhere: bool) -> Dial:
    """The public dial of *kept*, with its earlier tries and what people said of it."""
    return Dial(
        dial_id=kept.dial_id,
        account=kept.account,
        asked=kept.asked,
        state=DialProgress(kept.state),
        extension=kept.extension,
        number=kept.number,
        call_id=kept.call_id,
        conversation_id=kept.conversation_id,
        requested_at=kept.tried_at,
        finished_at=kept.finished_at,
        evidence=kept.evidence,
        error=_error_in(kept),
        resolution=_resolution_of(kept),
        elsewhere=elsewhere and kept.state == DialProgress.UNKNOWN,
        tries=tuple(
            DialTry(
                account=each.account,
                state=DialProgress(each.state),
                requested_at=each.tried_at,
                finished_at=each.finished_at,
                call_id=each.call_id,
                evidence=each.evidence,
                resolution=Resolution(each.resolution) if each.resolution else None,  # none of them is looked for
                error=_error_in(each),
            )
            for each in tried
        ),
        statements=tuple(
            DialStatement(state=StatedState(each.state), note=each.note, key=each.caller, stated_at=each.stated_at)
            for each in said
        ),
    )


def _error_in(kept: StoredDial | StoredTry) -> DialError | None:
    told = kept.error if kept.state != DialProgress.PLACED and kept.evidence != "statement" else None
    if not told:
        return None
    return DialError(
        code=told["code"], detail=told["detail"], retryable=told["retryable"], vendor_code=told.get("vendor_code")
    )


def _resolution_of(kept: StoredDial) -> Resolution | None:
    if kept.resolution is not None:
        return Resolution(kept.resolution)
    return Resolution.LOOKING if kept.state == DialProgress.UNKNOWN else None


def call_as_json(answer: StartedCall) -> str:
    """*answer* as the journal keeps it."""
    try:
        return dumps(to_json(answer, raw=True)).decode()
    except (TypeError, RecursionError):  # the vendor's own answer is no JSON
        return dumps(to_json(answer)).decode()

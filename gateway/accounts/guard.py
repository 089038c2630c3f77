"""The guard of an adapter: it checks arguments, sets a deadline, logs one line, and lets only `GatewayError` out."""

import asyncio
import functools
import inspect
import time
from collections.abc import Mapping
from typing import Any

from gateway_contracts import (
    DialState,
    GatewayError,
    InvalidRequest,
    Operation,
    Origin,
    OutcomeUnknown,
    Page,
    RateLimited,
    Timeouts,
    Unsupported,
    VendorAuthFailed,
    VendorProtocolError,
    VendorRejected,
    VendorTimeout,
    VendorUnavailable,
)
from gateway_contracts.deadlines import Deadlines
from gateway_contracts.operations import KEPT_BY_GATEWAY

from ..logs import log, place_of
from ..skipped import digest_of, skipped_rows
from .arguments import check_arguments, checks_of

# What every operation may raise. Only a key that is refused here, or an argument, is the client's doing.
_OF_ANY = (
    InvalidRequest,
    Unsupported,
    VendorAuthFailed,
    VendorProtocolError,
    VendorRejected,
    VendorTimeout,
    VendorUnavailable,
    OutcomeUnknown,
    RateLimited,
)
_SKIPPED_KNOWN = 1_000  # rows of one account that were logged


def seal(error: GatewayError, operation: Operation, account: str) -> GatewayError:
    """*error* with what every error of an operation carries."""
    error.account = error.account or account
    error.operation = operation.name
    if operation.rings and error.dial_state is None:
        # Refused before anything was sent; any other error without a state proves nothing.
        refused = isinstance(error, Unsupported) or (
            isinstance(error, InvalidRequest) and error.origin is Origin.CALLER
        )
        error.dial_state = DialState.NOT_PLACED if refused else DialState.UNKNOWN
    return error


def told_of_key(error: GatewayError, arguments: Mapping[str, Any]) -> None:
    """Take out of *error* that nothing rang, where the request has an idempotency key and no dial is named.

    The request itself rang no phone. But the key's dial may have rung one before, and a client would believe that none
    rang.
    """
    keyed = arguments.get("idempotency_key") is not None
    if keyed and error.dial_id is None and error.dial_state is DialState.NOT_PLACED:
        error.dial_state = None


class Guard:
    """Carries operations out on one adapter."""

    def __init__(self, adapter: object, account: str, vendor: str, timeouts: Timeouts) -> None:
        self._adapter = adapter
        self._account = account
        self._vendor = vendor
        self._timeouts = timeouts
        self._deadlines = Deadlines()
        self._skipped: dict[bytes, None] = {}  # what is known of rows that could not be read, oldest first

    async def __call__(self, operation: Operation, arguments: Mapping[str, Any]) -> Any:
        started = time.perf_counter()
        try:
            checked = check_arguments(operation, arguments)
            _refuse_key(checked)
            method = getattr(self._adapter, operation.name, None)
            if method is None:  # of `Hooks`, the part of `Events` that an adapter with a stream need not inherit
                has = f"{self._vendor} sends no webhooks, so it has no {operation.interface}.{operation.name}"
                raise Unsupported(f"{has}: its events come by follow_events")
            handed = _handed(operation, method, checked, self._vendor)
            with self._deadlines.after(self._deadline(operation, checked)):
                answer = await method(**handed)
            _check_answer(operation, answer)
        except GatewayError as error:
            failure = self._declared(operation, error)
        except asyncio.CancelledError:
            log.warning(
                "operation.cancelled",
                account=self._account,
                operation=operation.name,
                milliseconds=_milliseconds(started),
            )
            raise
        except TimeoutError as error:
            failure = self._late(operation)
            failure.__cause__ = error
        except Exception as error:  # noqa: BLE001 # the boundary: a plugin's fault becomes one of our errors here
            failure = self._broken(operation, error)
            failure.__cause__ = error
            log.error("plugin.failed", account=self._account, operation=operation.name, **place_of(error))
        else:
            log.info(
                "operation.done", account=self._account, operation=operation.name, milliseconds=_milliseconds(started)
            )
            if isinstance(answer, Page) and answer.skipped:
                self._tell_skipped(operation, answer)
            return answer
        told_of_key(seal(failure, operation, self._account), arguments)
        log.warning(
            "operation.failed",
            account=self._account,
            operation=operation.name,
            code=failure.code,
            dial_state=failure.dial_state,
            milliseconds=_milliseconds(started),
        )
        raise failure

    def _declared(self, operation: Operation, error: GatewayError) -> GatewayError:
        """*error*, if *operation* declares it. Another becomes what applications are told to expect: the vendor is
        unavailable where trying again may help, else its answer makes no sense. What is known of ringing stays.
        """
        if isinstance(error, (*_OF_ANY, *operation.errors)):
            return error
        kind = VendorUnavailable if error.retryable else VendorProtocolError
        text = f"{error.message} ({error.code}, which {operation.name} does not raise)"
        log.warning("operation.undeclared", account=self._account, operation=operation.name, code=error.code)
        told = kind(
            text,
            account=error.account,
            origin=Origin.VENDOR,
            vendor_code=error.vendor_code,
            dial_state=error.dial_state,
            dial_id=error.dial_id,
            retry_after=error.retry_after,
        )
        told.__cause__ = error
        return told

    def _tell_skipped(self, operation: Operation, page: Page[Any]) -> None:
        """Log that rows could not be read, once for each row: lists are read again and again."""
        rows = skipped_rows(page)[:_SKIPPED_KNOWN]
        new = {digest_of(self._account, row) for row in rows} - self._skipped.keys()
        if rows and not new:
            return
        self._skipped.update(dict.fromkeys(new))
        while len(self._skipped) > _SKIPPED_KNOWN:
            del self._skipped[next(iter(self._skipped))]
        log.warning(
            "rows.skipped", account=self._account, operation=operation.name, rows=len(new) if rows else page.skipped
        )

    def _deadline(self, operation: Operation, arguments: Mapping[str, Any]) -> float:
        # A backstop for a plugin that hangs. The plugin's own deadlines are for each request and know more: whether
        # anything was sent. So this leaves room for a login and for the one repetition after a 401.
        times = self._timeouts
        own = times.dial_wait if arguments.get("wait") else times.dial if operation.rings else times.read
        return 2 * (own + times.read) + times.connect

    def _late(self, operation: Operation) -> GatewayError:
        text = f"The {self._vendor} plugin did not finish in time"
        return VendorTimeout(text) if operation.reads else OutcomeUnknown(text, origin=Origin.GATEWAY)

    def _broken(self, operation: Operation, error: Exception) -> GatewayError:
        text = f"The {self._vendor} plugin failed with {type(error).__name__}: this is a fault in the plugin"
        if operation.reads:
            return VendorProtocolError(text, origin=Origin.GATEWAY)
        return OutcomeUnknown(text, origin=Origin.GATEWAY)


def _refuse_key(arguments: Mapping[str, Any]) -> None:
    # Where there is a journal it keeps the key, and none comes as far as here. A key that is accepted and then
    # forgotten by a restart is worse than none: it would dial twice with a promise.
    if arguments.get("idempotency_key") is not None:
        raise Unsupported(
            "Idempotency keys need a journal: set journal.url, or leave idempotency_key out and look at the live calls "
            "and records before dialling again after outcome_unknown",
            origin=Origin.GATEWAY,
        )


def _handed(operation: Operation, method: Any, arguments: Mapping[str, Any], vendor: str) -> Mapping[str, Any]:
    """Those of *arguments* that *method* takes. Raises: Unsupported for one that says something to an older plugin."""
    named, any_other = _taken(getattr(method, "__func__", method))
    if arguments.keys() <= named:
        return arguments
    defaults = checks_of(operation).defaults
    handed: dict[str, Any] = {}
    for name, value in arguments.items():
        if name not in named:
            if name in KEPT_BY_GATEWAY or (name in defaults and value == defaults[name]):
                continue
            if not any_other:
                raise Unsupported(f"The {vendor} plugin is older than {name}: leave it out, or install a newer plugin")
        handed[name] = value
    return handed


@functools.lru_cache(maxsize=1024)
def _taken(function: Any) -> tuple[frozenset[str], bool]:
    """The names of the arguments that *function* takes, and whether it takes any other."""
    parameters = inspect.signature(function).parameters.values()
    others = [each for each in parameters if each.kind is each.VAR_KEYWORD]
    return frozenset(each.name for each in parameters if each not in others), bool(others)


def _check_answer(operation: Operation, answer: Any) -> None:
    # An answer of another type would fail later, where its plugin is not known.
    if answer is None and operation.may_return_none:
        return
    kind = checks_of(operation).answer
    if kind is not type(None) and not isinstance(answer, kind):
        raise TypeError(f"{operation.name} answered {type(answer).__name__}, not {kind.__name__}")


def _milliseconds(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)

"""The tree of errors: its codes, its statuses, and what it looks like over HTTP."""

import copy
import re

import gateway_contracts
import pytest
from gateway_contracts import ERRORS, ConfigError, DialState, GatewayError, Origin, PluginError, dumps, errors, loads

# DESIGN, Errors; with those that it does not list: the gateway's own fault, a range outside a recording, lost events,
# a journal that cannot be used.
CODES = {
    "method_not_allowed": 405,
    "payload_too_large": 413,
    "unsupported_media_type": 415,
    "invalid_request": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "not_found": 404,
    "agent_not_registered": 409,
    "agent_busy": 409,
    "conflict": 409,
    "vendor_rejected": 422,
    "idempotency_mismatch": 422,
    "rate_limited": 429,
    "unsupported": 501,
    "vendor_auth_failed": 502,
    "vendor_protocol_error": 502,
    "vendor_unavailable": 503,
    "vendor_timeout": 504,
    "outcome_unknown": 504,
    "internal_error": 500,
    "range_not_satisfiable": 416,
    "events_lost": 410,
    "journal_unavailable": 503,
}
KINDS = sorted(ERRORS.values(), key=lambda kind: kind.code)


def test_every_code_of_the_promise_has_its_status():
    """Codes and statuses are public: none is missing, none is new, none has another status."""
    assert CODES == {code: kind.status for code, kind in ERRORS.items()}


def test_the_tree_is_drawn_as_it_is():
    """The drawing at the top of errors.py has every class once, below its parent, with its status."""
    drawn = []
    parents = []
    for line in errors.__doc__.splitlines():
        found = re.fullmatch(r"((?:[│ ]   )*)(?:[├└]── )?([A-Z]\w+) +(\d{3})(?:  .*)?", line)
        if not found:
            continue
        depth = 0 if line.startswith("GatewayError") else len(found[1]) // 4 + 1
        parents[depth:] = [found[2]]
        drawn.append((found[2], parents[depth - 1] if depth else "Exception", int(found[3])))

    assert sorted((kind.__name__, kind.__base__.__name__, kind.status) for kind in KINDS) == sorted(drawn)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_is_a_problem_as_rfc_9457_says(kind):
    """type is a URI, title and detail are text, status is the answer's; and our own members are plain JSON."""
    error = kind(
        "It went wrong",
        account="hanoi",
        operation="start_call",
        vendor_code="E1",
        dial_state=DialState.UNKNOWN,
        retry_after=2.5,
        fields={"extension": "is missing"},
        request_id="r1",
    )

    problem = loads(dumps(error.as_problem()))

    assert {
        "type": f"urn:telephony-gateway:error:{kind.code}",
        "title": kind.title,
        "status": CODES[kind.code],
        "detail": "It went wrong",
        "code": kind.code,
        "retryable": kind.retryable,
        "origin": kind.default_origin.value,
        "account": "hanoi",
        "operation": "start_call",
        "vendor_code": "E1",
        "dial_state": "unknown",
        "retry_after": 2.5,
        "fields": {"extension": "is missing"},
        "request_id": "r1",
    } == problem


@pytest.mark.parametrize("kind", KINDS)
def test_a_problem_leaves_out_what_is_not_known(kind):
    """No member is null or empty."""
    assert {"type", "title", "status", "detail", "code", "retryable", "origin"} == set(kind("Text").as_problem())


def test_what_rings_is_never_said_to_be_worth_another_try_when_unknown():
    """A client that looks at `retryable` alone does not dial twice."""
    assert not errors.OutcomeUnknown.retryable
    assert {"agent_busy", "journal_unavailable", "rate_limited", "vendor_unavailable", "vendor_timeout"} == {
        kind.code for kind in KINDS if kind.retryable
    }


def test_an_error_that_knows_better_than_its_class_says_so_on_the_other_side_too():
    """Whether asking again may help goes along in the problem."""
    error = errors.error_of(errors.Conflict("Under way", retryable=True).as_problem())

    assert (True, False) == (error.retryable, errors.Conflict.retryable)
    assert errors.error_of({"code": "rate_limited"}).retryable


def test_an_errors_text_names_account_and_operation():
    """What lands in a log says where it happened."""
    assert "hanoi.list_calls: Text" == str(GatewayError("Text", account="hanoi", operation="list_calls"))
    assert "hanoi: Text" == str(GatewayError("Text", account="hanoi"))
    assert "Text" == str(GatewayError("Text"))


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_can_be_copied(kind):
    """Several who wait for one thing each get an error of their own, with everything in it."""
    error = kind("Text", account="a", origin=Origin.NETWORK, dial_state=DialState.NOT_PLACED, fields={"x": "y"})

    found = copy.copy(error)

    assert error.as_problem() == found.as_problem()
    assert type(error) is type(found)


@pytest.mark.parametrize("kind", [ConfigError, PluginError])
def test_what_stops_the_start_stands_outside_the_tree(kind):
    """Nobody who catches request errors catches a wrong configuration by accident."""
    assert not issubclass(kind, GatewayError)


def test_a_configuration_error_starts_with_its_path():
    """The path is what an operator looks for."""
    error = ConfigError("accounts.hanoi.vendor", "is missing")

    assert ("accounts.hanoi.vendor: is missing", "accounts.hanoi.vendor") == (str(error), error.path)
    assert "no file" == str(ConfigError("", "no file"))


def test_every_error_is_exported():
    """Plugins and applications find each class in the package itself."""
    assert {kind.__name__ for kind in KINDS} <= set(gateway_contracts.__all__)

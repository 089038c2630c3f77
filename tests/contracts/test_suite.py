"""The suite itself: what it must have."""

from gateway_contracts import OPERATIONS
from gateway_contracts.testing import Suite
from gateway_contracts.testing.proofs import proven

# Operations of adapters that are not routes.
BESIDE = {"parse_webhook", "follow_events"}


def test_every_operation_has_a_test_of_its_own():
    """What an operation is for is looked at, not only what it shares with the others; what is missing is named."""
    assert [] == sorted({*OPERATIONS, *BESIDE} - proven(Suite))


def test_no_test_proves_what_there_is_not():
    """A name that was misspelt or has been renamed proves nothing."""
    assert [] == sorted(proven(Suite) - {*OPERATIONS, *BESIDE})

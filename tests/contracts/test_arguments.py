"""What a vendor cannot be told is refused by name, and what was not given is not sent."""

import pytest
from gateway_contracts import Unsupported
from gateway_contracts.arguments import given, query, refuse


def test_what_was_not_given_is_not_refused():
    """None, and a switch that is off."""
    refuse("acme", wait=False, hotline=None)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"wait": True, "hotline": None}, "acme cannot be told wait: leave it out"),
        ({"limit": 0}, "acme cannot be told limit: leave it out"),
        ({"hotline": "1900", "customer_id": ""}, "acme cannot be told hotline, customer_id: leave them out"),
    ],
)
def test_what_was_given_is_refused_by_name(arguments, expected):
    """Zero and an empty text were given."""
    with pytest.raises(Unsupported) as caught:
        refuse("acme", **arguments)

    assert expected == caught.value.message


def test_a_refusal_says_what_for():
    """Where the vendor takes the argument elsewhere."""
    with pytest.raises(Unsupported, match="acme cannot be told leg for a transfer: leave it out"):
        refuse("acme", "a transfer", leg="a")


def test_only_what_was_given_is_sent():
    """In its order; as text where it goes into a query."""
    values = {"agent": "101", "phone": None, "max": 0, "line": ""}

    assert {"agent": "101", "max": 0, "line": ""} == given(**values)
    assert [("agent", "101"), ("max", "0"), ("line", "")] == query(**values)

"""Who takes part in a call is read the same, whichever way round the vendor names the sides."""

import pytest
from gateway_contracts import Direction, Leg
from gateway_contracts.parties import CUSTOMER_LEG, from_and_to, parties

OUT, IN, WITHIN, UNKNOWN = Direction.OUTBOUND, Direction.INBOUND, Direction.INTERNAL, Direction.UNKNOWN
AGENT, OTHER_AGENT, CUSTOMER, HOTLINE = "101", "102", "0899098899", "19001234"


def is_extension(number):
    return number in {AGENT, OTHER_AGENT}


@pytest.mark.parametrize(
    ("direction", "source", "target", "expected"),
    [
        (OUT, AGENT, CUSTOMER, (AGENT, CUSTOMER, AGENT, None)),
        (OUT, CUSTOMER, AGENT, (AGENT, CUSTOMER, AGENT, None)),
        (OUT, HOTLINE, CUSTOMER, (HOTLINE, CUSTOMER, None, HOTLINE)),
        (OUT, None, CUSTOMER, (None, CUSTOMER, None, None)),
        (IN, CUSTOMER, AGENT, (CUSTOMER, AGENT, AGENT, None)),
        (IN, AGENT, CUSTOMER, (CUSTOMER, AGENT, AGENT, None)),
        (IN, CUSTOMER, HOTLINE, (CUSTOMER, HOTLINE, None, HOTLINE)),
        (WITHIN, AGENT, OTHER_AGENT, (AGENT, OTHER_AGENT, AGENT, None)),
        (UNKNOWN, CUSTOMER, AGENT, (CUSTOMER, AGENT, AGENT, None)),
        (UNKNOWN, CUSTOMER, None, (CUSTOMER, None, None, None)),
    ],
)
def test_the_extension_stands_where_the_direction_puts_it(direction, source, target, expected):
    """And the business's number that is none is the hotline."""
    assert expected == parties(direction, source, target, is_extension)


@pytest.mark.parametrize(
    ("direction", "source", "target", "expected"),
    [(OUT, HOTLINE, CUSTOMER, (AGENT, CUSTOMER)), (IN, CUSTOMER, HOTLINE, (CUSTOMER, AGENT))],
)
def test_an_extension_that_is_named_beside_the_sides_stands_in_the_hotlines_place(direction, source, target, expected):
    """The hotline is kept beside it."""
    assert (*expected, AGENT, HOTLINE) == parties(direction, source, target, is_extension, extension=AGENT)


def test_what_the_vendor_names_itself_is_kept():
    """A hotline of its own beside two sides that say another."""
    assert "1800" == parties(IN, CUSTOMER, HOTLINE, is_extension, hotline="1800").hotline


def test_an_extension_and_a_number_are_who_called_and_who_was_called():
    """Only an inbound call was placed by the number."""
    found = [from_and_to(direction, extension=AGENT, number=CUSTOMER) for direction in (IN, OUT, WITHIN, UNKNOWN)]

    assert [(CUSTOMER, AGENT), *[(AGENT, CUSTOMER)] * 3] == found


def test_the_customers_leg_is_that_of_the_side_that_is_not_the_agents():
    """An inbound call was placed by the customer."""
    assert {OUT: Leg.B, IN: Leg.A, WITHIN: Leg.B} == CUSTOMER_LEG

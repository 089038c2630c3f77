"""The suite knows every filter of `list_records`."""

from gateway_contracts.testing.history import FITS, LIST, ON_THEIR_OWN


def test_every_filter_of_list_records_is_tried_by_the_suite():
    """A new argument needs a line that says which calls it lets through."""
    assert {each.name for each in LIST.parameters} == FITS.keys() | ON_THEIR_OWN
    assert FITS.keys().isdisjoint(ON_THEIR_OWN)

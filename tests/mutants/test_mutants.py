"""The mutants fit the sources, and one of them is really caught; `make mutants` tries them all."""

import pytest

from tests.mutants.__main__ import caught_by
from tests.mutants.mutants import MUTANTS


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.vendor}-{mutant.wrong}")
def test_a_fault_has_its_place(mutant):
    """A change to the sources that moves the place must move the fault too."""
    compile(mutant.applied(), mutant.file, "exec")


def test_a_fault_is_caught_by_the_test_that_is_about_it():
    """The suite sees the changed adapter, not the right one."""
    mutant = next(each for each in MUTANTS if (each.vendor, each.wrong) == ("memory", "until is included"))

    assert "test_every_filter_lets_through" in caught_by("memory", mutant)

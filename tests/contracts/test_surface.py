"""What plugins may rely on does not change by accident."""

from tests.contracts.surface import FILE, surface


def test_the_surface_is_the_one_that_was_promised():
    """After a change that is meant: raise CONTRACTS_VERSION as docs/plugins.md says, then `make surface`."""
    assert FILE.read_text(encoding="utf-8").splitlines() == surface().splitlines()

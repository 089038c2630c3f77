"""What plugins may rely on does not change by accident."""

import pytest

from tests.contracts.exports import IMPORTS, missing
from tests.contracts.surface import FILE, surface


def test_the_surface_is_the_one_that_was_promised():
    """After a change that is meant: raise CONTRACTS_VERSION as docs/plugins.md says, then `make surface`."""
    assert FILE.read_text(encoding="utf-8").splitlines() == surface().splitlines()


@pytest.mark.parametrize("package", IMPORTS)
def test_every_model_is_exported(package):
    """Plugins and applications find it where they find all others; `make surface` lists what is missing."""
    assert [] == missing(package)

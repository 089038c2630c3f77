"""Small soaks of each kind; `python -m tests.soaks.paging` runs large ones."""

import pytest

from tests.soaks.paging import CASES, PRODUCTS, soak


@pytest.mark.parametrize(("setting", "host"), CASES)
@pytest.mark.parametrize("product", PRODUCTS)
async def test_no_record_is_lost_or_doubled_however_the_host_pages(product, setting, host):
    """35 records, ten a page, while calls end; the host that always gives the first page is an error."""
    figures = await soak(product, setting, host, 35)

    assert (0, host != "first_page") == (figures.silent, figures.ended == "whole")
    assert host == "everything" or figures.inserted

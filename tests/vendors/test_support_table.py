"""The README's support table says what a survey of every vendor finds."""

from tests.vendors.support_table import MARKS, README, surveyed, with_table


async def test_the_readme_shows_what_every_vendor_really_can_do():
    """Each operation and argument is tried at each vendor; `make support-table` writes what is found."""
    text = README.read_text(encoding="utf-8")

    expected = with_table(text, await surveyed())

    assert MARKS.search(text) is not None
    assert expected == text

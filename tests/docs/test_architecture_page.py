"""docs/architecture.md tells of the code as it is."""

import re
from pathlib import Path

from tests.test_layers import LAYERS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("0*.md"))


def test_every_file_that_the_page_names_is_there():
    """A file that moves takes its line along."""
    text = PAGE + "".join(each.read_text(encoding="utf-8") for each in DECISIONS)
    named = set(re.findall(r"(?:gateway|plugins|contracts|tests)/[\w/]+\.py|(?:contracts|gateway)/[\w/]+/(?=`)", text))

    assert len(named) > 30
    assert [] == sorted(name for name in named if not (ROOT / name).exists())


def test_every_decision_is_in_the_index():
    """In their order."""
    index = (ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")

    assert [each.name for each in DECISIONS] == re.findall(r"\((0\d+[\w-]+\.md)\)", index)


def test_the_page_has_the_layers_of_the_architecture_test():
    """In their order, with every room."""
    rows = re.findall(r"^\| (\d+) \| (.+?) \|", PAGE, re.MULTILINE)

    assert [str(number) for number in range(1, len(LAYERS) + 1)] == [number for number, _ in rows]
    assert [set(re.findall(r"`(\w+)`", rooms)) for _, rooms in rows] == LAYERS

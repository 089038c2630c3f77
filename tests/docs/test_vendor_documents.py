"""The pages below docs/documents say what became of every line of the vendors' documents."""

import re
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import attrs
import gateway_antbuddy
import gateway_contracts
import pytest
from gateway_contracts import ERRORS, OPERATIONS, GatewayError
from gateway_tel4vn import v1, v2

from gateway.config import AccountConfig
from tests.wire import Wire

DOCS = Path(__file__).parents[2] / "docs" / "documents"
PAGES = {page.stem: page.read_text(encoding="utf-8") for page in sorted(DOCS.glob("*.md"))}
WIRES = [Wire.load(vendor).document for vendor in ("tel4vn-v1", "tel4vn-v2", "antbuddy")]


class Row(NamedTuple):
    first: int
    last: int
    said: str
    here: str


def rows_of(page):
    found = re.findall(r"^\| (\d+)(?:-(\d+))? \| (.*?) \| ?(.*?) ?\|$", PAGES[page], re.MULTILINE)
    return [Row(int(first), int(last or first), said, here) for first, last, said, here in found]


def names_in(text):
    """What stands in backquotes."""
    return set(re.findall(r"`([^`]+)`", text))


def words_of(schema, document):
    """Every field and every word that *schema* of *document* has."""
    if isinstance(schema, list):
        for each in schema:
            yield from words_of(each, document)
    if not isinstance(schema, dict):
        return
    if "$ref" in schema:
        _, _, kind, name = schema["$ref"].split("/")
        yield from words_of(document["components"][kind][name], document)
    for name, part in schema.get("properties", {}).items():
        yield name
        yield from words_of(part, document)
    words = [*schema.get("enum", ()), schema.get("const")]
    if alternatives := re.fullmatch(r"\^\((?:\?:)?([\w|-]+)\)\$", str(schema.get("pattern"))):
        words += alternatives[1].split("|")
    yield from (word for word in words if isinstance(word, str) and word)
    for key in ("items", "oneOf", "anyOf", "if", "then", "else", "schema"):
        yield from words_of(schema.get(key), document)
    for content in schema.get("content", {}).values():
        yield from words_of(content, document)


def operations_of(document):
    """Each operation and webhook, by its document and line, with all its names and words."""
    for item in [*document["paths"].values(), *document.get("webhooks", {}).values()]:
        for verb, said in item.items():
            if verb == "parameters":
                continue
            parameters = [*item.get("parameters", ()), *said.get("parameters", ())]
            words = {each["name"] for each in parameters}
            words.update(words_of([each["schema"] for each in parameters], document))
            words.update(words_of(said.get("requestBody"), document))
            words.update(words_of(list(said["responses"].values()), document))
            if "x-source" in said:
                page, _, line = said["x-source"].partition(":")
                yield page, int(line), words


def known_here():
    """Every name that a page may use for what became of a line."""
    for name, operation in OPERATIONS.items():
        yield from (name, *(parameter.name for parameter in operation.parameters))
    for value in vars(gateway_contracts).values():
        if attrs.has(value):
            yield from (field.name for field in attrs.fields(value))
        if isinstance(value, type) and issubclass(value, Enum):
            yield from (each.value for each in value if isinstance(each.value, str))
    for settings in (v1.Settings, v2.Settings, gateway_antbuddy.Settings, gateway_antbuddy.Device, AccountConfig):
        yield from (field.name for field in attrs.fields(settings))
    yield from (*ERRORS, *vars(GatewayError("")), *v1.wire.PATHS, *v2.wire.CC_2021, *v2.Form)
    yield from ("parse_webhook", "follow_events")


@pytest.mark.parametrize("page", PAGES)
def test_every_line_of_a_document_has_its_row(page):
    """From the first to the last, each in one row."""
    lines = int(re.search(r"its (\d+) lines", PAGES[page])[1])
    ends = [0, *(row.last for row in rows_of(page))]

    assert [end + 1 for end in ends] == [*(row.first for row in rows_of(page)), lines + 1]
    assert all(row.first <= row.last for row in rows_of(page))
    assert len(rows_of(page)) == PAGES[page].count("\n|") - 2


def test_there_is_a_page_for_each_document():
    """Those that the wire documents were made from."""
    assert {page for document in WIRES for page, _, _ in operations_of(document)} == set(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_every_parameter_field_and_word_of_a_document_is_named(page):
    """All that the wire document has from it; and where an operation stands, what became of it."""
    named, rows = names_in(PAGES[page]), rows_of(page)
    told = [(line, words) for document in WIRES for source, line, words in operations_of(document) if source == page]

    assert told
    assert set() == set().union(*(words for _, words in told)) - named
    assert [] == [line for line, _ in told if not any(row.first <= line <= row.last and row.here for row in rows)]


@pytest.mark.parametrize("page", PAGES)
def test_what_a_line_became_is_there(page):
    """Operations, arguments, attributes, settings, words and errors of ours, or names of the vendor's own."""
    theirs = {word for document in WIRES for _, _, words in operations_of(document) for word in words}
    ours = set(known_here())
    names = set().union(*(names_in(row.here) for row in rows_of(page)))
    here = {name for name in names if re.fullmatch(r"[a-z]+(?:[._][a-z0-9]+)*", name)}

    assert set() == here - ours - theirs
    assert here & ours

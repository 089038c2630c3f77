"""Rows of a vendor's list: what cannot be read of one costs nothing else."""

import asyncio
from typing import Any

import attrs
import pytest
from gateway_contracts import Page, VendorProtocolError
from gateway_contracts.http import Effect, Response
from gateway_contracts.rows import Unreadable, read_row, read_rows
from hypothesis import given
from hypothesis import strategies as st


@attrs.frozen(kw_only=True)
class Side:
    number: str | None = None
    name: str


@attrs.frozen(kw_only=True, slots=False)
class Row:
    id: str
    text: str | None = None
    size: int | float | str | None = None
    side: Side | None = None
    tried: int = 0


def read(row: Row, raw: Any, unreadable: tuple[str, ...] = ()) -> tuple[Row, tuple[str, ...]]:
    if row.id == "none":
        raise ValueError("there is no such row")
    if row.size == "odd":
        raise Unreadable("size", "is odd")
    return row, unreadable


def answer(data: Any = None) -> Response:
    return Response(account="hanoi", effect=Effect.READ, status=200, headers={}, body=b"", data=data)


@pytest.mark.parametrize(
    ("raw", "expected", "unreadable"),
    [
        ({"id": "a"}, Row(id="a"), ()),
        ({"id": 7, "text": 8}, Row(id="7", text="8"), ()),
        ({"id": 7.0, "text": 2**70}, Row(id="7", text=str(2**70)), ()),
        ({"id": "a", "text": False, "tried": "x"}, Row(id="a"), ("text", "tried")),
        ({"id": "a", "text": 1.5, "size": 1.5}, Row(id="a", size=1.5), ("text",)),
        ({"id": "a", "text": 1e300}, Row(id="a"), ("text",)),
        ({"id": "a", "size": "odd", "tried": 3}, Row(id="a", tried=3), ("size",)),
        ({"id": "a", "size": "odd", "text": []}, Row(id="a"), ("text", "size")),
        ({"id": "a", "side": {"number": 5, "name": "x"}}, Row(id="a", side=Side(number="5", name="x")), ()),
        ({"id": "a", "side": {"number": [], "name": "x"}}, Row(id="a", side=Side(name="x")), ("side.number",)),
        ({"id": "a", "side": {"number": "5"}}, Row(id="a"), ("side",)),
        ({"id": "a", "side": "x"}, Row(id="a"), ("side",)),
        ({"id": "a", "unknown": object()}, Row(id="a"), ()),
    ],
)
def test_a_row_is_read_field_by_field(raw, expected, unreadable):
    """A number is text where text is expected; what cannot be read has its default, and is named."""
    assert (expected, unreadable) == read_row(raw, Row, read)


@pytest.mark.parametrize("raw", [None, [], "a", 7, {}, {"id": None}, {"id": ["a"]}, {"id": "none"}, {"text": "x"}])
def test_what_is_no_row_is_a_value_error(raw):
    """Nor is one that its reader cannot do without."""
    with pytest.raises(ValueError, match=r"."):
        read_row(raw, Row, read)


def test_a_reader_that_asks_for_ever_is_stopped():
    """A field that is None already cannot be left out again."""

    def never(row, raw, unreadable):
        raise Unreadable("size", "is never right")

    with pytest.raises(Unreadable, match="size is never right"):
        read_row({"id": "a", "size": 1}, Row, never)


GOOD = [{"id": str(number), "text": "x"} for number in range(120)]


@pytest.mark.parametrize("places", [[], [0], [49, 50, 51], [119], range(0, 120, 7), range(119)])
async def test_rows_that_cannot_be_read_are_kept_by_their_place(places):
    """All others come in their order, and a page says how many are missing."""
    raws = [{"text": "odd"} if place in places else row for place, row in enumerate(GOOD)]

    found = await read_rows(answer(), raws, Row, read)

    assert [each["id"] for place, each in enumerate(GOOD) if place not in places] == [row.id for row, _ in found.items]
    assert {place: {"text": "odd"} for place in places} == found.skipped
    page = found.page(next="n", total=len(found))
    raw = tuple({"text": "odd"} for _ in places) or None
    assert (Page(items=found.items, next="n", total=120, skipped=len(places)), raw) == (page, page.raw)


@pytest.mark.parametrize("found", [{}, "rows", 7, [1], [None, []], [{}], [{"id": ""}, {"id": 7}], [{"size": "x"}]])
async def test_what_is_no_list_of_rows_is_an_error(found):
    """Not one text stands where nothing but text may."""
    with pytest.raises(VendorProtocolError, match=r"does not fit its documents|must be"):
        await read_rows(answer(), found, Row, read)


async def test_an_empty_list_has_no_rows():
    """That is no error."""
    assert Page(items=(), total=0) == (await read_rows(answer(), [], Row, read)).page(total=0)


async def test_names_may_be_the_vendors_own():
    """A row is given the names of its class, and kept as it came."""
    raws = [{"key": "a", "text": "x"}, {"key": [], "text": "x"}]

    found = await read_rows(answer(), raws, Row, read, as_row=lambda raw: {**raw, "id": raw["key"]})

    assert (("a",), (raws[1],)) == (tuple(row.id for row, _ in found.items), found.page().raw)


async def test_others_have_their_turn_amid_a_long_list():
    """However odd its rows are."""
    turns = []

    async def other():
        while True:
            turns.append(None)
            await asyncio.sleep(0)

    task = asyncio.ensure_future(other())
    await read_rows(answer(), [{"text": "odd"}] * 1000, Row, read)
    task.cancel()

    assert len(turns) >= 19


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(plain | st.fixed_dictionaries({}, optional=dict.fromkeys(("id", "text", "size", "side", "tried"), plain)))
def test_any_row_is_read_or_a_value_error(raw):
    """Nothing that a vendor can send raises anything else, and nothing is read that is no text."""
    try:
        row, unreadable = read_row(raw, Row, read)
    except ValueError:
        return
    assert type(row.id) is str
    assert {type(row.text), type(row.tried)} <= {str, int, type(None)}
    assert all(getattr(row, name) in (None, 0) for name in unreadable if "." not in name)

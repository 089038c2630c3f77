"""A cursor is read as it was written, and any other text is refused."""

from datetime import UTC, datetime

import attrs
import pytest
from gateway_contracts import Direction, InvalidRequest
from gateway_contracts.cursors import not_ours, other_filters, read_cursor, write_cursor


@attrs.frozen(kw_only=True)
class Place:
    offset: int
    since: datetime | None = None
    direction: Direction | None = None
    seen: tuple[str, ...] = ()


PLACE = Place(offset=7, since=datetime(2026, 1, 31, 9, tzinfo=UTC), direction=Direction.INBOUND, seen=("ä", "?/+"))


def test_a_cursor_is_read_as_it_was_written():
    """An attrs class as that class, plain data as it is."""
    cursor = write_cursor(PLACE)

    assert PLACE == read_cursor(cursor, Place)
    assert {"p": [1, 2]} == read_cursor(write_cursor({"p": [1, 2]}), dict[str, list[int]])
    assert cursor.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    "text", ["", "x", "£", "not a cursor", write_cursor(PLACE)[:-3], write_cursor({"offset": "7"}), write_cursor([1])]
)
def test_any_other_text_is_refused(text):
    """Whoever sent it is told to begin again."""
    with pytest.raises(InvalidRequest) as caught:
        read_cursor(text, Place)

    assert (not_ours().message, {"cursor": "is not one of ours"}) == (caught.value.message, caught.value.fields)


def test_a_cursor_with_a_name_too_many_is_refused():
    """It is one of a newer version, or was made up."""
    with pytest.raises(InvalidRequest):
        read_cursor(write_cursor({"offset": 7, "unknown": 1}), Place)


def test_other_filters_name_the_cursor():
    """The error says which argument is wrong."""
    assert ["cursor"] == list(other_filters().fields)

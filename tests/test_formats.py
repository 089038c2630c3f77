"""Records as CSV: what the csv module would write, in a fraction of the time."""

import csv
import io
from datetime import UTC, datetime, timedelta, timezone

import attrs
import pytest
from gateway_contracts import OPERATIONS, CallRecord, Direction, Outcome
from hypothesis import given
from hypothesis import strategies as st

from gateway.formats import columns, csv_header, csv_rows

NAMES = columns(OPERATIONS["list_records"])
RECORD = CallRecord(
    **dict.fromkeys(NAMES)
    | {"account": "a", "direction": Direction.INBOUND, "outcome": Outcome.NO_ANSWER, "has_recording": False}
)


def written(rows):
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


@given(st.lists(st.text(st.sampled_from('ab,"\r\n ;\u2028\x00=+-@\u1ec5'), max_size=6), min_size=8, max_size=8))
def test_any_text_is_quoted_as_the_csv_module_does_it(texts):
    """Commas, quotes and ends of lines in any place."""
    names = ("record_id", "call_id", "cause", "from_number", "to_number", "queue", "customer_id", "vendor_status")
    safe = [f"x{text}" for text in texts]  # no formula

    assert written([safe]) == csv_rows([attrs.evolve(RECORD, **dict(zip(names, safe, strict=True)))], names)


@pytest.mark.parametrize("text", ['"', 'say "hi"', "a,b", "a\rb", "a\nb", "a\r\nb", "", ";", "\u2028", "a b "])
def test_each_character_that_must_be_quoted_is(text):
    """Also where it is the only one of its row."""
    names = ("account", "queue", "cause")

    assert written([["a", f"x{text}", "b"]]) == csv_rows([attrs.evolve(RECORD, queue=f"x{text}", cause="b")], names)


@pytest.mark.parametrize(
    ("expected", "changes"),
    [
        ("2026-01-31T09:00:00Z", {"started_at": datetime(2026, 1, 31, 9, tzinfo=UTC)}),
        ("2026-01-31T09:00:00.000005Z", {"started_at": datetime(2026, 1, 31, 9, 0, 0, 5, tzinfo=UTC)}),
        ("2026-01-31T02:00:00Z", {"started_at": datetime(2026, 1, 31, 9, tzinfo=timezone(timedelta(hours=7)))}),
        ("0999-01-31T09:00:00Z", {"started_at": datetime(999, 1, 31, 9, tzinfo=UTC)}),
        ("no_answer", {"outcome": Outcome.NO_ANSWER}),
        ("inbound", {"direction": Direction.INBOUND}),
        ("-1", {"duration_seconds": -1}),
        ("0", {"talk_seconds": 0}),
        ("true", {"has_recording": True}),
        ("false", {"has_recording": False}),
        ("", {"queue": None}),
        ("'=1", {"queue": "=1"}),
        ('"\'=1,2"', {"queue": "=1,2"}),
        ("+84899098899", {"queue": "+84899098899"}),
        ("", {"unreadable": ()}),
        ("duration time_ended", {"unreadable": ("duration", "time_ended")}),
    ],
)
def test_a_value_is_written_as_its_kind_is(expected, changes):
    """Between two others, as in a whole row."""
    (name,) = changes

    assert f"a,{expected},a\r\n".encode() == csv_rows([attrs.evolve(RECORD, **changes)], ("account", name, "account"))


@pytest.mark.parametrize(
    ("read", "text"),
    [
        *(
            (text, text)
            for text in ('"', '""', 'a"b', "a,b", "a\rb", "a\nb", 'x"\r\n,"', ",", " a ", "'", "\u1ec5", "")
        ),
        *((f"'{text}", text) for text in ("=1+1", "+A1", "-A1", "@SUM(A1)", " =1", "\t=1", "\r", "\uff1d1", '=",\n"')),
        *((text, text) for text in ("+84899098899", "-12", "+84 899 098 899")),
        ("a?b", "a\ud800b"),
        ("", None),
    ],
)
def test_any_program_reads_the_rows_as_they_were_written(read, text):
    """Whatever a vendor sends stays in its cell; a formula gets an apostrophe, and half a character a question mark."""
    names = ("account", "queue", "cause", "customer_id")
    rows = [attrs.evolve(RECORD, queue=text, cause=cause, customer_id=text) for cause in ("b", text)]
    content = csv_header(names) + csv_rows(rows, names)

    assert [list(names), ["a", read, "b", read], ["a", read, read, read]] == list(
        csv.reader(io.StringIO(content.decode(), newline=""), strict=True)
    )


def test_the_header_names_the_columns():
    """In the order of the model's attributes."""
    assert written([NAMES]) == csv_header(NAMES)

"""Log lines: one of `key=value` for each event, whatever the values hold."""

import logging
import re

import pytest
import structlog

from gateway.logs import log


@pytest.fixture
def said(caplog):
    """Logs an event with fields, and gives what follows the time."""
    caplog.set_level(logging.DEBUG, logger="gateway")

    def say(event, **fields):
        caplog.clear()
        log.info(event, **fields)
        return re.fullmatch(r"timestamp=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z (.*)", caplog.messages[0])[1]

    return say


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        ("x=hanoi", "hanoi"),
        ("x=", None),
        ("x=true", True),
        ("x=false", False),
        ("x=1.5", 1.5),
        ("x=Nguyễn", "Nguyễn"),
        ('x="two words"', "two words"),
        ('x="a=b"', "a=b"),
        ('x="say \\"hi\\""', 'say "hi"'),
        ("x=back\\slash", "back\\slash"),
        ('x="back\\\\slash "', "back\\slash "),
        ('x="two\\nlines"', "two\nlines"),
        ('x="two\\rlines"', "two\rlines"),
        ('x="two\\u2028lines"', "two\u2028lines"),
        ('x="\\x1b[31m"', "\x1b[31m"),
    ],
)
def test_a_value_stays_on_its_line_and_in_its_field(said, expected, value):
    """Nobody can forge a line or a field with what they are called."""
    line = said("something.happened", x=value)

    assert f"level=info event=something.happened {expected}" == line


def test_a_line_names_the_request_in_whose_course_it_is(said):
    """At its end, as whatever an application binds; outside of requests there is none."""
    with structlog.contextvars.bound_contextvars(request_id="abc123"):
        inside = said("something.happened", account="hanoi")

    assert "level=info event=something.happened account=hanoi request_id=abc123" == inside
    assert "level=info event=something.happened" == said("something.happened")


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_a_line_has_its_level_for_the_program_too(caplog, level):
    """A handler can tell by the record, without reading the line."""
    caplog.set_level(logging.DEBUG, logger="gateway")

    getattr(log, level)("something.happened")

    assert [("gateway", level.upper())] == [(each.name, each.levelname) for each in caplog.records]
    assert f" level={level} " in caplog.text


def test_what_is_left_out_is_not_even_rendered(caplog):
    """A quiet log costs nothing, and fails on nothing."""

    class Unprintable:
        def __str__(self):
            raise AssertionError("nobody wants to see this")

    caplog.set_level(logging.ERROR, logger="gateway")

    log.warning("something.happened", x=Unprintable())

    assert [] == caplog.records

"""`make support`: every generated file is written, or none, and one sentence says why."""

import json

import attrs
import pytest
from gateway_contracts import PluginError

from tests import support


@pytest.fixture
def written(tmp_path):
    """Two generated files, of which the second is not there yet."""
    there, absent = tmp_path / "there.json", tmp_path / "absent.json"
    there.write_text("old")
    return there, absent


def test_a_vendor_whose_report_lacks_an_operation_is_named():
    """An operation that is new is in no report before the suite has tried it."""
    reports = support.shipped_reports()
    operations = {name: each for name, each in reports["memory"].operations.items() if name != "park_call"}
    reports["memory"] = attrs.evolve(reports["memory"], operations=operations)

    with pytest.raises(support.Incomplete, match="the support report of memory lacks park_call"):
        support.with_tables(support.README.read_text(encoding="utf-8"), reports)


def test_a_readme_without_the_marks_is_an_error(monkeypatch, tmp_path):
    """Otherwise the tables would be left out in silence."""
    monkeypatch.setattr(support, "README", tmp_path / "README.md")
    support.README.write_text("# Telephony gateway")

    with pytest.raises(support.Incomplete, match="<!-- support table -->"):
        support.generate()


def test_files_are_as_they_were_when_something_goes_wrong(written):
    """Also one that was not there."""
    there, absent = written

    with pytest.raises(support.Incomplete), support.written({there: "new", absent: "new"}):
        raise support.Incomplete("a suite fails")

    assert there.read_text() == "old"
    assert not absent.exists()


def test_a_file_that_cannot_be_written_keeps_the_others(written, tmp_path):
    """None is written then."""
    there, _ = written

    with pytest.raises(OSError), support.written({there: "new", tmp_path / "no folder" / "file": "new"}):
        pytest.fail("not reached")

    assert there.read_text() == "old"


def test_all_files_are_written(written):
    """Where nothing goes wrong."""
    there, absent = written

    with support.written({there: "new", absent: json.dumps({})}):
        pass

    assert (there.read_text(), absent.read_text()) == ("new", "{}")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (support.Incomplete("no suite surveyed memory"), "Nothing was written: no suite surveyed memory."),
        (PluginError("the tests need pytest"), "Nothing was written: the tests need pytest."),
        (FileNotFoundError(2, "No such file", "README.md"), "Nothing was written: README.md: No such file."),
    ],
)
def test_one_sentence_says_what_is_wrong(monkeypatch, error, sentence):
    """No traceback."""

    def fail():
        raise error

    monkeypatch.setattr(support, "generate", fail)

    with pytest.raises(SystemExit) as ended:
        support.main()

    assert sentence == ended.value.code

"""`gateway plugin`: a package for a new vendor that works at once, and the check that says what a package can do."""

import json
import subprocess
import sys

import pytest

SURVEY = "record_property('support', {'vendor': 'zeta', 'operations': {}})"
ONLY_THE_SURVEY = """from gateway_contracts.testing import Suite

class TestVendor:
    test_everything_is_supported_or_refused = Suite.test_everything_is_supported_or_refused
"""
RUFF = [sys.executable, "-m", "ruff"]


@pytest.fixture
def into(tmp_path):
    folder = tmp_path / "packages"
    folder.mkdir()
    return folder


@pytest.fixture
def check(process, install_beside):
    """Runs `gateway plugin check` as a process that finds the package installed; gives code, stdout and stderr."""

    def run(package, vendor, *words):
        env = install_beside(package, vendor)
        started = process("plugin", "check", package, *words, env=env)
        out, errors = started.communicate()
        return started.returncode, out, errors

    return run


@pytest.mark.parametrize("name", ["zeta", "z", "abcdefghijklmnopqrstuvwxyz-v23"])
def test_a_new_package_is_clean(gateway, into, name):
    """Whatever the name, ruff finds nothing to say about it, and the sample's name is nowhere."""
    done = gateway("plugin", "new", name, "--into", into)

    package = into / f"gateway-{name}"
    files = [path for path in package.rglob("*") if path.is_file()]
    assert done.exit_code == 0
    assert str(package) in done.stdout
    assert (package / f"gateway_{name.replace('-', '_')}" / "adapter.py") in files
    assert (package / f"gateway_{name.replace('-', '_')}" / "py.typed") in files
    assert all("acme" not in f"{path.relative_to(into)}{path.read_text()}" for path in files)
    for words in (["check"], ["format", "--check"]):
        ruff = subprocess.run([*RUFF, *words, "--no-cache", package], capture_output=True, text=True, check=False)
        assert ruff.returncode == 0, ruff.stdout


def test_a_new_package_passes_and_shows_what_is_missing(gateway, into, check):
    """As soon as it is installed: what works, what is refused argument by argument, what is not there."""
    gateway("plugin", "new", "zeta", "--into", into)

    code, out, errors = check(into / "gateway-zeta", "zeta", "--json")

    found = json.loads(out)
    assert code == 0, errors
    assert (True, []) == (found["passed"], found["failed"])
    report = found["vendors"]["zeta"]
    assert report["operations"]["get_record"] == {"support": "full", "without": [], "reasons": {}}
    assert report["operations"]["start_call"]["support"] == "partial"
    assert report["operations"]["start_call"]["reasons"]["hotline"] == "zeta cannot be told hotline: leave it out"
    assert report["operations"]["transfer_call"]["reasons"] == {"transfer_call": "zeta has no call_control"}
    assert report["limits"]["page_rows"] == 300
    assert report == json.loads((into / "gateway-zeta" / "gateway_zeta" / "support.json").read_text())


def test_what_fails_is_named(gateway, into, check):
    """The names of the failed tests and a vendor without a suite end the check with its own exit code."""
    gateway("plugin", "new", "zeta", "--into", into)
    package = into / "gateway-zeta"
    (package / "tests" / "test_suite.py").write_text("def test_that_fails():\n    assert 1 == 2\n")

    code, out, errors = check(package, "zeta")

    assert (code, out) == (1, "")
    assert "FAILED tests/test_suite.py::test_that_fails" in errors
    assert "failed: 1," in errors


@pytest.mark.parametrize(
    ("tests", "text"),
    [
        ("def test_that_passes(): ...", "untested: no class subclasses gateway_contracts.testing.Suite for zeta"),
        ("import not_there", "ERROR tests/test_suite.py"),
        ("", "no tests ran"),
    ],
)
def test_a_package_without_a_suite_has_not_passed(gateway, into, check, tests, text):
    """Nothing was proven."""
    gateway("plugin", "new", "zeta", "--into", into)
    (into / "gateway-zeta" / "tests" / "test_suite.py").write_text(f"{tests}\n")

    code, _, errors = check(into / "gateway-zeta", "zeta")

    assert code == 1
    assert text in errors


def test_what_ends_the_tests_badly_is_not_passed(gateway, into, check):
    """No test failed, and pytest still says no: another of its plugins may."""
    gateway("plugin", "new", "zeta", "--into", into)
    tests = into / "gateway-zeta" / "tests"
    (tests / "test_suite.py").write_text(f"def test_that_surveys(record_property):\n    {SURVEY}\n")
    (tests / "conftest.py").write_text("def pytest_sessionfinish(session):\n    session.exitstatus = 1\n")

    code, out, _ = check(into / "gateway-zeta", "zeta", "--json")

    assert code == 1
    found = json.loads(out)
    assert (False, ["pytest ended with exit code 1"]) == (found["passed"], found["failed"])
    assert "zeta" in found["vendors"]


def test_surveys_of_one_vendor_that_differ_are_a_failure(gateway, into, check):
    """What holds embedded holds through a sidecar, or the report would tell half of it."""
    gateway("plugin", "new", "zeta", "--into", into)
    other = SURVEY.replace("{}", "{'list_calls': {'support': 'full'}}")
    (into / "gateway-zeta" / "tests" / "test_suite.py").write_text(
        f"def test_one(record_property):\n    {SURVEY}\n\ndef test_other(record_property):\n    {other}\n"
    )

    code, out, _ = check(into / "gateway-zeta", "zeta", "--json")

    (failed,) = json.loads(out)["failed"]
    assert (1, True) == (code, failed.endswith("test_other: another survey of zeta found something else"))


def test_a_report_that_is_stale_is_written_anew(gateway, into, check):
    """`--write` writes what the suite finds, which is then what the package ships."""
    gateway("plugin", "new", "zeta", "--into", into)
    package = into / "gateway-zeta"
    report, tests = package / "gateway_zeta" / "support.json", package / "tests" / "test_suite.py"
    fresh = report.read_text()
    tests.write_text(ONLY_THE_SURVEY)
    report.write_text(fresh.replace("cannot be told hotline", "never heard of hotline"))

    code, out, errors = check(package, "zeta", "--write")

    assert code == 0, errors
    assert f"written: {report}" in errors
    assert fresh == report.read_text()
    assert "zeta cannot be told hotline: leave it out" in out
    assert ["measured"] == [line.strip() for line in out.splitlines() if line.startswith("measured")]


def test_a_report_is_not_written_while_another_test_fails(gateway, into, check):
    """What is surveyed of an adapter that fails is no support; it is said, and what the package ships stays."""
    gateway("plugin", "new", "zeta", "--into", into)
    package = into / "gateway-zeta"
    report, tests = package / "gateway_zeta" / "support.json", package / "tests" / "test_suite.py"
    stale = report.read_text().replace("cannot be told hotline", "never heard of hotline")
    report.write_text(stale)
    tests.write_text(f"{ONLY_THE_SURVEY}\ndef test_that_fails():\n    assert 1 == 2\n")

    code, _, errors = check(package, "zeta", "--write")

    assert (1, stale) == (code, report.read_text())
    assert "not written" in errors
    assert "FAILED tests/test_suite.py::test_that_fails" in errors


def test_a_plugin_that_cannot_connect_stops_the_check_with_the_reason(gateway, into, check):
    """The method that is missing is named once, and not by every test."""
    gateway("plugin", "new", "zeta", "--into", into)
    adapter = into / "gateway-zeta" / "gateway_zeta" / "adapter.py"
    adapter.write_text(adapter.read_text().replace("async def get_record", "async def get_recrd"))

    code, _, errors = check(into / "gateway-zeta", "zeta")

    assert code == 3
    assert "the tests stopped at the first: accounts.main: the plugin of zeta failed to connect: TypeError" in errors
    assert "get_record" in errors.splitlines()[-1]
    assert "1 failed" in errors


def test_a_plugin_that_cannot_be_imported_stops_the_check_before_its_tests(gateway, into, check):
    """With the reason, as a gateway would say it."""
    gateway("plugin", "new", "zeta", "--into", into)
    (into / "gateway-zeta" / "gateway_zeta" / "__init__.py").write_text("import not_there\n")

    code, _, errors = check(into / "gateway-zeta", "zeta")

    assert code == 3
    assert "No module named 'not_there'" in errors
    assert "failed in" not in errors


@pytest.mark.parametrize(
    ("support", "words", "code", "text"),
    [
        ("None", [], 0, "note: zeta ships no support report"),
        ("None", ["--write"], 3, "names no file for its support report"),
        ('Path("/nowhere/support.json")', ["--write"], 3, "is not the one in"),
        ('Path(__file__).with_name("none.json")', [], 1, "note: zeta ships no support report that can be read"),
    ],
)
def test_a_plugin_without_a_file_for_its_report(gateway, into, check, support, words, code, text):
    """It passes while it names none; but nothing can be written, nor into another package than the one asked for."""
    gateway("plugin", "new", "zeta", "--into", into)
    package = into / "gateway-zeta"
    hook = package / "gateway_zeta" / "__init__.py"
    hook.write_text(hook.read_text().replace('Path(__file__).with_name("support.json")', support))
    (package / "tests" / "test_suite.py").write_text(f"def test_that_surveys(record_property):\n    {SURVEY}\n")

    done, _, errors = check(package, "zeta", *words)

    assert (code, True) == (done, text in errors), errors


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Zeta", "small letters"),
        ("9lives", "small letters"),
        ("a--b", "small letters"),
        ("a_b", "small letters"),
        ("../up", "small letters"),
        ("x" * 31, "at most 30"),
        ("", "small letters"),
        ("memory", "has a plugin already"),
        ("simulators", "there is a package gateway_simulators already"),
    ],
)
def test_a_name_that_cannot_be_is_refused(gateway, into, name, text):
    """With what may be, and nothing is written."""
    failed = gateway("plugin", "new", name, "--into", into)

    assert failed.exit_code == 2
    assert text in failed.stderr
    assert [] == list(into.iterdir())


def test_nothing_is_overwritten(gateway, into):
    """A folder of that name is left as it is, even an empty one."""
    (into / "gateway-zeta").mkdir()

    failed = gateway("plugin", "new", "zeta", "--into", into)

    assert failed.exit_code == 2
    assert "is there already" in failed.stderr
    assert [] == list((into / "gateway-zeta").iterdir())


def test_a_folder_that_is_no_package_is_told_so(gateway, tmp_path):
    """With what makes one."""
    failed = gateway("plugin", "check", tmp_path)

    assert failed.exit_code == 3
    assert "is no plugin's package" in failed.stderr
    assert "gateway plugin new" in failed.stderr


def test_a_package_that_is_not_installed_is_told_how(gateway, into):
    """Without its entry point the gateway would not find it."""
    gateway("plugin", "new", "zeta", "--into", into)

    failed = gateway("plugin", "check", into / "gateway-zeta")

    assert failed.exit_code == 3
    assert "pip install --editable" in failed.stderr

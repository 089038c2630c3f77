"""A plugin of pytest that writes down, as JSON, what the suites that it sees find out.

    pytest -p gateway_contracts.testing.report --support-report report.json

`vendors` holds the support report of each vendor by name, as its plugin ships it; `failed` the names of the tests that
failed; `broken` why the account under test cannot be opened, which ends the tests at once, and null where it can.
"""

import json
from pathlib import Path
from typing import Any

import pytest

PROPERTY = "support"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that says where to write."""
    parser.addoption("--support-report", metavar="FILE", help="Write what the tested vendors support to FILE, as JSON.")


def pytest_configure(config: pytest.Config) -> None:
    """Listen to the results, if there is somewhere to write them."""
    path = config.getoption("--support-report")
    if path:
        config.pluginmanager.register(Report(Path(path)))


class Report:
    """What the tests said so far. Each survey of a vendor must find the same, whichever way it is reached."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._vendors: dict[str, dict[str, Any]] = {}
        self._failed: dict[str, None] = {}
        self._broken: str | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> None:
        """Stop where the account is broken: every other test would only say so again."""
        pbx = getattr(item, "funcargs", {}).get("pbx")
        if getattr(pbx, "state", None) == "broken":
            self._broken = item.session.shouldstop = str(getattr(pbx, "broken", None) or "the account is broken")
            pytest.fail(self._broken, pytrace=False)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a survey found, and the name of what failed."""
        if report.failed:
            self._failed[report.nodeid] = None
        if report.when == "call":
            for name, value in report.user_properties:
                if (
                    name == PROPERTY
                    and isinstance(value, dict)
                    and value != self._vendors.setdefault(value["vendor"], value)
                ):
                    self._failed[f"{report.nodeid}: another survey of {value['vendor']} found something else"] = None

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A module that cannot be imported is a failure too."""
        if report.failed:
            self._failed[report.nodeid] = None

    def pytest_sessionfinish(self) -> None:
        """Write the file."""
        found = {"vendors": self._vendors, "failed": list(self._failed), "broken": self._broken}
        self._path.write_text(json.dumps(found, indent=2), encoding="utf-8")

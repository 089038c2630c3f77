"""A plugin of pytest that writes the support report of the suites that it sees, as JSON.

    pytest -p gateway_contracts.testing.report --support-report report.json

The report holds for each vendor and operation its `support` (`full`, `partial` or `unsupported`), the arguments that it
is `without`, and the names of the tests that `failed`.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from .survey import Support

PROPERTY = "support"


def as_json(support: Support) -> dict[str, Any]:
    """*support* of one operation, as it stands in the report."""
    word = "unsupported" if not support.supported else "partial" if support.without else "full"
    return {"support": word, "without": list(support.without)}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that says where to write."""
    parser.addoption("--support-report", metavar="FILE", help="Write what the tested vendors support to FILE, as JSON.")


def pytest_configure(config: pytest.Config) -> None:
    """Listen to the results, if there is somewhere to write them."""
    path = config.getoption("--support-report")
    if path:
        config.pluginmanager.register(Report(Path(path)))


class Report:
    """What the tests said so far. Every survey of a vendor finds the same, whichever way it is reached."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._vendors: dict[str, dict[str, Any]] = {}
        self._failed: dict[str, None] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a survey found, and the name of what failed."""
        if report.failed:
            self._failed[report.nodeid] = None
        if report.when == "call" and report.passed:
            for name, value in report.user_properties:
                if name == PROPERTY and isinstance(value, dict):
                    self._vendors.setdefault(value["vendor"], value["operations"])

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A module that cannot be imported is a failure too."""
        if report.failed:
            self._failed[report.nodeid] = None

    def pytest_sessionfinish(self) -> None:
        """Write the file."""
        found = {"vendors": self._vendors, "failed": list(self._failed)}
        self._path.write_text(json.dumps(found, indent=2), encoding="utf-8")

"""A plugin's package: written from templates, and checked by running its tests."""

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import attrs
from gateway_contracts import ENTRY_POINTS, PluginError, SupportReport, from_json

from ..accounts.support import report_of
from ..accounts.vendors import load_vendor, vendor_names

# What the templates are written for; every other name takes its place.
_SAMPLE, _SUFFIX = "acme", ".txt"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_MAX_NAME = 30
_STDERR = 2
_NO_TESTS = 5  # pytest's exit code
_REPORT = "gateway_contracts.testing.report"
_SURVEY = "test_everything_is_supported_or_refused"


def problem_of(name: str) -> str | None:
    """Why a new plugin cannot be for a vendor called *name*; None when it can."""
    if not _NAME.fullmatch(name) or len(name) > _MAX_NAME:
        return f"must be at most {_MAX_NAME} small letters, digits and single hyphens, a letter first: acme, acme-v2"
    if name in vendor_names():
        return f"the vendor {name!r} has a plugin already: {vendor_names()[name]}"
    if importlib.util.find_spec(_module(name)) is not None:
        return f"there is a package {_module(name)} already"
    return None


def write_package(name: str, into: Path) -> Path:
    """Write a package for the vendor *name* below *into*; gives its folder.

    Raises: FileExistsError when that folder is there.
    """
    folder = into / f"gateway-{name}"
    folder.mkdir(parents=True)
    for path, text in _templates(resources.files(__package__) / "templates"):
        file = folder / _renamed(path, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_renamed(text, name), encoding="utf-8")
    return folder


def _templates(folder: Any, place: str = "") -> list[tuple[str, str]]:
    found = []
    for each in sorted(folder.iterdir(), key=lambda each: str(each.name)):
        if each.is_dir():
            found += _templates(each, f"{place}{each.name}/")
        elif each.name.endswith(_SUFFIX):
            found.append((place + each.name.removesuffix(_SUFFIX), each.read_text(encoding="utf-8")))
    return found


def _renamed(text: str, name: str) -> str:
    return text.replace(f"gateway_{_SAMPLE}", _module(name)).replace(_SAMPLE, name)


def _module(name: str) -> str:
    return f"gateway_{name.replace('-', '_')}"


@attrs.frozen(kw_only=True)
class Checked:
    """What the tests of a package found: the support report of each vendor by name, and the tests that failed.

    `without_report` are the vendors whose plugin ships none that can be read; to name one all the same has failed.
    `written` are the support reports that were written.
    """

    vendors: Mapping[str, SupportReport]
    failed: tuple[str, ...]
    without_suite: tuple[str, ...] = ()
    without_report: tuple[str, ...] = ()
    written: tuple[Path, ...] = ()

    @property
    def passed(self) -> bool:
        """Everything that should be tested was, and nothing failed."""
        return not self.failed and not self.without_suite


def check_package(path: Path, *, write: bool = False) -> Checked:
    """Run the tests of the package at *path*; what pytest says goes to stderr.

    With *write* the support reports are written into the package as the survey finds them, once all the other tests
    have passed: what is surveyed of an adapter that fails is no support. There is none for a vendor without a suite.

    Raises: PluginError when *path* is no plugin's package, when it or pytest is not installed here, when the plugin
    cannot connect, and with *write* when a plugin names no file in the package.
    """
    vendors = _installed_vendors_of(path)
    loaded = [load_vendor(vendor) for vendor in vendors]
    checked = _write_and_run(vendors, path) if write else _run_tests(path, stdout=_STDERR)
    tested = checked.vendors if not checked.failed else vendors
    unread = [vendor for vendor in loaded if report_of(vendor) is None]
    unreadable = [f"{vendor.name}: {vendor.support} cannot be read" for vendor in unread if vendor.support is not None]
    return attrs.evolve(
        checked,
        failed=(*checked.failed, *unreadable),
        without_suite=tuple(vendor for vendor in vendors if vendor not in tested),
        without_report=tuple(vendor.name for vendor in unread),
    )


def _write_and_run(vendors: list[str], path: Path) -> Checked:
    for vendor in vendors:
        _report_file(vendor, path)  # before the tests, which take longer
    others = _run_tests(path, "-k", f"not {_SURVEY}", stdout=_STDERR, may_be_none=True)
    if others.failed:
        return others
    found = survey_package(path).files
    for file, report in found.items():
        file.write_text(report.as_text(), encoding="utf-8")
    return attrs.evolve(_run_tests(path, "-k", _SURVEY, stdout=_STDERR), written=tuple(found))


@attrs.frozen(kw_only=True)
class Survey:
    """What the surveys of a package found: the report of each vendor by the file that it belongs in.

    `absent` are the vendors that no suite has surveyed to the end. `failed` are the surveys that failed: the reports in
    the package are stale, or a survey met an error.
    """

    files: Mapping[Path, SupportReport]
    absent: tuple[str, ...]
    failed: tuple[str, ...]


def survey_package(path: Path) -> Survey:
    """Survey the vendors of the package at *path*, whatever its other tests say.

    Raises: as `check_package` with *write*.
    """
    files = {vendor: _report_file(vendor, path) for vendor in _installed_vendors_of(path)}
    found = _run_tests(path, "-k", _SURVEY, stdout=subprocess.DEVNULL)
    return Survey(
        files={file: found.vendors[vendor] for vendor, file in files.items() if vendor in found.vendors},
        absent=tuple(vendor for vendor in files if vendor not in found.vendors),
        failed=found.failed,
    )


def _installed_vendors_of(path: Path) -> list[str]:
    vendors = _vendors_of(path)
    needed = ("hypothesis", "pytest", "pytest_asyncio")
    if any(importlib.util.find_spec(module) is None for module in needed):
        raise PluginError(
            "the tests need pytest, pytest-asyncio and hypothesis: pip install pytest pytest-asyncio hypothesis"
        )
    absent = [vendor for vendor in vendors if vendor not in vendor_names()]
    if absent:
        raise PluginError(
            f"the plugin of {', '.join(absent)} is not installed here: pip install --editable '{path}[test]'"
        )
    return vendors


def _report_file(vendor: str, path: Path) -> Path:
    file = load_vendor(vendor).support
    if file is None:
        raise PluginError(
            f"the plugin of {vendor} names no file for its support report: "
            'Vendor(…, support=Path(__file__).with_name("support.json"))'
        )
    if not file.resolve().is_relative_to(path.resolve()):
        raise PluginError(
            f"the plugin of {vendor} that is installed here is not the one in {path}: "
            f"pip install --editable '{path}[test]'"
        )
    return file


def _run_tests(path: Path, *words: str, stdout: int, may_be_none: bool = False) -> Checked:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        run = [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", _REPORT, "--support-report", str(report)]
        done = subprocess.run([*run, *words], cwd=path, stdout=stdout, check=False)  # noqa: S603 # our own words
        if not report.exists():
            raise PluginError(f"pytest could not run the tests of {path} (exit code {done.returncode}), see above")
        found = json.loads(report.read_text(encoding="utf-8"))
    if found["broken"]:
        raise PluginError(f"the tests stopped at the first: {found['broken']}")
    failed = tuple(found["failed"])
    if done.returncode not in {0, _NO_TESTS if may_be_none else 0} and not failed:
        failed = (f"pytest ended with exit code {done.returncode}",)
    return Checked(vendors=from_json(found["vendors"], Mapping[str, SupportReport]), failed=failed)  # type: ignore[type-abstract] # it is structured as a dict


def _vendors_of(path: Path) -> list[str]:
    file = path / "pyproject.toml"
    try:
        project = tomllib.loads(file.read_text(encoding="utf-8"))
        vendors = list(project["project"]["entry-points"][ENTRY_POINTS])
    except (OSError, ValueError, KeyError, TypeError):
        table = f"[project.entry-points.{json.dumps(ENTRY_POINTS)}]"
        raise PluginError(
            f"{path} is no plugin's package: there is no pyproject.toml with {table} in it; "
            "`gateway plugin new NAME` writes one"
        ) from None
    return vendors

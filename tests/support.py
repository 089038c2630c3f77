"""Every support report of this repository, and the README's tables: `python -m tests.support` writes them anew."""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from gateway_contracts import OPERATIONS, SupportLevel

from gateway.accounts.support import lines_of, report_of
from gateway.accounts.vendors import load_vendor
from gateway.cli.plugin_package import write_package, write_reports
from tests.installed_package import beside

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
MARKS = re.compile(r"(<!-- support table -->\n).*?(<!-- end of support table -->)", re.DOTALL)
VENDORS = ("tel4vn-v1", "tel4vn-v2", "antbuddy", "memory")
TEMPLATE = ROOT / "gateway" / "templates" / "gateway_acme" / "support.json.txt"


def with_tables(text):
    """*text* with what the plugins ship between its marks."""
    reports = [report_of(load_vendor(vendor)) for vendor in VENDORS]
    tables = f"{_operations(reports)}\n\n{_limits(reports)}"
    return MARKS.sub(lambda marks: f"{marks[1]}{tables}\n{marks[2]}", text)


def _operations(reports):
    shown, lines = "", _head("interface", "operation")
    for name, operation in OPERATIONS.items():
        interface = "" if operation.interface == shown else f"`{operation.interface}`"
        shown = operation.interface
        cells = [_cell(report.operations[name]) for report in reports]
        lines.append(f"| {interface} | `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def _limits(reports):
    told = [dict(lines_of(report.limits)) for report in reports]
    names = dict.fromkeys(name for each in told for name in each)
    return "\n".join(
        [*_head("measured"), *(f"| {name} | {' | '.join(each.get(name, '') for each in told)} |" for name in names)]
    )


def _head(*words):
    names = [*words, *(f"`{vendor}`" for vendor in VENDORS)]
    return [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]


def _cell(support):
    if support.support is SupportLevel.UNSUPPORTED:
        return "no"
    if support.without:
        return f"yes, without {', '.join(f'`{name}`' for name in support.without)}"
    return "yes"


def _write_package_report(package, vendor):
    """As its author would, with the package installed."""
    with tempfile.TemporaryDirectory() as folder:
        check = [Path(sys.executable).with_name("gateway"), "plugin", "check", package, "--write"]
        subprocess.run(check, env=beside(Path(folder), package, vendor), check=True)


def main():
    """Write everything anew."""
    written = write_reports(ROOT)
    for vendor in (each for each in VENDORS if load_vendor(each).support not in written):
        sys.stderr.write(f"no suite surveyed {vendor}: its report stays as it is\n")
    README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")
    _write_package_report(ROOT / "examples" / "gateway-acme", "acme")
    with tempfile.TemporaryDirectory() as folder:
        package = write_package("acme", Path(folder))
        _write_package_report(package, "acme")
        shutil.copy(package / "gateway_acme" / "support.json", TEMPLATE)


if __name__ == "__main__":
    main()

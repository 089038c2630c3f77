"""The generated files: every support report, and the README's tables. `python -m tests.support` writes all or none."""

import contextlib
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from gateway_contracts import OPERATIONS, PluginError, SupportLevel

from gateway.accounts.support import lines_of, report_of
from gateway.accounts.vendors import load_vendor
from gateway.cli.plugin_package import survey_package, write_package
from tests.installed_package import beside

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
MARKS = re.compile(r"(<!-- support table -->\n).*?(<!-- end of support table -->)", re.DOTALL)
VENDORS = ("tel4vn-v1", "tel4vn-v2", "antbuddy", "memory")
EXAMPLE = ROOT / "examples" / "gateway-acme"
TEMPLATE = ROOT / "gateway" / "cli" / "templates" / "gateway_acme" / "support.json.txt"


class Incomplete(Exception):  # the sentence that is shown
    """Not every file can be generated."""


def shipped_reports():
    """The support report that each plugin ships, by vendor."""
    return {vendor: report_of(load_vendor(vendor)) for vendor in VENDORS}


def with_tables(text, reports):
    """*text* with the tables of *reports* between its marks."""
    for vendor, report in reports.items():
        lacking = [name for name in OPERATIONS if report is None or name not in report.operations]
        if lacking:
            raise Incomplete(f"the support report of {vendor} lacks {', '.join(lacking)}")
    found = list(reports.values())
    tables = f"{_operations(found)}\n\n{_limits(found)}"
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


def _report_of_package(package, name):
    """The support report that `gateway plugin check --write` writes into *package*, with the package installed."""
    with tempfile.TemporaryDirectory() as folder:
        check = [Path(sys.executable).with_name("gateway"), "plugin", "check", package, "--write"]
        done = subprocess.run(
            check, env=beside(Path(folder), package, "acme"), capture_output=True, text=True, check=False
        )
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        raise Incomplete(f"the tests of {name} fail, see above")
    return (package / "gateway_acme" / "support.json").read_text(encoding="utf-8")


def generate():
    """The text of each generated file, which is not written yet. Raises: Incomplete, PluginError, OSError."""
    readme = README.read_text(encoding="utf-8")
    if MARKS.search(readme) is None:
        raise Incomplete("README.md has no <!-- support table --> and <!-- end of support table --> after it")
    survey = survey_package(ROOT)
    if survey.absent:
        failed = f"; these failed: {', '.join(survey.failed)}" if survey.failed else ""
        raise Incomplete(f"no suite surveyed {', '.join(survey.absent)} to its end{failed}")
    reports = {report.vendor: report for report in survey.files.values()}
    if set(reports) != set(VENDORS):
        raise Incomplete(f"pyproject.toml has the vendors {sorted(reports)}, and VENDORS of tests/support.py others")
    texts = {file: report.as_text() for file, report in survey.files.items()}
    tables = with_tables(readme, {vendor: reports[vendor] for vendor in VENDORS})
    with tempfile.TemporaryDirectory() as folder:
        example = shutil.copytree(EXAMPLE, Path(folder, "example"), ignore=shutil.ignore_patterns("__pycache__"))
        texts[EXAMPLE / "gateway_acme" / "support.json"] = _report_of_package(example, "examples/gateway-acme")
        template = write_package("acme", Path(folder))
        texts[TEMPLATE] = _report_of_package(template, "a package that `gateway plugin new` writes")
    return {**texts, README: tables}


@contextlib.contextmanager
def written(texts):
    """Every text in its file. When something goes wrong, also in the block, each file is as it was."""
    before = {file: file.read_text(encoding="utf-8") if file.exists() else None for file in texts}
    try:
        for file, text in texts.items():
            file.write_text(text, encoding="utf-8")
        yield
    except BaseException:
        for file, text in before.items():
            if text is None:
                file.unlink(missing_ok=True)
            else:
                file.write_text(text, encoding="utf-8")
        raise


def main():
    """Write everything anew, or nothing, and then say why."""
    try:
        with written(generate()):
            failed = survey_package(ROOT).failed
            if failed:
                raise Incomplete(f"with the new reports the suite fails still: {', '.join(failed)}")
    except (Incomplete, PluginError) as error:
        sys.exit(f"Nothing was written: {error}.")
    except OSError as error:
        sys.exit(f"Nothing was written: {error.filename}: {error.strerror}.")


if __name__ == "__main__":
    main()

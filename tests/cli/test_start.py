"""How the command line starts, and what it says of itself."""

import ast
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import gateway as package
from gateway import cli
from gateway.cli.exit_codes import EXIT_CODES, ExitCode
from gateway.cli.main import COMMANDS, load_command

ROOT = Path(cli.__file__).parent
HEAVY = {"aiohttp", "attr", "attrs", "cattrs", "structlog", "rich", "gateway_contracts", "orjson", "asyncio"} | {
    "sqlalchemy",
    "alembic",
}


def test_help_imports_nothing_heavy():
    """`gateway --help` is there at once: what commands need is imported when one runs."""
    code = (
        "import sys\nfrom gateway.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: print('loaded', *sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    loaded = set(done.stdout.partition("\nloaded ")[2].split())
    assert "click" in loaded
    assert set() == HEAVY & loaded


@pytest.mark.parametrize("name", package.__all__)
def test_every_public_name_can_be_imported(name):
    """Names are looked up when they are asked for, and all of them are there."""
    assert getattr(package, name) is not None


def test_public_names_are_sorted_and_listed():
    """`__all__` is sorted, and `dir` shows names that were not asked for yet."""
    code = "import gateway\nprint(*dir(gateway))"

    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert sorted(package.__all__) == package.__all__
    assert set(package.__all__) <= set(shown.split())


def test_unknown_name_is_an_attribute_error():
    """A name that the package has not is refused as usual."""
    with pytest.raises(AttributeError, match="module 'gateway' has no attribute 'nope'"):
        _ = package.nope


def test_help_names_every_exit_code(gateway):
    """Scripts find the meaning of each exit code in the help."""
    shown = gateway("--help").stdout

    assert set(ExitCode) == set(EXIT_CODES)
    for code, text in EXIT_CODES.items():
        assert f"{int(code)}  {text}" in shown


def test_version(gateway):
    """`--version` says the version."""
    assert gateway("--version").stdout == f"gateway, version {version('telephony-gateway')}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(gateway, command):
    """Each command has a help text and is named in the help of all."""
    assert f"\n  {command} " in gateway("--help").stdout
    assert gateway(command, "--help").exit_code == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_the_list_of_commands_says_what_each_says_itself(command):
    """`gateway --help` shows the sentence in the list; it is the first of the command's own help."""
    whole = load_command(command)

    assert COMMANDS[command] == " ".join(whole.help.partition("\n\n")[0].split())
    assert command == whole.name


def test_every_module_of_a_command_is_in_the_list():
    """A new file in `commands` is a new command."""
    assert set(COMMANDS) == {file.stem for file in (ROOT / "commands").glob("*.py")} - {"__init__"}


def test_no_function_or_class_has_the_name_of_a_module():
    """`gateway.cli.commands.demo` is the module, in whatever order things are imported."""
    files = list(ROOT.rglob("*.py"))
    modules = {file.stem for file in files}
    defined = [
        (file.name, node.name)
        for file in files
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]

    assert [("main.py", "main")] == [(file, name) for file, name in defined if name in modules]


def test_openapi_prints_the_document(gateway):
    """The API is printed as JSON, with keys as its security."""
    document = json.loads(gateway("openapi").stdout)

    assert document["openapi"] == "3.1.0"
    assert document["security"] == [{"key": []}]


def test_logs_go_to_stderr_when_asked_for(gateway, config):
    """`-v` shows each operation as one line on stderr, with no number in it; without, there is none."""
    words = ("call", "hanoi", "start_call", "extension=101", "number=0899098899")

    quiet, loud = gateway(*words, config=config), gateway("-v", *words[:3], "extension=102", words[4], config=config)

    assert quiet.stderr == ""
    assert "event=operation.done account=hanoi operation=start_call" in loud.stderr
    assert loud.stderr.count("\n") == 1
    assert "0899098899" not in loud.stderr


def test_a_failure_is_shown_once(gateway, config):
    """What ends a command is shown as its problem, not in the log on top of it."""
    failed = gateway("call", "hanoi", "start_call", "extension=104", "number=0899098899", config=config)

    assert failed.exit_code == 1
    assert "operation.failed" not in failed.stderr

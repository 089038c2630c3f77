"""Imports inside functions of `gateway`: each is in this list, with what it saves at a program's start. No other is
allowed.
"""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent / "gateway"
JOURNAL = "takes SQLAlchemy along, which a gateway without a journal does not need"
METRICS = "prometheus_client takes longer to import than everything else here; not every sidecar is asked for metrics"
SYSTEM = "Windows does not have this module"
LATE = {
    "gateway: a module named at run time": "`gateway --help` needs no public name, and aiohttp takes 150 ms",
    "gateway.cli.commands.call: gateway.cli.tables": "takes rich along, which only `gateway call --list` needs",
    "gateway.cli.commands.export: rich": "only a terminal is shown a progress bar",
    "gateway.cli.main: a module named at run time": "`gateway --help` needs no command, and each command only itself",
    "gateway.cli.main: gateway.cli.error_report": "takes gateway_contracts along, which `gateway --help` does not need",
    "gateway.cli.simulators: gateway_simulators": "no simulator is loaded before a user starts one",
    "gateway.cli.simulators: a module named at run time": "no simulator is loaded before a user starts one",
    "gateway.facade: gateway.dialling.dials": JOURNAL,
    "gateway.facade: gateway.dialling.lookup": JOURNAL,
    "gateway.facade: gateway.dialling.resolver": JOURNAL,
    "gateway.facade: gateway.events.feed": JOURNAL,
    "gateway.facade: gateway.remote": "takes aiohttp along, which a gateway of its own accounts may not need",
    "gateway.http.app: gateway.http.services": JOURNAL,
    "gateway.http.server: resource": SYSTEM,
    "gateway.journal.engines: gateway.journal.postgresql": "takes psycopg along, which only PostgreSQL needs",
    "gateway.journal.lazy: gateway.journal.opening": JOURNAL,
    "gateway.metrics: prometheus_client": METRICS,
}


def module_of(file):
    parts = ["gateway", *file.relative_to(ROOT).with_suffix("").parts]
    return parts[:-1] if parts[-1] == "__init__" else parts


def late_imports(file):
    """`module: what it imports` for each import in a function of *file*. Of others' modules it names the package."""
    module = module_of(file)
    package = module if file.name == "__init__.py" else module[:-1]
    for function in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        for node in ast.walk(function):
            for name in _imported_by(node, package):
                yield f"{'.'.join(module)}: {name}"


def _imported_by(node, package):
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        if not node.level:
            return [node.module.partition(".")[0]]
        target = package[: len(package) - node.level + 1]
        return [".".join([*target, node.module or alias.name]) for alias in node.names]
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
        argument = node.args[0]
        return [argument.value if isinstance(argument, ast.Constant) else "a module named at run time"]
    return []


def test_every_late_import_is_listed():
    """A new one needs a reason that is start-up time, and one that is gone leaves the list."""
    assert set(LATE) == {late for file in ROOT.rglob("*.py") for late in late_imports(file)}

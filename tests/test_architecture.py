"""The arrows of the design: plugins → gateway_contracts ← gateway, and what else no import may do."""

import ast
import functools
import importlib
import pkgutil
import sys
import tomllib
from pathlib import Path

import gateway_contracts
import pytest

import gateway

ROOT = Path(__file__).parent.parent
SHIPPED = {
    "gateway": ROOT / "gateway",
    "gateway_contracts": ROOT / "contracts" / "gateway_contracts",
    "gateway_simulators": ROOT / "contracts" / "gateway_simulators",
    **{path.name: path for path in (ROOT / "plugins").iterdir() if (path / "__init__.py").exists()},
}
PLUGINS = sorted(set(SHIPPED) - {"gateway", "gateway_contracts", "gateway_simulators"})
MODULES = [(package, file) for package, folder in SHIPPED.items() for file in sorted(folder.rglob("*.py"))]
LONGEST = 500  # lines

ALLOWED = {
    "gateway": {"gateway", "gateway_contracts"},
    "gateway_contracts": {"gateway_contracts"},
    "gateway_simulators": {"gateway_simulators"},
    **{plugin: {plugin, "gateway_contracts"} for plugin in PLUGINS},
}
# A program may start a simulator when it is told to; it is not loaded before.
LAZILY = {"gateway/cli/simulators.py": {"gateway_simulators"}}
DEVELOPMENT = {"pytest", "hypothesis", "aioresponses", "jsonschema", "openapi_spec_validator", "yaml"}


@functools.cache
def imports(file, *, lazy=None):
    """The top-level packages that *file* imports: all, or only those inside functions, or only those outside."""
    found = []

    def visit(node, inside):
        if isinstance(node, ast.Import):
            found.extend((name.name.split(".")[0], inside) for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.append((node.module.split(".")[0], inside))
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            found.extend(
                (argument.value.split(".")[0], inside)
                for argument in node.args[:1]
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
            )
        for child in ast.iter_child_nodes(node):
            visit(child, inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))

    visit(ast.parse(file.read_text(encoding="utf-8")), False)
    return {name for name, inside in found if lazy is None or inside is lazy}


def name_of(file):
    return file.relative_to(ROOT).as_posix()


def offenders(wrong):
    """Those of the files in *wrong* that do something wrong, with what it is."""
    return {name: sorted(found) for name, found in wrong.items() if found}


def test_there_is_something_to_look_at():
    """The walk finds the packages that are shipped."""
    shipped = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]

    assert {"gateway_memory", "gateway_tel4vn"} <= set(PLUGINS)
    assert len(MODULES) > 30
    assert {path.relative_to(ROOT).as_posix() for path in SHIPPED.values()} == set(shipped["packages"])


def test_imports_follow_the_arrows():
    """Core and plugins import the contracts only. Simulators and contracts import no other package of ours."""
    wrong = {}
    for package, file in MODULES:
        lazily = imports(file, lazy=True) - imports(file, lazy=False)
        ours = imports(file) & set(SHIPPED)
        wrong[name_of(file)] = ours - ALLOWED[package] - (LAZILY.get(name_of(file), set()) & lazily)

    assert {} == offenders(wrong)


def test_no_package_is_imported_by_where_it_lies():
    """`contracts.gateway_contracts` is a second copy with other classes, in an editable install only."""
    wrong = {name_of(file): imports(file) & {"contracts", "plugins", "tests", "examples"} for _, file in MODULES}

    assert {} == offenders(wrong)


def test_a_relative_import_stays_in_its_package():
    """Dots must not climb out of it."""
    wrong = {}
    for package, file in MODULES:
        depth = len(file.relative_to(SHIPPED[package]).parts)
        levels = [node.level for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ImportFrom)]
        wrong[name_of(file)] = [level for level in levels if level > depth]

    assert {} == offenders(wrong)


def test_what_is_shipped_needs_no_tools_of_tests():
    """Except the suite, which is for tests."""
    wrong = {name_of(file): imports(file) & DEVELOPMENT for _, file in MODULES if "testing" not in file.parts}

    assert {} == offenders(wrong)


def test_a_module_is_named_after_what_it_owns_and_is_short():
    """A name for everything is a name for nothing, and a file of over 500 lines is two files."""
    wrong = {}
    for _, file in MODULES:
        length = len(file.read_text(encoding="utf-8").splitlines())
        nameless = file.stem in {"utils", "util", "common", "helpers", "helper", "base", "core", "misc"}
        wrong[name_of(file)] = [length] if length > LONGEST else [file.stem] if nameless else []

    assert {} == offenders(wrong)


def modules_of(package):
    """Every module of *package*, imported."""
    found = importlib.import_module(package)
    yield found
    for each in pkgutil.walk_packages(found.__path__, f"{package}."):
        if not each.name.endswith("__main__"):
            yield importlib.import_module(each.name)


@pytest.mark.parametrize("package", sorted(SHIPPED))
def test_what_is_listed_is_there_and_in_order(package):
    """`__all__` is sorted as ruff sorts it, names no thing twice, and everything in it can be imported."""
    for module in modules_of(package):
        names = list(getattr(module, "__all__", []))
        kinds = [
            2 if not name.isupper() and not name[0].isupper() else 1 if not name.isupper() else 0 for name in names
        ]

        assert sorted(zip(kinds, names, strict=True)) == list(zip(kinds, names, strict=True)), module.__name__
        assert len(set(names)) == len(names)
        assert [] == [name for name in names if not hasattr(module, name)]


@pytest.mark.parametrize("package", ["gateway", "gateway_contracts"])
def test_the_public_packages_say_what_is_public(package):
    """What is not listed is private."""
    assert importlib.import_module(package).__all__


@pytest.mark.parametrize("package", sorted(SHIPPED))
def test_a_package_says_that_it_is_typed(package):
    """Type checkers of applications and plugins read it."""
    assert (SHIPPED[package] / "py.typed").exists()


def test_applications_find_every_model_and_error_in_the_core():
    """Nobody needs a third place: what operations take, answer and raise is exported by `gateway`."""
    public = {
        name
        for name in gateway_contracts.__all__
        if getattr(gateway_contracts, name).__class__ is not dict
        and getattr(getattr(gateway_contracts, name), "__module__", "")
        in ("gateway_contracts.models", "gateway_contracts.errors")
    }

    assert set() == public - set(gateway.__all__)


def test_a_class_is_not_loaded_twice():
    """No test or module has reached a package by another name."""
    copies = [name for name in sys.modules if name.split(".")[0] in ("contracts", "plugins")]

    assert [] == copies

"""The rooms inside `gateway`, from the top to the bottom: each imports those below it, and no other."""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
LAYERS = [
    {"cli"},
    {"http"},
    {"webhooks"},
    {"facade"},
    {"remote"},
    {"dialling", "events"},
    {"accounts"},
    {"journal"},
    {"clocks", "config", "formats", "keys", "logs", "metrics", "models", "parameters", "process", "skipped", "texts"},
]
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}


def imports(file):
    """The modules of ours that *file* imports, with the line: in functions and under TYPE_CHECKING too."""
    package = ["gateway", *file.relative_to(ROOT / "gateway").parent.parts]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            target = [*base, *(node.module.split(".") if node.module else [])]
            names = [[*target, alias.name] for alias in node.names] if len(target) == 1 else [target]
        elif isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        else:
            continue
        yield from ((node.lineno, name) for name in names if name[0] == "gateway" and len(name) > 1)


def room_of(file):
    return file.relative_to(ROOT / "gateway").with_suffix("").parts[0]


FILES = sorted(file for file in (ROOT / "gateway").rglob("*.py") if file != ROOT / "gateway" / "__init__.py")


def test_every_room_has_its_layer():
    """A new module or folder is put into the list, and what is gone leaves it."""
    assert {room_of(file) for file in FILES} == set(LEVEL)


def test_no_import_runs_up_or_across():
    """Those in functions and under TYPE_CHECKING count too. Modules of the lowest layer may know each other."""
    lowest = len(LAYERS) - 1
    wrong = [
        f"{file.relative_to(ROOT)}:{line} imports {'.'.join(name)}"
        for file in FILES
        for line, name in imports(file)
        if name[1] != (room := room_of(file))
        and not (LEVEL[name[1]] > LEVEL[room] or LEVEL[name[1]] == LEVEL[room] == lowest)
    ]

    assert [] == wrong

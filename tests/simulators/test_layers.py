"""The layers of the simulators, from the top to the bottom: each module imports those below it, and no other."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2] / "contracts" / "gateway_simulators"
LAYERS = [
    {"antbuddy", "tel4vn_v1", "tel4vn_v2"},
    {"tel4vn"},
    {"control_plane", "received_requests"},
    {"audio", "behaviour_checks", "clock", "faults", "json_responses", "serving", "watchers"},
]
OF_TEL4VN = [
    {"simulator"},
    {"server"},
    {"records"},
    {"seeded_records"},
    {"phones", "record_filters", "webhooks"},
    {"access", "behaviour", "vendor_time"},
]


def imports(file, package):
    """The modules of *package* that *file* imports, with the line: in functions and under TYPE_CHECKING too."""
    own = ["gateway_simulators", *file.relative_to(ROOT).parent.parts]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = own[: len(own) - node.level + 1] if node.level else []
            target = [*base, *(node.module.split(".") if node.module else [])]
            names = [[*target, alias.name] for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        else:
            continue
        depth = len(package)
        yield from ((node.lineno, name[depth]) for name in names if name[:depth] == package and len(name) > depth)


def against(layers, folder, package):
    """The imports within *package* that run up or across *layers*, and the modules without a layer."""
    level = {module: at for at, modules in enumerate(layers) for module in modules}
    there = {each.stem for each in folder.iterdir() if each.suffix == ".py" or (each / "__init__.py").exists()}
    assert there - {"__init__"} == set(level)
    for file in sorted(folder.rglob("*.py")):
        module = file.relative_to(folder).with_suffix("").parts[0]
        for line, name in imports(file, package):
            if name in level and module in level and name != module and level[name] <= level[module]:
                yield f"{file.relative_to(ROOT)}:{line} imports {name}"


def test_no_simulator_imports_up_or_across():
    """What a vendor's simulator shares with others lies below it."""
    assert [] == list(against(LAYERS, ROOT, ["gateway_simulators"]))


def test_the_two_editions_of_tel4vn_share_modules_without_a_circle():
    """The simulator serves, the server answers from records, and records are made of phones."""
    assert [] == list(against(OF_TEL4VN, ROOT / "tel4vn", ["gateway_simulators", "tel4vn"]))

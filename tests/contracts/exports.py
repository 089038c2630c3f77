"""The models that packages export: `python -m tests.contracts.exports` (`make surface`) lists each that is missing."""

import inspect
import subprocess
import sys
from pathlib import Path

import gateway_contracts
from gateway_contracts import models

import gateway

IMPORTS = {gateway_contracts: "from .models import (\n", gateway: "    from gateway_contracts import (\n"}
"""The packages that export models, and where each imports them."""


def missing(package):
    """The public classes of `gateway_contracts.models` that *package* does not export."""
    public = {
        name
        for name, value in vars(models).items()
        if inspect.isclass(value) and value.__module__ == models.__name__ and not name.startswith("_")
    }
    return sorted(public - set(package.__all__))


def main():
    """Write the missing names, which ruff then sorts."""
    for package, imports in IMPORTS.items():
        file, names = Path(package.__file__), missing(package)
        text = file.read_text(encoding="utf-8")
        for start, line in ((imports, "{},\n"), ("__all__ = [\n", '"{}",\n')):
            text = text.replace(start, start + "".join(line.format(name) for name in names), 1)
        file.write_text(text, encoding="utf-8")
        ruff = [sys.executable, "-m", "ruff"]
        subprocess.run([*ruff, "check", "--quiet", "--fix", "--select", "I,RUF022", file], check=True)
        subprocess.run([*ruff, "format", "--quiet", file], check=True)


if __name__ == "__main__":
    main()

"""The suite, tried on adapters that are wrong: each must fail it.

    python -m tests.mutants [--every N] [part of a name …]

With `--every N` only each Nth of them is tried. It prints which test caught which, and ends with 1 if one was not
caught.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutants.mutants import MUTANTS, ROOT, SUITES

SECONDS = 180
_FAILED = re.compile(r"^(?:FAILED|ERROR) \S+?::(?:\w+::)?(\S+)", re.MULTILINE)


def caught_by(vendor, mutant=None):
    """The first test of *vendor*'s suite that fails with the fault of *mutant*; None where none does.

    The suite runs in a process of its own, which finds the changed package before the right one.
    """
    with tempfile.TemporaryDirectory() as name:
        environment = {**os.environ, "PYTHONPATH": name, "PYTHONDONTWRITEBYTECODE": "1"}
        if mutant:
            package = Path(mutant.file).parents[len(Path(mutant.file).parents) - 3]
            copy = Path(name, package.name)
            shutil.copytree(ROOT / package, copy, ignore=shutil.ignore_patterns("__pycache__"))
            copy.joinpath(Path(mutant.file).relative_to(package)).write_text(mutant.applied(), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-qx", "--tb=no", "-k", "not remote", SUITES[vendor]]
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return f"none ended in {SECONDS} s"
    if done.returncode == 0:
        return None
    found = _FAILED.search(done.stdout)
    return found[1] if found else f"no test: {(done.stdout + done.stderr)[-500:]}"


def main(words):
    """Run those whose name holds one of *words*, or all, and the right adapters first."""
    every = 1
    if words[:1] == ["--every"]:
        every, words = int(words[1]), words[2:]
    chosen = [mutant for mutant in MUTANTS if not words or any(word in mutant.wrong for word in words)][::every]
    vendors = sorted({mutant.vendor for mutant in chosen})
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for vendor, failed in zip(vendors, pool.map(caught_by, vendors), strict=True):
            if failed:
                sys.exit(f"{vendor} fails as it is: {failed}")
        survivors = 0
        found = pool.map(lambda mutant: caught_by(mutant.vendor, mutant), chosen)
        for mutant, test in zip(chosen, found, strict=True):
            survivors += test is None
            print(f"{mutant.vendor:10} {mutant.wrong:48} {test or 'NOT CAUGHT'}", flush=True)  # noqa: T201
    print(f"{len(chosen) - survivors} of {len(chosen)} caught")  # noqa: T201
    sys.exit(bool(survivors))


if __name__ == "__main__":
    main(sys.argv[1:])

"""What CONTRIBUTING.md, SECURITY.md and the README name is there."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGES = ["CONTRIBUTING.md", "SECURITY.md", "README.md"]
TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_every_target_of_make_is_one(page):
    """Each `make …`, with one target or several."""
    text = (ROOT / page).read_text(encoding="utf-8")
    named = {word for words in re.findall(r"(?:^|`)make ([a-z][a-z -]*)", text, re.MULTILINE) for word in words.split()}

    assert set() == named - set(TARGET.findall(MAKEFILE))


@pytest.mark.parametrize("page", PAGES)
def test_every_file_is_there(page):
    """Links, and paths that are written as code."""
    text = (ROOT / page).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    code = re.findall(r"`((?:gateway|contracts|plugins|tests|docs|examples)/[\w./-]+|\.ci/[\w-]+)`", text)

    assert [] == [path for path in [*links, *code] if not (ROOT / path).exists()]


def test_the_one_test_to_run_is_one():
    """The example names a file and a part of a test's name."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    file, part = re.findall(r"pytest (\S+) -k (\w+)", text)[0]

    assert re.search(rf"def test_\w*{part}", (ROOT / file).read_text(encoding="utf-8"))


def test_the_readme_leads_to_them():
    """A reader finds how to change the gateway, and how to report a vulnerability."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert "(CONTRIBUTING.md)" in readme
    assert "(SECURITY.md)" in readme


def test_hooks_run_the_tools_of_the_environment():
    """What is checked before a commit is what `make lint` and `make types` check."""
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    run = [hook["entry"].split() for hook in local["hooks"]]

    assert local["repo"] == "local"
    assert {words[0] for words in run} == {".venv/bin/ruff", ".venv/bin/mypy"}
    for program, *words in run:
        command = " ".join(
            [program.replace(".venv/bin", "$(BIN)"), *(word for word in words if word != "--force-exclude")]
        )
        assert f"@{command}" in MAKEFILE


def test_a_release_is_whole():
    """The sdist has the pages that the README leads to, and everything that its Makefile runs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    included = project["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]

    assert set() == {*PAGES, ".ci", "Makefile", "tests"} - set(included)
    assert [] == [path for path in included if not (ROOT / path).exists()]

"""The vendors' pages list every setting with the default that is in force."""

import json
import re
from pathlib import Path

import attrs
import pytest
from gateway_tel4vn import v1, v2
from gateway_tel4vn.v2 import wire

from gateway import Secret

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(("page", "settings"), [("tel4vn-v1.md", v1.Settings), ("tel4vn-v2.md", v2.Settings)])
def test_every_setting_is_explained_with_its_default(page, settings):
    """The table of settings has every setting, no other, and the defaults that are in force."""
    text = (DOCS / page).read_text(encoding="utf-8").split("## ")[0]
    rows = {}
    for names, default in re.findall(r"^\| (`[a-z_`, ]+`) \|([^|]*)\|", text, re.MULTILINE):
        rows.update(dict.fromkeys(re.findall(r"`(\w+)`", names), default.strip()))

    assert {field.name for field in attrs.fields(settings)} == set(rows)
    default = settings(base_url="https://pbx.example.vn", api_key=Secret("k"))
    for name, shown in rows.items():
        if shown.startswith("`"):
            assert _written(getattr(default, name)) == shown.strip("`"), name


def test_every_path_of_tel4vn_v2_is_shown():
    """The table of paths is that of the plugin."""
    text = (DOCS / "tel4vn-v2.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\| `(\w+)` \| `(/[^`]+)` \| `?(.*?)`? \|$", text, re.MULTILINE)
    first, second = wire.PATHS.values()

    expected = [
        (
            name,
            path,
            "no such operation" if second[name] is None else "the same" if second[name] == path else second[name],
        )
        for name, path in first.items()
    ]

    assert shown == expected


def test_every_path_of_tel4vn_v1_is_shown():
    """The table of paths is that of the plugin, and the page names the second one of an extension."""
    text = (DOCS / "tel4vn-v1.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\| `(\w+)` \| `(/[^`]+)` \|$", text, re.MULTILINE)

    assert list(v1.wire.PATHS.items()) == shown
    assert f"`{v1.wire.OTHER_EXTENSION_PATH}`" in text


def _written(value):
    if isinstance(value, dict):
        pairs = ", ".join(f'{key if key.isalpha() else json.dumps(key)} = "{item}"' for key, item in value.items())
        return f"{{ {pairs} }}" if pairs else "{ }"
    if value == ():
        return "[]"
    return (json.dumps(value) if isinstance(value, bool) else str(value)).removesuffix(".0")

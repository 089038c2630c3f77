"""docs/antbuddy.md says what is in force."""

import json
import re
from pathlib import Path

import attrs
from gateway_antbuddy import Settings

from gateway import Secret

TEXT = (Path(__file__).parents[2] / "docs/antbuddy.md").read_text(encoding="utf-8")


def test_every_setting_is_explained_with_its_default():
    """The table has every setting, no other, and the defaults that are in force."""
    rows = dict(re.findall(r"^\| `([a-z_]+)` \|([^|]*)\|", TEXT, re.MULTILINE))
    default = Settings(app_id="1", app_secret=Secret("k"))

    assert {field.name for field in attrs.fields(Settings)} == set(rows)
    for name, shown in rows.items():
        value = getattr(default, name)
        if shown.strip() == "required":
            assert attrs.fields_dict(Settings)[name].default is attrs.NOTHING
        elif value is None:
            assert not shown.strip()
        else:
            text = str(value) if isinstance(value, str) else json.dumps(value)
            assert text == shown.strip().strip("`"), name

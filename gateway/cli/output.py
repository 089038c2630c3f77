"""Results on stdout as JSON or TOML."""

import json
import sys
from collections.abc import Mapping
from typing import Any

import click
from gateway_contracts import dumps


def show_json(data: Any, *, pretty: bool = True) -> None:
    """Print JSON: for people on a terminal, on one line for programs."""
    text = dumps(data).decode()
    if pretty and sys.stdout.isatty():
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    click.echo(text)


def toml_lines(settings: Mapping[str, Any]) -> list[str]:
    """*settings*, each as a line of a gateway.toml."""
    return [f"{name} = {_toml(value)}" for name, value in settings.items()]


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)  # JSON is TOML, too, as long as no letter is escaped

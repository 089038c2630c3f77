"""The four ways in which an application asks for an operation, and rows that say what must come of it in each.

A row is compared at both ends: what the vendor received, and what the application sees.
"""

import asyncio
import json
from typing import Any

import aiohttp
import attrs
from click.testing import CliRunner
from gateway_contracts import OPERATIONS, Audio, Location, to_json
from gateway_contracts.converters import dumps, loads

from gateway import Gateway
from tests.gateways import serving


@attrs.frozen
class Row:
    """One operation: how it is asked for, what the PBX must receive, and what the application must see (part of it).

    Names in braces stand for what the far side makes first.
    """

    numbers: str
    operation: str
    arguments: dict[str, Any]
    method: str
    path: str
    query: dict[str, str] = attrs.field(factory=dict)
    body: dict[str, Any] | None = None
    sees: Any = None
    settings: dict[str, Any] = attrs.field(factory=dict)


# Each way takes an operation and its arguments as JSON, and gives the answer as JSON, or as bytes.


async def _by_facade(gateway: Gateway, operation: str, arguments: dict[str, Any]) -> Any:
    found = OPERATIONS[operation]
    method = getattr(getattr(gateway["hanoi"], found.interface), operation)
    answer = await method(**arguments)
    if isinstance(answer, Audio):
        async with answer:
            return await answer.read()
    return loads(dumps(to_json(answer)))


async def embedded(config: dict[str, Any], operation: str, arguments: dict[str, Any], _: Any) -> Any:
    async with Gateway.from_config(config) as gateway:
        return await _by_facade(gateway, operation, arguments)


async def remote(config: dict[str, Any], operation: str, arguments: dict[str, Any], _: Any) -> Any:
    async with Gateway.from_config(config) as local, serving(local) as url, Gateway.remote(url) as gateway:
        return await _by_facade(gateway, operation, arguments)


async def http(config: dict[str, Any], operation: str, arguments: dict[str, Any], _: Any) -> Any:
    found = OPERATIONS[operation]
    places: dict[Location, dict[str, Any]] = {place: {} for place in Location}
    for parameter in found.parameters:
        if parameter.name in arguments:
            places[parameter.location][parameter.sent_as] = arguments[parameter.name]
    async with Gateway.from_config(config) as gateway, serving(gateway) as url, aiohttp.ClientSession() as session:
        response = await session.request(
            found.verb,
            f"{url}/v1/accounts/hanoi{found.path.format(**places[Location.PATH])}",
            params={name: str(value) for name, value in places[Location.QUERY].items()},
            json=places[Location.BODY] if found.verb in {"POST", "PUT", "PATCH"} else None,
            headers=places[Location.HEADER],
        )
        body = await response.read()
        assert response.status in {found.status, 206}, body
        return body if found.binary else loads(body) if body else None


async def command_line(config: dict[str, Any], operation: str, arguments: dict[str, Any], folder: Any) -> Any:
    from gateway.cli.main import main

    file = folder / "gateway.toml"
    settings = config["accounts"]["hanoi"]["settings"]
    vendor = json.dumps(config["accounts"]["hanoi"]["vendor"])
    head = ["[accounts.hanoi]", f"vendor = {vendor}", "[accounts.hanoi.settings]"]
    lines = [f"{name} = {_toml(value)}" for name, value in settings.items()]
    file.write_text("\n".join([*head, *lines]))
    out = folder / "answer"
    words = [f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in arguments.items()]
    more = ["--out", str(out)] if OPERATIONS[operation].binary else []
    run = ["--config", str(file), "call", *more, "hanoi", operation, *words]
    # In a thread, since it runs a loop of its own while the simulator runs in this one.
    done = await asyncio.to_thread(CliRunner().invoke, main, run)
    assert done.exit_code == 0, done.output
    return out.read_bytes() if more else loads(done.stdout) if done.stdout.strip() else None


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)


ASKED_ON = {"list_records", "list_customers"}
"""What is asked for more, since a page may not be the last, whatever the vendor says."""
WAYS = [embedded, http, remote, command_line]


async def check(row: Row, way: Any, far: Any, made: dict[str, str], folder: Any) -> Any:
    """Carry *row* out in one *way*: the vendor receives exactly what it says, and the application sees what it says.

    Gives the request that the vendor received, the first one for a list. A far side whose vendor signs has `signed`,
    which signs a query.
    """
    pbx = far.pbx
    config = {"accounts": {"hanoi": {"vendor": far.vendor, "settings": {**far.settings, **row.settings}}}}
    before = len(pbx.requests)

    seen = await way(config, row.operation, _filled(row.arguments, made), folder)

    requests = [r for r in pbx.requests[before:] if r.path == row.path.format(**made) and r.method == row.method]
    assert len(requests) == 1 or row.operation in ASKED_ON
    query = far.signed(row.method, row.query) if hasattr(far, "signed") else row.query
    assert (query, _filled(row.body, made)) == (dict(requests[0].query), requests[0].body)
    if isinstance(row.sees, bytes):
        assert seen.startswith(row.sees)
    else:
        assert _filled(row.sees, made) == _part(seen, row.sees)
    return requests[0]


def _filled(value: Any, made: dict[str, str]) -> Any:
    if isinstance(value, str) and value.startswith("{"):
        return value.format(**made)
    if isinstance(value, dict):
        return {key: _filled(item, made) for key, item in value.items()}
    return [_filled(item, made) for item in value] if isinstance(value, list) else value


def _part(whole: Any, wanted: Any) -> Any:
    """What of *whole* stands where *wanted* has something, so that both can be compared."""
    if isinstance(wanted, dict) and isinstance(whole, dict):
        return {key: _part(whole.get(key), item) for key, item in wanted.items()}
    if isinstance(wanted, list) and isinstance(whole, list) and len(whole) == len(wanted):
        return [_part(one, other) for one, other in zip(whole, wanted, strict=True)]
    return whole

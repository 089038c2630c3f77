"""The control plane: a simulator's own methods over HTTP, below `/_simulator/`, for users in any language.

It is no part of a vendor's API or wire document. Bodies are JSON objects; bad input is refused with 400 and `error`.
A simulator hands itself over as `Controlled`; this module imports none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import attrs
import orjson
from aiohttp import web

from gateway_simulators.clock import Clock
from gateway_simulators.faults import Fault, Faults

CONTROL = "/_simulator/"

Step = Callable[[web.Request, dict[str, Any]], Awaitable[object]]
Route = tuple[str, str, Step]
"""Method, path below `/_simulator/`, and the function that gets the request and its body."""

_Types = Mapping[str, type | tuple[type, ...]]


class Controlled(Protocol):
    """A simulator of any vendor, as its control plane uses it. The simulators' own docstrings explain the methods."""

    @property
    def clock(self) -> Clock: ...

    @property
    def faults(self) -> Faults: ...

    @property
    def behaviour(self) -> attrs.AttrsInstance: ...

    @property
    def url(self) -> str: ...

    @property
    def register(self) -> Callable[..., attrs.AttrsInstance]: ...

    def unregister(self, extension: str) -> attrs.AttrsInstance: ...

    def state(self) -> dict[str, Any]: ...

    async def advance(self, seconds: float) -> None: ...

    def incoming(
        self, number: str, hotline: str = ..., extension: str = ..., ring_group: list[str] | None = ...
    ) -> str: ...

    async def answer(self, call_id: str, *, extension: str | None = ...) -> None: ...

    async def hang_up(self, call_id: str, cause: str = ...) -> None: ...

    def add_record(self, **overrides: Any) -> dict[str, Any]: ...

    def seed_records(self, count: int, since: datetime, step_seconds: int = ..., seed: int = ...) -> None: ...

    def expire_tokens(self) -> None: ...


@attrs.frozen(kw_only=True)
class ControlPlane:
    """The control of *simulator*.

    *phone_fields* are the texts that `register` takes beside the extension; *more* are the vendor's own routes.
    """

    simulator: Controlled
    phone_fields: Sequence[str]
    more: Sequence[Route]

    def add_to(self, app: web.Application) -> None:
        """Serve the control plane from *app*."""
        for method, path, step in self.routes():
            app.router.add_route(method, f"{CONTROL}{path}", _handler(step))

    def routes(self) -> Iterable[Route]:
        """Give every route, with those of the vendor."""
        return (
            ("GET", "state", self._state),
            ("POST", "advance", self._advance),
            ("POST", "incoming", self._incoming),
            ("POST", "calls/{call_id}/answer", self._answer),
            ("POST", "calls/{call_id}/hang-up", self._hang_up),
            ("POST", "faults", self._add_fault),
            ("DELETE", "faults", self._clear_faults),
            ("POST", "faults/release", self._release_faults),
            ("POST", "records", self._add_record),
            ("POST", "seed", self._seed),
            ("POST", "extensions/{extension}/register", self._register),
            ("POST", "extensions/{extension}/unregister", self._unregister),
            ("POST", "expire-tokens", self._expire_tokens),
            ("PATCH", "behaviour", self._change_behaviour),
            *self.more,
        )

    async def _state(self, request: web.Request, body: dict[str, Any]) -> object:
        return {
            "now": self.simulator.clock.now(),
            "url": self.simulator.url,
            **self.simulator.state(),
            "faults": self._faults(),
            "behaviour": self._behaviour(),
        }

    async def _advance(self, request: web.Request, body: dict[str, Any]) -> object:
        await self.simulator.advance(_checked(body, {"seconds": (int, float)}, {})["seconds"])
        return {"now": self.simulator.clock.now()}

    async def _incoming(self, request: web.Request, body: dict[str, Any]) -> object:
        given = _checked(body, {"number": str}, {"hotline": str, "extension": str, "ring_group": list})
        return {"call_id": self.simulator.incoming(**given)}

    async def _answer(self, request: web.Request, body: dict[str, Any]) -> object:
        given = _checked(body, {}, {"extension": str})
        await self.simulator.answer(request.match_info["call_id"], **given)
        return {"call_id": request.match_info["call_id"]}

    async def _hang_up(self, request: web.Request, body: dict[str, Any]) -> object:
        given = _checked(body, {}, {"cause": str})
        await self.simulator.hang_up(request.match_info["call_id"], **given)
        return {"call_id": request.match_info["call_id"]}

    async def _add_fault(self, request: web.Request, body: dict[str, Any]) -> object:
        _check_names(body, Fault)
        if not {"path", "kind"} <= body.keys():
            raise ValueError("path and kind are required")
        self.simulator.faults.add(Fault(**body))
        return self._faults()

    async def _clear_faults(self, request: web.Request, body: dict[str, Any]) -> object:
        self.simulator.faults.clear()
        return self._faults()

    async def _release_faults(self, request: web.Request, body: dict[str, Any]) -> object:
        self.simulator.faults.release()
        return self._faults()

    async def _add_record(self, request: web.Request, body: dict[str, Any]) -> object:
        return self.simulator.add_record(**body)

    async def _seed(self, request: web.Request, body: dict[str, Any]) -> object:
        given = _checked(body, {"count": int, "since": str}, {"step_seconds": int, "seed": int})
        self.simulator.seed_records(**{**given, "since": datetime.fromisoformat(given["since"])})
        return {"count": given["count"]}

    async def _register(self, request: web.Request, body: dict[str, Any]) -> object:
        given = _checked(body, {}, dict.fromkeys(self.phone_fields, str))
        return attrs.asdict(self.simulator.register(request.match_info["extension"], **given))

    async def _unregister(self, request: web.Request, body: dict[str, Any]) -> object:
        return attrs.asdict(self.simulator.unregister(request.match_info["extension"]))

    async def _expire_tokens(self, request: web.Request, body: dict[str, Any]) -> object:
        self.simulator.expire_tokens()
        return {}

    async def _change_behaviour(self, request: web.Request, body: dict[str, Any]) -> object:
        behaviour = self.simulator.behaviour
        wanted = _changed(behaviour, body)  # a copy: a body with one wrong field changes nothing
        for name in body:
            setattr(behaviour, name, getattr(wanted, name))
        return self._behaviour()

    def _faults(self) -> object:
        faults = self.simulator.faults
        return {"faults": [attrs.asdict(fault) for fault in faults.pending], "held": faults.held}

    def _behaviour(self) -> object:
        return attrs.asdict(self.simulator.behaviour, value_serializer=_listed)


def _handler(step: Step) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Serve *step*: its result as JSON, 404 for a call that is not there, 400 for bad input."""

    async def handler(request: web.Request) -> web.Response:
        try:
            raw = await request.read()
            body = orjson.loads(raw) if raw else {}
            if not isinstance(body, dict):
                raise ValueError("the body must be a JSON object")
            return _json(200, await step(request, body))
        except LookupError as error:
            return _json(404, {"error": str(error)})
        except (TypeError, ValueError, OverflowError) as error:  # JSON that is none is a ValueError too
            return _json(400, {"error": str(error)})

    return handler


def _json(status: int, body: object) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body, default=str), content_type="application/json")


def _checked(body: dict[str, Any], required: _Types, optional: _Types) -> dict[str, Any]:
    """Check the names and the types of a body."""
    types = {**required, **optional}
    for name, value in body.items():
        if name not in types:
            raise ValueError(f"{name} is not known here; known are {', '.join(sorted(types)) or 'no fields'}")
        if not isinstance(value, types[name]) or (isinstance(value, bool) and types[name] is not bool):
            raise ValueError(f"{name} has the wrong type")
    for name in required:
        if name not in body:
            raise ValueError(f"{name} is required")
    return body


def _check_names(body: Any, model: type[attrs.AttrsInstance]) -> None:
    """Check the names of a body whose values *model* checks itself."""
    names = [field.name for field in attrs.fields(model)]
    if not isinstance(body, dict):
        raise ValueError(f"an object with any of {', '.join(names)} is wanted")
    for name in body.keys() - set(names):
        raise ValueError(f"{name} is not known here; known are {', '.join(names)}")


def _changed(settings: Any, body: Any) -> Any:
    """Give a copy of *settings* with the values of *body*; a group of settings in it is changed in the same way."""
    _check_names(body, type(settings))
    changes = dict(body)
    for name, old in attrs.asdict(settings, recurse=False).items():
        if name in body and attrs.has(type(old)):
            changes[name] = _changed(old, body[name])
    return attrs.evolve(settings, **changes)


def _listed(owner: type, field: attrs.Attribute[Any], value: Any) -> Any:
    return sorted(value) if isinstance(value, frozenset) else value

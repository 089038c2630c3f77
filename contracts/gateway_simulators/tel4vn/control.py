"""The control plane below `/_simulator/`: the simulator's own methods over HTTP, for users in any language.

It is no part of the vendor's API or wire document. Bodies are JSON objects; bad input is answered 400 with `error`.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import attrs
from aiohttp import web

from gateway_simulators.control_plane import answering, fields, known
from gateway_simulators.faults import Fault
from gateway_simulators.tel4vn.behaviour import WebhookFaults
from gateway_simulators.tel4vn.phones import Call

if TYPE_CHECKING:
    from gateway_simulators.tel4vn.simulator import PbxSimulator


@attrs.frozen
class Control:
    """The control of *pbx*."""

    pbx: PbxSimulator

    def add_to(self, app: web.Application) -> None:
        """Serve the control plane from *app*."""
        for method, path, step in (
            ("GET", "state", self.state),
            ("POST", "advance", self.advance),
            ("POST", "incoming", self.incoming),
            ("POST", "calls/{call_id}/answer", self.answer),
            ("POST", "calls/{call_id}/hang-up", self.hang_up),
            ("POST", "faults", self.add_fault),
            ("DELETE", "faults", self.clear_faults),
            ("POST", "faults/release", self.release_faults),
            ("POST", "records", self.add_record),
            ("POST", "seed", self.seed),
            ("POST", "extensions/{extension}/register", self.register),
            ("POST", "extensions/{extension}/unregister", self.unregister),
            ("POST", "expire-tokens", self.expire_tokens),
            ("POST", "crash", self.crash),
            ("PATCH", "behaviour", self.change_behaviour),
        ):
            app.router.add_route(method, f"/_simulator/{path}", answering(step))

    def credentials(self) -> dict[str, str]:
        """What lets an account in."""
        return {"username": self.pbx.username, "password": self.pbx.password, "api_key": self.pbx.api_key}

    def more(self) -> dict[str, Any]:
        """What there is beside telephones, hooks and faults."""
        return {}

    async def state(self, request: web.Request, body: dict[str, Any]) -> object:
        pbx = self.pbx
        return {
            "now": pbx.clock.now(),
            "url": pbx.url,
            "credentials": self.credentials(),
            "extensions": [attrs.asdict(phone) for phone in pbx.phones.extensions.values()],
            "calls": [_call(call) for call in pbx.calls.values()],
            "originated": [attrs.asdict(dialled) for dialled in pbx.originated],
            "rung": [rung._asdict() for rung in pbx.rung],
            "hooks": [attrs.asdict(hook) for hook in pbx.webhooks.hooks.values()],
            "webhooks_sent": [attrs.asdict(sent) for sent in pbx.webhooks_sent],
            **self.more(),
            "faults": self._faults(),
            "behaviour": self._behaviour(),
        }

    async def advance(self, request: web.Request, body: dict[str, Any]) -> object:
        await self.pbx.advance(fields(body, {"seconds": (int, float)}, {})["seconds"])
        return {"now": self.pbx.clock.now()}

    async def incoming(self, request: web.Request, body: dict[str, Any]) -> object:
        given = fields(body, {"number": str}, {"hotline": str, "extension": str, "ring_group": list})
        return {"call_id": self.pbx.incoming(**given)}

    async def answer(self, request: web.Request, body: dict[str, Any]) -> object:
        given = fields(body, {}, {"extension": str})
        await self.pbx.answer(request.match_info["call_id"], **given)
        return {"call_id": request.match_info["call_id"]}

    async def hang_up(self, request: web.Request, body: dict[str, Any]) -> object:
        given = fields(body, {}, {"cause": str})
        await self.pbx.hang_up(request.match_info["call_id"], **given)
        return {"call_id": request.match_info["call_id"]}

    async def add_fault(self, request: web.Request, body: dict[str, Any]) -> object:
        known(body, Fault)
        if not {"path", "kind"} <= body.keys():
            raise ValueError("path and kind are required")
        self.pbx.faults.add(Fault(**body))
        return self._faults()

    async def clear_faults(self, request: web.Request, body: dict[str, Any]) -> object:
        self.pbx.faults.clear()
        return self._faults()

    async def release_faults(self, request: web.Request, body: dict[str, Any]) -> object:
        self.pbx.faults.release()
        return self._faults()

    async def add_record(self, request: web.Request, body: dict[str, Any]) -> object:
        return self.pbx.add_record(**body)

    async def seed(self, request: web.Request, body: dict[str, Any]) -> object:
        given = fields(body, {"count": int, "since": str}, {"step_seconds": int, "seed": int})
        self.pbx.seed_records(**{**given, "since": datetime.fromisoformat(given["since"])})
        return {"count": given["count"]}

    async def register(self, request: web.Request, body: dict[str, Any]) -> object:
        given = fields(body, {}, {"agent_name": str, "username": str})
        self.pbx.register(request.match_info["extension"], **given)
        return attrs.asdict(self.pbx.phones.extensions[request.match_info["extension"]])

    async def unregister(self, request: web.Request, body: dict[str, Any]) -> object:
        self.pbx.unregister(request.match_info["extension"])
        return attrs.asdict(self.pbx.phones.extensions[request.match_info["extension"]])

    async def expire_tokens(self, request: web.Request, body: dict[str, Any]) -> object:
        self.pbx.expire_tokens()
        return {}

    async def crash(self, request: web.Request, body: dict[str, Any]) -> object:
        self.pbx.crash()
        return {}

    async def change_behaviour(self, request: web.Request, body: dict[str, Any]) -> object:
        known(body, type(self.pbx.behaviour))
        known(body.get("webhook_faults", {}), WebhookFaults)
        # Tried on copies first: a body with one wrong field changes nothing.
        webhook_faults = attrs.evolve(self.pbx.behaviour.webhook_faults, **body.get("webhook_faults", {}))
        wanted = attrs.evolve(self.pbx.behaviour, **{**body, "webhook_faults": webhook_faults})
        for name in body:
            setattr(self.pbx.behaviour, name, getattr(wanted, name))
        return self._behaviour()

    def _faults(self) -> object:
        return {"faults": [attrs.asdict(fault) for fault in self.pbx.faults.pending], "held": self.pbx.faults.held}

    def _behaviour(self) -> object:
        return attrs.asdict(self.pbx.behaviour, value_serializer=_listed)


def _listed(owner: type, field: attrs.Attribute[Any], value: Any) -> Any:
    return sorted(value) if isinstance(value, frozenset) else value


def _call(call: Call) -> dict[str, Any]:
    unsayable = ("timer", "picked_up")
    shown = attrs.asdict(call, filter=lambda field, value: field.name not in unsayable)
    return {**shown, "state": call.state}

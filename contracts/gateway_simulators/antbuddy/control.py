"""The control plane below `/_simulator/`: the simulator's own methods over HTTP, for users in any language.

It is no part of the vendor's API or wire document. Bodies are JSON objects; bad input is answered 400 with `error`.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import attrs
from aiohttp import web

from gateway_simulators.antbuddy.behaviour import Behaviour
from gateway_simulators.antbuddy.phones import Call
from gateway_simulators.control_plane import answering, fields, known
from gateway_simulators.faults import Fault

if TYPE_CHECKING:
    from gateway_simulators.antbuddy.simulator import AntbuddySimulator


def add_control_plane(app: web.Application, pbx: AntbuddySimulator) -> None:
    """Serve the control of *pbx* from *app*."""
    control = _Control(pbx)
    for method, path, step in (
        ("GET", "state", control.state),
        ("POST", "advance", control.advance),
        ("POST", "incoming", control.incoming),
        ("POST", "calls/{call_id}/answer", control.answer),
        ("POST", "calls/{call_id}/hang-up", control.hang_up),
        ("POST", "faults", control.add_fault),
        ("DELETE", "faults", control.clear_faults),
        ("POST", "faults/release", control.release_faults),
        ("POST", "records", control.add_record),
        ("POST", "seed", control.seed),
        ("POST", "extensions/{extension}/register", control.register),
        ("POST", "extensions/{extension}/unregister", control.unregister),
        ("POST", "expire-tokens", control.expire_tokens),
        ("POST", "cut-sockets", control.cut_sockets),
        ("PATCH", "behaviour", control.change_behaviour),
    ):
        app.router.add_route(method, f"/_simulator/{path}", answering(step))


@attrs.frozen
class _Control:
    pbx: AntbuddySimulator

    async def state(self, request: web.Request, body: dict[str, Any]) -> object:
        pbx = self.pbx
        return {
            "now": pbx.clock.now(),
            "url": pbx.url,
            "socket_url": pbx.socket_url,
            "credentials": {"app_id": pbx.app_id, "app_secret": pbx.app_secret, "account_id": pbx.account_id},
            "devices": pbx.devices,
            "extensions": [attrs.asdict(device) for device in pbx.phones.devices.values()],
            "calls": [_call(call) for call in pbx.calls.values()],
            "originated": [attrs.asdict(dialled) for dialled in pbx.originated],
            "subscribers": pbx.subscribers,
            "emitted": [{"event": each.event, "call_id": each.call_id} for each in pbx.emitted],
            "faults": self._faults(),
            "behaviour": attrs.asdict(pbx.behaviour),
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
        given = fields(body, {}, {"sip_user": str, "sip_password": str})
        self.pbx.register(request.match_info["extension"], **given)
        return attrs.asdict(self.pbx.phones.devices[request.match_info["extension"]])

    async def unregister(self, request: web.Request, body: dict[str, Any]) -> object:
        self.pbx.unregister(request.match_info["extension"])
        return attrs.asdict(self.pbx.phones.devices[request.match_info["extension"]])

    async def expire_tokens(self, request: web.Request, body: dict[str, Any]) -> object:
        self.pbx.expire_tokens()
        return {}

    async def cut_sockets(self, request: web.Request, body: dict[str, Any]) -> object:
        return {"cut": await self.pbx.cut_sockets()}

    async def change_behaviour(self, request: web.Request, body: dict[str, Any]) -> object:
        known(body, Behaviour)
        wanted = attrs.evolve(self.pbx.behaviour, **body)  # a body with one wrong field changes nothing
        for name in body:
            setattr(self.pbx.behaviour, name, getattr(wanted, name))
        return attrs.asdict(self.pbx.behaviour)

    def _faults(self) -> object:
        return {"faults": [attrs.asdict(fault) for fault in self.pbx.faults.pending], "held": self.pbx.faults.held}


def _call(call: Call) -> dict[str, Any]:
    return attrs.asdict(call, filter=lambda field, value: field.name != "timer")

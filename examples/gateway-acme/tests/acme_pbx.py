"""A fake Acme: it keeps calls, records and events, and can be told what happens and what goes wrong."""

import asyncio
import base64
import contextlib
import secrets
from urllib.parse import parse_qsl, unquote_plus
from xml.sax.saxutils import quoteattr

from aiohttp import web
from gateway_simulators import Faults
from gateway_simulators.audio import file_answer, wav

AGENTS = {"101": "free", "102": "free", "104": "offline"}
NOW = 1_767_225_600_000  # 2026-01-01T00:00:00Z, in milliseconds; every record is a minute older than the one before
KEPT_EVENTS = 100


def element(name, items=(), /, **attributes):
    """XML of one element; what is None is left out."""
    given = "".join(f" {key}={quoteattr(str(value))}" for key, value in attributes.items() if value is not None)
    return f"<{name}{given}>{''.join(items)}</{name}>"


def answer(body, status=200):
    return web.Response(text=f'<?xml version="1.0"?>{body}', status=status, content_type="application/xml")


def refusal(status, code):
    return answer(f'<error code="{code}">No: {code}</error>', status)


class AcmePbx:
    """Tests look at `rang`, `steered`, `requests` and `heard`, their texts, and say `faults` and what methods do."""

    def __init__(self):
        self.username, self.password = "gateway", secrets.token_hex(8)
        self.faults = Faults()
        self.requests, self.heard, self.rang, self.steered = [], [], [], []
        self.calls, self.records, self.events = {}, {}, []
        self.cursors = {}
        self.spoilt = {}  # by the id of a record, attributes that are shown otherwise than they are
        self.pages_by = "scroll"  # its cursor; "first_page" and "everything" overlook that
        self.forgotten = 0  # the last event that is not kept any more
        self.last_event = 0
        self.polls = set()  # the connections of those who wait for events
        self.url = ""
        self._ids = iter(range(1, 1_000_000))
        self._news = asyncio.Condition()
        self._closing = False

    async def __aenter__(self):
        app = web.Application(middlewares=[self._around])
        app.add_routes(
            [
                web.post("/api/dial", self._dial),
                web.get("/api/calls", self._calls),
                web.post("/api/calls/{id}/{what}", self._steer),
                web.get("/api/history", self._history),
                web.get("/api/history/{id}", self._record),
                web.get("/api/history/{id}/audio", self._audio),
                web.get("/api/events", self._events),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_):
        self._closing = True
        self.faults.close()
        async with self._news:
            self._news.notify_all()
        await self._runner.cleanup()

    # What it can be told

    def live_call(self, agent="101", number="0899098899", **more):
        id = next(self._ids)
        self.calls[id] = {"id": id, "direction": "out", "state": "talking", "agent": agent, "number": number}
        self.calls[id] |= {"started": NOW, "answered": NOW + 5000, **more}
        return id

    def finished_call(self, agent="101", number="0899098899", **more):
        id = next(self._ids)
        started = NOW - 60_000 * (len(self.records) + 1)
        self.records[id] = {"id": id, "call": id + 500_000, "direction": "out", "result": "ANSWERED", "agent": agent}
        self.records[id] |= {"number": number, "line": "1900", "started": started, "answered": started + 5000}
        self.records[id] |= {"ended": started + 8000, "audio": "yes", **more}
        return id

    def hang_up(self, id):
        call = self.calls.pop(id)
        return self.finished_call(call["agent"], call["number"], call=id)

    async def happens(self, kind, call, **more):
        self.last_event += 1
        event = {"id": self.last_event, "kind": kind, "call": call, "direction": "in", "agent": "101"}
        self.events.append({**event, "number": "0899098899", "at": NOW + 1234, **more})
        async with self._news:
            self._news.notify_all()

    async def asked(self, path):
        """Wait until *path* has been asked for twice: from then on no event is missed."""
        async with self._news:
            await self._news.wait_for(lambda: sum(each.path == path for each in self.requests) > 1)

    async def followed(self):
        """Wait until somebody waits for events."""
        async with self._news:
            await self._news.wait_for(lambda: self.polls)

    def cut(self):
        """Drop the connections of those who wait for events."""
        for connection in self.polls:
            connection.close()

    def forget_events(self):
        self.events.clear()
        self.forgotten = self.last_event

    # What it does

    @web.middleware
    async def _around(self, request, handler):
        body = unquote_plus(await request.text())
        self.requests.append(request)
        self.heard.append(f"{request.method} {request.rel_url.raw_path} {dict(request.query)} {body}")
        pair = f"{self.username}:{self.password}".encode()
        if request.headers.get("Authorization") != f"Basic {base64.b64encode(pair).decode()}":
            return refusal(401, "WHO")

        async def execute(*, heard):
            return await handler(request)

        fault = self.faults.take(request.method, request.path)
        return await (handler(request) if fault is None else self.faults.answer(fault, request, execute))

    async def _form(self, request):
        assert request.content_type == "application/x-www-form-urlencoded"
        return dict(parse_qsl(await request.text(), strict_parsing=True))

    def _refuses(self, agent):
        if AGENTS.get(agent, "offline") == "offline":
            return refusal(409, "AGENT_OFFLINE")
        return None

    async def _dial(self, request):
        form = await self._form(request)
        refused = self._refuses(form["agent"])
        if refused:
            return refused
        self.rang.append(form)
        return answer(element("dialled", call=self.live_call(form["agent"], form["number"], line=form.get("line"))))

    async def _calls(self, request):
        return answer(element("calls", [element("call", **call) for call in self.calls.values()]))

    async def _steer(self, request):
        form = await self._form(request)
        id = request.match_info["id"]
        if not id.isdigit() or int(id) not in self.calls:
            return refusal(404, "NO_SUCH_CALL")
        refused = self._refuses(form.get("to") or form.get("agent"))
        if refused:
            return refused
        self.steered.append({"what": request.match_info["what"], "call": int(id), **form})
        return answer(element("done"))

    async def _history(self, request):
        asked = dict(request.query)
        size, cursor = int(asked.pop("max", 100)), asked.pop("cursor", None)
        below = None
        if self.pages_by == "everything":
            size, cursor = len(self.records), None
        if cursor is not None:
            if cursor not in self.cursors or (asked and asked != self.cursors[cursor][1]):
                return refusal(400, "BAD_CURSOR")
            below, asked = self.cursors[cursor]
        if self.pages_by == "first_page":
            below = None
        found = [row for row in self.records.values() if self._fits(row, asked)]
        found = sorted(found, key=lambda row: (row["started"], row["id"]), reverse=True)
        found = [row for row in found if below is None or (row["started"], row["id"]) < below]
        following = None
        if len(found) > size:
            following = secrets.token_urlsafe(12)
            self.cursors[following] = ((found[size - 1]["started"], found[size - 1]["id"]), asked)
        return answer(element("history", [self._shown(row) for row in found[:size]], next=following))

    def _shown(self, row):
        return element("record", **(row | self.spoilt.get(row["id"], {})))

    @staticmethod
    def _fits(row, asked):
        return (
            row["started"] >= int(asked.get("since", 0))
            and row["started"] < int(asked.get("until", 10**15))
            and row["ended"] - row["started"] >= 1000 * int(asked.get("least", 0))
            and all(row[name] == asked.get(name, row[name]) for name in ("agent", "number", "direction", "result"))
        )

    def _found(self, request):
        id = request.match_info["id"]
        return self.records.get(int(id)) if id.isdigit() else None

    async def _record(self, request):
        row = self._found(request)
        return answer(self._shown(row)) if row else refusal(404, "NO_SUCH_RECORD")

    async def _audio(self, request):
        row = self._found(request)
        if row is None or row["audio"] == "no":
            return refusal(404, "NO_SUCH_RECORD")
        return file_answer(
            wav(str(row["id"]), 3), range_header=request.headers.get("Range"), content_type="audio/x-wav"
        )

    async def _events(self, request):
        after, wait = int(request.query.get("after", self.last_event)), float(request.query.get("wait", 0))
        connection = request.transport
        if wait:
            self.polls.add(connection)
        async with self._news:
            self._news.notify_all()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait), self._news:
                    await self._news.wait_for(lambda: self._closing or self.last_event > after)
        finally:
            self.polls.discard(connection)
        found = [element("event", **event) for event in self.events if event["id"] > after][:KEPT_EVENTS]
        lost = "yes" if after < self.forgotten else "no"
        return answer(element("events", found, last=self.last_event, lost=lost))

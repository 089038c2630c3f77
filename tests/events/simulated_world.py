"""What really happened at a simulated PBX, compared with what the journal says: the same calls with the same ends.

A `World` is a PBX, an account on it, a journal that its events reach as badly as it is told, and a reconciler, all on
one clock that is moved by hand. `live` lets a day at the telephones go by and looks at the watermark all the time.
"""

import asyncio
import collections
import contextlib
import itertools
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
from aiohttp import web
from gateway_contracts import CallState, EventStream, EventType, Outcome
from gateway_simulators import Fault, ManualClock
from gateway_simulators.antbuddy import AntbuddySimulator
from gateway_simulators.faults import FaultKind
from gateway_simulators.tel4vn_v1 import Tel4vnV1Simulator
from gateway_simulators.tel4vn_v2 import Tel4vnV2Simulator
from sqlalchemy import select

from gateway import Gateway
from gateway.events.listener import Listener
from gateway.events.reconciler import Reconciler
from gateway.http.hook_receiver import Receiver
from gateway.journal.conversation_rows import conversation_of
from gateway.journal.event_rows import event_of
from gateway.journal.schema import conversations, events, links
from tests.vendors.antbuddy_far_side import record_id_of

TOKEN = "token-of-the-account-hanoi"
EXTENSIONS = [str(number) for number in range(110, 700)]
FOR_EVER = 10**6
OUTCOMES = {
    "ANSWERED": Outcome.ANSWERED,
    "BUSY": Outcome.BUSY,
    "NO ANSWER": Outcome.NO_ANSWER,
    "CANCELLED": Outcome.CANCELLED,
    "SUCCESS": Outcome.ANSWERED,
    "IVR": Outcome.NO_ANSWER,
    "UNSUCCESS": Outcome.FAILED,
}
TEL4VN = {"tel4vn-v1": Tel4vnV1Simulator, "tel4vn-v2": Tel4vnV2Simulator}
VENDORS = [*TEL4VN, "antbuddy"]


@attrs.define
class World:
    """See the module. *truth* are the calls that there were, *problems* what the watermark said wrongly."""

    vendor: str
    pbx: object
    account: object
    journal: object
    reconciler: Reconciler
    hear: object = None
    truth: list = attrs.field(factory=list)
    problems: list = attrs.field(factory=list)
    passes: int = 0
    failed: int = 0
    watermark: datetime | None = None

    @property
    def now(self):
        return self.pbx.clock.now()

    # What happens

    def begin(self, kind, number, extension, group):
        """Let a call begin; gives the PBX's own object of it."""
        phones = self.pbx.phones
        if kind == "outbound" and self.vendor == "antbuddy":
            call = phones.dial(phones.devices[extension], number)
        elif kind == "outbound":
            call = phones.dial({"ext": extension, "phone": number})
        else:
            ring_group = group if kind == "queue" else None
            call = self.pbx.calls[self.pbx.incoming(number, extension=extension, ring_group=ring_group)]
        self.truth.append(call)
        return call

    async def heard(self):
        """Wait until all that was told has reached the journal."""
        await self.pbx.settle()
        if self.hear is not None:
            await self.hear.heard()

    async def advance(self, seconds):
        await self.pbx.advance(seconds)
        await self.heard()

    async def look(self):
        """One pass of the reconciler, after which the watermark must be true."""
        self.passes += 1
        try:
            progress = await self.reconciler.make_pass()
        except Exception:  # noqa: BLE001 # a vendor that fails: the watermark stays
            self.failed += 1
        else:
            if self.watermark and progress.watermark < self.watermark:
                self.problems.append(f"{self.now}: the watermark went back")
            self.watermark = progress.watermark
        if self.watermark is None:
            return
        known = await self.known()
        for call in self.truth:
            if call.ended_at is not None and call.ended_at < self.watermark:
                found = [known.conversations[each] for each in known.of(call, self)]
                if not any(each.state is CallState.ENDED for each in found):
                    self.problems.append(f"{self.now}: {call.call_id} ended {call.ended_at}, before {self.watermark}")

    # What is known

    async def known(self):
        def read(connection):
            by_id = {}
            for row in connection.execute(select(links)).mappings():
                by_id.setdefault((row["kind"], row["value"]), row["conversation_id"])
            ends = collections.Counter(
                connection.scalars(select(events.c.conversation_id).where(events.c.type == EventType.ENDED))
            )
            found = [conversation_of(row) for row in connection.execute(select(conversations))]
            told = [event_of(row) for row in connection.execute(select(events).order_by(events.c.seq)).mappings()]
            return Known(by_id, {each.conversation_id: each for each in found}, ends, told)

        return await self.journal.store.read(read)

    def ids_of(self, call):
        found = [("call_id", call.call_id)]
        if self.vendor != "antbuddy":
            return [*found, ("record_id", call.record_id)]
        if call.ended_at is None:
            return found
        started = int(call.created_at.timestamp())
        rows = [row for row in self.pbx.records if row["unix_timestamp"] == started and call.number in str(row)]
        return [*found, *(("record_id", record_id_of(row)) for row in rows)]

    async def differences(self):
        """Every way in which the journal is not as things were."""
        known = await self.known()
        found = list(self.problems)
        owners = {}
        for call in self.truth:
            mine = known.of(call, self)
            name = f"{call.direction} {call.status} {call.call_id} {call.created_at:%H:%M:%S}"
            if len(mine) != 1:
                found.append(f"{name} is in {len(mine)} conversations")
                continue
            (conversation_id,) = mine
            if conversation_id in owners:
                found.append(f"{name} shares a conversation with {owners[conversation_id]}")
            owners[conversation_id] = name
            each = known.conversations[conversation_id]
            talk = (call.ended_at - call.answered_at).total_seconds() if call.answered_at else 0
            whole = (call.ended_at - call.created_at).total_seconds()
            expected = (CallState.ENDED, OUTCOMES[call.status], int(talk), int(whole))
            really = (each.state, each.outcome, each.talk_seconds, each.duration_seconds)
            if really != expected:
                found.append(f"{name} is {really} and was {expected}")
            if known.ends[conversation_id] != 1:
                found.append(f"{name} has {known.ends[conversation_id]} ends")
        found += [f"{each} is nobody's" for each in known.conversations.keys() - owners.keys()]
        if self.watermark is None or any(call.ended_at >= self.watermark for call in self.truth):
            found.append(f"the watermark stays at {self.watermark}")
        return found


@attrs.frozen
class Known:
    """The journal. *ends* counts the events of type call.ended of each conversation."""

    by_id: dict
    conversations: dict
    ends: collections.Counter
    events: list

    def of(self, call, world):
        """The conversations of a call, of which there should be one."""
        return {self.by_id[each] for each in world.ids_of(call) if each in self.by_id}


class Heard(EventStream):
    """An adapter's events, stamped with the PBX's time, of which is known when all have been taken."""

    def __init__(self, adapter, pbx):
        self._adapter = attrs.evolve(adapter, pauses=lambda: itertools.repeat(0.0))
        self._pbx = pbx
        self._queue = asyncio.Queue()
        self.holed = False

    async def follow_events(self):
        pump = asyncio.ensure_future(self._pump())
        try:
            while True:
                event = await self._queue.get()
                yield attrs.evolve(event, received_at=self._pbx.clock.now())
                self._queue.task_done()
        finally:
            pump.cancel()
            await asyncio.wait([pump])

    async def _pump(self):
        async for event in self._adapter.follow_events():
            self._queue.put_nowait(event)

    async def heard(self):
        """Heartbeats are answered in turn: after the answer, all that was sent before has been read."""
        if self._pbx.subscribers:
            before = self._pbx.socket_frames.count("2::")
            self._pbx.send_frame("2::")
            while self._pbx.socket_frames.count("2::") == before:  # noqa: ASYNC110 # nobody tells of a heartbeat
                await asyncio.sleep(0)
            for _ in range(20):
                await asyncio.sleep(0)
        await self._queue.join()

    async def lose(self):
        """Cut the connection; it does not come back before `find`."""
        self.holed = True
        self._pbx.faults.add(Fault("/oapi/v1/voice/auth_token", kind=FaultKind.HOLD, times=None))
        await self._pbx.cut_sockets()
        await self._pbx.until(lambda: self._pbx.faults.held)

    async def find(self):
        self.holed = False
        self._pbx.faults.clear()
        await self._pbx.until(lambda: self._pbx.subscribers)


@contextlib.asynccontextmanager
async def world_of(vendor, folder, *, url=None, filed_after=0, **faults):
    """A `World` of *vendor* with a journal in *folder*; *faults* are those of its webhooks, and records are
    *filed_after* so many seconds.
    """
    clock = ManualClock((datetime.now(UTC) - timedelta(hours=20)).replace(microsecond=0))
    async with contextlib.AsyncExitStack() as stack:
        pbx = await stack.enter_async_context((TEL4VN.get(vendor) or AntbuddySimulator)(clock=clock))
        pbx.behaviour.ring_seconds = pbx.behaviour.number_ring_seconds = pbx.behaviour.talk_seconds = FOR_EVER
        pbx.behaviour.record_delay_seconds = filed_after
        for extension in EXTENSIONS:
            pbx.register(extension)
        settings = {"base_url": pbx.url}
        if vendor in TEL4VN:
            settings |= {"api_key": pbx.api_key}
            for name, value in faults.items():
                setattr(pbx.behaviour.webhook_faults, name, value)
        else:
            settings |= {"socket_url": pbx.socket_url, "app_id": pbx.app_id, "app_secret": pbx.app_secret}
            settings |= {"account_id": pbx.account_id, "devices": pbx.devices}
        config = {
            "accounts": {"hanoi": {"vendor": vendor, "settings": settings}},
            "journal": {"url": url or f"sqlite:///{Path(folder)}/gateway.db"},
        }
        gateway = await stack.enter_async_context(Gateway.from_config(config))
        journal, account = await gateway.journal.get(), gateway["hanoi"]
        world = World(vendor, pbx, account, journal, Reconciler(account, journal, 60, now=clock.now))
        if vendor in TEL4VN:
            receiver = Receiver({"hanoi": account}, gateway.config.accounts, {"hanoi": TOKEN}, journal, clock.now)
            address = await stack.enter_async_context(_receiving(receiver))
            for event in ("ringing", "answered", "hangup", "cdr"):
                pbx.webhooks.create(event, address, "")
        else:
            world.hear = Heard(account.adapter, pbx)
            listener = Listener(attrs.evolve(account, adapter=world.hear), journal.log, world.reconciler.wake)
            listening = asyncio.ensure_future(listener.run())
            stack.push_async_callback(_stop, listening)
            await pbx.until(lambda: pbx.subscribers)
        yield world


async def _stop(task):
    task.cancel()
    await asyncio.wait([task])


@contextlib.asynccontextmanager
async def _receiving(receiver):
    app = web.Application()
    app.router.add_post("/hooks/{account}/{token}", receiver.receive)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/hooks/hanoi/{TOKEN}"
    finally:
        await runner.cleanup()


async def live(world, *, calls, seed=1, every=8, look_every=60, cut_every=0, fail=0.0, longest=2400, again=20):
    """Let *calls* calls begin, one about *every* seconds, of all kinds and ends, with a pass every *look_every*.

    Everything happens at whole seconds, as that is what vendors tell. A call lasts up to *longest*.

    *cut_every* is how often the event socket is lost, for a minute or more; *fail* the share of passes at which the
    vendor gives no history. Nobody takes part in another call sooner than *again* seconds after one.
    """
    chance = random.Random(seed)  # noqa: S311 # repeatable
    agenda = []  # (when, order, what), with times in seconds from now
    order = iter(range(10**9))

    def plan(when, what):
        agenda.append((when, next(order), what))

    busy = set()
    callers = [f"09{chance.randrange(10**8):08}" for _ in range(calls)]
    start = world.now
    when = 0
    for _ in range(calls):
        when += chance.randint(1, 2 * every)
        kind = chance.choice(["outbound", "outbound", "inbound", "queue"])
        how = chance.choice(["answered", "answered", "answered", "long", "busy", "no answer", "cancelled"])
        plan(
            when,
            lambda at=when, kind=kind, how=how: _call(
                world, chance, plan, busy, callers, kind, how, at, longest, again
            ),
        )
    for each in range(1, int((when + 8 * 3600) / look_every)):
        plan(each * look_every, None)
    if cut_every:
        at = 0
        while at < when:
            at += chance.randint(cut_every // 2, 2 * cut_every)
            back = at + chance.randint(5, 240)
            plan(at, world.hear.lose)
            plan(back, world.hear.find)
            at = back
    idle = 0
    while agenda and idle < 30:
        at = min(agenda)
        agenda.remove(at)
        seconds = at[0] - (world.now - start).total_seconds()
        await world.advance(max(seconds, 0))
        if at[2] is not None:
            await at[2]()
            await world.heard()
            continue
        if chance.random() < fail:
            paths = {"tel4vn-v1": "/v1/cdr*", "tel4vn-v2": "/v2/cdr*", "antbuddy": "/oapi/v1/call/histories*"}
            world.pbx.faults.add(Fault(paths[world.vendor], kind=FaultKind.HTML))
        await world.look()
        done = len(world.truth) == calls and all(call.ended_at for call in world.truth)
        idle = idle + 1 if done else 0


async def _call(world, chance, plan, busy, callers, kind, how, at, longest, again):
    free = [each for each in EXTENSIONS if each not in busy]
    extension, group = free[0], free[1:4]
    number = chance.choice([each for each in callers if each not in busy])
    taken = {number, extension, *group}
    busy |= taken
    call = world.begin(kind, number, extension, group)
    ringing = chance.randint(3, 30)
    cause = {"busy": "USER_BUSY", "no answer": "NO_ANSWER", "cancelled": "ORIGINATOR_CANCEL"}.get(how)
    talk = 0
    if cause is None:
        talk = chance.randint(1, 200) if how == "answered" else chance.randint(600, longest)

        async def answer():
            await world.pbx.answer(call.call_id, extension=chance.choice(group) if kind == "queue" else None)

        plan(at + ringing, answer)

    async def end():
        await world.pbx.hang_up(call.call_id, cause or "NORMAL_CLEARING")

    async def free_again():
        busy.difference_update(taken)

    plan(at + ringing + talk, end)
    plan(at + ringing + talk + again, free_again)

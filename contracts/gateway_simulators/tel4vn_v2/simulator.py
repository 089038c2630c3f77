"""The v2 call center that tests and demos hold."""

from __future__ import annotations

from typing import Any

import attrs

from gateway_simulators.clock import Clock, LiveClock
from gateway_simulators.tel4vn.access import Access
from gateway_simulators.tel4vn.phones import Call
from gateway_simulators.tel4vn.record_filters import Row
from gateway_simulators.tel4vn.simulator import PbxSimulator
from gateway_simulators.tel4vn_v2.behaviour import Behaviour
from gateway_simulators.tel4vn_v2.campaigns import Kind, Queue
from gateway_simulators.tel4vn_v2.mappings import kept_names
from gateway_simulators.tel4vn_v2.server import Server

PASSWORD = "admin123"


class Tel4vnV2Simulator(PbxSimulator):
    """A TEL4VN v2 call center on a socket of its own, with extensions 101, 102 and 103 registered, and 104 not.

    async with Tel4vnV2Simulator(clock=ManualClock()) as pbx:
        pbx.behaviour.cdr_mapping = "flex"
        call_id = pbx.incoming("0899888999")
        await pbx.answer(call_id)
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        domain: str = "test.tel4vn.com",
        username: str = "adminfortest@test.tel4vn.com",
        password: str = PASSWORD,
        api_key: str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeee",
    ) -> None:
        self.behaviour = Behaviour()
        clock = clock if clock is not None else LiveClock()
        access = Access(clock=clock, username=username, password=password, api_key=api_key)
        super().__init__(host=host, port=port, domain=domain, behaviour=self.behaviour, access=access)
        self._server: Server = Server(**self.parts, behaviour=self.behaviour)

    @property
    def queues(self) -> dict[tuple[Kind, str], Queue]:
        """The queues by kind and code."""
        return self._server.queues

    @property
    def customers(self) -> dict[str, dict[str, Any]]:
        """The customers by id, as the vendor would send them."""
        return self._server.customers.rows

    @property
    def campaigns(self) -> set[str]:
        """The ids of the campaigns that queues and customers may belong to."""
        return self._server.campaigns

    def state(self) -> dict[str, Any]:
        return {
            **super().state(),
            "queues": [{**attrs.asdict(queue), "blocked": sorted(queue.blocked)} for queue in self.queues.values()],
            "customers": list(self.customers.values()),
        }

    def add_record(self, **overrides: Any) -> Row:
        """Add a finished call and give back its row as the vendor would send it now.

        Without overrides: extension 101 reached 0899888999 and talked for 3 seconds until now. Fields can be given by
        the names of either mapping, also with a wrong type; which mapping the row is shown in is `cdr_mapping`'s.
        """
        given = {"customer_id": "KH1", **kept_names(overrides)}
        row = super().add_record(**given)
        if not {"id", "cdrId"}.isdisjoint(overrides):
            self._server.mappings[str(row["id"]).strip()] = "flex" if "cdrId" in overrides else "default"
        return self._server.written(row)

    def add_customer(self, **overrides: Any) -> dict[str, Any]:
        """Add a customer and give back the row; it can be changed later."""
        return self._server.customers.add(self.clock.now(), overrides)

    def add_queue(self, kind: Kind, queue_code: str, customers: dict[str, list[str]] | None = None) -> Queue:
        """Add a queue that was stopped, with the numbers of its customers."""
        queue = Queue(kind=kind, queue_code=queue_code, running=False, customers=customers or {})
        self._server.queues[kind, queue_code] = queue
        return queue

    @property
    def tells_missed(self) -> bool:
        """Whether there is an event for a missed call: in the edition of 2023, not in the document [002:189-196]."""
        return self.behaviour.hook_shape == "2023"

    def said_with_a_record(self, row: Row) -> dict[str, Any]:
        """Give the recording and the status, which come with `cdr` only [002:261]."""
        shown = self._server.written(row) if row else {}
        return {**super().said_with_a_record(row), "status": shown.get("status", "")}

    def record_of(self, call: Call) -> dict[str, Any]:
        return {
            **super().record_of(call),
            "customer_id": call.query.get("customer_id", ""),
            "time_ringing": call.created_at,
            "billsec": call.talk_seconds,
        }

"""The queues that the call center dials by itself, and the customers that it keeps for its campaigns."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import uuid4

import attrs

Kind = Literal["autodialer", "autocall"]

PHONE_NUMBER = re.compile(r"(84|0[3|5|7|8|9])+([0-9]{8})")  # as the vendor's own error has it [002:1670]
NEVER = "0001-01-01T00:00:00Z"  # [002:1504]


@attrs.define(eq=False, kw_only=True)
class Queue:
    """A queue and its load: the numbers of its *customers* by id. *blocked* are ids to leave out."""

    kind: Kind
    queue_code: str
    running: bool = True  # it dials when it has its data; it is started again after a stop [002:929,1085]
    settings: dict[str, Any] = attrs.field(factory=dict)
    customers: dict[str, list[str]] = attrs.field(factory=dict)
    blocked: set[str] = attrs.field(factory=set)


def stamp(moment: datetime) -> str:
    """Write a moment as customers have it [002:1498]."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@attrs.define(eq=False, kw_only=True)
class CustomerList:
    """The customers, in the order in which they came."""

    rows: dict[str, dict[str, Any]] = attrs.field(factory=dict, init=False)

    def add(self, now: datetime, given: dict[str, Any]) -> dict[str, Any]:
        """Keep a customer: the one of [002:1496-1504], made now, with *given* on top."""
        customer_id = given.get("customer_id", str(uuid4()))
        row = {
            "campaign_id": "aaaaaaaa-1111-2222-3333-eeeeeeee",
            "contract_number": "ABC123",
            "created_at": stamp(now),
            "customer_code": "KH01",
            "customer_id": customer_id,
            "customer_name": "Khach Hang 01",
            "phone_number": "0899888998",
            "status": "NEW",
            "updated_at": NEVER,
            **given,
        }
        self.rows[str(customer_id)] = row
        return row

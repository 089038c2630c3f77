"""Queues: lists of customers that the vendor dials (002:880-1420)."""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from gateway_contracts import (
    DialState,
    InvalidRequest,
    NotFound,
    Origin,
    OutcomeUnknown,
    QueueCustomer,
    QueueKind,
    QueueLoad,
)
from gateway_contracts.arguments import refuse
from gateway_contracts.http import Effect, HttpClient, Response

from ..reading import Reading
from ..responses import GONE, MAINTENANCE, ImportRefused, confirm, customer_code, unwrap
from . import wire


@attrs.frozen(kw_only=True)
class Queues:
    """The queues of one account."""

    http: HttpClient
    paths: Mapping[str, str]
    reading: Reading

    async def load(
        self,
        queue_code: str,
        kind: QueueKind,
        customers: Sequence[QueueCustomer],
        optional: Mapping[str, str | int | None],
    ) -> QueueLoad:
        """Give a queue the customers to call (002:929, 002:1163), with *optional* arguments by our names.

        The vendor does not say which customers an autodialer queue took, so a success means all. An import that failed
        (002:1150) and took some all the same is a load of those.
        """
        fields = wire.QUEUE_FIELDS[kind]
        refuse("tel4vn-v2", f"{kind} queues", **{name: value for name, value in optional.items() if name not in fields})
        body: dict[str, Any] = {"queue_code": queue_code}
        for name, (spelt, written) in fields.items():
            value = optional[name]
            if value is not None:
                body[spelt] = written(value)
        body["customers"] = [self._queued(kind, index, each) for index, each in enumerate(customers)]
        refusal: ImportRefused | None = None
        try:
            response = await self._send(f"load_{kind}_queue", body)
        except ImportRefused as error:
            refusal, response = error, error.response
        told = unwrap(response.data, "success")
        named = told.keys() & {"success", "fail"} if isinstance(told, dict) else ()
        row = response.parse(wire.LoadRow, told) if named else wire.LoadRow()
        if refusal is not None and not row.success:
            places = {each.customer_id: f"customers[{index}]" for index, each in enumerate(customers)}
            refusal.fields = {places.get(code, code): said for code, said in refusal.fields.items()}
            raise refusal
        rejected = tuple(map(customer_code, row.fail or ()))
        if "success" in named:
            accepted = tuple(map(str, row.success or ()))
        else:
            accepted = tuple(each.customer_id for each in customers if each.customer_id not in rejected)
        return QueueLoad(
            account=self.reading.account, queue_code=queue_code, accepted=accepted, rejected=rejected, raw=response.data
        )

    def _queued(self, kind: QueueKind, index: int, customer: QueueCustomer) -> dict[str, Any]:
        """A customer as 002:929 and 002:1110-1127 show one; only autocall queues have a template to read out."""
        if kind is not QueueKind.AUTOCALL:
            refuse("tel4vn-v2", f"{kind} queues", details=customer.details or None)
        own = {"id": customer.customer_id, "mobiles": list(customer.numbers)}
        taken = own.keys() & customer.details.keys()
        if taken:
            field = f"customers[{index}].details"
            raise InvalidRequest(
                f"{field} has names that the vendor uses itself: {', '.join(sorted(taken))}",
                account=self.reading.account,
                fields={field: f"must not have {', '.join(sorted(taken))}"},
            )
        return {**own, **customer.details}

    async def start(self, queue_code: str, kind: QueueKind) -> None:
        """Start to dial a queue's customers (002:1085, 002:1405). Phones ring for it, so it is sent once.

        The documents have "no such queue" for it (002:1077, 002:1397), under no certain status: it proves that no phone
        rang.
        """
        try:
            await self._send(f"start_{kind}_queue", {"queue_code": queue_code}, Effect.RING)
        except OutcomeUnknown as error:
            if isinstance(error.__cause__, NotFound):
                raise NotFound(
                    f"The vendor has no {kind} queue {queue_code}",
                    account=self.reading.account,
                    origin=Origin.VENDOR,
                    vendor_code=error.vendor_code,
                    dial_state=DialState.NOT_PLACED,
                ) from None
            raise

    async def stop(self, queue_code: str, kind: QueueKind) -> None:
        """Pause a queue (002:991, 002:1307)."""
        await self._send(f"stop_{kind}_queue", {"queue_code": queue_code})

    async def delete(self, queue_code: str, kind: QueueKind) -> None:
        """Remove a queue (002:1038, 002:1356) that was stopped (002:1034, 002:1352)."""
        await self._send(f"delete_{kind}_queue", {"queue_code": queue_code})

    async def block(self, queue_code: str, customer_ids: Sequence[str]) -> None:
        """Stop a queue from calling some of its customers (002:1246), which only autocall queues have."""
        body = {"queue_code": queue_code, "customers": [{"id": each} for each in customer_ids]}
        await self._send("block_customers", body)

    async def _send(self, name: str, body: Mapping[str, Any], effect: Effect = Effect.WRITE) -> Response:
        response = await self.http.send(
            "POST", self.paths[name], json=body, effect=effect, refusals={MAINTENANCE, GONE}
        )
        confirm(response)
        return response

"""Lists of customers that the vendor dials."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from ..models import Customer, Page, QueueCustomer, QueueKind, QueueLoad
from ..operations import operation


class Campaigns(ABC):
    """Let the vendor dial lists of customers.

    async def stop_queue(self, queue_code, *, kind):
        await self.http.send("POST", f"/{kind}/stop", json={"queue": queue_code}, effect=Effect.WRITE)
    """

    scope: ClassVar[str] = "campaigns"

    @abstractmethod
    @operation("PUT", "/queues/{queue_code}")
    async def load_queue(
        self,
        queue_code: str,
        *,
        kind: QueueKind,
        customers: Sequence[QueueCustomer],
        campaign_id: str | None = None,
        agents: Sequence[str] | None = None,
        calls_per_agent_percent: int | None = None,
        template: str | None = None,
        concurrent_calls: int | None = None,
        max_retries: int | None = None,
        retry_below_seconds: int | None = None,
    ) -> QueueLoad:
        """Give a queue the customers to call.

        An `autodialer` queue belongs to *campaign_id*, rings *agents* (extensions) and dials *calls_per_agent_percent*
        calls for each hundred free agents. An `autocall` queue plays *template* in up to *concurrent_calls* at once
        and dials again when an answered call was shorter than *retry_below_seconds*. *max_retries* holds for both.

        Raises: InvalidRequest, NotFound, Unsupported, VendorRejected, VendorAuthFailed, OutcomeUnknown.
        """

    @abstractmethod
    @operation("POST", "/queues/{queue_code}/start", rings=True)
    async def start_queue(self, queue_code: str, *, kind: QueueKind) -> None:
        """Start to dial a queue's customers.

        Raises: NotFound, VendorRejected, VendorAuthFailed, OutcomeUnknown.
        """

    @abstractmethod
    @operation("POST", "/queues/{queue_code}/stop")
    async def stop_queue(self, queue_code: str, *, kind: QueueKind) -> None:
        """Pause a queue.

        Raises: NotFound, VendorRejected, VendorAuthFailed, VendorUnavailable.
        """

    @abstractmethod
    @operation("DELETE", "/queues/{queue_code}")
    async def delete_queue(self, queue_code: str, *, kind: QueueKind) -> None:
        """Remove a queue that was stopped.

        Raises: NotFound, VendorRejected, VendorAuthFailed, VendorUnavailable.
        """

    @abstractmethod
    @operation("POST", "/queues/{queue_code}/blocked-customers")
    async def block_customers(self, queue_code: str, *, customer_ids: Sequence[str]) -> None:
        """Stop a queue from calling some of its customers; who was called already is not affected.

        Raises: NotFound, VendorRejected, VendorAuthFailed, VendorUnavailable.
        """


class Customers(ABC):
    """Keep the vendor's own list of customers.

    async def get_customer(self, customer_id):
        response = await self.http.send("GET", f"/customers/{segment('customer_id', customer_id)}")
        return self._customer(response.parse(CustomerRow), response.data)
    """

    scope: ClassVar[str] = "campaigns"

    @abstractmethod
    @operation("GET", "/customers")
    async def list_customers(
        self, *, campaign_id: str | None = None, cursor: str | None = None, limit: int | None = None
    ) -> Page[Customer]:
        """List the vendor's customers.

        Raises: VendorAuthFailed, VendorUnavailable, VendorTimeout, VendorProtocolError.
        """

    @abstractmethod
    @operation("GET", "/customers/{customer_id}")
    async def get_customer(self, customer_id: str) -> Customer:
        """Get one customer.

        Raises: NotFound, VendorAuthFailed, VendorUnavailable, VendorTimeout, VendorProtocolError.
        """

    @abstractmethod
    @operation("POST", "/customers", status=201)
    async def create_customer(
        self, *, campaign_id: str, customer_code: str, number: str, contract_number: str, name: str | None = None
    ) -> Customer:
        """Add a customer to a campaign.

        Raises: InvalidRequest, Conflict, VendorRejected, VendorAuthFailed, VendorUnavailable.
        """

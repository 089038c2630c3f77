"""What happens while it happens: webhooks and streams."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from typing import ClassVar

from ..models import CallEvent, EventType, Hook, Page, WebhookRequest
from ..operations import operation
from ..secrets import Secret


class Hooks(ABC):
    """The vendor calls us: it sends webhooks to the addresses that are registered with it.

    async def parse_webhook(self, request):
        try:
            row = from_json(loads(request.body), HookRow)
        except ValueError as error:
            raise InvalidRequest("That is no webhook of the vendor") from error
        return [self._event(row, event_id=f"{row.call}-{row.state}", received_at=request.received_at)]
    """

    scope: ClassVar[str] = "admin"

    @abstractmethod
    @operation("GET", "/hooks")
    async def list_hooks(self) -> Page[Hook]:
        """List the vendor's registrations that send webhooks.

        Raises: Unsupported, VendorAuthFailed, VendorUnavailable, VendorTimeout, VendorProtocolError.
        """

    @abstractmethod
    @operation("POST", "/hooks", status=201)
    async def create_hook(self, *, event: EventType, url: str | None = None, api_key: Secret | None = None) -> Hook:
        """Make the vendor send one type of event to an address.

        *url* is by default the gateway's own hook address of the account. *api_key* is what the vendor shows when it
        calls that address.

        Raises: InvalidRequest, Unsupported, VendorRejected, VendorAuthFailed, VendorUnavailable.
        """

    @abstractmethod
    @operation("DELETE", "/hooks/{hook_id}")
    async def delete_hook(self, hook_id: str) -> None:
        """Stop a registration.

        Raises: NotFound, Unsupported, VendorAuthFailed, VendorUnavailable.
        """

    @abstractmethod
    async def parse_webhook(self, request: WebhookRequest) -> Sequence[CallEvent]:
        """What a vendor's webhook says, in our words; the same `event_id` whenever it is delivered again.

        An event we have no word for is of type `unknown`, with the vendor's answer in `raw`.

        Raises: InvalidRequest when the body cannot be understood at all.
        """


class EventStream(ABC):
    """We listen to the vendor: it sends events over a connection that the adapter opens.

    async def follow_events(self):
        async for line in self.lines():
            row = from_json(loads(line), StreamRow)
            yield self._event(row, event_id=f"{row.call}-{row.state}", received_at=datetime.now(UTC))
    """

    scope: ClassVar[str] = "admin"

    @abstractmethod
    def follow_events(self) -> AsyncIterator[CallEvent]:
        """Events of a vendor that is listened to and does not call us; never ends by itself.

        The adapter connects, and connects again. When first asked for an event it raises: InvalidRequest when a setting
        is missing, VendorAuthFailed when the vendor refuses the credentials.
        """


class Events(Hooks, EventStream):
    """Learn what happens while it happens, both ways. An adapter whose vendor knows one way inherits that part only.

    async def parse_webhook(self, request):
        try:
            row = from_json(loads(request.body), HookRow)
        except ValueError as error:
            raise InvalidRequest("That is no webhook of the vendor") from error
        return [self._event(row, event_id=f"{row.call}-{row.state}", received_at=request.received_at)]
    """

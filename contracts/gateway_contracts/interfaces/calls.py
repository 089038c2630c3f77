"""Calls: to start one, and to see and steer those in progress."""

from abc import ABC, abstractmethod
from typing import ClassVar

from ..models import Call, Leg, Page, StartedCall
from ..operations import operation


class ClickToCall(ABC):
    """Start calls from an application.

    async def start_call(self, *, extension, number, **rest):
        body = {"from": extension, "to": number}
        response = await self.http.send("POST", "/dial", json=body, effect=Effect.RING)
        said = {"call_id": response.parse(DialRow).id, "requested_at": datetime.now(UTC), "raw": response.data}
        return StartedCall(account=self.account.name, extension=extension, number=number, **said)
    """

    scope: ClassVar[str] = "calls"

    @abstractmethod
    @operation("POST", "/calls", status=201, rings=True, headers={"idempotency_key": "Idempotency-Key"})
    async def start_call(
        self,
        *,
        extension: str,
        number: str,
        wait: bool = False,
        auto_answer: bool = False,
        caller_id_name: str | None = None,
        caller_id_number: str | None = None,
        callee_id_name: str | None = None,
        callee_id_number: str | None = None,
        hotline: str | None = None,
        customer_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> StartedCall:
        """Ring an extension and, when it picks up, call a number from it.

        With *wait* the answer comes when the extension has picked up or hung up, which may take a minute; without, at
        once. *caller_id_name* and *caller_id_number* are what the extension sees; *callee_id_name* and
        *callee_id_number* go into the SIP message to the number. *hotline* is the business's own number to call from.
        *auto_answer* makes the extension's phone pick up by itself. Never sent twice: when the error's `dial_state`
        is `unknown`, look for the call, do not dial again. With *idempotency_key*, up to 200 printable characters of
        your own for this one call, asking again is safe: what the first request did is answered again, for 24 hours at
        least, and only what did not ring is tried again. It needs the gateway's journal.

        Raises: AgentNotRegistered, AgentBusy, VendorRejected, Unsupported, VendorAuthFailed, VendorUnavailable,
        OutcomeUnknown, Conflict and IdempotencyMismatch of a key.
        """


class CallControl(ABC):
    """See and steer the calls in progress.

    async def list_calls(self):
        rows = (await self.http.send("GET", "/live")).parse(tuple[LiveRow, ...])
        return Page(items=tuple(self._call(row) for row in rows), total=len(rows))
    """

    scope: ClassVar[str] = "calls"

    @abstractmethod
    @operation("GET", "/calls")
    async def list_calls(self) -> Page[Call]:
        """List the calls in progress.

        Raises: VendorAuthFailed, VendorUnavailable, VendorTimeout, VendorProtocolError.
        """

    @abstractmethod
    @operation("POST", "/calls/{call_id}/transfer", rings=True)
    async def transfer_call(self, call_id: str, *, to: str, leg: Leg | None = None) -> None:
        """Move one side of a call to another extension.

        *leg* is the side that is moved: `a` placed the call, `b` was called. Without it the customer's side is moved,
        as far as the vendor tells which that is.

        Raises: NotFound, AgentNotRegistered, AgentBusy, VendorRejected, Unsupported, OutcomeUnknown.
        """

    @abstractmethod
    @operation("POST", "/calls/{call_id}/listen", rings=True)
    async def listen_call(self, call_id: str, *, extension: str) -> None:
        """Let an extension hear a call without being heard.

        Raises: NotFound, AgentNotRegistered, AgentBusy, VendorRejected, OutcomeUnknown.
        """

    @abstractmethod
    @operation("POST", "/calls/{call_id}/whisper", rings=True)
    async def whisper_call(self, call_id: str, *, extension: str) -> None:
        """Let an extension talk to the agent of a call without the customer hearing it.

        Raises: NotFound, AgentNotRegistered, AgentBusy, VendorRejected, OutcomeUnknown.
        """

    @abstractmethod
    @operation("POST", "/calls/{call_id}/barge", rings=True)
    async def barge_call(self, call_id: str, *, extension: str) -> None:
        """Make an extension the third party of a call.

        Raises: NotFound, AgentNotRegistered, AgentBusy, VendorRejected, OutcomeUnknown.
        """

    @abstractmethod
    @operation("POST", "/calls/{call_id}/park", rings=True)
    async def park_call(self, call_id: str, *, leg: Leg) -> None:
        """Cut one side of a call and hold the other until it is transferred.

        *leg* is passed on as the vendor's own parameter. How long the held side waits is the vendor's to say.

        Raises: NotFound, VendorRejected, Unsupported, OutcomeUnknown.
        """

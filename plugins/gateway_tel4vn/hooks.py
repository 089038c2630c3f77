"""Registrations for events, and the webhooks they bring: the same in all of TEL4VN's products (003:110, 002:126)."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import attrs
from gateway_contracts import (
    CallEvent,
    EventType,
    GatewayError,
    Hook,
    InvalidRequest,
    InvalidValue,
    Outcome,
    Page,
    Secret,
    Unsupported,
    WebhookRequest,
    from_json,
    loads,
)
from gateway_contracts.http import Effect, HttpClient, segment
from gateway_contracts.parties import parties
from gateway_contracts.rows import read_rows

from .pages import total_of
from .reading import Reading
from .responses import MAINTENANCE, confirm, reply, rows
from .settings import domain_of
from .words import TOO_MANY, Number, outcome_of, seconds, text

EVENTS: Mapping[str, EventType] = {  # 003:180-185, 002:189-194; `missed` and `cdr_autocall` are of the 2023 edition
    "ringing": EventType.RINGING,
    "answered": EventType.ANSWERED,
    "hangup": EventType.ENDED,
    "missed": EventType.MISSED,
    "cdr": EventType.RECORD_CREATED,
    "cdr_autocall": EventType.RECORD_CREATED,
}
HOOK_EVENTS: Mapping[EventType, str] = {  # 003:180-185, 002:189-194: another word is taken, and never fired (003:187)
    EventType.RINGING: "ringing",
    EventType.ANSWERED: "answered",
    EventType.ENDED: "hangup",
    EventType.RECORD_CREATED: "cdr",
    EventType.RECORDING_READY: "cdr",  # which brings the recording's address (003:251, 002:260)
}
HOOK_EVENTS_2023: Mapping[EventType, str] = {**HOOK_EVENTS, EventType.MISSED: "missed"}


@attrs.frozen(kw_only=True)
class _HookRow:
    """A hook in either shape: that of 2021 (003:124-131, 002:134-139), or `id` and `event` of 2023."""

    event_domain_uuid: str | None = None
    id: str | None = None
    event_name: str | None = None
    event: str | None = None
    callback_url: str | None = None
    domain_name: str | None = None


@attrs.frozen(kw_only=True)
class _CreatedHook:
    """What else there may be beside `created` of 003:158-162, 002:167-171: an `id`, in the edition of 2023."""

    id: str | None = None


@attrs.frozen(kw_only=True)
class _WebhookRow:
    """An event, 003:218-251, 002:227-261 and the times of 2023. As a form every value is text."""

    state: str
    call_id: str | int | None = None
    sip_call_id: str | int | None = None
    domain: str | None = None
    direction: str | int | None = None
    from_number: str | int | None = None
    to_number: str | int | None = None
    hotline: str | int | None = None
    extension: str | int | None = None
    status: str | None = None
    duration: Number = None
    billsec: Number = None
    time_started: str | None = None
    time_answered: str | None = None
    time_ended: str | None = None
    recording_url: Any = None


@attrs.frozen(kw_only=True)
class Registrations:
    """The hooks of one account, at the paths and with the *events* of its vendor's edition."""

    http: HttpClient
    reading: Reading
    list_path: str
    create_path: str
    delete_path: str
    own_url: str | None = attrs.field(repr=False)
    events: Mapping[EventType, str] = HOOK_EVENTS

    async def list(self) -> Page[Hook]:
        """All hooks."""
        response = await self.http.send("GET", self.list_path)
        found = await read_rows(response, rows(response.data), _HookRow, self._hook)
        return found.page(total=total_of(response, len(found)))

    def _hook(self, row: _HookRow, raw: Any, _: tuple[str, ...] = ()) -> Hook:
        word, hook_id = text(row.event) or text(row.event_name) or "", text(row.id) or text(row.event_domain_uuid)
        if not word and hook_id is None:
            raise ValueError("the hook has neither id nor event")
        return Hook(
            account=self.reading.account,
            hook_id=hook_id,
            event=EVENTS.get(word.lower()),
            vendor_event=word,
            url=text(row.callback_url) or "",
            domain=text(row.domain_name),
            raw=raw,
        )

    async def create(self, event: EventType, url: str | None, api_key: Secret | None) -> Hook:
        """A new hook. The response of 2021 has no id, so the hook is looked up among all of them."""
        word = self.events.get(event)
        account = self.reading.account
        if word is None:
            raise Unsupported(
                f"{self.reading.vendor} documents no event for {event}, and would take a hook for one and never send "
                f"it; it sends {', '.join(self.events)}",
                account=account,
            )
        address = url or self.own_url
        if address is None:
            raise InvalidRequest(
                "There is no address to send events to",
                account=account,
                fields={"url": "is needed: this gateway has no hook address of its own for the account"},
            )
        if urlsplit(address).scheme not in {"http", "https"} or not urlsplit(address).hostname:
            raise InvalidRequest(
                "The vendor could never reach that address",
                account=account,
                fields={"url": "must be an address such as https://crm.example.vn/hooks"},
            )
        body: dict[str, Any] = {"callback_url": address, "event": word}
        if api_key is not None:
            body["callback_apikey"] = api_key
        response = await self.http.send(
            "POST", self.create_path, json=body, effect=Effect.WRITE, refusals={MAINTENANCE}
        )
        confirm(response, "created")
        hook_id = text(response.parse(_CreatedHook, reply(response)).id)
        if hook_id is None:
            hook_id = await self._find(word, address)
        return Hook(account=account, hook_id=hook_id, event=event, vendor_event=word, url=address, raw=response.data)

    async def _find(self, word: str, address: str) -> str | None:
        try:
            hooks = (await self.list()).items
        except GatewayError:  # it was created all the same, and an error would have it created again
            return None
        return next((hook.hook_id for hook in hooks if hook.vendor_event == word and hook.url == address), None)

    async def delete(self, hook_id: str) -> None:
        """Stop a hook."""
        path = self.delete_path.format(hook_id=segment("hook_id", hook_id))
        response = await self.http.send("DELETE", path, effect=Effect.WRITE, refusals={MAINTENANCE})
        confirm(response, "deleted")


def parse_webhook(reading: Reading, request: WebhookRequest) -> Sequence[CallEvent]:
    """What a webhook says, as JSON or as a form. Every field is taken in every state, as the samples mix them.

    Raises: InvalidRequest, also for a webhook of another tenant's domain.
    """
    try:
        return [
            event
            for body in _bodies(request)
            for event in _events(reading, from_json(body, _WebhookRow), body, request.received_at)
        ]
    except ValueError as error:
        raise InvalidRequest(
            f"The webhook is not one of {reading.vendor}: {error}",
            account=reading.account,
            fields=error.fields if isinstance(error, InvalidValue) else None,
        ) from error


def _bodies(request: WebhookRequest) -> list[Any]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/x-www-form-urlencoded" or (
        media_type != "application/json" and not request.body.lstrip().startswith((b"{", b"["))
    ):
        return [dict(parse_qsl(request.body.decode(), keep_blank_values=True, max_num_fields=200))]
    data = loads(request.body)
    return data if isinstance(data, list) else [data]


def _events(reading: Reading, row: _WebhookRow, raw: Any, received_at: datetime) -> Iterator[CallEvent]:
    """What one body tells: one event, and with a record that has a recording that the recording is ready."""
    event = _event(reading, row, raw, received_at)
    yield event
    recording = row.recording_url
    if event.type is EventType.RECORD_CREATED and isinstance(recording, str) and recording.strip():
        # An id of its own: `cdr` may come again, and bring the recording only then.
        yield attrs.evolve(
            event,
            type=EventType.RECORDING_READY,
            event_id=_event_id(reading, row, EventType.RECORDING_READY),
            occurred_at=None,  # when it became ready is not said
        )


def _event_id(reading: Reading, row: _WebhookRow, state: str) -> str:
    # A ring group raises several `ringing` with one call id, and the vendor sends again what was not acknowledged.
    ids, sides = (row.call_id, row.sip_call_id), (row.from_number, row.to_number)
    key = (reading.account, row.domain, *map(text, ids), state, *map(text, sides))
    return hashlib.sha256("\n".join(part or "" for part in key).encode()).hexdigest()[:32]


def _event(reading: Reading, row: _WebhookRow, raw: Any, received_at: datetime) -> CallEvent:
    domain = domain_of(row.domain)
    if reading.domain and domain and domain != reading.domain:
        raise InvalidValue({"domain": f"is not {reading.domain}, which is the account's"})
    state = row.state.strip().lower()
    kind = EVENTS.get(state, EventType.UNKNOWN)
    source, target = text(row.from_number), text(row.to_number)
    direction = reading.direction(row.direction, source, target)
    # 003:245-246 name the extension as the source of an outbound call and the target of an inbound one; the sample of
    # 003:226-228 has the two the wrong way round.
    who = parties(
        direction,
        source,
        target,
        reading.is_extension,
        extension=text(row.extension),
        hotline=text(row.hotline),
    )
    billed = seconds(row.billsec, "billsec", below=TOO_MANY)  # the journal keeps none that is too long
    outcome = outcome_of(row.status) if row.status else Outcome.ANSWERED if billed else None
    occurred = {
        EventType.RINGING: row.time_started,
        EventType.ANSWERED: row.time_answered,
        EventType.ENDED: row.time_ended,
        EventType.MISSED: row.time_ended,
        EventType.RECORD_CREATED: row.time_ended,
    }.get(kind)
    return CallEvent(
        account=reading.account,
        event_id=_event_id(reading, row, state),
        type=kind,
        call_id=text(row.call_id),
        sip_call_id=text(row.sip_call_id),
        direction=direction,
        from_number=who.from_number,
        to_number=who.to_number,
        extension=who.extension,
        hotline=who.hotline,
        occurred_at=reading.time.read(occurred),
        received_at=received_at,
        outcome=outcome,
        vendor_status=text(row.status),
        duration_seconds=seconds(row.duration, "duration", below=TOO_MANY),
        talk_seconds=billed,
        raw=raw,
    )

"""What happens at the vendor, as it comes to us: hooks, webhooks, and events that are followed."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .. import OPERATIONS, CallEvent, EventType, InvalidRequest, Unsupported, WebhookRequest, dumps, to_json
from .accounts import MAX_SECONDS, AccountTests, nothing_left
from .far_side import FarSide
from .lacking import method_of, where_supported
from .proofs import proves

_EXAMPLES = 100
_SHOWN = 20  # complaints; the others are like them
_LATER = timedelta(minutes=1)
_TYPES = ("application/json", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "text/xml", "")
_FORM = _TYPES[1]
_OTHER_TEXTS = ("", "undocumented", "-1", "é漢\x00", "9" * 400)


class EventTests(AccountTests):
    """Events."""

    @where_supported
    @proves("create_hook", "list_hooks", "delete_hook")
    async def test_a_hook_is_created_listed_and_deleted(self, pbx: Any, far: FarSide) -> None:
        """A new hook stands in the list with what it was asked for, beside those that there were; deleted, it is
        gone, and nothing else is.
        """
        create, arguments = await method_of(pbx, far, OPERATIONS["create_hook"])
        older = await far.hook()

        created = await create(**arguments)
        listed = {hook.hook_id: hook for hook in (await pbx.events.list_hooks()).items}
        await pbx.events.delete_hook(created.hook_id)
        left = {hook.hook_id for hook in (await pbx.events.list_hooks()).items}
        await pbx.events.delete_hook(older)
        none = {hook.hook_id for hook in (await pbx.events.list_hooks()).items}

        assert (arguments["event"], arguments["url"]) == (listed[created.hook_id].event, listed[created.hook_id].url)
        assert {older} == set(listed) - {created.hook_id} == left
        assert set() == none

    @proves("parse_webhook")
    async def test_a_webhook_says_what_happened_to_which_call(self, connect: Any, far: FarSide) -> None:
        """Each type in our words, with the id by which the call is found among the records, and aware times."""
        async with connect() as pbx:
            webhooks = await far.webhooks()
            events = _events_of(pbx)
            if not webhooks:
                await _refused(events and (lambda: events.parse_webhook(_request(b"{}"))))
                return
            found = [await events.parse_webhook(webhook.request) for webhook in webhooks]
            recorded = await _recorded(pbx)

        told = [[(event.type, event.call_id, event.occurred_at) for event in each] for each in found]
        expected = [
            [
                (webhook.type, webhook.call_id, webhook.occurred_at),
                *((each, webhook.call_id, None) for each in webhook.beside),
            ]
            for webhook in webhooks
        ]
        assert expected == told
        times = [time for each in found for event in each for time in (event.received_at, event.occurred_at) if time]
        assert {timedelta(0)} == {time.utcoffset() for time in times}
        assert recorded is None or {webhook.call_id for webhook in webhooks} <= recorded

    @proves("parse_webhook")
    async def test_an_event_keeps_its_id_when_it_comes_again(self, connect: Any, far: FarSide) -> None:
        """The same bytes are the same event, whenever they come and in whatever order their headers are; others are
        others.
        """
        async with connect() as pbx:
            events = _events_of(pbx)
            given_by_far = await far.webhooks()
            webhooks = [webhook.request for webhook in given_by_far]
            again = [
                attrs.evolve(each, headers=dict(reversed(each.headers.items())), received_at=each.received_at + _LATER)
                for each in webhooks
            ]
            first, second = [
                [event.event_id for each in requests for event in await events.parse_webhook(each)]
                for requests in (webhooks, again)
            ]

        types, calls = {each.type for each in given_by_far}, {each.call_id for each in given_by_far}
        assert len(types) < 2 or len(calls) < len(given_by_far), "`webhooks` of the far side gives no two of one call"
        assert first == second, "the same webhook has another event_id when it comes again"
        assert len(first) == len(set(first)), "two events have one event_id"

    @proves("parse_webhook")
    async def test_hostile_webhooks_are_events_or_refused(self, connect: Any, far: FarSide) -> None:
        """Whatever a stranger sends, an event that can be kept comes of it, or the error that the interface names."""
        async with connect() as pbx:
            events = _events_of(pbx)
            webhooks = [webhook.request for webhook in await far.webhooks()]
            wrong: list[str] = []
            for request in _hostile(webhooks) if webhooks else ():
                try:
                    for event in await events.parse_webhook(request):
                        wrong += [f"{problem}: {_shown(request)}" for problem in _problems_of(event)]
                except InvalidRequest:
                    pass
                except Exception as error:  # noqa: BLE001 # the point: nothing else may come
                    wrong.append(f"{type(error).__name__} instead of InvalidRequest ({error}): {_shown(request)}")

        assert not wrong, "\n".join(wrong[:_SHOWN])

    @proves("follow_events")
    @pytest.mark.parametrize("cut", [False, True])
    async def test_what_happens_is_followed_in_order(
        self, connect: Any, far: FarSide, impatient: None, cut: bool
    ) -> None:
        """A call that rings, is answered and ends is three events of that call, in UTC, also when the connection drops
        between them; and whoever stops following leaves nothing open.
        """
        async with connect() as pbx:
            events = _events_of(pbx)
            if events is None:
                await _refused(None)
                return
            async with nothing_left(), contextlib.aclosing(events.follow_events()) as followed:
                async with asyncio.timeout(MAX_SECONDS):
                    following = asyncio.ensure_future(_until_the_end(followed))
                    call_id = await far.happens(cut=cut)
                    if call_id is None:
                        await _refused(lambda: following)
                        return
                    found = await following
                following = asyncio.ensure_future(anext(followed))
                await asyncio.sleep(0)
                following.cancel()
                await asyncio.wait([following])

        told = [each for each in found if each.type is not EventType.UNKNOWN]
        times = [each.occurred_at for each in told if each.occurred_at]
        assert [EventType.RINGING, EventType.ANSWERED, EventType.ENDED] == [each.type for each in told]
        assert {call_id} == {each.call_id for each in told}
        assert len(found) == len({each.event_id for each in found})
        assert {timedelta(0)} >= {time.utcoffset() for time in times}
        assert sorted(times) == times
        assert cut or found == told


def _events_of(pbx: Any) -> Any:
    """The interface, None where the vendor has none."""
    try:
        return pbx.events
    except Unsupported:
        return None


async def _refused(ask: Callable[[], Any] | None) -> None:
    """What a vendor has not got is said, where it can be asked for at all."""
    if ask is not None:
        with pytest.raises(Unsupported):
            await ask()


async def _recorded(pbx: Any) -> set[str] | None:
    """The ids of the calls that are recorded; None where there is no history."""
    try:
        return {record.call_id for record in (await pbx.history.list_records()).items}
    except Unsupported:
        return None


async def _until_the_end(events: Any) -> list[CallEvent]:
    found = []
    async for event in events:
        found.append(event)
        if event.type is EventType.ENDED:
            break
    return found


def _problems_of(event: CallEvent) -> Iterator[str]:
    """What the journal could not keep of an event, whatever it says."""
    kind: object = event.type  # whatever a plugin without types made of it
    if not isinstance(kind, EventType):
        yield f"the event's type is {kind!r}, which is none of ours"
    if not event.event_id:
        yield "the event_id is empty"
    elif not event.event_id.isprintable():
        yield f"the event_id {event.event_id!r} is not printable"
    if event.occurred_at is not None and event.occurred_at.utcoffset() != timedelta(0):
        yield f"occurred_at is {event.occurred_at.isoformat()}, which is not in UTC"
    try:
        json.loads(dumps(to_json(event, raw=True)))
    except (TypeError, ValueError) as error:
        yield f"the event cannot be written as JSON ({error})"


def _shown(request: WebhookRequest) -> str:
    return f"{dict(request.headers)} {request.body[:200]!r}"


def _request(body: bytes, kind: str = "application/json", more: dict[str, str] | None = None) -> WebhookRequest:
    return WebhookRequest(headers={**(more or {}), "content-type": kind}, body=body, received_at=datetime.now(UTC))


def _object_in(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _changed_forms(webhook: WebhookRequest) -> Iterator[WebhookRequest]:
    """*webhook* with each key of its form left out, twice, and with other texts; none where it is no form."""
    if not webhook.headers.get("content-type", "").lower().startswith(_FORM):
        return
    pairs = parse_qsl(webhook.body.decode(errors="replace"), keep_blank_values=True)
    for place, (key, value) in enumerate(pairs):
        for texts in ((), (value, value), *((text,) for text in _OTHER_TEXTS)):
            changed = [*pairs[:place], *((key, text) for text in texts), *pairs[place + 1 :]]
            yield _request(urlencode(changed).encode(), _FORM, dict(webhook.headers))


def _hostile(webhooks: Sequence[WebhookRequest]) -> list[WebhookRequest]:
    """Requests that nobody should send, the same ones in every run; many are nearly one of *webhooks*."""
    text = st.text(st.sampled_from('aZ0 é漢\u200b"\\/%&=:{[<'), max_size=8)
    text |= st.sampled_from(["\x00", "\ud800", "9" * 400, "-1", "1e999", "NaN"])
    scalars = st.none() | st.booleans() | st.integers() | st.sampled_from([10**400, -(2**63), 1e308]) | text
    values = st.recursive(scalars, lambda some: st.lists(some, max_size=3) | st.dictionaries(text, some, max_size=3))
    fixed = [b"", b"null", b"[" * 100_000, b'{"a":' * 50_000, b"\xff\xfe", b"\x00", b"%00=%ED%A0%80&&==", b"<a/>"]

    @st.composite
    def nearly(draw: Any) -> bytes:
        whole: bytes = draw(st.sampled_from(webhooks)).body
        how = draw(st.integers(0, 4))
        try:
            data = json.loads(whole)
        except ValueError:
            data = None
        if not isinstance(data, dict) or how == 0:
            start, end = sorted(draw(st.tuples(*[st.integers(0, len(whole))] * 2)))
            more: bytes = draw(st.binary(max_size=4))
            return whole[:start] + more + whole[end:]
        key, value = draw(st.sampled_from(sorted(data))), draw(values)
        if how == 1:  # the same key twice
            return whole.rstrip()[:-1] + f",{json.dumps(key)}:{json.dumps(value)}}}".encode()
        if how == 2:
            return json.dumps([data] * draw(st.integers(0, 3))).encode()
        return json.dumps({**data, key: value}).encode()

    bodies = nearly() | st.sampled_from(fixed) | st.binary(max_size=40) | values.map(json.dumps).map(str.encode)
    found = [
        _request(json.dumps({**data, key: "undocumented"}).encode(), "application/json", webhook.headers)
        for webhook, data in ((webhook, _object_in(webhook.body)) for webhook in webhooks)
        for key in data
    ]
    found += [changed for webhook in webhooks for changed in _changed_forms(webhook)]

    # Collected first: what is done with them has to wait, and hypothesis does not.
    @settings(
        max_examples=_EXAMPLES, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(bodies, st.sampled_from(_TYPES), st.sampled_from([each.headers for each in webhooks]))
    def collect(body: bytes, kind: str, headers: dict[str, str]) -> None:
        found.append(_request(body, kind, headers))

    collect()
    return found

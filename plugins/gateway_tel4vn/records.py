"""Finished calls and their recordings: how rows are read, pages followed and audio fetched, in all products."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

import attrs
from gateway_contracts import (
    Audio,
    CallRecord,
    Direction,
    NotFound,
    Outcome,
    Page,
    RecordingLink,
)
from gateway_contracts.arguments import query
from gateway_contracts.audio import open_audio
from gateway_contracts.cursors import not_ours
from gateway_contracts.http import HttpClient, Response, segment
from gateway_contracts.parties import parties
from gateway_contracts.rows import Rows, read_row, read_rows

from .pages import Came, Query, ids_of, mark_of, start, turn
from .reading import Reading, read
from .responses import rows, unwrap
from .settings import AccountSettings, Paging
from .words import Number, outcome_of, seconds, text

T = TypeVar("T")

_ANSWERED = Outcome.ANSWERED  # whose name takes longer to look up than the comparison
# Python puts so many keywords into a dict before it calls, and those for a class once more, but not those for a method
# of what this module calls by a name of its own: 1.3 of the 14 to 16 µs that a record takes in the benchmark `history`.
# `test_a_record_is_what_its_class_makes` holds it to what the class itself makes.
_Record, _new = CallRecord, object.__new__


@attrs.frozen(kw_only=True, slots=False)  # which `from_json` makes three times as fast
class CdrRow:
    """A finished call, 003:296-331, 002:340-354; `time_ringing` (in two spellings) is of 2023.

    *customer_side* is what stands for the customer in a row that does not say who called whom.
    """

    id: str
    sip_call_id: str | None = None
    cause: str | None = None
    duration: Number = None
    billsec: Number = None
    direction: str | int | None = None
    recording_url: str | None = None
    extension: str | int | None = None
    from_number: str | None = None
    to_number: str | None = None
    customer_side: str | None = None
    receive_dest: str | None = None
    time_started: str | None = None
    time_ringing: str | None = None
    time_ringging: str | None = None
    time_answered: str | None = None
    time_ended: str | None = None
    status: str | None = None
    customer_id: str | int | None = None


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("has no zone")
    return moment


PICKS: Mapping[str, Callable[[CallRecord, Any, str], bool]] = {
    # By the argument's name: whether a record, and the row that it was, fits a filter that the vendor does not know.
    "outcome": lambda record, _, wanted: record.outcome == wanted,
    "min_duration_seconds": lambda record, _, least: (record.duration_seconds or 0) >= int(least),
    "longer_than_seconds": lambda each, _, than: each.duration_seconds is None or each.duration_seconds > int(than),
    "ended_since": lambda record, _, since: record.ended_at is not None and record.ended_at >= _moment(since),
    "ended_until": lambda record, _, until: record.ended_at is not None and record.ended_at < _moment(until),
    "recording_name": lambda record, row, name: (
        record.has_recording and bool(_stem(name)) and _stem(str(row["recording_url"])) == _stem(name)
    ),
}
ASKED_TOO = frozenset({"longer_than_seconds"})
"""Those that the vendor is asked for as well, in case it understands them otherwise."""


@attrs.frozen(kw_only=True)
class Records:
    """The records of one account. *as_row* gives a row of the vendor's the names of `CdrRow`, and *name_in* says what
    the row itself calls one of these.
    """

    http: HttpClient
    reading: Reading
    list_path: str
    get_path: str
    paging: Paging
    page_size: int
    settings: AccountSettings
    as_row: Callable[[Any], Any] = lambda raw: raw
    name_in: Callable[[Any, str], str] = lambda _, name: name

    # Lists

    async def page(
        self, optional: Mapping[str, str | None], picks: Mapping[str, str | None], cursor: str | None, limit: int | None
    ) -> Page[CallRecord]:
        """One page of what *optional* asks the vendor for and *picks* leave of it, so that pages may be short."""
        place = start(self.paging, cursor, tuple(query(**optional)), tuple(query(**picks)))

        async def ask(params: Sequence[tuple[str, str]]) -> Came[Rows[CallRecord]]:
            response = await self.http.send("GET", self.list_path, params=params)
            found = await read_rows(response, rows(response.data), CdrRow, self._record, as_row=self.as_row)
            return Came(response, ids_of(found, lambda record: record.record_id), found)

        came, turned = await turn(place, limit, self.page_size, ask, self._newest)
        records = list(came.found.items)
        counted = True  # as far as the vendor was asked for what is picked too
        if place.picks:
            count = len(records)
            records = [each for each in records if _picked(place.picks, each, self.as_row(each.raw))]
            counted = {pair[0] for pair in place.picks} <= ASKED_TOO and len(records) == count
        if turned.again:
            records = [each for each in records if each.record_id not in turned.again]
        left = tuple(raw for raw in came.found.skipped.values() if mark_of(raw) not in turned.again)
        page = Page(items=tuple(records), next=turned.next, total=turned.total if counted else None)
        return attrs.evolve(page, skipped=len(left), raw=left) if left else page

    def _newest(self, found: Rows[CallRecord]) -> str | None:
        """The start of the newest call, where the newest has been seen to come first: the order is not documented."""
        records = () if found.skipped else found.items
        starts = [record.started_at for record in records if record.started_at is not None]
        whole_page = len(starts) == len(records) > 1  # a range would leave out rows without a start
        newest_first = whole_page and starts[0] > starts[-1] and starts == sorted(starts, reverse=True)
        return self.reading.at_least(starts[0]) if newest_first else None

    # Rows

    def _record(self, row: CdrRow, raw: Any, unreadable: tuple[str, ...] = ()) -> CallRecord:
        reading = self.reading
        extension, customer_id = text(row.extension), text(row.customer_id)
        source, target, customer, sip_call_id, status, cause, queue, recording = [
            value.strip() or None if value else None
            for value in (
                row.from_number,
                row.to_number,
                row.customer_side,
                row.sip_call_id,
                row.status,
                row.cause,
                row.receive_dest,
                row.recording_url,
            )
        ]
        if customer is not None and not customer.lstrip("+").replace(" ", "").isdigit():
            customer, customer_id = None, customer_id or customer  # a code and no number
        if source or target or reading.is_extension(customer):
            direction = reading.direction(row.direction, source or extension, target or customer)
        else:  # one side and the extension do not say who called
            direction = reading.direction(row.direction, None, None)
        if customer is not None:
            source, target = (customer, extension) if direction is Direction.INBOUND else (extension, customer)
            source = source if direction is not Direction.UNKNOWN else None
        # 003:306-308 name the hotline as the source of an outbound call.
        source, target, extension, hotline = parties(
            direction, source, target, reading.is_extension, extension=extension
        )
        moment = reading.time.read
        started, answered = moment(row.time_started, "time_started"), moment(row.time_answered, "time_answered")
        ended = moment(row.time_ended, "time_ended")
        ringing = moment(row.time_ringing, "time_ringing") or moment(row.time_ringging, "time_ringging")
        outcome = outcome_of(row.status)
        duration, billed = seconds(row.duration, "duration"), seconds(row.billsec, "billsec")
        if started is None and ended is None:
            raise ValueError("the call has no time")
        if duration is None and started and ended and "duration" not in unreadable:
            duration = max(int((ended - started).total_seconds()), 0)
        # Samples of 2023 bill calls that nobody answered, so the vendor's figure counts only with a response.
        if answered is None and outcome is not _ANSWERED:
            talk: int | None = 0
        elif billed is not None:
            talk = billed
        elif answered and ended and "billsec" not in unreadable:
            talk = max(int((ended - answered).total_seconds()), 0)
        else:
            talk = None
        record_id = row.id.strip()
        if not record_id:
            raise ValueError("id is empty")
        if (
            (started is None and row.time_started)
            or (answered is None and row.time_answered)
            or (ended is None and row.time_ended)
            or (ringing is None and (row.time_ringing or row.time_ringging))
        ):  # zero values
            found = {"time_started": started, "time_answered": answered, "time_ended": ended}
            found |= {"time_ringing": ringing, "time_ringging": ringing}
            unreadable += tuple(name for name, at in found.items() if at is None and text(getattr(row, name)))
        if unreadable:
            unreadable = tuple(self.name_in(raw, name) for name in unreadable)
        record = _new(_Record)
        _Record.__init__(
            record,
            account=reading.account,
            record_id=record_id,
            call_id=record_id,
            sip_call_id=sip_call_id,
            direction=direction,
            outcome=outcome,
            vendor_status=status,
            cause=cause,
            from_number=source,
            to_number=target,
            extension=extension,
            hotline=hotline,
            queue=queue,
            started_at=started,
            ringing_at=ringing,  # after the answer where that is the agent's (002:393-394)
            answered_at=answered,
            ended_at=ended,
            duration_seconds=duration,
            talk_seconds=talk,
            customer_id=customer_id,
            unreadable=unreadable,
            has_recording=recording is not None,
            raw=raw,
        )
        return record

    async def get(self, record_id: str) -> CallRecord:
        """One record, by its id or by the SIP call id."""
        return (await self._find(record_id, self._record))[1]

    async def _find(self, record_id: str, reader: Callable[..., T]) -> tuple[Response, T]:
        path = self.get_path.format(record_id=segment("record_id", record_id))
        response = await self.http.send("GET", path)
        raw = unwrap(unwrap(response.data, "cdrId"), "id")
        return response, read(response, partial(read_row, as_row=self.as_row), raw, CdrRow, reader)

    # Recordings

    async def locate(self, record_id: str) -> RecordingLink:
        """The `recording_url` (003:251), which the vendor serves to anybody. Its suffix says nothing (003:305)."""
        response, (row, raw) = await self._find(record_id, lambda row, raw, _: (row, raw))
        url = text(row.recording_url)
        if url is None:
            raise NotFound(f"There is no recording of {record_id} (yet)", account=self.reading.account)
        address = read(response, urljoin, self.http.base_url + "/", url)
        if read(response, urlsplit, address).scheme not in {"http", "https"}:
            raise response.nonsense("gives a recording's address that is none of the web")
        return RecordingLink(account=self.reading.account, record_id=row.id.strip(), url=address, raw=raw)

    async def fetch(self, record_id: str, byte_range: str | None) -> Audio:
        """The audio, without the token unless the account says otherwise."""
        link = await self.locate(record_id)
        if not self.settings.recording_bearer:
            return await self._open(link, byte_range, {})
        return await self.http.authorized(lambda headers: self._open(link, byte_range, headers), of=link.url)

    async def _open(self, link: RecordingLink, byte_range: str | None, headers: Mapping[str, str]) -> Audio:
        return await open_audio(
            self.http,
            link.url,
            record_id=link.record_id,
            allowed_hosts=self.settings.recording_hosts,
            byte_range=byte_range,
            headers=headers,
        )


def _picked(picks: Query, record: CallRecord, row: Any) -> bool:
    try:
        return all(PICKS[pair[0]](record, row, pair[1]) for pair in picks)
    except (KeyError, ValueError):
        raise not_ours() from None


def _stem(name: str) -> str:
    """A file's name without folders and suffix (003:402)."""
    return name.rsplit("/", 1)[-1].rsplit(".", 1)[0]

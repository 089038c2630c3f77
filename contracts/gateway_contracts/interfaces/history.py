"""Calls that have ended: their records, their recordings and the sums of them."""

from abc import ABC, abstractmethod
from datetime import datetime
from typing import ClassVar

from ..models import Audio, CallCount, CallIds, CallRecord, Direction, Outcome, Page, RecordingLink
from ..operations import operation


class History(ABC):
    """Read finished calls.

    async def get_record(self, record_id):
        response = await self.http.send("GET", f"/cdr/{segment('record_id', record_id)}")
        return self._record(response.parse(CdrRow), response.data)
    """

    scope: ClassVar[str] = "records"

    @abstractmethod
    @operation("GET", "/records")
    async def list_records(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        extension: str | None = None,
        number: str | None = None,
        direction: Direction | None = None,
        outcome: Outcome | None = None,
        min_duration_seconds: int | None = None,
        duration_seconds: int | None = None,
        ended_since: datetime | None = None,
        ended_until: datetime | None = None,
        recording_name: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> Page[CallRecord]:
        """List finished calls, newest first where the vendor lets us choose.

        Calls that started at *since* or later and before *until*; *ended_since* and *ended_until* do the same for the
        end. *number* matches either side. *min_duration_seconds* means at least. A page may hold fewer than *limit*
        records and still not be the last: go on while `next` is not None, giving it as *cursor*, with the same filters
        or none.

        Raises: InvalidRequest, Unsupported, VendorAuthFailed, VendorUnavailable, VendorTimeout, VendorProtocolError.
        """

    @abstractmethod
    @operation("GET", "/records/{record_id}")
    async def get_record(self, record_id: str) -> CallRecord:
        """Get one finished call by its record id, or by an id that the vendor takes in its place.

        Raises: NotFound, VendorAuthFailed, VendorUnavailable, VendorTimeout, VendorProtocolError.
        """


class Recording(ABC):
    """Hear finished calls.

    async def locate_recording(self, record_id):
        row = (await self.http.send("GET", f"/cdr/{segment('record_id', record_id)}")).parse(CdrRow)
        return RecordingLink(account=self.account.name, record_id=record_id, url=row.audio)
    """

    scope: ClassVar[str] = "records"

    @abstractmethod
    @operation("GET", "/records/{record_id}/recording/link")
    async def locate_recording(self, record_id: str) -> RecordingLink:
        """Get an address where a recording can be fetched without the gateway, for as long as the vendor lets it live.

        Raises: NotFound when there is no recording (yet), VendorAuthFailed, VendorUnavailable, VendorProtocolError.
        """

    @abstractmethod
    @operation("GET", "/records/{record_id}/recording", headers={"byte_range": "Range"})
    async def fetch_recording(self, record_id: str, *, byte_range: str | None = None) -> Audio:
        """Fetch a recording's audio.

        *byte_range* is an HTTP range of one part (`bytes=0-499`, `bytes=500-`, `bytes=-500`). The media type is found
        by looking at the audio, not at its name.

        Raises: NotFound when there is no recording (yet), RangeNotSatisfiable, VendorAuthFailed, VendorUnavailable,
        VendorTimeout, VendorProtocolError.
        """


class Reports(ABC):
    """Ask the vendor for sums that it keeps itself.

    async def count_calls(self, *, since, until):
        params = [("from", self._their(since)), ("to", self._their(until))]
        rows = (await self.http.send("GET", "/report", params=params)).parse(tuple[CountRow, ...])
        return Page(items=tuple(self._count(row) for row in rows))
    """

    scope: ClassVar[str] = "records"

    @abstractmethod
    @operation("GET", "/reports/call-ids")
    async def list_call_ids(self, *, since: datetime, until: datetime) -> Page[CallIds]:
        """List the ids of the calls that started in a time range, *since* included and *until* not.

        Raises: InvalidRequest, VendorAuthFailed, VendorUnavailable, VendorTimeout, VendorProtocolError.
        """

    @abstractmethod
    @operation("GET", "/reports/call-counts")
    async def count_calls(self, *, since: datetime, until: datetime) -> Page[CallCount]:
        """Count the calls of a time range by how they ended, *since* included and *until* not.

        Raises: InvalidRequest, VendorAuthFailed, VendorUnavailable, VendorTimeout, VendorProtocolError.
        """

"""Recordings, at addresses that are signed and soon expire (004:104-120)."""

from collections.abc import AsyncIterator

import attrs
from gateway_contracts import (
    Audio,
    NotFound,
    RecordingLink,
    VendorAuthFailed,
    VendorProtocolError,
    VendorTimeout,
    VendorUnavailable,
)
from gateway_contracts.audio import open_audio
from gateway_contracts.http import Response

from . import wire
from .requests import Requests


@attrs.frozen
class Recordings:
    """The recordings of an account; *media* is how a record names one."""

    requests: Requests

    async def locate(self, record_id: str, media: str) -> RecordingLink:
        """Ask for the address of a recording (004:104)."""
        response = await self.requests.ask("/oapi/v1/call/play_recording", [("media", media)])
        data = response.data.get("data", response.data) if isinstance(response.data, dict) else response.data
        url = wire.text(response.parse(wire.PlayRow, data).media)
        if url is None:
            raise NotFound(f"There is no recording of {record_id} (yet)", account=self.requests.account.name)
        return RecordingLink(
            account=self.requests.account.name,
            record_id=record_id,
            url=_address_in(response, url, self.requests.http.base_url),
            expires_at=wire.expiry_of(url),
            raw=response.data,
        )

    async def fetch(self, record_id: str, media: str, byte_range: str | None) -> Audio:
        """Fetch a recording from its signed address; once from a new one, when that has expired or breaks off."""
        try:
            audio = await self.open(record_id, media, byte_range)
            spare = True
        except (VendorAuthFailed, VendorUnavailable, VendorTimeout):  # a signature that has expired, or an early break
            audio = await self.open(record_id, media, byte_range)
            spare = False
        return _Resumed(self, record_id, media, audio, spare=spare).whole()

    async def open(self, record_id: str, media: str, byte_range: str | None) -> Audio:
        """Open a recording, or a part of it, at a new address."""
        link = await self.locate(record_id, media)
        return await open_audio(
            self.requests.http,
            link.url,
            record_id=record_id,
            allowed_hosts=self.requests.settings.recording_hosts,
            byte_range=byte_range,
        )


def _address_in(response: Response, url: str, base_url: str) -> str:
    try:
        return wire.address_of(url, base_url)
    except ValueError as error:
        raise response.nonsense(f"its answer does not fit its documents: {error}") from error


@attrs.define(eq=False)
class _Resumed:
    """A recording that goes on from a new address, once, where the first one breaks off."""

    recordings: Recordings
    record_id: str
    media: str
    audio: Audio
    spare: bool = attrs.field(kw_only=True)

    def whole(self) -> Audio:
        first = self.audio
        return attrs.evolve(first, chunks=self._chunks(), finish=self._finish)

    async def _chunks(self) -> AsyncIterator[bytes]:
        reached, end = self.audio.start, self.audio.end
        while True:
            try:
                async for chunk in self.audio.chunks:
                    reached += len(chunk)
                    yield chunk
                return
            except (VendorUnavailable, VendorTimeout):
                if not self.spare:
                    raise
            self.spare = False
            if end is not None and reached > end:
                return
            await self.audio.aclose()
            size = self.audio.size
            self.audio = await self.recordings.open(
                self.record_id, self.media, f"bytes={reached}-{'' if end is None else end}"
            )
            if self.audio.start != reached or (size is not None and self.audio.size not in (None, size)):
                await self.audio.aclose()
                raise VendorProtocolError(
                    "The recording broke off, and its new address holds another one",
                    account=self.recordings.requests.account.name,
                )

    async def _finish(self) -> None:
        await self.audio.aclose()

"""Recordings."""

from typing import Any

from .. import OPERATIONS
from .far_side import FarSide
from .lacking import method_of, where_supported


class RecordingTests:
    """Recording."""

    @where_supported
    async def test_a_range_of_a_recording_is_exactly_those_bytes(self, pbx: Any, far: FarSide) -> None:
        """The parts of a recording put together are the recording."""
        method, arguments = await method_of(pbx, far, OPERATIONS["fetch_recording"])
        async with await method(**arguments) as audio:
            whole = await audio.read()

        parts = b""
        for span in ("bytes=0-99", "bytes=100-999", "bytes=1000-"):
            async with await method(**arguments, byte_range=span) as audio:
                assert audio.partial
                parts += await audio.read()

        assert whole == parts
        assert whole.startswith(b"RIFF")

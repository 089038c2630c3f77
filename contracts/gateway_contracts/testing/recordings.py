"""Recordings."""

from typing import Any

import pytest

from .. import OPERATIONS, RangeNotSatisfiable
from .far_side import FarSide
from .lacking import method_of, where_supported


class RecordingTests:
    """Recording."""

    @where_supported
    async def test_a_recording_is_the_vendors_byte_for_byte(self, pbx: Any, far: FarSide) -> None:
        """All of it, said to be audio, and no part of anything."""
        method, arguments = await method_of(pbx, far, OPERATIONS["fetch_recording"])
        kept = far.recording(arguments["record_id"])

        async with await method(**arguments) as audio:
            whole = await audio.read()

        assert kept == whole
        assert (False, 0) == (audio.partial, audio.start)
        assert audio.media_type.startswith("audio/")
        assert audio.size in {None, len(kept)}

    @where_supported
    async def test_a_range_of_a_recording_is_exactly_those_bytes(self, pbx: Any, far: FarSide) -> None:
        """From the first or the last byte on, with an end, without one, or counted from the end."""
        method, arguments = await method_of(pbx, far, OPERATIONS["fetch_recording"])
        kept = far.recording(arguments["record_id"])
        size = len(kept)
        spans = {
            "bytes=0-0": (0, 1),
            "bytes=0-99": (0, 100),
            "bytes=100-999": (100, 1000),
            "bytes=1000-": (1000, size),
            f"bytes={size - 1}-": (size - 1, size),
            f"bytes={size - 10}-{size + 10}": (size - 10, size),
            "bytes=-1": (size - 1, size),
            "bytes=-100": (size - 100, size),
            f"bytes=-{size + 10}": (0, size),
        }

        for span, (start, end) in spans.items():
            async with await method(**arguments, byte_range=span) as audio:
                part = await audio.read()

            assert (span, kept[start:end]) == (span, part)
            assert (span, True, start, end - 1) == (span, audio.partial, audio.start, audio.end)
            assert audio.size in {None, size}

    @where_supported
    async def test_a_range_behind_the_end_of_a_recording_is_refused(self, pbx: Any, far: FarSide) -> None:
        """There is no byte in it."""
        method, arguments = await method_of(pbx, far, OPERATIONS["fetch_recording"])
        size = len(far.recording(arguments["record_id"]))

        for span in (f"bytes={size}-", f"bytes={size + 5}-{size + 9}", "bytes=-0"):
            with pytest.raises(RangeNotSatisfiable) as caught:
                await method(**arguments, byte_range=span)

            assert "fetch_recording" == caught.value.operation

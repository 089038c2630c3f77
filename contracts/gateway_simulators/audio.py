"""Recordings made on the fly: real WAV files, without a sample in the repository."""

from __future__ import annotations

import io
import math
import re
import wave
from array import array
from functools import lru_cache
from zlib import crc32

from aiohttp import web

SAMPLE_RATE = 8000  # Hz; mono and 16 bits, as telephone recordings are


def wav(name: str, seconds: int) -> bytes:
    """Make a tone of *seconds* whose pitch follows from *name*, so that two recordings can be told apart."""
    # A whole number of Hz ends each second where it began, so one second can be repeated without a click.
    second = _second_of_tone(300 + crc32(name.encode()) % 500)
    file = io.BytesIO()
    with wave.open(file, "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(SAMPLE_RATE)
        recording.writeframes(second * seconds)
    return file.getvalue()


@lru_cache(maxsize=32)
def _second_of_tone(frequency: int) -> bytes:
    turn = 2 * math.pi * frequency / SAMPLE_RATE
    return array("h", (int(8000 * math.sin(turn * step)) for step in range(SAMPLE_RATE))).tobytes()


def file_answer(content: bytes, *, range_header: str | None, content_type: str) -> web.Response:
    """Respond with a file, or with the one range of it that the request wants (RFC 9110 §14).

    A header that is not one range of bytes is ignored, as the RFC allows; the response to a range outside is 416.
    """
    headers = {"Content-Type": content_type, "Accept-Ranges": "bytes"}
    wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", range_header or "")
    if wanted is None or wanted.group(0) == "bytes=-":
        return web.Response(body=content, headers=headers)
    size = len(content)
    first, last = wanted.groups()
    if first:
        start, end = int(first), min(int(last) + 1 if last else size, size)
        if last and int(last) < int(first):
            return web.Response(body=content, headers=headers)
    else:
        start, end = max(size - int(last), 0), size
    if start >= end:
        return web.Response(status=416, headers={**headers, "Content-Range": f"bytes */{size}"})
    return web.Response(
        status=206, body=content[start:end], headers={**headers, "Content-Range": f"bytes {start}-{end - 1}/{size}"}
    )

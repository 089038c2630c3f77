"""Packets of Socket.IO 0.9 (`5:::{…}`), as Kazoo 3's server sends and takes them."""

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

import attrs
from gateway_contracts import dumps, loads


class PacketType(StrEnum):
    """The digit that a packet begins with."""

    DISCONNECT = "0"
    CONNECT = "1"
    HEARTBEAT = "2"
    MESSAGE = "3"
    JSON = "4"
    EVENT = "5"
    ACK = "6"
    ERROR = "7"
    NOOP = "8"


@attrs.frozen
class Packet:
    """One packet; *data* is what stands behind the third colon."""

    type: PacketType
    data: str = attrs.field(default="", repr=False)

    def event(self) -> tuple[str, dict[str, Any]] | None:
        """The name and the argument of an event; None for anything else, and for an event that makes no sense.

        Kazoo's server sends the argument itself where the protocol wants a list of arguments.
        """
        if self.type is not PacketType.EVENT:
            return None
        try:
            body = loads(self.data)
        except ValueError:
            return None
        if not isinstance(body, dict) or not isinstance(body.get("name"), str):
            return None
        argument = body.get("args")
        if isinstance(argument, list):
            argument = argument[0] if argument else {}
        return (body["name"], argument) if isinstance(argument, dict) else None


HEARTBEAT = "2::"

_PACKET = re.compile(r"([0-8]):[^:]*:[^:]*(?::(.*))?", re.DOTALL)
_MARK = "\ufffd"
_FRAMED = re.compile(f"{_MARK}([0-9]{{1,9}}){_MARK}")


def event_packet(name: str, argument: Mapping[str, Any]) -> str:
    """An event for the server, which crashes unless the id is empty and there is exactly one argument."""
    return f"5:::{dumps({'name': name, 'args': [argument]}).decode()}"


def packets(text: str) -> Iterator[Packet]:
    """The packets of a WebSocket message, which are one, or several framed with U+FFFD; garbage is left out."""
    for part in _parts(text):
        found = _PACKET.fullmatch(part)
        if found:
            yield Packet(PacketType(found[1]), found[2] or "")


def _parts(text: str) -> Iterator[str]:
    if not text.startswith(_MARK):
        yield text
        return
    at = 0
    while found := _FRAMED.match(text, at):
        end = _end(text, found.end(), int(found[1]))
        yield text[found.end() : end]
        at = end


def _end(text: str, start: int, length: int) -> int:
    """Where the packet ends that begins at *start*: another frame or nothing comes behind it.

    Kazoo counts characters, others bytes. What lies before the next frame is looked at first: it is never too long.
    """
    following = _FRAMED.search(text, start)
    nearest = following.start() if following else len(text)
    if length in (nearest - start, len(text[start:nearest].encode("utf-8", "surrogatepass"))):
        return nearest
    counted = start + length  # the nearest frame is perhaps only text
    return counted if counted == len(text) or _FRAMED.match(text, counted) else nearest

"""Many readers of server-sent events, in a process of their own."""

import asyncio
import socket
import time

from .children import key

QUERY = "/v1/events?after=0"


class Reader(asyncio.Protocol):
    """Asks for the stream, and keeps when each event came."""

    def __init__(self, seen, request, *, stuck):
        self.seen = seen
        self.request = request
        self.stuck = stuck

    def connection_made(self, transport):
        transport.write(self.request)
        if self.stuck:
            transport.pause_reading()

    def data_received(self, data):
        now = time.monotonic()
        for part in data.split(b'"call_id":"')[1:]:
            self.seen.setdefault(int(part[: part.index(b'"')]), []).append(now)


async def connect(port, count, stuck):
    """Connect *count* readers; gives where they keep what they see, and the connections.

    The loop does not hold on to those that do not read: whoever lets go of them closes them.
    """
    loop, seen, connections = asyncio.get_running_loop(), {}, []
    for number in range(count):
        is_stuck = number < stuck
        head = f"GET {QUERY + '&raw=1' if is_stuck else QUERY} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        request = f"{head}Authorization: Bearer {key()}\r\nAccept: text/event-stream\r\n\r\n".encode()
        end = socket.socket()
        end.setblocking(False)
        if is_stuck:  # the system shall not take much for it
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        await loop.sock_connect(end, ("127.0.0.1", port))
        made = lambda r=request, s=is_stuck: Reader(seen, r, stuck=s)  # noqa: E731 # it is not worth a name
        connections.append(await loop.create_connection(made, sock=end))
    return seen, connections

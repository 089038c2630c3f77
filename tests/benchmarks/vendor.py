"""A vendor that is never the bottleneck: TEL4VN v1's answers, made beforehand, from a server without a framework."""

import asyncio
import json
import time
from datetime import datetime, timedelta

NEWEST = datetime(2026, 1, 31, 17, 30, 35)
MADE_ROWS = 100_000  # that are made beforehand; more would take too much memory
ENDS = (("ANSWERED", "NORMAL_CLEARING", 8), ("BUSY", "USER_BUSY", None), ("NO ANSWER", "NO_ANSWER", None))
TOKEN = json.dumps({"token": "a-token", "expired_in": 86_400}).encode()
CALLS = json.dumps(
    [
        {
            "call_id": "5a3ee0d1-1fb0-4a4c-9e2a-b1dd1f5bd4d5",
            "created_time": "2026-01-31 17:30:35",
            "destination": "0899098899",
            "direction": "outbound",
            "source": "101",
            "state": "CS_EXCHANGE_MEDIA",
        }
    ]
).encode()


def answer(body):
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def row(number):
    """A finished call as in the documents; the newest come first."""
    started = NEWEST - timedelta(seconds=7 * number)
    status, cause, answered = ENDS[number % len(ENDS)]
    return {
        "id": f"ad4c9b90-c071-405a-9723-{number:012d}",
        "sip_call_id": f"112233aabbccddee{number:08d}@10.0.0.1",
        "cause": cause,
        "duration": 11,
        "billsec": 3 if answered else 0,
        "direction": 3,
        "recording_url": f"https://recording.demo/ad4c9b90-c071-405a-9723-{number:012d}.wav" if answered else "",
        "extension": f"{100 + number % 50}",
        "from_number": f"{100 + number % 50}",
        "to_number": f"0899{number % 1_000_000:06d}",
        "receive_dest": "",
        "time_started": f"{started:%Y-%m-%d %H:%M:%S}",
        "time_answered": f"{started + timedelta(seconds=answered):%Y-%m-%d %H:%M:%S}" if answered else "",
        "time_ended": f"{started + timedelta(seconds=11):%Y-%m-%d %H:%M:%S}",
        "status": status,
    }


def dumped(number):
    """The same as JSON."""
    return json.dumps(row(number)).encode()


class Vendor:
    """What all connections share. *total* is how many records there are, *hold* and *slow* are seconds."""

    def __init__(self, *, total=0, hold=0.0, slow=0.0):
        self.total = total
        self.hold = hold
        self.slow = slow
        self.calls = self.held = self.most_held = self.pages = self.sunk = 0
        self._rows = []
        self._waiting = []  # counts that somebody waits for

    def page(self, limit, offset):
        self.pages += 1
        end = min(offset + limit, self.total)
        rows = self._rows[offset:end]
        rows += [dumped(number) for number in range(offset + len(rows), end)]
        about = b'"limit": %d, "offset": %d, "total": %d' % (limit, offset, self.total)
        return answer(b'{"data": [%b], %b}' % (b", ".join(rows), about))

    def sink(self):
        self.sunk += 1
        for count, done in self._waiting:
            if self.sunk >= count and not done.done():
                done.set_result(time.monotonic())
        return answer(b"{}")

    async def order(self, order):
        """Change what it is, or tell what it saw."""
        if "sunk" in order:
            done = asyncio.get_running_loop().create_future()
            if self.sunk >= order["sunk"]:
                done.set_result(time.monotonic())
            self._waiting = [(order["sunk"], done)]
            return {"at": await done}
        most = min(order.get("total", 0), MADE_ROWS)
        self._rows += [dumped(number) for number in range(len(self._rows), most)]
        for name, value in order.items():
            setattr(self, name, value)
        names = ("calls", "held", "most_held", "pages", "sunk")
        return {name: getattr(self, name) for name in names}


class Connection(asyncio.Protocol):
    """One connection. Requests come one after the other; bodies are read over."""

    def __init__(self, vendor):
        self._vendor = vendor
        self._rest = b""

    def connection_made(self, transport):
        self._transport = transport

    def data_received(self, data):
        data = self._rest + data
        while (end := data.find(b"\r\n\r\n")) >= 0:
            head, end = data[:end], end + 4
            if head.startswith(b"POST"):
                found = head.lower().find(b"content-length:")
                end += int(head[found + 15 :].partition(b"\r")[0]) if found >= 0 else 0
                if len(data) < end:
                    break
            data = data[end:]
            self._answer(head.split(b" ", 2)[1])
        self._rest = data

    def _answer(self, target):
        vendor, write = self._vendor, self._transport.write
        path, _, query = target.partition(b"?")
        if path == b"/v1/click2call/async":
            write(self._call())
        elif path == b"/v1/call":
            write(_CALLS)
        elif path == b"/v1/cdr":
            given = dict(pair.split(b"=", 1) for pair in query.split(b"&"))
            body = vendor.page(int(given[b"limit"]), int(given[b"offset"]))
            if vendor.slow:
                asyncio.get_running_loop().call_later(vendor.slow, write, body)
            else:
                write(body)
        elif path == b"/v1/click2call":
            vendor.held += 1
            vendor.most_held = max(vendor.held, vendor.most_held)
            asyncio.get_running_loop().call_later(vendor.hold, self._let_go)
        elif path == b"/sink":
            write(vendor.sink())
        else:
            write(_TOKEN)

    def _call(self):
        self._vendor.calls += 1
        return answer(b'{"status":"success","call_id":"5a3ee0d1-1fb0-4a4c-9e2a-%012d"}' % self._vendor.calls)

    def _let_go(self):
        self._vendor.held -= 1
        self._transport.write(self._call())


_CALLS, _TOKEN = answer(CALLS), answer(TOKEN)

"""Load: requests over many connections, from a process of its own. With `wrk` where it is installed."""

import asyncio
import base64
import re
import shutil
import time

from .measuring import percentile

HAS_WRK = shutil.which("wrk") is not None
COUNTED = b"@@count@@"  # is replaced by another number in each request


def request(verb, path, *, body=b"", key=None, headers=""):
    """The bytes of a request."""
    lines = [f"{verb} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"Authorization: Bearer {key}"] if key else []
    lines += headers.split("\n") if headers else []
    # The body's length is counted with the number that stands in the place of COUNTED, which is as long.
    lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"] if body else []
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


class Connection(asyncio.Protocol):
    """Asks again as soon as it is answered, until it is told to stop."""

    def __init__(self, run):
        self._run = run
        self._data = b""
        self._needs = -1
        self.sent_at = 0.0

    def connection_made(self, transport):
        self._transport = transport
        self.ask()

    def ask(self):
        self._data, self._needs = b"", -1
        self.sent_at = time.monotonic()
        self._transport.write(self._run.next_request())

    def data_received(self, data):
        self._data = data = self._data + data if self._data else data
        if self._needs < 0:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                return
            found = _LENGTH.search(data, 0, end + 2)
            self._needs = end + 4 + (int(found[1]) if found else 0)
        if len(data) >= self._needs:
            self._run.answered(self, data[9:12])

    def connection_lost(self, error):
        self._run.lost(self)

    def close(self):
        self._transport.abort()


_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Run:
    """One load; `order` says how many connections, for how long or how often."""

    def __init__(self, order):
        self._bytes = base64.b64decode(order["request"])
        self._counted = COUNTED in self._bytes
        self._count = order.get("first", 0)
        self._most = order.get("requests", float("inf"))
        self._pause = order.get("pause", 0)
        self._begun = 0
        self.latencies = []
        self.moments = []
        self.failed = 0
        self._open = set()
        self._idle = 0
        self._ended = False
        self._done = asyncio.get_running_loop().create_future()

    def next_request(self):
        self._begun += 1
        if not self._counted:
            return self._bytes
        self._count += 1
        return self._bytes.replace(COUNTED, b"%09d" % self._count)

    def answered(self, connection, status):
        now = time.monotonic()
        self.latencies.append(now - connection.sent_at)
        self.moments.append(now)
        self.failed += not status.startswith(b"2")
        if self._ended or self._begun >= self._most:
            self._idle += 1
            if self._idle == len(self._open):
                self._finish()
        elif self._pause:
            asyncio.get_running_loop().call_later(self._pause, connection.ask)
        else:
            connection.ask()

    def lost(self, connection):
        if not self._done.done():
            self.failed += 1
            self._open.discard(connection)
            if self._idle >= len(self._open):
                self._finish()

    def _finish(self):
        if not self._done.done():
            self._done.set_result(None)

    def end(self):
        """Ask no more."""
        self._ended = True

    async def connect(self, host, port):
        connection = Connection(self)
        self._open.add(connection)
        await asyncio.get_running_loop().create_connection(lambda: connection, host, port)

    async def run(self, order):
        """As many connections as *order* says, each with one request at a time, for some time or a number of them."""
        started = time.monotonic()
        for _ in range(order["connections"]):
            await self.connect("127.0.0.1", order["port"])
        await self._until(order.get("seconds"))
        seconds = (self.moments[-1] if self.moments else time.monotonic()) - started
        return self._figures(seconds) | (
            {"moments": self.moments, "latencies": self.latencies} if order.get("each") else {}
        )

    async def hold(self, order, tell):
        """One request on each connection, *rate* of them a second; *tell* is called when all are sent."""
        self._most, started = order["connections"], time.monotonic()
        for number in range(order["connections"]):
            ahead = started + number / order["rate"] - time.monotonic()
            if ahead > 0.005:
                await asyncio.sleep(ahead)
            try:
                await self.connect("127.0.0.1", order["port"])
            except OSError:
                self.failed += 1
                self._begun += 1
        sent = time.monotonic()
        tell({"sent": sent})
        if self._open:
            await self._until(None)
        return self._figures(time.monotonic() - started) | {"sent": sent, "first": min(self.moments, default=sent)}

    async def _until(self, seconds):
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(self._done)
        except TimeoutError:
            self._ended = True
            async with asyncio.timeout(30):
                await self._done
        self._finish()
        for connection in tuple(self._open):
            connection.close()

    def _figures(self, seconds):
        return {
            "requests": len(self.latencies),
            "failed": self.failed,
            "seconds": seconds,
            "p50": percentile(self.latencies, 0.5) if self.latencies else 0,
            "p99": percentile(self.latencies, 0.99) if self.latencies else 0,
        }


def order_of(port, content, **more):
    return {"port": port, "request": base64.b64encode(content).decode(), **more}


async def throughput(loader, port, content, *, connections, seconds, where, first=0):
    """How many requests in how many seconds, and how many failed; a connection asks as soon as it is answered."""
    if not HAS_WRK:
        order = order_of(port, content, connections=connections, seconds=seconds, first=first)
        return await loader.ask(order)
    head, _, body = content.decode().partition("\r\n\r\n")
    start, *lines = head.split("\r\n")
    verb, path, _ = start.split(" ")
    headers = dict(line.split(": ", 1) for line in lines if not line.startswith(("Content-Length", "Host")))
    script = where / "load.lua"
    script.write_text(
        _SCRIPT
        % {
            "first": first,
            "counted": _lua(COUNTED.decode()),
            "headers": ", ".join(f"[ {_lua(name)} ] = {_lua(value)}" for name, value in headers.items()),
            "verb": _lua(verb),
            "path": _lua(path),
            "body": f"numbered({_lua(body)})" if body else "nil",
        }
    )
    process = await asyncio.create_subprocess_exec(
        *("wrk", "-t1", f"-c{connections}", f"-d{max(round(seconds), 1)}s", "-s", script, f"http://127.0.0.1:{port}"),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        said = (await process.communicate())[0].decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    failed = sum(map(int, re.findall(r"(?:Non-2xx or 3xx responses:|connect|read|write|timeout) (\d+)", said)))
    requests, a_second = int(re.search(r"(\d+) requests in", said)[1]), re.search(r"Requests/sec: *([\d.]+)", said)[1]
    return {"requests": requests, "seconds": requests / float(a_second), "failed": failed}


_SCRIPT = """
local count = %(first)d
local function numbered(text) return (text:gsub(%(counted)s, string.format('%%09d', count))) end
request = function()
  count = count + 1
  local headers = {}
  for name, value in pairs({%(headers)s}) do headers[name] = numbered(value) end
  return wrk.format(%(verb)s, %(path)s, headers, %(body)s)
end
"""


def _lua(text):
    return "[==[" + text + "]==]"

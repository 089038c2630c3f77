"""`gateway serve`: the sidecar as a process."""

import asyncio
import contextlib
import json
import re
import signal
import socket
import urllib.request
from urllib.parse import urlsplit

import pytest

from tests.cli.conftest import PATIENCE_SECONDS
from tests.webhooks.receiving import receiving


def address_in(line):
    """The address in the log line of a sidecar that has started."""
    return re.search(r"event=sidecar.started url=(http://\S+)", line)[1]


def refuses_connections(url):
    """Returns when nobody listens any more."""
    parts = urlsplit(url)
    while True:
        try:
            socket.create_connection((parts.hostname, parts.port)).close()
        except ConnectionError:
            return


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serves_until_told_to_stop(process, config, number):
    """The log names the real port without -v; a signal ends it with 0, and stdout stays empty."""
    running = process("--config", config, "serve", "--listen", "127.0.0.1:0")
    url = address_in(running.stderr.readline())

    with urllib.request.urlopen(f"{url}/v1/accounts") as answer:  # noqa: S310 # an address of this machine
        accounts = json.load(answer)["items"]
    running.send_signal(number)
    output, errors = running.communicate()

    assert [account["name"] for account in accounts] == ["hanoi"]
    assert (running.returncode, output) == (0, "")
    assert "event=sidecar.stopped" in errors.splitlines()[-1]
    assert "Traceback" not in errors


def test_request_in_progress_is_finished(process, config, phones):
    """A dial that waits when the signal comes is answered before the end."""
    running = process("--config", config, "serve", "--listen", "127.0.0.1:0")
    url = address_in(running.stderr.readline())
    request = urllib.request.Request(  # noqa: S310 # an address of this machine
        f"{url}/v1/accounts/hanoi/calls",
        data=json.dumps({"extension": "101", "number": "0899098899", "wait": True}).encode(),
        headers={"Content-Type": "application/json"},
    )

    async def stop_then_pick_up():
        await phones.pbx.until(lambda: phones.pbx.originated)
        running.send_signal(signal.SIGTERM)
        await asyncio.to_thread(refuses_connections, url)
        await phones.pbx.advance(5)

    stopped = phones.start(stop_then_pick_up())
    with urllib.request.urlopen(request) as answer:  # noqa: S310 # as above
        started = json.load(answer)
    stopped.result()
    running.communicate()

    assert started["call_id"] == phones.pbx.originated[0].call_id
    assert running.returncode == 0


HELD_SECONDS = 8
"""Less than whatever would hold the end up: a webhook's body, or the rest of a request, is worth ten seconds."""


@pytest.fixture
def subscriber(elsewhere):
    """An application that gets our webhooks; the first of them it does not answer."""

    async def make():
        stack = contextlib.AsyncExitStack()
        receiver = await stack.enter_async_context(receiving())

        async def never(_):
            receiver.answer = lambda _: 200
            await asyncio.Event().wait()

        receiver.answer = never
        return stack, receiver

    stack, receiver = elsewhere.run(make())
    yield receiver
    elsewhere.run(stack.aclose())


def connected(url, head, body=b""):
    """A connection on which a request was sent: the lines of its *head*, and *body*."""
    parts = urlsplit(url)
    connection = socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_SECONDS)
    connection.sendall("\r\n".join([*head, f"Host: {parts.netloc}", "", ""]).encode() + body)
    return connection


def posting(url, path, length, body):
    """A connection on which *body*, a part of *length* bytes of JSON, was posted."""
    return connected(
        url, [f"POST {path} HTTP/1.1", "Content-Type: application/json", f"Content-Length: {length}"], body
    )


def all_of(connection):
    """Status, headers and body of what is answered until the connection is closed."""
    with connection:
        content = b""
        while chunk := connection.recv(65536):
            content += chunk
    head, _, body = content.partition(b"\r\n\r\n")
    return int(head.split()[1]), head, body


def asked(url, path, data=None):
    """The JSON that is answered."""
    body = None if data is None else json.dumps(data).encode()
    request = urllib.request.Request(url + path, body, {"Content-Type": "application/json"})  # noqa: S310 # as above
    with urllib.request.urlopen(request) as answer:  # noqa: S310 # as above
        return json.load(answer)


def test_stops_at_once_and_loses_nothing(process, config, elsewhere, subscriber):
    """Whatever is under way: readers, bodies that do not come, a delivery that nobody answers. What was acknowledged is
    there after the next start, and is delivered.
    """
    token = "token-of-the-account-hanoi"
    text = config.read_text().replace("[accounts.hanoi]\n", f'[accounts.hanoi]\nhook_token = "{token}"\n')
    config.write_text(text + '[proxy]\nwebhook_hosts = ["127.0.0.1"]\n')
    ringing = {"call_id": "c1", "state": "ringing", "direction": "outbound", "from_number": "101", "to_number": "0899"}

    running = process("--config", config, "serve", "--listen", "127.0.0.1:0")
    url = address_in(running.stderr.readline())
    asked(url, "/v1/subscriptions", {"url": subscriber.url})
    stream = connected(url, ["GET /v1/events?after=0 HTTP/1.0", "Accept: text/event-stream"])
    page = connected(url, ["GET /v1/events?wait=60&type=call.missed HTTP/1.1"])
    halves = [
        posting(url, path, 100, b'{"call_id": ')
        for path in (f"/hooks/hanoi/{token}", "/hooks/hanoi/another-token", "/v1/accounts/hanoi/calls")
    ]
    assert {"status": "ok"} == asked(url, f"/hooks/hanoi/{token}", ringing)
    elsewhere.run(subscriber.has(1))
    running.send_signal(signal.SIGTERM)
    _, errors = running.communicate(timeout=HELD_SECONDS)
    answers = [all_of(each) for each in (stream, page, *halves)]

    assert (0, True) == (running.returncode, "event=sidecar.stopped" in errors.splitlines()[-1])
    assert [200, 200, 503, 404, 503] == [status for status, _, _ in answers]
    assert b"event: call.ringing" in answers[0][2]
    assert [] == json.loads(answers[1][2])["items"]
    assert ("not_placed", True) == tuple(json.loads(answers[4][2])[name] for name in ("dial_state", "retryable"))

    again = process("--config", config, "serve", "--listen", "127.0.0.1:0")
    kept = asked(address_in(again.stderr.readline()), "/v1/events?after=0")["items"]
    first, second = elsewhere.run(subscriber.has(2))

    assert ["c1"] == [each["call_id"] for each in kept]
    assert first.body == second.body


def test_port_in_use(gateway, config):
    """A port that somebody has is said, with what to do; the exit code is 3."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"

        failed = gateway("serve", "--listen", listen, config=config)

    assert failed.exit_code == 3
    assert f"{listen} is in use: stop the program that has it, or choose another port" in failed.stderr


@pytest.mark.parametrize(
    ("listen", "text"),
    [
        ("0.0.0.0:0", "proxy.keys: are needed to listen on 0.0.0.0:0"),
        ("8080", "proxy.listen: must be host:port"),
        ("127.0.0.1:99999", "proxy.listen: must be host:port"),
    ],
)
def test_listen_option_is_as_safe_as_the_configuration(gateway, config, listen, text):
    """What the configuration may not say, the option may not."""
    failed = gateway("serve", "--listen", listen, config=config)

    assert failed.exit_code == 3
    assert text in failed.stderr


def test_secret_that_is_not_there(gateway, tmp_path):
    """A start that cannot succeed says which key of which account is wrong."""
    config = tmp_path / "gateway.toml"
    config.write_text(
        '[accounts.hanoi]\nvendor = "tel4vn-v1"\n'
        'settings = { base_url = "https://pbx.example.vn", api_key = { env = "NO_SUCH_NAME" } }\n'
    )

    failed = gateway("serve", config=config)

    assert failed.exit_code == 3
    assert "accounts.hanoi.settings.api_key: the environment variable NO_SUCH_NAME is not set" in failed.stderr

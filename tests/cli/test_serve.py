"""`gateway serve`: the sidecar as a process."""

import asyncio
import json
import re
import signal
import socket
import urllib.request
from urllib.parse import urlsplit

import pytest


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

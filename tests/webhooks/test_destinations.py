"""Where webhooks may go: to what the Internet can reach, over TLS, and to nobody that a name was turned to later."""

import asyncio
import ipaddress
import socket

import pytest
from aiohttp.abc import AbstractResolver

from gateway.webhooks import destinations as module
from gateway.webhooks.destinations import Destinations, is_public, problem_of


class Names(AbstractResolver):
    """Gives each time the next of the addresses it was made with, the last for ever."""

    def __init__(self, *found):
        self.found = list(found)
        self.asked = 0

    async def resolve(self, host, port=0, family=socket.AF_INET):
        self.asked += 1
        addresses = self.found.pop(0) if len(self.found) > 1 else self.found[0]
        return [
            {"hostname": host, "host": each, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}
            for each in addresses
        ]

    async def close(self):
        pass


PRIVATE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",  # noqa: S104 # it is not listened on
    "224.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
    "198.18.0.1",
    "240.0.0.1",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "fec0::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2001:0:4136:e378:8000:63bf:f5ff:fffe",
    "64:ff9b:1::808:808",
    "::127.0.0.1",
    "::ffff:0:127.0.0.1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_of_the_internet_is_refused(address):
    """In whatever form it is written."""
    host = f"[{address.replace('%', '%25')}]" if ":" in address else address

    assert not is_public(ipaddress.ip_address(address))
    assert problem_of(f"https://{host}/", frozenset()) is not None


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("localhost", "the gateway's own machine"),
        ("LocalHost.", "the gateway's own machine"),
        ("crm.localhost", "the gateway's own machine"),
        *((host, "a whole address such as") for host in ("2130706433", "127.1", "0177.0.0.1", "0", "127.0.0.1.5")),
        *((host, "a whole address such as") for host in ("0x7f000001", "0X7F.1", "127.0.0.0x1", "134744072", "8.8")),
        ("\N{FULLWIDTH DIGIT ONE}27.1", "a whole address such as"),
        ("127\N{IDEOGRAPHIC FULL STOP}0.0.1", "not a public address"),
        ("[fe80::1%25eth0]", "must not name a zone"),
        ("[2606:4700::1111%25eth0]", "must not name a zone"),
        ("[::ffff:127.0.0.1]", "not a public address"),
    ],
)
async def test_a_host_that_is_written_in_another_way_is_refused_with_the_reason(host, words):
    """When it is given, and at each attempt, as the rules may have changed since; nobody is asked for such a name."""
    names = Names(["8.8.8.8"])
    async with Destinations([], names) as destinations:
        reply = await destinations.send(f"https://{host}/", b"{}", {})

    assert words in problem_of(f"https://{host}/", frozenset())
    assert ("target_refused", 0) == (reply.error, names.asked)


@pytest.mark.parametrize("host", ["crm.example.vn", "1.example.vn", "0x7f.vn", "8.8.8.8", "[2606:4700::1111]", "a.b0"])
def test_other_hosts_may_be_named(host):
    """Names with numbers in them, and public addresses."""
    assert problem_of(f"https://{host}/", frozenset()) is None


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_an_address_of_the_internet_is_not(address):
    """Nor when it is an IPv4 address in an IPv6 one."""
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        *("", "crm.example.vn", "https://", "https:///x", "https://a b/", "https://a:0/", "https://a:99999/"),
        *("javascript:alert(1)", "https://u@a.vn/", "https://a.vn/\n", "HTTP://a.vn/", "//a.vn/", "https://[::1/"),
    ],
)
def test_what_is_no_address_is_refused(url):
    """So are http and whatever else is not TLS."""
    assert problem_of(url, frozenset())


def test_the_operator_may_name_hosts():
    """Names in any case; http and private addresses will do there, and nowhere else."""
    allowed = Destinations(["CRM.internal", "10.0.0.7"]).allowed

    assert [None] * 4 == [
        problem_of(url, allowed)
        for url in ("http://crm.internal:8000/x", "https://crm.INTERNAL./", "http://10.0.0.7/", "https://a.vn/")
    ]
    assert problem_of("http://crm.internal.a.vn/", allowed)
    assert problem_of("https://10.0.0.8/", allowed)


@pytest.mark.parametrize("found", [["127.0.0.1"], ["10.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::ffff:127.0.0.1"]])
async def test_a_name_that_leads_inside_is_refused(scripted, found):
    """Also if it leads elsewhere too; nobody is connected to."""
    port = scripted.url.rpartition(":")[2]
    async with Destinations([], Names(found)) as destinations:
        reply = await destinations.send(f"https://crm.example.vn:{port}/", b"{}", {})

    assert (None, "target_refused") == (reply.status, reply.error)
    assert [] == scripted.received


async def test_a_name_is_asked_for_once_and_that_address_is_used(scripted):
    """Who turns the name to another address between the look and the connection gains nothing; each attempt looks."""
    port = scripted.url.rpartition(":")[2]
    names = Names(["127.0.0.1"], ["10.255.255.1"])
    async with Destinations(["crm.internal"], names) as destinations:
        first = await destinations.send(f"http://crm.internal:{port}/", b"{}", {})
        assert (200, 1) == (first.status, names.asked)
        names.found = [["127.0.0.1"]]
        second = await destinations.send(f"http://crm.internal:{port}/", b"{}", {})

    assert (200, 2) == (second.status, names.asked)
    assert [1, 2] == [each.connection for each in scripted.received]


async def test_nothing_is_followed_and_nothing_is_sent_along(scripted, http_answer):
    """A redirect is an answer like others; no cookie comes back."""
    scripted.answers = [http_answer(307, Location=f"{scripted.url}/elsewhere", Set_Cookie="a=b")]
    async with Destinations(["127.0.0.1"]) as destinations:
        replies = [await destinations.send(scripted.url, b'{"a":1}', {"webhook-id": "x"}) for _ in range(2)]

    assert [307, 307] == [each.status for each in replies]
    assert [("POST", "/", b'{"a":1}')] * 2 == [(each.verb, each.target, each.body) for each in scripted.received]
    assert not any("cookie" in each.headers for each in scripted.received)


async def test_a_long_answer_is_not_read_to_its_end(scripted):
    """Sixteen kilobytes of it at most; its status counts."""
    scripted.answers = [(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n" + b"x" * 65_536, "hang")]
    async with Destinations(["127.0.0.1"]) as destinations:
        assert 200 == (await destinations.send(scripted.url, b"{}", {})).status


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((b"", "hang"), "timeout"),
        ((b"", "drop"), "broken_off"),
        ((b"", "reset"), "broken_off"),
        ((b"SMTP\r\n\r\n", "drop"), "broken_off"),
        ((b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"x" * 70_000 + b"\r\n\r\n", "drop"), "broken_off"),
    ],
)
async def test_what_goes_wrong_has_a_word(scripted, monkeypatch, answer, error):
    """No attempt raises."""
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.2)
    scripted.answers = [answer]
    async with Destinations(["127.0.0.1"]) as destinations:
        reply = await destinations.send(scripted.url, b"{}", {})

    assert (None, error) == (reply.status, reply.error)


async def test_where_nobody_listens_has_a_word(closed_port):
    """So has a name that is not there, and a server that speaks no TLS."""

    class Nowhere(Names):
        async def resolve(self, host, port=0, family=socket.AF_INET):
            raise OSError("no such name")

    async def hello(_, writer):
        writer.write(b"220 hello\r\n")
        writer.close()

    server = await asyncio.start_server(hello, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with Destinations(["127.0.0.1"]) as destinations, Destinations([], Nowhere([])) as nameless:
        replies = [
            await destinations.send(f"http://127.0.0.1:{closed_port}/", b"{}", {}),
            await nameless.send("https://crm.example.vn/", b"{}", {}),
            await destinations.send(f"https://127.0.0.1:{port}/", b"{}", {}),
        ]
    server.close()

    assert ["no_connection", "name_not_found", "tls_failed"] == [each.error for each in replies]

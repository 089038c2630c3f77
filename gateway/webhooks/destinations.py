"""Where webhooks of ours may go: over TLS to public addresses, and elsewhere only to hosts that the operator names.

A name is resolved once for each attempt, and the connection goes to the very addresses that were looked at.
"""

import contextlib
import re
import socket
import time
from collections.abc import Collection, Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Self

import aiohttp
import attrs
from aiohttp.abc import AbstractResolver, ResolveResult
from gateway_contracts.http import retry_after_of
from yarl import URL

TIMEOUT_SECONDS = 15
MAX_RESPONSE_BYTES = 16 * 1024
MAX_URL_CHARACTERS = 2_000
_HOST = re.compile(r"[a-z0-9_.:%-]+")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")  # no name ends in such a label
_NAT64 = IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")  # the network's own, wherever that leads
_OPERATOR = "the operator may name such hosts in proxy.webhook_hosts"


@attrs.frozen(kw_only=True)
class SendResult:
    """The result of sending one message: the *status* of the response, or in *error* why there is none.

    `retry_after` is in seconds.
    """

    status: int | None = None
    error: str | None = None
    retry_after: float | None = None
    milliseconds: int = 0


class _Refused(Exception):  # never leaves this module
    pass


def problem_of(url: str, allowed: Collection[str]) -> str | None:
    """Why no webhook may go to *url*, as far as can be seen without asking for the name; None when it may.

    *allowed* are hosts in lower case.
    """
    host = _host_of(url)
    if host is None or len(url) > MAX_URL_CHARACTERS or not url.isprintable():
        return "must be an address such as https://crm.example.vn/events, without a name, password or fragment"
    if host in allowed:
        return None
    if not url.lower().startswith("https://"):
        return "must start with https://; the operator may name hosts for which http will do in proxy.webhook_hosts"
    if host == "localhost" or host.endswith(".localhost"):
        return f"leads to the gateway's own machine; {_OPERATOR}"
    try:
        address = ip_address(host)
    except ValueError:
        # What systems take for an IPv4 address, or refuse, each in its own way: 127.1, 2130706433, 0177.0.0.1, 0x7f.1.
        number = _NUMBER.fullmatch(host.rpartition(".")[2])
        return "must have a name for its host, or a whole address such as 203.0.113.7" if number else None
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return "must not name a zone (what follows %): such an address is one of the gateway's own machine or network"
    return None if is_public(address) else f"is not a public address; {_OPERATOR}"


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether *address* is one of the Internet's: not private, local, shared, reserved or multicast, in any dress."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if address in _NAT64_LOCAL:
            return False
        if address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if address.is_site_local:
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


class Destinations:
    """Sends messages, each over a connection of its own. *allowed* are hosts that need neither TLS nor be public."""

    def __init__(self, allowed: Collection[str], resolver: AbstractResolver | None = None) -> None:
        self.allowed = frozenset(map(_plain, allowed))
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        resolver = _Checked(self._resolver or aiohttp.ThreadedResolver(), self.allowed)
        # A kept connection would go to an address that was looked at long ago.
        connector = aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, force_close=True, limit=0)
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
            headers={"User-Agent": "telephony-gateway", "Content-Type": "application/json"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(self, url: str, body: bytes, headers: Mapping[str, str]) -> SendResult:
        """Send *body* once, and follow nothing. Whatever happens is a result."""
        started = time.perf_counter()
        result = await self._sent(url, body, headers)
        return attrs.evolve(result, milliseconds=round((time.perf_counter() - started) * 1000))

    async def _sent(self, url: str, body: bytes, headers: Mapping[str, str]) -> SendResult:
        assert self._session is not None  # noqa: S101 # it is used as a context
        if problem_of(url, self.allowed) is not None:
            return SendResult(error="target_refused")
        try:
            async with self._session.post(URL(url), data=body, headers=headers, allow_redirects=False) as response:
                with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):  # the status says enough
                    await _skim(response)
                return SendResult(status=response.status, retry_after=retry_after_of(response.headers))
        except _Refused:
            return SendResult(error="target_refused")
        except TimeoutError:
            return SendResult(error="timeout")
        except aiohttp.ClientConnectorDNSError:
            return SendResult(error="name_not_found")
        except aiohttp.ClientSSLError:
            return SendResult(error="tls_failed")
        except aiohttp.ClientConnectorError:
            return SendResult(error="no_connection")
        except (aiohttp.ClientError, OSError, ValueError):
            return SendResult(error="broken_off")


class _Checked(AbstractResolver):
    def __init__(self, resolver: AbstractResolver, allowed: Collection[str]) -> None:
        self._resolver = resolver
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        if _plain(host) not in self._allowed and not all(is_public(ip_address(each["host"])) for each in found):
            raise _Refused
        return found

    async def close(self) -> None:
        await self._resolver.close()


async def _skim(response: aiohttp.ClientResponse) -> None:
    left = MAX_RESPONSE_BYTES
    while left > 0 and (chunk := await response.content.read(left)):
        left -= len(chunk)


def _host_of(url: str) -> str | None:
    try:
        parsed = URL(url)
        valid = parsed.scheme in {"http", "https"} and parsed.port and not parsed.user and not parsed.password
    except ValueError:
        return None
    host = _plain(parsed.raw_host or "")
    return host if valid and "#" not in url and _HOST.fullmatch(host) else None


def _plain(host: str) -> str:
    return host.lower().rstrip(".")

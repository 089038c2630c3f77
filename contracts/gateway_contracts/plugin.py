"""How a plugin and the gateway find each other: one hook that returns one `Vendor`.

    import contextlib
    from gateway_contracts import Account, Vendor, hookimpl

    @contextlib.asynccontextmanager
    async def connect(account: Account, settings: Settings):
        async with HttpClient(settings.base_url, account=account) as http:
            yield Adapter(account, settings, http)

    @hookimpl
    def gateway_vendor() -> Vendor:
        return Vendor(name="acme", settings=Settings, connect=connect, contracts="1.1")

and in the plugin's pyproject.toml, with the vendor's name on the left:

    [project.entry-points."telephony_gateway.vendors"]
    acme = "gateway_acme"
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import attrs
import pluggy

CONTRACTS_VERSION = "1.1"
"""The version of what plugins are written against: this package. docs/plugins.md says when it is raised."""

ENTRY_POINTS = "telephony_gateway.vendors"

hookspec = pluggy.HookspecMarker("telephony_gateway")
hookimpl = pluggy.HookimplMarker("telephony_gateway")


@attrs.frozen(kw_only=True)
class Timeouts:
    """How long to wait for a vendor, in seconds.

    *connect* until a connection stands, *read* for any operation, *dial* for one that rings a phone, *dial_wait* for a
    click-to-call that waits until the extension picks up. No byte of a click-to-call is sent later than *dial_start*
    after it was asked for.
    """

    connect: float = 5.0
    read: float = 30.0
    dial_start: float = 10.0
    dial: float = 20.0
    dial_wait: float = 120.0


@attrs.frozen(kw_only=True)
class Account:
    """What an adapter is told about the account it serves. *hook_url* is where the vendor reaches us, if it can."""

    name: str
    timeouts: Timeouts = Timeouts()
    hook_url: str | None = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True)
class Vendor:
    """A vendor that a plugin supports.

    *settings* is an attrs class: `[accounts.<name>.settings]` is checked against it, unknown keys and wrong types are
    refused with their path; a field of type `Secret` may be given as text, `{ env = … }` or `{ file = … }`. *connect*
    takes the account and the settings and gives the adapter, for as long as the context is open; it should not call the
    vendor, so that a vendor that is down does not stop the start. *contracts* is the `CONTRACTS_VERSION` that the
    plugin was written against, as text of its own: a gateway with another major version, or a smaller minor one,
    refuses it. *support* is the file in the package that holds its support report, which `gateway plugin check --write`
    writes: the gateway tells from it how far each operation is supported. Without it, only which interfaces there are.

    *far_end* names the settings that say which PBX an account speaks to: its address, and the tenant, user or
    application that it is there, none of them secret. When one of them changes, what the gateway finds at the new PBX
    says nothing about a call that it started at the old one.
    """

    name: str
    settings: type
    connect: Callable[[Account, Any], AbstractAsyncContextManager[Any]]
    contracts: str = "1.0"  # what a plugin that says nothing was written against, whatever the version is by now
    support: Path | None = None
    far_end: tuple[str, ...] = ("base_url",)


class PluginHooks:
    """What pluggy asks a plugin for."""

    @hookspec
    def gateway_vendor(self) -> Vendor:  # type: ignore[empty-body] # a specification has no body
        """The vendor that this plugin supports. Called once, when an account names it."""

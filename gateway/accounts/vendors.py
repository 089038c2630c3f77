"""Finds the plugin of a vendor by name. Other plugins are not imported, so a broken one stops only its own accounts."""

import re
from importlib import metadata

import pluggy
from gateway_contracts import CONTRACTS_VERSION, ENTRY_POINTS, PluginError, PluginHooks, Vendor, nearest

_VERSION = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})")


class NotInstalled(PluginError):
    """No installed plugin supports the vendor: a wrong name in the configuration, rather than a broken plugin."""


def vendor_names() -> dict[str, str]:
    """Every vendor that an installed plugin supports, with the distribution it comes from. Imports no plugin."""
    return {
        point.name: _source(point)
        for point in sorted(metadata.entry_points(group=ENTRY_POINTS), key=lambda point: point.name)
    }


def load_vendor(name: str) -> Vendor:
    """The vendor called *name*.

    Raises: NotInstalled; PluginError when its plugin cannot be imported, does not answer as it should, or was written
    against contracts that are not these.
    """
    points = metadata.entry_points(group=ENTRY_POINTS, name=name)
    if not points:
        names = vendor_names()
        raise NotInstalled(
            f"no installed plugin supports the vendor {name!r}{nearest(name, names)}; "
            f"installed: {', '.join(names) or 'none'}"
        )
    if len(points) > 1:
        claims = ", ".join(sorted(f"{_source(point)} ({point.value})" for point in points))
        raise PluginError(f"several plugins claim the vendor {name!r}: {claims}; uninstall all but one")
    (point,) = points
    where = f"the plugin of vendor {name!r} ({point.value}, {_source(point)})"
    plugins = pluggy.PluginManager("telephony_gateway")
    plugins.add_hookspecs(PluginHooks)
    try:
        plugins.register(point.load(), point.value)
        plugins.check_pending()
        found = plugins.hook.gateway_vendor()
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"{where} cannot be loaded: {type(error).__name__}: {error}; mend or reinstall it, "
            f"in a version for contracts {CONTRACTS_VERSION}"
        ) from error
    vendors = [vendor for vendor in found if isinstance(vendor, Vendor) and vendor.name == name]
    if len(vendors) != 1:
        raise PluginError(f"{where} must have one hook `gateway_vendor` that returns a Vendor with that name")
    if not _is_compatible(vendors[0].contracts):
        raise PluginError(
            f"{where} was written against contracts {vendors[0].contracts!r} and this gateway has {CONTRACTS_VERSION}: "
            "install a version of the plugin, or of telephony-gateway, so that they fit"
        )
    return vendors[0]


def _is_compatible(declared: object) -> bool:
    """The same major version, and nothing newer than what we have."""
    ours, theirs = (_VERSION.fullmatch(str(version)) for version in (CONTRACTS_VERSION, declared))
    return bool(ours and theirs and ours[1] == theirs[1] and int(theirs[2]) <= int(ours[2]))


def _source(point: metadata.EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "?"

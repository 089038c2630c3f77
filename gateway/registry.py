"""Finds the plugin of a vendor by name, so that a broken plugin that nobody uses stops nobody."""

from importlib import metadata

import pluggy
from gateway_contracts import ENTRY_POINTS, PluginError, PluginHooks, Vendor, nearest


def vendor_names() -> dict[str, str]:
    """Every vendor that an installed plugin supports, with the distribution it comes from. Imports no plugin."""
    return {
        point.name: _source(point)
        for point in sorted(metadata.entry_points(group=ENTRY_POINTS), key=lambda point: point.name)
    }


def load_vendor(name: str) -> Vendor:
    """The vendor called *name*.

    Raises: PluginError when there is none, when its plugin cannot be imported, or when it does not answer as it should.
    """
    points = metadata.entry_points(group=ENTRY_POINTS, name=name)
    if not points:
        names = vendor_names()
        raise PluginError(
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
    except Exception as error:
        raise PluginError(f"{where} cannot be loaded: {type(error).__name__}: {error}; mend or reinstall it") from error
    vendors = [vendor for vendor in found if isinstance(vendor, Vendor) and vendor.name == name]
    if len(vendors) != 1:
        raise PluginError(f"{where} must have one hook `gateway_vendor` that returns a Vendor with that name")
    return vendors[0]


def _source(point: metadata.EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "?"

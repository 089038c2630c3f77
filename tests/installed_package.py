"""A plugin's package that a process finds as if pip had installed it."""

import os


def beside(folder, package, vendor):
    """The environment of such a process; what pip would have written goes into *folder*."""
    module = f"gateway_{vendor}"
    information = folder / "site" / f"{module}-0.1.0.dist-info"
    information.mkdir(parents=True, exist_ok=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 0.1.0\n")
    (information / "entry_points.txt").write_text(f"[telephony_gateway.vendors]\n{vendor} = {module}\n")
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, (information.parent, package))),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_ADDOPTS": "-p no:cacheprovider",
    }

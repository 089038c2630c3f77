"""A third party's plugin passes its own tests, which are the suite and more. `make acme` does so from the wheels."""

import json
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "examples" / "gateway-acme"
REPORT = PACKAGE / "gateway_acme" / "support.json"


def test_the_example_passes_its_tests_and_supports_what_its_readme_says(install_beside):
    """The suite, embedded and through a sidecar, against its own fake PBX."""
    done = subprocess.run(
        [Path(sys.executable).with_name("gateway"), "plugin", "check", PACKAGE, "--json"],
        env=install_beside(PACKAGE, "acme"),
        capture_output=True,
        text=True,
        check=False,
    )

    found = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert [] == found["failed"]
    support = {name: each["support"] for name, each in found["vendors"]["acme"]["operations"].items()}
    assert {"partial"} == {support[name] for name in ("start_call", "transfer_call", "list_records")}
    assert json.loads(REPORT.read_text(encoding="utf-8")) == found["vendors"]["acme"]
    full = ("list_calls", "listen_call", "whisper_call", "barge_call", "get_record", "fetch_recording")
    assert {"full"} == {support[name] for name in full}
    assert {"unsupported"} == {
        support[name] for name in ("park_call", "locate_recording", "create_hook", "list_agents")
    }

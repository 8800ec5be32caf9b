"""A function's handler, imported in a process of its own."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from relayctl.artifact import write_configuration
from relayctl.project import ROOT

SAMPLES: Final = ROOT / "tests/samples"


def probe_handler(probe: str, function: str, **variables: str) -> Any:
    """Run a probe in a new interpreter that has the sample configuration and no AWS account.

    probe      Python code: it imports the handler `push_relay.<sys.argv[1]>` and prints JSON
    function   `receive` or `deliver`
    variables  more environment variables

    Returns the value that the probe printed.
    """
    with tempfile.TemporaryDirectory() as directory:
        # As in the artifact: what reads TOML is not imported there.
        write_configuration(SAMPLES / "sources", SAMPLES / "relay.toml", Path(directory))
        done = subprocess.run(  # noqa: S603 (our own interpreter)
            [sys.executable, "-c", probe, function],
            env={
                "PYTHONPATH": str(ROOT / "src"),
                "PATH": os.environ["PATH"],
                "AWS_EC2_METADATA_DISABLED": "true",
                "AWS_CONFIG_FILE": os.devnull,
                "RELAY_CONFIG": f"{directory}/config/relay.json",
                "RELAY_SOURCES": f"{directory}/sources",
                "POWERTOOLS_SERVICE_NAME": "push-relay",
                "POWERTOOLS_METRICS_NAMESPACE": "PushRelay",
                **variables,
            },
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)

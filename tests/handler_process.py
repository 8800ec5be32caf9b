"""A function's handler, imported in a process of its own."""

import json
import os
import subprocess
import sys
from typing import Any

from relayctl.project import ROOT


def probe_handler(probe: str, function: str, **variables: str) -> Any:
    """Run a probe in a new interpreter that has the sample configuration and no AWS account.

    probe      Python code: it imports the handler `push_relay.<sys.argv[1]>` and prints JSON
    function   `receive` or `deliver`
    variables  more environment variables

    Returns the value that the probe printed.
    """
    done = subprocess.run(  # noqa: S603 (our own interpreter)
        [sys.executable, "-c", probe, function],
        env={
            "PYTHONPATH": str(ROOT / "src"),
            "PATH": os.environ["PATH"],
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "RELAY_CONFIG": str(ROOT / "tests/samples/relay.toml"),
            "RELAY_SOURCES": str(ROOT / "tests/samples/sources"),
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

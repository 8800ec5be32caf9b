"""Run the built artifact under the real runtime client, behind Lambda's runtime interface emulator.

The interpreter can import only the artifact and the runtime client, as on Lambda, so a package that the
artifact lacks is missing here too. The emulator crashes on concurrent invocations, so a test that needs
parallel invocations starts several functions.
"""

import http.client
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import awslambdaric

from relayctl.deploy import host_architecture
from relayctl.local_aws import HOST, REGION
from relayctl.ministack import free_port
from relayctl.processes import Processes, Program
from relayctl.project import ROOT

_EMULATORS: Final = ROOT / ".tools/sam/lib/python3.13/site-packages/samcli/local/rapid"
_INVOCATIONS: Final = "/2015-03-31/functions/function/invocations"
_RUNTIME_CLIENT: Final = ("awslambdaric", "simplejson", "snapshot_restore_py.py", "runtime_client*.so")
_START_SECS: Final = 20.0


@dataclass(frozen=True, slots=True)
class LambdaFunction:
    """A running function that handles one invocation at a time."""

    port: int
    program: Program
    timeout_secs: int

    def invoke(self, event: Mapping[str, Any]) -> Any:
        """Invoke the function with an event, and return its result.

        The deadline in its context is `timeout_secs` away. An error of the handler is returned as a result
        with `errorType` and `errorMessage`, as by Lambda.
        """
        connection = http.client.HTTPConnection(HOST, self.port, timeout=self.timeout_secs + 5)
        try:
            connection.request("POST", _INVOCATIONS, json.dumps(event).encode())
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def log(self) -> str:
        """Return all that the function and the emulator have written."""
        return self.program.log.read_text(encoding="utf-8", errors="replace")


@contextmanager
def lambda_function(
    artifact: Path,
    handler: str,
    environment: Mapping[str, str],
    directory: Path,
    *,
    timeout_secs: int = 30,
) -> Iterator[LambdaFunction]:
    """Run a handler of the artifact. The directory holds its log and links to the runtime client."""
    api_port, port = free_port(), free_port()
    emulator = _EMULATORS / f"aws-lambda-rie-{host_architecture()}"
    command: list[str | Path] = [emulator]
    command += ["--runtime-api-address", f"{HOST}:{api_port}"]
    command += ["--runtime-interface-emulator-address", f"{HOST}:{port}"]
    # -S disables site-packages. -B writes no compiled files, because Lambda's disk is read-only.
    command += [Path(sys.base_prefix) / "bin/python3.13", "-S", "-B", "-m", "awslambdaric", handler]
    variables = function_variables(artifact, handler, directory, timeout_secs) | dict(environment)
    with Processes() as processes:
        log = directory / f"{handler}-{port}.log"
        program = processes.start(command, variables, log, artifact)
        _wait_until_it_listens(program, port)
        yield LambdaFunction(port, program, timeout_secs)


def function_variables(artifact: Path, handler: str, directory: Path, timeout_secs: int) -> dict[str, str]:
    """Return the environment that Lambda and the template give a function, without its resources."""
    return {
        "PATH": os.environ["PATH"],
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "PYTHONPATH": f"{artifact}:{_runtime_client(directory)}",
        "LAMBDA_TASK_ROOT": str(artifact),
        "_HANDLER": handler,
        "AWS_LAMBDA_FUNCTION_NAME": handler.rpartition(".")[2],
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout_secs),
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_EC2_METADATA_DISABLED": "true",
        "POWERTOOLS_SERVICE_NAME": "push-relay",
        "POWERTOOLS_METRICS_NAMESPACE": "PushRelay",
        "POWERTOOLS_LOG_LEVEL": "INFO",
    }


def _runtime_client(directory: Path) -> Path:
    """Link the runtime client, and nothing else, from the development environment."""
    links = directory / "runtime-client"
    links.mkdir(exist_ok=True)
    site_packages = Path(awslambdaric.__path__[0]).parent
    for pattern in _RUNTIME_CLIENT:
        for installed in site_packages.glob(pattern):
            link = links / installed.name
            if not link.is_symlink():
                link.symlink_to(installed)
    return links


def _wait_until_it_listens(program: Program, port: int) -> None:
    deadline = time.monotonic() + _START_SECS
    while True:
        connection = http.client.HTTPConnection(HOST, port, timeout=2)
        try:
            connection.connect()
        except OSError:
            if not program.is_running or time.monotonic() > deadline:
                raise AssertionError(f"the emulator did not start:\n{program.tail()}") from None
            time.sleep(0.02)
        else:
            return
        finally:
            connection.close()

"""Start MiniStack, the local AWS, with its own process, port and state directory."""

import http.client
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from relayctl.local_aws import HOST, REGION
from relayctl.processes import Processes, Program
from relayctl.progress import StepFailedError
from relayctl.project import MINISTACK

_START_TIMEOUT_SECS: Final = 60.0
#: MiniStack passes its own environment to the functions, so it gets only these variables of this process.
_INHERITED_VARIABLES: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")


@dataclass(frozen=True, slots=True)
class LocalAws:
    """A running MiniStack."""

    port: int
    program: Program

    @property
    def address(self) -> str:
        """The URL of every service."""
        return f"http://{HOST}:{self.port}"


def start(processes: Processes, directory: Path, port: int = 0) -> LocalAws:
    """Start MiniStack, and wait until it answers. `port=0` means any free port.

    Raises StepFailedError.
    """
    if not MINISTACK.exists():
        raise StepFailedError("MiniStack is not installed in this checkout; run `make setup` first")
    if port and not is_free(port):
        raise StepFailedError(
            f"port {port} is in use; choose another port, or omit the option to use a free one"
        )
    port = port or free_port()
    temporary = directory / "tmp"
    temporary.mkdir()
    program = processes.start(
        [MINISTACK], _environment(port, temporary), directory / "ministack.log", directory
    )
    aws = LocalAws(port, program)
    deadline = time.monotonic() + _START_TIMEOUT_SECS
    while not answers(port):
        if not program.is_running:
            raise StepFailedError(f"MiniStack ended while it started. Its last output:\n{program.tail()}")
        if time.monotonic() > deadline:
            raise StepFailedError(
                f"MiniStack did not answer within {_START_TIMEOUT_SECS:.0f} s. Its last output:\n"
                f"{program.tail()}"
            )
        time.sleep(0.05)
    return aws


def free_port() -> int:
    """Return a port that is free now. If another program takes it first, the start of the server fails."""
    with socket.socket() as listening:
        listening.bind((HOST, 0))
        port: int = listening.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Return whether no program listens on a port now."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, port))
        except OSError:
            return False
    return True


def _environment(port: int, temporary: Path) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in _INHERITED_VARIABLES if name in os.environ}
    return inherited | {
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": REGION,
        "TMPDIR": str(temporary),
        "STATE_DIR": str(temporary / "state"),
        "S3_DATA_DIR": str(temporary / "s3"),
        # These two services would listen on fixed ports, so that two MiniStacks could not run side by side.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "NO_PROXY": "*",
    }


def answers(port: int) -> bool:
    """Return whether a MiniStack answers on a port."""
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", "/_ministack/health")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()

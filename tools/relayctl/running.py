"""The local stacks that run now: each `make run` writes `.run/stack-.../running.json`.

The file has ports and paths, and no secret. It is deleted with the directory when the run ends. The file of a
run that was killed stays, so a stack counts only if its process lives and its local AWS answers.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from relayctl.local_aws import HOST
from relayctl.ministack import answers
from relayctl.project import RUNS

_FILE: Final = "running.json"


@dataclass(frozen=True, slots=True)
class Running:
    """A local stack that runs.

    pid              the process of `make run`
    sources, config  the source folders and the relay.toml that it was built with
    webhook_port     of the address for webhooks, whose requests the page shows; 0 if there is none
    """

    pid: int
    aws_port: int
    sandbox_port: int
    sources: str
    config: str
    webhook_port: int = 0

    @property
    def aws_url(self) -> str:
        """The URL of the local AWS."""
        return f"http://{HOST}:{self.aws_port}"

    @property
    def outputs(self) -> Mapping[str, str]:
        """The outputs that this machine has in place of the stack's own."""
        if not self.webhook_port:
            return {}
        return {"WebhookUrl": f"http://{HOST}:{self.webhook_port}/webhooks/{{source}}"}


def announce(directory: Path, running: Running) -> None:
    """Write the file into a run's directory."""
    (directory / _FILE).write_text(json.dumps(asdict(running)), "utf-8")


def running_stacks(runs: Path = RUNS) -> list[Running]:
    """Return the local stacks that run now, in the order of their ports."""
    found = [_read(file) for file in runs.glob(f"*/{_FILE}")]
    alive = [each for each in found if each and _lives(each.pid) and answers(each.aws_port)]
    return sorted(alive, key=lambda each: each.aws_port)


def _read(file: Path) -> Running | None:
    try:
        content = json.loads(file.read_text("utf-8"))
        return Running(
            int(content["pid"]),
            int(content["aws_port"]),
            int(content["sandbox_port"]),
            str(content["sources"]),
            str(content["config"]),
            int(content.get("webhook_port", 0)),
        )
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True

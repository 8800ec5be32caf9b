"""The ports and the random secrets of the local stack, which every run uses again: `.run/local-state.json`.

Only the file's owner can read it. `make clean` deletes it, and the next run makes new values.
"""

import json
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from relayctl.ministack import is_free
from relayctl.private_file import write_private
from relayctl.project import RUNS

_MAX_PORT: Final = 65_535
FILE: Final = RUNS / "local-state.json"


@dataclass(frozen=True, slots=True)
class LocalState:
    """The ports and secrets of the local stack. A port of 0 is not chosen yet.

    webhook_port     of the address that webhooks are sent to while `relayctl run` runs
    integration_key  the vendor's secret key, which the sandbox demands
    page_key         the key in the address of the page, without which the page shows no request
    signing_secrets  by source name
    """

    aws_port: int = 0
    sandbox_port: int = 0
    webhook_port: int = 0
    integration_key: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    page_key: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    signing_secrets: Mapping[str, str] = field(default_factory=dict)

    def after_run(
        self, aws_port: int, sandbox_port: int, webhook_port: int, signing_secrets: Mapping[str, str]
    ) -> "LocalState":
        """Return the state to store after a run with these ports and secrets.

        A port that was stored before stays. If it was in use and this run had another one, the next run tries
        it again.
        """
        return replace(
            self,
            aws_port=self.aws_port or aws_port,
            sandbox_port=self.sandbox_port or sandbox_port,
            webhook_port=self.webhook_port or webhook_port,
            signing_secrets={**self.signing_secrets, **signing_secrets},
        )


def read(file: Path = FILE) -> LocalState:
    """Return the stored state, or a new one if there is no valid file."""
    try:
        content = json.loads(file.read_text("utf-8"))
        state = LocalState(**content)
    except (OSError, ValueError, TypeError):
        return LocalState()
    return state if _is_valid(state) else LocalState()


def port_if_free(port: int) -> int:
    """Return the port if no program uses it, else 0, which means any free port."""
    return port if port and is_free(port) else 0


def write(state: LocalState, file: Path = FILE) -> None:
    """Store the state.

    If it cannot be written, the run goes on, and the next one has other ports and secrets.
    """
    with suppress(OSError):
        file.parent.mkdir(exist_ok=True)
        write_private(file, json.dumps(asdict(state), indent=1).encode())


def _is_valid(state: LocalState) -> bool:
    unchecked: Any = state  # the values come from a file, so they may have any type
    ports = all(
        isinstance(port, int) and 0 <= port <= _MAX_PORT
        for port in (unchecked.aws_port, unchecked.sandbox_port, unchecked.webhook_port)
    )
    texts = isinstance(unchecked.signing_secrets, dict) and all(
        isinstance(text, str) and text
        for text in (unchecked.integration_key, unchecked.page_key, *unchecked.signing_secrets.values())
    )
    return ports and texts

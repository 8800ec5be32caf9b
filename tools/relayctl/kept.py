"""What the local stack keeps from run to run: its ports and its random secrets, in `.run/kept.json`.

The file is readable by its owner alone. `make clean` removes it, and the next run makes up others.
"""

import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from relayctl.ministack import is_free
from relayctl.project import RUNS

_HIGHEST_PORT: Final = 65_535
FILE: Final = RUNS / "kept.json"


@dataclass(frozen=True, slots=True)
class Kept:
    """Ports (0: none yet), the vendor's integration key, and the signing secret of each source."""

    aws_port: int = 0
    sandbox_port: int = 0
    integration_key: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    signing_secrets: Mapping[str, str] = field(default_factory=dict)

    def after(self, aws_port: int, sandbox_port: int, signing_secrets: Mapping[str, str]) -> "Kept":
        """Return what is to be kept after a run: its secrets, and its ports if there were none before.

        A port that was taken this time is wanted again the next time.
        """
        return replace(
            self,
            aws_port=self.aws_port or aws_port,
            sandbox_port=self.sandbox_port or sandbox_port,
            signing_secrets={**self.signing_secrets, **signing_secrets},
        )


def read(file: Path = FILE) -> Kept:
    """Return what is kept; new values if there is no file, or one that cannot be read."""
    try:
        content = json.loads(file.read_text("utf-8"))
        kept = Kept(**content)
    except (OSError, ValueError, TypeError):
        return Kept()
    return kept if _is_sound(kept) else Kept()


def free(port: int) -> int:
    """Return a kept port if it is free now, else 0, which means any free one."""
    return port if port and is_free(port) else 0


def write(kept: Kept, file: Path = FILE) -> None:
    """Keep it. A run that cannot write it works all the same, with other ports the next time."""
    with suppress(OSError):
        file.parent.mkdir(exist_ok=True)
        new = file.with_suffix(f".{os.getpid()}")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            json.dump(asdict(kept), opened, indent=1)
        new.replace(file)


def _is_sound(kept: Kept) -> bool:
    given: Any = kept
    ports = all(
        isinstance(port, int) and 0 <= port <= _HIGHEST_PORT for port in (given.aws_port, given.sandbox_port)
    )
    texts = isinstance(given.signing_secrets, dict) and all(
        isinstance(text, str) and text for text in (given.integration_key, *given.signing_secrets.values())
    )
    return ports and texts

"""Replays of dead letters while the run lasts: `relayctl replay` in a process of its own, which is killed."""

import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Final

from chaos.stage import Stage
from relayctl.project import ROOT

#: Shares of the sendings after which a replay is started.
_AFTER: Final = (0.4, 0.6, 0.8)
_KILLED_AFTER_SECS: Final = (0.8, 3.0)


@dataclass(slots=True)
class Replays:
    """Starts a replay of everything that is dead, and kills it with SIGKILL in the middle."""

    stage: Stage
    dice: random.Random
    started: int = 0
    killed: int = 0
    _left: list[float] = field(default_factory=lambda: list(_AFTER))
    _process: subprocess.Popen[bytes] | None = None
    _kill_at: float = 0.0

    def step(self, share_sent: float) -> bool:
        """Start the replay that is due, or kill the one under way; return whether one is under way."""
        if self._process is not None:
            if self._process.poll() is None and time.monotonic() < self._kill_at:
                return True
            self.killed += self._process.poll() is None
            self.stop()
        if self._left and share_sent >= self._left[0]:
            self._left.pop(0)
            self._start()
            return True
        return False

    def stop(self) -> None:
        """End the replay under way."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _start(self) -> None:
        settings = self.stage.settings
        command = [sys.executable, "-m", "relayctl", "replay", "--yes", "--rate", "20/s"]
        command += ["--queue-url", settings.queue_url, "--dead-letter-url", settings.dead_letter_queue_url]
        command += ["--table", settings.ledger_table]
        environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tools'}"}
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._kill_at = time.monotonic() + self.dice.uniform(*_KILLED_AFTER_SECS)
        self.started += 1

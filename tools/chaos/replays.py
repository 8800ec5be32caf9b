"""Replays of dead letters during the run: `relayctl replay` runs in its own process, and is killed."""

import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Final

from chaos.services import Services
from relayctl.project import ROOT

#: A replay is started when these shares of the sendings are done.
_AFTER_SHARES: Final = (0.4, 0.6, 0.8)
#: The shortest and the longest time after which a replay is killed.
_KILLED_AFTER_SECS: Final = (0.8, 3.0)


@dataclass(slots=True)
class Replays:
    """Starts replays of all dead letters, and kills them with SIGKILL in the middle."""

    services: Services
    dice: random.Random
    started: int = 0
    killed: int = 0
    _left: list[float] = field(default_factory=lambda: list(_AFTER_SHARES))
    _process: subprocess.Popen[bytes] | None = None
    _kill_at: float = 0.0

    def step(self, share_sent: float) -> bool:
        """Start a replay or kill the running one if it is time. Returns whether one is running.

        share_sent  the share of the sendings that are done, from 0 to 1
        """
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
        """Kill the running replay, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _start(self) -> None:
        settings = self.services.settings
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

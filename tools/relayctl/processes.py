"""Start programs that end with us: each leads a process group of its own, and groups are stopped by id."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

_PATIENCE_SECS: Final = 5.0
"""How long a group may take to end before it is killed."""
_TAIL_LINES: Final = 15


@dataclass(frozen=True, slots=True)
class Program:
    """A running program and the file that its output goes to."""

    log: Path
    popen: subprocess.Popen[bytes]

    @property
    def is_running(self) -> bool:
        """Tell whether the program is up."""
        return self.popen.poll() is None

    def wait(self, timeout_secs: float) -> int:
        """Wait for the end, and return the exit code.

        Raises subprocess.TimeoutExpired.
        """
        return self.popen.wait(timeout_secs)

    def tail(self) -> str:
        """Return the last lines of the output: what it said before it failed."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()
        return "\n".join(lines[-_TAIL_LINES:])

    def stop(self) -> None:
        """End the program and whatever it started."""
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + _PATIENCE_SECS
        while self.is_running and time.monotonic() < deadline:
            time.sleep(0.02)
        self._signal(signal.SIGKILL)  # who is left of the group, which outlives its leader
        self.popen.wait()

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.popen.pid, number)
        except (ProcessLookupError, PermissionError):
            return  # all of them have ended (macOS says it in the second way)


class Processes:
    """The programs of one run, from `with` to the end of the block, which stops them all.

    Safe to use from several threads; nothing starts any more once the block has ended.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._programs: list[Program] = []
        self._ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._ended = True
        for program in reversed(self._programs):
            program.stop()

    @property
    def have_ended(self) -> bool:
        """Tell whether the block has ended, so that every program is being stopped."""
        with self._lock:
            return self._ended

    def start(
        self, command: Sequence[str | Path], environment: Mapping[str, str], log: Path, directory: Path
    ) -> Program:
        """Start a program in the directory, its output appended to the log file.

        Raises OSError when it can't be started, and RuntimeError when the block has ended.
        """
        with self._lock, log.open("ab") as output:
            if self._ended:
                raise RuntimeError("the run has ended")
            popen = subprocess.Popen(
                [str(part) for part in command],
                env=dict(environment),
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            program = Program(log, popen)
            self._programs.append(program)
        return program

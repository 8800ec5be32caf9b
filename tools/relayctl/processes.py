"""Programs that end with the run.

Each leads its own process group, so that its children can be stopped too.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

#: How long a process group may take to end after SIGTERM. Then it gets SIGKILL.
_STOP_TIMEOUT_SECS: Final = 5.0
_TAIL_LINES: Final = 15


@dataclass(frozen=True, slots=True)
class Program:
    """A started program, and the file that its output goes to."""

    log: Path
    popen: subprocess.Popen[bytes]

    @property
    def is_running(self) -> bool:
        """Whether the program still runs."""
        return self.popen.poll() is None

    def wait(self, timeout_secs: float) -> int:
        """Wait until the program ends, and return its exit code.

        Raises subprocess.TimeoutExpired.
        """
        return self.popen.wait(timeout_secs)

    def tail(self) -> str:
        """Return the last lines of the program's output."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()
        return "\n".join(lines[-_TAIL_LINES:])

    def stop(self) -> None:
        """Stop the program and all programs that it has started."""
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + _STOP_TIMEOUT_SECS
        while self.is_running and time.monotonic() < deadline:
            time.sleep(0.02)
        # Children may still run after the program has ended.
        self._signal(signal.SIGKILL)
        self.popen.wait()

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.popen.pid, number)
        except (ProcessLookupError, PermissionError):
            return  # every process of the group has ended; macOS raises PermissionError then


class Processes:
    """The programs of one run. Use it in a `with`, which stops them all at the end of the block.

    It may be used from several threads. After the block has ended, no program can be started.
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
        """Whether the block has ended, so that every program is being stopped."""
        with self._lock:
            return self._ended

    def start(
        self, command: Sequence[str | Path], environment: Mapping[str, str], log: Path, directory: Path
    ) -> Program:
        """Start a program in a directory, and append its output to a log file.

        Raises OSError if it cannot be started, and RuntimeError if the block has ended.
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

"""A process in which a floor and something to be compared with it are measured alternately.

The child calls `serve` and answers each line `floor CALLS` or `side CALLS` with the CPU seconds of one call.
Its floor is a bare POST by urllib3 on a kept-alive connection. Both use TLS. Each child measures its own
floor, so that a side in another environment is compared with the same work there.

This module uses the standard library and urllib3 only, because the peers have an environment of their own.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

#: The push of the floor. The pushes of the sides have about this size.
PUSH: Final = {
    "Body": "The oven reports 451 °C 🔥\nby octocat, bug\nIt should never be above 250 °C.\n"
    "Seen twice this morning.",
    "CompanyId": 4711,
    "ExpirySecs": 86400,
    "IntegrationKey": "bench",
    "Sound": True,
    "Title": "New issue: octo-org/bakery #42",
    "UserExternalId": "4711",
}
#: The progress is reported after each so many rounds.
_REPORTED: Final = 5


def floor() -> Callable[[], None]:
    """Return a function that posts a push."""
    import urllib3  # noqa: PLC0415 (only the child has to have it)

    pool = urllib3.PoolManager(retries=False, ca_certs=os.environ["BENCH_CERTIFICATES"])
    url = os.environ["PUSH_BASE_URL"] + "/api/v2/push?format=json"
    headers = {"Content-Type": "application/json"}

    def post() -> None:
        pool.request("POST", url, body=json.dumps(PUSH).encode(), headers=headers)

    return post


def serve(side: Callable[[], object]) -> None:
    """Measure what is asked for until the standard input ends. The output of the side is discarded."""
    answers = os.fdopen(os.dup(1), "w")
    with Path(os.devnull).open("wb") as devnull:
        os.dup2(devnull.fileno(), 1)
    measured = {"floor": floor(), "side": side}
    for line in sys.stdin:
        name, calls = line.split()
        call = measured[name]
        began = time.process_time()
        for _ in range(int(calls)):
            call()
        answers.write(f"{(time.process_time() - began) / int(calls)!r}\n")
        answers.flush()


@dataclass(frozen=True, slots=True)
class Side:
    """A running child. `events`: the events that one call of the side handles."""

    process: "subprocess.Popen[str]"
    events: int = 1

    def cpu_secs(self, name: str, calls: int) -> float:
        """Return the CPU time of one call of `floor` or `side`, on average over so many calls."""
        writing, reading = self._pipes()
        writing.write(f"{name} {calls}\n")
        writing.flush()
        if line := reading.readline():
            return float(line)
        raise SystemExit("bench: a measured process has ended; its error is above")

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        if self.process.stdin is None or self.process.stdout is None:
            raise SystemExit("bench: a measured process has no pipes")
        return self.process.stdin, self.process.stdout


@contextmanager
def side(command: Sequence[str | Path], environment: Mapping[str, str], events: int = 1) -> Iterator[Side]:
    """Start a child, which calls `serve`; end it at the end of the block."""
    variables = {"PATH": os.environ["PATH"], **environment}
    with subprocess.Popen(
        command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Side(process, events)
        finally:
            process.kill()


@dataclass(frozen=True, slots=True)
class Rounds:
    """The rounds of one side, in seconds of CPU time. `sides`: for each event."""

    floors: list[float] = field(default_factory=list)
    sides: list[float] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """The side divided by the floor, of each round."""
        return [value / base for value, base in zip(self.sides, self.floors, strict=True)]

    def compared_with(self, other: "Rounds") -> list[float]:
        """Return the ratios divided by those of another side, of each round."""
        return [mine / its for mine, its in zip(self.ratios, other.ratios, strict=True)]


def alternate(
    sides: Mapping[str, Side], rounds: int, calls: int, report: Callable[[str], None]
) -> dict[str, Rounds]:
    """Measure all sides alternately. The first round, which fills caches, is not counted."""
    found = {name: Rounds() for name in sides}
    for number in range(rounds + 1):
        for name, each in sides.items():
            base = each.cpu_secs("floor", calls)
            value = each.cpu_secs("side", max(1, calls // each.events)) / each.events
            if number:
                found[name].floors.append(base)
                found[name].sides.append(value)
        if number % _REPORTED == 0:
            report(f"  round {number} of {rounds}")
    return found


def median(values: Iterable[float]) -> float:
    """Return the median, rounded for the report."""
    return round(statistics.median(values), 2)

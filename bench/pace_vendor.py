"""The vendor of the pace measurements: the sandbox of the Push API, with the time of each call."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

from pace_aws import COMPANY_ID, KEY
from pace_numbers import Span
from sandbox.account import Account, Admission, Limits
from sandbox.faults import Faults
from sandbox.record import Call, Record
from sandbox.server import SandboxServer

_NUMBER: Final = re.compile(r"pace-(\d+)")
_OK: Final = 200


class TimedAccount(Account):
    """The account, with the time of each finished call.

    spans  on the run's clock
    real   the same on the machine's monotonic clock
    """

    def __init__(self, clock: Callable[[], float], limits: Limits) -> None:
        super().__init__(COMPANY_ID, KEY, limits=limits, clock=lambda: datetime.fromtimestamp(clock(), UTC))
        self._run_clock = clock
        self._noting = threading.Lock()
        self.spans: list[Span] = []
        self.real: list[Span] = []

    @contextmanager
    def call(self) -> Iterator[Admission]:
        """Count a call and note its time."""
        began, real = self._run_clock(), time.monotonic()
        try:
            with super().call() as admission:
                yield admission
        finally:
            with self._noting:
                self.spans.append(Span(began, self._run_clock()))
                self.real.append(Span(real, time.monotonic()))

    def clear(self) -> None:
        """Forget the calls until now."""
        with self._noting:
            self.spans, self.real = [], []


class Vendor:
    """The sandbox, with a latency and outages."""

    def __init__(self, clock: Callable[[], float], connections: int, latency_secs: float) -> None:
        self._clock = clock
        self._latency_secs = latency_secs
        self.connections = connections
        # Beyond its connections the vendor answers 429, so that a call too many costs the relay something.
        self.account = TimedAccount(clock, Limits(daily_calls=None, connections=connections))
        self.server = SandboxServer(self.account, record=Record(keep=None), faults=Faults())
        self.recover()

    def fail(self, status: int) -> None:
        """Answer every call at once with an error."""
        self.server.faults.clear()
        self.server.faults.order("status", status=status)

    def recover(self) -> None:
        """Answer every call with a success, after the latency. Forget the times of earlier calls."""
        self.server.faults.clear()
        self.account.clear()
        if self._latency_secs:
            self.server.faults.order("latency", seconds=self._latency_secs)

    def answered(self) -> list[int]:
        """Return the numbers of the events whose pushes the vendor has taken, in the order of the calls."""
        return [event_number(call) for call in self.server.record.calls() if call.status == _OK]


def event_number(call: Call) -> int:
    """Return the number of the event whose push a call carried; 0 if it carried none of ours."""
    found = _NUMBER.search(str((call.push or {}).get("Title", "")))
    return int(found.group(1)) if found else 0

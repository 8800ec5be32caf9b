"""Record every call, count what became of them, and let others wait for or follow the record."""

import json
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

from sandbox.documents import Violation

KEPT_CALLS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the endpoint, and what became of it. Never holds the integration key."""

    method: str
    path: str
    format: str | None = None
    """The query's `format`, as given."""
    content_type: str | None = None
    correlation_id: str | None = None
    """The request's `X-Correlation-Id`."""
    push: dict[str, str | int | bool] | None = None
    """The push under the vendor's field names, when it kept the contract."""
    status: int | None = None
    """The status answered; None where the connection was reset instead."""
    fault: str | None = None
    latency_secs: float = 0.0
    valid: bool = False
    """It was read and keeps the contract; says nothing about credentials and limits."""
    accepted: bool = False
    """The phone shows the push, whatever the caller was told."""
    over_quota: bool = False
    over_connections: bool = False
    open_connections: int = 0
    violations: tuple[Violation, ...] = ()
    number: int = 0
    """Counts up from 1 over the record's life, clearing included. Given by the record."""
    time: datetime = field(default_factory=lambda: datetime.now(UTC))

    def as_json(self) -> dict[str, Any]:
        """Write the call for the control surface and the JSON-lines file; the time is ISO 8601, UTC."""
        return {
            "number": self.number,
            "time": self.time.isoformat(timespec="milliseconds"),
            "method": self.method,
            "path": self.path,
            "format": self.format,
            "content_type": self.content_type,
            "correlation_id": self.correlation_id,
            "push": self.push,
            "status": self.status,
            "fault": self.fault,
            "latency_secs": self.latency_secs,
            "valid": self.valid,
            "accepted": self.accepted,
            "over_quota": self.over_quota,
            "over_connections": self.over_connections,
            "open_connections": self.open_connections,
            "violations": [
                {"field": violation.field, "rule": violation.rule.value, "message": violation.message}
                for violation in self.violations
            ],
        }


@dataclass(frozen=True, slots=True)
class Counts:
    """How many calls there were since the record was last cleared, those no longer kept included."""

    calls: int = 0
    valid: int = 0
    invalid: int = 0
    """Read, and in breach of the contract. `calls - valid - invalid` were never read (a reset)."""
    accepted: int = 0
    faults: int = 0
    """Befallen by a fault other than latency."""
    over_quota: int = 0
    over_connections: int = 0


class Record:
    """The calls, oldest first. Safe to use from the test's thread while the server runs.

    At most `keep` calls stay in memory (None for all). `file` gets one JSON line for each call; it is made
    readable by its owner only, because pushes speak of people.
    """

    def __init__(self, *, keep: int | None = KEPT_CALLS, file: Path | None = None) -> None:
        self.run = token_hex(4)
        """Tells this record from an earlier server's, whose numbers were the same."""
        self._changed = threading.Condition()
        self._calls: deque[Call] = deque(maxlen=keep)
        self._last = 0
        self._clearings = 0
        self._counts = Counts()
        self._followers: list[Callable[[], None]] = []
        # Line-buffered: who follows the file sees a call as soon as it is answered.
        self._file = (
            open(file, "a", buffering=1, encoding="utf-8", opener=_owner_only)  # noqa: SIM115 - kept open
            if file
            else None
        )

    def add(self, call: Call) -> Call:
        """Keep the call under the next number, and wake whoever waits."""
        with self._changed:
            self._last += 1
            numbered = replace(call, number=self._last)
            self._calls.append(numbered)
            self._counts = _count(self._counts, numbered)
            if self._file:
                self._file.write(json.dumps(numbered.as_json(), ensure_ascii=False) + "\n")
            self._wake()
        return numbered

    def calls(self, after: int = 0) -> list[Call]:
        """List the kept calls whose number is greater than `after`; costs only what it returns."""
        newer: list[Call] = []
        with self._changed:
            for call in reversed(self._calls):
                if call.number <= after:
                    break
                newer.append(call)
        newer.reverse()
        return newer

    def pushes(self) -> list[dict[str, str | int | bool]]:
        """List the pushes that the phone has shown, oldest first."""
        return [call.push for call in self.calls() if call.accepted and call.push is not None]

    @property
    def counts(self) -> Counts:
        """The counts since the record was last cleared."""
        with self._changed:
            return self._counts

    @property
    def last(self) -> int:
        """The number of the last call, kept or not; 0 before the first."""
        with self._changed:
            return self._last

    @property
    def clearings(self) -> int:
        """How often the record was cleared."""
        with self._changed:
            return self._clearings

    def clear(self) -> None:
        """Forget the calls and the counts. Numbers go on, so that `after` keeps its meaning."""
        with self._changed:
            self._calls.clear()
            self._counts = Counts()
            self._clearings += 1
            self._wake()

    def announce(self) -> None:
        """Wake the followers because something beside the calls has changed."""
        with self._changed:
            self._wake()

    def wait_until(self, condition: Callable[[Counts], bool], timeout_secs: float = 10.0) -> Counts:
        """Wait until the counts meet the condition, and return them.

        Raises TimeoutError.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self._counts), timeout_secs):
                raise TimeoutError(f"not within {timeout_secs} s; the counts are {self._counts}")
            return self._counts

    @contextmanager
    def followed_by(self, wake: Callable[[], None]) -> Iterator[None]:
        """Call `wake` at each change while the block runs, on the thread that made the change."""
        with self._changed:
            self._followers.append(wake)
        try:
            yield
        finally:
            with self._changed:
                self._followers.remove(wake)

    def close(self) -> None:
        """Close the file. The calls stay readable."""
        if self._file:
            self._file.close()

    def _wake(self) -> None:
        self._changed.notify_all()
        for wake in self._followers:
            wake()


def _owner_only(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _count(counts: Counts, call: Call) -> Counts:
    return Counts(
        calls=counts.calls + 1,
        valid=counts.valid + call.valid,
        invalid=counts.invalid + bool(call.violations),
        accepted=counts.accepted + call.accepted,
        faults=counts.faults + (call.fault is not None),
        over_quota=counts.over_quota + call.over_quota,
        over_connections=counts.over_connections + call.over_connections,
    )

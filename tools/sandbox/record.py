"""The record of all calls and their counts. Others can wait for a change of it, or follow it."""

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
    """One call of the endpoint. It never contains the integration key.

    format          the query's `format`, unchecked
    correlation_id  the request's `X-Correlation-Id`
    push            by the vendor's field names; None if the body violates the contract or was not read
    status          of the answer; None if there was no answer
    answer          the beginning of the answer's body as it was sent; empty if there was no answer
    fault           the kind of the injected fault
    valid           whether the body was read and complies with the contract, whatever its credentials and
                    limits
    accepted        whether the phone shows the push, whatever the answer was
    number          counts up from 1, also after the record was cleared; set by the record
    """

    method: str
    path: str
    format: str | None = None
    content_type: str | None = None
    correlation_id: str | None = None
    push: dict[str, str | int | bool] | None = None
    status: int | None = None
    answer: str = ""
    fault: str | None = None
    latency_secs: float = 0.0
    valid: bool = False
    accepted: bool = False
    over_quota: bool = False
    over_connections: bool = False
    open_connections: int = 0
    violations: tuple[Violation, ...] = ()
    number: int = 0
    time: datetime = field(default_factory=lambda: datetime.now(UTC))

    def as_json(self) -> dict[str, Any]:
        """Return the call's JSON object. The time is in ISO 8601 and UTC."""
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
            "answer": self.answer,
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
    """The numbers of calls since the record was last cleared, including those that are no longer kept.

    invalid  calls that violate the contract; `calls - valid - invalid` were not read because of a reset
    faults   calls with a fault other than latency
    """

    calls: int = 0
    valid: int = 0
    invalid: int = 0
    accepted: int = 0
    faults: int = 0
    over_quota: int = 0
    over_connections: int = 0


class Record:
    """The calls, oldest first. A test may use it from its own thread while the server runs.

    keep  how many calls stay in memory; None for all
    file  gets a JSON line for each call; only its owner can read it, because pushes contain personal data
    run   a random id, because another server's calls have the same numbers
    """

    def __init__(self, *, keep: int | None = KEPT_CALLS, file: Path | None = None) -> None:
        self.run = token_hex(4)
        self._changed = threading.Condition()
        self._calls: deque[Call] = deque(maxlen=keep)
        self._last = 0
        self._clearings = 0
        self._counts = Counts()
        self._followers: list[Callable[[], None]] = []
        # It is line-buffered, so that each call is in the file as soon as it is answered.
        self._file = (
            open(file, "a", buffering=1, encoding="utf-8", opener=_owner_only)  # noqa: SIM115 - kept open
            if file
            else None
        )

    def add(self, call: Call) -> Call:
        """Store a call with the next number, and wake all waiting threads and followers."""
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
        """Return the kept calls whose number is greater than `after`.

        The cost depends on their number only.
        """
        newer: list[Call] = []
        with self._changed:
            for call in reversed(self._calls):
                if call.number <= after:
                    break
                newer.append(call)
        newer.reverse()
        return newer

    def pushes(self) -> list[dict[str, str | int | bool]]:
        """Return the pushes that the phone has shown, oldest first."""
        return [call.push for call in self.calls() if call.accepted and call.push is not None]

    @property
    def counts(self) -> Counts:
        """The counts since the record was last cleared."""
        with self._changed:
            return self._counts

    @property
    def last(self) -> int:
        """The number of the last call, also if it is no longer kept; 0 before the first call."""
        with self._changed:
            return self._last

    @property
    def clearings(self) -> int:
        """How often the record was cleared."""
        with self._changed:
            return self._clearings

    def clear(self) -> None:
        """Delete the calls and the counts. The numbering goes on, so that `after` stays valid."""
        with self._changed:
            self._calls.clear()
            self._counts = Counts()
            self._clearings += 1
            self._wake()

    def announce(self) -> None:
        """Wake the followers after a change that is not a call."""
        with self._changed:
            self._wake()

    def wait_until(self, condition: Callable[[Counts], bool], timeout_secs: float = 10.0) -> Counts:
        """Wait until a condition holds for the counts, and return them. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self._counts), timeout_secs):
                raise TimeoutError(
                    f"the condition did not hold within {timeout_secs} s; the counts are {self._counts}"
                )
            return self._counts

    @contextmanager
    def followed_by(self, wake: Callable[[], None]) -> Iterator[None]:
        """Call `wake` at each change until the end of the block, on the thread that makes the change."""
        with self._changed:
            self._followers.append(wake)
        try:
            yield
        finally:
            with self._changed:
                self._followers.remove(wake)

    def close(self) -> None:
        """Close the file. The calls in memory stay readable."""
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

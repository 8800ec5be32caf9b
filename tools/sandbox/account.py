"""Keep the organisation's account: its credentials, its daily quota and its connections.

Unknown of the vendor, and so settings here: what a breach of either limit is answered with. Every call
that reaches the endpoint spends quota, refused ones included ("every attempt counts").
"""

import hmac
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from typing import Final

DAILY_CALLS: Final = 2_500
CONNECTIONS: Final = 3
TOO_MANY_REQUESTS: Final = 429


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a call beyond a limit is answered with; `retry_after` is seconds, or an HTTP date."""

    status: int = TOO_MANY_REQUESTS
    retry_after: int | str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """The account's limits (None for no limit) and the answers to their breach."""

    daily_calls: int | None = DAILY_CALLS
    connections: int | None = CONNECTIONS
    over_quota: Refusal = Refusal()
    over_connections: Refusal = Refusal()


@dataclass(frozen=True, slots=True)
class Admission:
    """How a call stood against the limits when it came in."""

    open_connections: int
    """Connections with an unfinished request, this one included."""
    over_quota: bool
    over_connections: bool


@dataclass(frozen=True, slots=True)
class Usage:
    """What the account has used so far."""

    calls_today: int
    open_connections: int
    max_connections: int


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Account:
    """One organisation at the vendor. Safe to use from the test's thread while the server runs.

    `clock` returns the current time with its zone; `time_zone` is the organisation's, in which its day ends.
    """

    def __init__(
        self,
        company_id: int,
        integration_key: str,
        *,
        limits: Limits | None = None,
        time_zone: tzinfo = UTC,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._lock = threading.Lock()
        self._company_id = company_id
        self._integration_key = integration_key
        self._limits = limits or Limits()
        self._time_zone = time_zone
        self._clock = clock
        self._day: date | None = None
        self._calls_today = 0
        self._open = 0
        self._max_open = 0

    @property
    def limits(self) -> Limits:
        """The limits in force; assign to change them, also while the server runs."""
        with self._lock:
            return self._limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        with self._lock:
            self._limits = limits

    def change_credentials(self, company_id: int, integration_key: str) -> None:
        """Take only these credentials from now on, as after a rotation at the vendor."""
        with self._lock:
            self._company_id, self._integration_key = company_id, integration_key

    def knows(self, company_id: int, integration_key: str) -> bool:
        """Tell whether the credentials are the account's, comparing the key in constant time."""
        with self._lock:
            right_key = hmac.compare_digest(integration_key.encode(), self._integration_key.encode())
            return right_key and company_id == self._company_id

    @contextmanager
    def call(self) -> Iterator[Admission]:
        """Count a call against the quota and, while the block runs, against the connections."""
        with self._lock:
            self._turn_day()
            self._calls_today += 1
            self._open += 1
            self._max_open = max(self._max_open, self._open)
            daily, connections = self._limits.daily_calls, self._limits.connections
            admission = Admission(
                open_connections=self._open,
                over_quota=daily is not None and self._calls_today > daily,
                over_connections=connections is not None and self._open > connections,
            )
        try:
            yield admission
        finally:
            with self._lock:
                self._open -= 1

    def usage(self) -> Usage:
        """Tell what is used. After midnight yesterday's count stands until the first call, as documented."""
        with self._lock:
            return Usage(self._calls_today, self._open, self._max_open)

    def set_calls_today(self, calls: int) -> None:
        """Pretend that so many calls were made today."""
        with self._lock:
            self._turn_day()
            self._calls_today = calls

    def _turn_day(self) -> None:
        today = self._clock().astimezone(self._time_zone).date()
        if today != self._day:
            self._day, self._calls_today = today, 0

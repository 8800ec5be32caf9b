"""The organisation's account: its credentials, its daily calls and its connections.

The vendor does not document how it answers a call beyond a limit, so these answers are options. Every call of
the endpoint counts, also a refused one ("every attempt counts").
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
    """The answer to a call beyond a limit. `retry_after`: seconds, or an HTTP date."""

    status: int = TOO_MANY_REQUESTS
    retry_after: int | str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """The account's limits, and the answers to calls beyond them. None means no limit."""

    daily_calls: int | None = DAILY_CALLS
    connections: int | None = CONNECTIONS
    over_quota: Refusal = Refusal()
    over_connections: Refusal = Refusal()


@dataclass(frozen=True, slots=True)
class Admission:
    """How a call compares with the limits at the time of its arrival.

    open_connections  the number of connections with an unfinished request, including this one
    """

    open_connections: int
    over_quota: bool
    over_connections: bool


@dataclass(frozen=True, slots=True)
class Usage:
    """The account's calls of today and its connections."""

    calls_today: int
    open_connections: int
    max_connections: int


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Account:
    """One organisation at the vendor. A test may use it from its own thread while the server runs.

    time_zone  the organisation's time zone, in which its day begins
    clock      returns the current time with its time zone
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
        """The current limits. They can be changed by assignment, also while the server runs."""
        with self._lock:
            return self._limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        with self._lock:
            self._limits = limits

    def change_credentials(self, company_id: int, integration_key: str) -> None:
        """Accept only these credentials from now on, as after a rotation at the vendor."""
        with self._lock:
            self._company_id, self._integration_key = company_id, integration_key

    def accepts(self, company_id: int, integration_key: str) -> bool:
        """Return whether the credentials are the account's. The key is compared in constant time."""
        with self._lock:
            right_key = hmac.compare_digest(integration_key.encode(), self._integration_key.encode())
            return right_key and company_id == self._company_id

    @contextmanager
    def call(self) -> Iterator[Admission]:
        """Count a call of today and, until the end of the block, an open connection."""
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
        """Return what is used. As documented, a day's count starts with the first call after midnight."""
        with self._lock:
            return Usage(self._calls_today, self._open, self._max_open)

    def set_calls_today(self, calls: int) -> None:
        """Set the number of calls of today."""
        with self._lock:
            self._turn_day()
            self._calls_today = calls

    def _turn_day(self) -> None:
        today = self._clock().astimezone(self._time_zone).date()
        if today != self._day:
            self._day, self._calls_today = today, 0

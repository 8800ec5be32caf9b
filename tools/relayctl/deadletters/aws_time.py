"""The current time by AWS's clock.

AWS wrote the timestamps of the messages, so an age that is measured with this machine's clock would be wrong
if that clock is wrong.
"""

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any


class AwsClock:
    """The time from the `Date` header of AWS's last answer. Before the first answer, the local time."""

    def __init__(self, local: Callable[[], float] = time.time) -> None:
        """Use a local clock, in seconds since the epoch, for the time that passes between two answers."""
        self._local = local
        self._ahead_secs = 0.0

    def now(self) -> float:
        """Return the time in seconds since the epoch."""
        return self._local() + self._ahead_secs

    def observe(self, client: Any) -> Any:
        """Read the date of every answer that a boto3 client receives, and return the client."""
        client.meta.events.register("after-call", self._read_date)
        return client

    def _read_date(self, http_response: Any, **_: Any) -> None:
        try:
            date = parsedate_to_datetime(http_response.headers["date"])
        except (KeyError, TypeError, ValueError):
            return
        self._ahead_secs = date.timestamp() - self._local()

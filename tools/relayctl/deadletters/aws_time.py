"""AWS's time: the age of a message depends on the clock that wrote its timestamp, not on this machine's."""

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any


class AwsClock:
    """The time by the `Date` header of AWS's last answer; before the first answer by this machine's clock."""

    def __init__(self, local: Callable[[], float] = time.time) -> None:
        """Take the time that passes between two answers from a local clock."""
        self._local = local
        self._ahead = 0.0

    def now(self) -> float:
        """Return seconds since the epoch."""
        return self._local() + self._ahead

    def listen(self, client: Any) -> Any:
        """Read the header of each answer that a boto3 client gets, and return the client."""
        client.meta.events.register("after-call", self._answered)
        return client

    def _answered(self, http_response: Any, **_: Any) -> None:
        try:
            date = parsedate_to_datetime(http_response.headers["date"])
        except (KeyError, TypeError, ValueError):
            return
        self._ahead = date.timestamp() - self._local()

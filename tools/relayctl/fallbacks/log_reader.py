"""Read the log lines of events that only a fallback source took."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from relayctl.logs import LogGroup, OnPage

#: The lines are JSON objects, and CloudWatch Logs compares the field.
_MESSAGE: Final = "fallback"
_PATTERN: Final = f'{{ $.message = "{_MESSAGE}" }}'
_NAMES: Final = ("eventbridge_source", "eventbridge_detail_type", "topic", "queue", "unrouted")


@dataclass(frozen=True, slots=True)
class FallbackLine:
    """One log line.

    names  the names under which AWS delivered the event, and as `unrouted` the sources that would take it if
           they had a route, by the log line's keys
    at     seconds since the epoch
    """

    source: str
    names: tuple[tuple[str, str], ...]
    at: float


class FallbackLog:
    """The log group of the function `deliver`."""

    def __init__(self, logs: Any, group: str) -> None:
        """Use a client of CloudWatch Logs."""
        self._group = LogGroup(logs, group)

    @property
    def is_complete(self) -> bool:
        """Whether the reading has not ended at a limit."""
        return self._group.is_complete

    def lines(
        self,
        since: float,
        stop: Callable[[], bool] = lambda: False,
        on_page: OnPage = lambda _pages, _lines: None,
    ) -> Iterator[FallbackLine]:
        """Yield the lines since a time, in seconds since the epoch."""
        return self._group.read(_PATTERN, since, _line, stop, on_page)


def _line(event: Any) -> FallbackLine | None:
    """Return a line of the log; None for one that has another form."""
    try:
        written = json.loads(event["message"])
        if written["message"] != _MESSAGE:  # a local AWS does not filter by fields
            return None
        names = tuple((key, str(written[key])) for key in _NAMES if key in written)
        return FallbackLine(str(written["source"]), names, event["timestamp"] / 1000)
    except (KeyError, TypeError, ValueError):
        return None

"""Read the log lines of events that only a fallback source took, page by page and within limits."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

#: The lines are JSON objects, and CloudWatch Logs compares the field.
_MESSAGE: Final = "fallback"
_PATTERN: Final = f'{{ $.message = "{_MESSAGE}" }}'
#: Pages that are read at most. A page can be empty: CloudWatch looks at a part of the log for each.
MOST_PAGES: Final = 500
#: Lines that are read at most.
MOST_LINES: Final = 20_000
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
    """The log group of the function `deliver`.

    is_complete  False if the reading has ended at a limit
    """

    def __init__(self, logs: Any, group: str) -> None:
        """Use a client of CloudWatch Logs."""
        self._logs = logs
        self._group = group
        self.is_complete = True

    def lines(
        self,
        since: float,
        stop: Callable[[], bool] = lambda: False,
        on_page: Callable[[int, int], None] = lambda _pages, _lines: None,
    ) -> Iterator[FallbackLine]:
        """Yield the lines since a time, in seconds since the epoch.

        on_page  is called after each page with the number of pages and of lines that were read
        """
        wanted = {"logGroupName": self._group, "filterPattern": _PATTERN, "startTime": int(since * 1000)}
        found = 0
        for page in range(1, MOST_PAGES + 1):
            answer = self._logs.filter_log_events(**wanted)
            for event in answer.get("events", []):
                if line := _line(event):
                    found += 1
                    yield line
            on_page(page, found)
            token = answer.get("nextToken")
            if not token:
                return
            if stop() or found >= MOST_LINES:
                break
            wanted["nextToken"] = token
        self.is_complete = False


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

"""Read a log group of CloudWatch Logs, page by page and within limits."""

from collections.abc import Callable, Iterator
from typing import Any, Final

#: Pages that are read at most. A page can be empty: CloudWatch looks at a part of the log for each.
MOST_PAGES: Final = 500
#: Lines that are read at most.
MOST_LINES: Final = 20_000

#: Is called after each page with the number of pages and of wanted lines that were read.
type OnPage = Callable[[int, int], None]


class LogGroup:
    """One log group.

    is_complete  False if the last reading has ended at a limit
    """

    def __init__(self, logs: Any, name: str) -> None:
        """Use a client of CloudWatch Logs."""
        self._logs = logs
        self.name = name
        self.is_complete = True

    def read[T](
        self,
        pattern: str,
        since: float,
        read_event: Callable[[Any], T | None],
        stop: Callable[[], bool] = lambda: False,
        on_page: OnPage = lambda _pages, _lines: None,
    ) -> Iterator[T]:
        """Yield what `read_event` makes of each event of the log since a time, unless that is None.

        pattern     a filter pattern of CloudWatch Logs. A local AWS does not filter by fields
        since       seconds since the epoch
        read_event  takes an event of FilterLogEvents

        Raises boto3's errors.
        """
        wanted = {"logGroupName": self.name, "filterPattern": pattern, "startTime": int(since * 1000)}
        self.is_complete = True
        found = 0
        for page in range(1, MOST_PAGES + 1):
            answer = self._logs.filter_log_events(**wanted)
            for event in answer.get("events", []):
                if (read := read_event(event)) is not None:
                    found += 1
                    yield read
            on_page(page, found)
            token = answer.get("nextToken")
            if not token:
                return
            if stop() or found >= MOST_LINES:
                break
            wanted["nextToken"] = token
        self.is_complete = False

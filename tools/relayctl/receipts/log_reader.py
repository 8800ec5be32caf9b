"""Read the log lines of both functions of a stack: those about one id, or all of them as they grow."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

from push_relay.core.event import safe_id
from relayctl.logs import LogGroup, OnPage
from relayctl.receipts.line import FUNCTIONS, NO_ID, LogLine, read_line
from relayctl.receipts.story import in_order

#: Seconds before the newest line that are read again, because CloudWatch Logs may show a line late.
OVERLAP_SECS: Final = 30.0
#: The relay's own lines have a level. Metrics and Lambda's own lines have none.
_EVERY_LINE: Final = '{ ($.level = "INFO") || ($.level = "WARNING") || ($.level = "ERROR") }'


def group_of(stack: str, function: str) -> str:
    """Return the name of a function's log group, as the template names it."""
    return f"/aws/lambda/{stack}-{function}"


class ReceiptLog:
    """The log groups of a stack's functions. Every method raises boto3's errors."""

    def __init__(self, logs: Any, stack: str) -> None:
        """Use a client of CloudWatch Logs."""
        self._tails = {function: _Tail(LogGroup(logs, group_of(stack, function))) for function in FUNCTIONS}

    @property
    def is_complete(self) -> bool:
        """Whether the last reading has not ended at a limit."""
        return all(tail.group.is_complete for tail in self._tails.values())

    def about(
        self,
        wanted: str,
        since: float,
        stop: Callable[[], bool] = lambda: False,
        on_page: OnPage = lambda _pages, _lines: None,
    ) -> list[LogLine]:
        """Return the lines about an id since a time (seconds since the epoch), in the order of time.

        The id is that of an event, as it is logged or as its sender writes it, or a correlation id.
        """
        name = safe_id(wanted, NO_ID)
        found: list[LogLine] = []
        for function, tail in self._tails.items():

            def read(event: Any, function: str = function) -> LogLine | None:
                line = _line(event, function)
                return line if line and line.is_about(name) else None

            found += tail.group.read(f'"{name}"', since, read, stop, on_page)
        return in_order(found)

    def new_lines(self, start: float, stop: Callable[[], bool] = lambda: False) -> list[LogLine]:
        """Return the lines that no earlier call has returned, in the order of time.

        start  the time from which the first call reads, in seconds since the epoch. A further call reads from
               shortly before the newest line
        """
        events = [
            (event, function)
            for function, tail in self._tails.items()
            for event in tail.new_events(start, stop)
        ]
        lines = [line for event, function in events if (line := _line(event, function))]
        return in_order(lines)


class _Tail:
    """The end of a log group: which of its events were read already."""

    def __init__(self, group: LogGroup) -> None:
        self.group = group
        self._newest = 0.0
        self._seen: Counter[Any] = Counter()

    def new_events(self, start: float, stop: Callable[[], bool]) -> Iterator[Any]:
        """Yield the events that are not among those of the reading before."""
        here: Counter[Any] = Counter()
        begin = max(start, self._newest - OVERLAP_SECS)
        for event in self.group.read(_EVERY_LINE, begin, lambda event: event, stop):
            self._newest = max(self._newest, event["timestamp"] / 1000)
            # A local AWS gives events no id. Two equal lines of one invocation are two lines.
            key = event.get("eventId") or (event.get("logStreamName"), event["timestamp"], event["message"])
            here[key] += 1
            if here[key] > self._seen[key]:
                yield event
        self._seen = here


def _line(event: Any, function: str) -> LogLine | None:
    return read_line(event["message"], function, event["timestamp"] / 1000)

"""The events that wait, as a table for people and as JSON for programs."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from relayctl.backlog.reading import WaitingSummary
from relayctl.deadletters.listing import format_age, iso_time

#: The number of rows that fit on a screen.
ROWS: Final = 20
#: Columns for the widest row; a row that is wider would be folded.
_WIDEST: Final = 1000
_QUEUED: Final = (
    "Not listed: events that are in the queue, new ones and those that wait for less than a minute"
)


@dataclass(frozen=True, slots=True)
class WaitingListing:
    """The events that wait, urgent ones first, in the order in which each account sends it.

    now  the time of the listing, in seconds since the epoch
    """

    stack: str
    summaries: Sequence[WaitingSummary]
    now: float

    def as_json(self, rows: int | None = None) -> dict[str, Any]:
        """Return the JSON object that docs/operations.md describes, with at most so many entries."""
        return {
            "stack": self.stack,
            "count": len(self.summaries),
            "by_reason": dict(Counter(each.reason for each in self.summaries).most_common()),
            "by_account": dict(Counter(each.account for each in self.summaries).most_common()),
            "entries": [_entry(each, self.now) for each in self.summaries[:rows]],
        }

    def show(self, console: Console, rows: int = ROWS) -> None:
        """Print the number of events by reason, then the first events."""
        number = len(self.summaries)
        console.print(
            Text(f"{number} event{'' if number == 1 else 's'} waiting ({self.stack})", style="bold")
        )
        if self.summaries:
            for table in (self._reasons(), self._events(rows)):
                _print_unfolded(console, table)
            if number > rows:
                console.print(f"... and {number - rows} more (--limit N shows more)")
            console.print("The meaning of each reason: docs/errors.md", style="dim")
        console.print(_QUEUED, style="dim", soft_wrap=True)

    def _reasons(self) -> Table:
        table = Table("reason", "account", "count", "next", "last", box=None, pad_edge=False)
        groups = Counter((each.reason, each.account) for each in self.summaries)
        for (reason, account), number in groups.most_common():
            whens = [each.when for each in self.summaries if (each.reason, each.account) == (reason, account)]
            first, last = (_distance(when, self.now) for when in (min(whens), max(whens)))
            table.add_row(Text(reason), Text(account), str(number), first, last)
        return table

    def _events(self, rows: int) -> Table:
        table = Table(box=None, pad_edge=False)
        for name in ("account", "priority", "source", "event", "reason", "sent", "stored", "attempt"):
            table.add_column(name)
        for each in self.summaries[:rows]:
            cells = (
                each.account,
                _priority(each),
                each.source,
                each.event_id,
                each.reason,
                _sent(each, self.now),
                _stored(each, self.now),
            )
            table.add_row(*map(Text, cells), str(each.attempt))
        return table


def _print_unfolded(console: Console, table: Table) -> None:
    """Print a table with each row on one line, however narrow the terminal is: people copy ids from it."""
    table.width = Measurement.get(console, console.options.update(width=_WIDEST), table).maximum
    console.print(table, soft_wrap=True)


def _priority(summary: WaitingSummary) -> str:
    return "urgent" if summary.is_urgent else "normal"


def _sent(summary: WaitingSummary, now: float) -> str:
    """Return when an event is probably sent, in local time, and how far away that is."""
    if summary.when <= now:
        return _distance(summary.when, now)
    local, today = datetime.fromtimestamp(summary.when).astimezone(), datetime.fromtimestamp(now).astimezone()
    shown = f"{local:%H:%M:%S}" if local.date() == today.date() else f"{local:%Y-%m-%d %H:%M}"
    return f"{shown} ({_distance(summary.when, now)})"


def _stored(summary: WaitingSummary, now: float) -> str:
    """Return how long ago an event was put where it waits now."""
    return f"{format_age(now - summary.stored_at)} ago" if summary.stored_at else "-"


def _distance(when: float, now: float) -> str:
    """Return how far away a time is. An event without a time, or whose time has come, is sent in its turn."""
    return f"in {format_age(when - now)}" if when > now else "in its turn"


def _entry(summary: WaitingSummary, now: float) -> dict[str, Any]:
    return {
        "account": summary.account,
        "priority": _priority(summary),
        "source": summary.source,
        "event_id": summary.event_id,
        "reason": summary.reason,
        "due": iso_time(summary.due) if summary.due else None,
        "expected": iso_time(summary.when) if summary.when else None,
        "in_secs": max(0, round(summary.when - now)) if summary.when else None,
        "attempt": summary.attempt,
        "tries": summary.tries,
        "stored_at": iso_time(summary.stored_at) if summary.stored_at else None,
    }

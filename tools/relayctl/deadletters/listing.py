"""Dead letters or parked pushes as a table for people and as JSON for programs."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from relayctl.deadletters.dead_letter import DeadLetterSummary
from relayctl.deadletters.queue import Counts

#: The number of rows that fit on a screen. `--all` prints every row.
ROWS: Final = 20
_UNLISTED: Final = (
    "Not listed, but in the queue: pushes that wait for the end of a batch window, and events that were"
    " parked before they were claimed (claim_held, connections_busy, out_of_time, ledger_unavailable)"
)
_UNITS: Final = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))


@dataclass(frozen=True, slots=True)
class Listing:
    """Summaries of one kind (`dead` or `parked`), oldest first.

    now     the time of the listing, in seconds since the epoch
    hidden  the number of dead letters that another reader has received and that are not visible now
    queue   message counts of the relay's queue, for parked pushes; None if they were not read
    """

    kind: str
    stack: str
    summaries: Sequence[DeadLetterSummary]
    now: float
    hidden: int = 0
    queue: Counts | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the JSON object that docs/operations.md describes."""
        return {
            "kind": self.kind,
            "stack": self.stack,
            "count": len(self.summaries),
            "hidden": self.hidden,
            "by_error_code": dict(Counter(summary.error_code for summary in self.summaries).most_common()),
            "by_source": dict(Counter(summary.source for summary in self.summaries).most_common()),
            "entries": [_row(summary, self.now) for summary in self.summaries],
            **({"queue": _counts_json(self.queue)} if self.queue else {}),
        }

    def show(self, console: Console, rows: int | None = ROWS) -> None:
        """Print the counts by error code and source, then the oldest summaries. `rows=None` prints all."""
        noun = f"{self.kind} {'message' if self.kind == 'dead' else 'push'}"
        plural = noun + ("s" if self.kind == "dead" else "es")
        number = len(self.summaries)
        console.print(Text(f"{number} {noun if number == 1 else plural} ({self.stack})", style="bold"))
        if self.summaries:
            self._show_summaries(console, rows)
        if self.queue:
            counts = _counts_json(self.queue)
            console.print(
                f"{sum(counts.values())} messages are in the queue: {counts['visible']} visible,"
                f" {counts['delayed']} delayed, {counts['in_hand']} in flight"
            )
        if self.kind == "parked":
            console.print(_UNLISTED, style="dim")

    def _show_summaries(self, console: Console, rows: int | None) -> None:
        console.print(self._counts_table(), self._summaries_table(self.summaries[:rows]), sep="\n")
        if rows is not None and len(self.summaries) > rows:
            console.print(f"... and {len(self.summaries) - rows} newer ones (--all shows them)")
        console.print("What to do first for each error code: docs/errors.md", style="dim")

    def _counts_table(self) -> Table:
        table = Table("error code", "source", "count", "oldest", "newest", box=None, pad_edge=False)
        groups = Counter((summary.error_code, summary.source) for summary in self.summaries)
        for (code, source), number in groups.most_common():
            ages = [e.since for e in self.summaries if (e.error_code, e.source) == (code, source)]
            oldest, newest = format_age(self.now - min(ages)), format_age(self.now - max(ages))
            table.add_row(Text(code), Text(source), str(number), oldest, newest)
        return table

    def _summaries_table(self, summaries: Sequence[DeadLetterSummary]) -> Table:
        table = Table(box=None, pad_edge=False)
        id_chars = short_id_chars(self.summaries)
        for name in ("id", "age", "error code", "source", "event"):
            table.add_column(name, overflow="fold", no_wrap=name in ("id", "age", "error code"))
        if self.kind == "dead":
            table.add_column("bytes", justify="right")
        for summary in summaries:
            age = format_age(self.now - summary.since)
            cells = [summary.id[:id_chars], age, summary.error_code, summary.source, summary.event_id]
            if summary.size_bytes is not None:
                cells.append(str(summary.size_bytes))
            table.add_row(*map(Text, cells))
        return table


def short_id_chars(summaries: Sequence[DeadLetterSummary]) -> int:
    """Return the number of characters, at least 8, after which all ids differ."""
    ids = {summary.id for summary in summaries}
    lengths = range(8, max(map(len, ids), default=8) + 1)
    return next((length for length in lengths if len({i[:length] for i in ids}) == len(ids)), 64)


def iso_time(moment: float) -> str:
    """Return a time (seconds since the epoch) in ISO 8601, to the second."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def format_age(age_secs: float) -> str:
    """Return an age as one number and one unit: 40s, 12m, 3h, 2d."""
    return next((f"{int(age_secs // unit)}{name}" for name, unit in _UNITS if age_secs >= unit), "0s")


def _counts_json(queue: Counts) -> dict[str, int]:
    return {"visible": queue.visible, "delayed": queue.delayed, "in_hand": queue.hidden}


def _row(summary: DeadLetterSummary, now: float) -> dict[str, Any]:
    return {
        "id": summary.id,
        "error_code": summary.error_code,
        "source": summary.source,
        "event_id": summary.event_id,
        "since": iso_time(summary.since),
        "age_secs": max(0, round(now - summary.since)),
        "size_bytes": summary.size_bytes,
    }

"""What is dead or parked, as a table for people and as JSON for programs."""

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

#: Rows that a screen holds; --all shows the others.
ROWS: Final = 20
_UNLISTED: Final = (
    "Not listed, but in the queue: what waits in a digest, and what was parked before the ledger knew it"
    " (claim_held, connections_busy, out_of_time, ledger_unavailable)"
)
_UNITS: Final = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))


@dataclass(frozen=True, slots=True)
class Listing:
    """Entries of one kind (`dead` or `parked`), oldest first.

    hidden  dead messages that somebody else holds just now
    queue   how the relay's own queue stands, beside what is parked; None where it was not asked
    """

    kind: str
    stack: str
    entries: Sequence[DeadLetterSummary]
    now: float
    hidden: int = 0
    queue: Counts | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the document that docs/operations.md describes."""
        return {
            "kind": self.kind,
            "stack": self.stack,
            "count": len(self.entries),
            "hidden": self.hidden,
            "by_error_code": dict(Counter(entry.error_code for entry in self.entries).most_common()),
            "by_source": dict(Counter(entry.source for entry in self.entries).most_common()),
            "entries": [_row(entry, self.now) for entry in self.entries],
            **({"queue": _stand(self.queue)} if self.queue else {}),
        }

    def show(self, console: Console, rows: int | None = ROWS) -> None:
        """Print the count by error code and source, then the oldest entries."""
        what = f"{self.kind} {'message' if self.kind == 'dead' else 'push'}"
        plural = {1: what}.get(len(self.entries), what + ("s" if self.kind == "dead" else "es"))
        console.print(Text(f"{len(self.entries)} {plural} ({self.stack})", style="bold"))
        if self.entries:
            self._show_entries(console, rows)
        if self.queue:
            stand = _stand(self.queue)
            console.print(
                f"{sum(stand.values())} messages wait in the queue: {stand['visible']} to be taken,"
                f" {stand['delayed']} delayed, {stand['in_hand']} in hand"
            )
        if self.kind == "parked":
            console.print(_UNLISTED, style="dim")

    def _show_entries(self, console: Console, rows: int | None) -> None:
        console.print(self._counts(), self._entries(self.entries[:rows]), sep="\n")
        if rows is not None and len(self.entries) > rows:
            console.print(f"... and {len(self.entries) - rows} newer ones (--all shows them)")
        console.print("What to do first for each error code: docs/errors.md", style="dim")

    def _counts(self) -> Table:
        table = Table("error code", "source", "count", "oldest", "newest", box=None, pad_edge=False)
        groups = Counter((entry.error_code, entry.source) for entry in self.entries)
        for (code, source), number in groups.most_common():
            ages = [e.since for e in self.entries if (e.error_code, e.source) == (code, source)]
            oldest, newest = age(self.now - min(ages)), age(self.now - max(ages))
            table.add_row(Text(code), Text(source), str(number), oldest, newest)
        return table

    def _entries(self, entries: Sequence[DeadLetterSummary]) -> Table:
        table = Table(box=None, pad_edge=False)
        width = short(self.entries)
        for name in ("id", "age", "error code", "source", "event"):
            table.add_column(name, overflow="fold", no_wrap=name in ("id", "age", "error code"))
        if self.kind == "dead":
            table.add_column("bytes", justify="right")
        for entry in entries:
            told = (entry.id[:width], age(self.now - entry.since), entry.error_code, entry.source)
            size = () if entry.size is None else (str(entry.size),)
            table.add_row(*map(Text, (*told, entry.event_id, *size)))
        return table


def short(entries: Sequence[DeadLetterSummary]) -> int:
    """Return how many characters of an id tell the entries apart."""
    ids = {entry.id for entry in entries}
    lengths = range(8, max(map(len, ids), default=8) + 1)
    return next((length for length in lengths if len({i[:length] for i in ids}) == len(ids)), 64)


def age(seconds: float) -> str:
    """Say a duration as people do: 40s, 12m, 3h, 2d."""
    return next((f"{int(seconds // unit)}{name}" for name, unit in _UNITS if seconds >= unit), "0s")


def _stand(queue: Counts) -> dict[str, int]:
    return {"visible": queue.visible, "delayed": queue.delayed, "in_hand": queue.hidden}


def _row(entry: DeadLetterSummary, now: float) -> dict[str, Any]:
    return {
        "id": entry.id,
        "error_code": entry.error_code,
        "source": entry.source,
        "event_id": entry.event_id,
        "since": datetime.fromtimestamp(entry.since, UTC).isoformat(timespec="seconds"),
        "age_secs": max(0, round(now - entry.since)),
        "size_bytes": entry.size,
    }

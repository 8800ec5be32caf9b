"""The progress of a replay while it runs, and its result at the end."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from relayctl.deadletters.replaying import ReplayResult

#: How often a line is printed if the output is not a terminal.
_LINE_INTERVAL_SECS: Final = 5.0

#: Is called with the number of messages that were tried so far.
type Advance = Callable[[int], None]


@contextmanager
def progress(console: Console, doing: str, total: int) -> Iterator[Advance]:
    """Show a progress bar on a terminal. If the output is not a terminal, print a line every few seconds."""
    if not console.is_terminal:
        yield _lines(console, doing, total)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda done: bar.update(task, completed=done)


def _lines(console: Console, doing: str, total: int) -> Advance:
    last = time.monotonic()

    def advance(done: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _LINE_INTERVAL_SECS:
            last = time.monotonic()
            console.print(f"{doing}: {done} of {total}")

    return advance


def print_result(console: Console, result: ReplayResult, wanted: int, *, interrupted: bool) -> int:
    """Print what was done, and return the exit code: 0 if all wanted messages were replayed, else 1."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_row("replayed", str(len(result.replayed)))
    if result.in_both:
        table.add_row(
            "sent, but still in the dead-letter queue (another replay of them gives duplicates)",
            str(len(result.in_both)),
        )
    for reason, number in Counter(result.not_replayed.values()).items():
        table.add_row(f"still dead: {reason}", str(number))
    if wanted > result.reached:
        reason = "interrupted" if interrupted else "no longer found"
        table.add_row(f"not replayed: {reason}", str(wanted - result.reached))
    console.print(table)
    return 0 if len(result.replayed) == wanted else 1

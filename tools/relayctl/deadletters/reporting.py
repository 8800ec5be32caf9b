"""What a replay says while it runs and when it has ended."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from relayctl.deadletters.replaying import Result

_LINE_SECS: Final = 5.0


type Advance = Callable[[int], None]  # hears how many are done


@contextmanager
def progress(console: Console, doing: str, total: int) -> Iterator[Advance]:
    """Show a bar on a terminal; elsewhere a line now and then."""
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
        if time.monotonic() - last >= _LINE_SECS:
            last = time.monotonic()
            console.print(f"{doing}: {done} of {total}")

    return advance


def summary(console: Console, result: Result, wanted: int, *, interrupted: bool) -> int:
    """Print what was done; return the exit code: 0 where all was replayed that was wanted."""
    kept = Counter(result.kept.values())
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_row("replayed", str(len(result.replayed)))
    if result.in_both:
        table.add_row(
            "sent, but still in the dead-letter queue (a second replay makes duplicates)",
            str(len(result.in_both)),
        )
    for reason, number in kept.items():
        table.add_row(f"left where it is: {reason}", str(number))
    if wanted > result.reached:
        why = "interrupted" if interrupted else "not found any more"
        table.add_row(f"not replayed: {why}", str(wanted - result.reached))
    console.print(table)
    return 0 if len(result.replayed) == wanted else 1

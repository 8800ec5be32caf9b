"""Look at what is dead: read every message once, keep what may be told, give everything back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from signal import SIGINT, SIGTERM, signal
from threading import Event as Flag

from rich.console import Console

from relayctl.deadletters.dead_letter import DeadLetter, DeadLetterSummary, Filter
from relayctl.deadletters.queue import Counts, DeadLetterQueue


@contextmanager
def stopped_by_ctrl_c() -> Iterator[Flag]:
    """Turn Ctrl-C and SIGTERM into a flag, so that what is under way is finished first."""
    stop = Flag()
    before = {}
    with suppress(ValueError):  # only the main thread hears of signals
        before = {number: signal(number, lambda *_: stop.set()) for number in (SIGINT, SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal(number, handler)


def look(
    queue: DeadLetterQueue,
    wanted: Filter,
    now: Callable[[], float],
    stop: Flag,
    seen: Callable[[DeadLetter, DeadLetterSummary], None] = lambda _letter, _entry: None,
) -> list[DeadLetterSummary]:
    """Return the entries that are meant, oldest first; `seen` gets each with its message."""
    entries = []
    with queue:
        for letter in queue.letters(stop.is_set):
            entry = letter.entry()
            if wanted.fits(entry, now()):
                entries.append(entry)
                seen(letter, entry)
    return sorted(entries, key=lambda entry: entry.since)


def warn(console: Console, counts: Counts) -> None:
    """Tell what makes the list incomplete, or the looking unsafe."""
    if counts.hidden:
        console.print(
            f"note: {counts.hidden} more are held by somebody who looks at them just now, or whose look was"
            " broken off; they come back within minutes",
            style="yellow",
        )
    if counts.moves_on:
        console.print(
            "warning: the dead-letter queue has a redrive policy of its own: a message that is looked at too"
            " often moves on from it",
            style="yellow",
        )

"""One pass over the dead-letter queue: read every message, and make all of them visible again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from signal import SIGINT, SIGTERM, signal
from threading import Event as Flag

from rich.console import Console

from relayctl.deadletters.dead_letter import DeadLetter, DeadLetterSummary, Filter
from relayctl.deadletters.queue import Counts, DeadLetterQueue


@contextmanager
def stopped_by_ctrl_c() -> Iterator[Flag]:
    """Return a flag that Ctrl-C and SIGTERM set, so that the program can finish its current message first."""
    stop = Flag()
    before = {}
    with suppress(ValueError):  # signal handlers can be set only in the main thread
        before = {number: signal(number, lambda *_: stop.set()) for number in (SIGINT, SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal(number, handler)


def scan_queue(
    queue: DeadLetterQueue,
    wanted: Filter,
    now: Callable[[], float],
    stop: Flag,
    on_match: Callable[[DeadLetter, DeadLetterSummary], None] = lambda _dead_letter, _summary: None,
) -> list[DeadLetterSummary]:
    """Return the summaries of the dead letters that match the filter, oldest first.

    now       returns seconds since the epoch
    stop      ends the pass early
    on_match  is called with every dead letter that matches, and its summary
    """
    summaries = []
    with queue:
        for dead_letter in queue.dead_letters(stop.is_set):
            summary = dead_letter.summary()
            if wanted.matches(summary, now()):
                summaries.append(summary)
                on_match(dead_letter, summary)
    return sorted(summaries, key=lambda summary: summary.since)


def print_warnings(console: Console, counts: Counts) -> None:
    """Print a warning if the list is incomplete, or if reading the queue can move messages."""
    if counts.hidden:
        console.print(
            f"note: {counts.hidden} more messages are hidden, because another reader has received them; they"
            " become visible again within minutes",
            style="yellow",
        )
    if counts.has_redrive_policy:
        console.print(
            "warning: the dead-letter queue has a redrive policy: SQS moves a message out of it if it is read"
            " too often",
            style="yellow",
        )

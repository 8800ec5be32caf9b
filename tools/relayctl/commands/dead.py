"""List what is dead or parked: error code, source, event, age. Never what it says, unless --show.

SQS can be listed only by receiving: the messages are hidden for the moments that it takes, and given back,
also on Ctrl-C. Nothing is deleted. Exit codes: 0 listed, 1 not (or --show found none), 2 wrong arguments.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from relayctl.deadletters import options

if TYPE_CHECKING:
    from relayctl.deadletters.listing import Listing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    options.add_filter(parser)
    options.add_place(parser)
    form = parser.add_argument_group("what to show")
    form.add_argument("--parked", action="store_true", help="the pushes that wait, instead of the dead")
    form.add_argument("--all", action="store_true", help="every row of the table")
    form.add_argument("--json", action="store_true", help="for programs")
    form.add_argument("--show", metavar="ID", help="print one message's body; it may hold personal data")


def run(arguments: argparse.Namespace) -> int:
    """List, and return the exit code."""
    from relayctl.deadletters.place import DeadLettersError  # noqa: PLC0415 - only what runs is imported

    try:
        if arguments.show:
            return _show(arguments)
        return _parked(arguments) if arguments.parked else _dead(arguments)
    except DeadLettersError as exc:
        print(f"dead: {exc}", file=sys.stderr)
    except options.aws_errors() as exc:
        print(f"dead: {options.said(exc)}", file=sys.stderr)
    return 1


def _dead(arguments: argparse.Namespace) -> int:
    from rich.console import Console  # noqa: PLC0415 - only what runs is imported

    from relayctl.deadletters.aws_time import AwsClock  # noqa: PLC0415
    from relayctl.deadletters.listing import Listing  # noqa: PLC0415
    from relayctl.deadletters.place import client  # noqa: PLC0415
    from relayctl.deadletters.queue import DeadLetterQueue  # noqa: PLC0415
    from relayctl.deadletters.scan import look, stopped_by_ctrl_c, warn  # noqa: PLC0415

    place = options.chosen_place(arguments).needs("dead_letter_url")
    clock = AwsClock()
    queue = DeadLetterQueue(clock.listen(client("sqs")), place.dead_letter_url)
    counts = queue.counts()
    with stopped_by_ctrl_c() as stop:
        entries = look(queue, options.chosen_filter(arguments), clock.now, stop)
    warn(Console(stderr=True), counts)
    _print(Listing("dead", place.name, entries, clock.now(), counts.hidden), arguments)
    if stop.is_set():
        print("dead: interrupted: the list is not whole; all messages were given back", file=sys.stderr)
    return 1 if stop.is_set() else 0


def _parked(arguments: argparse.Namespace) -> int:
    from relayctl.deadletters.aws_time import AwsClock  # noqa: PLC0415 - only what runs is imported
    from relayctl.deadletters.listing import Listing  # noqa: PLC0415
    from relayctl.deadletters.parked import LedgerReader  # noqa: PLC0415
    from relayctl.deadletters.place import client  # noqa: PLC0415
    from relayctl.deadletters.queue import counts_of  # noqa: PLC0415

    place = options.chosen_place(arguments).needs("table")
    wanted, clock = options.chosen_filter(arguments), AwsClock()
    ledger = LedgerReader(clock.listen(client("dynamodb")), place.table, clock.now)
    entries = [entry for entry in ledger.parked() if wanted.fits(entry, clock.now())]
    entries.sort(key=lambda entry: entry.since)
    queue = None
    if place.queue_url:
        try:
            queue = counts_of(client("sqs"), place.queue_url)
        except options.aws_errors() as exc:
            # The list is the ledger's, and whole without it.
            print(f"dead: the queue was not counted: {options.said(exc)}", file=sys.stderr)
    _print(Listing("parked", place.name, entries, clock.now(), queue=queue), arguments)
    return 0


def _print(listing: "Listing", arguments: argparse.Namespace) -> None:
    from rich.console import Console  # noqa: PLC0415 - only what runs is imported

    from relayctl.deadletters.listing import ROWS  # noqa: PLC0415

    if arguments.json:
        print(json.dumps(listing.as_json(), indent=2))
    else:
        listing.show(Console(highlight=False), None if arguments.all else ROWS)


def _show(arguments: argparse.Namespace) -> int:
    """Print one message: what may be told to standard error, the body to standard output."""
    from relayctl.deadletters.dead_letter import DeadLetter, DeadLetterSummary, Filter  # noqa: PLC0415 - only what runs
    from relayctl.deadletters.place import client  # noqa: PLC0415
    from relayctl.deadletters.queue import DeadLetterQueue  # noqa: PLC0415
    from relayctl.deadletters.scan import look, stopped_by_ctrl_c  # noqa: PLC0415

    place = options.chosen_place(arguments).needs("dead_letter_url")
    found: list[tuple[DeadLetterSummary, DeadLetter]] = []

    def seen(letter: DeadLetter, entry: DeadLetterSummary) -> None:
        if entry.id.startswith(arguments.show) or entry.event_id == arguments.show:
            found.append((entry, letter))

    queue = DeadLetterQueue(client("sqs"), place.dead_letter_url)
    with stopped_by_ctrl_c() as stop:
        look(queue, Filter(), time.time, stop, seen)
    if len(found) != 1:
        many = f"{len(found)} messages fit" if found else "there is no dead message with"
        print(f"dead: {many} the id {arguments.show}", file=sys.stderr)
        return 1
    ((entry, letter),) = found
    print("\n".join(f"{name}: {value}" for name, value in asdict(entry).items()), file=sys.stderr)
    event = letter.unwrapped()
    print(_safe(json.dumps(asdict(event), indent=2) if event else letter.body))
    return 0


def _safe(body: str) -> str:
    """Keep a stranger's control characters from a person's terminal; a program gets the body as it is."""
    if not sys.stdout.isatty():
        return body
    return "".join(char if char.isprintable() or char in "\n\t" else f"\\x{ord(char):02x}" for char in body)

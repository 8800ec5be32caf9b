"""List dead letters, or parked pushes: error code, source, event and age.

The content of a message is printed only with --show. SQS can be listed only by receiving, so the messages are
hidden from other readers while the command runs; they are made visible again at the end, also after Ctrl-C.
Nothing is deleted. Exit codes: 0 if all were listed, 1 if not or if --show found no message, 2 for wrong
arguments.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

from relayctl.deadletters import options
from relayctl.terminal_text import printable

if TYPE_CHECKING:
    from relayctl.deadletters.listing import Listing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    options.add_filter(parser)
    options.add_resource_options(parser)
    output = parser.add_argument_group("output")
    output.add_argument("--parked", action="store_true", help="list parked pushes instead of dead letters")
    output.add_argument("--all", action="store_true", help="print every row of the table")
    output.add_argument("--json", action="store_true", help="print JSON for programs")
    output.add_argument("--show", metavar="ID", help="print one message's body; it may contain personal data")


def run(arguments: argparse.Namespace) -> int:
    """List the dead letters or parked pushes, and return the exit code."""
    listed = _list_parked if arguments.parked else _list_dead
    return options.reported("dead", partial(_show if arguments.show else listed, arguments))


def _list_dead(arguments: argparse.Namespace) -> int:
    from rich.console import Console

    from relayctl.deadletters.aws_time import AwsClock
    from relayctl.deadletters.listing import Listing
    from relayctl.deadletters.queue import DeadLetterQueue
    from relayctl.deadletters.scan import print_warnings, scan_queue, stopped_by_ctrl_c
    from relayctl.deadletters.stack_resources import client

    resources = options.chosen_resources(arguments).require("dead_letter_url")
    clock = AwsClock()
    queue = DeadLetterQueue(clock.observe(client("sqs")), resources.dead_letter_url)
    counts = queue.counts()
    with stopped_by_ctrl_c() as stop:
        summaries = scan_queue(queue, options.chosen_filter(arguments), clock.now, stop)
    print_warnings(Console(stderr=True), counts)
    _print(Listing("dead", resources.name, summaries, clock.now(), counts.hidden), arguments)
    if stop.is_set():
        print("dead: interrupted: the list is incomplete", file=sys.stderr)
    return 1 if stop.is_set() else 0


def _list_parked(arguments: argparse.Namespace) -> int:
    from relayctl.deadletters.aws_time import AwsClock
    from relayctl.deadletters.listing import Listing
    from relayctl.deadletters.parked import LedgerReader
    from relayctl.deadletters.queue import counts_of
    from relayctl.deadletters.stack_resources import client

    resources = options.chosen_resources(arguments).require("table")
    wanted, clock = options.chosen_filter(arguments), AwsClock()
    ledger = LedgerReader(clock.observe(client("dynamodb")), resources.table, clock.now)
    summaries = [summary for summary in ledger.parked() if wanted.matches(summary, clock.now())]
    summaries.sort(key=lambda summary: summary.since)
    queue = None
    if resources.queue_url:
        try:
            queue = counts_of(client("sqs"), resources.queue_url)
        except options.aws_errors() as exc:
            # The list comes from the ledger, so it is complete without the queue's counts.
            print(f"dead: the queue could not be counted: {options.describe_aws_error(exc)}", file=sys.stderr)
    _print(Listing("parked", resources.name, summaries, clock.now(), queue=queue), arguments)
    return 0


def _print(listing: "Listing", arguments: argparse.Namespace) -> None:
    from rich.console import Console

    from relayctl.deadletters.listing import ROWS

    if arguments.json:
        print(json.dumps(listing.as_json(), indent=2))
    else:
        listing.show(Console(highlight=False), None if arguments.all else ROWS)


def _show(arguments: argparse.Namespace) -> int:
    """Print one message: its summary to standard error, and its body to standard output."""
    from relayctl.deadletters.dead_letter import DeadLetter, DeadLetterSummary, Filter
    from relayctl.deadletters.queue import DeadLetterQueue
    from relayctl.deadletters.scan import scan_queue, stopped_by_ctrl_c
    from relayctl.deadletters.stack_resources import client

    resources = options.chosen_resources(arguments).require("dead_letter_url")
    found: list[tuple[DeadLetterSummary, DeadLetter]] = []

    def keep_if_chosen(dead_letter: DeadLetter, summary: DeadLetterSummary) -> None:
        if summary.id.startswith(arguments.show) or summary.event_id == arguments.show:
            found.append((summary, dead_letter))

    queue = DeadLetterQueue(client("sqs"), resources.dead_letter_url)
    with stopped_by_ctrl_c() as stop:
        scan_queue(queue, Filter(), time.time, stop, keep_if_chosen)
    if len(found) != 1:
        number = f"{len(found)} dead messages have" if found else "no dead message has"
        print(f"dead: {number} the id {arguments.show}", file=sys.stderr)
        return 1
    ((summary, dead_letter),) = found
    print("\n".join(f"{name}: {value}" for name, value in asdict(summary).items()), file=sys.stderr)
    event = dead_letter.unwrapped()
    print(_safe(json.dumps(asdict(event), indent=2) if event else dead_letter.body))
    return 0


def _safe(body: str) -> str:
    """Return a body as it is shown. A program gets it unchanged."""
    return printable(body) if sys.stdout.isatty() else body

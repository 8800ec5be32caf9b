"""List what waits in the backlog: account, priority, source, event, reason, and when it is sent.

No content of an event is printed. With --requeue, everything is put back into the queue, in the form that the
version before reads: do so before you deploy that version again (docs/operations.md, "Before a roll-back").
Ctrl-C ends it between two events, and a second run continues. Exit codes: 0 if everything was done, 1 if not,
2 for wrong arguments.
"""

import argparse
import json
import sys
from typing import TYPE_CHECKING

from relayctl.deadletters import options

if TYPE_CHECKING:
    from relayctl.backlog.listing import WaitingListing
    from relayctl.deadletters.stack_resources import StackResources


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--account", metavar="NAME", default="", help="only this account's (default: all)")
    parser.add_argument(
        "--limit", metavar="N", type=options.count, help="at most N events (default: 20, with --json all)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    requeue = parser.add_argument_group("roll-back")
    requeue.add_argument("--requeue", action="store_true", help="put everything back into the queue")
    requeue.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    options.add_backlog_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """List or requeue what waits, and return the exit code."""
    return options.reported("waiting", lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> int:
    resources = options.chosen_resources(arguments).require("backlog_table")
    if arguments.requeue:
        return _requeue(arguments, resources.require("queue_url"))
    from rich.console import Console

    from relayctl.backlog.listing import ROWS

    listing = _listing(arguments, resources)
    if arguments.json:
        print(json.dumps(listing.as_json(arguments.limit), indent=2))
    else:
        listing.show(Console(highlight=False), arguments.limit or ROWS)
    return 0


def _listing(arguments: argparse.Namespace, resources: "StackResources") -> "WaitingListing":
    from relayctl.backlog import reading
    from relayctl.backlog.listing import WaitingListing
    from relayctl.deadletters.aws_time import AwsClock
    from relayctl.deadletters.stack_resources import client

    clock = AwsClock()
    dynamodb, table = clock.observe(client("dynamodb")), resources.backlog_table
    shelves = reading.shelves(table, arguments.account)
    found = [each for shelf in shelves for each in reading.summaries(dynamodb, table, shelf)]
    return WaitingListing(resources.name, found, clock.now())


def _requeue(arguments: argparse.Namespace, resources: "StackResources") -> int:
    """Ask for confirmation, and put what waits back into the queue."""
    import time

    from rich.console import Console

    from push_relay.adapters.dynamodb.backlog import DynamoDbBacklog
    from push_relay.adapters.dynamodb.backlog_table import BacklogTable
    from push_relay.adapters.queue import SqsQueue
    from relayctl.backlog import reading
    from relayctl.backlog.requeuing import Requeuer
    from relayctl.deadletters.reporting import progress
    from relayctl.deadletters.scan import stopped_by_ctrl_c

    console = Console(highlight=False)
    listing = _listing(arguments, resources)
    number = len(listing.summaries[: arguments.limit])
    if not number:
        console.print(f"nothing waits ({resources.name})", markup=False)
        return 0
    console.print(f"{number} waiting ({resources.name}): {_counts(listing)}", markup=False)
    if not arguments.yes and (code := options.confirmed(console, "waiting", "Put them back into the queue?")):
        return code
    with stopped_by_ctrl_c() as stop, progress(console, "requeuing", number) as advance:
        requeuer = Requeuer(
            DynamoDbBacklog(BacklogTable(resources.backlog_table), time.time),
            SqsQueue(resources.queue_url, "", time.time),
            stop,
            lambda result: advance(result.requeued),
        )
        result = requeuer.requeue(reading.shelves(resources.backlog_table, arguments.account), number)
    console.print(f"requeued  {result.requeued}")
    if result.in_both:
        console.print(f"sent, but still in the backlog too (each is one push nevertheless)  {result.in_both}")
    if result.unreadable:
        console.print(f"still in the backlog, because it cannot be read  {result.unreadable}")
    if result.stopped_by:
        print(f"waiting: stopped: {result.stopped_by}; run the command again", file=sys.stderr)
    return 0 if result.requeued >= number else 1


def _counts(listing: "WaitingListing") -> str:
    return ", ".join(f"{number} {reason}" for reason, number in listing.as_json()["by_reason"].items())

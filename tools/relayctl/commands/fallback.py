"""List the events that only a fallback source took, and the routes or source folders that are worth writing.

The events are counted by kind: bus source and detail-type, topic, or queue. They are read from the log of the
function `deliver`, which holds names and never a payload. Exit codes: 0 if the log was read completely, 1 if
not, 2 for wrong arguments.
"""

import argparse
import json
import sys

_LATEST = "7d"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    from relayctl.deadletters import options

    parser.add_argument(
        "--stack", help="the stack's name, or `local` for the stack of `make run` (default: $RELAY_STACK)"
    )
    options.add_since(parser, _LATEST)
    parser.add_argument("--json", action="store_true", help="print JSON for programs")


def run(arguments: argparse.Namespace) -> int:
    """List what fell back, and return the exit code."""
    from relayctl.deadletters.options import reported

    return reported("fallback", lambda: _list(arguments))


def _list(arguments: argparse.Namespace) -> int:
    from rich.console import Console

    from relayctl.deadletters.aws_time import AwsClock
    from relayctl.deadletters.scan import stopped_by_ctrl_c
    from relayctl.fallbacks.listing import FallbackListing, kinds_of
    from relayctl.fallbacks.log_reader import FallbackLog
    from relayctl.receipts.line import DELIVER
    from relayctl.receipts.log_reader import group_of
    from relayctl.targets import chosen_to_read

    target, clock = chosen_to_read(arguments), AwsClock()
    log = FallbackLog(clock.observe(target.client("logs")), group_of(target.stack, DELIVER))
    since = clock.now() - arguments.since
    errors = Console(stderr=True)
    with stopped_by_ctrl_c() as stop, errors.status("reading the log") as status:
        kinds = kinds_of(
            log.lines(
                since,
                stop.is_set,
                lambda pages, lines: status.update(f"reading the log: {lines} events, {pages} pages"),
            )
        )
    listing = FallbackListing(target.name, since, clock.now(), kinds, log.is_complete)
    if arguments.json:
        print(json.dumps(listing.as_json(), indent=2))
    else:
        listing.show(Console(highlight=False))
    if not log.is_complete:
        print("fallback: the list is incomplete: choose a shorter --since", file=sys.stderr)
    return 0 if log.is_complete else 1

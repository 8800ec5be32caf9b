"""Show what happens to events, live: accepted, delivered, filtered, parked, refused, and why.

The lines are read from the log groups of both functions, which hold no payload and no person. The stack is
that of --stack, RELAY_STACK or samconfig.toml, else the local one of `make run`. Ctrl-C ends the command.
Exit codes: 0 after Ctrl-C, or if everything was read with --no-follow; 1 if the log cannot be read; 2 for
wrong arguments.
"""

import argparse
import json
import sys
from typing import TYPE_CHECKING, Final

from relayctl.deadletters import options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from relayctl.receipts.line import LogLine

#: Seconds between two readings. CloudWatch Logs allows an account a few calls a second.
_INTERVAL_SECS: Final = 2.0
_LOCAL_INTERVAL_SECS: Final = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--source", help="only lines about this source")
    parser.add_argument(
        "--since",
        metavar="AGE",
        type=options.duration,
        default=0.0,
        help="begin with the lines of the last 90s, 15m, 2h or 3d (default: with the next line)",
    )
    parser.add_argument("--no-follow", action="store_true", help="end after the lines that exist")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each line")
    options.add_stack_options(parser, "RELAY_STACK, else local", files=False)


def run(arguments: argparse.Namespace) -> int:
    """Show the lines, and return the exit code."""
    return options.reported("tail", lambda: _tail(arguments))


def _tail(arguments: argparse.Namespace) -> int:
    from rich.console import Console

    from relayctl.deadletters.aws_time import AwsClock
    from relayctl.deadletters.scan import stopped_by_ctrl_c
    from relayctl.receipts.following import follow
    from relayctl.receipts.json_line import line_json
    from relayctl.receipts.log_reader import ReceiptLog
    from relayctl.receipts.report import show_line
    from relayctl.targets import chosen_to_read

    target, clock = chosen_to_read(arguments), AwsClock()
    log = ReceiptLog(clock.observe(target.client("logs")), target.stack)
    start = clock.now() - arguments.since
    console = Console(highlight=False)

    def show(lines: "Sequence[LogLine]") -> None:
        for line in lines:
            if arguments.source not in (None, line.source):
                continue
            if arguments.json:
                print(json.dumps(line_json(line, target.name)))
            else:
                show_line(console, line)
        sys.stdout.flush()

    with stopped_by_ctrl_c() as stop:
        show(log.new_lines(start, stop.is_set))
        if not log.is_complete:
            print("tail: there are more lines than can be read: choose a shorter --since", file=sys.stderr)
        if arguments.no_follow:
            return 0 if log.is_complete else 1
        print(f"tail: following {target.name}; times are UTC; Ctrl-C ends", file=sys.stderr, flush=True)
        follow(log, start, stop, _LOCAL_INTERVAL_SECS if target.local else _INTERVAL_SECS, show)
    return 0

"""Follow the logs of a stack as they grow."""

import sys
from collections.abc import Callable, Sequence
from threading import Event as Flag
from typing import Final

from relayctl.receipts.line import LogLine
from relayctl.receipts.log_reader import ReceiptLog

#: Readings in a row that may fail, because a network may fail for a moment.
MOST_FAILURES: Final = 5


def follow(
    log: ReceiptLog,
    start: float,
    stop: Flag,
    interval_secs: float,
    on_lines: Callable[[Sequence[LogLine]], None],
) -> None:
    """Call a function with new lines every few seconds, until a flag is set.

    start  the time of the first line, in seconds since the epoch

    Raises boto3's errors if several readings in a row fail.
    """
    from relayctl.deadletters.options import aws_errors, describe_aws_error

    failures = 0
    while not stop.wait(interval_secs):
        try:
            lines = log.new_lines(start, stop.is_set)
        except aws_errors() as exc:
            failures += 1
            if failures == MOST_FAILURES:
                raise
            print(f"the log cannot be read, trying again: {describe_aws_error(exc)}", file=sys.stderr)
            continue
        failures = 0
        on_lines(lines)

"""A worker: the handler `deliver` of a version of the relay, in a process of its own.

Each line of the standard input is an invocation: `records`, and the `seconds` that it may take. Each line of
the standard output is the answer: the `kept` messages, and the `ends` of the pushes by their codes. The
version is the one that PYTHONPATH names. So this file imports nothing else, and no newer name than both have.
"""

import io
import json
import sys
import time
from collections import Counter
from typing import Any


class Invocation:
    """Lambda's context object."""

    def __init__(self, seconds: float) -> None:
        """Begin an invocation that may take so many seconds."""
        self._deadline = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        """Return the time that is left."""
        return round((self._deadline - time.monotonic()) * 1000)


def main() -> None:
    """Handle invocations until the input ends."""
    # The logger keeps the stream that it finds when it is made.
    answers, log = sys.stdout, io.StringIO()
    sys.stdout = log
    from push_relay.deliver import handler  # noqa: PLC0415 (as above)

    print(json.dumps("ready"), file=answers, flush=True)
    for line in sys.stdin:
        invocation = json.loads(line)
        began = time.monotonic()
        response = handler({"Records": invocation["records"]}, Invocation(invocation["seconds"]))
        answer = {
            "kept": [failure["itemIdentifier"] for failure in response["batchItemFailures"]],
            "ends": ends_of(log),
            "began": began,
            "ended": time.monotonic(),
        }
        print(json.dumps(answer), file=answers, flush=True)


def ends_of(log: io.StringIO) -> Counter[str]:
    """Return how the pushes have ended, by the log, and clear it."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in log.getvalue().splitlines() if line]
    log.seek(0)
    log.truncate()
    receipts = [line for line in lines if line.get("message") == "receipt"]
    return Counter(str(receipt.get("error_code") or receipt["outcome"]) for receipt in receipts)


main()

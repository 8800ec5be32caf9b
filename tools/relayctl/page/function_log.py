"""Follow the log lines of the functions of a local stack: acceptances, refusals and receipts."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final, Self

from relayctl.deploy import STACK

#: The log groups of both functions.
GROUPS: Final = (f"/aws/lambda/{STACK}-receive", f"/aws/lambda/{STACK}-deliver")
#: How often new lines are looked for.
_INTERVAL_SECS: Final = 0.4
#: The local AWS writes the lines of an invocation when it ends, so none is late by more than this.
_OVERLAP_MS: Final = 5_000

#: A line of a function, as its JSON object.
type Line = Mapping[str, Any]


class FunctionLog:
    """Reads the lines that have been written since the last reading."""

    def __init__(self, logs: Any, since: float) -> None:
        """Use a client of CloudWatch Logs, and begin at a time in seconds since the epoch."""
        self._logs = logs
        self._begin = int(since * 1000)
        self._since = dict.fromkeys(GROUPS, self._begin)
        self._seen: dict[str, dict[tuple[str, int, str], int]] = {group: {} for group in GROUPS}

    def new_lines(self) -> list[Line]:
        """Return the new lines of both functions, oldest first. Raises botocore's errors."""
        found = [line for group in GROUPS for line in self._new_lines(group)]
        return sorted(found, key=lambda line: str(line.get("timestamp", "")))

    def _new_lines(self, group: str) -> Iterator[Line]:
        wanted = {"logGroupName": group, "startTime": max(self._begin, self._since[group] - _OVERLAP_MS)}
        seen = self._seen[group]
        while True:
            page = self._logs.filter_log_events(**wanted)
            for event in page.get("events", []):
                at = int(event["timestamp"])
                key = (str(event.get("logStreamName")), at, event["message"])
                if key in seen:
                    continue
                seen[key] = at
                self._since[group] = max(self._since[group], at)
                if line := read_line(event["message"]):
                    yield line
            token = page.get("nextToken")
            if not token:
                break
            wanted["nextToken"] = token
        oldest = self._since[group] - 2 * _OVERLAP_MS
        self._seen[group] = {key: at for key, at in seen.items() if at >= oldest}


def read_line(message: str) -> Line | None:
    """Return the JSON object of a log line; None for a metric, a platform's line or a text."""
    if not message.startswith("{"):
        return None
    with suppress(ValueError):
        line = json.loads(message)
        if isinstance(line, dict) and isinstance(line.get("message"), str):
            return line
    return None


class LogFollower:
    """Reads the log again and again in a thread, and hands over each line. Use it in a `with`."""

    def __init__(self, log: FunctionLog, on_line: Callable[[Line], object]) -> None:
        self._log = log
        self._on_line = on_line
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="function log", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    def _follow(self) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        while not self._ends.wait(_INTERVAL_SECS):
            # The local AWS may be busy or about to end, and the run itself reports that.
            with suppress(BotoCoreError, ClientError):
                for line in self._log.new_lines():
                    self._on_line(line)

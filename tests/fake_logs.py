"""CloudWatch Logs in memory: log groups with events, read page by page."""

import json
from typing import Any

from relayctl.receipts.log_reader import group_of

_NO_SUCH_GROUP = "The specified log group does not exist."


class FakeLogs:
    """The groups of a stack's functions. `calls` are the arguments of each call, which it may refuse.

    A page has `page_size` events. As in CloudWatch Logs, a page can have fewer than all that fit the pattern.
    Only a pattern that is one quoted text is compared.
    """

    def __init__(self, stack: str = "bakery", page_size: int = 100, *, with_ids: bool = True) -> None:
        self.groups: dict[str, list[dict[str, Any]]] = {
            group_of(stack, function): [] for function in ("receive", "deliver")
        }
        self.calls: list[dict[str, Any]] = []
        self.refuses = False
        self._stack = stack
        self._page_size = page_size
        self._with_ids = with_ids
        self.meta = self
        self.events = self

    def register(self, *_: Any) -> None:
        """Accept the clock's handler."""

    def write(self, function: str, at: float, **keys: Any) -> None:
        """Write a line of the relay's telemetry at a time, in seconds since the epoch."""
        line = {"level": "INFO", "service": "push-relay", **keys}
        self.write_text(function, at, json.dumps(line))

    def write_text(self, function: str, at: float, text: str) -> None:
        """Write any line."""
        group = self.groups[group_of(self._stack, function)]
        own_id = {"eventId": f"{function}-{len(group)}"} if self._with_ids else {}
        event = {"timestamp": int(at * 1000), "logStreamName": "s", "message": text, **own_id}
        group.append(event)
        group.sort(key=lambda each: each["timestamp"])

    def filter_log_events(self, **arguments: Any) -> dict[str, Any]:
        """Return a page of the events since a time that fit the pattern."""
        from botocore.exceptions import ClientError  # noqa: PLC0415 (most tests need none)

        self.calls.append(dict(arguments))
        group = self.groups.get(arguments["logGroupName"])
        if group is None or self.refuses:
            error = {"Code": "ResourceNotFoundException", "Message": _NO_SUCH_GROUP}
            raise ClientError({"Error": error}, "FilterLogEvents")
        since = [event for event in group if event["timestamp"] >= arguments["startTime"]]
        begin = int(arguments.get("nextToken", 0))
        end = begin + self._page_size
        page = [event for event in since[begin:end] if _fits(arguments["filterPattern"], event["message"])]
        return {"events": page, **({"nextToken": str(end)} if end < len(since) else {})}


def _fits(pattern: str, message: str) -> bool:
    return not pattern.startswith('"') or pattern.strip('"') in message

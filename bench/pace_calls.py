"""A worker's calls of AWS, watched and changed on their way out.

The calls of DynamoDB are noted. SQS's delay of a message is replaced by an attribute: the driver holds the
message, by the run's clock.
"""

import threading
import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chaos.aws_faults import VISIBLE_AT
from chaos.hooked_client import hooked
from pace_numbers import Span, TableCall, write_units
from push_relay.adapters.aws import AwsClient


@dataclass(slots=True)
class AwsCalls:
    """Notes the calls of DynamoDB. Several threads may make them, and each several at a time.

    now         the run's clock
    delay_secs  is added to each call of DynamoDB
    """

    now: Callable[[], float]
    delay_secs: float
    calls: list[TableCall] = field(default_factory=list)
    _lock: Any = field(default_factory=threading.Lock)

    def watch(self) -> None:
        """Watch every call of this process."""
        original = AwsClient.begin

        def watched(client: AwsClient, name: str, calls: Sequence[Mapping[str, Any]]) -> Any:
            end = original(client, name, calls)
            if client.service.name != "dynamodb":
                return end
            began = time.monotonic()

            def ended() -> Any:
                time.sleep(max(0.0, began + self.delay_secs - time.monotonic()))
                answers = end()
                span = Span(began, time.monotonic())
                with self._lock:
                    self.calls += [TableCall(name, write_units(name, each), span) for each in calls]
                return answers

            return ended

        AwsClient.begin = watched  # type: ignore[method-assign,assignment]
        for name in ("SendMessage", "SendMessageBatch"):
            hooked("sqs").before(name, self._hold_all)

    def take(self) -> list[TableCall]:
        """Return the calls since this was called last."""
        with self._lock:
            taken, self.calls = self.calls, []
        return taken

    def _hold_all(self, parameters: dict[str, Any]) -> None:
        for message in parameters.get("Entries", [parameters]):
            self._hold(message)

    def _hold(self, message: MutableMapping[str, Any]) -> None:
        if delay := message.pop("DelaySeconds", 0):
            due = {"DataType": "String", "StringValue": f"{self.now() + delay:.3f}"}
            message.setdefault("MessageAttributes", {})[VISIBLE_AT] = due

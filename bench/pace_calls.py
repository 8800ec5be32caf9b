"""A worker's calls of AWS, watched on their way out: each is a JSON request of urllib3.

The calls of DynamoDB are noted. SQS's delay of a message is replaced by an attribute: the driver holds the
message, by the run's clock. The local AWS does not check signatures, so a request may be changed after it was
signed.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final

from urllib3.connectionpool import HTTPConnectionPool

from chaos.aws_faults import VISIBLE_AT
from pace_numbers import Span, TableCall, write_units

_TABLE: Final = "DynamoDB_20120810."
_QUEUE: Final = "AmazonSQS.SendMessage"


@dataclass(slots=True)
class AwsCalls:
    """Notes the calls of DynamoDB, which may be made by several threads.

    now         the run's clock
    delay_secs  is added to each call of DynamoDB
    """

    now: Callable[[], float]
    delay_secs: float
    calls: list[TableCall] = field(default_factory=list)
    _lock: Any = field(default_factory=threading.Lock)

    def watch(self) -> None:
        """Watch every request of this process."""
        original = HTTPConnectionPool.urlopen

        def watched(pool: Any, method: str, url: str, *given: Any, **named: Any) -> Any:
            target = _target(named.get("headers") or {})
            if target.startswith(_QUEUE):
                named["body"], named["headers"] = self._held(named["body"], named["headers"])
            if not target.startswith(_TABLE):
                return original(pool, method, url, *given, **named)
            began = time.monotonic()
            time.sleep(self.delay_secs)
            try:
                return original(pool, method, url, *given, **named)
            finally:
                self._note(target.removeprefix(_TABLE), named["body"], Span(began, time.monotonic()))

        # Every client calls this method, whatever it is made of.
        HTTPConnectionPool.urlopen = watched  # type: ignore[method-assign,assignment]

    def take(self) -> list[TableCall]:
        """Return the calls since this was called last."""
        with self._lock:
            taken, self.calls = self.calls, []
        return taken

    def _note(self, name: str, body: bytes, span: Span) -> None:
        call = TableCall(name, write_units(name, json.loads(body)), span)
        with self._lock:
            self.calls.append(call)

    def _held(self, body: bytes, headers: Mapping[str, Any]) -> tuple[bytes, Mapping[str, Any]]:
        """Return a request of SQS whose messages have the attribute in place of a delay."""
        content = json.loads(body)
        for message in content.get("Entries", [content]):
            self._hold(message)
        held = json.dumps(content).encode()
        others = {name: value for name, value in headers.items() if name.lower() != "content-length"}
        return held, {**others, "Content-Length": str(len(held))}

    def _hold(self, message: MutableMapping[str, Any]) -> None:
        if delay := message.pop("DelaySeconds", 0):
            due = {"DataType": "String", "StringValue": f"{self.now() + delay:.3f}"}
            message.setdefault("MessageAttributes", {})[VISIBLE_AT] = due


def _target(headers: Mapping[str, Any]) -> str:
    """Return the name of a call; empty if the request is not a call of AWS."""
    target = next((value for name, value in headers.items() if name.lower() == "x-amz-target"), "")
    return target.decode() if isinstance(target, bytes) else str(target)

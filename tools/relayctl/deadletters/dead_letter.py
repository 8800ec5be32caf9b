"""One dead message, and what may be told of it without showing what it holds."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from push_relay.core.errors import Crashed, MalformedRequest
from push_relay.core.event import Event, safe_id
from push_relay.core.inbound import envelope

#: The code of what SQS has moved, as if the relay had dead-lettered it; it has no error code of its own.
CRASHED: Final = Crashed.code
#: The code of what Lambda has moved, which has none either.
INVOCATION_FAILED: Final = "invocation_failed"
#: The attributes that say why a message is dead; `SqsQueue.bury` writes them.
WHY: Final = frozenset({"error_code", "event_id", "failed_at"})
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")

type Attributes = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class DeadLetterSummary:
    """What is told of a dead message or a parked push: nothing of its content.

    id     the message's in the dead-letter queue; a parked push's key
    since  seconds since the epoch; 0 where nobody said
    size   bytes of the message; None for a parked push
    """

    id: str
    error_code: str
    source: str
    event_id: str
    since: float
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries are meant; all of them where nothing is said. `older_than`: seconds."""

    error_code: str | None = None
    source: str | None = None
    older_than: float = 0.0

    def fits(self, entry: DeadLetterSummary, now: float) -> bool:
        """Tell whether an entry is meant. If no age is asked for, none is checked: clocks may differ."""
        return (
            self.error_code in (None, entry.error_code)
            and self.source in (None, entry.source)
            and (not self.older_than or now - entry.since >= self.older_than)
        )


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead message as SQS handed it out. `sent_at`: seconds since the epoch."""

    message_id: str
    body: str
    attributes: Attributes
    sent_at: float

    @classmethod
    def of_sqs(cls, message: Mapping[str, Any]) -> "DeadLetter":
        """Read what ReceiveMessage returned."""
        sent = message.get("Attributes", {}).get("SentTimestamp", "0")
        return cls(
            message["MessageId"], message["Body"], message.get("MessageAttributes", {}), int(sent) / 1000
        )

    def text(self, name: str) -> str:
        """Return an attribute's text; empty where there is none."""
        return str(self.attributes.get(name, {}).get("StringValue") or "")

    @property
    def moved_by_relay(self) -> bool:
        """Whether the relay has laid it aside; what SQS has moved may bear the code it was parked with."""
        return bool(self.text("failed_at"))

    def unwrapped(self) -> Event | None:
        """Return the event that the relay packed; None where the message is somebody else's."""
        try:
            unwrapped = envelope.unwrap_sqs(record(self.message_id, self.body, self.attributes, self.sent_at))
        except MalformedRequest:
            return None
        return unwrapped if isinstance(unwrapped, Event) else None

    def entry(self) -> DeadLetterSummary:
        """Tell what may be told. Whoever may write to the queue wrote it: nothing strange gets through."""
        code, source, event_id = self.text("error_code"), self.text("source"), self.text("event_id")
        if not code or not self.moved_by_relay:
            code = INVOCATION_FAILED if self.failed_invocation() else CRASHED
        if code == CRASHED:
            # Nothing that kills the function has read it.
            event = self.unwrapped()
            event_id = event.id if event else ""
        return DeadLetterSummary(
            id=self.message_id,
            error_code=_named(code),
            source=_named(source),
            event_id=safe_id(event_id, "-"),
            since=_moment(self.text("failed_at")) or self.sent_at,
            size=len(self.body.encode("utf-8", "surrogatepass")),
        )

    def failed_invocation(self) -> Any:
        """Return what Lambda's OnFailure destination wrote round an invocation; None where it did not.

        https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
        """
        document = self.document()
        wrapped = isinstance(document, dict) and {"requestContext", "requestPayload"} <= document.keys()
        return document if wrapped else None

    def document(self) -> Any:
        """Return the body's JSON; None where it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


def record(message_id: str, body: str, attributes: Attributes, sent_at: float) -> dict[str, Any]:
    """Write a message as SQS hands it to a function."""
    return {
        "messageId": message_id,
        "body": body,
        "attributes": {"SentTimestamp": str(round(sent_at * 1000))},
        "messageAttributes": {
            name: {"stringValue": value.get("StringValue"), "dataType": value.get("DataType")}
            for name, value in attributes.items()
        },
    }


def _named(text: str) -> str:
    if not text:
        return "-"
    return text if _NAME.fullmatch(text) else "(strange)"


def _moment(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return 0.0

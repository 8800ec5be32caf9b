"""One dead letter, and the summary of it that is safe to print."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from push_relay.core import queue_format
from push_relay.core.errors import Crashed, MalformedRequest
from push_relay.core.event import Event, safe_id
from push_relay.core.inbound import envelope

#: The error code that is shown for a message that SQS has moved. SQS writes no error code; the relay uses
#: this one if it gives up a message for the same reason.
CRASHED: Final = Crashed.code
#: The error code that is shown for an invocation that Lambda has moved. Lambda writes none either.
INVOCATION_FAILED: Final = "invocation_failed"
#: The attributes that `SqsQueue.dead_letter` adds to a message.
REASON_ATTRIBUTES: Final = queue_format.ABOUT_ATTRIBUTES
#: The id of a message without an event.
_NO_ID: Final = "-"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")

type Attributes = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class DeadLetterSummary:
    """The facts about a dead letter or a parked push that are safe to print.

    They include none of its content.

    id          the id of the message in the dead-letter queue, or the key of the parked push
    since       when it died or was parked, in seconds since the epoch; 0 if unknown
    size_bytes  the size of the message; None for a parked push
    """

    id: str
    error_code: str
    source: str
    event_id: str
    since: float
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """The dead letters or parked pushes that a command is about. By default, all of them."""

    error_code: str | None = None
    source: str | None = None
    older_than_secs: float = 0.0

    def matches(self, summary: DeadLetterSummary, now: float) -> bool:
        """Return whether all given conditions hold. `now`: seconds since the epoch.

        The age is checked only if one is given, because clocks differ: a message whose time is in the future
        must still be listed by default.
        """
        return (
            self.error_code in (None, summary.error_code)
            and self.source in (None, summary.source)
            and (not self.older_than_secs or now - summary.since >= self.older_than_secs)
        )


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message of the dead-letter queue, as received. `sent_at`: seconds since the epoch."""

    message_id: str
    body: str
    attributes: Attributes
    sent_at: float

    @classmethod
    def of_sqs(cls, message: Mapping[str, Any]) -> "DeadLetter":
        """Read one message of ReceiveMessage's response."""
        sent = message.get("Attributes", {}).get("SentTimestamp", "0")
        return cls(
            message["MessageId"], message["Body"], message.get("MessageAttributes", {}), int(sent) / 1000
        )

    def text(self, name: str) -> str:
        """Return an attribute's text, or an empty text if there is no such attribute."""
        return str(self.attributes.get(name, {}).get("StringValue") or "")

    @property
    def moved_by_relay(self) -> bool:
        """Whether the relay itself dead-lettered the message.

        An `error_code` does not prove that: if SQS moves a parked message, it still has the code that it was
        parked with.
        """
        return bool(self.text(queue_format.FAILED_AT_ATTRIBUTE))

    def unwrapped(self) -> Event | None:
        """Return the event that the relay packed into the message, or None if the relay did not write it."""
        try:
            unwrapped = envelope.unwrap_sqs(record(self.message_id, self.body, self.attributes, self.sent_at))
        except MalformedRequest:
            return None
        return unwrapped if isinstance(unwrapped, Event) else None

    def summary(self) -> DeadLetterSummary:
        """Return the facts that are safe to print.

        Anybody who may send to the queue can write the attributes, so a value with an unexpected form is
        replaced. A message that became no event is named by its origin: for an invalid item of a request, it
        is the id in the answer.
        """
        code = self.text(queue_format.REASON_ATTRIBUTE)
        source = self.text(queue_format.SOURCE_ATTRIBUTE)
        event_id = self.text(queue_format.EVENT_ID_ATTRIBUTE)
        if not code or not self.moved_by_relay:
            code = INVOCATION_FAILED if self.failed_invocation() else CRASHED
        event_id = "" if event_id == _NO_ID else event_id
        if code == CRASHED:
            # The function died before it could write the event's id into an attribute.
            event = self.unwrapped()
            event_id = event.id if event else ""
        return DeadLetterSummary(
            id=self.message_id,
            error_code=safe_name(code),
            source=safe_name(source),
            event_id=safe_id(event_id or self.text(queue_format.ORIGIN_ATTRIBUTE), _NO_ID),
            since=_timestamp(self.text(queue_format.FAILED_AT_ATTRIBUTE)) or self.sent_at,
            size_bytes=len(self.body.encode("utf-8", "surrogatepass")),
        )

    def failed_invocation(self) -> Any:
        """Return the record of Lambda's OnFailure destination, or None if the message is not one.

        https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
        """
        document = self.document()
        wrapped = isinstance(document, dict) and {"requestContext", "requestPayload"} <= document.keys()
        return document if wrapped else None

    def document(self) -> Any:
        """Return the body's JSON value, or None if the body is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


def record(message_id: str, body: str, attributes: Attributes, sent_at: float) -> dict[str, Any]:
    """Return an SQS message in the form in which Lambda passes it to a function. `sent_at`: epoch seconds."""
    return {
        "messageId": message_id,
        "body": body,
        "attributes": {"SentTimestamp": str(round(sent_at * 1000))},
        "messageAttributes": {
            name: {"stringValue": value.get("StringValue"), "dataType": value.get("DataType")}
            for name, value in attributes.items()
        },
    }


def safe_name(text: str) -> str:
    """Return a name that is safe to print: `-` if there is none, `(invalid)` if it is not a name."""
    if not text:
        return "-"
    return text if _NAME.fullmatch(text) else "(invalid)"


def _timestamp(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return 0.0

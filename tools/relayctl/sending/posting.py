"""Send what was prepared, and read the stack's answer."""

import http.client
import json
import time
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Any, Final

from relayctl import webhook
from relayctl.sending import CannotSendError
from relayctl.sending.preparing import Prepared
from relayctl.targets import Target
from relayctl.terminal_text import printable

#: Seconds that a time in whole seconds, and another server's clock, may differ.
_ROUNDED_SECS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Sent:
    """The stack's answer.

    status          of the endpoint; None for a message in the queue
    correlation_id  follows the events through the logs; None if the request did not reach the function
    began_at        when it was sent, by the stack's clock, in seconds since the epoch; None if not known
    event_ids       the events that were accepted, as far as the answer names them
    error_code, detail, violations  of a refusal
    """

    status: int | None
    correlation_id: str | None
    began_at: float | None = None
    event_ids: tuple[str, ...] = ()
    error_code: str | None = None
    detail: str | None = None
    violations: tuple[str, ...] = ()

    @property
    def is_refused(self) -> bool:
        """Whether the endpoint has answered with an error."""
        return self.status is not None and self.status >= http.client.BAD_REQUEST


def post(target: Target, prepared: Prepared) -> Sent:
    """Send it. Raises CannotSendError if there is no answer."""
    if prepared.request is None:
        return _queue(target, prepared)
    started = time.monotonic()
    try:
        answer = webhook.send(prepared.request, prepared.url)
    except (OSError, http.client.HTTPException) as exc:
        raise CannotSendError(f"{prepared.url} does not answer: {exc}") from exc
    answered_at = _date(answer)
    began_at = None if answered_at is None else answered_at - (time.monotonic() - started) - _ROUNDED_SECS
    return replace(read_answer(answer), began_at=began_at)


def _date(answer: webhook.Answer) -> float | None:
    """Return the time of an answer by the endpoint's clock, in whole seconds since the epoch."""
    try:
        return parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (KeyError, ValueError):
        return None


def _queue(target: Target, prepared: Prepared) -> Sent:
    """Put a message into the relay's queue. Raises CannotSendError."""
    from botocore.exceptions import BotoCoreError, ClientError

    attributes = {name: {"DataType": "String", "StringValue": value} for name, value in prepared.attributes}
    try:
        response = target.client("sqs").send_message(
            QueueUrl=target.fact("QueueUrl"), MessageBody=prepared.message, MessageAttributes=attributes
        )
    except (BotoCoreError, ClientError) as exc:
        raise CannotSendError(
            f"the message cannot be put into the queue (your credentials need sqs:SendMessage): {exc}"
        ) from exc
    # An event without an id of its own has that of its message.
    return Sent(None, prepared.message_id or response["MessageId"])


def read_answer(answer: webhook.Answer) -> Sent:
    """Read the answer of the endpoint: accepted with ids, or a problem detail (RFC 9457)."""
    try:
        document = json.loads(answer.body)
    except ValueError:
        document = {}
    content: dict[str, Any] = document if isinstance(document, dict) else {}
    events = content.get("events")
    entries = (
        [entry for entry in events if isinstance(entry, dict)] if isinstance(events, list) else [content]
    )
    errors = content.get("errors")
    return Sent(
        status=answer.status,
        correlation_id=answer.headers.get("x-correlation-id"),
        event_ids=tuple(printable(entry["id"]) for entry in entries if isinstance(entry.get("id"), str)),
        error_code=_text(content.get("code")),
        detail=_text(content.get("detail")) or _text(content.get("message")),
        violations=tuple(
            printable(f"{each.get('pointer') or '/'} {each.get('rule')}")
            for each in (errors if isinstance(errors, list) else [])
            if isinstance(each, dict)
        ),
    )


def _text(value: object) -> str | None:
    return printable(value) if isinstance(value, str) else None

"""Invocations of the handlers: webhooks, SQS batches, SNS notifications and EventBridge events."""

import hashlib
import hmac
import json
import math
from collections.abc import Mapping
from typing import Any

from ports import SECRET
from push_relay.core.event import Arrival, Event
from push_relay.core.inbound.envelope import unwrap_sqs
from push_relay.core.queue_format import ATTEMPT_ATTRIBUTE, CRASHES_ATTRIBUTE, DUE_ATTRIBUTE, pack


def arrival_of_sqs(record: dict[str, Any]) -> Arrival:
    """Unwrap an SQS record that another sender than the relay wrote."""
    arrival = unwrap_sqs(record)
    assert isinstance(arrival, Arrival)
    return arrival


def signature(body: bytes, secret: bytes = SECRET) -> str:
    """Sign a body as GitHub does."""
    return "sha256=" + hmac.digest(secret, body, hashlib.sha256).hex()


def webhook(
    content: Any,
    *,
    source: str = "bakery",
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    method: str = "POST",
) -> dict[str, Any]:
    """Return a signed webhook as a function URL delivers it. Content in bytes is not encoded as JSON."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    given = {"content-type": "application/json", "x-hub-signature-256": signature(body), **(headers or {})}
    return {
        "version": "2.0",
        "rawPath": f"/webhooks/{source}",
        "headers": given,
        "queryStringParameters": dict(query or {}),
        "requestContext": {"http": {"method": method, "path": f"/webhooks/{source}"}, "requestId": "req-1"},
        "body": body.decode("utf-8", "surrogateescape"),
        "isBase64Encoded": False,
    }


def sqs_record(
    content: Any, *, source: str | None = None, message_id: str = "m-1", attempt: int = 1
) -> dict[str, Any]:
    """Return an SQS record. Content that is a text is not encoded as JSON."""
    attributes = {"source": {"stringValue": source, "dataType": "String"}} if source else {}
    return {
        "messageId": message_id,
        "receiptHandle": f"handle-{message_id}",
        "body": content if isinstance(content, str) else json.dumps(content),
        "attributes": {"ApproximateReceiveCount": str(attempt), "SentTimestamp": "1800000000000"},
        "messageAttributes": attributes,
        "eventSource": "aws:sqs",
    }


def sqs_queued(event: Event, *, message_id: str = "m-1", attempt: int = 1) -> dict[str, Any]:
    """Return an SQS record of an event that `receive` has queued."""
    packed = pack(event)
    record = sqs_record(packed.body, message_id=message_id, attempt=attempt)
    named = packed.attributes.items()
    return {**record, "messageAttributes": {k: {"stringValue": v, "dataType": "String"} for k, v in named}}


def sqs_parked(event: Event, attempt: int, due: float, *, message_id: str = "m-1") -> dict[str, Any]:
    """Return an SQS record of an event that was parked until a moment."""
    record = sqs_queued(event, message_id=message_id)
    ours = {ATTEMPT_ATTRIBUTE: str(attempt), DUE_ATTRIBUTE: str(math.ceil(due))}
    attributes = {name: {"stringValue": value, "dataType": "String"} for name, value in ours.items()}
    return {**record, "messageAttributes": {**record["messageAttributes"], **attributes}}


def sqs_copy(record: dict[str, Any], crashes: int) -> dict[str, Any]:
    """Return the copy of an SQS record that the relay queues after a number of crashes."""
    counted = {"stringValue": str(crashes), "dataType": "String"}
    return {**record, "messageAttributes": {**record["messageAttributes"], CRASHES_ATTRIBUTE: counted}}


def sqs_batch(*records: Any) -> dict[str, Any]:
    """Return an invocation by SQS."""
    return {"Records": list(records)}


def notification(
    message: Any, *, topic: str = "arn:aws:sns:eu-west-1:1:ovens", **more: Any
) -> dict[str, Any]:
    """Return a message in the envelope of SNS."""
    text = message if isinstance(message, str) else json.dumps(message)
    about = {"Type": "Notification", "MessageId": "sns-1", "TopicArn": topic, "Message": text}
    return {**about, "Timestamp": "2027-01-15T08:00:00.000Z", **more}


def sns_invocation(*notifications: dict[str, Any]) -> dict[str, Any]:
    """Return an invocation by SNS."""
    return {"Records": [{"EventSource": "aws:sns", "Sns": given} for given in notifications]}


def bus_event(
    detail: Any, *, source: str = "ovens", detail_type: str = "Heat", **more: Any
) -> dict[str, Any]:
    """Return a detail in the envelope of EventBridge."""
    about = {"version": "0", "id": "eb-1", "source": source, "detail-type": detail_type, "account": "1"}
    return {**about, "time": "2027-01-15T08:00:00Z", "region": "eu-west-1", "detail": detail, **more}

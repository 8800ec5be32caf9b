"""The events of the measurements, and the invocations that bring them."""

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any, Final

from invocations import notification, sns_invocation, sqs_queued
from loopback import SECRET
from push_relay.core.event import Event
from relayctl.project import ROOT

#: The size of an event. GitHub's events have about this size.
EVENT_BYTES: Final = 10_000
_EXAMPLE: Final = ROOT / "src/sources/github/examples/issues-opened.request.json"
_ALARM: Final = ROOT / "src/sources/cloudwatch-alarm/examples/alarm.request.json"


def github_event(size: int = EVENT_BYTES) -> dict[str, Any]:
    """Return a GitHub event of about so many bytes: the shipped example, with more addresses as GitHub sends.

    Its own content is about 4.5 KB.
    """
    body: dict[str, Any] = json.loads(_EXAMPLE.read_text("utf-8"))["body"]
    repository = body["repository"]
    missing = size - len(_encoded(body))
    number = 0
    while missing > 0:
        name, value = f"address_{number}_url", f"https://api.github.com/repos/octo-org/bakery/items/{number}"
        repository[name] = value
        missing -= len(name) + len(value) + len('"": "", ')
        number += 1
    return body


def large_event(size: int) -> dict[str, Any]:
    """Return a GitHub event of about so many bytes whose issue has a long text."""
    body = github_event()
    body["issue"]["body"] += " The oven is too hot." * ((size - EVENT_BYTES) // len(" The oven is too hot."))
    return body


def webhook(body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a signed webhook of GitHub, as an HTTP API hands it over."""
    headers = json.loads(_EXAMPLE.read_text("utf-8"))["headers"]
    text = _encoded(body or github_event())
    proof = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
    return {
        "version": "2.0",
        "routeKey": "POST /webhooks/{source}",
        "rawPath": "/webhooks/github",
        "rawQueryString": "",
        "headers": {**headers, "x-hub-signature-256": f"sha256={proof}"},
        "requestContext": {
            "http": {"method": "POST", "path": "/webhooks/github"},
            "requestId": "bench",
            "stage": "$default",
        },
        "pathParameters": {"source": "github"},
        "body": text,
        "isBase64Encoded": False,
    }


def batch(size: int = 1, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return an SQS batch with GitHub events that `receive` has queued."""
    now = time.time()
    content = dict(body or github_event())
    records = []
    for number in range(size):
        event = Event(
            source="github",
            id=f"bench-{number}",
            type="issues",
            data=content,
            received_at=now,
            identity=f"bench-{number}-{time.time_ns()}",
        )
        record = sqs_queued(event, message_id=f"bench-{number}")
        record["attributes"]["SentTimestamp"] = str(int(now * 1000))
        records.append(record)
    return {"Records": records}


def alarm() -> dict[str, Any]:
    """Return an SNS notification of an alarm, which names no source."""
    return sns_invocation(notification(json.loads(_ALARM.read_text("utf-8"))["body"]))


def _encoded(body: Mapping[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False)

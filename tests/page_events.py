"""Requests, answers and log lines for tests of the page's history."""

import json
from collections.abc import Mapping
from typing import Any

from page_files import HEADERS, SECRET, SECRETS
from push_relay.core.outcomes import Outcome
from relayctl.page.explainer import Explainer, Files
from relayctl.page.requests import Answer, Request
from relayctl.receipts.line import DELIVER, RECEIVE, LineKind, LogLine
from relayctl.senders import sign
from relayctl.webhook import Webhook

VERIFY = {"scheme": "hmac", "header": "x-oven-signature", "prefix": "sha256="}
NOW = 1_800_000_000.0
HOT: Mapping[str, Any] = {"kind": "hot", "note": "oven 4", "degrees": 451}


def explainer(files: Files) -> Explainer:
    """Return an explainer of the source `oven`."""
    return Explainer(files, SECRETS)


def request_of(body: object = HOT, secret: str = SECRET) -> Request:
    """Return a request of the source `oven`, signed with a secret; an empty one signs nothing."""
    webhook = Webhook(HEADERS, json.dumps(body).encode())
    if secret:
        webhook = sign(webhook, VERIFY, secret, NOW)
    return Request(NOW, "POST", "/webhooks/oven", tuple(webhook.headers.items()), webhook.body)


def accepted(correlation_id: str, status: int = 202) -> Answer:
    """Return the answer to an accepted request."""
    headers = (("Content-Type", "application/json"), ("X-Correlation-Id", correlation_id))
    return Answer(status, headers, b'{"status":"accepted"}', 0.031)


def refused(correlation_id: str, code: str, detail: str, status: int = 401) -> Answer:
    """Return the answer to a refused request."""
    body = json.dumps({"title": "Refused", "status": status, "code": code, "detail": detail}).encode()
    return Answer(status, (("X-Correlation-Id", correlation_id),), body, 0.004)


def line(kind: LineKind, correlation_id: str | None, event_id: str = "d-1", **fields: Any) -> LogLine:
    """Return a log line of a function; an empty id is that of no event."""
    known: dict[str, Any] = {
        "at": NOW,
        "function": DELIVER if kind is LineKind.RECEIPT else RECEIVE,
        "kind": kind,
        "text": kind.value,
        "source": "oven",
        "event_ids": (event_id,) if event_id else (),
        "correlation_id": correlation_id,
    }
    return LogLine(**{**known, **fields})


def receipt(correlation_id: str, outcome: Outcome, event_id: str = "d-1", **fields: Any) -> LogLine:
    """Return the log line of a push."""
    return line(LineKind.RECEIPT, correlation_id, event_id, outcome=outcome, **fields)

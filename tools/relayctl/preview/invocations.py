"""Write an example as the invocation by which AWS would hand it over."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import NAMESPACE_URL, uuid5

from push_relay.core.event import sha256_hex
from relayctl.examples import aws_message
from relayctl.local_aws import ACCOUNT, REGION
from relayctl.webhook import Webhook

#: The host that a sender calls if the example gives no URL.
_HOST = "relay.example"
_QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:push-relay"


def http_invocation(webhook: Webhook, source: str, caller: str) -> dict[str, Any]:
    """Return the invocation of `receive` for a webhook, as an HTTP API writes it (payload 2.0).

    caller  the address that the request comes from
    """
    url = urlsplit(webhook.url or f"https://{_HOST}/webhooks/{source}")
    headers = {name.lower(): value for name, value in webhook.headers.items()}
    headers.setdefault("host", url.netloc)
    headers.setdefault("x-forwarded-proto", url.scheme)
    raw_query = urlencode(webhook.query) if webhook.query else url.query
    path = webhook.path or url.path
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": raw_query,
        "headers": headers,
        "queryStringParameters": dict(webhook.query) or _joined(raw_query),
        "pathParameters": {"source": source},
        "requestContext": {
            "http": {"method": webhook.method.upper(), "path": path, "sourceIp": caller},
            "requestId": "preview",
        },
        "body": base64.b64encode(webhook.body).decode() if webhook.body else None,
        "isBase64Encoded": True,
    }


def _joined(raw_query: str) -> Mapping[str, str]:
    """Join repeated parameters with a comma, as AWS does."""
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(raw_query, keep_blank_values=True):
        values.setdefault(name, []).append(value)
    return {name: ",".join(texts) for name, texts in values.items()}


def sqs_invocation(webhook: Webhook, now: float) -> dict[str, Any]:
    """Return the invocation of `deliver` for an example that AWS delivers, through the relay's queue.

    The ids are made of the content, so that the same file has the same identity each time.
    """
    message_id = str(uuid5(NAMESPACE_URL, sha256_hex(webhook.body)))
    sent = str(round(now * 1000))
    return {
        "Records": [
            {
                "messageId": message_id,
                "body": aws_message(webhook, message_id, datetime.fromtimestamp(now, UTC)),
                "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": sent},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": webhook.headers.get("sqs-queue") or _QUEUE,
            }
        ]
    }

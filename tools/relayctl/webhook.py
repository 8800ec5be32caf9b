"""Play GitHub: read a real webhook, sign it as GitHub does, send it to an endpoint."""

import hashlib
import hmac
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from relayctl.ministack import HOST

_TIMEOUT_SECS: Final = 40.0
"""Beyond the endpoint's own 30 s."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """One request as its sender makes it, not yet signed."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What the endpoint said."""

    status: int
    body: str

    @property
    def is_accepted(self) -> bool:
        """Tell whether the sender may consider it done."""
        return self.status in {http.client.OK, http.client.ACCEPTED}


def read_example(file: Path) -> Webhook:
    """Read a `<case>.request.json` of a source."""
    example = json.loads(file.read_text(encoding="utf-8"))
    body = json.dumps(example["body"], ensure_ascii=False, separators=(",", ":")).encode()
    return Webhook(example["headers"], body)


def sign(webhook: Webhook, secret: str) -> Webhook:
    """Add GitHub's signature.

    Source: https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
    """
    digest = hmac.new(secret.encode(), webhook.body, hashlib.sha256).hexdigest()
    return Webhook({**webhook.headers, "x-hub-signature-256": f"sha256={digest}"}, webhook.body)


def send(webhook: Webhook, url: str) -> Answer:
    """Send it to an endpoint of the local AWS, whose host names resolve to nothing: it listens on 127.0.0.1.

    Raises OSError or http.client.HTTPException when there is no answer.
    """
    target = urlsplit(url)
    connection = http.client.HTTPConnection(HOST, target.port or 80, timeout=_TIMEOUT_SECS)
    try:
        connection.request("POST", target.path, webhook.body, {**webhook.headers, "host": target.netloc})
        response = connection.getresponse()
        return Answer(response.status, response.read().decode("utf-8", errors="replace"))
    finally:
        connection.close()

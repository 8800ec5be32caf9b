"""Webhooks: read them from examples, and send them to the local AWS."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

from relayctl.ministack import HOST

#: More than the endpoint's own timeout of 30 s.
_TIMEOUT_SECS: Final = 40.0


@dataclass(frozen=True, slots=True)
class Webhook:
    """One request of a sender. The header names are lower-case."""

    headers: Mapping[str, str]
    body: bytes
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """The endpoint's response."""

    status: int
    body: str

    @property
    def is_accepted(self) -> bool:
        """Whether the relay has accepted the request, so that the sender need not retry it."""
        return self.status in {http.client.OK, http.client.ACCEPTED}


def read_example(file: Path) -> Webhook:
    """Read an example's `<name>.request.json`."""
    example = json.loads(file.read_text(encoding="utf-8"))
    body = b""
    if example["body"] is not None:
        body = json.dumps(example["body"], ensure_ascii=False, separators=(",", ":")).encode()
    return Webhook(example["headers"], body, example.get("query", {}))


def send(webhook: Webhook, url: str) -> Answer:
    """Send a webhook to a URL of the local AWS, and return the response.

    The URL's host name does not resolve. So the request goes to 127.0.0.1, with the host name in the `Host`
    header. Raises OSError or http.client.HTTPException if there is no response.
    """
    target = urlsplit(url)
    path = f"{target.path}?{urlencode(webhook.query)}" if webhook.query else target.path
    connection = http.client.HTTPConnection(HOST, target.port or 80, timeout=_TIMEOUT_SECS)
    try:
        connection.request("POST", path, webhook.body, {**webhook.headers, "host": target.netloc})
        response = connection.getresponse()
        return Answer(response.status, response.read().decode("utf-8", errors="replace"))
    finally:
        connection.close()

"""Send a webhook to an endpoint of the local AWS."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

from relayctl.ministack import HOST

_TIMEOUT_SECS: Final = 40.0
"""Beyond the endpoint's own 30 s."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """One request of a sender. Header names are lower-case."""

    headers: Mapping[str, str]
    body: bytes
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the endpoint answered."""

    status: int
    body: str

    @property
    def is_accepted(self) -> bool:
        """Whether the sender may consider the request done."""
        return self.status in {http.client.OK, http.client.ACCEPTED}


def read_example(file: Path) -> Webhook:
    """Read a `<case>.request.json` of a source."""
    example = json.loads(file.read_text(encoding="utf-8"))
    body = b""
    if example["body"] is not None:
        body = json.dumps(example["body"], ensure_ascii=False, separators=(",", ":")).encode()
    return Webhook(example["headers"], body, example.get("query", {}))


def send(webhook: Webhook, url: str) -> Answer:
    """Send it to an endpoint of the local AWS, whose host names resolve to nothing: it listens on 127.0.0.1.

    Raises OSError or http.client.HTTPException when there is no answer.
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

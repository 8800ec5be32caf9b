"""A relay whose source splits its requests, and requests to it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fakes import World
from front_door import api_gateway_v2, request, world
from ports import SECRET
from push_relay.core.event import Event
from push_relay.settings import DeliveryMode
from signers import CASES, mac
from sns_sender import Request

GITHUB = {"scheme": "github"}
TOKEN = {"scheme": "token", "header": "x-token"}
STANDARD = next(case for case in CASES if case.verify["scheme"] == "standard-webhooks")
EACH = "each = 'data.alerts'"
SCHEMA = {
    "type": "object",
    "required": ["note"],
    "properties": {"note": {"type": "string"}, "id": {"type": "string"}},
}


def relay(directory: Path, event: str = "", *, verify: Mapping[str, Any] = GITHUB, **more: Any) -> World:
    """Return a relay whose source splits its requests, and needs a `note` in each event."""
    here = world(directory, verify, event=event, **more)
    (directory / "sources" / "planted" / "schema.json").write_text(json.dumps(SCHEMA))
    here.secrets.secrets = (SECRET,)
    return here


def direct(directory: Path, event: str = "") -> World:
    """Return such a relay in direct mode."""
    here = relay(directory, event)
    here.intake = replace(here.intake, forward=here.forward(DeliveryMode.DIRECT))
    return here


def signed(content: Any, **headers: str) -> Request:
    """Return a request whose signature covers the body."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return request(body, {"x-hub-signature-256": "sha256=" + mac(SECRET, body).hex(), **headers})


def send(here: World, sent: Any) -> tuple[int, dict[str, Any]]:
    """Send a request, and return the status and the content of the answer."""
    answer = here.receive(api_gateway_v2(sent if isinstance(sent, Request) else signed(sent)))
    return answer["statusCode"], json.loads(answer["body"])


def queued(here: World) -> list[Event]:
    """Return the queued events."""
    return [event for event, _ in here.messages.queued]


def notes(*texts: Any) -> list[dict[str, Any]]:
    """Return items with these notes."""
    return [{"note": text} for text in texts]

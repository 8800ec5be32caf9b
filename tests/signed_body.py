"""Send bodies to the relay as GitHub signs them, and look at the answer or at the queued event."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fakes import World
from front_door import GATEWAYS, Gateway, api_gateway_v2, request, world
from push_relay.core.outcomes import Outcome
from signers import CASES, mac
from sns_sender import Request

ANY_GATEWAY = pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.__name__)
BY_NAME = {case.name: case for case in CASES}
GITHUB = BY_NAME["github"]
GZIP = {"content-encoding": "gzip"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


def github(directory: Path, event: str = "") -> World:
    """Return a relay whose source signs as GitHub does."""
    here = world(directory, GITHUB.verify, event=event)
    here.secrets.secrets = (GITHUB.secret,)
    return here


def signed(body: bytes, headers: Mapping[str, str] | None = None, over: bytes | None = None) -> Request:
    """Return a request whose signature covers the body as sent, or other bytes."""
    signature = "sha256=" + mac(GITHUB.secret, body if over is None else over).hex()
    return request(body, {"x-hub-signature-256": signature, **(headers or {})})


def data(here: World) -> Any:
    """Return the one queued event's document."""
    ((event, _),) = here.messages.queued
    return event.data


def refused(here: World, sent: Request, gateway: Gateway = api_gateway_v2) -> tuple[int, str]:
    """Send a request that has to be rejected; return the answer's status and code."""
    answer = here.receive(gateway(sent))
    problem = json.loads(answer["body"])
    assert not here.messages.queued
    assert here.witness.outcomes == [Outcome.REJECTED]
    assert "planted" not in problem.get("detail", "")
    return answer["statusCode"], problem["code"]

"""A body may be as large as its queue message can be, compressed, and no larger."""

import base64
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes import World
from front_door import Gateway, world_of
from push_relay.adapters import aws
from push_relay.adapters.queue import SqsQueue
from push_relay.core.event import Event
from push_relay.core.inbound.envelope import unwrap_sqs
from push_relay.core.inbound.request import MAX_BODY
from push_relay.core.intake import QueueForward
from push_relay.core.outcomes import Outcome
from push_relay.core.queue_format import MAX_MESSAGE
from signed_body import ANY_GATEWAY, GITHUB, github, refused, signed
from signers import Case


class Sqs:
    """SQS's client, with SQS's limit on the size of a message."""

    def __init__(self) -> None:
        """Start without messages."""
        self.taken: list[dict[str, Any]] = []

    def call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Accept a message of up to 1 MiB, with its attributes."""
        assert operation == "SendMessage"
        attributes = arguments["MessageAttributes"]
        size = sum(len(k) + len(v["StringValue"]) + len(v["DataType"]) for k, v in attributes.items())
        assert len(arguments["MessageBody"].encode()) + size <= 1024 * 1024
        self.taken.append(arguments)
        return {}

    def event(self) -> Event:
        """Return the one event as `deliver` reads it."""
        (asked,) = self.taken
        named = {k: {"stringValue": v["StringValue"]} for k, v in asked["MessageAttributes"].items()}
        unwrapped = unwrap_sqs({"body": asked["MessageBody"], "messageAttributes": named, "messageId": "m"})
        assert isinstance(unwrapped, Event)
        return unwrapped


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch) -> Sqs:
    """Replace SQS's client."""
    fake = Sqs()
    monkeypatch.setitem(aws._clients, "sqs", fake)
    return fake


def queueing(directory: Path, case: Case = GITHUB) -> World:
    """Return a relay whose queue is the real adapter."""
    here = world_of(directory, case)
    queue = SqsQueue("queue", "dead", here.clock.now)
    here.intake = replace(here.intake, forward=QueueForward(queue))
    return here


NOISE = random.Random(0)  # noqa: S311 (repeatable)
LARGE = base64.b64encode(NOISE.randbytes(MAX_BODY * 2 // 3)).decode()


@ANY_GATEWAY
@pytest.mark.parametrize(
    "text", ["w" * (MAX_BODY // 2 - 20), "é" * (MAX_BODY // 4 - 20)], ids=["plain", "wide"]
)
def test_a_body_that_fits_only_compressed_is_queued(
    gateway: Gateway, text: str, tmp_path: Path, sqs: Sqs
) -> None:
    """The largest body that `receive` reads is larger than a queue message."""
    body = json.dumps({"a": text, "b": text}, ensure_ascii=False).encode()
    assert MAX_MESSAGE < len(body) <= MAX_BODY
    assert queueing(tmp_path).receive(gateway(signed(body)))["statusCode"] == 202
    assert sqs.event().data == {"a": text, "b": text}


@ANY_GATEWAY
def test_a_body_that_no_message_holds_is_413(gateway: Gateway, tmp_path: Path, sqs: Sqs) -> None:
    """It is small enough to be read, but random, so compression does not help. It is not cut."""
    here = queueing(tmp_path)
    body = json.dumps({"a": LARGE[::2], "b": LARGE[1::2]}).encode()
    assert len(body) < MAX_BODY
    assert refused(here, signed(body), gateway) == (413, "payload_too_large")
    assert not sqs.taken


@ANY_GATEWAY
@pytest.mark.parametrize("encoded", [False, True])
def test_a_body_over_the_limit_is_413_before_it_is_verified(
    gateway: Gateway, tmp_path: Path, *, encoded: bool
) -> None:
    """To compute a signature over a huge body would cost a stranger nothing and the relay much."""
    here = github(tmp_path)
    here.secrets.missing = True
    answer = here.receive(gateway(signed(b" " * (MAX_BODY + 1)), encoded=encoded))
    assert (answer["statusCode"], here.witness.outcomes) == (413, [Outcome.REJECTED])

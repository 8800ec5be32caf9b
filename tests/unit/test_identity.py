"""What makes two webhooks the same event: what the proof covers, else what the event says of itself."""

import json
from pathlib import Path
from typing import Any

import pytest

from fakes import World
from front_door import GATEWAYS, Gateway, request, world
from invocations import sqs_batch, sqs_queued
from push_relay.core.outcomes import Outcome
from signers import mac
from sns_sender import Request

ANY_GATEWAY = pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.__name__)
TOKEN = {"scheme": "token", "header": "authorization", "prefix": "Bearer "}
BEARER = {"authorization": "Bearer secret"}


def relayed(here: World, gateway: Gateway, *requests: Request) -> list[Outcome]:
    """Let requests in, deliver what was queued, and return what became of it."""
    for sent in requests:
        assert here.receive(gateway(sent))["statusCode"] == 202
    for event, _ in here.messages.queued:
        here.deliver(sqs_batch(sqs_queued(event)))
    return here.witness.outcomes


def guarded(directory: Path, **more: Any) -> World:
    """Return a relay whose one source takes a shared token."""
    here = world(directory, TOKEN, **more)
    here.secrets.secrets = (b"secret",)
    return here


def binary(number: str, **extensions: str) -> Request:
    """Make a CloudEvent in the binary mode without data: all that it says is in its headers."""
    about = {"ce-specversion": "1.0", "ce-id": number, "ce-source": "/bakery", "ce-type": "baked"}
    return request(b"", BEARER | about | extensions)


@ANY_GATEWAY
def test_cloudevents_are_told_apart_by_source_and_id(gateway: Gateway, tmp_path: Path) -> None:
    """Their bodies may well be the same; an attempt may be traced anew."""
    here = guarded(tmp_path, event='format = "cloudevents"')
    sent = [binary("1"), binary("2"), binary("1", **{"ce-traceparent": "00-1-2-01"})]
    sent.append(binary("1", **{"ce-source": "/oven"}))
    assert relayed(here, gateway, *sent) == ["delivered", "delivered", "duplicate", "delivered"]


@ANY_GATEWAY
@pytest.mark.parametrize("first", ["structured", "binary"])
def test_a_cloudevent_is_one_in_either_mode(gateway: Gateway, first: str, tmp_path: Path) -> None:
    """A broker may change it on the way."""
    here = guarded(tmp_path, event='format = "cloudevents"')
    about = {"specversion": "1.0", "id": "1", "source": "/bakery", "type": "baked"}
    structured = request(about, BEARER | {"content-type": "application/cloudevents+json"})
    sent = [structured, binary("1")] if first == "structured" else [binary("1"), structured]
    assert relayed(here, gateway, *sent) == ["delivered", "duplicate"]


def json_request(document: dict[str, Any], **headers: str) -> Request:
    """Make a request under a shared token."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return request(json.dumps(document).encode(), BEARER | {"content-type": "application/json"} | named)


@ANY_GATEWAY
def test_where_nothing_is_signed_the_id_counts_wherever_it_is(gateway: Gateway, tmp_path: Path) -> None:
    """Whoever holds the token writes the body as well as the headers."""
    here = guarded(tmp_path, event="id = 'headers.\"x-id\"'")
    sent = [json_request({"a": 1}, x_id=number) for number in ("1", "2", "1")]
    sent.append(json_request({"a": 2}, x_id="1"))
    assert relayed(here, gateway, *sent) == ["delivered", "delivered", "duplicate", "delivered"]


def test_without_an_id_it_is_the_document(tmp_path: Path) -> None:
    """However it is written."""
    here = guarded(tmp_path)
    sent = [json_request({"a": 1, "b": 2}), json_request({"b": 2, "a": 1}), json_request({"a": 1})]
    assert relayed(here, GATEWAYS[0], *sent) == ["delivered", "duplicate", "delivered"]


def test_where_the_body_is_signed_no_header_makes_another_event_of_it(tmp_path: Path) -> None:
    """Else whoever has captured one could have it pushed again and again."""
    here = world(tmp_path, {"scheme": "github"}, event="id = 'headers.\"x-id\"'")
    here.secrets.secrets = (b"secret",)
    proof = {
        "x-hub-signature-256": "sha256=" + mac(b"secret", b"{}").hex(),
        "content-type": "application/json",
    }
    sent = [request(b"{}", proof | {"x-id": number}) for number in ("1", "2")]
    assert relayed(here, GATEWAYS[0], *sent) == ["delivered", "duplicate"]

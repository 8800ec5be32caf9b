"""Two webhooks are the same event if the content that their proof covers is equal.

If the proof covers no content, then the event's own id and document decide.
"""

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
    """Receive the requests, deliver the queued events, and return their outcomes."""
    for sent in requests:
        assert here.receive(gateway(sent))["statusCode"] == 202
    for event, _ in here.messages.queued:
        here.deliver(sqs_batch(sqs_queued(event)))
    return here.witness.outcomes


def guarded(directory: Path, **more: Any) -> World:
    """Return a relay with a source that is verified by a shared token."""
    here = world(directory, TOKEN, **more)
    here.secrets.secrets = (b"secret",)
    return here


def binary(number: str, **extensions: str) -> Request:
    """Return a CloudEvent in the binary mode without data, so that its headers are its whole content."""
    about = {"ce-specversion": "1.0", "ce-id": number, "ce-source": "/bakery", "ce-type": "baked"}
    return request(b"", BEARER | about | extensions)


@ANY_GATEWAY
def test_cloudevents_differ_if_their_source_or_id_differs(gateway: Gateway, tmp_path: Path) -> None:
    """Different events can have equal bodies, and a repeated event can have a new trace id."""
    here = guarded(tmp_path, event='format = "cloudevents"')
    sent = [binary("1"), binary("2"), binary("1", **{"ce-traceparent": "00-1-2-01"})]
    sent.append(binary("1", **{"ce-source": "/oven"}))
    assert relayed(here, gateway, *sent) == ["delivered", "delivered", "duplicate", "delivered"]


@ANY_GATEWAY
@pytest.mark.parametrize("first", ["structured", "binary"])
def test_a_cloudevent_has_the_same_identity_in_both_modes(
    gateway: Gateway, first: str, tmp_path: Path
) -> None:
    """A broker may convert an event between the structured and the binary mode."""
    here = guarded(tmp_path, event='format = "cloudevents"')
    about = {"specversion": "1.0", "id": "1", "source": "/bakery", "type": "baked"}
    structured = request(about, BEARER | {"content-type": "application/cloudevents+json"})
    sent = [structured, binary("1")] if first == "structured" else [binary("1"), structured]
    assert relayed(here, gateway, *sent) == ["delivered", "duplicate"]


def json_request(document: dict[str, Any], **headers: str) -> Request:
    """Return a request with a JSON body and the shared token."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return request(json.dumps(document).encode(), BEARER | {"content-type": "application/json"} | named)


@ANY_GATEWAY
def test_an_id_in_a_header_counts_if_nothing_is_signed(gateway: Gateway, tmp_path: Path) -> None:
    """A sender with the token can write headers as well as the body, so both are equally trusted."""
    here = guarded(tmp_path, event="id = 'headers.\"x-id\"'")
    sent = [json_request({"a": 1}, x_id=number) for number in ("1", "2", "1")]
    sent.append(json_request({"a": 2}, x_id="1"))
    assert relayed(here, gateway, *sent) == ["delivered", "delivered", "duplicate", "delivered"]


def test_without_an_id_the_document_is_the_identity(tmp_path: Path) -> None:
    """The order of the document's keys does not matter."""
    here = guarded(tmp_path)
    sent = [json_request({"a": 1, "b": 2}), json_request({"b": 2, "a": 1}), json_request({"a": 1})]
    assert relayed(here, GATEWAYS[0], *sent) == ["delivered", "duplicate", "delivered"]


def test_no_header_changes_the_identity_of_a_signed_body(tmp_path: Path) -> None:
    """Otherwise an attacker who captured one webhook could have it pushed many times."""
    here = world(tmp_path, {"scheme": "github"}, event="id = 'headers.\"x-id\"'")
    here.secrets.secrets = (b"secret",)
    proof = {
        "x-hub-signature-256": "sha256=" + mac(b"secret", b"{}").hex(),
        "content-type": "application/json",
    }
    sent = [request(b"{}", proof | {"x-id": number}) for number in ("1", "2")]
    assert relayed(here, GATEWAYS[0], *sent) == ["delivered", "duplicate"]

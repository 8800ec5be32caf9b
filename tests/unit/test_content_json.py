"""A JSON body has limits, and one reading if no proof covers it."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

import invocations
from fakes import World
from front_door import Gateway, api_gateway_v2, request, world
from push_relay.core.inbound.request import MAX_BODY
from push_relay.core.outcomes import Outcome
from push_relay.core.strict_json import MAX_DEPTH, MAX_DIGITS, MAX_PARTS
from signed_body import ANY_GATEWAY, GITHUB, data, github, refused, signed
from sns_sender import Request

TOKEN = {"scheme": "token", "header": "X-Token"}


def tokened(body: bytes, headers: Mapping[str, str] | None = None) -> Request:
    """Return a request with a shared token as its proof, which does not cover the body."""
    return request(body, {"x-token": GITHUB.secret.decode(), **(headers or {})})


def with_token(directory: Path, event: str = "") -> World:
    """Return a relay whose source requires a shared token."""
    here = world(directory, TOKEN, event=event)
    here.secrets.secrets = (GITHUB.secret,)
    return here


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": ' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}",
        b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' * 200_000,
        b'{"a": 1} {"planted": 2}',
        b"{'a': 1}",
        b'{"a": 1,}',
        b'{"a": 01}',
        b'{"a": "\x00"}',
        b"\xef\xbb\xbf\xef\xbb\xbf{}",
    ],
    ids=range(9),
)
def test_a_body_that_no_json_library_writes_is_malformed(body: bytes, tmp_path: Path) -> None:
    """It is nested too deeply or not JSON, so it is rejected even if a proof covers it."""
    assert refused(github(tmp_path), signed(body)) == (400, "malformed_request")
    assert refused(with_token(tmp_path / "token"), tokened(body)) == (400, "malformed_request")


@pytest.mark.parametrize("body", [b'{"a": [' + b"1," * MAX_PARTS + b"1]}", b"[" * MAX_BODY])
def test_json_with_too_many_parts_is_too_large(body: bytes, tmp_path: Path) -> None:
    """The parts are counted before the body is parsed, because parsing would take too much memory."""
    assert refused(github(tmp_path), signed(body)) == (413, "payload_too_large")
    assert refused(with_token(tmp_path / "token"), tokened(body)) == (413, "payload_too_large")


@pytest.mark.parametrize(
    ("body", "document"),
    [
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b'{"b": {"a": 1, "\\u0061": 2}}', {"b": {"a": 2}}),
        (b'{"a": ' + b"9" * (MAX_DIGITS + 1) + b"}", {"a": None}),
        (b'{"a": ' + b"9" * 1_000_000 + b"}", {"a": None}),
        (b'{"a": 1e999}', {"a": None}),
        (b'{"a": 0.' + b"1" * MAX_DIGITS + b"}", {"a": 1 / 9}),
        (b'{"a": NaN}', {"a": None}),
        (b'{"a": -Infinity}', {"a": None}),
        (b'{"a": "x\\ud800"}', {"a": "x\ufffd"}),
        (b'{"a": "\xff"}', {"a": "\ufffd"}),
        ('{"a": "é"}'.encode("utf-16"), {"a": "é"}),
    ],
    ids=range(11),
)
def test_ambiguous_json_is_read_if_a_proof_covers_it(body: bytes, document: object, tmp_path: Path) -> None:
    """Its sender wrote every byte. Otherwise another reader, such as a proxy, could see another document."""
    here = github(tmp_path)
    assert here.receive(api_gateway_v2(signed(body)))["statusCode"] == 202
    assert data(here) == document
    here.deliver(invocations.sqs_batch(invocations.sqs_queued(here.messages.queued[0][0])))
    assert here.witness.outcomes == [Outcome.DELIVERED]
    assert refused(with_token(tmp_path / "token"), tokened(body)) == (400, "malformed_request")


@ANY_GATEWAY
@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "text/json", "application/json, application/json", "application/json; charset=utf-16"],
)
def test_json_under_another_content_type_is_read_if_a_proof_covers_it(
    gateway: Gateway, content_type: str, tmp_path: Path
) -> None:
    """The content type is not signed, but the body is. Without a proof over the body the answer is 415."""
    here, named = github(tmp_path), {"content-type": content_type}
    assert here.receive(gateway(signed(b'{"a": 1}', named)))["statusCode"] == 202
    assert data(here) == {"a": 1}
    sent = tokened(b'{"a": 1}', named)
    assert refused(with_token(tmp_path / "token"), sent, gateway) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": ' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"}",
        b'{"a": ' + b"9" * MAX_DIGITS + b"}",
        b'\xef\xbb\xbf{"a": 1}',
        b'{"a": "\\ud83d\\ude00"}',
    ],
    ids=["deep", "long", "byte order mark", "pair"],
)
def test_json_up_to_its_limits_is_accepted(body: bytes, tmp_path: Path) -> None:
    """The queued document is the one that was sent."""
    here = github(tmp_path)
    assert here.receive(api_gateway_v2(signed(body)))["statusCode"] == 202
    assert data(here) == json.loads(body.removeprefix(b"\xef\xbb\xbf"))

"""A source can decide how its accepted requests are answered, for senders that expect another answer."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from fakes import World
from front_door import Gateway, api_gateway_v2, request, world
from ports import SECRET
from push_relay.core.errors import QueueUnavailable
from push_relay.core.rules.findings import Mistakes
from push_relay.core.rules.source import read_source
from push_relay.settings import DeliveryMode
from signed_body import ANY_GATEWAY
from signers import mac
from sns_sender import Request

EMPTY = "[answer]\nstatus = 200\n"
TEXT = '[answer]\nstatus = 201\nbody = "OK"\n'
REJECTED = "[answer]\nrejected_status = 406\n"


def relay(directory: Path, answer: str, event: str = "") -> World:
    """Return a relay whose source has an `[answer]` table."""
    here = world(directory, {"scheme": "github"}, event=f"{event}\n{answer}")
    here.secrets.secrets = (SECRET,)
    return here


def signed(content: Any, secret: bytes = SECRET) -> Request:
    """Return a signed request."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return request(body, {"x-hub-signature-256": "sha256=" + mac(secret, body).hex()})


@ANY_GATEWAY
@pytest.mark.parametrize("content", [{"a": 1}, [{"a": 1}, {"a": 2}], []])
def test_an_accepted_request_is_answered_as_its_source_wants(
    gateway: Gateway, content: Any, tmp_path: Path
) -> None:
    """Also one with several events, or with none."""
    answer = relay(tmp_path, EMPTY).receive(gateway(signed(content)))
    assert (answer["statusCode"], answer["body"]) == (200, "")
    assert {name.lower() for name in answer["headers"]} == {"cache-control", "x-correlation-id"}


def test_the_body_has_a_media_type(tmp_path: Path) -> None:
    """A browser must not take it for another one."""
    answer = relay(tmp_path, TEXT).receive(api_gateway_v2(signed({})))
    assert (answer["statusCode"], answer["body"]) == (201, "OK")
    assert answer["headers"]["Content-Type"] == "text/plain; charset=utf-8"
    assert answer["headers"]["X-Content-Type-Options"] == "nosniff"
    xml = relay(tmp_path, f'{TEXT}content_type = "text/xml"\n').receive(api_gateway_v2(signed({})))
    assert xml["headers"]["Content-Type"] == "text/xml"


def test_direct_mode_has_the_same_answer(tmp_path: Path) -> None:
    """The sender does not know the mode."""
    here = relay(tmp_path, EMPTY)
    object.__setattr__(here.intake, "forward", here.forward(DeliveryMode.DIRECT))
    answer = here.receive(api_gateway_v2(signed({})))
    assert (answer["statusCode"], answer["body"]) == (200, "")


@pytest.mark.parametrize("content", [{"a": 1}, [{"a": 1}]])
def test_requests_that_are_not_accepted_are_answered_as_ever(content: Any, tmp_path: Path) -> None:
    """A forgery, a body that cannot be read, and a queue that is down."""
    here = relay(tmp_path, EMPTY + "rejected_status = 406\n")
    assert here.receive(api_gateway_v2(signed(content, b"other")))["statusCode"] == 401
    here.messages.refused = lambda _: QueueUnavailable("down")
    here.messages.break_down()
    answer = here.receive(api_gateway_v2(signed(content)))
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (503, "queue_unavailable")


def test_a_sender_that_retries_everything_else_gets_the_status_that_it_obeys(tmp_path: Path) -> None:
    """Only after a valid proof, and only for what no attempt would help."""
    here = relay(tmp_path, REJECTED)
    (tmp_path / "sources" / "planted" / "schema.json").write_text('{"required": ["note"]}')
    for content, code in (
        ({"a": 1}, "schema_violation"),
        (b"{", "malformed_request"),
        ([{"a": 1}], "schema_violation"),
    ):
        answer = here.receive(api_gateway_v2(signed(content)))
        problem = json.loads(answer["body"])
        assert (answer["statusCode"], problem["status"], problem["code"]) == (406, 406, code)
    assert here.receive(api_gateway_v2(signed({"note": 1})))["statusCode"] == 202
    assert here.receive(api_gateway_v2(signed({}, b"other")))["statusCode"] == 401


@pytest.mark.parametrize("content", [{"a": 1}, [{"a": 1}]])
def test_strangers_get_the_errors_own_status(content: Any, tmp_path: Path) -> None:
    """A source that is open to everybody has no sender that has proven anything."""
    here = world(tmp_path, {"scheme": "none"}, event=REJECTED, policy="unverified = true")
    (tmp_path / "sources" / "planted" / "schema.json").write_text('{"required": ["note"]}')
    assert here.receive(api_gateway_v2(request(content)))["statusCode"] == 422


@pytest.mark.parametrize(
    ("token", "event", "is_right"),
    [
        ("body", 'format = "jwt"', True),
        ("body", "", False),
        ("body", 'format = "jwt"\nform_field = "p"', False),
        ("json:/p", 'format = "jwt"\nform_field = "p"', True),
        ("form:p", 'format = "jwt"\nform_field = "p"', True),
        ("json:/p", "", False),
        ("json:/p", 'format = "jwt"', False),
        ("json:/p", 'format = "jwt"\nform_field = "q"', False),
        ("form:p", 'form_field = "*"', False),
    ],
)
def test_a_token_in_the_body_is_the_document(token: str, event: str, is_right: bool) -> None:  # noqa: FBT001
    """It covers its claims alone: anybody could have written the rest of the body."""
    head = 'title = "t"\ndocs = "d"\n[verify]\nscheme = "jwt"\nkey = "text"\nalgorithm = ["HS256"]\n'
    document = tomllib.loads(f'{head}token = "{token}"\n[event]\n{event}\n')
    if is_right:
        read_source("planted", document, {})
        return
    with pytest.raises(Mistakes, match="must be `jwt`"):
        read_source("planted", document, {})


@pytest.mark.parametrize("scheme", ["basic", "none"])
def test_a_jwt_that_no_proof_can_cover_is_a_mistake(scheme: str) -> None:
    """Every request would be refused."""
    assert "needs a scheme that covers the body" in mistakes('[event]\nformat = "jwt"\n', scheme)


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        ("status = 300", "is more than 299"),
        ("status = 199", "is less than 200"),
        ("rejected_status = 399", "is less than 400"),
        ("rejected_status = 500", "is more than 499"),
        ('status = 204\nbody = "x"', "is not sent with the status 204"),
        ('body = "x"', "has no effect without `status`"),
        ('status = 200\ncontent_type = "text/plain\\r\\nSet-Cookie: a=b"', "is not a media type"),
        ('status = 200\ncontent_type = "text"', "is not a media type"),
    ],
)
def test_a_wrong_answer_is_a_mistake(answer: str, mistake: str) -> None:
    """A header cannot be injected, and nothing but success can be answered to what is accepted."""
    assert mistake in mistakes(f"[answer]\n{answer}\n")


def mistakes(text: str, scheme: str = "github") -> str:
    """Return the one mistake of a source."""
    head = f'title = "t"\ndocs = "d"\n[verify]\nscheme = "{scheme}"\n'
    with pytest.raises(Mistakes) as found:
        read_source("planted", tomllib.loads(head + text), {})
    assert len(found.value.findings) == 1
    return str(found.value)


@pytest.mark.parametrize(
    "event",
    [
        'form_field_encoding = "base64"',
        'form_field_encoding = "base64"\nform_field = "*"',
        'format = "ndjson"\neach = "data"',
    ],
)
def test_a_key_without_an_effect_is_a_mistake(event: str) -> None:
    """Its author expects something that does not happen."""
    assert "has no effect" in mistakes(f"[event]\n{event}\n")


def test_a_source_without_webhooks_splits_nothing() -> None:
    """An event from AWS is one event, whatever its document holds."""
    text = 'title = "t"\ndocs = "d"\n[event]\neach = "data.alerts"\n[[match]]\nsqs_queue = "*"\n'
    with pytest.raises(Mistakes, match=r"event.each: has no effect without `\[verify\]`"):
        read_source("planted", tomllib.loads(text), {})
    read_source("planted", tomllib.loads(text.replace('each = "data.alerts"', "")), {})

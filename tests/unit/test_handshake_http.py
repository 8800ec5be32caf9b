"""Handshakes over HTTP are answered only if the sender proves that it has the secret."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from fakes import World, captured
from front_door import CALLER, GATEWAYS, Gateway, api_gateway_v2, request, world, world_of
from push_relay.core.errors import CredentialsUnavailable
from push_relay.core.outcomes import Outcome
from signers import CASES, mac
from sns_sender import NOW, TOPIC, Request, iso_ms, sns_message, sns_signed

ANY_GATEWAY = pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.__name__)
SECRET = b"planted secret"
TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, kw_only=True)
class Question:
    """A sender's handshake request, the scheme that verifies it, and the expected answer."""

    handshake: str
    verify: Mapping[str, Any]
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    answer: str
    content_type: str = TEXT

    def proven(self, secret: bytes = SECRET) -> Request:
        """Return the request with a proof, as its sender writes it."""
        scheme = self.verify["scheme"]
        if scheme == "token":
            return request(self.body, self.headers, {**self.query, "token": secret.decode()})
        stamp, name = str(NOW), {"slack": "x-slack", "hmac": "x-zm"}[scheme]
        timestamp = f"{name}-request-timestamp"
        signature = "v0=" + mac(secret, b"v0:" + stamp.encode() + b":" + self.body).hex()
        return request(self.body, {f"{name}-signature": signature, timestamp: stamp}, self.query)

    def unproven(self) -> Request:
        """Return the request without a proof."""
        return request(self.body, self.headers, self.query)


ZOOM = {
    "scheme": "hmac",
    "header": "x-zm-signature",
    "prefix": "v0=",
    "content": "v0:{timestamp}:{body}",
    "timestamp_header": "x-zm-request-timestamp",
}
QUERY_TOKEN = {"scheme": "token", "query": "token"}
CODE = "512d38b6-c7b8-40c8-89fe-f46f9e9622b6"
QUESTIONS = (
    Question(
        handshake="slack",
        verify={"scheme": "slack"},
        body=b'{"type": "url_verification", "token": "planted-token", "challenge": "<b>3eZbrw</b>"}',
        answer="<b>3eZbrw</b>",
    ),
    Question(
        handshake="zoom",
        verify=ZOOM,
        body=b'{"event": "endpoint.url_validation", "payload": {"plainToken": "qgg8vlvZRS6UYooatFL8Aw"}}',
        answer=json.dumps(
            {
                "plainToken": "qgg8vlvZRS6UYooatFL8Aw",
                "encryptedToken": hmac.new(SECRET, b"qgg8vlvZRS6UYooatFL8Aw", hashlib.sha256).hexdigest(),
            }
        ),
        content_type="application/json",
    ),
    Question(
        handshake="event-grid",
        verify=QUERY_TOKEN,
        body=json.dumps([{"id": "1", "data": {"validationCode": CODE}}]).encode(),
        headers={"aeg-event-type": "SubscriptionValidation"},
        answer=json.dumps({"validationResponse": CODE}),
        content_type="application/json",
    ),
    Question(
        handshake="microsoft-graph",
        verify=QUERY_TOKEN,
        query={"validationToken": "Validation: <script>alert(1)</script>"},
        answer="Validation: <script>alert(1)</script>",
    ),
)
EACH = pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.handshake)


def relay_for(directory: Path, question: Question, **more: Any) -> World:
    """Return a relay with a source that declares the handshake."""
    event = 'format = "list-of-one"' if question.handshake == "event-grid" else ""
    top = f'handshake = "{question.handshake}"'
    here = world(directory, question.verify, event=event, top=top, **more)
    here.secrets.secrets = (SECRET,)
    return here


def untouched(here: World) -> bool:
    """Return whether nothing was queued or confirmed, and no handshake was counted."""
    return not (here.messages.queued or here.sns.confirmed or here.witness.handshakes)


@EACH
@ANY_GATEWAY
def test_a_proven_handshake_is_answered(question: Question, gateway: Gateway, tmp_path: Path) -> None:
    """The answer is a 200 with the requested text. A handshake is not an event, so it has no outcome."""
    here = relay_for(tmp_path, question)
    answer = here.receive(gateway(question.proven()))
    assert (answer["statusCode"], answer["body"]) == (200, question.answer)
    assert answer["headers"] == {
        "Content-Type": question.content_type,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        "X-Correlation-Id": "req-1",
    }
    assert here.witness.handshakes == [("planted", "req-1")]
    assert not here.witness.receipts
    assert not here.messages.queued


@EACH
@ANY_GATEWAY
def test_an_unproven_handshake_is_rejected(question: Question, gateway: Gateway, tmp_path: Path) -> None:
    """Without a valid proof, the relay must not reflect any part of the request."""
    here = relay_for(tmp_path, question)
    for forged in (question.unproven(), question.proven(b"guessed")):
        answer = here.receive(gateway(forged))
        assert answer["statusCode"] == 401
        assert answer["headers"]["Content-Type"] == "application/problem+json"
        assert question.answer not in answer["body"]
    assert here.witness.outcomes == [Outcome.REJECTED] * 2
    assert untouched(here)


@EACH
def test_a_source_without_a_handshake_does_not_answer_one(question: Question, tmp_path: Path) -> None:
    """The request is handled as an event: it is accepted, or it is malformed."""
    here = world(tmp_path, question.verify, top='handshake = "none"')
    here.secrets.secrets = (SECRET,)
    answer = here.receive(api_gateway_v2(question.proven()))
    assert answer["statusCode"] in {202, 400, 415}
    assert question.answer not in answer["body"]
    assert not here.witness.handshakes


@EACH
def test_a_handshake_from_an_address_outside_the_allow_list_is_rejected(
    question: Question, tmp_path: Path
) -> None:
    """The address is checked first, so the answer is a 403 even if the proof is valid."""
    here = relay_for(tmp_path, question, policy='allow_ips = ["192.0.2.0/24"]')
    assert here.receive(api_gateway_v2(question.proven(), caller=CALLER))["statusCode"] == 403
    assert untouched(here)


@pytest.mark.parametrize(
    ("handshake", "body", "query"),
    [
        ("slack", {"type": "url_verification", "challenge": "caf\u00e9"}, {}),
        ("slack", {"type": "url_verification"}, {}),
        ("zoom", {"event": "endpoint.url_validation", "payload": {"plainToken": "v0:1800000000:{}"}}, {}),
        ("event-grid", [{"data": {"validationCode": 7}}], {}),
        ("microsoft-graph", {}, {"validationToken": "line\nbreak"}),
    ],
)
def test_a_proven_handshake_with_an_unsafe_token_is_malformed(
    handshake: str, body: Any, query: dict[str, str], tmp_path: Path
) -> None:
    """The sender is verified, but the relay must not return or sign such a text. The answer is a 400."""
    known = next(question for question in QUESTIONS if question.handshake == handshake)
    here = relay_for(tmp_path, known)
    unsafe = replace(known, body=json.dumps(body).encode(), query=query)
    answer = here.receive(api_gateway_v2(unsafe.proven()))
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (400, "malformed_request")
    assert untouched(here)


# --- SNS -----------------------------------------------------------------------------------------------

SNS = next(case for case in CASES if case.name == "sns-http confirmation")


def subscription(**fields: str) -> Request:
    """Return SNS's signed request for the confirmation of a subscription."""
    asked = {"Type": "SubscriptionConfirmation", "Token": "planted-token", "Timestamp": iso_ms(NOW)}
    address = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=planted-token"
    message = sns_message(b"You have chosen", Subject=None, SubscribeURL=address, **asked)
    signed = sns_signed(message | fields, b"sns")
    return request(signed.body, {"content-type": "text/plain; charset=UTF-8"})


@ANY_GATEWAY
def test_a_subscription_of_an_allow_listed_topic_is_confirmed(gateway: Gateway, tmp_path: Path) -> None:
    """The relay calls SNS's own host in the topic's region, and returns an empty answer to the request."""
    here = world_of(tmp_path, SNS)
    answer = here.receive(gateway(subscription()))
    assert (answer["statusCode"], answer["body"], answer["headers"]["Content-Type"]) == (200, "", TEXT)
    call = f"?Action=ConfirmSubscription&TopicArn={TOPIC.replace(':', '%3A')}&Token=planted-token"
    assert here.sns.confirmed == [
        f"https://sns.eu-west-1.amazonaws.com/{call}&AuthenticateOnUnsubscribe=true"
    ]
    assert not here.messages.queued
    assert not here.witness.troubles


def test_a_subscription_that_anyone_can_end_is_reported(tmp_path: Path) -> None:
    """It is confirmed nevertheless. Otherwise SNS would give up, and the events would be lost."""
    here = world_of(tmp_path, SNS)
    here.sns.protects = False
    assert here.receive(api_gateway_v2(subscription()))["statusCode"] == 200
    ((what, code, detail),) = here.witness.troubles
    assert (what, code) == ("subscription of source `planted`", "unprotected_subscription")
    assert "HttpSnsTopicArns" in detail


@ANY_GATEWAY
@pytest.mark.parametrize("topics", ["", f'topics = ["{TOPIC}-other"]', 'topics = ["*"]'])
def test_the_subscription_of_any_other_topic_is_rejected(
    gateway: Gateway, topics: str, tmp_path: Path
) -> None:
    """SNS signs for all its customers, so the topic is checked before a certificate is fetched."""
    here = world_of(tmp_path, SNS, policy=topics)
    assert here.receive(gateway(subscription()))["statusCode"] == 401
    assert untouched(here)
    assert not here.sns.fetched


def test_only_a_host_of_sns_is_called(tmp_path: Path) -> None:
    """Any other URL is refused with a 400, even if the message has a valid signature."""
    here = world_of(tmp_path, SNS)
    answer = here.receive(api_gateway_v2(subscription(SubscribeURL="https://169.254.169.254/?a")))
    assert answer["statusCode"] == 400
    assert untouched(here)


def test_sns_is_asked_to_repeat_a_confirmation_that_failed(tmp_path: Path) -> None:
    """SNS retries after a 503. The answer does not contain the URL, because it has a token."""
    here = world_of(tmp_path, SNS)

    def fail(_url: str) -> None:
        raise CredentialsUnavailable("SNS did not take the confirmation (Fake)")

    here.sns.confirm = fail  # type: ignore[method-assign]
    answer = here.receive(api_gateway_v2(subscription()))
    assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (503, "60")
    assert "planted" not in answer["body"]
    assert here.witness.outcomes == [Outcome.PARKED]
    assert untouched(here)


def test_a_certificate_that_cannot_be_fetched_is_not_treated_as_a_forgery(tmp_path: Path) -> None:
    """The answer is a 503, so that SNS sends the message again."""
    here = world_of(tmp_path, SNS)
    here.sns.certificates.clear()
    assert here.receive(api_gateway_v2(subscription()))["statusCode"] == 503
    assert untouched(here)


def test_a_certificate_that_does_not_exist_is_treated_as_a_forgery(tmp_path: Path) -> None:
    """If SNS has no certificate of that name, the adapter returns an empty one, and the answer is a 401."""
    here = world_of(tmp_path, SNS)
    here.sns.certificates = dict.fromkeys(here.sns.certificates, b"")
    assert here.receive(api_gateway_v2(subscription()))["statusCode"] == 401
    assert untouched(here)


def test_the_end_of_a_subscription_is_logged_as_an_error_and_counted(tmp_path: Path) -> None:
    """The relay does not subscribe again, because an owner of the topic may have ended it on purpose."""
    with captured() as output:
        here = world_of(tmp_path, SNS, telemetry=output.telemetry)
        answer = here.receive(api_gateway_v2(subscription(Type="UnsubscribeConfirmation")))
    assert answer["statusCode"] == 200
    assert not here.sns.confirmed
    ended = {"level": "ERROR", "message": "unsubscribed", "source": "planted", "error_code": "unsubscribed"}
    assert [line for line in output.logs if ended.items() <= line.items()]
    assert [line["Unsubscribed"] for line in output.metrics if "Unsubscribed" in line] == [[1.0]]
    assert "planted-token" not in output.text


def test_a_forged_end_of_a_subscription_is_rejected(tmp_path: Path) -> None:
    """Otherwise anyone could raise the alarm for ended subscriptions."""
    here = world_of(tmp_path, SNS)
    message = sns_message(b"x", Type="UnsubscribeConfirmation", Subject=None, SubscribeURL="x", Token="y")
    forged = request(sns_signed(message, b"mallory").body, {"content-type": "text/plain"})
    assert here.receive(api_gateway_v2(forged))["statusCode"] == 401
    assert not here.witness.troubles


# --- CloudEvents -----------------------------------------------------------------------------------------

ORIGIN = "eventemitter.example.com"
ASKED = request(headers={"webhook-request-origin": ORIGIN, "webhook-request-rate": "120"})


@ANY_GATEWAY
@pytest.mark.parametrize("origins", ["", f'origins = ["{ORIGIN}"]'])
def test_the_preflight_of_an_allowed_origin_is_answered(
    gateway: Gateway, origins: str, tmp_path: Path
) -> None:
    """The request with OPTIONS needs no proof. An event from the same origin still needs one."""
    here = world(tmp_path, {"scheme": "github"}, top='handshake = "cloudevents"', policy=origins)
    answer = here.receive(gateway(ASKED, method="OPTIONS"))
    assert (answer["statusCode"], answer["body"]) == (200, "")
    assert answer["headers"] == {
        "Content-Type": TEXT,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        "X-Correlation-Id": "req-1",
        "WebHook-Allowed-Origin": ORIGIN,
        "WebHook-Allowed-Rate": "120",
        "Allow": "POST",
    }
    assert here.receive(gateway(request({})))["statusCode"] == 401


@ANY_GATEWAY
@pytest.mark.parametrize("origin", ["other.example.com", "", f"{ORIGIN}.evil", "a\r\nX-Evil: 1", "*", None])
def test_the_preflight_of_any_other_origin_is_rejected(
    gateway: Gateway, origin: str | None, tmp_path: Path
) -> None:
    """The answer is the same 405 as that of a source without this handshake, so it reveals nothing."""
    policy = f'origins = ["{ORIGIN}"]'
    here = world(tmp_path, {"scheme": "github"}, top='handshake = "cloudevents"', policy=policy)
    headers = {} if origin is None else {"webhook-request-origin": origin}
    answer = here.receive(gateway(request(headers=headers), method="OPTIONS"))
    assert answer["statusCode"] == 405
    assert "WebHook-Allowed-Origin" not in answer["headers"]


@pytest.mark.parametrize("rate", ["", "*", "-1", "1.5", "1" * 10, "\u0661\u0662", "120\r\nX-Evil: 1"])
def test_a_rate_that_is_not_a_plain_number_is_omitted(rate: str, tmp_path: Path) -> None:
    """The answer must not reflect arbitrary text from the request's headers."""
    here = world(tmp_path, {"scheme": "github"}, top='handshake = "cloudevents"')
    strange = replace(ASKED, headers={**ASKED.headers, "webhook-request-rate": rate})
    answer = here.receive(api_gateway_v2(strange, method="OPTIONS"))
    assert answer["statusCode"] == 200
    assert "WebHook-Allowed-Rate" not in answer["headers"]


@ANY_GATEWAY
@pytest.mark.parametrize(
    ("verify", "top", "status"),
    [
        ({"scheme": "github"}, "", 405),
        ({"scheme": "slack"}, 'handshake = "slack"', 405),
        ({"scheme": "none"}, 'handshake = "cloudevents"', 404),
    ],
)
def test_a_source_without_a_preflight_rejects_options(
    gateway: Gateway, verify: dict[str, Any], top: str, status: int, tmp_path: Path
) -> None:
    """The answer is a 405, or a 404 if the source does not accept webhooks at all."""
    here = world(tmp_path, verify, top=top)
    answer = here.receive(gateway(ASKED, method="OPTIONS"))
    assert answer["statusCode"] == status
    assert untouched(here)


def test_handshakes_have_their_own_metric(tmp_path: Path) -> None:
    """`Received` must stay equal to the sum of the outcomes. The challenge and the token are not logged."""
    with captured() as output:
        here = relay_for(tmp_path, QUESTIONS[0], telemetry=output.telemetry)
        here.receive(api_gateway_v2(QUESTIONS[0].proven()))
    assert [(line["Handshake"], "Received" in line) for line in output.metrics] == [([1.0], False)]
    assert "planted-token" not in output.text
    assert "3eZbrw" not in output.text

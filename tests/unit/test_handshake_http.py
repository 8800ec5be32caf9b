"""Handshakes, through the front door: answered to whoever holds the secret, and to no one else."""

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
    """A sender's question, the scheme that it is proven by, and the answer that it asks for."""

    handshake: str
    verify: Mapping[str, Any]
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    answer: str
    content_type: str = TEXT

    def asked(self, secret: bytes = SECRET) -> Request:
        """Return it with its proof, as the sender makes it."""
        scheme = self.verify["scheme"]
        if scheme == "token":
            return request(self.body, self.headers, {**self.query, "token": secret.decode()})
        stamp, name = str(NOW), {"slack": "x-slack", "hmac": "x-zm"}[scheme]
        timestamp = f"{name}-request-timestamp"
        signature = "v0=" + mac(secret, b"v0:" + stamp.encode() + b":" + self.body).hex()
        return request(self.body, {f"{name}-signature": signature, timestamp: stamp}, self.query)

    def unproven(self) -> Request:
        """Return it with nothing to prove it."""
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


def asked_of(directory: Path, question: Question, **more: Any) -> World:
    """Return a relay whose source's folder declares the handshake."""
    event = 'format = "list-of-one"' if question.handshake == "event-grid" else ""
    top = f'handshake = "{question.handshake}"'
    here = world(directory, question.verify, event=event, top=top, **more)
    here.secrets.secrets = (SECRET,)
    return here


def untouched(here: World) -> bool:
    """Tell whether nothing was queued, confirmed or told as a handshake."""
    return not (here.messages.queued or here.sns.confirmed or here.witness.handshakes)


@EACH
@ANY_GATEWAY
def test_a_proven_question_is_answered(question: Question, gateway: Gateway, tmp_path: Path) -> None:
    """200 with what was asked for; it is no event, is not queued and has no outcome."""
    here = asked_of(tmp_path, question)
    answer = here.receive(gateway(question.asked()))
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
def test_an_unproven_question_is_not_answered(question: Question, gateway: Gateway, tmp_path: Path) -> None:
    """Neither without a proof nor with a forged one: nothing of it comes back."""
    here = asked_of(tmp_path, question)
    for forged in (question.unproven(), question.asked(b"guessed")):
        answer = here.receive(gateway(forged))
        assert answer["statusCode"] == 401
        assert answer["headers"]["Content-Type"] == "application/problem+json"
        assert question.answer not in answer["body"]
    assert here.witness.outcomes == [Outcome.REJECTED] * 2
    assert untouched(here)


@EACH
def test_a_source_that_declares_no_handshake_answers_none(question: Question, tmp_path: Path) -> None:
    """The question is an event like any other there, or none at all."""
    here = world(tmp_path, question.verify)
    here.secrets.secrets = (SECRET,)
    answer = here.receive(api_gateway_v2(question.asked()))
    assert answer["statusCode"] in {202, 400, 415}
    assert question.answer not in answer["body"]
    assert not here.witness.handshakes


@EACH
def test_a_question_from_an_address_that_is_not_listed_is_not_answered(
    question: Question, tmp_path: Path
) -> None:
    """403 before anything else."""
    here = asked_of(tmp_path, question, policy='allow_ips = ["192.0.2.0/24"]')
    assert here.receive(api_gateway_v2(question.asked(), caller=CALLER))["statusCode"] == 403
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
def test_a_question_that_no_sender_asks_is_malformed(
    handshake: str, body: Any, query: dict[str, str], tmp_path: Path
) -> None:
    """400: proven, but nothing that may be given back, or signed."""
    known = next(question for question in QUESTIONS if question.handshake == handshake)
    here = asked_of(tmp_path, known)
    strange = replace(known, body=json.dumps(body).encode(), query=query)
    answer = here.receive(api_gateway_v2(strange.asked()))
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (400, "malformed_request")
    assert untouched(here)


# --- SNS -----------------------------------------------------------------------------------------------

SNS = next(case for case in CASES if case.name == "sns-http confirmation")


def subscription(**fields: str) -> Request:
    """Return a confirmation's request, signed by SNS."""
    asked = {"Type": "SubscriptionConfirmation", "Token": "planted-token", "Timestamp": iso_ms(NOW)}
    address = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=planted-token"
    message = sns_message(b"You have chosen", Subject=None, SubscribeURL=address, **asked)
    signed = sns_signed(message | fields, b"sns")
    return request(signed.body, {"content-type": "text/plain; charset=UTF-8"})


@ANY_GATEWAY
def test_a_subscription_of_an_allow_listed_topic_is_confirmed(gateway: Gateway, tmp_path: Path) -> None:
    """At the address that SNS gave, which is SNS's own; answered with nothing of it."""
    here = world_of(tmp_path, SNS)
    answer = here.receive(gateway(subscription()))
    assert (answer["statusCode"], answer["body"], answer["headers"]["Content-Type"]) == (200, "", TEXT)
    call = f"?Action=ConfirmSubscription&TopicArn={TOPIC.replace(':', '%3A')}&Token=planted-token"
    assert here.sns.confirmed == [
        f"https://sns.eu-west-1.amazonaws.com/{call}&AuthenticateOnUnsubscribe=true"
    ]
    assert not here.messages.queued
    assert not here.witness.troubles


def test_a_subscription_that_anybody_can_end_is_reported(tmp_path: Path) -> None:
    """It is confirmed all the same: SNS would give up, and the events would be lost."""
    here = world_of(tmp_path, SNS)
    here.sns.protects = False
    assert here.receive(api_gateway_v2(subscription()))["statusCode"] == 200
    ((what, code, detail),) = here.witness.troubles
    assert (what, code) == ("subscription of source `planted`", "unprotected_subscription")
    assert "HttpSnsTopicArns" in detail


@ANY_GATEWAY
@pytest.mark.parametrize("topics", ["", f'topics = ["{TOPIC}-other"]', 'topics = ["*"]'])
def test_no_other_topic_s_subscription_is_confirmed(gateway: Gateway, topics: str, tmp_path: Path) -> None:
    """Anybody's topics are signed alike; not even the certificate is fetched for them."""
    here = world_of(tmp_path, SNS, policy=topics)
    assert here.receive(gateway(subscription()))["statusCode"] == 401
    assert untouched(here)
    assert not here.sns.fetched


def test_only_sns_s_own_address_is_called(tmp_path: Path) -> None:
    """Even where the message is genuine: 400, and nobody is called."""
    here = world_of(tmp_path, SNS)
    answer = here.receive(api_gateway_v2(subscription(SubscribeURL="https://169.254.169.254/?a")))
    assert answer["statusCode"] == 400
    assert untouched(here)


def test_a_confirmation_that_fails_is_asked_for_again(tmp_path: Path) -> None:
    """503, and SNS repeats its question; nothing of the address is told."""
    here = world_of(tmp_path, SNS)

    def fail(_url: str) -> None:
        raise CredentialsUnavailable("SNS did not take the confirmation (Fake)")

    here.sns.confirm = fail  # type: ignore[method-assign]
    answer = here.receive(api_gateway_v2(subscription()))
    assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (503, "60")
    assert "planted" not in answer["body"]
    assert here.witness.outcomes == [Outcome.PARKED]
    assert untouched(here)


def test_a_certificate_that_cannot_be_fetched_is_no_forgery(tmp_path: Path) -> None:
    """503: SNS tries again."""
    here = world_of(tmp_path, SNS)
    here.sns.certificates.clear()
    assert here.receive(api_gateway_v2(subscription()))["statusCode"] == 503
    assert untouched(here)


def test_a_certificate_that_does_not_exist_is_a_forgery(tmp_path: Path) -> None:
    """401: SNS has none of that name, as its adapter tells by an empty one."""
    here = world_of(tmp_path, SNS)
    here.sns.certificates = dict.fromkeys(here.sns.certificates, b"")
    assert here.receive(api_gateway_v2(subscription()))["statusCode"] == 401
    assert untouched(here)


def test_the_end_of_a_subscription_is_logged_as_an_error_and_counted(tmp_path: Path) -> None:
    """Answered, and not undone: an owner may have meant it. No event comes from the topic any more."""
    with captured() as said:
        here = world_of(tmp_path, SNS, telemetry=said.telemetry)
        answer = here.receive(api_gateway_v2(subscription(Type="UnsubscribeConfirmation")))
    assert answer["statusCode"] == 200
    assert not here.sns.confirmed
    ended = {"level": "ERROR", "message": "unsubscribed", "source": "planted", "error_code": "unsubscribed"}
    assert [line for line in said.logs if ended.items() <= line.items()]
    assert [line["Unsubscribed"] for line in said.metrics if "Unsubscribed" in line] == [[1.0]]
    assert "planted-token" not in said.text


def test_a_forged_end_of_a_subscription_is_none(tmp_path: Path) -> None:
    """Only SNS signs one; anybody could make the alarm ring otherwise."""
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
def test_an_origin_that_may_send_is_told_so(gateway: Gateway, origins: str, tmp_path: Path) -> None:
    """By OPTIONS, with its name and rate; no proof is asked for and none is given."""
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
def test_another_origin_is_told_nothing(gateway: Gateway, origin: str | None, tmp_path: Path) -> None:
    """405, as by a source that answers no such question."""
    policy = f'origins = ["{ORIGIN}"]'
    here = world(tmp_path, {"scheme": "github"}, top='handshake = "cloudevents"', policy=policy)
    headers = {} if origin is None else {"webhook-request-origin": origin}
    answer = here.receive(gateway(request(headers=headers), method="OPTIONS"))
    assert answer["statusCode"] == 405
    assert "WebHook-Allowed-Origin" not in answer["headers"]


@pytest.mark.parametrize("rate", ["", "*", "-1", "1.5", "1" * 10, "\u0661\u0662", "120\r\nX-Evil: 1"])
def test_a_rate_that_is_no_number_is_not_given_back(rate: str, tmp_path: Path) -> None:
    """What is reflected is a plain number, or left out."""
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
        (None, 'handshake = "cloudevents"', 404),
        ({"scheme": "none"}, 'handshake = "cloudevents"', 404),
    ],
)
def test_a_source_that_is_not_asked_by_options_says_so(
    gateway: Gateway, verify: dict[str, Any] | None, top: str, status: int, tmp_path: Path
) -> None:
    """405 without the handshake; 404 where its events would be met with that too."""
    here = world(tmp_path, verify, top=top)
    answer = here.receive(gateway(ASKED, method="OPTIONS"))
    assert answer["statusCode"] == status
    assert untouched(here)


def test_handshakes_are_counted_apart_from_events(tmp_path: Path) -> None:
    """A metric of their own, so that received = the sum of the outcomes holds; the token is not logged."""
    with captured() as said:
        here = asked_of(tmp_path, QUESTIONS[0], telemetry=said.telemetry)
        here.receive(api_gateway_v2(QUESTIONS[0].asked()))
    assert [(line["Handshake"], "Received" in line) for line in said.metrics] == [([1.0], False)]
    assert "planted-token" not in said.text
    assert "3eZbrw" not in said.text

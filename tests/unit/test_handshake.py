"""Handshakes: what a sender asks before it sends events is answered, and nothing else is."""

import contextlib
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from push_relay.core.errors import MalformedRequest
from push_relay.core.trust.handshakes.base import Reply, Subscription
from push_relay.core.trust.handshakes.cloudevents import preflight
from push_relay.core.trust.handshakes.registry import HANDSHAKES

SECRET = b"secret"


@dataclass(frozen=True)
class HandshakeRequest:
    """A verified request."""

    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)


def asked(document: Any, **headers: str) -> HandshakeRequest:
    """Make a request with a JSON body."""
    return HandshakeRequest(json.dumps(document).encode(), headers)


def test_slack_gets_its_challenge_back_as_text() -> None:
    """Slack takes the challenge in the body, as text (docs.slack.dev/reference/events/url_verification)."""
    request = asked({"token": "t", "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY", "type": "url_verification"})
    reply = HANDSHAKES["slack"].answer(request, SECRET)
    assert reply == Reply("3eZbrw1aBm2rZgRNFdxV2595E9CY", "text/plain; charset=utf-8")


def test_zoom_gets_its_token_signed() -> None:
    """Zoom's own sample: hex HMAC-SHA256 of the plain token by the secret token."""
    request = asked({"event": "endpoint.url_validation", "payload": {"plainToken": "qgg8vlvZRS6UYooatFL8Aw"}})
    reply = HANDSHAKES["zoom"].answer(request, SECRET)
    assert isinstance(reply, Reply)
    assert json.loads(reply.body) == {
        "plainToken": "qgg8vlvZRS6UYooatFL8Aw",
        # printf qgg8vlvZRS6UYooatFL8Aw | openssl dgst -sha256 -hmac secret
        "encryptedToken": "72cef096bfd47c0b8664df30d07721641e4abd7e885ba432204260db477a9a3e",
    }


def test_zoom_cannot_be_made_to_sign_what_looks_like_a_request() -> None:
    """Zoom signs `v0:time:body` by the same secret: the answer must be no use as a signature."""
    request = asked({"event": "endpoint.url_validation", "payload": {"plainToken": "v0:1:{}"}})
    with pytest.raises(MalformedRequest):
        HANDSHAKES["zoom"].answer(request, SECRET)


def test_event_grid_gets_its_validation_code_back() -> None:
    """Event Grid's own schema sends a list of one."""
    events = [
        {
            "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
            "data": {"validationCode": "512d38b6"},
        }
    ]
    request = asked(events, **{"aeg-event-type": "SubscriptionValidation"})
    assert HANDSHAKES["event-grid"].answer(request, SECRET) == Reply('{"validationResponse": "512d38b6"}')


def test_graph_gets_its_token_back_as_text() -> None:
    """Graph asks in the query, with no body."""
    token = "Validation: Testing client application reachability for subscription 1"
    reply = HANDSHAKES["microsoft-graph"].answer(HandshakeRequest(query={"validationToken": token}), SECRET)
    assert reply == Reply(token, "text/plain; charset=utf-8")


def confirmation(url: str, topic: object = "arn:aws:sns:eu-west-1:123456789012:alarms") -> HandshakeRequest:
    """Make SNS's request for a confirmation."""
    return asked({"Type": "SubscriptionConfirmation", "TopicArn": topic, "SubscribeURL": url, "Token": "t"})


def test_sns_subscriptions_are_confirmed_where_sns_says() -> None:
    """On SNS's host in the topic's region, by what SNS has signed, and so that only an owner can end them."""
    host = "https://sns.eu-west-1.amazonaws.com/"
    assert HANDSHAKES["sns"].answer(confirmation(f"{host}?Action=Unsubscribe#x"), SECRET) == Subscription(
        f"{host}?Action=ConfirmSubscription&TopicArn=arn%3Aaws%3Asns%3Aeu-west-1%3A123456789012%3Aalarms&Token=t"
        "&AuthenticateOnUnsubscribe=true"
    )


@pytest.mark.parametrize("token", [None, "", 7, "t\nx", "t" * 2000])
def test_a_confirmation_without_a_token_is_malformed(token: object) -> None:
    """Nothing is called."""
    url = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription"
    topic = "arn:aws:sns:eu-west-1:123456789012:alarms"
    message = {"Type": "SubscriptionConfirmation", "TopicArn": topic, "SubscribeURL": url, "Token": token}
    with pytest.raises(MalformedRequest):
        HANDSHAKES["sns"].answer(asked(message), SECRET)


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription",
        "https://sns.eu-west-1.amazonaws.com.evil.example/?Action=ConfirmSubscription",
        "https://sns.eu-west-1.amazonaws.com@evil.example/?Action=ConfirmSubscription",
        "https://evil.example/?https://sns.eu-west-1.amazonaws.com/",
        "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription",
        "https://169.254.169.254/latest/meta-data",
        "https://sns.eu-west-1.amazonaws.com/?a\r\nHost: evil.example",
        "",
        None,
    ],
)
def test_no_other_address_is_fetched(url: str) -> None:
    """A forged confirmation must not make the relay call whom it likes."""
    with pytest.raises(MalformedRequest):
        HANDSHAKES["sns"].answer(confirmation(url), SECRET)


@pytest.mark.parametrize(
    ("topic", "url"),
    [
        ("arn:aws:sns:evil.example/:1:t", "https://sns.evil.example/.amazonaws.com/?x"),
        ("arn:aws:sns:x@169.254.169.254/:1:t", "https://sns.x@169.254.169.254/.amazonaws.com/?x"),
        ("arn:aws:sns:evil.example#:123456789012:t", "https://sns.evil.example#.amazonaws.com/?x"),
        ("arn:aws:sns::123456789012:t", "https://sns..amazonaws.com/?x"),
        ("arn:aws:sqs:eu-west-1:123456789012:t", "https://sns.eu-west-1.amazonaws.com/?x"),
        (None, "https://sns.eu-west-1.amazonaws.com/?x"),
        (["arn"], "https://sns.eu-west-1.amazonaws.com/?x"),
    ],
)
def test_a_topic_that_is_none_names_no_host(topic: object, url: str) -> None:
    """The region is a part of the address: it may not be whatever a stranger writes there."""
    with pytest.raises(MalformedRequest):
        HANDSHAKES["sns"].answer(confirmation(url, topic), SECRET)


@pytest.mark.parametrize("name", HANDSHAKES)
@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"not json", b'{"type": "message"}', b"\xff"])
def test_what_is_no_handshake_is_an_event(name: str, body: bytes) -> None:
    """An event, and a body that cannot be read, goes on to where it is told what is wrong."""
    assert HANDSHAKES[name].answer(HandshakeRequest(body), SECRET) is None


@pytest.mark.parametrize("token", ["", "x" * 1025, "line\nbreak", "caf\u00e9", None, 7, ["a"]])
def test_only_a_plain_token_is_given_back(token: object) -> None:
    """What is reflected is printable ASCII and bounded."""
    with pytest.raises(MalformedRequest):
        HANDSHAKES["slack"].answer(asked({"type": "url_verification", "challenge": token}), SECRET)


def test_the_preflight_lets_an_origin_send() -> None:
    """CloudEvents' abuse protection: the answer names the origin and the rate."""
    request = HandshakeRequest(
        headers={"webhook-request-origin": "eventemitter.example.com", "webhook-request-rate": "120"}
    )
    reply = preflight(request, frozenset())
    assert reply is not None
    assert reply.headers == {
        "WebHook-Allowed-Origin": "eventemitter.example.com",
        "WebHook-Allowed-Rate": "120",
        "Allow": "POST",
    }


@pytest.mark.parametrize("origin", ["other.example.com", "", "a\r\nb", "*", "x" * 254])
def test_the_preflight_refuses_other_origins(origin: str) -> None:
    """Only those allowed, and only what is a host's name."""
    request = HandshakeRequest(headers={"webhook-request-origin": origin})
    assert preflight(request, frozenset({"eventemitter.example.com"})) is None


@given(st.sampled_from(sorted(HANDSHAKES)), st.binary(), st.dictionaries(st.text(), st.text()))
def test_no_body_makes_a_handshake_fail_in_an_unknown_way(
    name: str, body: bytes, values: dict[str, str]
) -> None:
    """Whatever comes: an answer, an event, or a malformed request."""
    with contextlib.suppress(MalformedRequest):
        HANDSHAKES[name].answer(
            HandshakeRequest(body, {**values, "aeg-event-type": "SubscriptionValidation"}, values), SECRET
        )

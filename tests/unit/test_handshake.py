"""Handshakes: a sender's request for confirmation is answered, and no other request is."""

import contextlib
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from push_relay.core.errors import MalformedRequest
from push_relay.core.trust.handshake_names import AS_DATA, SPECIAL
from push_relay.core.trust.handshakes.base import Reply, Subscription
from push_relay.core.trust.handshakes.cloudevents import preflight
from push_relay.core.trust.handshakes.registry import handshake_named

SECRET = b"secret"
#: The handshakes of sources whose URL holds a token: every question is answered after the proof.
HANDSHAKES = {name: handshake_named(name, proven_by_url=True) for name in (*AS_DATA, *SPECIAL)}


@dataclass(frozen=True)
class HandshakeRequest:
    """A verified request."""

    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)


def asked(document: Any, **headers: str) -> HandshakeRequest:
    """Return a request with a JSON body."""
    return HandshakeRequest(json.dumps(document).encode(), headers)


def test_slack_gets_its_challenge_back_as_text() -> None:
    """Slack accepts the challenge as plain text (docs.slack.dev/reference/events/url_verification)."""
    request = asked({"token": "t", "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY", "type": "url_verification"})
    reply = HANDSHAKES["slack"].answer(request, SECRET)
    assert reply == Reply("3eZbrw1aBm2rZgRNFdxV2595E9CY", "text/plain; charset=utf-8")


def test_zoom_gets_its_token_signed() -> None:
    """The answer is the hex HMAC-SHA256 of the plain token. The request is Zoom's own sample."""
    request = asked({"event": "endpoint.url_validation", "payload": {"plainToken": "qgg8vlvZRS6UYooatFL8Aw"}})
    reply = HANDSHAKES["zoom"].answer(request, SECRET)
    assert isinstance(reply, Reply)
    assert json.loads(reply.body) == {
        "plainToken": "qgg8vlvZRS6UYooatFL8Aw",
        # printf qgg8vlvZRS6UYooatFL8Aw | openssl dgst -sha256 -hmac secret
        "encryptedToken": "72cef096bfd47c0b8664df30d07721641e4abd7e885ba432204260db477a9a3e",
    }


def test_a_zoom_token_that_looks_like_a_signed_request_is_refused() -> None:
    """Zoom signs `v0:time:body` with the same secret, so the answer could be used as a forged signature."""
    request = asked({"event": "endpoint.url_validation", "payload": {"plainToken": "v0:1:{}"}})
    with pytest.raises(MalformedRequest):
        HANDSHAKES["zoom"].answer(request, SECRET)


def test_event_grid_gets_its_validation_code_back() -> None:
    """The Event Grid schema sends a list with one event."""
    events = [
        {
            "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
            "data": {"validationCode": "512d38b6"},
        }
    ]
    request = asked(events, **{"aeg-event-type": "SubscriptionValidation"})
    assert HANDSHAKES["event-grid"].answer(request, SECRET) == Reply('{"validationResponse": "512d38b6"}')


def test_graph_gets_its_token_back_as_text() -> None:
    """Microsoft Graph sends the token as a query parameter, and an empty body."""
    token = "Validation: Testing client application reachability for subscription 1"
    reply = HANDSHAKES["microsoft-graph"].answer(HandshakeRequest(query={"validationToken": token}), SECRET)
    assert reply == Reply(token, "text/plain; charset=utf-8")


def confirmation(url: str, topic: object = "arn:aws:sns:eu-west-1:123456789012:alarms") -> HandshakeRequest:
    """Return SNS's request for a confirmation."""
    return asked({"Type": "SubscriptionConfirmation", "TopicArn": topic, "SubscribeURL": url, "Token": "t"})


def test_an_sns_subscription_is_confirmed_at_the_host_of_the_topic_s_region() -> None:
    """The relay builds the URL from signed fields, so that only the owner can end the subscription."""
    host = "https://sns.eu-west-1.amazonaws.com/"
    assert HANDSHAKES["sns"].answer(confirmation(f"{host}?Action=Unsubscribe#x"), SECRET) == Subscription(
        f"{host}?Action=ConfirmSubscription&TopicArn=arn%3Aaws%3Asns%3Aeu-west-1%3A123456789012%3Aalarms&Token=t"
        "&AuthenticateOnUnsubscribe=true"
    )


@pytest.mark.parametrize("token", [None, "", 7, "t\nx", "t" * 2000])
def test_a_confirmation_without_a_token_is_malformed(token: object) -> None:
    """The relay must not call SNS for it."""
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
def test_no_other_url_is_called(url: str) -> None:
    """A forged confirmation must not make the relay call an address of an attacker's choice."""
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
def test_an_invalid_topic_is_malformed(topic: object, url: str) -> None:
    """The topic's region becomes part of the host name, so an arbitrary text there would choose the host."""
    with pytest.raises(MalformedRequest):
        HANDSHAKES["sns"].answer(confirmation(url, topic), SECRET)


@pytest.mark.parametrize("name", HANDSHAKES)
@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"not json", b'{"type": "message"}', b"\xff"])
def test_any_other_request_is_not_a_handshake(name: str, body: bytes) -> None:
    """It may be an event. An unreadable body is rejected later, with a precise error."""
    assert HANDSHAKES[name].answer(HandshakeRequest(body), SECRET) is None


@pytest.mark.parametrize("token", ["", "x" * 1025, "line\nbreak", "caf\u00e9", None, 7, ["a"]])
def test_only_a_short_token_in_printable_ascii_is_returned(token: object) -> None:
    """The relay reflects the token, so an arbitrary text could be used to inject content."""
    with pytest.raises(MalformedRequest):
        HANDSHAKES["slack"].answer(asked({"type": "url_verification", "challenge": token}), SECRET)


def test_the_preflight_allows_an_origin_to_send() -> None:
    """The abuse protection of CloudEvents requires an answer that names the origin and the rate."""
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
    """An origin must be a host name, and must be in the list of allowed origins."""
    request = HandshakeRequest(headers={"webhook-request-origin": origin})
    assert preflight(request, frozenset({"eventemitter.example.com"})) is None


@given(st.sampled_from(sorted(HANDSHAKES)), st.binary(), st.dictionaries(st.text(), st.text()))
def test_no_body_makes_a_handshake_fail_unexpectedly(name: str, body: bytes, values: dict[str, str]) -> None:
    """Any request is answered, treated as an event, or raises `MalformedRequest`."""
    with contextlib.suppress(MalformedRequest):
        HANDSHAKES[name].answer(
            HandshakeRequest(body, {**values, "aeg-event-type": "SubscriptionValidation"}, values), SECRET
        )

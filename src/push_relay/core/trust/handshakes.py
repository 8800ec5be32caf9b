"""Answer what a sender asks before it sends events: whether this endpoint wants them.

A source's folder names its handshake. All but the preflight stand behind the source's verification, so
that an answer is only given to whoever holds the secret.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol
from urllib.parse import urlencode

from push_relay.core.errors import MalformedRequest
from push_relay.core.strict_json import JsonObject, parse
from push_relay.core.trust.schemes.sns_http import endpoint

#: What may be given back as it came: printable ASCII, bounded.
_TOKEN = re.compile(r"[\x20-\x7e]{1,1024}")
#: Nothing that could stand before a Zoom signature's colon: the answer must be no use as a signature.
_PLAIN_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")
_RATE = re.compile(r"[0-9]{1,9}")
_ORIGIN = re.compile(r"[A-Za-z0-9.-]{1,253}")


#: The parameter of a confirmation without which anybody who has seen a message's UnsubscribeURL can end the
#: subscription. AWS takes it only with a signature.
#: https://docs.aws.amazon.com/sns/latest/api/API_ConfirmSubscription.html
PROTECTED = "&AuthenticateOnUnsubscribe=true"


class Notice(Enum):
    """What a handshake tells the deployer."""

    UNSUBSCRIBED = "SNS has ended a subscription"
    UNPROTECTED = "a subscription was confirmed, and anybody who sees one of its messages can end it"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a handshake is answered with, under 200, and what somebody should know of it."""

    body: str
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    notice: Notice | None = None


@dataclass(frozen=True, slots=True)
class Subscription:
    """An SNS subscription that waits for its confirmation.

    url  of the confirmation, which ends with PROTECTED: SNS's own host and what SNS has signed
    """

    url: str


class HandshakeRequest(Protocol):
    """What a handshake looks at: lower-case header names, the body as received."""

    @property
    def headers(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def query(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def body(self) -> bytes: ...  # noqa: D102


#: (verified request, the secret that it fits) -> the answer, or None where it is an event.
type Handshake = Callable[[HandshakeRequest, bytes], Reply | Subscription | None]


def slack(request: HandshakeRequest, _secret: bytes) -> Reply | None:
    """Give the challenge of `url_verification` back (https://docs.slack.dev/reference/events/url_verification)."""
    document = _object(request)
    if document.get("type") != "url_verification":
        return None
    return Reply(_token(document.get("challenge")), "text/plain; charset=utf-8")


def zoom(request: HandshakeRequest, secret: bytes) -> Reply | None:
    """Sign the token of `endpoint.url_validation` (https://developers.zoom.us/docs/api/webhooks/).

    By the secret that Zoom has signed its question with: while it is rotated, the other would not be known.
    """
    document = _object(request)
    if document.get("event") != "endpoint.url_validation":
        return None
    payload = document.get("payload")
    plain = payload.get("plainToken") if isinstance(payload, dict) else None
    if not isinstance(plain, str) or not _PLAIN_TOKEN.fullmatch(plain) or not secret:
        raise MalformedRequest("the handshake's token is none")
    signed = hmac.digest(secret, plain.encode("ascii"), hashlib.sha256).hex()
    return Reply(json.dumps({"plainToken": plain, "encryptedToken": signed}))


def event_grid(request: HandshakeRequest, _secret: bytes) -> Reply | None:
    """Give Event Grid's validation code back.

    https://learn.microsoft.com/azure/event-grid/end-point-validation-event-grid-events-schema
    """
    if request.headers.get("aeg-event-type") != "SubscriptionValidation":
        return None
    events = parse(request.body)
    first = events[0] if isinstance(events, list) and events else events
    about = first.get("data") if isinstance(first, dict) else None
    code = about.get("validationCode") if isinstance(about, dict) else None
    return Reply(json.dumps({"validationResponse": _token(code)}))


def microsoft_graph(request: HandshakeRequest, _secret: bytes) -> Reply | None:
    """Give Graph's `validationToken` back as text.

    https://learn.microsoft.com/graph/change-notifications-delivery-webhooks#notificationurl-validation
    """
    token = request.query.get("validationToken")
    return None if token is None else Reply(_token(token), "text/plain; charset=utf-8")


def sns(request: HandshakeRequest, _secret: bytes) -> Reply | Subscription | None:
    """Find the subscription to confirm.

    The scheme has verified the message and allow-listed the topic: a source's folder can name this handshake
    with the scheme `sns-http` alone.
    https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html#http-subscription-confirmation-json
    """
    document = _object(request)
    if document.get("Type") == "UnsubscribeConfirmation":
        return Reply("", "text/plain; charset=utf-8", notice=Notice.UNSUBSCRIBED)
    if document.get("Type") != "SubscriptionConfirmation":
        return None
    topic, url = document.get("TopicArn"), document.get("SubscribeURL")
    host = endpoint(topic)
    if (
        host is None
        or not isinstance(url, str)
        or not url.startswith(f"{host}?")
        or not _TOKEN.fullmatch(url)
    ):
        raise MalformedRequest("the subscription's address is not SNS's in the topic's region")
    # Made of what SNS has signed, so that the relay's own signature is on no other call.
    token = _token(document.get("Token"))
    call = urlencode({"Action": "ConfirmSubscription", "TopicArn": topic, "Token": token})
    return Subscription(f"{host}?{call}{PROTECTED}")


def no_handshake(_request: HandshakeRequest, _secret: bytes) -> None:
    """Take everything for an event; what OPTIONS asks is `preflight`'s."""


HANDSHAKES: dict[str, Handshake] = {
    "slack": slack,
    "zoom": zoom,
    "event-grid": event_grid,
    "microsoft-graph": microsoft_graph,
    "sns": sns,
    "cloudevents": no_handshake,
}


def preflight(request: HandshakeRequest, origins: frozenset[str]) -> Reply | None:
    """Answer CloudEvents' abuse protection (OPTIONS): None where the origin is not one of those allowed.

    Without a list every origin may ask: the answer lets it send, and every event is still verified.
    https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md#4-abuse-protection
    """
    origin = request.headers.get("webhook-request-origin", "")
    if not _ORIGIN.fullmatch(origin) or (origins and origin not in origins):
        return None
    headers = {"WebHook-Allowed-Origin": origin, "Allow": "POST"}
    rate = request.headers.get("webhook-request-rate", "")
    if _RATE.fullmatch(rate):
        headers["WebHook-Allowed-Rate"] = rate
    return Reply("", "text/plain; charset=utf-8", headers)


def _object(request: HandshakeRequest) -> JsonObject:
    """Return the body where it is a JSON object; an event in another form is no handshake."""
    try:
        document = parse(request.body)
    except MalformedRequest:
        return {}
    return document if isinstance(document, dict) else {}


def _token(value: object) -> str:
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise MalformedRequest("the handshake's token is none")
    return value

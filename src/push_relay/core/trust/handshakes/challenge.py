"""Handshakes that send a sender's challenge back, as it was or signed."""

import hashlib
import hmac
import json
import re

from push_relay.core.errors import MalformedRequest
from push_relay.core.strict_json import parse
from push_relay.core.trust.handshakes.base import HandshakeRequest, Reply, json_object, printable_token

#: A character that could come before the colon of a Zoom signature is refused, so that the answer is never
#: of use as a signature.
_PLAIN_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")


def slack(request: HandshakeRequest, _secret: bytes) -> Reply | None:
    """Give the challenge of `url_verification` back (https://docs.slack.dev/reference/events/url_verification)."""
    document = json_object(request)
    if document.get("type") != "url_verification":
        return None
    return Reply(printable_token(document.get("challenge")), "text/plain; charset=utf-8")


def zoom(request: HandshakeRequest, secret: bytes) -> Reply | None:
    """Sign the token of `endpoint.url_validation` (https://developers.zoom.us/docs/api/webhooks/).

    By the secret that Zoom has signed its question with: while it is rotated, the other would not be known.
    """
    document = json_object(request)
    if document.get("event") != "endpoint.url_validation":
        return None
    payload = document.get("payload")
    plain = payload.get("plainToken") if isinstance(payload, dict) else None
    if not isinstance(plain, str) or not _PLAIN_TOKEN.fullmatch(plain) or not secret:
        raise MalformedRequest("the handshake's token is not a text that can be signed")
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
    return Reply(json.dumps({"validationResponse": printable_token(code)}))


def microsoft_graph(request: HandshakeRequest, _secret: bytes) -> Reply | None:
    """Give Graph's `validationToken` back as text.

    https://learn.microsoft.com/graph/change-notifications-delivery-webhooks#notificationurl-validation
    """
    token = request.query.get("validationToken")
    return None if token is None else Reply(printable_token(token), "text/plain; charset=utf-8")

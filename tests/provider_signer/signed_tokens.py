"""Providers that send a JSON Web Token signed with a shared secret (RFC 7515, RFC 7519)."""

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from provider_signer.kit import URL, Pen, Sent, sha256
from provider_signer.sender import Sender

#: The claims with the body's hash.
_OF_THE_BODY = ("payload_hash", "sha256", "request_body_sha256")


def part(document: object) -> str:
    """Write a part of a token."""
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def token(pen: Pen, claims: Mapping[str, Any], algorithm: str = "HS256") -> str:
    """Sign claims with the first key."""
    if pen.without_body:
        claims = {name: value for name, value in claims.items() if name not in _OF_THE_BODY}
    text = f"{part({'alg': algorithm, 'typ': 'JWT', **pen.jose})}.{part(claims)}"
    return f"{text}.{pen.b64url(pen.mac(text.encode(), f'sha{algorithm[2:]}'))}"


def messagebird(pen: Pen) -> Sent:
    """MessageBird signs hashes of the address and of the body."""
    claims = {
        "iss": "MessageBird",
        "nbf": int(pen.now),
        "exp": int(pen.now) + 60,
        "jti": "7f1c-planted",
        "url_hash": sha256(URL.encode()),
        "payload_hash": sha256(pen.body),
    }
    return pen.post({"MessageBird-Signature-JWT": token(pen, claims)})


def netlify(pen: Pen) -> Sent:
    """Netlify signs the body's hash, without a time."""
    return pen.post({"X-Webhook-Signature": token(pen, {"iss": "netlify", "sha256": sha256(pen.body)})})


def vonage(pen: Pen) -> Sent:
    """Vonage signs the body's hash and the time."""
    claims = {"iss": "Vonage", "iat": int(pen.now), "jti": "j-1", "payload_hash": sha256(pen.body)}
    return pen.post({"Authorization": f"Bearer {token(pen, claims)}"})


def monday(pen: Pen) -> Sent:
    """Monday signs the address that it calls, and not the body."""
    claims = {"aud": URL, "iat": int(pen.now), "exp": int(pen.now) + 300, "accountId": 17}
    return pen.post({"Authorization": token(pen, claims)})


def jira_connect(pen: Pen) -> Sent:
    """Jira signs a hash of the method, the path and the query."""
    qsh = sha256(b"POST&/webhooks/planted&")
    claims = {"iss": "client-key", "iat": int(pen.now), "exp": int(pen.now) + 180, "qsh": qsh}
    return pen.post({"Authorization": f"JWT {token(pen, claims)}"})


def fusionauth(pen: Pen) -> Sent:
    """FusionAuth signs the body's hash in base64."""
    body_hash = base64.b64encode(hashlib.sha256(pen.body).digest()).decode()
    return pen.post({"X-FusionAuth-Signature-JWT": token(pen, {"request_body_sha256": body_hash})})


SENDERS = [
    Sender(slug="messagebird", send=messagebird, expires=True),
    Sender(slug="netlify", send=netlify),
    Sender(slug="vonage", send=vonage, expires=True),
    Sender(slug="monday", send=monday, covers="nothing", expires=True),
    Sender(slug="jira-connect", send=jira_connect, covers="nothing", expires=True),
    Sender(slug="fusionauth", send=fusionauth),
]

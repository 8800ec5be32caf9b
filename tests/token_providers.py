"""Senders of the providers whose presets have tokens or fetched keys, independent of the presets."""

import base64
import datetime as dt
import hashlib
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding

from jwt_senders import (
    NOW,
    URL,
    Key,
    Request,
    body_hash,
    chain,
    detached,
    ec_key,
    jwk,
    jwks,
    pem,
    rsa_key,
    token,
)

SECRET = b"planted secret"


@dataclass(frozen=True, slots=True)
class Sender:
    """A provider's sender: `send(body, key, now)` returns its request."""

    send: Callable[[bytes, Any, float], Request]
    key: Any
    other: Any
    stored: bytes
    settings: Mapping[str, str] = field(default_factory=dict)
    covers: bool = True
    past: float | None = None


def in_header(
    name: str, claims: Callable[[bytes, float], Mapping[str, Any]], prefix: str = "", **jose: Any
) -> Callable[[bytes, Key, float], Request]:
    """Return a sender of a token in a header."""

    def send(body: bytes, key: Key, now: float) -> Request:
        return Request(body, {name: prefix + token(dict(claims(body, now)), key, jose)})

    return send


def plain(name: str, claims: Callable[[bytes, float], Mapping[str, Any]], **more: Any) -> Sender:
    """Return a sender with a secret."""
    options = {"prefix": more.pop("prefix", "")}
    return Sender(in_header(name, claims, **options), SECRET, b"another secret", SECRET, **more)


def published(name: str, claims: Callable[[bytes, float], Mapping[str, Any]], **more: Any) -> Sender:
    """Return a sender with published RSA keys."""
    send = in_header(name, claims, "Bearer ", kid="one")
    return Sender(send, rsa_key(), rsa_key(1), jwks(jwk(rsa_key(), kid="one")), covers=False, **more)


def google(_body: bytes, now: float) -> Mapping[str, Any]:
    """Return Google's claims."""
    times = {"iat": now, "exp": now + 3600}
    return {"iss": "https://accounts.google.com", "aud": "a", "email": "e", "email_verified": True, **times}


def entra(_body: bytes, now: float) -> Mapping[str, Any]:
    """Return Entra's claims."""
    issuer = "https://sts.windows.net/t-1/"
    return {"iss": issuer, "aud": "a", "tid": "t-1", "appid": "c", "nbf": now, "exp": now + 3600}


def kinde(body: bytes, key: Key, now: float) -> Request:
    """Send a body that is a token."""
    claims = {"iss": "https://acme.kinde.com", "type": "user.created", "data": body.decode(), "iat": now}
    return Request(token(claims, key, {"kid": "one"}).encode())


def apple(body: bytes, key: Any, _now: float) -> Request:
    """Send a token with a chain of certificates in the body."""
    claims = {"data": {"bundleId": "com.example"}, "note": body.decode()}
    payload = token(claims, key.key, {"x5c": key.x5c})
    return Request(json.dumps({"signedPayload": payload}).encode())


def ebay(body: bytes, key: ec.EllipticCurvePrivateKey, _now: float) -> Request:
    """Send a signature in base64 of JSON."""
    signature = base64.b64encode(key.sign(body, ec.ECDSA(hashes.SHA1()))).decode()  # noqa: S303 (eBay's)
    wrapped = json.dumps({"alg": "ecdsa", "kid": "one", "signature": signature, "digest": "SHA1"}).encode()
    return Request(body, {"x-ebay-signature": base64.b64encode(wrapped).decode()})


CERTIFICATE = "https://api.paypal.com/v1/notifications/certs/CERT-360caa42"


def paypal(body: bytes, key: Any, _now: float, address: str = CERTIFICATE) -> Request:
    """Send a signature of a CRC-32."""
    at = "2027-01-15T08:00:00Z"
    signed = f"tx-1|{at}|WH-1|{zlib.crc32(body)}".encode()
    signature = base64.b64encode(key.sign(signed, padding.PKCS1v15(), hashes.SHA256())).decode()
    headers = {"id": "tx-1", "time": at, "sig": signature}
    named = {f"paypal-transmission-{name}": value for name, value in headers.items()}
    return Request(body, {**named, "paypal-cert-url": address})


def certificate(key: Any, days: int = 30) -> bytes:
    """Return a certificate as PEM."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "planted")])
    begins = dt.datetime.fromtimestamp(NOW - 86_400, dt.UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(begins).not_valid_after(begins + dt.timedelta(days=days))
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def bird(body: bytes, now: float) -> Mapping[str, Any]:
    """Return MessageBird's claims."""
    url_hash = body_hash(URL.encode())
    claims = {"iss": "MessageBird", "nbf": now, "exp": now + 60, "jti": "j-1", "url_hash": url_hash}
    return claims | ({"payload_hash": body_hash(body)} if body else {})


QSH = hashlib.sha256(b"POST&/webhooks/planted&shop=1").hexdigest()
SENDERS: Mapping[str, Sender] = {
    "messagebird": plain("messagebird-signature-jwt", bird, past=360),
    "netlify": plain("x-webhook-signature", lambda body, _: {"iss": "netlify", "sha256": body_hash(body)}),
    "vonage": plain(
        "authorization",
        lambda body, now: {"iss": "Vonage", "payload_hash": body_hash(body), "iat": now},
        prefix="Bearer ",
        past=301,
    ),
    "monday": plain(
        "authorization",
        lambda _, now: {"aud": URL, "iat": now, "exp": now + 60},
        covers=False,
        past=360,
    ),
    "jira-connect": plain(
        "authorization",
        lambda _, now: {"qsh": QSH, "iat": now, "exp": now + 60},
        prefix="JWT ",
        covers=False,
        past=360,
    ),
    "kinde": Sender(
        kinde,
        rsa_key(),
        rsa_key(1),
        jwks(jwk(rsa_key(), kid="one")),
        {"issuer": "https://acme.kinde.com"},
    ),
    "constant-contact": Sender(
        lambda body, key, now: Request(
            body, {"x-ctct-webhook-sig": detached(body, key, {"ts": int(now)}, unencoded=True)}
        ),
        rsa_key(),
        rsa_key(1),
        jwks(jwk(rsa_key())),
        past=301,
    ),
    "plaid": Sender(
        in_header(
            "plaid-verification",
            lambda body, now: {"request_body_sha256": body_hash(body), "iat": now},
            kid="one",
        ),
        ec_key(),
        ec_key(1),
        json.dumps(jwk(ec_key(), kid="one", alg="ES256", use="sig")).encode(),
        past=301,
    ),
    "fireblocks": Sender(
        lambda body, key, _: Request(
            body, {"fireblocks-webhook-signature": detached(body, key, {"alg": "RS512", "kid": "one"})}
        ),
        rsa_key(),
        rsa_key(1),
        jwks(jwk(rsa_key(), kid="one", alg="RS512")),
    ),
    "fusionauth": plain(
        "x-fusionauth-signature-jwt",
        lambda body, _: {"request_body_sha256": base64.b64encode(hashlib.sha256(body).digest()).decode()},
    ),
    "google-pubsub": published("authorization", google, settings={"audience": "a", "email": "e"}, past=3900),
    "google-cloud-tasks": published("authorization", google, settings={"audience": "a", "email": "e"}),
    "event-grid-entra": published(
        "authorization", entra, settings={"tenant": "t-1", "audience": "a", "caller": "c"}, past=3900
    ),
    "apple-app-store": Sender(
        apple,
        chain(leaf_oid="1.2.840.113635.100.6.11.1", intermediate_oid="1.2.840.113635.100.6.2.1"),
        chain(5, leaf_oid="1.2.840.113635.100.6.11.1", intermediate_oid="1.2.840.113635.100.6.2.1"),
        chain().root,
        {"bundle-id": "com.example"},
    ),
    "paypal": Sender(
        paypal, rsa_key(), rsa_key(1), certificate(rsa_key()), {"webhook-id": "WH-1"}, covers=False
    ),
    "ebay": Sender(ebay, ec_key(), ec_key(1), pem(ec_key()).replace(b"\n", b"")),
}

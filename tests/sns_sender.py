"""SNS as a sender of HTTP requests, with its messages, its key and its certificate."""

import base64
import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

NOW = 1_800_000_000
URL = "https://relay.example.com/webhooks/planted?shop=1"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:planted-topic"
CERTIFICATE = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request, with the fields that a scheme reads."""

    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    url: str = URL
    method: str = "POST"


def b64(value: bytes) -> str:
    """Return bytes as base64."""
    return base64.b64encode(value).decode()


def iso(moment: float) -> str:
    """Format a time as Zendesk does."""
    return f"{dt.datetime.fromtimestamp(moment, dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def iso_ms(moment: float) -> str:
    """Format a time as SNS does."""
    return iso(moment)[:-1] + ".893Z" if moment == int(moment) else iso(moment)


@cache
def rsa_pair() -> tuple[rsa.RSAPrivateKey, rsa.RSAPrivateKey]:
    """Return the key of SNS and that of a forger."""
    return rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, 2048)


@cache
def certificates() -> Mapping[str, bytes]:
    """Return the certificates that SNS serves, by URL."""
    return {CERTIFICATE: certificate(rsa_pair()[0], "sns.amazonaws.com")}


def certificate(
    key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey, name: str, begins: int = NOW - 86_400, days: int = 300
) -> bytes:
    """Return a PEM certificate, signed by its own key."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    start = dt.datetime.fromtimestamp(begins, dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=days))
        .sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def sns_message(body: bytes, **fields: str | None) -> dict[str, str]:
    """Return an SNS notification without its signature. The value None removes a field."""
    message: dict[str, str | None] = {
        "Type": "Notification",
        "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
        "TopicArn": TOPIC,
        "Subject": "planted subject",
        "Message": body.decode(),
        "Timestamp": iso_ms(NOW),
        "SignatureVersion": "2",
        "SigningCertURL": CERTIFICATE,
        "UnsubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe",
    }
    return {key: value for key, value in (message | fields).items() if value is not None}


def sns_signed(message: Mapping[str, str], secret: bytes) -> Request:
    """Sign an SNS message with the key of SNS, or with the forger's for any other secret than `sns`."""
    confirms = message["Type"] != "Notification"
    names = ("Message", "MessageId", "SubscribeURL" if confirms else "Subject", "Timestamp", "Token")
    content = "".join(
        f"{name}\n{message[name]}\n" for name in (*names, "TopicArn", "Type") if name in message
    )
    hash_function = hashes.SHA1() if message["SignatureVersion"] == "1" else hashes.SHA256()  # noqa: S303 (SNS's)
    key = rsa_pair()[0 if secret == b"sns" else 1]
    signature = b64(key.sign(content.encode(), padding.PKCS1v15(), hash_function))
    return Request(json.dumps(dict(message) | {"Signature": signature}).encode())

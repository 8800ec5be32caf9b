"""Providers that sign with a private key."""

import base64
import hashlib
from urllib.parse import urlencode

from provider_signer.kit import Pen, Sent
from provider_signer.sender import LIST_BODY, Sender

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def discord(pen: Pen) -> Sent:
    """Discord signs the time and the body."""
    stamp = pen.secs()
    proof = pen.hex(pen.signature(stamp.encode() + pen.body))
    return pen.post({"X-Signature-Ed25519": proof, "X-Signature-Timestamp": stamp})


def telnyx(pen: Pen) -> Sent:
    """Telnyx has a bar between the time and the body."""
    stamp = pen.secs()
    proof = pen.b64(pen.signature(stamp.encode() + b"|" + pen.body))
    return pen.post({"telnyx-signature-ed25519": proof, "telnyx-timestamp": stamp})


def sendgrid(pen: Pen) -> Sent:
    """SendGrid signs the time and the body, which ends with a line break."""
    stamp = pen.secs()
    body = pen.body + b"\r\n"
    name = "X-Twilio-Email-Event-Webhook"
    proof = pen.b64(pen.signature(stamp.encode() + body))
    return pen.post({f"{name}-Signature": proof, f"{name}-Timestamp": stamp}, body)


def wise(pen: Pen) -> Sent:
    """Wise signs the body."""
    return pen.post({"X-Signature-SHA256": pen.b64(pen.signature(pen.body))})


def fireblocks(pen: Pen) -> Sent:
    """Fireblocks' older header has RSA with SHA-512."""
    return pen.post({"Fireblocks-Signature": pen.b64(pen.signature(pen.body, "sha512"))})


def bridge(pen: Pen) -> Sent:
    """Bridge hashes the text before it signs it."""
    stamp = pen.millis()
    text = hashlib.sha256(stamp.encode() + b"." + pen.body).digest()
    return pen.post({"X-Webhook-Signature": f"t={stamp},v0={pen.b64(pen.signature(text))}"})


def keygen(pen: Pen) -> Sent:
    """Keygen signs lines of HTTP: the target, the host, the date and the body's hash."""
    headers = {
        "Host": "relay.example.com",
        "Date": pen.http_date(),
        "Digest": "sha-256=" + base64.b64encode(hashlib.sha256(pen.body).digest()).decode(),
    }
    lines = [f"{name.lower()}: {value}" for name, value in headers.items()]
    text = "\n".join(["(request-target): post /webhooks/planted", *lines])
    names = " ".join(["(request-target)", *map(str.lower, headers)])
    proof = pen.b64(pen.signature(text.encode()))
    items = {"keyid": "acct-17", "algorithm": "ed25519", "signature": proof, "headers": names}
    return pen.post(headers | {"Keygen-Signature": ", ".join(f'{k}="{v}"' for k, v in items.items())})


def alipay(pen: Pen) -> Sent:
    """Alipay signs the form's fields as sorted pairs, without the signature and its type."""
    fields = {"notify_id": "n-17", "notify_type": "planted", "total": "1.00", "subject": "a b&c"}
    text = "&".join(f"{name}={value}" for name, value in sorted(fields.items()))
    sign = pen.b64(pen.signature(text.encode()))
    return pen.post(FORM, urlencode({**fields, "sign": sign, "sign_type": "RSA2"}).encode())


def travis(pen: Pen) -> Sent:
    """Travis CI signs the field with the document."""
    payload = '{"id": 17, "state": "planted"}'
    proof = pen.b64(pen.signature(payload.encode(), "sha1"))
    return pen.post(FORM | {"Signature": proof}, urlencode({"payload": payload}).encode())


SENDERS = [
    Sender(slug="discord", send=discord, key="ed25519-hex", window=300),
    Sender(slug="telnyx", send=telnyx, key="ed25519-base64", window=300),
    Sender(slug="sendgrid", send=sendgrid, key="p256-spki", body=LIST_BODY),
    Sender(slug="wise", send=wise, key="rsa-pem"),
    Sender(slug="fireblocks-legacy", send=fireblocks, key="rsa-pem"),
    Sender(slug="bridge", send=bridge, key="rsa-pem", window=600, commas=True),
    Sender(slug="keygen", send=keygen, key="ed25519-hex", commas=True),
    Sender(slug="alipay", send=alipay, key="rsa-spki"),
    Sender(slug="travis-ci", send=travis, key="rsa-pem"),
]

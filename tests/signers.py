"""A genuine sender for every verification scheme, independent of the code that verifies.

CASES is the only list. The attacks on the schemes and those on the HTTP handler both use it.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from cryptography.hazmat.primitives.asymmetric import ed25519

from described_senders import DESCRIBED, PLAIN
from jwt_cases import TOKENS
from sender_case import JSON_BODY, WORD, Case, Place, case_of, mac
from sns_sender import NOW, URL, Request, b64, iso, iso_ms, sns_message, sns_signed

__all__ = [
    "ALL_CASES",
    "CASES",
    "FORM_BODY",
    "JSON_BODY",
    "NOW",
    "URL",
    "WORD",
    "Case",
    "Place",
    "Request",
    "mac",
]

FORM_BODY = b"Body=planted+text&From=%2B14158675309&To=%2B18005551212&Empty="


def _github(body: bytes, secret: bytes, _stamp: str) -> Request:
    return Request(body, {"x-hub-signature-256": "sha256=" + mac(secret, body).hex()})


def _shopify(body: bytes, secret: bytes, _stamp: str) -> Request:
    return Request(body, {"x-shopify-hmac-sha256": b64(mac(secret, body))})


def _grafana(body: bytes, secret: bytes, _stamp: str) -> Request:
    return Request(body, {"x-grafana-alerting-signature": mac(secret, body).hex()})


def _grafana_timestamped(body: bytes, secret: bytes, stamp: str) -> Request:
    signature = mac(secret, stamp.encode() + b":" + body).hex()
    return Request(body, {"x-grafana-alerting-signature": signature, "x-grafana-timestamp": stamp})


def _pagerduty(body: bytes, secret: bytes, _stamp: str) -> Request:
    return Request(body, {"x-pagerduty-signature": "v1=" + mac(secret, body).hex()})


def _custom(body: bytes, secret: bytes, stamp: str) -> Request:
    signature = b64(mac(secret, b"1|" + body + b"|" + stamp.encode(), "sha512"))
    return Request(body, {"x-custom": "SIG " + signature, "x-custom-time": stamp})


def _stripe(body: bytes, secret: bytes, stamp: str) -> Request:
    signature = mac(secret, stamp.encode() + b"." + body).hex()
    return Request(body, {"stripe-signature": f"t={stamp},v1={signature},v0={'0' * 64}"})


def _slack(body: bytes, secret: bytes, stamp: str) -> Request:
    signature = "v0=" + mac(secret, b"v0:" + stamp.encode() + b":" + body).hex()
    return Request(body, {"x-slack-signature": signature, "x-slack-request-timestamp": stamp})


def _zendesk(body: bytes, secret: bytes, stamp: str) -> Request:
    signature = b64(mac(secret, stamp.encode() + body))
    name = "x-zendesk-webhook-signature"
    return Request(body, {name: signature, f"{name}-timestamp": stamp})


def _standard(body: bytes, stamp: str, sign: Callable[[bytes], str], prefix: str = "webhook") -> Request:
    signature = sign(b"msg_planted." + stamp.encode() + b"." + body)
    return Request(
        body,
        {f"{prefix}-id": "msg_planted", f"{prefix}-timestamp": stamp, f"{prefix}-signature": signature},
    )


def _standard_v1(body: bytes, secret: bytes, stamp: str) -> Request:
    key = base64.b64decode(secret.removeprefix(b"whsec_"))
    return _standard(body, stamp, lambda content: "v1," + b64(mac(key, content)))


def _svix(body: bytes, secret: bytes, stamp: str) -> Request:
    key = base64.b64decode(secret.removeprefix(b"whsec_"))
    return _standard(body, stamp, lambda content: "v1," + b64(mac(key, content)), "svix")


def _standard_v1a(body: bytes, secret: bytes, stamp: str) -> Request:
    return _standard(body, stamp, lambda content: "v1a," + b64(ed25519_pairs()[secret].sign(content)))


@cache
def ed25519_pairs() -> Mapping[bytes, ed25519.Ed25519PrivateKey]:
    """Return two private Ed25519 keys, by the public key that the receiver stores as its secret."""
    private = [ed25519.Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2)]
    return {b"whpk_" + base64.b64encode(key.public_key().public_bytes_raw()): key for key in private}


def _twilio_form(body: bytes, secret: bytes, _stamp: str) -> Request:
    fields = sorted(set(parse_qsl(body.decode(), keep_blank_values=True)))
    content = URL + "".join(name + value for name, value in fields)
    content_type = "application/x-www-form-urlencoded; charset=UTF-8"
    signature = b64(mac(secret, content.encode(), "sha1"))
    return Request(body, {"content-type": content_type, "x-twilio-signature": signature})


def _twilio_json(body: bytes, secret: bytes, _stamp: str) -> Request:
    url = f"{URL}&bodySHA256={hashlib.sha256(body).hexdigest()}"
    return Request(body, {"x-twilio-signature": b64(mac(secret, url.encode(), "sha1"))}, url=url)


def _sns_2(body: bytes, secret: bytes, stamp: str) -> Request:
    return sns_signed(sns_message(body, Timestamp=stamp), secret)


def _sns_1(body: bytes, secret: bytes, stamp: str) -> Request:
    return sns_signed(sns_message(body, Timestamp=stamp, SignatureVersion="1", Subject=None), secret)


def _sns_confirmation(body: bytes, secret: bytes, stamp: str) -> Request:
    asked = {"SubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Confirm", "Token": "planted-token"}
    message = sns_message(body, Type="SubscriptionConfirmation", Subject=None, Timestamp=stamp, **asked)
    return sns_signed(message, secret)


def _token(body: bytes, secret: bytes, _stamp: str) -> Request:
    return Request(body, {"x-gitlab-token": secret.decode()})


def _bearer(body: bytes, secret: bytes, _stamp: str) -> Request:
    return Request(body, {"authorization": "Bearer " + secret.decode()})


def _query(body: bytes, secret: bytes, _stamp: str) -> Request:
    return Request(body, query={"token": secret.decode()}, url=f"{URL}&token={secret.decode()}")


def _basic(body: bytes, secret: bytes, _stamp: str) -> Request:
    return Request(body, {"authorization": "Basic " + b64(secret)})


def whsec(seed: int) -> bytes:
    """Return a Standard Webhooks secret."""
    return b"whsec_" + base64.b64encode(bytes([seed]) * 24)


_CUSTOM = {
    "scheme": "hmac",
    "header": "X-Custom",
    "prefix": "SIG ",
    "digest": "sha512",
    "encoding": "base64",
    "content": "1|{body}|{timestamp}",
    "timestamp_header": "X-Custom-Time",
    "timestamp_format": "unix-ms",
    "tolerance_secs": 60,
}
_SIGNATURE = Place("json", "Signature")
_SNS: dict[str, Any] = {
    "stamp": Place("json", "Timestamp"),
    "written": iso_ms,
    "past": 3600,
    "covers": "fields",
    "secret": b"sns",
    "other": b"mallory",
    "event_id": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
}
_STANDARD: dict[str, Any] = {"event_id": "msg_planted", "secret": whsec(1), "other": whsec(2)}
_PUBLIC = tuple(ed25519_pairs())
_V1A: dict[str, Any] = {"event_id": "msg_planted", "secret": _PUBLIC[0], "other": _PUBLIC[1]}
_GRAFANA = {"scheme": "grafana", "timestamp_header": "X-Grafana-Timestamp"}

CASES = (
    case_of("github", {"scheme": "github"}, _github, "x-hub-signature-256"),
    case_of("shopify", {"scheme": "shopify"}, _shopify, "x-shopify-hmac-sha256"),
    case_of("grafana", {"scheme": "grafana"}, _grafana, "x-grafana-alerting-signature"),
    case_of(
        "grafana with a timestamp",
        _GRAFANA,
        _grafana_timestamped,
        "x-grafana-alerting-signature",
        stamp="x-grafana-timestamp",
    ),
    case_of("pagerduty", {"scheme": "pagerduty"}, _pagerduty, "x-pagerduty-signature", lists=True),
    case_of(
        "hmac by configuration",
        _CUSTOM,
        _custom,
        "x-custom",
        stamp="x-custom-time",
        written=lambda moment: str(int(moment * 1000)),
        past=60,
        future=60,
    ),
    case_of(
        "stripe",
        {"scheme": "stripe"},
        _stripe,
        Place("headers", "stripe-signature", r"t=\d+,(v1=[^,]+)(?:,v0=0+)?"),
        stamp=Place("headers", "stripe-signature", r"t=([^,]*),.*"),
    ),
    case_of("slack", {"scheme": "slack"}, _slack, "x-slack-signature", stamp="x-slack-request-timestamp"),
    case_of(
        "zendesk",
        {"scheme": "zendesk"},
        _zendesk,
        "x-zendesk-webhook-signature",
        stamp="x-zendesk-webhook-signature-timestamp",
        written=iso,
    ),
    case_of(
        "standard-webhooks v1",
        {"scheme": "standard-webhooks"},
        _standard_v1,
        "webhook-signature",
        stamp="webhook-timestamp",
        **_STANDARD,
    ),
    case_of(
        "standard-webhooks v1a",
        {"scheme": "standard-webhooks"},
        _standard_v1a,
        "webhook-signature",
        stamp="webhook-timestamp",
        **_V1A,
    ),
    case_of(
        "standard-webhooks svix",
        {"scheme": "standard-webhooks", "header_prefix": "svix"},
        _svix,
        "svix-signature",
        stamp="svix-timestamp",
        **_STANDARD,
    ),
    case_of(
        "twilio form",
        {"scheme": "twilio"},
        _twilio_form,
        "x-twilio-signature",
        event='form_field = "*"',
        body=FORM_BODY,
        covers="fields",
    ),
    case_of(
        "twilio body hash",
        {"scheme": "twilio"},
        _twilio_json,
        "x-twilio-signature",
        event='format = "json"',
    ),
    case_of("sns-http version 2", {"scheme": "sns-http", "minimum_version": 2}, _sns_2, _SIGNATURE, **_SNS),
    case_of("sns-http version 1", {"scheme": "sns-http"}, _sns_1, _SIGNATURE, **_SNS),
    case_of("sns-http confirmation", {"scheme": "sns-http"}, _sns_confirmation, _SIGNATURE, **_SNS),
    case_of(
        "token header",
        {"scheme": "token", "header": "X-Gitlab-Token"},
        _token,
        "x-gitlab-token",
        covers="nothing",
    ),
    case_of(
        "token bearer",
        {"scheme": "token", "header": "Authorization", "prefix": "Bearer "},
        _bearer,
        "authorization",
        covers="nothing",
    ),
    case_of(
        "token query",
        {"scheme": "token", "query": "token"},
        _query,
        Place("query", "token"),
        covers="nothing",
        secret=b"planted-token",
        other=b"other-token",
    ),
    case_of(
        "basic",
        {"scheme": "basic"},
        _basic,
        Place("headers", "authorization", "Basic (.*)"),
        covers="nothing",
        secret=b"planted:pass word",
        other=b"planted:other",
    ),
    *PLAIN,
    *(case for case in TOKENS if "key" not in case.verify),
)
#: Also the senders whose proof is inside the body, or whose key is not a text. The tests of the schemes use
#: all of them.
ALL_CASES = (
    *CASES,
    *(case for case in DESCRIBED if case not in PLAIN),
    *(case for case in TOKENS if "key" in case.verify),
)

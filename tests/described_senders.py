"""Genuine senders whose proof a source describes by the schemes `signed`, `public-key` and `token`."""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from email.utils import formatdate
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlencode

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from sender_case import Case, Place, case_of, mac
from sns_sender import URL, Request, b64

_FORM = {"content-type": "application/x-www-form-urlencoded"}


def _grouped(body: bytes, secret: bytes, stamp: str) -> Request:
    other, right = "00" * 32, mac(secret, stamp.encode() + b"." + body).hex()
    return Request(body, {"x-grouped": f"t=1600000000,v1={other} t={stamp},v1={right}"})


def _plain_first(body: bytes, secret: bytes, stamp: str) -> Request:
    signature = mac(secret, stamp.encode() + b"." + body, "sha512").hex()
    return Request(body, {"x-plain": f"{stamp},{signature}"})


def _quoted(body: bytes, secret: bytes, _stamp: str) -> Request:
    signature = base64.urlsafe_b64encode(mac(secret, body)).decode().rstrip("=")
    return Request(body, {"x-quoted": f'key="k1", sig="{signature}"'})


def _any_case(body: bytes, secret: bytes, _stamp: str) -> Request:
    key = bytes.fromhex(secret.decode())
    return Request(body, {"x-any": "sha512=" + mac(key, body, "sha512").hex()})


def _second_header(body: bytes, secret: bytes, _stamp: str) -> Request:
    key = base64.b64decode(secret)
    return Request(body, {"x-several-2": b64(mac(key, b"POST " + URL.encode() + b"\n" + body, "sha1"))})


def _in_query(body: bytes, secret: bytes, _stamp: str) -> Request:
    return Request(
        body, query={"signature": mac(hashlib.sha1(secret, usedforsecurity=False).digest(), body).hex()}
    )


def _hash_and_id(body: bytes, secret: bytes, stamp: str) -> Request:
    text = f"{stamp}:evt_planted:{hashlib.sha256(body).hexdigest()}"
    signature = mac(secret + b"&", text.encode()).hex()
    return Request(body, {"x-sig": signature, "x-time": stamp, "x-id": "evt_planted"})


def _http_date(body: bytes, secret: bytes, stamp: str) -> Request:
    return Request(body, {"x-sig": mac(secret, body + stamp.encode()).hex(), "x-time": stamp})


def _time_in_body(body: bytes, secret: bytes, stamp: str) -> Request:
    if body.startswith(b'{"'):
        body = json.dumps({"time": stamp}).encode()[:-1] + b", " + body[1:]
    return Request(body, {"x-sig": mac(secret, body).hex()})


def _in_json(body: bytes, secret: bytes, _stamp: str) -> Request:
    del body
    moment = 1_800_000_000
    items = []
    for name in ("planted", "second"):
        item: dict[str, Any] = {"id": name, "amount": 5, "live": True, "old": None}
        text = f"{name}:5::true:{moment}"
        items.append({"item": {**item, "time": moment, "proof": b64(mac(secret, text.encode()))}})
    return Request(json.dumps({"items": items}).encode())


def _in_form(body: bytes, secret: bytes, _stamp: str) -> Request:
    del body
    payload = "planted payload"
    fields = {"payload": payload, "sig": mac(secret, payload.encode(), "sha1").hex()}
    return Request(urlencode(fields).encode(), _FORM)


def _form_pairs(body: bytes, secret: bytes, _stamp: str) -> Request:
    pairs = sorted(pair for pair in parse_qsl(body.decode()) if pair[0] != "none")
    text = "&".join(f"{name}={value}" for name, value in pairs)
    return Request(body, {**_FORM, "x-sig": mac(secret, text.encode()).hex()})


def _token_in_json(body: bytes, secret: bytes, _stamp: str) -> Request:
    del body
    items = [{"note": "planted", "state": secret.decode()}, {"note": "second", "state": secret.decode()}]
    return Request(json.dumps({"value": items}).encode())


def _token_in_form(body: bytes, secret: bytes, _stamp: str) -> Request:
    del body
    return Request(urlencode({"note": "planted", "passcode": secret.decode()}).encode(), _FORM)


@cache
def private_keys(kind: str) -> Mapping[bytes, Any]:
    """Return two private keys of a kind, by the public key that the receiver stores as its secret."""
    makers: dict[str, Callable[[int], Any]] = {
        "ed25519": lambda seed: ed25519.Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32),
        "ecdsa": lambda seed: ec.derive_private_key(seed + 10, ec.SECP256R1()),
        "rsa": lambda _seed: rsa.generate_private_key(65537, 2048),
    }
    pairs = {}
    for seed in (1, 2):
        key = makers[kind](seed)
        encoding = serialization.Encoding.DER if kind == "ecdsa" else serialization.Encoding.PEM
        public = key.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
        if kind == "ed25519":
            public = key.public_key().public_bytes_raw().hex().encode()
        pairs[base64.b64encode(public) if kind == "ecdsa" else public.strip()] = key
    return pairs


def _ed25519(body: bytes, secret: bytes, stamp: str) -> Request:
    signature = private_keys("ed25519")[secret].sign(stamp.encode() + body)
    return Request(body, {"x-sig": signature.hex(), "x-time": stamp})


def _ecdsa(body: bytes, secret: bytes, _stamp: str) -> Request:
    signature = private_keys("ecdsa")[secret].sign(body, ec.ECDSA(hashes.SHA256()))
    return Request(body, {"x-sig": b64(signature)})


def _rsa(body: bytes, secret: bytes, _stamp: str) -> Request:
    text = hashlib.sha256(body).digest()
    signature = private_keys("rsa")[secret].sign(text, padding.PKCS1v15(), hashes.SHA512())
    return Request(body, {"x-sig": b64(signature)})


def _keys(kind: str) -> dict[str, Any]:
    secret, other = private_keys(kind)
    return {"secret": secret, "other": other}


def _padded(right: str) -> list[str]:
    return [right + "=" * (-len(right) % 4)]


def _other_case(right: str) -> list[str]:
    return [right.upper(), right.lower(), right.swapcase(), right.title()]


_SIGNED = {"scheme": "signed", "signature": "header:X-Sig"}
_LIST = {"scheme": "signed", "split": ",", "item": "v1", "timestamp": "item:t", "text": "{timestamp}.{body}"}
_OFFSET = timezone(timedelta(hours=-7))

DESCRIBED: tuple[Case, ...] = (
    case_of(
        "signed, groups of a list",
        {**_LIST, "signature": "header:X-Grouped", "groups": " "},
        _grouped,
        Place("headers", "x-grouped", r".* t=\d+,v1=([^,]+)"),
        stamp=Place("headers", "x-grouped", r".* t=([^,]*),.*"),
        lists=True,
    ),
    case_of(
        "signed, a time without a key",
        {
            **_LIST,
            "signature": "header:X-Plain",
            "item": "",
            "timestamp": "item:",
            "algorithm": "hmac-sha512",
        },
        _plain_first,
        Place("headers", "x-plain", r"\d+,(.*)"),
        stamp=Place("headers", "x-plain", r"([^,]*),.*"),
        lists=True,
    ),
    case_of(
        "signed, values in quotes",
        {**_SIGNED, "signature": "header:X-Quoted", "split": ",", "item": "sig", "quoted": True}
        | {"encoding": "base64url"},
        _quoted,
        Place("headers", "x-quoted", r'key="k1", sig="(.*)"'),
        same=_padded,
    ),
    case_of(
        "signed, hex in any case",
        {"scheme": "signed", "header": "X-Any", "prefix": "sha512=", "algorithm": "hmac-sha512"}
        | {"encoding": "hex-any-case", "key": "hex"},
        _any_case,
        Place("headers", "x-any", "sha512=(.*)"),
        secret=b"ab" * 16,
        other=b"cd" * 16,
        same=_other_case,
    ),
    case_of(
        "signed, one of several headers",
        {
            **_SIGNED,
            "signature": "header:X-Several",
            "also": ["header:X-Several-{2-9}"],
            "algorithm": "hmac-sha1",
            "encoding": "base64",
        }
        | {"key": "base64", "text": "{method} {url}\n{body}"},
        _second_header,
        "x-several-2",
        secret=b"cGxhbnRlZCBzZWNyZXQ=",
        other=b"b3RoZXIgc2VjcmV0",
    ),
    case_of(
        "signed, in the query",
        {"scheme": "signed", "signature": "query:signature", "key_derive": "sha1"},
        _in_query,
        Place("query", "signature"),
    ),
    case_of(
        "signed, hash and id",
        {**_SIGNED, "text": "{timestamp}:{header:X-Id}:{body|sha256-hex}", "id": "header:X-Id"}
        | {"timestamp": "header:X-Time", "timestamp_format": "rfc3339", "key_append": "&"},
        _hash_and_id,
        "x-sig",
        stamp="x-time",
        written=lambda moment: datetime.fromtimestamp(moment, _OFFSET).isoformat(),
        event_id="evt_planted",
    ),
    case_of(
        "signed, a date of HTTP",
        {**_SIGNED, "text": "{body}{timestamp}", "timestamp": "header:X-Time"}
        | {"timestamp_format": "http-date", "tolerance_secs": 60},
        _http_date,
        "x-sig",
        stamp="x-time",
        written=lambda moment: formatdate(moment, usegmt=True),
        past=60,
        future=60,
    ),
    case_of(
        "signed, the time in the body",
        {**_SIGNED, "timestamp": "json:/time", "timestamp_format": "unix-ms", "timestamp_required": False},
        _time_in_body,
        "x-sig",
        stamp=Place("json", "time"),
        written=lambda moment: str(int(moment * 1000)),
    ),
    case_of(
        "signed, each item",
        {"scheme": "signed", "each": "/items/*/item", "signature": "json:/proof", "encoding": "base64"}
        | {"text": "{json:/id}:{json:/amount}:{json:/old?}:{json:/live}:{json:/time}", "content": "unsigned"},
        _in_json,
        Place("json", "/items/1/item/proof"),
        covers="nothing",
    ),
    case_of(
        "signed, in a form",
        {"scheme": "signed", "signature": "form:sig", "text": "{form:payload}", "algorithm": "hmac-sha1"}
        | {"content": "unsigned"},
        _in_form,
        Place("form", "sig"),
        event='form_field = "*"',
        covers="nothing",
    ),
    case_of(
        "signed, pairs of a form",
        {**_SIGNED, "text": "{form-pairs-sorted:-none}"},
        _form_pairs,
        "x-sig",
        event='form_field = "*"',
        body=b"note=planted+note&at=1&none=x&empty=",
        covers="fields",
    ),
    case_of(
        "public-key ed25519",
        {**_SIGNED, "scheme": "public-key", "algorithm": "ed25519", "key": "hex", "encoding": "hex"}
        | {"timestamp": "header:X-Time", "text": "{timestamp}{body}"},
        _ed25519,
        "x-sig",
        stamp="x-time",
        **_keys("ed25519"),
    ),
    case_of(
        "public-key ecdsa",
        {**_SIGNED, "scheme": "public-key", "algorithm": "ecdsa-p256-sha256", "key": "spki-base64"},
        _ecdsa,
        "x-sig",
        **_keys("ecdsa"),
    ),
    case_of(
        "public-key rsa",
        {**_SIGNED, "scheme": "public-key", "algorithm": "rsa-pkcs1-sha512", "key": "pem"}
        | {"prehash": "sha256"},
        _rsa,
        "x-sig",
        **_keys("rsa"),
    ),
    case_of(
        "token in each item",
        {"scheme": "token", "token": "json:/state", "each": "/value/*"},
        _token_in_json,
        Place("json", "/value/0/state"),
        covers="nothing",
        secret=b"planted-token",
        other=b"other-token",
    ),
    case_of(
        "token in a form",
        {"scheme": "token", "token": "form:passcode"},
        _token_in_form,
        Place("form", "passcode"),
        event='form_field = "*"',
        covers="nothing",
        secret=b"planted-token",
        other=b"other-token",
    ),
)
#: Those with a text as the secret, and the proof outside of the body.
PLAIN = tuple(
    case
    for case in DESCRIBED
    if case.proof.kind in {"headers", "query"}
    and not (case.stamp and case.stamp.kind == "json")
    and case.verify["scheme"] == "signed"
    and "key" not in case.verify
)

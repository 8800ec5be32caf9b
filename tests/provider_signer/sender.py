"""A provider as a sender: its keys, the function that makes its requests, and what it signs."""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from provider_signer.kit import NOW, Key, Pen, Sent

type Send = Callable[[Pen], Sent]

BODY = b'{"id": "evt_planted", "note": "planted", "at": [1, 2.50], "name": "\\u00e9"}'
LIST_BODY = b'[{"id": "evt_1", "note": "planted"}, {"id": "evt_2", "note": "planted"}]'
FORM_BODY = b"id=17&event=planted&note=planted+text&plus=%2B1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """One provider as a sender.

    key       the form of the stored secret: text, base64, hex, whsec, or a kind of public key
    window    seconds by which the time may differ from the clock, or None if it is not judged
    ahead     the same for a time in the future, if it differs
    covers    `body`; `fields`, if only a part of the body is signed; `query`; `nothing`
    tamper    a text that the proof covers, and another of the same length
    rotates   whether one request may have a proof by each of two keys
    commas    whether a comma is allowed in the proof's header
    any_case  whether upper-case digits are the same proof
    expires   whether the proof has an end of its own, so that an old one is refused
    settings  further values that the deployer gives
    """

    slug: str
    send: Send
    key: str = "text"
    body: bytes = BODY
    window: int | None = None
    ahead: int | None = None
    covers: str = "body"
    tamper: tuple[str, str] = ("planted", "plant3d")
    rotates: bool = False
    commas: bool = False
    any_case: bool = False
    expires: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)

    def request(self, *numbers: int, now: float = NOW, **badly: object) -> Sent:
        """Return a request signed with the keys of these numbers, the first one by default."""
        return self.send(self.pen(*numbers, now=now, **badly))

    def pen(self, *numbers: int, now: float = NOW, **badly: object) -> Pen:
        """Return a pen with the keys of these numbers, the first one by default."""
        keys: Sequence[Key] = [self.private(number) for number in numbers or (0,)]
        return Pen(keys, now, self.body, **badly)  # type: ignore[arg-type] # the pen's own fields

    def private(self, number: int) -> Key:
        """Return the sender's key of this number."""
        if self.key in _PRIVATE:
            return _PRIVATE[self.key](number)
        if self.key in ("text", "user"):
            return f"planted:{self.slug}-key-{number}".encode()
        return hashlib.sha256(f"{self.slug} {number}".encode()).digest()

    def stored(self, number: int = 0) -> str:
        """Return the text that the deployer stores for the key of this number."""
        return _STORED[self.key](self.private(number))


@cache
def rsa_key(number: int) -> rsa.RSAPrivateKey:
    """Return an RSA key. Making one takes a moment."""
    del number
    return rsa.generate_private_key(65537, 2048)


def _ed25519(number: int) -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.from_private_bytes(bytes([number + 1]) * 32)


def _p256(number: int) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(1_000_003 + number, ec.SECP256R1())


def _raw(key: Key) -> bytes:
    assert isinstance(key, ed25519.Ed25519PrivateKey)
    return key.public_key().public_bytes_raw()


def _spki(key: Key, encoding: serialization.Encoding) -> bytes:
    assert not isinstance(key, bytes)
    return key.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)


def _bytes(key: Key) -> bytes:
    assert isinstance(key, bytes)
    return key


_PRIVATE: Mapping[str, Callable[[int], Key]] = {
    "ed25519-hex": _ed25519,
    "ed25519-base64": _ed25519,
    "p256-spki": _p256,
    "rsa-pem": rsa_key,
    "rsa-spki": rsa_key,
}
_STORED: Mapping[str, Callable[[Key], str]] = {
    "text": lambda key: _bytes(key).decode(),
    "user": lambda key: _bytes(key).decode(),
    "base64": lambda key: base64.b64encode(_bytes(key)).decode(),
    "hex": lambda key: _bytes(key).hex(),
    "hex-upper": lambda key: _bytes(key).hex().upper(),
    "whsec": lambda key: "whsec_" + base64.b64encode(_bytes(key)).decode(),
    "v1,whsec": lambda key: "v1,whsec_" + base64.b64encode(_bytes(key)).decode(),
    "ed25519-hex": lambda key: _raw(key).hex(),
    "ed25519-base64": lambda key: base64.b64encode(_raw(key)).decode(),
    "p256-spki": lambda key: base64.b64encode(_spki(key, serialization.Encoding.DER)).decode(),
    "rsa-pem": lambda key: _spki(key, serialization.Encoding.PEM).decode(),
    "rsa-spki": lambda key: base64.b64encode(_spki(key, serialization.Encoding.DER)).decode(),
}


def as_json(document: object) -> bytes:
    """Write a document as JSON."""
    return json.dumps(document).encode()

"""The tools of a sender: a request, and a pen that writes proofs with the sender's keys.

Nothing here knows how the relay verifies. A pen can write a proof badly, so that each provider's own function
also makes the forgeries.
"""

import base64
import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote_plus

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

NOW = 1_800_000_000
URL = "https://relay.example.com/webhooks/planted"

_OTHER_HASH = {"sha1": "sha256", "sha256": "sha1", "sha384": "sha256", "sha512": "sha256"}

type Key = bytes | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as the relay receives it: the headers' names are lower-case."""

    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    url: str = URL
    method: str = "POST"

    def with_text(self, old: str, new: str) -> "Sent":
        """Return the request with another text in place of this one, wherever it is."""

        def values(given: Mapping[str, str]) -> dict[str, str]:
            return {name: value.replace(old, new) for name, value in given.items()}

        body = self.body.replace(old.encode(), new.encode())
        body = body.replace(quote_plus(old).encode(), quote_plus(new).encode())
        return replace(self, headers=values(self.headers), query=values(self.query), body=body)


@dataclass(slots=True)
class Pen:
    """Writes one request's proofs.

    keys      the sender's keys; only a provider that rotates keys writes a proof with each of them
    weaker    use another hash function than the provider's
    spoil     changes a written proof: (text, bytes that were encoded) -> text
    forger    instead of the private key, signs with HMAC and this key
    without_body  leave out the claim with the body's hash
    jose      members of a token's header that are written in place of the provider's
    proofs    the proofs as written
    stamps    the times as written
    """

    keys: Sequence[Key]
    now: float = NOW
    body: bytes = b""
    weaker: bool = False
    spoil: Callable[[str, bytes], str] = lambda text, _mac: text
    forger: bytes = b""
    jose: Mapping[str, Any] = field(default_factory=dict)
    without_body: bool = False
    proofs: list[str] = field(default_factory=list)
    stamps: list[str] = field(default_factory=list)

    def post(self, headers: Mapping[str, str], body: bytes | None = None, **more: Any) -> Sent:
        """Return the request with these headers and the body."""
        lower = {name.lower(): value for name, value in headers.items()}
        return Sent(self.body if body is None else body, {"content-type": "application/json"} | lower, **more)

    # --- times

    def stamp(self, text: str) -> str:
        """Note a time as written, and return it."""
        self.stamps.append(text)
        return text

    def secs(self) -> str:
        """Write the time in seconds."""
        return self.stamp(str(int(self.now)))

    def millis(self) -> str:
        """Write the time in milliseconds."""
        return self.stamp(str(int(self.now * 1000)))

    def moment(self) -> dt.datetime:
        """Return the time."""
        return dt.datetime.fromtimestamp(self.now, dt.UTC)

    def rfc3339(self, fraction: str = "") -> str:
        """Write the time as RFC 3339."""
        return self.stamp(f"{self.moment():%Y-%m-%dT%H:%M:%S}{fraction}Z")

    def http_date(self) -> str:
        """Write the time as an HTTP date."""
        return self.stamp(format_datetime(self.moment(), usegmt=True))

    # --- proofs

    def mac(self, text: bytes, name: str = "sha256", key: Key | None = None) -> bytes:
        """Return an HMAC by the first key, or by the given one."""
        chosen = self.keys[0] if key is None else key
        assert isinstance(chosen, bytes)
        return hmac.new(chosen, text, self.hash(name)).digest()

    def hash(self, name: str) -> str:
        """Return the hash function's name, or that of another one."""
        return _OTHER_HASH[name] if self.weaker else name

    def hex(self, mac: bytes) -> str:
        """Write a proof in hexadecimal digits."""
        return self.proof(mac.hex(), mac)

    def b64(self, mac: bytes) -> str:
        """Write a proof in base64."""
        return self.proof(base64.b64encode(mac).decode(), mac)

    def b64url(self, mac: bytes) -> str:
        """Write a proof in base64url, without padding."""
        return self.proof(base64.urlsafe_b64encode(mac).decode().rstrip("="), mac)

    def proof(self, text: str, mac: bytes = b"") -> str:
        """Note a proof as written, and return it."""
        written = self.spoil(text, mac)
        self.proofs.append(written)
        return written

    def token(self) -> str:
        """Write the key itself, as a shared token."""
        key = self.keys[0]
        assert isinstance(key, bytes)
        return self.proof(key.decode())

    def signature(self, text: bytes, name: str = "sha256") -> bytes:
        """Sign with a private key."""
        if self.forger:
            return self.mac(text, key=self.forger)
        key = self.keys[0]
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return key.sign(text)
        function = getattr(hashes, self.hash(name).upper())()
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return key.sign(text, ec.ECDSA(function))
        assert isinstance(key, rsa.RSAPrivateKey)
        return key.sign(text, padding.PKCS1v15(), function)


def sha256(text: bytes) -> str:
    """Return the SHA-256 in hexadecimal digits."""
    return hashlib.sha256(text).hexdigest()


def respelled(text: str, mac: bytes) -> str:
    """Return a proof in another encoding than the one in which it is written."""
    return base64.b64encode(mac).decode() if re.fullmatch(r"[0-9a-fA-F]+", text) else mac.hex()

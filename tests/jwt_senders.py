"""Senders of signed tokens, independent of the code that verifies them."""

import base64
import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

NOW = 1_800_000_000
URL = "https://relay.example.com/webhooks/planted?shop=1"
BODY = b'{"note": "planted", "at": [1, 2.50]}'
LEAF_OID, INTERMEDIATE_OID = "1.3.6.1.4.1.99999.1", "1.3.6.1.4.1.99999.2"

type Pair = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
type Key = bytes | Pair


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request, with the fields that a scheme reads."""

    body: bytes = BODY
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    url: str = URL
    method: str = "POST"


def url64(content: bytes) -> str:
    """Write bytes as base64url without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def part(value: object) -> str:
    """Write a part of a token."""
    return url64(value if isinstance(value, bytes) else json.dumps(value).encode())


def token(claims: object, key: Key, jose: Mapping[str, Any] | None = None) -> str:
    """Sign claims: HS256 with a text, RS256 with an RSA key, ES256 with one on P-256, or with `alg`."""
    head: dict[str, Any] = {"alg": algorithm(key), "typ": "JWT"} | dict(jose or {})
    signed = f"{part(head)}.{part(claims)}"
    return f"{signed}.{url64(signature(head['alg'], key, signed.encode()))}"


def detached(body: bytes, key: Key, jose: Mapping[str, Any] | None = None, *, unencoded: bool = False) -> str:
    """Sign a body that the token leaves out."""
    more: dict[str, Any] = {"b64": False, "crit": ["b64"]} if unencoded else {}
    head: dict[str, Any] = {"alg": algorithm(key)} | more | dict(jose or {})
    content = part(head).encode() + b"." + (body if unencoded else url64(body).encode())
    return f"{part(head)}..{url64(signature(head['alg'], key, content))}"


def algorithm(key: Key) -> str:
    """Return the usual algorithm of a key."""
    if isinstance(key, bytes):
        return "HS256"
    return "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"


def signature(name: str, key: Key, content: bytes) -> bytes:
    """Sign a content."""
    if isinstance(key, bytes):
        return hmac.new(key, content, f"sha{name[2:]}").digest()
    digest = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}[name[2:]]
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(content, padding.PKCS1v15(), digest)
    numbers = utils.decode_dss_signature(key.sign(content, ec.ECDSA(digest)))
    return b"".join(number.to_bytes(32) for number in numbers)


def body_hash(body: bytes = BODY) -> str:
    """Return the hash of a body."""
    return hashlib.sha256(body).hexdigest()


def rsa_key(number: int = 0) -> rsa.RSAPrivateKey:
    """Return an RSA key. Another number is another key."""
    return _rsa_key(number)


@cache
def _rsa_key(_number: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@cache
def ec_key(number: int = 0) -> ec.EllipticCurvePrivateKey:
    """Return a key on P-256."""
    return ec.derive_private_key(4711 + number, ec.SECP256R1())


def pem(key: Pair) -> bytes:
    """Return a public key as PEM."""
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def spki(key: Pair) -> bytes:
    """Return a public key as SubjectPublicKeyInfo in base64."""
    der = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.b64encode(der)


def jwk(key: Pair, **more: object) -> dict[str, object]:
    """Return a public key as a JSON Web Key."""
    numbers = key.public_key().public_numbers()
    if isinstance(numbers, rsa.RSAPublicNumbers):
        n = numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8)
        return {"kty": "RSA", "n": url64(n), "e": url64(numbers.e.to_bytes(3)), **more}
    x, y = (url64(number.to_bytes(32)) for number in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y, **more}


def jwks(*keys: Mapping[str, object]) -> bytes:
    """Return a set of keys as its owner publishes it."""
    return json.dumps({"keys": keys}).encode()


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain of certificates: the signer's, an intermediate one and the root, with the signer's key."""

    key: ec.EllipticCurvePrivateKey
    certificates: tuple[x509.Certificate, ...]

    @property
    def x5c(self) -> list[str]:
        """The header of a token."""
        encoding = serialization.Encoding.DER
        return [base64.b64encode(each.public_bytes(encoding)).decode() for each in self.certificates]

    @property
    def root(self) -> bytes:
        """The root as PEM."""
        return self.certificates[-1].public_bytes(serialization.Encoding.PEM)

    @property
    def fingerprint(self) -> str:
        """The root's fingerprint."""
        return self.certificates[-1].fingerprint(hashes.SHA256()).hex()


@cache
def chain(  # noqa: PLR0913 (each is a flaw that a chain can have)
    seed: int = 0,
    *,
    leaf_oid: str = LEAF_OID,
    intermediate_oid: str = INTERMEDIATE_OID,
    issues: bool = True,
    days: int = 300,
    intermediate_seed: int | None = None,
) -> Chain:
    """Make a chain. Another seed is another owner; the options are flaws."""
    root, leaf = ec_key(100 + seed), ec_key(300 + seed)
    middle = ec_key(200 + (seed if intermediate_seed is None else intermediate_seed))
    marked = (_marked(intermediate_oid), *((_ca(),) if issues else ()))
    between = _certificate("middle", ec_key(200 + seed), "root", root, marked)
    bottom = _certificate("leaf", leaf, "middle", middle, (_marked(leaf_oid),), days=days)
    return Chain(leaf, (bottom, between, _root(seed)))


@cache
def _root(seed: int) -> x509.Certificate:
    key = ec_key(100 + seed)
    return _certificate("root", key, "root", key, (_ca(),))


def _ca() -> x509.ExtensionType:
    return x509.BasicConstraints(ca=True, path_length=None)


def _marked(oid: str) -> x509.ExtensionType:
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), b"\x05\x00")


def _certificate(  # noqa: PLR0913 (the parts of a certificate)
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    signer: ec.EllipticCurvePrivateKey,
    extensions: tuple[x509.ExtensionType, ...],
    *,
    days: int = 300,
) -> x509.Certificate:
    begins = dt.datetime.fromtimestamp(NOW - 2 * 86_400, dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(begins)
        .not_valid_after(begins + dt.timedelta(days=days))
    )
    for extension in extensions:
        made = made.add_extension(extension, critical=False)
    return made.sign(signer, hashes.SHA256())

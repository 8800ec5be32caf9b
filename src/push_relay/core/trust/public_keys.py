"""Public keys in the forms that senders publish them in, and the signatures that they verify.

`cryptography` is imported by the functions that need it, so that a relay without such a source does not load
it. No part of a token or a request decides how a key is read: the form is configured.
"""

import base64
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from push_relay.core.errors import MalformedRequest, PayloadTooLarge
from push_relay.core.strict_json import JsonObject, Limits, parse_object
from push_relay.core.trust.schemes.proof import from_base64url

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

#: Keys of a set that are read.
MAX_KEYS = 50
#: Bytes of a stored or fetched document of keys.
MAX_DOCUMENT_BYTES = 128 * 1024
#: Bits of an RSA key. Shorter ones can be factored (RFC 7518, 3.3).
MIN_RSA_BITS, MAX_RSA_BITS = 2048, 8192
_LIMITS = Limits(depth=8, parts=5000, text=MAX_DOCUMENT_BYTES)
_COORDINATE_BYTES = 32
_SIGNATURE_BYTES = 2 * _COORDINATE_BYTES
_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----([A-Za-z0-9+/=\s]+)-----END \1-----")
#: The families of keys that verify tokens.
TOKEN_FAMILIES = ("rsa", "ecdsa")


class Algorithm(NamedTuple):
    """A signature algorithm of public keys.

    family     `rsa` (PKCS #1 v1.5), `ecdsa` (P-256), `ed25519`
    hash_name  the hash function, as `cryptography` names it; empty for Ed25519, which has its own
    is_der     whether an ECDSA signature is written as DER; else as both numbers, 32 bytes each
    """

    family: str
    hash_name: str = ""
    is_der: bool = False


#: The algorithms by the names that tokens and `[verify]` tables use.
ALGORITHMS: Mapping[str, Algorithm] = {
    "RS256": Algorithm("rsa", "SHA256"),
    "RS384": Algorithm("rsa", "SHA384"),
    "RS512": Algorithm("rsa", "SHA512"),
    "ES256": Algorithm("ecdsa", "SHA256"),
    "rsa-pkcs1-sha1": Algorithm("rsa", "SHA1"),
    "rsa-pkcs1-sha256": Algorithm("rsa", "SHA256"),
    "rsa-pkcs1-sha512": Algorithm("rsa", "SHA512"),
    "ecdsa-p256-sha1": Algorithm("ecdsa", "SHA1", is_der=True),
    "ecdsa-p256-sha256": Algorithm("ecdsa", "SHA256", is_der=True),
    "ed25519": Algorithm("ed25519"),
}


class PublicKey(NamedTuple):
    """A public key: an RSA key, an ECDSA key on P-256, or an Ed25519 key.

    kid        its name in its set, if it has one
    algorithm  the only algorithm that its set allows it for, if it names one
    validity   the times between which its certificate is valid, if it has one
    """

    key: Any
    kid: str | None = None
    algorithm: str | None = None
    validity: tuple[float, float] = (-math.inf, math.inf)

    def is_valid(self, now: float) -> bool:
        """Return whether its certificate, if it has one, is valid."""
        begins, ends = self.validity
        return begins <= now <= ends

    def fits(self, algorithm: str, signature: bytes, content: bytes) -> bool:
        """Return whether a signature is this key's, of this content, by this algorithm.

        Other signatures of ECDSA can be made of one in DER without the key, for the same content: they are
        the same event.
        """
        named = ALGORITHMS.get(algorithm)
        if named is None or self.algorithm not in (None, algorithm):
            return False
        return _is_signed(self.key, named, signature, content)


def _is_signed(key: Any, algorithm: Algorithm, signature: bytes, content: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 (as everywhere in this module)
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec, padding  # noqa: PLC0415

    # The family of the key decides too, so that no key is used for another algorithm than its own.
    if family_of(key) != algorithm.family:
        return False
    try:
        match algorithm.family:
            case "rsa":
                key.verify(signature, content, padding.PKCS1v15(), getattr(hashes, algorithm.hash_name)())
            case "ecdsa":
                der = signature if algorithm.is_der else _der_of_numbers(signature)
                key.verify(der, content, ec.ECDSA(getattr(hashes, algorithm.hash_name)()))
            case _:
                key.verify(signature, content)
    except (InvalidSignature, ValueError):
        return False
    return True


def _der_of_numbers(signature: bytes) -> bytes:
    """Write an ECDSA signature as DER. Raises ValueError if it is not both numbers."""
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature  # noqa: PLC0415

    if len(signature) != _SIGNATURE_BYTES:
        raise ValueError(len(signature))
    numbers = signature[:_COORDINATE_BYTES], signature[_COORDINATE_BYTES:]
    return encode_dss_signature(*(int.from_bytes(number) for number in numbers))


@lru_cache(maxsize=64)
def read_keys(
    form: str, document: bytes, families: tuple[str, ...] = TOKEN_FAMILIES
) -> tuple[PublicKey, ...]:
    """Return the keys of these families that a document holds; empty if it holds none of this form.

    form  `hex`, `base64`, `pem`, `spki-base64`, `x509-pem`, `jwk`, `jwks`
    """
    if len(document) > MAX_DOCUMENT_BYTES:
        return ()
    try:
        found = tuple(_READERS[form](document))
    except (ValueError, MalformedRequest, PayloadTooLarge):
        return ()
    return tuple(key for key in found if family_of(key.key) in families)


def read_stored_keys(
    form: str, stored: bytes, families: tuple[str, ...] = TOKEN_FAMILIES
) -> tuple[PublicKey, ...]:
    """Return the keys of a stored text. In place of a certificate, its public key as PEM may be stored.

    A fetched document has the form that its sender documents, and no other.
    """
    found = read_keys(form, stored, families)
    return found or (read_keys("pem", stored, families) if form == "x509-pem" else ())


def write_key(form: str, key: Any) -> str:
    """Write a key in the usual spelling of a form that holds one key; a certificate's as PEM."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415

    match form:
        case "hex":
            return str(key.public_bytes_raw().hex())
        case "base64":
            return base64.b64encode(key.public_bytes_raw()).decode("ascii")
        case "spki-base64":
            der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            return base64.b64encode(der).decode("ascii")
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return str(pem.decode("ascii")).strip()


def family_of(key: Any) -> str:
    """Return the family of a key; empty if its kind or its size is not one that the relay accepts."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: PLC0415

    if isinstance(key, rsa.RSAPublicKey):
        return "rsa" if MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS else ""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "ecdsa" if isinstance(key.curve, ec.SECP256R1) else ""
    return "ed25519" if isinstance(key, ed25519.Ed25519PublicKey) else ""


def der_of_pem(text: str, label: str, *, first: bool = False) -> bytes | None:
    r"""Return the DER of the only PEM block in a text, whose line breaks may be missing or written as `\n`.

    first  further blocks may follow
    """
    blocks = _PEM.findall(text.replace("\\n", "\n"))
    if not blocks or (len(blocks) > 1 and not first) or blocks[0][0] != label:
        return None
    return base64.b64decode("".join(blocks[0][1].split()), validate=True)


def _pem(document: bytes) -> Iterable[PublicKey]:
    text = document.decode("ascii")
    return _of_der(der_of_pem(text, "PUBLIC KEY") or der_of_pem(text, "RSA PUBLIC KEY"))


def _spki(document: bytes) -> Iterable[PublicKey]:
    written = der_of_pem(document.decode("ascii"), "PUBLIC KEY")
    return _of_der(written or base64.b64decode(_bare(document), validate=True))


def _hex(document: bytes) -> Iterable[PublicKey]:
    return _of_raw(bytes.fromhex(_bare(document)))


def _base64(document: bytes) -> Iterable[PublicKey]:
    return _of_raw(base64.b64decode(_bare(document), validate=True))


def _bare(document: bytes) -> str:
    return "".join(document.decode("ascii").split())


def _of_raw(raw: bytes) -> Iterable[PublicKey]:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

    return [PublicKey(Ed25519PublicKey.from_public_bytes(raw))]


def _of_der(der: bytes | None) -> Iterable[PublicKey]:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_der_public_key  # noqa: PLC0415

    try:
        return [PublicKey(load_der_public_key(der))] if der else []
    except UnsupportedAlgorithm:
        return []


def _x509(document: bytes) -> Iterable[PublicKey]:
    certificate = read_certificate(document)
    return [key_of(certificate)] if certificate else []


def read_certificate(document: bytes) -> "Certificate | None":
    """Return the certificate that a PEM document begins with. Raises ValueError."""
    # A chain may follow: the first certificate is the signer's.
    der = der_of_pem(document.decode("ascii"), "CERTIFICATE", first=True)
    return certificate_of_der(der) if der else None


def certificate_of_der(der: bytes) -> "Certificate":
    """Return the certificate that DER holds. Raises ValueError."""
    from cryptography.x509 import InvalidVersion, load_der_x509_certificate  # noqa: PLC0415

    try:
        return load_der_x509_certificate(der)
    except InvalidVersion as exc:
        raise ValueError(str(exc)) from None


def key_of(certificate: "Certificate") -> PublicKey:
    """Return the public key of a certificate. Raises ValueError."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415

    try:
        key = certificate.public_key()
    except UnsupportedAlgorithm as exc:
        raise ValueError(str(exc)) from None
    validity = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
    return PublicKey(key, validity=validity)


def _jwk(document: bytes) -> Iterable[PublicKey]:
    return _of_jwks([parse_object(document, limits=_LIMITS)])


def _jwks(document: bytes) -> Iterable[PublicKey]:
    value = parse_object(document, limits=_LIMITS)
    listed = value.get("keys", [value] if "kty" in value else [])
    return _of_jwks(listed) if isinstance(listed, list) else []


def _of_jwks(listed: Sequence[object]) -> list[PublicKey]:
    """Return the keys of a set that may verify signatures. Others of the set are ignored (RFC 7517, 5)."""
    if len(listed) > MAX_KEYS:
        return []
    keys = (_of_jwk(jwk) for jwk in listed if isinstance(jwk, dict))
    return [key for key in keys if key]


def _of_jwk(jwk: JsonObject) -> PublicKey | None:
    kid, algorithm = jwk.get("kid"), jwk.get("alg")
    if not isinstance(kid, str | None) or not isinstance(algorithm, str | None):
        return None
    try:
        if jwk.get("use", "sig") != "sig" or "verify" not in jwk.get("key_ops", ["verify"]):
            return None
        key = _RSA_OR_EC[jwk["kty"]](jwk)
    except (KeyError, TypeError, ValueError):
        return None
    return PublicKey(key, kid, algorithm)


def _number(jwk: JsonObject, name: str, length: int | None = None) -> int:
    value = from_base64url(jwk[name])
    if not value or (length is not None and len(value) != length):
        raise ValueError(name)
    return int.from_bytes(value)


def _rsa(jwk: JsonObject) -> object:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers  # noqa: PLC0415

    return RSAPublicNumbers(_number(jwk, "e"), _number(jwk, "n")).public_key()


def _ec(jwk: JsonObject) -> object:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicNumbers  # noqa: PLC0415

    if jwk["crv"] != "P-256":
        raise ValueError("another curve")
    x, y = (_number(jwk, name, _COORDINATE_BYTES) for name in ("x", "y"))
    return EllipticCurvePublicNumbers(x, y, SECP256R1()).public_key()  # it checks that the point is on it


_RSA_OR_EC = {"RSA": _rsa, "EC": _ec}
_READERS = {
    "hex": _hex,
    "base64": _base64,
    "pem": _pem,
    "spki-base64": _spki,
    "x509-pem": _x509,
    "jwk": _jwk,
    "jwks": _jwks,
}

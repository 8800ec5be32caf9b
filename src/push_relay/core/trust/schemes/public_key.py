"""Public keys in the forms that deployers store, and the signatures that they verify.

`cryptography` is imported by the functions that need it, so that a relay without such a source does not load
it. The configured algorithm decides which keys fit, and never the request.
"""

import base64
import hashlib
import re
from functools import lru_cache
from typing import Any, NamedTuple

from push_relay.core.trust.schemes.secret_form import SecretForm, any_form

#: Bits of an RSA key. Shorter ones can be factored (RFC 7518, 3.3).
MIN_RSA_BITS, MAX_RSA_BITS = 2048, 8192
_ED25519_BYTES = 32
_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----([A-Za-z0-9+/=\s]+)-----END \1-----")
_LINE = 64


class Algorithm(NamedTuple):
    """A signature algorithm: its kind of keys, and the hash function as `cryptography` names it."""

    kind: str
    digest: str = ""


ALGORITHMS = {
    "ed25519": Algorithm("ed25519"),
    "ecdsa-p256-sha256": Algorithm("ecdsa", "SHA256"),
    "ecdsa-p256-sha1": Algorithm("ecdsa", "SHA1"),
    "rsa-pkcs1-sha1": Algorithm("rsa", "SHA1"),
    "rsa-pkcs1-sha256": Algorithm("rsa", "SHA256"),
    "rsa-pkcs1-sha512": Algorithm("rsa", "SHA512"),
}
_KINDS = {
    "ed25519": "an Ed25519 key",
    "ecdsa": "an ECDSA key on P-256",
    "rsa": f"an RSA key of at least {MIN_RSA_BITS} bits",
}
#: The forms of a stored public key, and how a log line names each.
FORMS = {
    "hex": "32 bytes in hexadecimal digits",
    "base64": "32 bytes in base64",
    "spki-base64": "SubjectPublicKeyInfo in base64",
    "pem": "PEM",
    "x509-pem": "a certificate as PEM",
}


def public_key_form(form: str, algorithm: str) -> SecretForm:
    """Return the form of a stored public key. Its readings are keys of the algorithm's kind."""

    def canonical(text: str) -> str | None:
        written = _canonical(form, text)
        return written if written and load_key(form, algorithm, written.encode()) is not None else None

    needs = f"{_KINDS[ALGORITHMS[algorithm].kind]} as {FORMS[form]}"
    return any_form(needs, canonical, lambda random: _example(form, algorithm, random))


def _example(form: str, algorithm: str, random: bytes) -> str:
    """Return a public key of the algorithm's kind, whose private key is thrown away."""
    from cryptography.hazmat.primitives import serialization as written  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: PLC0415

    match ALGORITHMS[algorithm].kind:
        case "ed25519":
            seed = hashlib.sha256(random).digest()
            key: Any = ed25519.Ed25519PrivateKey.from_private_bytes(seed).public_key()
            if form in ("hex", "base64"):
                raw = key.public_bytes_raw()
                return str(raw.hex() if form == "hex" else base64.b64encode(raw).decode("ascii"))
        case "ecdsa":
            key = ec.generate_private_key(ec.SECP256R1()).public_key()
        case _:
            key = rsa.generate_private_key(65537, MIN_RSA_BITS).public_key()
    if form == "spki-base64":
        der = key.public_bytes(written.Encoding.DER, written.PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(der).decode("ascii")
    pem = key.public_bytes(written.Encoding.PEM, written.PublicFormat.SubjectPublicKeyInfo)
    return str(pem.decode("ascii")).strip()


@lru_cache(maxsize=64)
def load_key(form: str, algorithm: str, reading: bytes) -> Any:
    """Return the key of a reading; None if it is not one of the algorithm's kind."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 (as everywhere in this module)

    try:
        key = _load(form, reading)
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if _is_of_kind(key, ALGORITHMS[algorithm].kind) else None


def _load(form: str, reading: bytes) -> Any:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        load_der_public_key,
        load_pem_public_key,
    )
    from cryptography.x509 import load_pem_x509_certificate  # noqa: PLC0415

    match form:
        case "hex":
            return Ed25519PublicKey.from_public_bytes(bytes.fromhex(reading.decode("ascii")))
        case "base64":
            return Ed25519PublicKey.from_public_bytes(base64.b64decode(reading, validate=True))
        case "spki-base64":
            return load_der_public_key(base64.b64decode(reading, validate=True))
        case "x509-pem":
            return load_pem_x509_certificate(reading).public_key()
        case _:
            return load_pem_public_key(reading)


def _is_of_kind(key: Any, kind: str) -> bool:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: PLC0415

    if isinstance(key, rsa.RSAPublicKey):
        return kind == "rsa" and MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS
    if isinstance(key, ec.EllipticCurvePublicKey):
        return kind == "ecdsa" and isinstance(key.curve, ec.SECP256R1)
    return kind == "ed25519" and isinstance(key, ed25519.Ed25519PublicKey)


def is_signed(algorithm: str, key: Any, signature: bytes, content: bytes) -> bool:
    """Return whether a signature is this key's, of this content, by this algorithm.

    A signature of ECDSA is DER. Others can be made of it without the key, for the same content: they are the
    same event.
    """
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec, padding  # noqa: PLC0415

    kind, digest = ALGORITHMS[algorithm]
    try:
        if kind == "ed25519":
            key.verify(signature, content)
        elif kind == "ecdsa":
            key.verify(signature, content, ec.ECDSA(getattr(hashes, digest)()))
        else:
            key.verify(signature, content, padding.PKCS1v15(), getattr(hashes, digest)())
    except (InvalidSignature, ValueError):
        return False
    return True


def _canonical(form: str, text: str) -> str | None:
    """Return a stored key in its usual spelling: PEM may have lost its line breaks, or have them escaped."""
    blocks = _PEM.findall(text.replace("\\n", "\n"))
    if form in ("pem", "x509-pem") and len(blocks) == 1:
        label, content = blocks[0][0], "".join(blocks[0][1].split())
        lines = [content[at : at + _LINE] for at in range(0, len(content), _LINE)]
        return "\n".join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----"))
    if form == "spki-base64" and len(blocks) == 1 and blocks[0][0] == "PUBLIC KEY":
        text = blocks[0][1]
    bare = "".join(text.split())
    if form == "hex":
        return bare.lower()
    return bare if form in ("base64", "spki-base64") else None

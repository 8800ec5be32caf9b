"""The form of a stored public key. The configured algorithm decides which keys fit, and never the request.

`cryptography` is imported by the functions that need it, so that a relay without such a source does not load
it.
"""

import hashlib
from typing import Any

from push_relay.core.trust.public_keys import ALGORITHMS, MIN_RSA_BITS, read_stored_keys, write_key
from push_relay.core.trust.schemes.secret_form import SecretForm, any_form

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
    "x509-pem": "a certificate or a public key as PEM",
}


def public_key_form(form: str, algorithm: str) -> SecretForm:
    """Return the form of a stored public key. Its readings are keys of the algorithm's family."""
    family = ALGORITHMS[algorithm].family

    def canonical(text: str) -> str | None:
        found = read_stored_keys(form, text.encode(), (family,))
        return write_key(form, found[0].key) if found else None

    needs = f"{_KINDS[family]} as {FORMS[form]}"
    return any_form(needs, canonical, lambda random: write_key(form, _example(family, random)))


def _example(family: str, random: bytes) -> Any:
    """Return a public key of a family, whose private key is thrown away."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: PLC0415

    match family:
        case "ed25519":
            seed = hashlib.sha256(random).digest()
            return ed25519.Ed25519PrivateKey.from_private_bytes(seed).public_key()
        case "ecdsa":
            return ec.generate_private_key(ec.SECP256R1()).public_key()
        case _:
            return rsa.generate_private_key(65537, MIN_RSA_BITS).public_key()

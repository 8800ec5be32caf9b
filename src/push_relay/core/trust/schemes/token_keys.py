"""The forms of stored keys that verify tokens and public-key signatures.

A public key is never read as a secret: anybody knows it, and could make an HMAC with it.
"""

import base64
import re
from collections.abc import Callable

from push_relay.core.secret_text import visible
from push_relay.core.trust.certificate_chain import root_fingerprint
from push_relay.core.trust.jwt_table import SECRET_KEYS
from push_relay.core.trust.public_keys import read_stored_keys, write_key
from push_relay.core.trust.schemes.key_form import KeyForm, key_form
from push_relay.core.trust.schemes.secret_form import SecretForm, any_form

_NEEDS = {
    "pem": "a public key in PEM, RSA of 2048 bits or more or ECDSA on P-256",
    "spki-base64": "SubjectPublicKeyInfo in base64, RSA of 2048 bits or more or ECDSA on P-256",
    "x509-pem": "a certificate or a public key in PEM",
    "jwk": "a JSON Web Key as JSON text",
    "jwks": "a JSON Web Key Set as JSON text",
    "x5c": "the root's certificate in PEM, or its SHA-256 fingerprint",
}
_JSON = re.compile(r'\{\s*"')


def token_key_form(form: str) -> KeyForm:
    """Return the form of a stored key by its name in the `[verify]` table. Only a secret has a `key`."""
    if form in SECRET_KEYS:
        made = key_form(form, strip="", append="", derive="", begins="")
        return made._replace(secret=made.secret._replace(readings=_without_json(made.secret.readings)))
    if form == "x5c":
        return KeyForm(SecretForm(_NEEDS[form], _roots, lambda random: (random * 2)[:32].hex()), bytes)
    public = any_form(
        _NEEDS[form], lambda text: _readable(form, visible(text)), lambda _random: _example(form)
    )
    return KeyForm(public, bytes)


def _without_json(readings: Callable[[bytes], list[bytes]]) -> Callable[[bytes], list[bytes]]:
    def secret_readings(stored: bytes) -> list[bytes]:
        return [] if _JSON.match(visible(stored.decode("utf-8", "replace"))) else readings(stored)

    return secret_readings


def _roots(stored: bytes) -> list[bytes]:
    found = root_fingerprint(stored)
    return [found.encode("ascii")] if found else []


def _readable(form: str, text: str) -> str | None:
    return text if read_stored_keys(form, text.encode()) else None


def _example(form: str) -> str:
    """Return a key whose private half nobody has, for a source that is only tried out."""
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    if form not in ("jwk", "jwks"):
        return write_key(form, public)
    numbers = public.public_numbers()
    x, y = (
        base64.urlsafe_b64encode(number.to_bytes(32)).decode("ascii").rstrip("=")
        for number in (numbers.x, numbers.y)
    )
    return f'{{"kty": "EC", "crv": "P-256", "x": "{x}", "y": "{y}"}}'

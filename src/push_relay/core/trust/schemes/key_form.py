"""The forms of keys: how a stored text becomes the bytes that sign, and how it may be written."""

import base64
import hashlib
import re
from collections.abc import Callable
from typing import NamedTuple

from push_relay.core.trust.schemes.secret_form import (
    STANDARD,
    STANDARD_ALPHABET,
    SecretForm,
    encoded_form,
    from_lenient_base64,
    key_text_form,
    to_base64,
)

#: How a secret of Standard Webhooks begins, by its kind.
HMAC_PREFIX, PUBLIC_PREFIX = b"whsec_", b"whpk_"
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")


class KeyForm(NamedTuple):
    """A form of keys that sign.

    secret  the form of the stored secret, whose readings are written in one way
    key     returns the key's bytes of a reading; empty if it holds no key of this kind
    """

    secret: SecretForm
    key: Callable[[bytes], bytes]


def key_form(form: str, *, strip: str, append: str, derive: str | None, begins: str) -> KeyForm:
    """Return a form by the keys of a description."""
    if form == "whsec":
        return KeyForm(STANDARD, _standard_key)
    decode: Callable[[bytes], bytes]
    if form == "base64":
        secret, decode = encoded_form("base64", _from_any_alphabet, to_base64, strip), _base64_bytes
    elif form == "hex":
        secret, decode = encoded_form("hexadecimal digits", _from_hex, bytes.hex, strip), _hex_bytes
    else:
        secret, decode = key_text_form(strip=strip, begins=begins), bytes

    if decode is bytes and not append and not derive:
        return KeyForm(secret, decode)

    def key(reading: bytes) -> bytes:
        decoded = decode(reading) if reading else b""
        if not decoded:
            return b""  # anybody can sign with the empty key
        made = decoded + append.encode()
        return hashlib.sha1(made, usedforsecurity=False).digest() if derive else made

    return KeyForm(secret, key)


def _standard_key(reading: bytes) -> bytes:
    """Return the key of HMAC of a secret of Standard Webhooks. Some senders omit the padding."""
    if not reading.startswith(HMAC_PREFIX):
        return b""
    return decoded_standard(reading.removeprefix(HMAC_PREFIX))


def decoded_standard(text: bytes) -> bytes:
    """Return the bytes of canonical base64, whose padding may be missing; empty if it is not."""
    padded = text + b"=" * (-len(text) % 4)
    try:
        value = base64.b64decode(padded, validate=True)
    except ValueError:
        return b""
    return value if base64.b64encode(value) == padded else b""


def _from_any_alphabet(text: str) -> bytes:
    return from_lenient_base64(text.translate(STANDARD_ALPHABET))


def _base64_bytes(reading: bytes) -> bytes:
    return base64.b64decode(reading)


def _from_hex(text: str) -> bytes:
    return bytes.fromhex(text) if _HEX.fullmatch(text) else b""


def _hex_bytes(reading: bytes) -> bytes:
    return bytes.fromhex(reading.decode("ascii"))

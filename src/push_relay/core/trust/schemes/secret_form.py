"""The form that a scheme's secret has, and the secrets that a stored one can mean.

People store a secret with a line break at its end, with spaces or a byte order mark round it, in quotes. Each
reading that is unambiguous is tried. A stored secret with no reading can never fit, which the log has to say.
"""

import base64
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from push_relay.core.secret_text import visible

_QUOTED = re.compile(r"""(["'`])(.*)\1""", re.DOTALL)
_WEB_KEY = re.compile(r'\{.*"kty"\s*:', re.DOTALL)
#: Bytes of an Ed25519 public key.
_PUBLIC_KEY_BYTES = 32
#: How the base64 of a public key begins: RSA of 2048, 3072 and 4096 bits, ECDSA on P-256, Ed25519.
_SPKI_BEGINS = (
    "MIIBIjANBgkqhkiG9w0B",
    "MIIBojANBgkqhkiG9w0B",
    "MIICIjANBgkqhkiG9w0B",
    "MFkwEwYHKoZIzj0C",
    "MCowBQYDK2Vw",
)


class SecretForm(NamedTuple):
    """The form of a scheme's secret.

    needs     a description of the form, which follows "it must be" in a log line
    readings  returns the secrets that a stored one can mean, the likeliest first; empty if it can never fit
    example   makes a secret of this form from random bytes, 24 or more
    """

    needs: str
    readings: Callable[[bytes], list[bytes]]
    example: Callable[[bytes], str]


@lru_cache(maxsize=64)
def readings_of(form: SecretForm, stored: bytes) -> tuple[bytes, ...]:
    """Return what a stored secret can mean. It depends on nothing else, so it is found once."""
    return tuple(form.readings(stored))


def text_form(*, prefix: str = "") -> SecretForm:
    """Return the form of a text of any characters, before which its sender always puts this prefix."""
    return key_text_form(begins=prefix)


def key_text_form(*, begins: str = "", strip: str = "") -> SecretForm:
    """Return the form of a key that is a text of any characters.

    begins  how the key begins; it is added to one that was stored without it
    strip   a beginning that does not belong to the key, although its sender shows it

    A public key is not a secret, so a text that is one never is a key of HMAC.
    """

    def readings(stored: bytes) -> list[bytes]:
        stripped = (text.removeprefix(strip) for text in _spellings(stored, begins or strip))
        texts = [text for text in stripped if text and not is_public_key(text)]
        added = [begins + text for text in texts if begins and not text.startswith(begins)]
        return _encoded((*texts, *added))

    return SecretForm(
        "a text that is not blank, and not a public key", readings, lambda random: begins + _url_safe(random)
    )


def encoded_form(
    needs: str, decode: Callable[[str], bytes], encode: Callable[[bytes], str], strip: str = ""
) -> SecretForm:
    """Return the form of a key that is written in an encoding. Each reading is in its usual spelling.

    strip  a beginning that does not belong to the key
    """

    def readings(stored: bytes) -> list[bytes]:
        texts = [text for text in _spellings(stored, strip) if not is_public_key(text)]
        decoded = (decode(visible(text.removeprefix(strip))) for text in texts)
        return _encoded(encode(key) for key in decoded if key)

    return SecretForm(f"a key in {needs}, and not a public key", readings, encode)


def any_form(
    needs: str, canonical: Callable[[str], str | None], example: Callable[[bytes], str]
) -> SecretForm:
    """Return a form by a function that writes a text in its usual spelling, or returns None."""

    def readings(stored: bytes) -> list[bytes]:
        return _encoded(filter(None, map(canonical, _spellings(stored))))

    return SecretForm(needs, readings, example)


def is_public_key(text: str) -> bool:
    """Return whether a text shows that it is a public key: PEM, DER in base64, `whpk_`, a JSON Web Key."""
    bare = visible(text)
    return bare.startswith(("-----BEGIN ", "whpk_", *_SPKI_BEGINS)) or is_web_key(bare)


def is_web_key(text: str) -> bool:
    """Return whether a text is a JSON Web Key or a set of them, which are often public."""
    return _WEB_KEY.match(visible(text)) is not None


def token_form(*, prefix: str, longest: int) -> SecretForm:
    """Return the form of a token that is sent after this prefix, which is not part of the secret."""

    def readings(stored: bytes) -> list[bytes]:
        texts = list(_spellings(stored, prefix))
        bare = [visible(text.removeprefix(prefix)) for text in texts if prefix and text.startswith(prefix)]
        # With the prefix or without: a token may begin as the prefix does.
        sendable = [
            text
            for text in (*texts, *bare)
            if text.isascii() and len(prefix + text) <= longest and not is_web_key(text)
        ]
        return _encoded(filter(None, sendable))

    return SecretForm(
        f"a text of ASCII characters, at most {longest - len(prefix)}, that is not blank", readings, _url_safe
    )


def _password_readings(stored: bytes) -> list[bytes]:
    return _encoded(text for text in _spellings(stored, ":") if ":" in text and not is_web_key(text))


#: A user and a password, for HTTP's Basic authentication.
PASSWORD = SecretForm("`user:password`", _password_readings, lambda random: f"relay:{_url_safe(random)}")


def _standard_readings(stored: bytes) -> list[bytes]:
    """Return a Standard Webhooks secret as the standard writes it, in base64 with its prefix.

    Without a prefix it is a key of HMAC, as the standard's libraries take it. That excepts 32 bytes, which
    can be an Ed25519 public key too: anyone who knows the public key could sign with it.
    """
    return _encoded(filter(None, map(_standard, _spellings(stored))))


def _standard(text: str) -> str | None:
    text = visible(text.removeprefix("v1,").removeprefix("v1a,"))
    for prefix in ("whsec_", "whpk_"):
        if text.startswith(prefix):
            key = from_lenient_base64(visible(text.removeprefix(prefix)).translate(STANDARD_ALPHABET))
            fits = bool(key) and (prefix == "whsec_" or len(key) == _PUBLIC_KEY_BYTES)
            return prefix + to_base64(key) if fits else None
    key = b"" if is_public_key(text) else from_lenient_base64(text)
    return "whsec_" + to_base64(key) if key and len(key) != _PUBLIC_KEY_BYTES else None


#: A key of HMAC (`whsec_`) or an Ed25519 public key (`whpk_`), in base64.
STANDARD = SecretForm(
    "`whsec_` or `whpk_` with base64 after it (for `whpk_`, of 32 bytes); without a prefix, base64 of "
    "another number of bytes than 32",
    _standard_readings,
    lambda random: f"whsec_{to_base64(random)}",
)

#: Writes the URL alphabet of base64 as the usual one.
STANDARD_ALPHABET = str.maketrans("-_", "+/")


def _spellings(stored: bytes, prefix: str = "") -> Iterator[str]:
    """Yield a stored secret without what is invisible at its ends, as it is, and without quotes round it.

    Nothing if there is nothing in the quotes or after the prefix: that secret was never filled in, and
    anybody can guess it.
    """
    try:
        text = stored.decode("utf-8")
    except UnicodeDecodeError:
        return
    trimmed = visible(text)
    quoted = _QUOTED.fullmatch(trimmed)
    inside = quoted[2] if quoted else trimmed
    if visible(inside) in ("", visible(prefix)):
        return
    yield from (trimmed, text, visible(inside), inside)


def _encoded(texts: Iterable[str]) -> list[bytes]:
    return list(dict.fromkeys(text.encode("utf-8") for text in texts))


def from_lenient_base64(text: str) -> bytes:
    """Return the content of base64; empty if it is not. The padding may be missing, and last bits be set."""
    bare = text.rstrip("=")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except ValueError:
        return b""


def to_base64(content: bytes) -> str:
    """Write bytes as base64 with padding."""
    return base64.b64encode(content).decode("ascii")


def _url_safe(random: bytes) -> str:
    return base64.urlsafe_b64encode(random).decode("ascii").rstrip("=")

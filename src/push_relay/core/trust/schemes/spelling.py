"""The spellings of a signature: hexadecimal digits, base64, base64url. A proof has one spelling in each."""

import base64
import re
from collections.abc import Callable
from typing import NamedTuple

from push_relay.core.trust.schemes.proof import (
    Encoding,
    base64_text,
    from_base64,
    from_base64url,
    hexadecimal,
)


class Spelling(NamedTuple):
    """How a signature is written.

    write    writes one
    pattern  what the text of one matches
    usual    returns a text in the spelling of `write`: the only liberty that a sender has
    read     returns the bytes of a text in the usual spelling; None if it holds none
    """

    write: Encoding
    pattern: re.Pattern[str]
    usual: Callable[[str], str]
    read: Callable[[str], bytes | None]


def _unpadded(text: str) -> str:
    bare = text.rstrip("=")
    return bare if len(text) in (len(bare), len(bare) + -len(bare) % 4) else ""


def _base64url(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def _from_hex(text: str) -> bytes | None:
    return bytes.fromhex(text) if len(text) % 2 == 0 else None


SPELLINGS = {
    "hex": Spelling(hexadecimal, re.compile(r"[0-9a-f]+"), str, _from_hex),
    "hex-any-case": Spelling(hexadecimal, re.compile(r"[0-9A-Fa-f]+"), str.lower, _from_hex),
    "base64": Spelling(base64_text, re.compile(r"[A-Za-z0-9+/]+={0,2}"), str, from_base64),
    "base64url": Spelling(_base64url, re.compile(r"[A-Za-z0-9_-]+={0,2}"), _unpadded, from_base64url),
}

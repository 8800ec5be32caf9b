"""Patterns of secret and personal values inside a text, whatever its field is called."""

import ipaddress
import re
from typing import Final

PEM: Final = re.compile(r"-----BEGIN [^-]+-----.*?(?:-----END [^-]+-----|\Z)", re.DOTALL)
URL: Final = re.compile(
    r"\b[a-zA-Z][a-zA-Z0-9+.-]{1,20}://[^\s<>\"'`()\[\]{}|\\^]*[^\s<>\"'`()\[\]{}|\\^.,;:!?]"
)
EMAIL: Final = re.compile(r"[\w.+'-]+(?:@|%40)[\w-]+(?:\.[\w-]+)*")
MENTION: Final = re.compile(r"(?<![\w@/])@\w[\w.-]*\w")
#: A date or a moment, which no other pattern may touch.
MOMENT: Final = re.compile(
    r"(?<!\d)\d{4}[-/]\d\d[-/]\d\d"
    r"(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?)?(?!\d)"
)
MAC: Final = re.compile(r"(?<![\w:-])(?:[0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}(?![\w:-])")
IP: Final = re.compile(
    r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)|(?<![\w:.])(?:[0-9a-fA-F]{0,4}:){2,7}(?:[0-9a-fA-F]{1,4})?(?![\w:])"
)
_TLD: Final = (
    "com|org|net|io|dev|app|co|cloud|ai|edu|gov|mil|info|biz|eu|de|uk|us|ca|fr|nl|ch|at|se|no|dk|fi|it|es|pt|pl|cz|ie|be|"
    "au|nz|jp|cn|in|br|ru|za|mx|kr|sg|local|internal|lan|corp|intra|intranet|home|localdomain|svc|cluster|example|test"
)
_LABEL: Final = r"[a-zA-Z0-9_](?:[a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?"
HOST: Final = re.compile(rf"(?<![\w@.-])(?:{_LABEL}\.)+(?:{_TLD})(?![\w-]|\.\w)", re.IGNORECASE)
LONG_HOST: Final = re.compile(rf"(?<![\w@.-])(?:{_LABEL}\.){{2,}}(?:{_TLD})(?![\w-]|\.\w)", re.IGNORECASE)
PHONE: Final = re.compile(
    r"(?<![\w.+])(?:\+|00)[1-9][\d ()./-]{5,}\d(?!\w)|(?<![\w.-])\(?0\d{1,4}\)?[ /-]\d[\d /-]{4,}\d(?![\w-])"
    r"|(?<![\w.-])\(?\d{3}\)?[ .-]{1,2}\d{3}[ .-]\d{4}(?![\w-])"
)
#: Cards, bank accounts, social security numbers, and long numbers.
NUMBER: Final = re.compile(
    r"(?<![\w.])(?:\d{4}[ -]){3}\d{1,7}(?![\w-])|\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b"
    r"|(?<![\w.-])\d{3}-\d{2}-\d{4}(?![\w-])|(?<![\w.])\d{9,}(?!\w|\.\d)"
)
#: A secret that its text names: `password: x`. The last group is the secret.
NAMED: Final = re.compile(
    r"(?i)((?:\b|_)(?:pass(?:word|wd|phrase|code)?|pwd|secret|token|(?:api|access|private|secret)[ _-]?key|"
    r"credentials?|pin|otp|(?:verification|security|login|access|auth) code)"
    r"(?:\s+is\s+|\s*[:=]\s*)[\"'`]?)([^\s\"'`,;<>]+)"
    r"|(\b(?:Bearer|Basic|Token|Digest)\s+)([^\s\"'`,;<>]{6,})"
)
#: A person that a text names: `Dear Anna`, `by Anna Schmidt`. The last group is the name.
NAMED_PERSON: Final = re.compile(
    r"((?:\b(?:[Dd]ear|Hi|Hello|Mr|Mrs|Ms|Dr|Prof)\b\.? ))([^\W\d_][\w'-]+(?: [A-Z][\w'-]+)?)"
    r"|(\b(?i:by|from|assigned to|contact|call|ask) )([A-Z][\w'-]+ [A-Z][\w'-]+)"
)
#: Words beside each other.
WORDS: Final = re.compile(r"[^\W\d_]+(?:[ '\u2019-]+[^\W\d_]+)*")
#: A run that may be a token: without spaces, quotes and brackets.
RUN: Final = re.compile(r"[^\s\"'`<>()\[\]{},;|\\^\uf000-\uf8ff]{8,}")

_UUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_HEX: Final = re.compile(r"(?=[a-f]*[0-9])[0-9a-f]{12,}", re.IGNORECASE)
_JOINT: Final = re.compile(r"[-_./:+=~%&?#@!$*]+")
#: Parts of names that people read: words, numbers, a word with a number.
_PLAIN_PART: Final = re.compile(
    r"[A-Z]?[a-z]{1,27}|[A-Z]{1,15}|\d{1,8}|[A-Za-z]{1,12}\d{1,4}[a-z]?|\d{1,4}[A-Za-z]{1,3}|"
)
_CAMEL_PART: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_CONSONANTS: Final = re.compile(r"[bcdfghjklmnpqrstvwxz]{6}", re.IGNORECASE)
_SWITCH: Final = re.compile(r"(?<=[a-zA-Z])(?=\d)|(?<=\d)(?=[a-zA-Z])")
#: Characters of the shortest token, changes between letters and digits, and letters of camel-case words.
_SHORTEST, _ALTERNATING, _CAMEL_WORD = 12, 3, 3.0
#: Characters of the shortest part of a token.
_SHORTEST_PART: Final = 6


def is_uuid(text: str) -> bool:
    """Return whether a text is a UUID."""
    return _UUID.fullmatch(text) is not None


def is_hex(text: str) -> bool:
    """Return whether a text is a long hexadecimal number, such as a hash."""
    return _HEX.fullmatch(text) is not None


def is_ip(text: str) -> bool:
    """Return whether a text is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def looks_secret(run: str) -> bool:
    """Return whether a run of characters is a token, a key, a hash or another id that no person reads."""
    if _UUID.search(run):
        return True
    if len(_SWITCH.findall(run)) >= _ALTERNATING and any(
        len(_SWITCH.findall(part)) >= _ALTERNATING for part in _JOINT.split(run)
    ):
        return True
    return len(run) >= _SHORTEST and any(_is_random(part) for part in _JOINT.split(run))


def _is_random(part: str) -> bool:
    if _HEX.fullmatch(part):
        return True
    if len(part) < _SHORTEST_PART:
        return False
    if part.isascii() and part.isalpha():
        if len(part) >= _SHORTEST and _CONSONANTS.search(part):
            return True
        pieces = _CAMEL_PART.findall(part)
        is_camel = len(pieces) > 1 and len(part) / len(pieces) >= _CAMEL_WORD
        return not is_camel and not _PLAIN_PART.fullmatch(part)
    return part.isascii() and part.isalnum() and not _PLAIN_PART.fullmatch(part)

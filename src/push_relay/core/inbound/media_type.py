"""Read a Content-Type header (RFC 9110, 8.3), as senders and the proxies between write it."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

FORM = "application/x-www-form-urlencoded"

#: White space, byte order marks and zero bytes, which may come before the first bracket of JSON or XML.
_BEFORE_BRACKET = b" \t\r\n\0\xef\xbb\xbf\xfe\xff"

#: One of several values that a gateway has joined: a comma inside quotes separates nothing.
_VALUE = re.compile(r'(?:"[^"]*"?|[^,"])+')
_JSON = re.compile(r"(?:[a-z]+/(?:x-)?json|[a-z]+/[a-z0-9.!#$&^_-]+\+json)")


class MediaType(NamedTuple):
    """The content of a Content-Type header, lower-case.

    name     such as `application/json`; empty if there is no header, or if it names several that differ
    charset  the parameter of that name without its quotes; empty if it is missing
    """

    name: str
    charset: str

    @property
    def is_json(self) -> bool:
        """Whether it is JSON under one of the names that senders use, a CloudEvents batch excepted."""
        return _JSON.fullmatch(self.name) is not None and not self.name.endswith("-batch+json")

    @property
    def is_text(self) -> bool:
        """Whether people can read it: any `text/`, XML, a form, JavaScript."""
        subtype = self.name.partition("/")[2]
        return (
            self.name.startswith("text/")
            or self.name == FORM
            or subtype in ("xml", "yaml", "javascript")
            or subtype.endswith(("+xml", "+yaml"))
        )


def media_type(headers: Mapping[str, str]) -> MediaType:
    """Return what the Content-Type header names. One that was sent twice, the same, names one type."""
    return _read(headers.get("content-type", "").lower())


@lru_cache(maxsize=32)  # a sender writes the same one in each request
def _read(header: str) -> MediaType:
    given = [_parameters(value) for value in _VALUE.findall(header)]
    names = {name for name, _ in given}
    charsets = {charset for _, charset in given if charset}
    return MediaType(
        names.pop() if len(names) == 1 else "",
        charsets.pop() if len(charsets) == 1 else "",
    )


def _parameters(value: str) -> tuple[str, str]:
    name, *parameters = value.split(";")
    # Parameter names are case-insensitive (RFC 9110, 5.6.6).
    named = (parameter.partition("=") for parameter in parameters)
    charset = next((text.strip().strip("\"'") for key, _, text in named if key.strip() == "charset"), "")
    return name.strip(), charset


def looks_like_json(content: bytes) -> bool:
    """Return whether bytes begin as a JSON object or list does, which a form never does: it escapes brackets.

    A content type is rarely signed. So where both could be meant, the bytes decide, and there is one reading.
    """
    return first_byte(content) in (b"{", b"[")


def first_byte(content: bytes) -> bytes:
    """Return the first byte of a document; empty if there is none near its beginning."""
    return content[:64].lstrip(_BEFORE_BRACKET)[:1]

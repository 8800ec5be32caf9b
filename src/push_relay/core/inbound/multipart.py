"""Read multipart/form-data (RFC 7578), with one reading.

Everything that two parsers could understand differently is refused. The boundary is taken from the body,
because the Content-Type is rarely signed: a body that was captured with its signature must not become
another form under another boundary.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import unquote

from push_relay.core.errors import MalformedRequest, PayloadTooLarge, UnsupportedMediaType
from push_relay.core.strict_json import Json

MEDIA_TYPE = "multipart/form-data"
#: Parts of a body, and lines and bytes of the headers of one part.
MAX_PARTS, MAX_HEADERS, MAX_HEADER_BYTES = 1000, 16, 8192
#: Characters of a file's name that are kept.
MAX_NAME = 255

#: RFC 2046, 5.1.1. A boundary that ends in two hyphens looks like the end of the one without them.
_BOUNDARY = re.compile(rb"(?!.*--$)[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_LONGEST_LINE = 2 + 70 + 2
_NAMED_BOUNDARY = re.compile(r';\s*boundary\s*=\s*(?:"([^"]*)"|([^\s;,"]+))', re.IGNORECASE)
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*)", re.DOTALL)
_DISPOSITION = re.compile(
    r'form-data((?:\s*;\s*[A-Za-z0-9_*-]+=(?:"(?:[^"\\]|\\.)*"|[^\s;"\\]+))+)(?:\s*;)?\s*', re.IGNORECASE
)
_PARAMETER = re.compile(r'([A-Za-z0-9_*-]+)=("(?:[^"\\]|\\.)*"|[^\s;"\\]+)')
_QUOTED_PAIR = re.compile(r'\\(["\\])')
_PADDING = re.compile(rb"[ \t]*\r\n")
_PLAIN = frozenset({"7bit", "8bit", "binary"})


class Field(NamedTuple):
    """A part of a form: a text, or the name and size of a file."""

    name: str
    value: Json


def is_multipart(body: bytes) -> bool:
    """Return whether a body begins as multipart does, and as no other form that a sender writes."""
    return body.startswith(b"--")


def check_boundary(body: bytes, content_type: str) -> None:
    """Raise UnsupportedMediaType unless the Content-Type names the boundary of the body, once."""
    named = [quoted or plain for quoted, plain in _NAMED_BOUNDARY.findall(content_type)]
    if len(named) != 1 or named[0].encode("utf-8", "replace") != _boundary(body):
        raise UnsupportedMediaType("the Content-Type does not name the boundary of the body")


def read_fields(body: bytes, *, lenient: bool) -> list[Field]:
    """Return the fields of a form. The content of files is dropped.

    lenient  what is not UTF-8 is U+FFFD

    Raises MalformedRequest, PayloadTooLarge.
    """
    delimiter = b"\r\n--" + _boundary(body)
    if body.count(delimiter) > MAX_PARTS:
        raise PayloadTooLarge(f"the body has more than {MAX_PARTS} parts")
    return [_field(part, lenient=lenient) for part in _parts(body, delimiter)]


def _boundary(body: bytes) -> bytes:
    line, newline, _ = body[:_LONGEST_LINE].partition(b"\r\n")
    if not newline or not line.startswith(b"--") or not _BOUNDARY.fullmatch(line[2:]):
        raise MalformedRequest(
            "the body does not begin with a boundary of 1 to 70 characters in a line that ends with CR LF"
        )
    return line[2:]


def _parts(body: bytes, delimiter: bytes) -> Iterator[bytes]:
    first, *parts, last = (b"\r\n" + body).split(delimiter)
    if first or not last.startswith(b"--") or last[2:].strip(b"\r\n \t"):
        raise MalformedRequest("the body does not end with its boundary and two hyphens")
    for part in parts:
        padding = _PADDING.match(part)
        if padding is None:
            raise MalformedRequest("the body has its boundary within a line, or goes on after its end")
        yield part[padding.end() :]


def _field(part: bytes, *, lenient: bool) -> Field:
    head, end, content = part.partition(b"\r\n\r\n")
    if not end:
        raise MalformedRequest("a part of the form has no headers, or no content")
    headers = _headers(head)
    if headers.get("content-transfer-encoding", "binary").lower() not in _PLAIN:
        raise MalformedRequest("a part of the form has a Content-Transfer-Encoding")
    if headers.get("content-type", "").lower().lstrip().startswith("multipart/"):
        raise MalformedRequest("a part of the form has parts of its own")
    parameters = _parameters(headers.get("content-disposition", ""))
    name = parameters.get("name")
    if name is None or "name*" in parameters:
        raise MalformedRequest("a part of the form has no name")
    if "filename" in parameters or "filename*" in parameters:
        return Field(name, {"filename": _file_name(parameters), "size": len(content)})
    try:
        return Field(name, content.decode("utf-8", "replace" if lenient else "strict"))
    except UnicodeDecodeError:
        raise MalformedRequest("a part of the form is not UTF-8") from None


def _headers(head: bytes) -> Mapping[str, str]:
    if len(head) > MAX_HEADER_BYTES or head.count(b"\r\n") >= MAX_HEADERS:
        raise PayloadTooLarge("a part of the form has too many headers")
    headers: dict[str, str] = {}
    for line in head.decode("utf-8", "replace").split("\r\n"):
        found = _HEADER.fullmatch(line)
        if found is None or any(character in line for character in "\r\n\0"):
            raise MalformedRequest("a part of the form has a header that cannot be read")
        name = found[1].lower()
        if name in headers:
            raise MalformedRequest("a part of the form has a header twice")
        headers[name] = found[2].strip()
    return headers


def _parameters(disposition: str) -> Mapping[str, str]:
    found = _DISPOSITION.fullmatch(disposition)
    if found is None:
        raise MalformedRequest("a part of the form has no Content-Disposition of a form's field")
    pairs = [(name.lower(), _unquoted(value)) for name, value in _PARAMETER.findall(found[1])]
    parameters = dict(pairs)
    if len(parameters) != len(pairs):
        raise MalformedRequest("a part of the form has a parameter twice")
    return parameters


def _unquoted(value: str) -> str:
    return _QUOTED_PAIR.sub(r"\1", value[1:-1]) if value.startswith('"') else value


def _file_name(parameters: Mapping[str, str]) -> str:
    """Return a file's name without a path. It is only ever shown: no file is opened."""
    name = parameters.get("filename")
    if name is None:
        # RFC 8187: charset, language and text, separated by apostrophes.
        name = unquote(parameters["filename*"].rpartition("'")[2], errors="replace")
    return re.split(r"[/\\]", name)[-1][:MAX_NAME]

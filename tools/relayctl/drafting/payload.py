"""Recognise the format of a captured body, and write a changed document as a body of that format again."""

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode
from xml.sax.saxutils import escape, quoteattr

from push_relay.core.errors import RelayError
from push_relay.core.inbound.body import ALL_FIELDS, BodyFormat, read_body
from push_relay.core.inbound.items import Items, Unreadable, as_document
from push_relay.core.inbound.media_type import FORM, looks_like_json, media_type
from push_relay.core.inbound.xml_document import ATTRIBUTE, ROOT, TEXT
from push_relay.core.strict_json import JsonObject, parse
from relayctl.drafting.capture import Capture
from relayctl.preview.inputs import InputError

_JSON: Final = "application/json"
#: A form in one line: names and values, percent-encoded.
_FORM_BODY: Final = re.compile(r"[\w.\[\]%+*~-]+=[^\s&=]*(?:&[\w.\[\]%+*~-]+=[^\s&=]*)*\s*", re.ASCII)
_UNKNOWN: Final = (
    "its body is neither JSON nor XML nor a form. If it is another format, write it with its headers: a line "
    "`Content-Type: ...`, a blank line, and the body"
)


#: The keys of `[event]` for lines of JSON.
_LINES: Final[Mapping[str, str]] = {"format": "ndjson"}


class Payload(NamedTuple):
    """A body that was recognised.

    file          where it is from
    tree          its content as JSON: what stand-ins are put into
    event         the keys of `[event]` that describe the format
    content_type  the Content-Type of the example
    write         returns the member `body` of the example for a tree
    """

    file: str
    tree: Any
    event: Mapping[str, str]
    content_type: str
    write: Callable[[Any], Any]

    @property
    def is_json(self) -> bool:
        """Whether its values have types: those of XML and of forms are all texts."""
        return (
            not self.event
            or self.event == _LINES
            or ("form_field" in self.event and self.event["form_field"] != ALL_FIELDS)
        )

    def documents(self, tree: Any) -> list[JsonObject]:
        """Return the documents that the relay makes of a tree's body, for each event. Raises InputError."""
        body = self.write(tree)
        raw = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
        form = BodyFormat(self.event.get("format", "json"), self.event.get("form_field"))
        try:
            content = read_body(raw.encode(), {"content-type": self.content_type}, form, proven=True)
        except RelayError as exc:
            raise InputError(f"{self.file}: {exc.detail}") from None
        if not isinstance(content, Items):
            return [content]
        return [as_document(item) for item in content.values if not isinstance(item, Unreadable)]


def read_payload(capture: Capture) -> Payload:
    """Recognise a captured body. Raises InputError, which does not quote it."""
    raw = _decompressed(capture)
    found = next((payload for payload in _readings(capture, raw) if payload), None)
    if found is None:
        raise InputError(f"{capture.file}: {_broken_json(raw) or _UNKNOWN}")
    if not any(found.documents(found.tree)):
        raise InputError(f"{capture.file}: its body has no fields, so there is nothing to write a push from")
    return found


def _decompressed(capture: Capture) -> bytes:
    if "gzip" not in capture.headers.get("content-encoding", ""):
        return capture.body
    try:
        return gzip.decompress(capture.body)
    except (OSError, EOFError, zlib.error):
        raise InputError(f"{capture.file}: its Content-Encoding is gzip, and its body is not") from None


def _readings(capture: Capture, raw: bytes) -> Iterator[Payload | None]:
    file, named = capture.file, media_type(capture.headers)
    yield _json_body(file, raw, named.name)
    if named.name == "multipart/form-data":
        yield _multipart(file, raw, capture.headers)
    if raw.lstrip().startswith(b"<"):
        yield _xml(file, raw, named.name)
    text = raw.decode("utf-8", "replace")
    yield _lines(file, text)
    if named.name == FORM or _FORM_BODY.fullmatch(text):
        yield _form(file, raw)
    if named.name == "text/plain":
        yield Payload(file, {"text": text}, {"format": "text"}, "text/plain", lambda tree: tree["text"])


def _json_body(file: str, raw: bytes, content_type: str) -> Payload | None:
    value = _parsed(raw)
    kind = content_type if content_type.endswith("+json") else _JSON
    return Payload(file, value, {}, kind, lambda tree: tree) if isinstance(value, dict | list) else None


def _parsed(raw: bytes) -> Any:
    try:
        return parse(raw, lenient=True)
    except RelayError:
        return None


def _lines(file: str, text: str) -> Payload | None:
    values = [_parsed(line.encode()) for line in text.splitlines() if line.strip()]
    if not values or not all(isinstance(value, dict) for value in values):
        return None
    return Payload(
        file,
        values,
        _LINES,
        "application/x-ndjson",
        lambda tree: "\n".join(json.dumps(value, ensure_ascii=False) for value in tree),
    )


def _form(file: str, raw: bytes) -> Payload | None:
    fields = _read(raw, {"content-type": FORM}, BodyFormat(form_field=ALL_FIELDS))
    return _of_fields(file, fields, {"form_field": ALL_FIELDS}) if fields else None


def _multipart(file: str, raw: bytes, headers: Mapping[str, str]) -> Payload | None:
    fields = _read(raw, headers, BodyFormat("multipart"))
    # A file is left out of the example: its name and content are the sender's.
    texts = {name: value for name, value in (fields or {}).items() if not isinstance(value, dict)}
    return _of_fields(file, texts, {"format": "multipart"}) if texts else None


def _read(raw: bytes, headers: Mapping[str, str], form: BodyFormat) -> JsonObject | None:
    plain = {name: value for name, value in headers.items() if name != "content-encoding"}
    try:
        content = read_body(raw, plain, form, proven=True)
    except RelayError:
        return None
    return None if isinstance(content, Items) else content


def _of_fields(file: str, fields: JsonObject, event: Mapping[str, str]) -> Payload:
    """Return the payload of a form: the JSON in one of its fields, or all of them."""
    for name, value in fields.items():
        inner = _parsed(value.encode()) if isinstance(value, str) else None
        if isinstance(inner, dict | list) and inner:

            def write(tree: Any, name: str = name) -> str:
                return urlencode({name: json.dumps(tree, ensure_ascii=False)})

            return Payload(file, inner, {**event, "form_field": name}, FORM, write)
    return Payload(file, fields, event, FORM, lambda tree: urlencode(tree, doseq=True))


def _xml(file: str, raw: bytes, content_type: str) -> Payload | None:
    document = _read(raw, {}, BodyFormat("xml"))
    kind = content_type if content_type.endswith("xml") else "application/xml"
    return Payload(file, document, {"format": "xml"}, kind, _xml_text) if document else None


def _xml_text(tree: JsonObject) -> str:
    """Write XML, whose namespaces, comments and order of children are not kept."""
    return _element(str(tree[ROOT]), {name: value for name, value in tree.items() if name != ROOT})


def _element(name: str, value: Any) -> str:
    if isinstance(value, list):
        return "".join(_element(name, each) for each in value)
    if not isinstance(value, dict):
        return f"<{name}>{escape(str(value))}</{name}>"
    attributes = "".join(
        f" {key.removeprefix(ATTRIBUTE)}={quoteattr(str(text))}"
        for key, text in value.items()
        if key.startswith(ATTRIBUTE)
    )
    children = "".join(
        escape(str(child)) if key == TEXT else _element(key, child)
        for key, child in value.items()
        if not key.startswith(ATTRIBUTE)
    )
    return f"<{name}{attributes}>{children}</{name}>"


def _broken_json(raw: bytes) -> str:
    """Return where a body that begins as JSON is wrong, or an empty text."""
    if not looks_like_json(raw):
        return ""
    try:
        json.loads(raw)
    except json.JSONDecodeError as exc:
        return f"is not JSON: {exc.msg} (line {exc.lineno}, column {exc.colno})"
    except (UnicodeDecodeError, RecursionError):
        return "is not JSON in UTF-8, or is nested too deeply"
    return "is JSON, but too large or nested too deeply for the relay"

"""Read XML as a document of JSON. A DTD is refused, and so are entities; depth and size are bounded.

    <order id="7">              {"#root": "order",
      <item>tea</item>           "@id": "7",
      <item>milk</item>   ->     "item": ["tea", "milk"],
      <note lang="en">now        "note": {"@lang": "en", "#text": "now"}}
      </note>
    </order>

Names are without their namespace's prefix. Text is without the white space around it, and an element that
is empty is an empty text. An element that occurs once is not a list.
"""

import re
from typing import Any
from xml.parsers import expat

from push_relay.core.errors import MalformedRequest, PayloadTooLarge, UnsupportedMediaType
from push_relay.core.strict_json import MAX_DEPTH, MAX_TEXT, JsonObject, decode, decode_leniently

#: Levels of elements. Each may become two of JSON: an object in a list.
MAX_XML_DEPTH = MAX_DEPTH // 2
#: Elements and attributes. Each costs a call from the parser, four times what a part of JSON costs.
MAX_ELEMENTS = 50_000
ROOT, TEXT, ATTRIBUTE = "#root", "#text", "@"

_DECLARED = re.compile(
    rb"""^(?:\xef\xbb\xbf)?<\?xml[^>]{0,100}?\sencoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']"""
)
_UTF8 = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii"})
_SPACE = " "  # separates a namespace from a local name


def parse_xml(raw: bytes, *, lenient: bool, charset: str = "") -> JsonObject:
    """Return the document that XML holds.

    lenient  bytes that are not UTF-8 are read in the encoding that the document declares, or replaced
    charset  what the Content-Type names; it counts if the document declares none

    Raises MalformedRequest, PayloadTooLarge, UnsupportedMediaType for another encoding in a strict reading.
    """
    declared = _DECLARED.match(raw)
    encoding = declared[1].decode("ascii").lower() if declared else charset
    if not lenient and encoding not in _UTF8:
        raise UnsupportedMediaType("the encoding of the XML is not utf-8")
    text = decode_leniently(raw, encoding) if lenient else decode(raw)
    return _Reader().read(text)


class _Reader:
    """Reads one document."""

    def __init__(self) -> None:
        self._stack: list[tuple[str, JsonObject, list[str]]] = []
        self._count = 0
        self._root: JsonObject = {}
        # The text is UTF-8 by now, whatever it declares.
        self._parser = expat.ParserCreate("utf-8", _SPACE)
        self._parser.buffer_text = True
        self._parser.ordered_attributes = True
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.EntityDeclHandler = self._refuse
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text

    def read(self, text: str) -> JsonObject:
        """Return the document."""
        try:
            self._parser.Parse(text.encode("utf-8"), True)  # noqa: FBT003 (expat's own interface)
        except expat.ExpatError as exc:
            raise MalformedRequest(f"the body is not XML: line {exc.lineno}, column {exc.offset}") from None
        return self._root

    def _refuse(self, *_: object) -> None:
        raise MalformedRequest("the XML has a document type, which is not read")

    def _start(self, name: str, attributes: list[str]) -> None:
        self._count += 1 + len(attributes) // 2
        if self._count > MAX_ELEMENTS:
            raise PayloadTooLarge(f"the XML has more than {MAX_ELEMENTS} elements and attributes")
        if len(self._stack) >= MAX_XML_DEPTH:
            raise MalformedRequest(f"the body is nested more than {MAX_XML_DEPTH} levels deep")
        members: JsonObject = {}
        for key, value in zip(attributes[::2], attributes[1::2], strict=True):
            if members.setdefault(ATTRIBUTE + _local(key), value) is not value:
                raise MalformedRequest("the XML has two attributes of the same name")
        _check_texts(members)
        self._stack.append((_local(name), members, []))

    def _text(self, text: str) -> None:
        self._stack[-1][2].append(text)

    def _end(self, _: str) -> None:
        name, members, texts = self._stack.pop()
        text = "".join(texts).strip()
        _check_texts({name: text})
        if not self._stack:
            self._root = {ROOT: name, **members} | ({TEXT: text} if text else {})
            return
        value: Any = members | ({TEXT: text} if text else {}) if members else text
        _add(self._stack[-1][1], name, value)


def _add(members: JsonObject, name: str, value: Any) -> None:
    """Add a child to its parent. Only elements that occur several times are lists."""
    before = members.get(name)
    if before is None:
        members[name] = value
    elif isinstance(before, list):
        before.append(value)
    else:
        members[name] = [before, value]


def _local(name: str) -> str:
    return name.rpartition(_SPACE)[2]


def _check_texts(values: JsonObject) -> None:
    if any(len(name) > MAX_TEXT or len(text) > MAX_TEXT for name, text in values.items()):
        raise PayloadTooLarge(f"the XML has a text of more than {MAX_TEXT} characters")

"""Read a request's body, JSON or XML, into its named values, and say what is wrong with its form.

This module knows documents; which names and types a push has is `contract`'s business.
"""

import json
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NoReturn
from xml.parsers import expat

INSTANCE_NAMESPACE: Final = "http://www.w3.org/2001/XMLSchema-instance"
_MAX_INT_DIGITS: Final = 19
_LONGEST_NAME_QUOTED: Final = 60


class Rule(StrEnum):
    """What a call can break; the vendor's envelope carries it as `ErrorCode`."""

    ATTRIBUTE = "Attribute"
    DOCTYPE = "Doctype"
    DUPLICATE = "Duplicate"
    EMPTY = "Empty"
    ENCODING = "Encoding"
    FORMAT = "Format"
    MALFORMED = "Malformed"
    MEDIA_TYPE = "MediaType"
    NAMESPACE = "Namespace"
    NESTED = "Nested"
    NO_IDENTIFIER = "NoIdentifier"
    NO_SUCH_ENDPOINT = "NoSuchEndpoint"
    ORDER = "Order"
    RANGE = "Range"
    REQUIRED = "Required"
    ROOT = "Root"
    TOO_LARGE = "TooLarge"
    TYPE = "Type"
    UNFINISHED = "Unfinished"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Violation:
    """One way in which a call breaks the contract. Its text never quotes a value: a body is a secret."""

    field: str
    """The field or element, or empty when the whole call is meant."""
    rule: Rule
    message: str


@dataclass(frozen=True, slots=True)
class Document:
    """A body's named values in the order in which they stand, duplicates included."""

    values: list[tuple[str, object]] = field(default_factory=list)
    """From JSON the decoded value, from XML the element's text."""
    violations: list[Violation] = field(default_factory=list)

    def refuse(self, name: str, rule: Rule, message: str) -> None:
        """Add a violation."""
        self.violations.append(Violation(quoted_name(name), rule, message))


def quoted_name(name: str) -> str:
    """Make a sender's field name fit to be told back: printable and short."""
    printable = "".join(character if character.isprintable() else "?" for character in name)
    if len(printable) <= _LONGEST_NAME_QUOTED:
        return printable
    return printable[:_LONGEST_NAME_QUOTED] + "…"


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as its pairs, so that a duplicate key is seen instead of swallowed."""


def read_json(body: bytes) -> Document:
    """Read a JSON object. JSON is UTF-8 without a byte order mark (RFC 8259, 8.1)."""
    document = Document()
    try:
        top = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_Pairs,
            parse_constant=_refuse_constant,
            parse_int=_bounded_int,
        )
    except UnicodeDecodeError:
        document.refuse("", Rule.ENCODING, "The body is not UTF-8.")
        return document
    except (ValueError, RecursionError):
        document.refuse("", Rule.MALFORMED, "The body is not JSON.")
        return document
    if not isinstance(top, _Pairs):
        document.refuse("", Rule.TYPE, "The body must be one JSON object.")
        return document
    document.values.extend(top)
    return document


def _refuse_constant(_name: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON (RFC 8259, 6)")


def _bounded_int(digits: str) -> int | float:
    """Read an integer; one longer than 64 bits could hold becomes a float, which no field accepts."""
    return int(digits) if len(digits.lstrip("-")) <= _MAX_INT_DIGITS else float("inf")


class _DoctypeFoundError(Exception):
    """Stops the parser at a document type, before any entity in it is read."""


def read_xml(body: bytes, root: str) -> Document:
    """Read a flat XML document: a root, its elements in alphabetical order, and nothing else.

    A document that can't be read to its end yields violations and no values.

    A document type is refused unread, so no entity is ever expanded. Comments, CDATA, an XML declaration
    and a byte order mark are well-formed XML and change nothing.
    """
    reader = _FlatXml(root)
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        reader.document.refuse("", Rule.ENCODING, "The body is not UTF-8.")
        return reader.document
    try:
        reader.parser.Parse(body, True)  # noqa: FBT003 - expat's own signature: isfinal
    except expat.ExpatError as exc:
        reader.document.values.clear()
        where = f"line {exc.lineno}, column {exc.offset + 1}"
        reader.document.refuse("", Rule.MALFORMED, f"The body is not well-formed XML ({where}).")
    except _DoctypeFoundError:
        reader.document.values.clear()
        reader.document.refuse("", Rule.DOCTYPE, "A document type is not allowed.")
    else:
        reader.check_order()
    return reader.document


class _FlatXml:
    """The handlers of one parse. A name that carries a namespace arrives as `namespace name`."""

    def __init__(self, root: str) -> None:
        self.document = Document()
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.XmlDeclHandler = self._on_declaration
        self.parser.StartDoctypeDeclHandler = self._on_doctype
        self.parser.StartNamespaceDeclHandler = self._on_namespace
        self.parser.StartElementHandler = self._on_start
        self.parser.EndElementHandler = self._on_end
        self.parser.CharacterDataHandler = self._on_text
        self._root = root
        self._depth = 0
        self._text = ""
        self._instance_declared = False

    def check_order(self) -> None:
        """Refuse each element that stands after one which the alphabet puts later."""
        highest = ""
        for name, _ in self.document.values:
            if name < highest:
                self.document.refuse(name, Rule.ORDER, f"It must stand before {quoted_name(highest)}.")
            highest = max(highest, name)

    def _on_declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in {"utf-8", "utf8", "us-ascii"}:
            self.document.refuse("", Rule.ENCODING, "The XML declaration must name UTF-8 or nothing.")

    def _on_doctype(self, *_: object) -> None:
        raise _DoctypeFoundError

    def _on_namespace(self, prefix: str | None, uri: str | None) -> None:
        if prefix == "i" and uri == INSTANCE_NAMESPACE and self._depth == 0:
            self._instance_declared = True
            return
        name = f"xmlns:{prefix}" if prefix else "xmlns"
        rule = Rule.NAMESPACE
        self.document.refuse(name, rule, f'Only xmlns:i="{INSTANCE_NAMESPACE}" may be declared, on the root.')

    def _on_start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(" ")[2]
        if name != local:
            self.document.refuse(local, Rule.NAMESPACE, "An element must be in no namespace.")
        for attribute in attributes:
            self.document.refuse(attribute.rpartition(" ")[2], Rule.ATTRIBUTE, "No attribute is documented.")
        if self._depth == 0:
            self._check_root(local)
        elif self._depth > 1:
            self.document.refuse(local, Rule.NESTED, "An element can't stand inside a field.")
        self._depth += 1

    def _check_root(self, name: str) -> None:
        if name != self._root:
            self.document.refuse(name, Rule.ROOT, f"The root element must be {self._root}.")
        if not self._instance_declared:
            self.document.refuse(
                name, Rule.NAMESPACE, f'The root must declare xmlns:i="{INSTANCE_NAMESPACE}".'
            )

    def _on_end(self, name: str) -> None:
        self._depth -= 1
        if self._depth == 1:
            self.document.values.append((name.rpartition(" ")[2], self._text))
            self._text = ""

    def _on_text(self, text: str) -> None:
        if self._depth > 1:
            self._text += text
        elif not re.fullmatch(r"[ \t\r\n]*", text):
            self.document.refuse("", Rule.NESTED, "Text can't stand between the elements.")

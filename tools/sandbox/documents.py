"""Read a request's body, JSON or XML, into named values, and report what is wrong with its format.

The module `contract` knows which names and types a push has. This module does not.
"""

import json
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NoReturn
from xml.parsers import expat

INSTANCE_NAMESPACE: Final = "http://www.w3.org/2001/XMLSchema-instance"
_MAX_INT_DIGITS: Final = 19
_MAX_NAME_CHARS: Final = 60


class Rule(StrEnum):
    """The rules that a call can violate. They are the `ErrorCode` in the vendor's envelope."""

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
    """One violation of the contract. Its text never contains a value, because a body is a secret.

    field  the field or element; empty if the violation is about the whole call
    """

    field: str
    rule: Rule
    message: str


@dataclass(frozen=True, slots=True)
class Document:
    """A body's named values in their order, including duplicates, and the violations.

    values  from JSON the decoded value, from XML the element's text
    """

    values: list[tuple[str, object]] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)

    def refuse(self, name: str, rule: Rule, message: str) -> None:
        """Add a violation."""
        self.violations.append(Violation(printable_name(name), rule, message))


def printable_name(name: str) -> str:
    """Return a sender's field name, printable and short, for an answer."""
    printable = "".join(character if character.isprintable() else "?" for character in name)
    if len(printable) <= _MAX_NAME_CHARS:
        return printable
    return printable[:_MAX_NAME_CHARS] + "…"


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as a list of pairs. A dict would hide duplicate keys."""


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
    """Read an integer. One with too many digits for 64 bits becomes a float, which no field accepts."""
    return int(digits) if len(digits.lstrip("-")) <= _MAX_INT_DIGITS else float("inf")


class _DoctypeFoundError(Exception):
    """Stops the parser at a document type, before any entity in it is read."""


def read_xml(body: bytes, root: str) -> Document:
    """Read a flat XML document: a root, and its elements in alphabetical order.

    If the document cannot be read to its end, the result has violations and no values. A document type is
    refused before it is read, so no entity is ever expanded. Comments, CDATA, an XML declaration and a byte
    order mark are accepted, because they are well-formed XML.
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
    """The handlers of one parser run. The parser passes a name in a namespace as `namespace name`."""

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
        """Refuse each element that follows an element with an alphabetically greater name."""
        highest = ""
        for name, _ in self.document.values:
            if name < highest:
                self.document.refuse(name, Rule.ORDER, f"It must come before {printable_name(highest)}.")
            highest = max(highest, name)

    def _on_declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in {"utf-8", "utf8", "us-ascii"}:
            self.document.refuse("", Rule.ENCODING, "The XML declaration's encoding must be UTF-8.")

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
            local_name = attribute.rpartition(" ")[2]
            self.document.refuse(local_name, Rule.ATTRIBUTE, "An attribute is not allowed.")
        if self._depth == 0:
            self._check_root(local)
        elif self._depth > 1:
            self.document.refuse(local, Rule.NESTED, "An element inside a field is not allowed.")
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
            self.document.refuse("", Rule.NESTED, "Text between the elements is not allowed.")

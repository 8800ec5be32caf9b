"""The vendor's contract of a push: field names, exact types and required fields, in JSON and in XML.

If the documentation is explicit, it is enforced strictly. If it is silent, the choice is one that every
careful sender complies with anyway:

- The XML root's name is an option. The elements are in no namespace. - The only media types are
`application/json` and `application/xml`. The only charset is UTF-8. - Unknown fields, duplicates, nulls,
attributes and a document type are refused, because nothing documents that the vendor
  ignores them.
- An XML integer may have a minus sign, and no other sign or leading zero. Every integer must fit into 64
bits. - `ExpirySecs` may be 0, although its meaning is unknown. It must not be negative. - Several identifiers
are accepted. An empty one does not count. - The length of `Title` and `Body` is not limited, and a blank text
is accepted.
"""

import re
from dataclasses import dataclass, field
from typing import Final, cast

from sandbox.documents import Document, Rule, Violation, read_json, read_xml

#: Every documented field and its type, in the alphabetical order that XML requires.
FIELDS: Final[dict[str, type[str] | type[bool] | type[int]]] = {
    "Body": str,
    "CompanyId": int,
    "ExpirySecs": int,
    "IntegrationKey": str,
    "Sound": bool,
    "Title": str,
    "UserEmail": str,
    "UserExternalId": str,
    "UserId": str,
}

REQUIRED: Final = ("Body", "CompanyId", "IntegrationKey", "Title")
IDENTIFIERS: Final = ("UserEmail", "UserExternalId", "UserId")

_TYPE_NAMES: Final = {str: "a string", bool: "a boolean, true or false", int: "an integer"}
_XML_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,18})")
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_INT64: Final = 2**63


@dataclass(frozen=True, slots=True)
class Push:
    """A push that complies with the contract. A field that was left out is None."""

    title: str
    body: str
    company_id: int
    integration_key: str = field(repr=False)
    user_id: str | None = None
    user_email: str | None = None
    user_external_id: str | None = None
    sound: bool | None = None
    expiry_secs: int | None = None

    def shown(self) -> dict[str, str | int | bool]:
        """Return the fields that were sent, by the vendor's names, without the integration key."""
        fields: dict[str, str | int | bool | None] = {
            "Body": self.body,
            "CompanyId": self.company_id,
            "ExpirySecs": self.expiry_secs,
            "Sound": self.sound,
            "Title": self.title,
            "UserEmail": self.user_email,
            "UserExternalId": self.user_external_id,
            "UserId": self.user_id,
        }
        return {name: value for name, value in fields.items() if value is not None}


def read_push(body: bytes, content_type: str | None, root: str = "Push") -> Push | list[Violation]:
    """Read a push from a request's body, or return all violations of the contract.

    content_type  the header's value; without one, the body is read as XML
    root          the XML root element's name
    """
    media_type = _media_type(content_type)
    if media_type == "application/json":
        document = read_json(body)
    elif media_type == "application/xml":
        document = read_xml(body, root)
    else:
        message = "Content-Type must be application/json or application/xml, in UTF-8."
        return [Violation("Content-Type", Rule.MEDIA_TYPE, message)]
    if document.violations and not document.values:
        return document.violations
    fields = _read_fields(document, from_text=media_type == "application/xml")
    _check_presence(document, fields)
    return document.violations or _push(fields)


def _media_type(content_type: str | None) -> str | None:
    """Return the media type, or None if the charset is not UTF-8."""
    if content_type is None:
        return "application/xml"
    media_type, *parameters = (part.strip().lower() for part in content_type.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name == "charset" and value.strip('"') != "utf-8":
            return None
    return media_type


def _read_fields(document: Document, *, from_text: bool) -> dict[str, object]:
    """Check the name and type of each value, and return the fields. Of duplicates, the first one counts.

    A field with a wrong type is None, so that it is not reported as missing too.
    """
    fields: dict[str, object] = {}
    seen: set[str] = set()
    for name, value in document.values:
        kind = FIELDS.get(name)
        if name in seen:
            document.refuse(name, Rule.DUPLICATE, "It is given more than once.")
            continue
        seen.add(name)
        if kind is None:
            document.refuse(name, Rule.UNKNOWN, "There is no such field.")
            continue
        typed = _from_xml(cast("str", value), kind) if from_text else value
        if type(typed) is not kind:  # not isinstance: True would be an integer
            document.refuse(name, Rule.TYPE, f"It must be {_TYPE_NAMES[kind]}.")
            continue
        fields[name] = typed
        _check_value(document, name, typed)
    return {name: fields.get(name) for name in seen if name in FIELDS}


def _from_xml(text: str, kind: type) -> str | int | bool | None:
    """Return an element's text as a value of the field's type, or None if it is not of that type."""
    if kind is str:
        return text
    if kind is bool:
        return {"true": True, "false": False}.get(text)
    return int(text) if _XML_INTEGER.fullmatch(text) else None


def _check_value(document: Document, name: str, value: str | int | bool) -> None:  # noqa: FBT001 - a field's value
    if isinstance(value, str):
        if _SURROGATE.search(value):
            document.refuse(name, Rule.ENCODING, "It contains half of a surrogate pair.")
        elif not value and name in REQUIRED:
            document.refuse(name, Rule.EMPTY, "It must not be empty.")
    elif not -_INT64 <= value < _INT64:
        document.refuse(name, Rule.RANGE, "It does not fit into 64 bits.")
    elif name == "ExpirySecs" and value < 0:
        document.refuse(name, Rule.RANGE, "It must not be negative.")


def _check_presence(document: Document, fields: dict[str, object]) -> None:
    for name in REQUIRED:
        if name not in fields:
            document.refuse(name, Rule.REQUIRED, "It is required.")
    identified = any(fields.get(name) for name in IDENTIFIERS)
    if not identified and not any(name in fields and fields[name] is None for name in IDENTIFIERS):
        message = f"One of {', '.join(IDENTIFIERS)} is required and must not be empty."
        document.refuse("UserId", Rule.NO_IDENTIFIER, message)


def _push(fields: dict[str, object]) -> Push:
    return Push(
        title=cast("str", fields["Title"]),
        body=cast("str", fields["Body"]),
        company_id=cast("int", fields["CompanyId"]),
        integration_key=cast("str", fields["IntegrationKey"]),
        user_id=cast("str | None", fields.get("UserId")),
        user_email=cast("str | None", fields.get("UserEmail")),
        user_external_id=cast("str | None", fields.get("UserExternalId")),
        sound=cast("bool | None", fields.get("Sound")),
        expiry_secs=cast("int | None", fields.get("ExpirySecs")),
    )

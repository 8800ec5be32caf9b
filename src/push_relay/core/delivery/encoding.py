"""Write a push in the vendor's JSON or XML, and read what the vendor answers.

The contract, and what is unknown of it, is told in docs/push-api.md. Escaping is by construction: a value
can never change the JSON or XML around it.
"""

import json
import re
from dataclasses import dataclass, replace
from typing import Any

from push_relay.core.errors import CredentialsUnavailable, MappingFailed
from push_relay.core.push import Push, RecipientKind
from push_relay.core.push_format import PushFormat

XSI = "http://www.w3.org/2001/XMLSchema-instance"

#: Bytes of an answer that are read; the rest is not looked at.
MAX_ANSWER = 64 * 1024

_FIELDS = {
    RecipientKind.USER: "UserId",
    RecipientKind.EMAIL: "UserEmail",
    RecipientKind.EXTERNAL: "UserExternalId",
}
# Not saxutils' function: it drags in what fetches addresses, for four characters.
_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
# Characters that XML 1.0 cannot hold, in any spelling (https://www.w3.org/TR/xml/#charsets).
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NOT_UTF8 = re.compile("[\ud800-\udfff]")
_REPLACEMENT = "\ufffd"
_HTML = re.compile(rb"(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL)
_VENDOR_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """The organisation's id and secret key. Travels in the body; has no repr that could be logged."""

    company_id: int
    integration_key: str


def encode(push: Push, credentials: Credentials, push_format: PushFormat, *, xml_root: str = "Push") -> bytes:
    """Return the request body.

    A character of title or body that the format cannot hold becomes U+FFFD. A recipient or a key with another
    character would be another recipient or key: raises MappingFailed, CredentialsUnavailable.
    """
    lacking = _NOT_XML if push_format is PushFormat.XML else _NOT_UTF8
    if lacking.search(push.recipient.value):
        raise MappingFailed(f"the recipient holds a character that {push_format.name} cannot")
    if lacking.search(credentials.integration_key):
        raise CredentialsUnavailable(f"the integration key holds a character that {push_format.name} cannot")
    message = push.wording
    title, body = (lacking.sub(_REPLACEMENT, text) for text in (message.title, message.body))
    fields = _fields(replace(push, wording=replace(message, title=title, body=body)), credentials)
    if push_format is PushFormat.XML:
        return _xml(fields, xml_root)
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def _fields(push: Push, credentials: Credentials) -> dict[str, str | int]:
    """Name the fields in alphabetical order, which the vendor's XML reader insists on."""
    fields: dict[str, str | int | None] = {
        "Body": push.wording.body,
        "CompanyId": credentials.company_id,
        "ExpirySecs": push.wording.expiry_secs,
        "IntegrationKey": credentials.integration_key,
        "Sound": push.wording.sound,
        "Title": push.wording.title,
        _FIELDS[push.recipient.kind]: push.recipient.value,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _xml(fields: dict[str, str | int], root: str) -> bytes:
    elements = "".join(f"<{name}>{_xml_text(value)}</{name}>" for name, value in fields.items())
    document = f'<?xml version="1.0" encoding="utf-8"?><{root} xmlns:i="{XSI}">{elements}</{root}>'
    return document.encode("utf-8")


def _xml_text(value: str | int) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    # A bare carriage return would be read as a line feed.
    return str(value).translate(_ESCAPED)


@dataclass(frozen=True, slots=True)
class Answer:
    """What an answer's body says.

    error_code  the vendor's error code, or None where the body tells of no error
    doubtful    the body is a web page (a proxy spoke, not the vendor), or is cut off while it tells of an
                error: under a 200, nobody can know whether the push was shown
    """

    error_code: str | None = None
    doubtful: bool = False


def read_answer(body: bytes) -> Answer:
    """Decipher an answer's body, whatever it is: the content type is not trusted, nothing raises.

    The vendor's success may be empty, JSON, XML or text. A code that does not look like one is told as
    `unreadable`, so that no text of the vendor's, which may quote the push, gets into a log.
    """
    text = body[:MAX_ANSWER].removeprefix(b"\xef\xbb\xbf").strip()
    if _HTML.match(text):
        return Answer(doubtful=True)
    try:
        code = _code_in_xml(text) if text.startswith(b"<") else _code_in_json(text)
    except (ValueError, RecursionError):
        return Answer(doubtful=b"ErrorCode" in text)
    return Answer(_safe_code(code))


def _code_in_json(text: bytes) -> object:
    value: Any = json.loads(text) if text else None
    status = value.get("ResponseStatus") if isinstance(value, dict) else None
    return status.get("ErrorCode") if isinstance(status, dict) else None


def _code_in_xml(text: bytes) -> object:
    # Imported where it is needed: JSON is the default.
    from push_relay.core.delivery.answer_xml import error_code  # noqa: PLC0415

    return error_code(text)


def _safe_code(code: object) -> str | None:
    # An empty element that was printed over two lines is empty all the same.
    told = code.strip() if isinstance(code, str) else code
    if told is None or told == "":
        return None
    return told if isinstance(told, str) and _VENDOR_CODE.fullmatch(told) else "unreadable"

"""Write a push in the vendor's JSON or XML, and read the vendor's answer.

docs/push-api.md describes the contract, and what is unknown about it. Every value is escaped, so that it
cannot change the JSON or XML around it.
"""

import json
import re
from typing import Any

from push_relay.core.errors import CredentialsUnavailable, MappingFailed
from push_relay.core.push import Push, RecipientKind
from push_relay.core.push_format import PushFormat
from push_relay.core.quick_dataclass import dataclass

XSI = "http://www.w3.org/2001/XMLSchema-instance"

#: Bytes of an answer that are read. The rest is ignored.
MAX_ANSWER_BYTES = 64 * 1024

_FIELDS = {
    RecipientKind.USER: "UserId",
    RecipientKind.EMAIL: "UserEmail",
    RecipientKind.EXTERNAL: "UserExternalId",
}
# The function of saxutils is not used for these four characters, because its import takes time.
_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
# Characters that XML 1.0 cannot hold, in any spelling (https://www.w3.org/TR/xml/#charsets).
# Compiled when they are first used, because that takes milliseconds.
_NOT_XML = "[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
_NOT_UTF8 = "[\ud800-\udfff]"
_REPLACEMENT = "\ufffd"
_HTML = re.compile(rb"(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL)
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))  # `json.dumps` would make one each time
_VENDOR_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """The organisation's id and secret key, which the body contains. Its repr is safe to log."""

    company_id: int
    integration_key: str


def encode(push: Push, credentials: Credentials, push_format: PushFormat, *, xml_root: str = "Push") -> bytes:
    """Return the request body.

    A character of title or body that the format cannot contain becomes U+FFFD. A recipient or a key must not
    be changed in this way: raises MappingFailed, CredentialsUnavailable.
    """
    lacking = _NOT_XML if push_format is PushFormat.XML else _NOT_UTF8
    if _replaced(lacking, push.recipient.value) != push.recipient.value:
        raise MappingFailed(f"the recipient holds a character that {push_format.name} cannot")
    if _replaced(lacking, credentials.integration_key) != credentials.integration_key:
        raise CredentialsUnavailable(f"the integration key holds a character that {push_format.name} cannot")
    wording = push.wording
    title, body = (_replaced(lacking, text) for text in (wording.title, wording.body))
    fields = _fields(push, title, body, credentials)
    return _xml(fields, xml_root) if push_format is PushFormat.XML else _JSON.encode(fields).encode("utf-8")


def _replaced(pattern: str, text: str) -> str:
    """Return a text with a replacement for each character that a pattern finds. It finds no printable one."""
    return text if text.replace("\n", "").isprintable() else re.sub(pattern, _REPLACEMENT, text)


def _fields(push: Push, title: str, body: str, credentials: Credentials) -> dict[str, str | int]:
    """Return the fields in alphabetical order, which the vendor's XML reader requires."""
    fields: dict[str, str | int | None] = {
        "Body": body,
        "CompanyId": credentials.company_id,
        "ExpirySecs": push.wording.expiry_secs,
        "IntegrationKey": credentials.integration_key,
        "Sound": push.wording.sound,
        "Title": title,
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
    """The meaning of an answer's body.

    error_code  the vendor's error code, or None if the body contains no error
    doubtful    the body is a web page, which a proxy has written and not the vendor, or it is an incomplete
                error. If the status is 200, it is unknown whether the push was shown
    """

    error_code: str | None = None
    doubtful: bool = False


def read_answer(body: bytes) -> Answer:
    """Return the meaning of an answer's body. Never raises, and does not trust the content type.

    The body of a success may be empty, JSON, XML or text. A code that does not look like a code becomes
    `unreadable`, so that the vendor's text, which may quote the push, is not logged.
    """
    text = body[:MAX_ANSWER_BYTES].removeprefix(b"\xef\xbb\xbf").strip()
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
    # Imported here, because JSON is the default.
    from push_relay.core.delivery.answer_xml import error_code  # noqa: PLC0415

    return error_code(text)


def _safe_code(code: object) -> str | None:
    # An XML element of two lines may be empty too.
    trimmed = code.strip() if isinstance(code, str) else code
    if trimmed is None or trimmed == "":
        return None
    return trimmed if isinstance(trimmed, str) and _VENDOR_CODE.fullmatch(trimmed) else "unreadable"

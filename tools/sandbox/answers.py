"""The vendor's answers, in the format that the caller has asked for.

The vendor does not document the body of a success. Here it is the envelope of the sibling resources, without
content. In XML, the envelope's children have a namespace prefix, because those of the sibling resources may
have one; a reader must therefore use local names.
"""

import json
from typing import Final
from xml.sax.saxutils import escape

from sandbox.documents import INSTANCE_NAMESPACE, Violation

FORMATS: Final = ("json", "xml")
_ENVELOPE_NAMESPACE: Final = "urn:push-api-sandbox:response-status"


def media_type(answer_format: str) -> str:
    """Return the Content-Type of an answer."""
    return f"application/{answer_format}; charset=utf-8"


def success(answer_format: str, root: str) -> bytes:
    """Return the body of a success."""
    if answer_format == "json":
        return b'{"ResponseStatus":{}}'
    return _xml(root, "")


def error(
    answer_format: str, root: str, code: str, message: str, violations: list[Violation] | None = None
) -> bytes:
    """Return the body of an error, in the sibling resources' envelope."""
    violations = violations or []
    if answer_format == "json":
        errors = [
            {"ErrorCode": violation.rule.value, "FieldName": violation.field, "Message": violation.message}
            for violation in violations
        ]
        status = {"ErrorCode": code, "Message": message, "Errors": errors}
        return json.dumps({"ResponseStatus": status}, ensure_ascii=False).encode()
    errors_xml = "".join(
        "<e:ResponseError>"
        + _element("ErrorCode", violation.rule.value)
        + _element("FieldName", violation.field)
        + _element("Message", violation.message)
        + "</e:ResponseError>"
        for violation in violations
    )
    return _xml(
        root,
        _element("ErrorCode", code) + f"<e:Errors>{errors_xml}</e:Errors>" + _element("Message", message),
    )


def _element(name: str, text: str) -> str:
    return f"<e:{name}>{escape(text)}</e:{name}>"


def _xml(root: str, status_children: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        f'<{root}Response xmlns:i="{INSTANCE_NAMESPACE}">'
        f'<ResponseStatus xmlns:e="{_ENVELOPE_NAMESPACE}">{status_children}</ResponseStatus>'
        f"</{root}Response>"
    ).encode()


HTML: Final = b"""<!doctype html>
<html><head><title>Bad gateway</title></head>
<body><h1>Bad gateway</h1><p>The proxy got no answer from the server behind it.</p></body></html>
"""

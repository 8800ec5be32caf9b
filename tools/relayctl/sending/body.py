"""The document in an example's body, which can be read, changed and written again: JSON, or a form."""

import json
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

from push_relay.core.inbound.body import ALL_FIELDS, BodyFormat
from push_relay.core.inbound.media_type import FORM, media_type
from relayctl.sending import CannotSendError
from relayctl.webhook import Webhook


class Document(NamedTuple):
    """The document of a body.

    value   a JSON value, or the fields of a form by name
    field   the form's field that holds the JSON; None if the body is JSON
    fields  the form's fields; None if the body is JSON
    """

    value: Any
    field: str | None = None
    fields: tuple[tuple[str, str], ...] | None = None


def read_document(request: Webhook, body_format: BodyFormat | None) -> Document:
    """Return the document of a body. Raises CannotSendError if it is neither JSON nor a form.

    body_format  how the source's sender writes; None for an example that AWS delivers
    """
    try:
        return Document(json.loads(request.body or b"{}"))
    except (ValueError, RecursionError):
        pass
    if media_type(request.headers).name == FORM and body_format and body_format.field:
        try:
            return _form(request.body.decode(), body_format.field)
        except ValueError:
            pass
    raise CannotSendError(
        "the body of the example is neither JSON nor a form that the source reads, so --set can change its "
        "headers and query only: copy the example, and change the copy's body"
    )


def write_document(request: Webhook, document: Document) -> Webhook:
    """Return the request with a changed document."""
    if document.fields is None:
        return replace(request, body=_json(document.value))
    if document.field is None:
        return replace(request, body=urlencode([*document.value.items()]).encode())
    fields = [
        (name, _json(document.value).decode() if name == document.field else text)
        for name, text in document.fields
    ]
    return replace(request, body=urlencode(fields).encode())


def _form(text: str, field: str) -> Document:
    """Return the document of a form. Raises ValueError."""
    fields = tuple(parse_qsl(text, keep_blank_values=True))
    if field == ALL_FIELDS:
        return Document(dict(fields), None, fields)
    return Document(json.loads(dict(fields).get(field, "")), field, fields)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()

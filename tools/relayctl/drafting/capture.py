"""Read a captured request from a file.

| shape | recognised by |
|---|---|
| an invocation by API Gateway or a function URL | JSON with `requestContext` |
| an example | JSON with `body`, and nothing beside it but members of an example |
| a dump of a request: a request line, header lines, a blank line, the body | its first line |
| a body alone | anything else: JSON, lines of JSON, XML, a form |
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

from push_relay.core.errors import RelayError
from push_relay.core.inbound.request import is_http, unwrap
from relayctl.preview.inputs import InputError, read_bytes
from relayctl.webhook import read_webhook

_MEMBERS: Final = frozenset(
    {"headers", "query", "body", "method", "url", "path", "isBase64Encoded", "documented_at"}
)
#: Members of what AWS delivers: messages of queues and topics, an EventBridge event, an alarm's action.
_OF_AWS: Final = ({"Records"}, {"detail", "detail-type"}, {"alarmArn", "alarmData"})
#: The first line of a dump: a request line, or a header. `curl -v` writes `> ` before both.
_REQUEST_LINE: Final = re.compile(r"(?:> ?)?(?:POST|PUT|PATCH|GET|DELETE) (\S+)(?: HTTP/[0-9.]+)?\s*")
_HEADER_LINE: Final = re.compile(r"(?:> ?)?([A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}): ?(.*)")
_BOM: Final = b"\xef\xbb\xbf"


class Capture(NamedTuple):
    """A captured request. Header names are lower-case; without headers it is a body alone."""

    file: str
    body: bytes
    headers: Mapping[str, str] = {}
    query: Mapping[str, str] = {}


def read_capture(file: str) -> Capture:
    """Read a file, or standard input for `-`. Raises InputError, which does not quote the file."""
    content = read_bytes(file).removeprefix(_BOM)
    if not content.strip():
        raise InputError(f"{file}: is empty: it should hold a request of the sender, or its body")
    document = _json(content)
    if isinstance(document, dict):
        if is_http(document):
            return _invocation(file, document)
        if any(members <= document.keys() for members in _OF_AWS):
            raise InputError(
                f"{file}: is an event that AWS delivers, and `relayctl new` drafts sources of webhooks: see "
                "docs/writing-a-source.md, `Events from AWS`"
            )
        if "body" in document and document.keys() <= _MEMBERS:
            return _example(file, document)
    elif document is None and (dumped := _dump(file, content)):
        return dumped
    return Capture(file, content)


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _invocation(file: str, document: Mapping[str, Any]) -> Capture:
    try:
        request = unwrap(document)
    except RelayError as exc:
        raise InputError(f"{file}: is an invocation that cannot be read: {exc.detail}") from None
    return _checked(Capture(file, request.body, request.headers, request.query))


def _example(file: str, document: Mapping[str, Any]) -> Capture:
    try:
        webhook = read_webhook(document)
    except ValueError as exc:
        raise InputError(f"{file}: {exc}") from None
    headers = {name.lower(): value for name, value in webhook.headers.items()}
    return _checked(Capture(file, webhook.body, headers, webhook.query))


def _checked(capture: Capture) -> Capture:
    if not capture.body.strip():
        raise InputError(f"{capture.file}: is a request without a body, and the words of a push come from it")
    return capture


def _dump(file: str, content: bytes) -> Capture | None:
    """Read a dump; None if the file is not one."""
    head, *rest = re.split(rb"\r?\n\r?\n", content, maxsplit=1)
    lines = head.decode("utf-8", "replace").splitlines()
    requested = _REQUEST_LINE.fullmatch(lines[0])
    fields = [
        _HEADER_LINE.fullmatch(line.rstrip()) for line in lines[1 if requested else 0 :] if line.strip("> ")
    ]
    if not rest or not fields or not all(fields):
        return None
    headers: dict[str, str] = {}
    for field in filter(None, fields):
        name = field[1].lower()
        headers[name] = f"{headers[name]}, {field[2]}" if name in headers else field[2]
    _, _, raw_query = (requested[1] if requested else "").partition("?")
    return _checked(Capture(file, rest[0], headers, dict(parse_qsl(raw_query, keep_blank_values=True))))

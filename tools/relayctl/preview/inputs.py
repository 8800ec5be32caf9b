"""Read what a preview is made of: an example of a source, or an invocation as AWS hands it over.

| shape | recognised by | goes to |
|---|---|---|
| HTTP invocation (API Gateway 1.0 and 2.0, function URL) | `requestContext` | `receive` |
| SQS batch, SNS notification | `Records` | `deliver` |
| EventBridge event, action of an alarm | `detail-type`, `detail` or `alarmData` | `deliver` |
| example | `headers`, `query` or `body` | `receive`, or `deliver` if its headers name an envelope of AWS |
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from relayctl.webhook import Webhook, read_webhook

#: The name of the file that stands for standard input.
STDIN: Final = "-"
_EXAMPLES: Final = "examples"


class InputError(Exception):
    """A file cannot be used. The text names it, the line if there is one, and the way to correct it."""


@dataclass(frozen=True, slots=True)
class Input:
    """The content of one file: an example, or else an invocation.

    file    the name as it was given
    folder  the name of the source folder if the file is in its `examples`; else None
    """

    file: str
    content: Webhook | Mapping[str, Any]
    folder: str | None = None


def read_input(file: str) -> Input:
    """Read a file. Raises InputError."""
    document = parse_json(file, read_bytes(file))
    if not isinstance(document, dict):
        raise InputError(f"{file}:1: is not a JSON object. {_SHAPES}")
    if "requestContext" in document or "Records" in document:
        return Input(file, document)
    if document.keys() & {"detail-type", "detail", "alarmData"}:
        return Input(file, document)
    if document.keys() & {"headers", "query", "body"}:
        try:
            return Input(file, read_webhook(document), folder_of(file))
        except ValueError as exc:
            raise InputError(f"{file}: {exc}") from None
    raise InputError(f"{file}: is neither an example nor an invocation. {_SHAPES}")


_SHAPES: Final = (
    'An example is {"headers": {...}, "query": {...}, "body": ...}; an invocation is the event with which '
    "AWS invokes a function (see events/)"
)


def folder_of(file: str) -> str | None:
    """Return the name of the source in whose `examples` a file is."""
    folder = Path(file).absolute().parent
    return folder.parent.name if file != STDIN and folder.name == _EXAMPLES else None


def parse_json(file: str, content: bytes) -> Any:
    """Return the document of a file. Raises InputError, which does not quote the file."""
    try:
        return json.loads(content)
    except json.JSONDecodeError as exc:
        raise InputError(f"{file}:{exc.lineno}: is not JSON: {exc.msg} (column {exc.colno})") from None
    except UnicodeDecodeError:
        raise InputError(f"{file}: is not UTF-8") from None
    except RecursionError:
        raise InputError(f"{file}: is nested too deeply") from None


def read_bytes(file: str) -> bytes:
    """Return the content of a file, or of standard input. Raises InputError."""
    try:
        return sys.stdin.buffer.read() if file == STDIN else Path(file).read_bytes()
    except OSError as exc:
        raise InputError(f"{file}: cannot be read: {exc.strerror}") from None

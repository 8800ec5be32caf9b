"""The JSON lines of `relayctl send`, `tail` and `why`, each of which has the documented form."""

import json
from typing import Any

import jsonschema

from relayctl.receipts import schema

_LINE = jsonschema.Draft202012Validator(schema.build(), format_checker=jsonschema.FormatChecker())


def lines(text: str) -> list[dict[str, Any]]:
    """Return the JSON objects that a command has printed."""
    found = [json.loads(line) for line in text.splitlines()]
    for line in found:
        _LINE.validate(line)
    return found

"""Documents inside texts of a document: base64, and JSON in a text.

The functions of expressions use it (docs/writing-a-source.md, "Functions").
"""

import base64
import binascii

from push_relay.core.errors import RelayError
from push_relay.core.strict_json import Json, parse


def text_of_base64(encoded: str) -> str | None:
    """Return the text that base64 or base64url encodes in UTF-8, or None. The padding is optional."""
    compact = "".join(encoded.split()).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None


def value_of_json(text: str) -> Json:
    """Return the value of a JSON text, within the limits of a request; None if it is not JSON."""
    try:
        return parse(text.encode("utf-8", "replace"), lenient=True)
    except RelayError:
        return None

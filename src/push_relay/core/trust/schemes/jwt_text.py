"""Templates of claims. To be replaced by the engine of `signed` when it is merged."""

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import NamedTuple

from push_relay.core.trust.schemes.proof import SignedRequest

_PART = re.compile(r"\{([^{}]*)\}")


class Template(NamedTuple):
    """A template."""

    text: str

    def render(self, request: SignedRequest, settings: Mapping[str, str]) -> bytes | None:
        """Return the text; None if a value is missing."""
        parts = []
        for index, part in enumerate(_PART.split(self.text)):
            value = self._value(part, request, settings) if index % 2 else part.encode()
            if value is None:
                return None
            parts.append(value)
        return b"".join(parts)

    def _value(self, part: str, request: SignedRequest, settings: Mapping[str, str]) -> bytes | None:
        name, *filters = part.split("|")
        kind, _, key = name.partition(":")
        value: str | bytes | None
        if kind == "body":
            value = request.body
        elif kind == "url":
            value = request.url
        elif kind == "setting":
            value = settings.get(key) or None
        elif kind == "header":
            value = request.headers.get(key.lower())
        else:
            raise ValueError(part)
        content = value.encode() if isinstance(value, str) else value
        for one in filters:
            if content is None:
                return None
            digest = hashlib.sha256(content)
            content = {
                "sha256-hex": digest.hexdigest().encode(),
                "sha256-base64": base64.b64encode(digest.digest()),
            }[one]
        return content

"""Mask proofs and secrets in what the page shows of a request.

The page shows a request on the machine of the developer who has sent it. Its body is shown, because the
developer looks for the cause of a refusal there. The proof and the stored secrets are not: people share
screenshots of the page.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, quote_plus

from push_relay.core.trust.place import Place

MASK: Final = "••••••••"
#: The name of a field that holds a proof or a secret, whether the source names it or not.
_SECRET_NAME: Final = re.compile(
    r"authorization|cookie|secret|signature|password|token|api-?key|hmac|digest", re.IGNORECASE
)
#: A word before the proof, such as `Bearer ` or `sha256=`.
_PREFIX: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,15}[ =]")
#: A shorter text is found in too many places that are not it.
_SHORTEST: Final = 6


@dataclass(frozen=True, slots=True)
class Masks:
    """The places and texts that are masked in the requests of one source.

    places   the places of the proof, as the source's `[verify]` describes them
    secrets  texts that are masked wherever they are
    """

    places: tuple[Place, ...] = ()
    secrets: tuple[str, ...] = ()

    def pairs(self, kind: str, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return headers (`kind` is `header`) or parameters (`query`) with masked values."""
        names = {place.name for place in self.places if place.kind == kind}
        return [
            (name, masked(value) if name in names or _SECRET_NAME.search(name) else self.text(value))
            for name, value in pairs
        ]

    def text(self, text: str) -> str:
        """Return a text without the secrets."""
        for secret in self.secrets:
            for spelling in {secret, json.dumps(secret)[1:-1], quote_plus(secret)}:
                if len(spelling) >= _SHORTEST:
                    text = text.replace(spelling, MASK)
        return text

    def value(self, value: Any) -> Any:
        """Return a JSON value without the secrets in its texts."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {name: self.value(each) for name, each in value.items()}
        return [self.value(each) for each in value] if isinstance(value, list | tuple) else value

    def body(self, body: bytes) -> str | None:
        """Return a body as a text, without proof and secrets; None if it is not a text."""
        try:
            text = body.decode()
        except UnicodeDecodeError:
            return None
        return Masks((), (*self.secrets, *self._proofs_in(text))).text(text)

    def _proofs_in(self, text: str) -> list[str]:
        """Return the proofs that a body contains, by the places of a form and of a document."""
        fields = [place.name for place in self.places if place.kind == "form"]
        found = [value for name, value in parse_qsl(text) if name in fields] if fields else []
        pointers = [place.steps for place in self.places if place.kind == "json"]
        if pointers:
            try:
                document = json.loads(text)
            except (ValueError, RecursionError):
                return found
            for steps in pointers:
                found += [value for value in _at(document, steps) if isinstance(value, str)]
        return found


def masked(value: str) -> str:
    """Return a mask that shows how long the value is, and the word before it."""
    prefix = _PREFIX.match(value)
    shown = prefix[0] if prefix else ""
    return f"{shown}{MASK} ({len(value) - len(shown)} characters)" if value else ""


def _at(document: Any, steps: tuple[str, ...]) -> list[Any]:
    """Return the values at a pointer, in which `*` is every item of a list."""
    if not steps:
        return [document]
    step, rest = steps[0], steps[1:]
    if isinstance(document, list):
        chosen = document if step == "*" else [each for i, each in enumerate(document) if str(i) == step]
        return [found for each in chosen for found in _at(each, rest)]
    if isinstance(document, Mapping) and step in document:
        return _at(document[step], rest)
    return []

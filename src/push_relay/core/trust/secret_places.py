"""Remove the secret from a document whose sender writes it into the body, so that no event keeps it."""

from collections.abc import Iterable, Sequence

from push_relay.core.strict_json import Json
from push_relay.core.trust.place import Place
from push_relay.core.trust.schemes.proof import SecretPlace


def remove_secrets(document: Json, places: Iterable[SecretPlace]) -> None:
    """Remove the values at the places from a document. A form's document has its fields by name."""
    for place in places:
        steps = Place("json", place.name).steps if place.kind == "json" else (place.name,)
        _remove(document, steps)


def _remove(value: Json, steps: Sequence[str]) -> None:
    step, *rest = steps
    if isinstance(value, list):
        for index, item in enumerate(value):
            if rest and step in ("*", str(index)):
                _remove(item, rest)
    elif isinstance(value, dict) and not rest:
        value.pop(step, None)
    elif isinstance(value, dict) and step in value:
        _remove(value[step], rest)

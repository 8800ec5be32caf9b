"""Remove the secret from a document whose sender writes it into the body, so that no event keeps it."""

from collections.abc import Callable, Iterable, Sequence

from push_relay.core.strict_json import Json
from push_relay.core.trust.place import Place
from push_relay.core.trust.schemes.proof import SecretPlace

#: Returns the places where a document may have what the body has at a JSON pointer.
type Moved = Callable[[Sequence[str]], Iterable[Sequence[str]]]


def _unmoved(steps: Sequence[str]) -> Iterable[Sequence[str]]:
    return (steps,)


def remove_secrets(document: Json, places: Iterable[SecretPlace], moved: Moved = _unmoved) -> None:
    """Remove the values at the places from a document. A form's document has its fields by name."""
    for place in places:
        if place.kind != "json":
            _remove(document, (place.name,))
            continue
        for steps in moved(Place("json", place.name).steps):
            _remove(document, steps)


def _remove(value: Json, steps: Sequence[str]) -> None:
    if not steps:
        return
    step, *rest = steps
    if isinstance(value, list):
        for index, item in enumerate(value):
            if rest and step in ("*", str(index)):
                _remove(item, rest)
    elif isinstance(value, dict) and not rest:
        value.pop(step, None)
    elif isinstance(value, dict) and step in value:
        _remove(value[step], rest)

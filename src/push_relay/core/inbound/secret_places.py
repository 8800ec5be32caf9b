"""Remove the sender's secret from a document: an event is queued, and a push may show what is in it."""

from collections.abc import Iterable, Iterator, Sequence

from push_relay.core.inbound.items import Item, Items
from push_relay.core.strict_json import Json, JsonObject

_JSON, _FORM = "json:", "form:"


def without(
    content: JsonObject | Items, places: Iterable[str], *, is_form: bool = False
) -> JsonObject | Items:
    """Return a document, or the items of a list, without the values at some places.

    places   `json:/POINTER` (RFC 6901, in which `*` is each item of a list and each member of an object), or
             `form:FIELD`
    is_form  whether the document consists of a form's fields
    """
    value: Json = list(_readable(content.values)) if isinstance(content, Items) else content
    for place in places:
        if place.startswith(_JSON):
            _remove(value, [_unescaped(step) for step in place.removeprefix(_JSON).split("/")[1:]])
        elif is_form and place.startswith(_FORM):
            _remove(value, [place.removeprefix(_FORM)])
    return content


def _readable(values: Sequence[Item]) -> Iterator[Json]:
    # An item that cannot be read is not an object.
    return (value if isinstance(value, dict | list) else None for value in values)


def _remove(value: Json, steps: Sequence[str]) -> None:
    """Remove what a pointer leads to, in place: the document was parsed for this request alone."""
    if not steps:
        return
    step, *rest = steps
    if not rest:
        if isinstance(value, dict):
            for name in list(value) if step == "*" else [step]:
                value.pop(name, None)
        return
    for child in _children(value, step):
        _remove(child, rest)


def _children(value: Json, step: str) -> Sequence[Json]:
    if isinstance(value, dict):
        return list(value.values()) if step == "*" else [value.get(step)]
    if isinstance(value, list):
        if step == "*":
            return value
        return value[int(step) : int(step) + 1] if step.isascii() and step.isdigit() else []
    return []


def _unescaped(step: str) -> str:
    return step.replace("~1", "/").replace("~0", "~")

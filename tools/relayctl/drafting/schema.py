"""Infer the JSON Schema of documents with GenSON, and keep what the wording reads."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from genson import SchemaBuilder

from push_relay.core.strict_json import JsonObject
from relayctl.drafting.fields import FIRST_ITEM, Steps

#: The types that a field may have, by the kind of type that was inferred. Senders send null or `""` for a
#: missing value of any type, `"7"` for 7, and `[]` for an empty object. A refused event is not sent again.
_SCALARS: Final = ("string", "number", "boolean", "null")
_CONTAINERS: Final = ("object", "array", "string", "null")


def infer(
    title: str, documents: Sequence[JsonObject], read: Iterable[Steps], *, with_types: bool
) -> JsonObject:
    """Return the schema of the places that are read. No field is required, and each may be null.

    with_types  whether types are kept. In XML and in forms one value is a text, and several are a list.
    """
    builder = SchemaBuilder()
    for document in documents:
        builder.add_object(document)
    reduced = _reduced(builder.to_schema(), sorted(read), with_types=with_types)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "type": "object",
        **({"properties": reduced["properties"]} if "properties" in reduced else {}),
    }


def _reduced(schema: JsonObject, read: Sequence[Steps], *, with_types: bool) -> JsonObject:
    """Return the part of an inferred schema about the places that are read, relative to it."""
    branches = schema.get("anyOf", [schema])
    types = _widened({name for branch in branches for name in _types(branch)}) if with_types else ()
    made: JsonObject = {"type": list(types)} if types else {}
    inner: dict[str, list[Steps]] = {}
    for steps in read:
        if steps:
            inner.setdefault(steps[0], []).append(steps[1:])
    properties = {
        name: _reduced(child, below, with_types=with_types)
        for name, below in inner.items()
        if name != FIRST_ITEM and (child := _member(branches, name)) is not None
    }
    if properties:
        made["properties"] = properties
    if FIRST_ITEM in inner:
        items = next((branch["items"] for branch in branches if "items" in branch), None)
        if items:
            # An odd item must not refuse its neighbours.
            made["items"] = _reduced(items, inner[FIRST_ITEM], with_types=False)
    return made


def _member(branches: Sequence[JsonObject], name: str) -> JsonObject | None:
    return next(
        (branch["properties"][name] for branch in branches if name in branch.get("properties", ())),
        None,
    )


def _types(branch: JsonObject) -> list[str]:
    given: Any = branch.get("type", [])
    return [given] if isinstance(given, str) else list(given)


def _widened(inferred: set[str]) -> Sequence[str]:
    """Return the types that a field may have; none if all are possible."""
    has_scalar = bool(inferred & {"string", "integer", "number", "boolean"})
    has_container = bool(inferred & {"object", "array"})
    if has_scalar == has_container:
        return ()
    return _SCALARS if has_scalar else _CONTAINERS

"""The fields that a schema declares."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from relayctl.checks.values import Path, Step

#: Keywords whose schemas hold for the same value.
_IN_PLACE = ("allOf", "anyOf", "oneOf")


class Declared(NamedTuple):
    """The fields that a schema declares. Its author knows them, also if no example has them."""

    schema: Any

    def has(self, path: Path) -> bool:
        """Return whether a field of the document is declared, by its own name."""
        return any(True for _ in self._at(path))

    def allows(self, path: Path, value: object) -> bool:
        """Return whether a value is one of those that the schema lists for a field."""
        return any(
            value in schema.get("enum", ()) or schema.get("const", not value) == value
            for schema in self._at(path)
            if isinstance(schema, Mapping)
        )

    def _at(self, path: Path) -> Iterator[Any]:
        if path and path[0] == "data":
            yield from _schemas(self.schema, path[1:])


def _schemas(schema: Any, path: Path) -> Iterator[Any]:
    if not path:
        yield schema
        return
    if not isinstance(schema, Mapping):
        return
    step, rest = path[0], path[1:]
    for keyword in _IN_PLACE:
        listed = schema.get(keyword)
        for inner in listed if isinstance(listed, list) else ():
            yield from _schemas(inner, path)
    if isinstance(step, str):
        properties = schema.get("properties")
        if isinstance(properties, Mapping) and step in properties:
            yield from _schemas(properties[step], rest)
    elif step is Step.FLAT:
        yield from _schemas(schema, rest)
        yield from _schemas(schema.get("items"), rest)
    elif step is Step.ITEM:
        yield from _schemas(schema.get("items"), rest)
    else:
        yield from _schemas(schema.get("additionalProperties"), rest)

"""Documents with one field absent, null, blank or of another type, and the signs of a gap in a text."""

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

from push_relay.core.errors import SchemaViolation
from push_relay.core.event import Arrival
from push_relay.core.rules.source import Source

MISSING = object()
#: The values that replace a field: those that senders really send, and one of another type, in turn.
ABSENT = (MISSING, None, "")
ODD = (7, [], {}, " \n", "\u200b", True, ["x"], {"x": "y"})
#: Signs of a missing value in a text.
DANGLING = re.compile(
    r"  |^[\s:,.;)-]|[\s:,;#(/=-]$|#[ :,]|[:,;] +[:,;]|[,;]{2}|\(\s*\)|[{}]|\b(?:by|to|of|from|with|and)$"
    r"|\b(?:null|None|true|false|undefined)\b",
    re.MULTILINE,
)

type Place = tuple[str | int, ...]


def places(value: Any, read: frozenset[str], here: Place = ()) -> Iterator[Place]:
    """Yield the places of a document that its source's rules mention by name."""
    if isinstance(value, dict):
        inner = [(name, child) for name, child in value.items() if name in read]
    else:
        inner = list(enumerate(value[:2])) if isinstance(value, list) else []
    for step, child in inner:
        yield (*here, step)
        yield from places(child, read, (*here, step))


def changed(document: Any, place: Place, value: Any) -> Any:
    """Return a copy of a document with another value in a place, or without the place."""
    made = deepcopy(document)
    holder = made
    for step in place[:-1]:
        holder = holder[step]
    if value is not MISSING:
        holder[place[-1]] = value
    else:
        del holder[place[-1]]
    return made


def words_in(folder: Path) -> frozenset[str]:
    """Return all words of a source's rules, among them the names of the fields that they read."""
    return frozenset(re.findall(r"[\w-]+", (folder / "source.toml").read_text("utf-8")))


def constrained(folder: Path) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names that a source's schema requires, and those whose type or value it constrains."""

    def walk(schema: Any) -> Iterator[tuple[str, str]]:
        if isinstance(schema, list):
            for each in schema:
                yield from walk(each)
        elif isinstance(schema, dict):
            required = schema.get("required")
            yield from (("required", name) for name in (required if isinstance(required, list) else ()))
            properties = schema.get("properties")
            for name, inner in (properties if isinstance(properties, dict) else {}).items():
                if isinstance(inner, dict) and inner.keys() - {"description", "title", "properties"}:
                    yield "constrained", name
            for inner in schema.values():
                yield from walk(inner)

    found = list(walk(json.loads((folder / "schema.json").read_text("utf-8"))))
    return (
        frozenset(name for kind, name in found if kind == "required"),
        frozenset(name for _, name in found),
    )


def is_absent(value: object, document: Any, place: Place) -> bool:
    """Return whether a value is what senders send for nothing. A blank text is another type than a list."""
    for step in place:
        document = document[step]
    return value is MISSING or value is None or (value == "" and isinstance(document, str))


def written(source: Source, came: Arrival) -> tuple[str, ...]:
    """Return the title and body that a source writes, or nothing. Raises SchemaViolation."""
    result = source.wording(source.event(came))
    assert not result.errors
    return (result.wording.title, result.wording.body) if result.wording else ()


def assert_no_gap(source: Source, folder: Path, arrival: Arrival, *, may_refuse_all: bool = False) -> None:
    """Try an arrival with each field that is read absent, null, blank and of another type, in turn.

    may_refuse_all  whether the schema may refuse whatever it likes
    """
    read, turn = words_in(folder), 0
    required, of_some_type = constrained(folder)
    # A value of the example may end in such a sign, or be such a word.
    own = {gap[0] for text in written(source, arrival) for gap in DANGLING.finditer(text)}
    for place in places(arrival.data, read):
        turn += 1
        for value in (*ABSENT, ODD[turn % len(ODD)]):
            document = changed(arrival.data, place, value)
            try:
                texts = written(source, replace(arrival, data=document))
            except SchemaViolation:
                may_refuse = required if is_absent(value, arrival.data, place) else of_some_type
                assert place[-1] in may_refuse or may_refuse_all, (place, value)
                continue
            for text in texts:
                gap = DANGLING.search(text)
                is_value = value is True and gap is not None and gap[0] == "true"
                assert not gap or is_value or gap[0] in own, (place, value, texts)

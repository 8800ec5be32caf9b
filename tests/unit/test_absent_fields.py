"""The shipped sources accept absent, null and blank fields, and still write a readable wording."""

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from catalogue import CATALOG, EXAMPLES, arrivals_of, folder_of, source_of
from fakes import SHIPPED
from push_relay.core.errors import SchemaViolation
from push_relay.core.event import Arrival
from push_relay.core.rules.source import Source
from relayctl.examples import Example

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

#: Sources whose documents programs write for the relay: their schemas state the types.
WRITTEN_FOR_THE_RELAY = ("push",)

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


def words_of(example: Example) -> frozenset[str]:
    """Return all words of a source's rules, among them the names of the fields that they read."""
    return frozenset(re.findall(r"[\w-]+", (folder_of(example) / "source.toml").read_text("utf-8")))


def constrained(example: Example) -> tuple[frozenset[str], frozenset[str]]:
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

    found = list(walk(json.loads((folder_of(example) / "schema.json").read_text("utf-8"))))
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


@pytest.mark.parametrize(
    # The relay makes the documents of `text` itself, out of one text.
    "example",
    [example for example in EXAMPLES if example.source != "text"],
    ids=lambda example: example.label,
)
def test_a_missing_field_neither_refuses_the_event_nor_leaves_a_gap_in_its_text(example: Example) -> None:
    """Each field in turn is removed, null, blank, or of another type."""
    source, read, turn = source_of(example), words_of(example), 0
    required, of_some_type = constrained(example)
    for arrival in arrivals_of(example):
        original = "\n".join(written(source, arrival))
        for place in places(arrival.data, read):
            turn += 1
            for value in (*ABSENT, ODD[turn % len(ODD)]):
                document = changed(arrival.data, place, value)
                try:
                    texts = written(source, replace(arrival, data=document))
                except SchemaViolation:
                    may_refuse = required if is_absent(value, arrival.data, place) else of_some_type
                    assert place[-1] in may_refuse or example.source in WRITTEN_FOR_THE_RELAY, (place, value)
                    continue
                for text in texts:
                    gap = DANGLING.search(text)
                    is_value = value is True and gap is not None and gap[0] == "true"
                    assert not gap or is_value or gap[0] in original, (place, value, texts)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.label)
def test_the_text_of_an_example_has_no_gap(example: Example) -> None:
    """The examples are read by people, and their gaps would hide others."""
    for arrival in arrivals_of(example):
        for text in written(source_of(example), arrival):
            assert not re.search(r"  |^[\s:,]|[\s:,]$|\(\s*\)|\bnull\b|\bNone\b|\{\{", text), text


@pytest.mark.parametrize("name", [name for name in ("grafana",) if (SHIPPED / name).is_dir()])
@pytest.mark.parametrize(
    "document",
    [
        {"alerts": []},
        {"title": "x"},
        {"state": "ok", "alerts": "x"},
        {"state": "ok", "alerts": [{}] * 50_001},
    ],
    ids=["no-status", "custom-payload", "alerts-are-not-a-list", "too-many-alerts"],
)
def test_an_event_without_a_required_field_is_refused(name: str, document: dict[str, Any]) -> None:
    """The sender gets a 422. One example is a Grafana webhook with a custom payload."""
    with pytest.raises(SchemaViolation):
        written(CATALOG.named(name), Arrival(name, document, {}, {}, 1.0, "e", "i"))


@pytest.mark.parametrize("name", CATALOG.names())
def test_an_event_with_nothing_in_it_has_a_readable_wording_or_none(name: str) -> None:
    """A sender's own payloads are never this empty, so this is the worst case."""
    documents: list[dict[str, Any]] = [
        {"action": "opened"},
        {"x": 1},
        {"event": "x", "data": {}, "payload": None},
    ]
    for document in documents:
        try:
            texts = written(CATALOG.named(name), Arrival(name, document, {}, {}, 1.0, "e", "i"))
        except SchemaViolation:
            continue
        for text in texts:
            assert not DANGLING.search(text), text

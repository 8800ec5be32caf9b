"""The shipped sources accept absent, null and blank fields, and still write a readable wording."""

import re
from typing import Any

import pytest

from absent_fields import DANGLING, assert_no_gap, written
from catalogue import CATALOG, EXAMPLES, arrivals_of, folder_of, source_of
from fakes import SHIPPED
from push_relay.core.errors import SchemaViolation
from push_relay.core.event import Arrival
from relayctl.examples import Example

#: Sources whose documents programs write for the relay: their schemas state the types.
WRITTEN_FOR_THE_RELAY = ("push",)


@pytest.mark.parametrize(
    # The relay makes the documents of `text` itself, out of one text.
    "example",
    [example for example in EXAMPLES if example.source != "text"],
    ids=lambda example: example.label,
)
def test_a_missing_field_neither_refuses_the_event_nor_leaves_a_gap_in_its_text(example: Example) -> None:
    """Each field in turn is removed, null, blank, or of another type."""
    source, is_strict = source_of(example), example.source in WRITTEN_FOR_THE_RELAY
    for arrival in arrivals_of(example):
        assert_no_gap(source, folder_of(example), arrival, may_refuse_all=is_strict)


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

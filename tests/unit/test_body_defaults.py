"""The defaults of a preset for its sender's bodies, and the keys of a source that replace them."""

from typing import Any

import pytest

from push_relay.core.rules.source import read_source
from push_relay.core.rules.source_file import EventTable, with_defaults


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (None, {"format": "xml", "form_field": "p"}),
        ({}, {"format": "xml", "form_field": "p"}),
        ({"id": "data.id"}, {"format": "xml", "form_field": "p", "id": "data.id"}),
        ({"format": "json"}, {"format": "json"}),
        ({"form": "q"}, {"form": "q"}),
        ({"form_field_encoding": "base64"}, {"form_field_encoding": "base64"}),
        ({"form_field": "q", "id": "data.id"}, {"form_field": "q", "id": "data.id"}),
        (["wrong"], ["wrong"]),
    ],
)
def test_a_source_that_describes_its_body_replaces_its_preset_s(written: Any, expected: Any) -> None:
    """The keys of a body belong together. A key under its old name counts too."""
    assert with_defaults(written, {"format": "xml", "form_field": "p"}, EventTable) == expected


def test_another_key_of_a_preset_is_replaced_alone() -> None:
    """Only the keys of the body belong together."""
    defaults = {"format": "xml", "id": "data.a", "type": "data.b"}
    written = with_defaults({"format": "json", "id": "data.c"}, defaults, EventTable)
    assert written == {"format": "json", "id": "data.c", "type": "data.b"}


@pytest.mark.parametrize(
    ("event", "field", "name"),
    [({}, "*", "json"), ({"id": "data.a"}, "*", "json"), ({"format": "json"}, None, "json")],
)
def test_twilio_s_webhooks_are_forms_unless_the_source_names_a_format(
    event: dict[str, str], field: str | None, name: str
) -> None:
    """The two are signed differently, so a source takes one of them."""
    document = {"title": "t", "docs": "d", "verify": {"scheme": "twilio"}, "event": event}
    source = read_source("planted", document, {})
    assert (source.body_format.form_field, source.body_format.name) == (field, name)
    assert source.preset == "twilio"

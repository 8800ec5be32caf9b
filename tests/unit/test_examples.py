"""The production code turns every source's examples into the pushes in their golden files."""

import json
from pathlib import Path
from typing import Any

import pytest

from catalogue import CATALOG, EXAMPLES, arrivals_of, events_of, source_of
from fakes import ROOT, SHIPPED
from push_relay.core.event import Event
from push_relay.core.rules.recognition import recognised
from push_relay.core.rules.routing_file import read_routing
from push_relay.core.rules.wording import MessageRule
from relayctl.examples import Example
from relayctl.preview.goldens import GoldenWriter, golden_file
from relayctl.preview.layered_sources import LayeredSources
from relayctl.preview.previewer import Previewer
from relayctl.preview.stand_ins import PreviewClock, door_maker

CLOCK = PreviewClock()
#: The routes of a folder with no routes.toml lead to nobody.
GOLDENS = GoldenWriter(
    Previewer(LayeredSources(SHIPPED), read_routing({}), door_maker(None, None, CLOCK), CLOCK)
)
each_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.label)


def load(path: Path) -> Any:
    """Read a file of an example."""
    return json.loads(path.read_text("utf-8"))


def rule_for(event: Event) -> MessageRule | None:
    """Return the message rule that applies to an event."""
    source = CATALOG.named(event.source)
    scope = source.scope(event)
    return next((rule for rule in source.messages if rule.when is None or rule.when.holds(scope)), None)


@each_example
def test_an_example_has_the_wording_and_the_recipients_of_its_golden_file(example: Example) -> None:
    """An empty list means that nobody is notified. The recipients are those of the folder's routes.toml."""
    assert GOLDENS.golden(example.file) == load(golden_file(example.file))


@each_example
def test_an_example_states_where_its_shape_is_documented(example: Example) -> None:
    """Its values are our own, and its shape is the sender's: an address, or a page of this project."""
    address = load(example.file)["documented_at"]
    assert address.startswith("https://") or (ROOT / address.partition("#")[0]).is_file()


@each_example
def test_an_example_matches_no_source_but_its_own(example: Example) -> None:
    """An event through AWS names no source, so the match rules find it. A webhook names it in its URL."""
    source = source_of(example)
    for arrival in arrivals_of(example):
        if example.through_aws:
            assert recognised(arrival, CATALOG, (), CATALOG.names()).source is source
        else:
            assert source.verify is not None
            assert not any(match.fits(arrival) for each in CATALOG.all() for match in each.matches)


@pytest.mark.parametrize("name", CATALOG.names())
def test_every_message_rule_of_a_source_has_an_example(name: str) -> None:
    """A message rule without an example might never apply, and nobody would notice."""
    used = [rule_for(event) for example in EXAMPLES if example.source == name for event in events_of(example)]
    rules = enumerate(CATALOG.named(name).messages, start=1)
    assert [number for number, rule in rules if not any(rule is each for each in used)] == []


@pytest.mark.parametrize("name", [source.name for source in CATALOG.all() if source.matches])
def test_every_source_with_match_rules_has_an_example_from_aws(name: str) -> None:
    """Otherwise its match rules would not be tested."""
    assert any(example.through_aws for example in EXAMPLES if example.source == name)


def test_every_example_has_a_golden_file_and_vice_versa() -> None:
    """A file without its counterpart is a mistake, such as an incomplete rename."""
    assert {golden_file(example.file) for example in EXAMPLES} == set(
        SHIPPED.glob("*/examples/*.pushes.json")
    )
    assert {example.source for example in EXAMPLES} == set(CATALOG.names())


@each_example
def test_a_person_can_read_the_push_on_a_locked_phone(example: Example) -> None:
    """It has no ARN, no JSON, no blank part and no placeholder."""
    for event in events_of(example):
        wording = source_of(example).wording(event).wording
        if wording:
            assert not wording.title.endswith((",", ":", " "))
            for text in (wording.title, *wording.body.splitlines()):
                assert "arn:aws" not in text
                assert '{"' not in text
                assert "null" not in text
                assert not text.startswith((",", ":", " "))


@pytest.mark.parametrize("name", CATALOG.names())
def test_every_event_of_a_source_has_an_id_that_is_safe_to_log(name: str) -> None:
    """Ids are logged, so they must not be email addresses. The fallback is a hash of the content."""
    for example in EXAMPLES:
        if example.source == name:
            assert not any("@" in event.id for event in events_of(example))

"""The production code turns every source's examples into the pushes in their golden files."""

import json
from pathlib import Path
from typing import Any

import pytest

from fakes import ROOT, SHIPPED
from push_relay.adapters.catalog import Catalog
from push_relay.core.event import Arrival, Event
from push_relay.core.inbound.body import read_body
from push_relay.core.rules.recognition import recognised
from push_relay.core.rules.route import read_routing
from push_relay.core.rules.source import Source
from push_relay.core.rules.wording import MessageRule
from relayctl.examples import document_through_aws
from relayctl.preview.goldens import GoldenWriter, golden_file
from relayctl.preview.layered_sources import LayeredSources
from relayctl.preview.previewer import Previewer
from relayctl.preview.stand_ins import PreviewClock, door_maker

CATALOG = Catalog(SHIPPED)
CLOCK = PreviewClock()
#: The routes of a folder with no routes.toml lead to nobody.
GOLDENS = GoldenWriter(
    Previewer(LayeredSources(SHIPPED), read_routing({}), door_maker(None, None, CLOCK), CLOCK)
)
CASES = sorted(SHIPPED.glob("*/examples/*.request.json"))
#: Headers that the relay writes for an envelope of AWS. An example with one of them arrived through AWS.
ENVELOPES = ("sns-", "eventbridge-", "sqs-")


def load(path: Path) -> Any:
    """Read a file of an example."""
    return json.loads(path.read_text("utf-8"))


def arrival(case: Path, source: Source) -> Arrival:
    """Return the arrival of an example: read from an HTTP body, or as AWS delivers it."""
    request = load(case)
    headers = request["headers"]
    body = b"" if request["body"] is None else json.dumps(request["body"]).encode()
    through_aws = any(name.startswith(ENVELOPES) for name in headers)
    if through_aws:
        data = document_through_aws(request["body"], headers)
    else:
        data = read_body(body, headers, source.body_format)
    return Arrival(
        source=None,
        data=data,
        headers=headers,
        query=request.get("query", {}),
        received_at=1.0,
        fallback_id="example",
        identity="example",
    )


def event(case: Path) -> Event:
    """Return the example's event."""
    source = CATALOG.named(case.parents[1].name)
    return source.event(arrival(case, source))


def matching_rule(case: Path) -> MessageRule | None:
    """Return the message rule that applies to an example."""
    made = event(case)
    rules = CATALOG.named(made.source).messages
    return next((rule for rule in rules if rule.when is None or rule.when.holds(made.scope())), None)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parents[1].name}/{case.name.split('.')[0]}")
def test_an_example_has_the_wording_and_the_recipients_of_its_golden_file(case: Path) -> None:
    """An empty list means that nobody is notified. The recipients are those of the folder's routes.toml."""
    golden = load(golden_file(case))
    assert GOLDENS.golden(case) == golden


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parents[1].name}/{case.name.split('.')[0]}")
def test_an_example_states_where_its_shape_is_documented(case: Path) -> None:
    """Its values are our own, and its shape is the sender's: an address, or a page of this project."""
    address = load(case)["documented_at"]
    assert address.startswith("https://") or (ROOT / address.partition("#")[0]).is_file()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parents[1].name}/{case.name.split('.')[0]}")
def test_an_example_matches_no_source_but_its_own(case: Path) -> None:
    """An event through AWS names no source, so the match rules find it. A webhook names it in its URL."""
    source = CATALOG.named(case.parents[1].name)
    came = arrival(case, source)
    through_aws = any(name.startswith(ENVELOPES) for name in came.headers)
    if through_aws:
        assert recognised(came, CATALOG, (), lambda _: True).source is source
    else:
        assert source.verify is not None
        assert not any(match.fits(came) for each in CATALOG.all() for match in each.matches)


@pytest.mark.parametrize("name", CATALOG.names())
def test_every_message_rule_of_a_source_has_an_example(name: str) -> None:
    """A message rule without an example might never apply, and nobody would notice."""
    used = [matching_rule(case) for case in CASES if case.parents[1].name == name]
    unused = [rule.title.text for rule in CATALOG.named(name).messages if rule not in used]
    assert unused == []


@pytest.mark.parametrize("name", [source.name for source in CATALOG.all() if source.matches])
def test_every_source_with_match_rules_has_an_example_from_aws(name: str) -> None:
    """Otherwise its match rules would not be tested."""
    cases = [case for case in CASES if case.parents[1].name == name]
    assert any(h.startswith(ENVELOPES) for case in cases for h in load(case)["headers"])


def test_every_example_has_a_golden_file_and_vice_versa() -> None:
    """A file without its counterpart is a mistake, such as an incomplete rename."""
    requests = {path.name.removesuffix(".request.json") for path in CASES}
    pushes = {path.name.removesuffix(".pushes.json") for path in SHIPPED.glob("*/examples/*.pushes.json")}
    assert requests == pushes
    assert {case.parents[1].name for case in CASES} == set(CATALOG.names())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parents[1].name}/{case.name.split('.')[0]}")
def test_a_person_can_read_the_push_on_a_locked_phone(case: Path) -> None:
    """It has no ARN, no JSON, no blank part and no placeholder."""
    made = event(case)
    wording = CATALOG.named(made.source).wording(made).wording
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
    for case in (case for case in CASES if case.parents[1].name == name):
        assert "@" not in event(case).id

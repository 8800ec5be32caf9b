"""Every source's examples, through the code that runs in production, say what their golden files hold."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from fakes import SHIPPED
from push_relay.adapters.catalog import Catalog
from push_relay.core.event import Arrival, Event
from push_relay.core.inbound.body import read_body
from push_relay.core.rules.source import Source
from push_relay.core.rules.wording import MessageRule

CATALOG = Catalog(SHIPPED)
CASES = sorted(SHIPPED.glob("*/examples/*.request.json"))
#: Headers that an envelope of AWS's writes: an example that has one came through AWS.
ENVELOPES = ("sns-", "eventbridge-", "sqs-")


def load(path: Path) -> Any:
    """Read a file of an example."""
    return json.loads(path.read_text("utf-8"))


def arrival(case: Path, source: Source) -> Arrival:
    """Return what the example's request becomes: read as a body, or as AWS delivers it."""
    request = load(case)
    headers = request["headers"]
    body = b"" if request["body"] is None else json.dumps(request["body"]).encode()
    through_aws = any(name.startswith(ENVELOPES) for name in headers)
    data = request["body"] if through_aws else read_body(body, headers, source.body_format)
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


def speaking(case: Path) -> MessageRule | None:
    """Return the rule that speaks of an example."""
    made = event(case)
    rules = CATALOG.named(made.source).messages
    return next((rule for rule in rules if rule.when is None or rule.when.holds(made.scope())), None)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parents[1].name}/{case.name.split('.')[0]}")
def test_an_example_says_what_its_golden_file_holds(case: Path) -> None:
    """An empty list is an event of which nobody is told."""
    made = event(case)
    written = CATALOG.named(made.source).wording(made)
    assert not written.errors
    message = written.wording
    golden = load(case.with_name(case.name.replace(".request.", ".pushes.")))
    assert ([asdict(message)] if message else []) == golden


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parents[1].name}/{case.name.split('.')[0]}")
def test_an_example_is_recognised_as_its_source_alone(case: Path) -> None:
    """What comes through AWS names no source: exactly this one's match rules fit. A webhook fits none."""
    source = CATALOG.named(case.parents[1].name)
    came = arrival(case, source)
    through_aws = any(name.startswith(ENVELOPES) for name in came.headers)
    fitting = [s.name for s in CATALOG.all() if any(match.fits(came) for match in s.matches)]
    assert fitting == ([source.name] if through_aws else [])
    assert through_aws or source.verify is not None


@pytest.mark.parametrize("name", CATALOG.names())
def test_every_message_of_a_source_has_an_example(name: str) -> None:
    """No rule is shipped that nothing has ever shown to speak."""
    spoken = [speaking(case) for case in CASES if case.parents[1].name == name]
    silent = [rule.title.text for rule in CATALOG.named(name).messages if rule not in spoken]
    assert silent == []


@pytest.mark.parametrize("name", [source.name for source in CATALOG.all() if source.matches])
def test_every_source_that_aws_delivers_has_an_example_of_it(name: str) -> None:
    """Its match rules are tried."""
    cases = [case for case in CASES if case.parents[1].name == name]
    assert any(h.startswith(ENVELOPES) for case in cases for h in load(case)["headers"])


def test_every_request_has_its_pushes_and_the_other_way_round() -> None:
    """No golden file without its example."""
    requests = {path.name.removesuffix(".request.json") for path in CASES}
    pushes = {path.name.removesuffix(".pushes.json") for path in SHIPPED.glob("*/examples/*.pushes.json")}
    assert requests == pushes
    assert {case.parents[1].name for case in CASES} == set(CATALOG.names())


@pytest.mark.parametrize("name", CATALOG.names())
def test_every_event_of_a_source_has_an_id_that_is_safe_to_log(name: str) -> None:
    """Or its own content stands in for one."""
    for case in (case for case in CASES if case.parents[1].name == name):
        assert "@" not in event(case).id

"""The shipped sources accept what their senders leave out or send as null or blank, and their words stand."""

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes import SHIPPED
from push_relay.adapters.catalog import Catalog
from push_relay.core.errors import SchemaViolation
from push_relay.core.event import Arrival

#: Shipped sources whose senders leave things out. A deployer may have removed one.
NAMES = [name for name in ("cloudwatch-alarm", "github", "grafana") if (SHIPPED / name).is_dir()]
CASES = [case for name in NAMES for case in sorted((SHIPPED / name / "examples").glob("*.request.json"))]
#: What a message rule of the source cannot do without, by source.
NEEDED = {
    "cloudwatch-alarm": {("AlarmName",), ("NewStateValue",), ("OldStateValue",)},
    "grafana": {("status",), ("state",)},
}
#: Places whose rules read a value of one type, with the types that the schema refuses.
OF_ONE_TYPE = {("github", ("action",)): (int, list, dict), ("grafana", ("alerts",)): (int, str, dict)}
MISSING = object()
CATALOG = Catalog(SHIPPED)
#: Two spaces, punctuation or a preposition without what it belongs to, or a value that is none.
DANGLING = re.compile(r"  |^[\s:,.]|[\s:,#]$|#[ :,]|[:,] *[:,]|, by$|\bto$|\b(?:null|None|true|false)\b")

type Place = tuple[str | int, ...]


def places(value: Any, read: str, here: Place = ()) -> Iterator[Place]:
    """Yield the places of a document whose names its source's rules mention."""
    if isinstance(value, dict):
        inner = [(name, child) for name, child in value.items() if re.search(rf"\b{name}\b", read)]
    else:
        inner = list(enumerate(value)) if isinstance(value, list) else []
    for step, child in inner:
        yield (*here, step)
        yield from places(child, read, (*here, step))


def changed(document: Any, place: Place, value: Any) -> Any:
    """Return a document with another value in a place, or without the place."""
    made = deepcopy(document)
    holder = made
    for step in place[:-1]:
        holder = holder[step]
    if value is not MISSING:
        holder[place[-1]] = value
    else:
        del holder[place[-1]]
    return made


def written(name: str, came: Arrival) -> tuple[str, str] | None:
    """Return title and body that a source writes. Raises what it refuses."""
    source = CATALOG.named(name)
    written = source.wording(source.event(came))
    assert not written.errors
    return (written.wording.title, written.wording.body) if written.wording else None


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parents[1].name}/{case.name.split('.')[0]}")
def test_no_part_that_is_absent_refuses_an_event_or_leaves_a_gap(case: Path) -> None:
    """Each in turn: missing, null, blank, a number, an empty list, an empty object."""
    name = case.parents[1].name
    request = json.loads(case.read_text("utf-8"))
    came = Arrival(name, request["body"], request["headers"], {}, 1.0, "e", "i")
    for place in places(came.data, (SHIPPED / name / "source.toml").read_text("utf-8")):
        if place in NEEDED.get(name, ()):
            continue
        for value in (MISSING, None, "", " \n", "\u200b", 7, [], {}):
            if isinstance(value, OF_ONE_TYPE.get((name, place), ())):
                continue
            texts = written(name, replace(came, data=changed(came.data, place, value)))
            for text in texts or ():
                assert not DANGLING.search(text), (place, value, texts)


@pytest.mark.parametrize("name", [name for name in NAMES if name == "grafana"])
@pytest.mark.parametrize(
    "document",
    [
        {"alerts": []},
        {"title": "x"},
        {"state": "ok", "alerts": "x"},
        {"state": "ok", "alerts": [{}] * 50_001},
    ],
    ids=["no status", "payload of its own", "no list", "endless"],
)
def test_what_no_rule_can_do_without_is_refused(name: str, document: dict[str, Any]) -> None:
    """The sender gets a 422 for it. A webhook with a custom payload is an example."""
    with pytest.raises(SchemaViolation):
        written(name, Arrival(name, document, {}, {}, 1.0, "e", "i"))


@pytest.mark.parametrize("name", [name for name in NAMES if name == "github"])
@pytest.mark.parametrize("kind", ["issues", "pull_request", "workflow_run"])
@pytest.mark.parametrize("action", ["opened", "assigned", "review_requested", "closed", "completed"])
def test_an_event_that_says_nothing_but_what_happened_is_written(name: str, kind: str, action: str) -> None:
    """Nobody of GitHub's own documents is that empty."""
    bare = {
        "action": action,
        "pull_request": {"merged": True},
        "workflow_run": {"conclusion": "timed_out"},
    }
    texts = written(name, Arrival(name, bare, {"x-github-event": kind}, {}, 1.0, "e", "i"))
    for text in texts or ():
        assert not DANGLING.search(text)

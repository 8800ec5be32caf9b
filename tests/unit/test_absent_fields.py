"""The shipped sources accept absent, null and blank fields, and still write a readable wording."""

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

#: Shipped sources whose senders omit fields. A deployer may have removed one.
NAMES = [
    name
    for name in ("aws-event", "cloudwatch-alarm", "github", "grafana", "webhook")
    if (SHIPPED / name).is_dir()
]
CASES = [
    case
    for name in NAMES
    for case in sorted((SHIPPED / name / "examples").glob("*.request.json"))
    # A list and a text have no fields.
    if isinstance(json.loads(case.read_text("utf-8"))["body"], dict)
]
#: Fields that a message rule of the source requires, by source.
NEEDED = {
    "cloudwatch-alarm": {
        *(("AlarmName",), ("NewStateValue",), ("OldStateValue",)),
        *(("alarmName",), ("state",), ("state", "value")),
    },
    "grafana": {("status",), ("state",)},
}
#: Places where the rules read a value of one type, with the types that the schema refuses.
OF_ONE_TYPE = {("github", ("action",)): (int, list, dict), ("grafana", ("alerts",)): (int, str, dict)}
MISSING = object()
CATALOG = Catalog(SHIPPED)
#: Signs of a missing value in a text: two spaces, a dangling comma or preposition, or the word "null".
DANGLING = re.compile(r"  |^[\s:,.]|[\s:,#]$|#[ :,]|[:,] *[:,]|, by$|\bto$|\b(?:null|None|true|false)\b")

type Place = tuple[str | int, ...]


def places(value: Any, read: str, here: Place = ()) -> Iterator[Place]:
    """Yield the places of a document that its source's rules mention by name."""
    if isinstance(value, dict):
        inner = [(name, child) for name, child in value.items() if re.search(rf"\b{name}\b", read)]
    else:
        inner = list(enumerate(value)) if isinstance(value, list) else []
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


def written(name: str, came: Arrival) -> tuple[str, str] | None:
    """Return the title and body that a source writes. Raises the source's error if it refuses the event."""
    source = CATALOG.named(name)
    written = source.wording(source.event(came))
    assert not written.errors
    return (written.wording.title, written.wording.body) if written.wording else None


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parents[1].name}/{case.name.split('.')[0]}")
def test_a_missing_field_neither_refuses_the_event_nor_leaves_a_gap_in_its_text(case: Path) -> None:
    """Each field in turn is removed, or is null, blank, a number, an empty list or an empty object."""
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
    ids=["no-status", "custom-payload", "alerts-are-not-a-list", "too-many-alerts"],
)
def test_an_event_without_a_required_field_is_refused(name: str, document: dict[str, Any]) -> None:
    """The sender gets a 422. One example is a Grafana webhook with a custom payload."""
    with pytest.raises(SchemaViolation):
        written(name, Arrival(name, document, {}, {}, 1.0, "e", "i"))


@pytest.mark.parametrize("name", [name for name in NAMES if name == "github"])
@pytest.mark.parametrize("kind", ["issues", "pull_request", "workflow_run"])
@pytest.mark.parametrize("action", ["opened", "assigned", "review_requested", "closed", "completed"])
def test_an_event_with_an_action_and_little_else_has_a_readable_wording(
    name: str, kind: str, action: str
) -> None:
    """GitHub's own payloads are never this empty, so this is the worst case."""
    bare = {
        "action": action,
        "pull_request": {"merged": True},
        "workflow_run": {"conclusion": "timed_out"},
    }
    texts = written(name, Arrival(name, bare, {"x-github-event": kind}, {}, 1.0, "e", "i"))
    for text in texts or ():
        assert not DANGLING.search(text)

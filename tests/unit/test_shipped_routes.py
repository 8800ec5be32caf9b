"""The shipped routes send GitHub's events to the people whom they concern, except the person who acted."""

import json
from copy import replace
from pathlib import Path
from typing import Any

import pytest

from fakes import SHIPPED, SHIPPED_ROUTES
from push_relay.adapters.catalog import Catalog, read_routing_file
from push_relay.core.event import Arrival
from push_relay.core.push import Recipient, RecipientKind

EXAMPLES = SHIPPED / "github" / "examples"
ON_DUTY = "4711"
PEOPLE = {name: Recipient(RecipientKind.USER, name) for name in ("octocat", "hubot", "bakers")}


def recipients(example: str, **changes: Any) -> list[str]:
    """Return the recipients of an example with some fields changed, if everybody in it is listed."""
    request = json.loads((EXAMPLES / f"{example}.request.json").read_text("utf-8"))
    body = request["body"] | changes
    event = (
        Catalog(SHIPPED).named("github").event(Arrival("github", body, request["headers"], {}, 1.0, "e", "i"))
    )
    routing = replace(read_routing_file(Path(SHIPPED_ROUTES)), people=PEOPLE)
    routed = routing.route(event)
    assert not routed.failures
    return sorted(recipient.value for _, recipient in routed.recipients)


@pytest.mark.parametrize(
    ("example", "expected"),
    [
        ("issues-opened", [ON_DUTY]),
        ("issues-assigned", ["hubot"]),
        ("pull-request-review-requested", ["octocat"]),
        ("pull-request-review-requested-of-team", ["bakers"]),
        ("pull-request-review-requested-without-author", ["octocat"]),
        ("pull-request-merged", ["hubot"]),
        ("pull-request-merged-without-author", []),
        ("workflow-run-failed", [ON_DUTY]),
        ("ping", []),
        ("deployment-status", []),
    ],
)
def test_a_push_is_sent_to_the_people_whom_it_concerns(example: str, expected: list[str]) -> None:
    """For example, the author of a pull request is not asked to review it."""
    assert recipients(example) == expected


@pytest.mark.parametrize(
    ("example", "who"),
    [
        ("issues-assigned", "hubot"),
        ("pull-request-review-requested", "octocat"),
        ("pull-request-merged", "hubot"),
    ],
)
def test_nobody_receives_a_push_about_their_own_action(example: str, who: str) -> None:
    """`sender` is the person who acted. If it is null, no recipient is left out."""
    assert recipients(example, sender={"login": who}) == []
    assert recipients(example, sender=None) == [who]


def test_a_team_gets_the_push_for_any_sender() -> None:
    """The relay does not know the members of a team."""
    asked = "pull-request-review-requested-of-team"
    for sender in (None, {"login": "octocat"}):
        assert recipients(asked, sender=sender) == ["bakers"]


def test_a_failed_run_is_also_sent_to_the_person_who_started_it() -> None:
    """It is sent although this person is the sender."""
    run = {"conclusion": "failure", "actor": {"login": "hubot"}}
    assert recipients("workflow-run-failed", workflow_run=run) == [ON_DUTY, "hubot"]

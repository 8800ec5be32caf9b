"""The dry run: the outcome that a replay would have, by the relay's own core."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dead_letters import EVENT, NOW, dead_letter, failed_invocation, packed, sns_record
from fakes import World
from push_relay.core.delivery.wake_up import wake_up
from relayctl.deadletters.dead_letter import DeadLetter
from relayctl.deadletters.preview import Preview, Previewer


def preview(dead: DeadLetter, status: str | None = None, *, force: bool = False) -> Preview:
    """Preview a replay with the sample routes. `status`: every push's status in the ledger."""
    return Previewer(World().translator, lambda *_: status, lambda: NOW, force).preview(dead)


@pytest.mark.parametrize(
    ("changes", "outcomes"),
    [
        ({"type": "everybody"}, {"pushed": 3}),
        ({"type": "unspoken"}, {"filtered": 1}),
        ({"type": "broken"}, {"failed": 1}),
        ({"source": "nosuch"}, {"rejected": 1}),
        ({"received_at": NOW - 8 * 86_400, "only": ()}, {"expired": 1}),
        ({"source": ".digest"}, {"parked": 1}),
        ({"source": ".digest", "only": ("k-1", "k-2")}, {"parked": 1}),
    ],
)
def test_an_event_has_the_outcomes_that_its_replay_would_have(
    changes: dict[str, Any], outcomes: dict[str, int]
) -> None:
    """They follow from the current sources and routes, and not from those at the time of the failure."""
    assert preview(packed(replace(EVENT, **changes))).outcomes == Counter(outcomes)


def test_a_wake_up_is_not_the_end_of_a_window() -> None:
    """Its message is a dead letter if each worker that handled it has died."""
    previewed = preview(packed(wake_up("north", NOW)))
    assert previewed.outcomes == {"filtered": 1}
    assert "a wake-up" in str(previewed)


def test_a_message_that_is_not_an_event_yet_is_recognised_and_validated() -> None:
    """A message of another sender goes through the same checks as in the function."""
    assert "malformed_request" in str(preview(dead_letter("no JSON")))
    assert preview(dead_letter(json.dumps(sns_record({"degrees": 451})))).outcomes == {"pushed": 1}
    assert preview(failed_invocation(None)).outcomes == {"unreadable": 1}


def test_a_delivered_push_would_be_a_duplicate_unless_forced() -> None:
    """A failed push would be sent again in both cases."""
    assert preview(packed(), "delivered").outcomes == {"duplicate": 1}
    assert preview(packed(), "delivered", force=True).outcomes == {"pushed": 1}
    assert preview(packed(), "failed").outcomes == {"pushed": 1}


def test_a_push_of_a_route_with_a_batch_window_would_be_batched(tmp_path: Path) -> None:
    """A push that was batched before would be batched again only with --force."""
    routes = tmp_path / "relay.toml"
    routes.write_text('[[route]]\nsource = "bakery"\nto = ["user:one", "user:two"]\nbatch = "5m"\n')
    translator = World(routes=routes).translator
    first = Previewer(translator, lambda *_: None, lambda: NOW).preview(packed())
    assert (str(first), first.titles) == ("would be batched for 2", ("Bread",))
    later = [
        Previewer(translator, lambda *_: "gathered", lambda: NOW, force).preview(packed())
        for force in (False, True)
    ]
    assert [each.outcomes for each in later] == [{"duplicate": 2}, {"gathered": 2}]


def test_the_text_of_a_preview_contains_no_titles() -> None:
    """Titles are personal data. They are printed only with --show-titles."""
    found = preview(packed())
    assert found.titles == ("Bread",)
    assert "Bread" not in str(found)

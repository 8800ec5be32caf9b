"""The feed of a backlog: which events it returns as pushes, and how each of them ends."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine import NOON, ROUTES, Fleet, event
from push_relay.core.delivery.backlog import Shelf, Unreadable, Waiting
from push_relay.core.delivery.run_parts import RunEnd, Task
from push_relay.core.errors import (
    BudgetExhausted,
    CircuitOpen,
    ConnectionsBusy,
    LedgerUnavailable,
    QuotaExhausted,
    RelayError,
    VendorRejected,
    VendorUnavailable,
)
from push_relay.core.event import Event
from push_relay.core.outcomes import Outcome
from push_relay.core.push import DEFAULT_ACCOUNT, Receipt
from push_relay.entrypoints.queue_record import MAX_CRASHES

SEVERAL = (
    ROUTES
    + """
[account.other]
credentials_secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:other-abcdef"

[[route]]
source = "bakery"
when = "type == 'both' || type == 'moved'"
to = ["user:{{ data.words }}"]
account = "other"
"""
).replace(
    'source = "bakery"\nto =', "source = \"bakery\"\nwhen = \"type == 'baked' || type == 'both'\"\nto ="
)


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    """Return a worker with two accounts."""
    path = tmp_path / "relay.toml"
    path.write_text(SEVERAL)
    return Fleet(routes=path)


def for_both(given: Event) -> Event:
    """Return an event with a push in each account."""
    return replace(given, type="both", data={**given.data, "kind": "both"})


def delivered(task: Task) -> Receipt:
    """Return the receipt of a push that was sent."""
    return Receipt(task.event.source, task.event.id, Outcome.DELIVERED, push=task.push)


def failed(task: Task, error: RelayError) -> Receipt:
    """Return the receipt of a push that was not."""
    return Receipt.of_error(task.event, error, task.push)


def ids(tasks: Any) -> list[str]:
    """Return the ids of the events."""
    return [task.event.id for task in tasks]


def test_an_event_is_taken_once_and_stays_until_it_has_ended(fleet: Fleet) -> None:
    """It is removed with the next take, or when the run has ended."""
    fleet.shelve(event("a"), event("b"), event("c"))
    feed = fleet.feed()
    first, second = feed.take(2)
    (third,) = feed.take(2)
    assert ids(feed.take(2)) == []
    assert len({first.event.id, second.event.id, third.event.id}) == 3
    assert fleet.waiting == sorted(["a", "b", "c"])
    feed.ended(first, [delivered(first)])
    assert len(fleet.waiting) == 3
    feed.take(2)
    assert len(fleet.waiting) == 2
    feed.ended(second, [delivered(second)])
    feed.left(RunEnd())
    assert fleet.waiting == [third.event.id]


def test_an_urgent_take_leaves_the_others(fleet: Fleet) -> None:
    """Also those that come first."""
    fleet.shelve(event("a", at=NOON - 900), event("fire", urgent=True))
    feed = fleet.feed()
    assert ids(feed.take(5, urgent=True)) == ["fire"]
    assert ids(feed.take(5)) == ["a"]


def test_a_shelf_that_another_worker_begins_is_found(fleet: Fleet) -> None:
    """The list of shelves is read again after a moment."""
    fleet.shelve(event("a"))
    feed = fleet.feed()
    assert ids(feed.take(5)) == ["a"]
    fleet.shelve(event("fire", urgent=True))
    fleet.clock.time += 1
    assert ids(feed.take(5, urgent=True)) == ["fire"]


def test_an_event_with_several_pushes_ends_after_the_last_one(fleet: Fleet) -> None:
    """Its receipts are reported together, and a failed push is dead-lettered once."""
    fleet.world.clock.time = NOON
    fleet.shelve(event("a"))
    feed = fleet.feed()
    (task,) = feed.take(5)
    feed.ended(task, [failed(task, VendorRejected("no"))])
    feed.left(RunEnd())
    assert fleet.waiting == []
    assert [each.error_code for each in fleet.world.messages.dead_letters] == ["vendor_rejected"]
    assert fleet.outcomes() == {"a": ["vendor_rejected"]}


def test_an_event_that_fails_for_itself_waits_until_a_time(fleet: Fleet) -> None:
    """It is stored at its new place before it is removed from the old one, and counts an attempt."""
    fleet.shelve(event("a"), attempt=3)
    feed = fleet.feed()
    (task,) = feed.take(5)
    feed.ended(task, [failed(task, VendorUnavailable("down"))])
    assert [each.attempt for each in fleet.world.backlog.all()] == [3, 4]
    feed.left(RunEnd())
    (kept,) = fleet.world.backlog.all()
    assert (kept.attempt, kept.reason) == (4, "vendor_unavailable")
    assert kept.due > NOON


def test_an_event_that_another_drain_moves_back_to_its_old_place_is_not_lost(fleet: Fleet) -> None:
    """The first drain removes the old place late, when the event is there and nowhere else."""
    fleet.shelve(event("a"))
    (task,) = fleet.feed().take(5)
    # With its own pushes in the event, as every event has that was parked by a receipt.
    own = replace(task.event, only=(delivered(task).key,))
    fleet.world.backlog.items.clear()
    fleet.world.backlog.put([Waiting(Shelf(DEFAULT_ACCOUNT), own, "quota_exhausted")])
    first = fleet.feed()
    (task,) = first.take(5)
    first.ended(task, [failed(task, VendorUnavailable("down"))])
    fleet.clock.time += 3600
    second = fleet.feed()
    for again in second.take(5):
        second.ended(again, [failed(again, QuotaExhausted("over", retry_after=60.0))])
    second.left(RunEnd())
    first.left(RunEnd())
    assert fleet.waiting == ["a"]


def test_an_event_that_waits_as_before_is_not_written_again(fleet: Fleet) -> None:
    """Neither is it removed, nor announced."""
    fleet.shelve(event("a"))
    feed = fleet.feed()
    (task,) = feed.take(5)
    # With its own pushes in the event, as every event is that was parked by a receipt.
    fleet.world.backlog.items.clear()
    fleet.world.backlog.put([Waiting(Shelf(DEFAULT_ACCOUNT), task.event, "quota_exhausted")])
    feed.ended(task, [failed(task, QuotaExhausted("over", retry_after=60.0))])
    feed.left(RunEnd())
    (kept,) = {(each.reason, each.due, each.attempt) for each in fleet.world.backlog.all()}
    assert kept == ("quota_exhausted", 0.0, 1)
    assert fleet.world.messages.woken == []


@pytest.mark.parametrize(
    ("error", "closed"),
    [
        (QuotaExhausted("over", retry_after=60.0), {"normal", "budget"}),
        (BudgetExhausted("over", retry_after=60.0), {"budget"}),
        (ConnectionsBusy("busy"), {"normal", "urgent", "budget"}),
        (LedgerUnavailable("down"), {"normal", "urgent", "budget"}),
        (VendorUnavailable("down"), set()),
    ],
)
def test_an_error_closes_the_shelves_whose_events_would_meet_it_too(
    fleet: Fleet, error: RelayError, closed: set[str]
) -> None:
    """So no other event is handled without success."""
    fleet.shelve(event("normal-1", at=NOON - 90), event("normal-2"))
    fleet.shelve(event("urgent", urgent=True))
    fleet.shelve(event("budget"), shelf=Shelf(DEFAULT_ACCOUNT, source="bakery"))
    feed = fleet.feed()
    found = {task.event.id: task for task in feed.take(2)}
    feed.ended(found["normal-1"], [failed(found["normal-1"], error)])
    left = {"normal-2": "normal", "budget": "budget"}
    assert {left[each] for each in ids(feed.take(9)) if each in left} == {"normal", "budget"} - closed
    assert set(found) == {"urgent", "normal-1"}
    fleet.shelve(event("urgent-2", urgent=True))
    assert ids(feed.take(9, urgent=True)) == ([] if "urgent" in closed else ["urgent-2"])


def test_a_push_for_another_account_moves_to_the_shelf_of_that_account(fleet: Fleet) -> None:
    """This account's push is sent. The other one has a receipt, and its account has an announcement."""
    fleet.shelve(for_both(event("both")))
    feed = fleet.feed()
    (task,) = feed.take(5)
    assert task.push.account == DEFAULT_ACCOUNT
    feed.ended(task, [delivered(task)])
    feed.left(RunEnd())
    (kept,) = fleet.world.backlog.all()
    assert kept.shelf == Shelf("other")
    assert kept.reason == "connections_busy"
    assert fleet.outcomes() == {"both": ["connections_busy", Outcome.DELIVERED]}
    assert fleet.world.permits["other"].announcements == 1
    fleet.drain("other")
    assert fleet.waiting == []
    assert len(fleet.world.vendors["other"].calls) == 1
    assert fleet.world.vendor.calls == []


def test_the_shelves_stay_open_if_a_push_waits_for_another_account(fleet: Fleet) -> None:
    """The other account's lack of connections is not this one's."""
    fleet.shelve(for_both(event("a", at=NOON - 90)), event("b"))
    feed = fleet.feed()
    (task,) = feed.take(1)
    feed.ended(task, [delivered(task)])
    assert ids(feed.take(5)) == ["b"]


def test_the_events_of_a_removed_account_move_to_those_that_they_have_now(fleet: Fleet) -> None:
    """A route may have changed too. An event without any push is filtered."""
    fleet.shelve(event("a"), shelf=Shelf("gone"))
    fleet.drain("gone")
    (kept,) = fleet.world.backlog.all()
    assert kept.shelf == Shelf(DEFAULT_ACCOUNT)
    assert fleet.world.vendor.calls == []
    fleet.drain()
    assert fleet.called == ["a"]
    assert fleet.waiting == []


def test_an_item_that_is_not_an_event_is_dead_lettered_and_blocks_nothing(fleet: Fleet) -> None:
    """It has one receipt."""
    shelf = Shelf(DEFAULT_ACCOUNT)
    broken = Unreadable(shelf, "0", "circuit_open", "", "", "bakery", "e-9")
    fleet.world.backlog.unreadable[shelf, "0"] = broken
    fleet.shelve(event("a"))
    fleet.drain()
    assert fleet.waiting == []
    assert fleet.world.backlog.unreadable == {}
    assert [each.event_id for each in fleet.world.messages.dead_letters] == ["e-9"]
    assert fleet.outcomes() == {"e-9": ["internal_error"], "a": [Outcome.DELIVERED]}


def test_an_event_that_cannot_be_parked_again_stays(fleet: Fleet) -> None:
    """Neither the backlog nor the queue takes it, so it is not removed."""
    fleet.shelve(event("a"))
    feed = fleet.feed()
    (task,) = feed.take(5)
    fleet.world.messages.break_down()
    fleet.world.backlog.error = LedgerUnavailable("down")
    feed.ended(task, [failed(task, VendorUnavailable("down"))])
    fleet.world.backlog.error = None
    feed.left(RunEnd())
    assert fleet.waiting == ["a"]
    assert [what for what, _, _ in fleet.world.witness.troubles] == ["an event stays in the backlog"]


def test_after_a_crash_one_event_is_taken_at_a_time_and_its_try_is_counted(fleet: Fleet) -> None:
    """The next one is taken when it has ended. The one with the fewest tries comes first."""
    fleet.store.permits = fleet.store.permits._replace(crashed=True, stamp="s")
    fleet.permits.session(lambda: 60.0).look()  # which reads the permits
    fleet.shelve(event("a", at=NOON - 90), tries=2)
    fleet.shelve(event("b", at=NOON - 80), event("c", at=NOON - 70), tries=1)
    feed = fleet.feed()
    order = []
    for _ in range(3):
        (task,) = feed.take(9)
        assert feed.take(9) == []
        assert feed.holds_back
        assert {each.event.id: each.tries for each in fleet.world.backlog.all()}[task.event.id] >= 2
        order.append(task.event.id)
        feed.ended(task, [delivered(task)])
    assert order == ["b", "c", "a"]
    assert not feed.holds_back
    assert not feed.has_survived
    assert feed.take(9) == []
    assert feed.has_survived


def test_a_careful_drain_has_not_survived_events_that_it_must_leave(fleet: Fleet) -> None:
    """Calls are stopped after the first event, so the cause of the crash may be among the others."""
    fleet.store.permits = fleet.store.permits._replace(crashed=True, stamp="s")
    fleet.permits.session(lambda: 60.0).look()  # which reads the permits
    fleet.shelve(event("a", at=NOON - 90), event("b", at=NOON - 80))
    feed = fleet.feed()
    (task,) = feed.take(9)
    feed.ended(task, [failed(task, CircuitOpen("stopped", retry_after=10.0))])
    assert feed.take(9) == []
    assert not feed.has_survived


def test_an_event_with_too_many_tries_is_dead_lettered_and_the_next_one_is_taken(fleet: Fleet) -> None:
    """Several of them do not end the take."""
    fleet.store.permits = fleet.store.permits._replace(crashed=True, stamp="s")
    fleet.permits.session(lambda: 60.0).look()
    fleet.shelve(event("a", at=NOON - 90), event("b", at=NOON - 80), tries=MAX_CRASHES)
    feed = fleet.feed()
    assert feed.take(9) == []
    feed.left(RunEnd())
    assert fleet.waiting == []
    assert fleet.outcomes() == {"a": ["crashed"], "b": ["crashed"]}


def test_runs_are_repeated_only_while_they_take_something(fleet: Fleet) -> None:
    """Otherwise a drain would never end."""
    fleet.shelve(event("a"))
    feed = fleet.feed()
    assert not feed.goes_on()
    (task,) = feed.take(1)
    fleet.shelve(event("b"))
    assert feed.goes_on()
    assert not feed.goes_on()
    feed.ended(task, [delivered(task)])


def test_how_the_runs_have_ended_is_added_up(fleet: Fleet) -> None:
    """A later run does not hide what an earlier one has found."""
    feed = fleet.feed()
    feed.left(RunEnd(announced=True))
    feed.left(RunEnd(has_more=True))
    feed.left(RunEnd())
    assert feed.end == RunEnd(announced=True, has_more=True)

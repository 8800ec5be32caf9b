"""The tick wakes a worker for each account that has something to send, and reports what is overdue."""

from pathlib import Path
from typing import Any

import pytest

from engine import NOON, ROUTES, Fleet, event
from push_relay.core.clock import CLOCK_SKEW_SECS
from push_relay.core.delivery.backlog import Shelf
from push_relay.core.errors import LedgerUnavailable, VendorThrottled, VendorUnavailable
from push_relay.core.push import DEFAULT_ACCOUNT
from push_relay.entrypoints.drain import OVERDUE_SECS

NAMES = [f"e-{number:03}" for number in range(1, 41)]


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    """Return a worker with routes by which each event has one push, to the user of its name."""
    path = tmp_path / "relay.toml"
    path.write_text(ROUTES)
    return Fleet(routes=path)


@pytest.mark.parametrize("waits_for", ["its turn", "a time"])
@pytest.mark.parametrize("more", [0, -1])
def test_a_tick_reports_what_should_have_been_sent_long_ago(fleet: Fleet, waits_for: str, more: int) -> None:
    """Urgent events do not hide a normal one. The time counts from the due time, or from the arrival."""
    late = NOON - OVERDUE_SECS - more
    if waits_for == "a time":
        fleet.shelve(event("late", at=late - 9000), due=late)
    else:
        fleet.shelve(event("late", at=late + CLOCK_SKEW_SECS))
    fleet.shelve(event("later", at=NOON - 9000), due=NOON + 1)
    fleet.shelve(event("fire", urgent=True, at=NOON - 1))
    fleet.drainer.tick()
    reported = [] if more else [(DEFAULT_ACCOUNT, float(OVERDUE_SECS))]
    assert fleet.world.witness.overdue_accounts == reported
    assert [account for account, _ in fleet.world.messages.woken] == [DEFAULT_ACCOUNT]


def test_a_tick_that_cannot_read_one_shelf_wakes_for_the_others(fleet: Fleet) -> None:
    """DynamoDB may throttle a single query."""
    fleet.shelve(event("fire", urgent=True, at=NOON - 1), event("a"))
    due = fleet.world.backlog.due

    def failing(shelf: Shelf, *more: Any) -> Any:
        if shelf.high:
            raise LedgerUnavailable("throttled")
        return due(shelf, *more)

    fleet.world.backlog.due = failing  # type: ignore[method-assign]
    fleet.drainer.tick()
    assert [account for account, _ in fleet.world.messages.woken] == [DEFAULT_ACCOUNT]
    assert [what for what, _, _ in fleet.world.witness.troubles] == ["the backlog was not read"]


@pytest.mark.parametrize("error", [VendorThrottled("slow"), VendorUnavailable("down")])
def test_a_tick_reports_no_event_that_waits_for_the_vendor(fleet: Fleet, error: Exception) -> None:
    """Neither between two probes nor when the next one is due: another alarm rings for an outage."""
    fleet.shelve(*(event(name, at=NOON - 9000 + number) for number, name in enumerate(NAMES)))
    fleet.world.vendor.judge = lambda _push, _credentials: error
    for _ in range(5):
        fleet.drain()
    assert not fleet.feed().is_open(Shelf(DEFAULT_ACCOUNT))
    fleet.drainer.tick()
    fleet.clock.time += 4000
    assert fleet.feed().is_open(Shelf(DEFAULT_ACCOUNT))
    fleet.drainer.tick()
    assert fleet.world.witness.overdue_accounts == []

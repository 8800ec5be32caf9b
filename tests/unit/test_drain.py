"""A drain sends what is due, in order; whatever it does not finish stays in the backlog."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine import NOON, ROUTES, Fleet, HeldVendor, Killed, beside, event, threads, wait_for, woken
from invocations import sqs_batch, sqs_queued
from push_relay.core.delivery.backlog import Shelf
from push_relay.core.delivery.batching import BatchedPush, BatchPush, Window, closing_event
from push_relay.core.delivery.permits import SOONEST_WAKE_SECS
from push_relay.core.delivery.run import LOOK_SECS
from push_relay.core.errors import LedgerUnavailable, VendorRejected, VendorThrottled, VendorUnavailable
from push_relay.core.outcomes import Outcome
from push_relay.core.push import DEFAULT_ACCOUNT, Recipient, RecipientKind, Wording
from push_relay.entrypoints.queue_record import MAX_CRASHES

NAMES = [f"e-{number:03}" for number in range(1, 41)]
#: Seconds after which every lease of a dead worker has ended.
LATER_SECS = 120.0


@pytest.fixture
def routes(tmp_path: Path) -> Path:
    """Return routes by which each event has one push, to the user of its name."""
    path = tmp_path / "relay.toml"
    path.write_text(ROUTES)
    return path


@pytest.fixture
def fleet(routes: Path) -> Fleet:
    """Return a worker whose threads run in turn."""
    return Fleet(routes=routes)


def kill_at(fleet: Fleet, victim: str) -> None:
    """Let the worker die when it sends an event. From then on, it changes nothing."""

    def judge(push: Any, _credentials: Any) -> Exception | None:
        if push.recipient.value != victim:
            return None
        error = LedgerUnavailable("the worker is dead")
        fleet.store.error = fleet.world.backlog.error = error
        fleet.world.ledger.claim_error = fleet.world.ledger.record_error = error
        raise Killed

    fleet.world.vendor.judge = judge


def die(fleet: Fleet, act: Callable[[], Any]) -> bool:
    """Let a worker act; if it dies, start another one after its leases have ended. Return whether it died."""
    try:
        act()
    except Killed:
        fleet.store.error = fleet.world.backlog.error = None
        fleet.world.ledger.claim_error = fleet.world.ledger.record_error = None
        fleet.clock.time += LATER_SECS
        fleet.restart()
        return True
    return False


def test_a_drain_sends_urgent_events_first_then_by_due_time_and_arrival(fleet: Fleet) -> None:
    """An event that is not due stays."""
    fleet.shelve(event("third", at=NOON - 300), event("second", at=NOON - 500))
    fleet.shelve(event("fourth", at=NOON - 900), due=NOON - 100)
    fleet.shelve(event("later", at=NOON - 900), due=NOON + 100)
    fleet.shelve(event("first", urgent=True, at=NOON - 10))
    fleet.drain()
    assert fleet.called == ["first", "second", "third", "fourth"]
    assert fleet.waiting == ["later"]
    assert fleet.outcomes() == {name: [Outcome.DELIVERED] for name in ("first", "second", "third", "fourth")}


@pytest.mark.parametrize("kind", [None, threads])
def test_a_drain_of_many_events_ends_with_one_receipt_for_each(routes: Path, kind: Any) -> None:
    """The backlog is empty afterwards, all calls were counted, and no connection is leased."""
    fleet = Fleet(routes=routes, threads=kind() if kind else None)
    fleet.shelve(*(event(name, at=NOON - 100 + number) for number, name in enumerate(NAMES)))
    fleet.drain()
    assert fleet.waiting == []
    assert fleet.outcomes() == {name: [Outcome.DELIVERED] for name in NAMES}
    assert sorted(fleet.called) == NAMES
    assert fleet.used == len(NAMES)
    assert not fleet.store.permits.leases


def test_large_events_do_not_end_a_drain_early(fleet: Fleet) -> None:
    """A read returns few of them, and the run may still be sending all of these."""
    fleet.world.backlog.most = 2
    fleet.shelve(*(event(name, at=NOON - 100 + number) for number, name in enumerate(NAMES[:7])))
    fleet.drain()
    assert fleet.waiting == []
    assert fleet.called == NAMES[:7]


def test_a_worker_that_dies_leaves_everything_in_the_backlog(fleet: Fleet) -> None:
    """The next one delivers each event; only the push that was on its way may be sent twice."""
    fleet.shelve(*(event(name, at=NOON - 100 + number) for number, name in enumerate(NAMES[:8])))
    kill_at(fleet, NAMES[3])
    assert die(fleet, fleet.drain)
    assert set(fleet.waiting) >= set(NAMES[3:8])
    fleet.world.vendor.judge = lambda _push, _credentials: None
    fleet.drain()
    assert fleet.waiting == []
    assert {name: fleet.called.count(name) for name in NAMES[:8]} == {
        name: 2 if name == NAMES[3] else 1 for name in NAMES[:8]
    }


def test_an_event_that_kills_each_drain_is_dead_lettered_and_its_neighbours_are_delivered(
    fleet: Fleet,
) -> None:
    """After a crash the events are handled one by one, and each try is counted before."""
    fleet.shelve(*(event(name, at=NOON - 100 + number) for number, name in enumerate(NAMES[:6])))
    kill_at(fleet, NAMES[2])
    deaths = 0
    while die(fleet, fleet.drain):
        deaths += 1
        assert deaths <= MAX_CRASHES + 1
    assert deaths == MAX_CRASHES + 1  # the first one was not counted
    assert fleet.waiting == []
    assert [(each.error_code, each.event_id) for each in fleet.world.messages.dead_letters] == [
        ("crashed", NAMES[2])
    ]
    outcomes = fleet.outcomes()
    assert outcomes.pop(NAMES[2]) == ["crashed"]
    delivered = {name: each[0] for name, each in outcomes.items()}
    assert delivered == {name: Outcome.DELIVERED for name in NAMES[:6] if name != NAMES[2]}
    assert not fleet.store.permits.crashed


def test_after_a_crash_a_large_backlog_is_drained_in_one_go(fleet: Fleet) -> None:
    """The first events are handled one by one, and the others as usual."""
    fleet.shelve(*(event(name, at=NOON - 100 + number) for number, name in enumerate(NAMES)))
    kill_at(fleet, NAMES[0])
    assert die(fleet, fleet.drain)
    fleet.world.vendor.judge = lambda _push, _credentials: None
    fleet.drain()
    assert fleet.waiting == []
    assert len(fleet.world.witness.receipts) == len(NAMES)


@pytest.mark.parametrize("kind", [None, threads])
def test_after_a_crash_no_event_is_handled_beside_another(routes: Path, kind: Any) -> None:
    """The next event is taken when the one before has ended, also with real threads."""
    fleet = Fleet(routes=routes, threads=kind() if kind else None)
    fleet.store.permits = fleet.store.permits._replace(crashed=True, stamp="s")
    vendor = HeldVendor()
    fleet.world.change_sender(push_api=vendor)
    vendor.answer_all()
    fleet.shelve(*(event(name, at=NOON - 100 + number) for number, name in enumerate(NAMES[:10])))
    fleet.drain()
    assert vendor.begun == NAMES[:10]
    assert vendor.most == 1
    assert fleet.waiting == []


@pytest.mark.parametrize("crashed", [False, True])
@pytest.mark.parametrize("kind", [None, threads])
def test_a_refused_batch_push_does_not_stop_a_drain(routes: Path, kind: Any, *, crashed: bool) -> None:
    """Its pushes are sent after the run, which must not wait for them."""
    fleet = Fleet(routes=routes, threads=kind() if kind else None)
    fleet.store.permits = fleet.store.permits._replace(crashed=crashed, stamp="s")
    window = Window("w" * 32, Recipient(RecipientKind.USER, "ada"), NOON - 60)
    for name in NAMES[:2]:
        entry = BatchedPush(name, "bakery", name, "c-1", Wording(name, name))
        fleet.world.batches.add(window, entry)
    fleet.world.vendor.judge = lambda push, _: VendorRejected("no") if isinstance(push, BatchPush) else None
    fleet.shelve(closing_event(window), due=NOON - 60)
    fleet.shelve(event("before", at=NOON - 90), event("after", at=NOON - 40))
    fleet.drain()
    assert fleet.waiting == []
    assert sorted(fleet.called) == ["ada", "ada", "ada", "after", "before"]
    assert fleet.outcomes() == {name: [Outcome.DELIVERED] for name in ("before", "after", *NAMES[:2])}


def test_a_drain_that_fails_loses_nothing_and_is_reported(fleet: Fleet) -> None:
    """An unknown error of one account's drain stops no other, and the events stay."""
    fleet.shelve(event("a"), event("b"))

    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    fleet.world.telemetry.settled = fail
    fleet.drain()
    assert sorted(fleet.waiting) == ["a", "b"]
    assert [what for what, _, _ in fleet.world.witness.troubles] == ["a drain has failed"]


def test_a_drain_goes_on_if_the_backlog_cannot_be_read_in_between(fleet: Fleet) -> None:
    """The events that were taken are sent, and the others stay."""
    fleet.shelve(event("fire", urgent=True), event("a"))
    due = fleet.world.backlog.due
    reads: list[Shelf] = []

    def failing(shelf: Shelf, *more: Any) -> Any:
        reads.append(shelf)
        if not shelf.high:
            raise LedgerUnavailable("down")
        return due(shelf, *more)

    fleet.world.backlog.due = failing  # type: ignore[method-assign]
    assert [task.event.id for task in fleet.feed().take(5)] == ["fire"]
    assert not reads[-1].high


def test_a_drain_that_runs_out_of_time_wakes_another_worker(fleet: Fleet) -> None:
    """The connections are free again by then, so the wake-up is due at once."""
    fleet.shelve(event("a"))
    fleet.world.context.seconds = 5.0
    fleet.drain()
    assert fleet.waiting == ["a"]
    assert fleet.world.messages.woken == [(DEFAULT_ACCOUNT, NOON)]


def test_a_drain_without_a_connection_wakes_another_worker_after_a_pause(fleet: Fleet) -> None:
    """So no wake-up follows another one at once, and one is enough for all that is announced until then."""
    other = fleet.process().session(lambda: 60.0)
    other.ask([], 3)
    fleet.shelve(event("a"))
    fleet.drain()
    for _ in range(3):
        fleet.world.parking.announce(DEFAULT_ACCOUNT)
    ((_, due),) = fleet.world.messages.woken
    assert due >= NOON + SOONEST_WAKE_SECS
    assert fleet.waiting == ["a"]


def test_a_second_drain_leaves_the_backlog_to_the_first(routes: Path) -> None:
    """It announces, so the first one goes on, and no wake-up is sent."""
    fleet = Fleet(routes=routes, threads=threads())
    vendor = HeldVendor()
    fleet.world.change_sender(push_api=vendor)
    fleet.shelve(event("a"))
    with beside(fleet.drain):
        vendor.wait_until_begun("a")
        first = fleet.permits
        fleet.restart()
        fleet.world.change_sender(push_api=vendor)
        assert fleet.permits is not first
        fleet.shelve(event("b"))
        fleet.drain()
        assert vendor.begun == ["a"]
        fleet.clock.time += LOOK_SECS
        vendor.wait_until_begun("b")
        vendor.answer_all()
    assert fleet.waiting == []
    assert fleet.world.messages.woken == []


def test_an_urgent_event_of_another_worker_is_sent_once(routes: Path) -> None:
    """The worker that found it in the middle of its own events also removes it from the backlog."""
    fleet = Fleet(routes=routes, threads=threads(1), connections=1)
    vendor = HeldVendor()
    fleet.world.change_sender(push_api=vendor)
    own = sqs_batch(*(sqs_queued(event(name), message_id=name) for name in NAMES[:3]))
    with beside(lambda: fleet.world.deliver(own)):
        vendor.wait_until_begun(NAMES[0])
        fleet.shelve(event("fire", urgent=True))
        for _ in range(2):
            assert fleet.process().announce() is None
            fleet.clock.time += LOOK_SECS
            wait_for(vendor.changed, lambda: bool(vendor.begun))
        vendor.answer_all()
    assert fleet.waiting == []
    assert fleet.outcomes()["fire"] == [Outcome.DELIVERED]


def test_a_wake_up_drains_its_account(fleet: Fleet) -> None:
    """Its message is deleted before, so that a crash does not count as the message's."""
    fleet.shelve(event("a"))
    fleet.world.deliver(sqs_batch(sqs_queued(woken())))
    assert fleet.called == ["a"]
    assert fleet.world.messages.deleted == ["handle-m-1"]
    assert fleet.outcomes() == {"a": [Outcome.DELIVERED]}


def test_a_drain_stops_when_the_circuit_opens_and_moves_nothing(fleet: Fleet) -> None:
    """An event that was not sent stays at its place, and the next probe has a wake-up."""
    fleet.shelve(*(event(name, at=NOON - 100 + number) for number, name in enumerate(NAMES)))
    fleet.world.vendor.judge = lambda _push, _credentials: VendorThrottled("slow")
    fleet.drain()
    assert sorted(fleet.waiting) == NAMES
    assert fleet.used == len(fleet.called) <= 3
    assert not any(each.tries for each in fleet.world.backlog.all())
    ((account, due),) = set(fleet.world.messages.woken)
    assert account == DEFAULT_ACCOUNT
    assert due > NOON
    before = len(fleet.world.witness.receipts)
    fleet.drain()
    assert len(fleet.world.witness.receipts) == before


@pytest.mark.parametrize("kind", [None, threads])
def test_a_probe_is_one_event_and_each_time_another(routes: Path, kind: Any) -> None:
    """An urgent push that the vendor cannot take does not keep the circuit open."""
    fleet = Fleet(routes=routes, threads=kind() if kind else None)
    fleet.world.vendor.judge = lambda _push, _credentials: VendorUnavailable("down")
    fleet.shelve(event("poison", urgent=True))
    fleet.shelve(*(event(name, at=NOON - 100 + number) for number, name in enumerate(NAMES[:5])))
    fleet.drain()
    while not fleet.store.permits.cooldown.until:
        fleet.clock.time += LATER_SECS
        fleet.drain()
    handled: list[str] = []
    for _ in range(5):
        fleet.clock.time = max(fleet.clock.time + 1, fleet.store.permits.cooldown.until)
        calls, receipts = len(fleet.called), len(fleet.world.witness.receipts)
        fleet.drain()
        assert len(fleet.called) == calls + 1
        assert len(fleet.world.witness.receipts) == receipts + 1
        handled.append(fleet.called[-1])
    assert len(set(handled)) == 5
    fleet.world.vendor.judge = lambda push, _: (
        VendorUnavailable("down") if push.recipient.value == "poison" else None
    )
    for _ in range(3):
        fleet.clock.time = max(fleet.clock.time + 1, fleet.store.permits.cooldown.until)
        fleet.drain()
    assert fleet.waiting == ["poison"]


@pytest.mark.parametrize("daily_calls", [2500, 10_000])
def test_an_outage_of_a_day_handles_each_event_three_times_at_most(routes: Path, daily_calls: int) -> None:
    """It costs at most 2 % of the day's calls, and 250 events are then delivered in their order."""
    fleet = Fleet(routes=routes, daily_calls=daily_calls)
    names = [f"e-{number:03}" for number in range(250)]
    fleet.world.vendor.judge = lambda _push, _credentials: VendorUnavailable("down")
    end, begun = NOON + 86_400.0, 0
    while fleet.clock.time < end:
        if begun < len(names):
            batch = [
                event(name, at=fleet.clock.time + int(name[2:]) / 1000) for name in names[begun : begun + 10]
            ]
            fleet.world.deliver(sqs_batch(*(sqs_queued(each, message_id=each.id) for each in batch)))
            begun += 10
        fleet.drain()
        fleet.clock.time += 60.0
    assert len(fleet.called) <= fleet.account.daily_calls * 2 // 100 * 2  # the outage is on two days
    early = fleet.called[:3]  # which failed before the circuit opened, and were due at a time of their own
    fleet.world.vendor.judge = lambda _push, _credentials: None
    fleet.world.vendor.calls.clear()
    while fleet.waiting:
        fleet.clock.time += 60.0
        assert fleet.clock.time < end + 3 * 3600
        fleet.drain()
    outcomes = fleet.outcomes()
    assert sorted(outcomes) == names
    assert all(each[-1] == Outcome.DELIVERED for each in outcomes.values())
    assert max(map(len, outcomes.values())) <= 3
    in_order = [name for name in fleet.called[1:] if name not in early]  # the first one was the probe
    assert in_order == sorted(in_order)

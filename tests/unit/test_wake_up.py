"""The wake-up: a message that starts a drain, which the version before acknowledges."""

from engine import NOON, Fleet, event, woken
from fakes import World
from invocations import sqs_batch, sqs_queued
from push_relay.core.delivery.backlog import Shelf, Waiting
from push_relay.core.delivery.batching import account_of
from push_relay.core.delivery.parking import LONGEST_WAKE_UP_SECS
from push_relay.core.delivery.wake_up import ALL, SOURCE, wake_up, woken_account
from push_relay.core.errors import LedgerUnavailable, VendorThrottled
from push_relay.core.event import Event
from push_relay.core.outcomes import Outcome
from push_relay.core.push import DEFAULT_ACCOUNT
from push_relay.core.queue_format import EVENT_ATTRIBUTE, pack, unpack


def test_a_wake_up_names_its_account_also_after_the_queue() -> None:
    """It is packed as every event is."""
    for account in (DEFAULT_ACCOUNT, "other", ALL):
        packed = pack(wake_up(account, NOON))
        assert woken_account(unpack(packed.body.encode(), packed.attributes[EVENT_ATTRIBUTE])) == account


def test_only_the_relays_own_events_are_wake_ups() -> None:
    """An event of a source may have the same content."""
    foreign = Event("bakery", "e", "baked", {"wake": DEFAULT_ACCOUNT}, NOON, "i")
    assert woken_account(foreign) is None
    window = Event(SOURCE, "w", SOURCE, {"window": "w"}, NOON, "w")
    assert woken_account(window) is None
    assert woken_account(Event(SOURCE, "w", SOURCE, {"wake": 7}, NOON, "w")) is None


def test_the_version_before_filters_a_wake_up() -> None:
    """It closes the batch window that the event names, finds none, and acknowledges the message."""
    world = World()
    for account in (DEFAULT_ACCOUNT, ALL):
        given = wake_up(account, NOON)
        assert account_of(given) == DEFAULT_ACCOUNT  # an account that the version before has
        assert given.data["window"] == ""  # the name of no window
        ((receipt,),) = world.relay.deliver([given], world.time_left)
        assert receipt.outcome is Outcome.FILTERED
        assert receipt.detail == "the batch window is empty"
    assert world.batches.windows == {}
    assert account_of(wake_up("other", NOON)) == "other"


def test_a_wake_up_has_no_receipt_of_its_own() -> None:
    """It belongs to no source, and its message ends."""
    fleet = Fleet()
    assert fleet.world.deliver(sqs_batch(sqs_queued(woken()))) == {"batchItemFailures": []}
    assert fleet.world.witness.receipts == []


def test_a_wake_up_beside_events_drains_after_them() -> None:
    """The events are sent, and their messages are deleted before the drain."""
    fleet = Fleet()
    fleet.shelve(Event("bakery", "kept", "baked", {"kind": "baked", "words": "w"}, NOON, "kept"))
    own = Event("bakery", "own", "baked", {"kind": "baked", "words": "w"}, NOON, "own")
    fleet.world.deliver(sqs_batch(sqs_queued(woken()), sqs_queued(own, message_id="m-2")))
    assert [each.event_id for each in fleet.world.witness.receipts] == ["own", "kept"]
    assert sorted(fleet.world.messages.deleted) == ["handle-m-1", "handle-m-2"]


def test_a_worker_that_cannot_delete_its_messages_leaves_the_drain_to_another() -> None:
    """A crash of the drain would hand them out again."""
    fleet = Fleet()
    fleet.shelve(event("a"))
    real = fleet.world.messages.delete

    def fail(_records: object) -> None:
        fleet.world.messages.break_down()
        try:
            real([])
        finally:
            fleet.world.messages.error = None

    fleet.world.messages.delete = fail  # type: ignore[method-assign, assignment]
    fleet.world.deliver(sqs_batch(sqs_queued(woken())))
    assert fleet.waiting == ["a"]
    assert [account for account, _ in fleet.world.messages.woken] == [DEFAULT_ACCOUNT]


def test_a_tick_wakes_the_accounts_with_something_to_send() -> None:
    """It drains nothing. An account whose events are not due, or whose calls are stopped, is left out."""
    fleet = Fleet()
    tick = sqs_batch(sqs_queued(woken(ALL)))
    fleet.world.deliver(tick)
    assert fleet.world.messages.woken == []
    fleet.shelve(event("later"), due=NOON + 60)
    fleet.world.deliver(tick)
    assert fleet.world.messages.woken == []
    fleet.shelve(event("a"))
    fleet.world.deliver(tick)
    assert fleet.world.messages.woken == [(DEFAULT_ACCOUNT, NOON)]
    assert len(fleet.waiting) == 2
    fleet.world.messages.woken.clear()
    fleet.world.vendor.judge = lambda _push, _credentials: VendorThrottled("slow")
    fleet.drain()
    fleet.world.messages.woken.clear()
    fleet.world.deliver(tick)
    assert fleet.world.messages.woken == []


def test_a_wake_up_comes_when_an_event_is_due_unless_a_tick_finds_it_in_time() -> None:
    """SQS delays for 15 minutes at most. Events that are due together have one."""
    world = World()
    world.clock.time = NOON
    shelf = Shelf(DEFAULT_ACCOUNT)
    world.parking.park(
        [
            Waiting(shelf, event("a"), "vendor_unavailable", due=NOON + 30.2),
            Waiting(shelf, event("b"), "vendor_unavailable", due=NOON + 30.9),
            Waiting(shelf, event("c"), "vendor_unavailable", due=NOON + LONGEST_WAKE_UP_SECS + 1),
            Waiting(shelf, event("d"), "quota_exhausted", expected=NOON + 60),
        ]
    )
    assert world.messages.woken == [(DEFAULT_ACCOUNT, NOON + 31)]


def test_an_event_that_waits_for_a_connection_is_announced_once_for_all() -> None:
    """A worker that drains finds it; if there is none, a wake-up starts one."""
    world = World()
    kept = [Waiting(Shelf(DEFAULT_ACCOUNT), event(name), "connections_busy") for name in "ab"]
    world.parking.park(kept)
    assert world.permits[DEFAULT_ACCOUNT].announcements == 1
    assert world.messages.woken == []
    world.permits[DEFAULT_ACCOUNT].wakes_in = 3.0
    world.parking.park(kept)
    assert world.messages.woken == [(DEFAULT_ACCOUNT, world.clock.time + 3.0)]


def test_an_announcement_of_unknown_result_is_followed_by_a_wake_up() -> None:
    """Nobody may have seen it. Without the queue either, a tick finds the event."""
    fleet = Fleet()
    fleet.store.error = LedgerUnavailable("down")
    fleet.world.parking.announce(DEFAULT_ACCOUNT)
    ((account, due),) = fleet.world.messages.woken
    assert account == DEFAULT_ACCOUNT
    assert due > NOON
    fleet.world.messages.break_down()
    fleet.world.parking.announce(DEFAULT_ACCOUNT)
    fleet.world.parking.announce("unknown")

"""A run: a call begins as soon as a connection is free, and each push ends in one receipt."""

import threading
from collections.abc import Sequence
from typing import Any

import pytest

from engine import TODAY, Fleet, HeldVendor, Killed, Supplied, beside, task, threads, wait_for
from fakes import InTurn
from push_relay.core.delivery.ledger import Claimed, ClaimRequest, Settlement
from push_relay.core.delivery.run import LOOK_SECS
from push_relay.core.errors import (
    DeliveryUnknown,
    LedgerUnavailable,
    VendorRejected,
    VendorThrottled,
)
from push_relay.core.outcomes import Outcome
from stores import Ledger

NAMES = [f"n-{number}" for number in range(1, 11)]


class Counted(Ledger):
    """A ledger that counts its groups, and can be held at the end of claims."""

    def __init__(self) -> None:
        super().__init__()
        self.changed = threading.Condition()
        self.claims: list[int] = []
        self.ends: list[int] = []
        self.is_held = False

    def claim_all(self, requests: Sequence[ClaimRequest]) -> Sequence[Claimed | LedgerUnavailable]:
        """Count the claims of a group."""
        self.claims.append(len(requests))
        return super().claim_all(requests)

    def end_all(self, settlements: Sequence[Settlement]) -> Sequence[LedgerUnavailable | None]:
        """Count the ends of a group, and wait if the test wants it."""
        with self.changed:
            self.ends.append(len(settlements))
            self.changed.notify_all()
            assert self.changed.wait_for(lambda: not self.is_held, 20)
        return super().end_all(settlements)

    def release_all(self) -> None:
        """End the waiting."""
        with self.changed:
            self.is_held = False
            self.changed.notify_all()


def held(fleet: Fleet) -> HeldVendor:
    """Let the test end each call."""
    vendor = HeldVendor()
    fleet.world.change_sender(push_api=vendor)
    return vendor


def counted(fleet: Fleet) -> Counted:
    """Count the groups of the ledger."""
    ledger = Counted()
    fleet.world.ledger = ledger
    fleet.world.change_sender(ledger=ledger)
    return ledger


def supplied(*names: str) -> Supplied:
    """Return a supply of pushes; a name with an exclamation mark is urgent."""
    return Supplied(*(task(name, urgent=name.endswith("!")) for name in names))


def test_a_slow_call_holds_up_no_other_push() -> None:
    """There is no barrier: while one call lasts, all others are made on the other connections."""
    fleet = Fleet(threads=threads())
    vendor, own = held(fleet), supplied(*NAMES)
    with beside(lambda: fleet.run(own)):
        vendor.wait_until_begun("n-1", "n-2", "n-3")
        for name in NAMES[1:]:
            vendor.wait_until_begun(name)
            vendor.answer(name)
        wait_for(own.changed, lambda: len(own.receipts) >= len(NAMES) - 1)
        assert "n-1" not in own.outcomes
        vendor.answer("n-1")
    assert own.outcomes == {name: [Outcome.DELIVERED] for name in NAMES}
    assert vendor.begun == NAMES
    assert vendor.most == 3


def test_the_next_push_starts_when_a_connection_is_free_and_not_before() -> None:
    """The vendor never counts a call more than the account has connections."""
    fleet = Fleet(threads=threads(), connections=2)
    vendor, own = held(fleet), supplied(*NAMES[:4])
    with beside(lambda: fleet.run(own)):
        vendor.wait_until_begun("n-1", "n-2")
        assert vendor.begun == ["n-1", "n-2"]
        vendor.answer("n-2")
        vendor.wait_until_begun("n-3")
        vendor.answer_all()
    assert vendor.most == 2
    assert not fleet.store.permits.leases


def test_an_urgent_push_of_another_worker_starts_before_those_that_wait() -> None:
    """The run looks for urgent events while it sends, and takes only these."""
    fleet = Fleet(threads=threads(1), connections=1)
    vendor, own, backlog = held(fleet), supplied(*NAMES[:3]), supplied("later", "fire!")
    with beside(lambda: fleet.run(own, backlog)) as ended:
        vendor.wait_until_begun("n-1")
        # When the run looks for the second time, what it found for the first time is ready.
        for look in (1, 2):
            assert fleet.process().announce() is None
            fleet.clock.time += LOOK_SECS
            wait_for(backlog.changed, lambda look=look: backlog.takes == look)  # type: ignore[misc]
        vendor.answer_all()
    assert vendor.begun == ["n-1", "fire!", "n-2", "n-3"]
    assert ended.result().announced
    assert [each.push.recipient.value for each in backlog.left] == ["later"]


def test_a_single_push_takes_two_round_trips() -> None:
    """One claim beside one write of the permits, then one settlement beside another."""
    fleet = Fleet(threads=threads())
    fleet.run(supplied("warm-up"))  # which draws the day's calls and reads the permits
    ledger, own = counted(fleet), supplied("n-1")
    fleet.store.operations.clear()
    fleet.run(own)
    assert (ledger.claims, ledger.ends) == ([1], [1])
    assert fleet.store.operations == ["swap", "swap"]
    assert own.outcomes == {"n-1": [Outcome.DELIVERED]}


def test_a_batch_is_claimed_and_granted_in_one_round_trip() -> None:
    """So are the last settlements and the end of the permits. Those in between are in nobody's way."""
    fleet = Fleet(threads=threads())
    fleet.run(supplied("warm-up"))
    vendor, ledger, own = held(fleet), counted(fleet), supplied(*NAMES)
    fleet.store.operations.clear()
    vendor.answer_all()
    fleet.run(own)
    assert ledger.claims == [10]
    assert sum(ledger.ends) == 10
    assert fleet.store.operations[0] == "swap"
    assert fleet.store.operations.count("swap") <= 4  # the start, the end, and connections that are returned
    assert own.outcomes == {name: [Outcome.DELIVERED] for name in NAMES}


def test_a_slow_settlement_holds_up_no_call_and_then_settles_a_group() -> None:
    """While the writer waits for the ledger, calls go on; its next write settles all that have ended."""
    fleet = Fleet(threads=threads(1), connections=1)
    vendor, ledger, own = held(fleet), counted(fleet), supplied(*NAMES[:5])
    ledger.is_held = True
    with beside(lambda: fleet.run(own)):
        vendor.answer("n-1")
        wait_for(ledger.changed, lambda: ledger.ends == [1])
        for name in NAMES[1:4]:
            vendor.answer(name)
        vendor.wait_until_begun("n-5")
        assert ledger.ends == [1]
        ledger.release_all()
        wait_for(ledger.changed, lambda: ledger.ends == [1, 3])
        vendor.answer("n-5")
    assert own.outcomes == {name: [Outcome.DELIVERED] for name in NAMES[:5]}


@pytest.mark.parametrize("kind", [InTurn, threads])
def test_a_run_ends_if_a_call_kills_its_thread(kind: Any) -> None:
    """No other call begins, nothing is settled, and the caller gets the exception instead of waiting."""
    fleet = Fleet(threads=kind(), connections=1)
    own = supplied(*NAMES[:4])
    fleet.world.vendor.errors = [None, Killed()]  # type: ignore[list-item]
    with beside(lambda: fleet.run(own)) as ended:
        pass
    assert isinstance(ended.exception(), Killed)
    assert fleet.called == ["n-1", "n-2"]
    assert {key: status for key, status in fleet.world.ledger.states.items() if status is None}.keys() >= {
        "key-n-2",
        "key-n-3",
        "key-n-4",
    }


@pytest.mark.parametrize("kind", [InTurn, threads])
def test_a_run_ends_if_its_writer_fails(kind: Any) -> None:
    """The writer's exception reaches the caller, which would otherwise wait for the writer for ever."""
    fleet = Fleet(threads=kind(), connections=1)

    class Failing(Supplied):
        def ended(self, _task: Any, _receipt: Any) -> None:
            raise ZeroDivisionError

    own = Failing(*(task(name) for name in NAMES[:6]))
    with beside(lambda: fleet.run(own)) as ended:
        pass
    assert isinstance(ended.exception(), ZeroDivisionError)


@pytest.mark.parametrize("kind", [InTurn, threads])
def test_a_circuit_that_opens_in_mid_run_stops_the_rest(kind: Any) -> None:
    """Each push has one receipt, and the calls that were not made are returned."""
    fleet = Fleet(threads=kind(1), connections=1) if kind is threads else Fleet(threads=kind(), connections=1)
    own = supplied(*NAMES)
    fleet.world.vendor.errors = [None, VendorThrottled("slow")]
    fleet.run(own)
    codes = [code for each in own.outcomes.values() for code in each]
    assert sorted(own.outcomes) == sorted(NAMES)
    assert codes.count(Outcome.DELIVERED) == 1
    assert codes.count("vendor_throttled") == 1
    assert codes.count("circuit_open") == 8
    assert fleet.used == len(fleet.called) == 2
    assert not fleet.store.permits.leases
    assert None not in fleet.world.ledger.states.values()


@pytest.mark.parametrize("kind", [InTurn, threads])
def test_a_quota_that_ends_in_mid_run_goes_to_the_urgent_ones(kind: Any) -> None:
    """The rest waits for midnight, and no call is counted for it."""
    fleet = Fleet(threads=kind(), daily_calls=4, reserved_percent=0)
    own = supplied(*NAMES[:4], "fire!", "flood!")
    fleet.run(own)
    assert own.outcomes == {
        "fire!": [Outcome.DELIVERED],
        "flood!": [Outcome.DELIVERED],
        "n-1": [Outcome.DELIVERED],
        "n-2": [Outcome.DELIVERED],
        "n-3": ["quota_exhausted"],
        "n-4": ["quota_exhausted"],
    }
    assert fleet.used == 4


@pytest.mark.parametrize("kind", [InTurn, threads])
def test_a_run_ends_if_unfinished_calls_take_all_its_connections(kind: Any) -> None:
    """The pushes that are left wait for a connection, and nobody uses those of the unfinished calls."""
    fleet = Fleet(threads=kind(), connections=2)
    own = supplied(*NAMES[:5])
    fleet.world.vendor.errors = [DeliveryUnknown("lost"), DeliveryUnknown("lost")]
    fleet.run(own)
    codes = sorted(code for each in own.outcomes.values() for code in each)
    assert codes == ["connections_busy"] * 3 + ["delivery_unknown"] * 2
    assert all(lease.owner.endswith("-unfinished") for lease in fleet.store.permits.leases.values())
    assert fleet.used == 2


def test_a_refused_push_and_a_duplicate_end_once_and_return_their_calls() -> None:
    """A call that was granted for a push that is not sent is returned at the end."""
    fleet = Fleet()
    fleet.world.ledger.put("key-n-1", Outcome.DELIVERED)
    fleet.world.vendor.errors = [VendorRejected("no")]
    own = supplied(*NAMES[:3])
    fleet.run(own)
    assert own.outcomes == {
        "n-1": [Outcome.DUPLICATE],
        "n-2": ["vendor_rejected"],
        "n-3": [Outcome.DELIVERED],
    }
    assert fleet.used == 2
    assert fleet.store.permits.calls[TODAY].used == 2


def test_without_permits_every_push_ends_and_nothing_is_claimed_for_long() -> None:
    """The ledger parks what was claimed while the permits could not be read."""
    fleet = Fleet()
    fleet.store.error = LedgerUnavailable("down")
    own = supplied(*NAMES)
    fleet.run(own)
    assert own.outcomes == {name: ["ledger_unavailable"] for name in NAMES}
    assert not [key for key, status in fleet.world.ledger.states.items() if status is None]
    assert fleet.called == []


def test_a_drain_without_a_connection_takes_nothing() -> None:
    """It returns that there is more, so that another worker is woken."""
    fleet = Fleet(connections=1)
    other = fleet.process().session(lambda: 60.0)
    other.ask([], 1)
    more = supplied("n-1")
    assert fleet.run(supplied(), more, drains=True).has_more
    assert more.takes == 0


def test_a_drain_takes_what_is_announced_during_its_last_call() -> None:
    """It has seen the end of the backlog by then, and nobody else is woken for the event."""
    fleet = Fleet(threads=threads())
    vendor, more = held(fleet), supplied("n-1")
    with beside(lambda: fleet.run(supplied(), more, drains=True)):
        vendor.wait_until_begun("n-1")
        wait_for(more.changed, lambda: more.takes >= 2)
        more.left.append(task("n-2"))
        assert fleet.process().announce() is None
        fleet.clock.time += LOOK_SECS
        # The second push is sent beside the first one.
        vendor.wait_until_begun("n-2")
        vendor.answer_all()
    assert more.outcomes == {name: [Outcome.DELIVERED] for name in NAMES[:2]}
    assert not fleet.store.permits.announced


def test_a_drain_goes_on_with_what_is_announced_at_its_end() -> None:
    """Its last write of the permits finds the mark, and keeps the connections."""
    fleet = Fleet()
    more = supplied("n-1")

    def announce(*_: Any) -> None:
        if len(fleet.called) == 1:
            more.left.append(task("n-2"))
            assert fleet.process().announce() is None

    fleet.world.vendor.judge = announce
    end = fleet.run(supplied(), more, drains=True)
    assert fleet.called == ["n-1", "n-2"]
    assert not end.has_more


def test_a_drain_that_runs_out_of_time_returns_that_there_is_more() -> None:
    """Also if the only thing that is left was announced at its end."""
    fleet = Fleet()
    more = supplied(*NAMES)
    fleet.world.context.seconds = 12.0
    assert fleet.run(supplied(), more, drains=True).has_more
    assert fleet.called == []
    fleet.world.context.seconds = 30.0

    def announce(*_: Any) -> None:
        fleet.world.context.seconds = 8.0
        assert fleet.process().announce() is None

    fleet.world.vendor.judge = announce
    last = supplied("n-1")
    assert fleet.run(supplied(), last, drains=True).has_more


def test_a_worker_that_returns_connections_still_finds_what_was_announced() -> None:
    """It keeps one connection until its last write, which looks for the mark."""
    fleet = Fleet(threads=threads(), connections=2)
    vendor, own = held(fleet), supplied("n-1", "n-2")
    looking, looked = threading.Event(), threading.Event()

    def look(operation: str) -> bool:
        if operation == "read" and threading.current_thread() is not me[0]:
            looking.set()
            assert looked.wait(20)
        return False

    me = [threading.current_thread()]
    with beside(lambda: fleet.run(own, supplied())) as ended:
        vendor.wait_until_begun("n-1", "n-2")
        fleet.store.loses = look
        fleet.clock.time += LOOK_SECS
        # The run's own thread has read the permits, and is busy until the end of this test's steps.
        assert looking.wait(20)
        assert fleet.process().announce() is None
        vendor.answer_all()
        wait_for(vendor.changed, lambda: not vendor.in_use)
        looked.set()
    assert ended.result().announced

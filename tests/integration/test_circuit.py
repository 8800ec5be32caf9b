"""The circuit breaker on a real DynamoDB: one state for the fleet, and one probe while calls are stopped.

Each breaker that is made here belongs to a separate worker. The clock moves only if a test moves it.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from local_aws import LocalAws
from ports import CREDENTIALS, ROTATED, Clock, PushApi
from push_relay.adapters.dynamodb.table import Item, LedgerTable, text
from push_relay.core.account import Account
from push_relay.core.clock import CLOCK_SKEW_SECS
from push_relay.core.delivery.cooldown import FAILURES, FIRST_WAIT_SECS, PROBE_PAUSE_SECS, Cooldown
from push_relay.core.delivery.encoding import Credentials
from push_relay.core.errors import (
    CircuitOpen,
    DeliveryUnknown,
    LedgerUnavailable,
    QuotaExhausted,
    RelayError,
    VendorRejected,
    VendorThrottled,
    VendorUnauthorized,
    VendorUnavailable,
)
from push_relay.core.push import Push, Recipient, RecipientKind, Wording
from samples.version_before.circuit import FRESH_SECS, CircuitBreaker
from samples.version_before.cooldown_store import DynamoDbCooldown
from stores import Cooldowns

PUSH = Push(Recipient(RecipientKind.USER, "u-1"), Wording("t", "b"), "key")
KEY = {"pk": text("cooldown#default")}
DOWN, SLOW, REFUSED = VendorUnavailable("down"), VendorThrottled("slow"), VendorUnauthorized("401")


class Fleet:
    """Workers that share a table, a clock and a vendor."""

    def __init__(self, table: LedgerTable) -> None:
        """Begin without a worker."""
        self.table, self.vendor, self.clock = table, PushApi(), Clock()

    def breaker(self, check: Callable[[Push], None] = lambda _push: None) -> CircuitBreaker:
        """Start a worker."""
        store = DynamoDbCooldown(self.table, "default", self.clock.now)
        return CircuitBreaker(self.vendor, store, Account(), self.clock, check)

    def worker(self, credentials: Credentials = CREDENTIALS) -> Callable[[], None]:
        """Start a worker, and return a function that sends a push from it."""
        breaker = self.breaker()
        return lambda: breaker.send(PUSH, credentials, "-", 10.0)

    def fails(self, error: Exception | None) -> None:
        """Make the vendor fail from now on, or recover."""
        self.vendor.judge = lambda _push, _credentials: error

    def stop(self, error: RelayError = SLOW) -> None:
        """Let a worker open the circuit, and then let the vendor recover."""
        self.fails(error)
        with pytest.raises(type(error)):
            self.worker()()
        self.vendor.calls.clear()
        self.fails(None)

    def item(self) -> Item:
        """Return the stored item."""
        return self.table.get(Key=KEY)


@pytest.fixture
def fleet(local_stores: LocalAws) -> Fleet:
    """Return a fleet with a separate table."""
    return Fleet(local_stores.table())


def refused(send: Callable[[], None]) -> CircuitOpen:
    """Return the error with which a push was refused."""
    with pytest.raises(CircuitOpen) as refusal:
        send()
    return refusal.value


# --- the causes of a cool-down ---------------------------------------------------------------------------


@pytest.mark.parametrize("error", [DOWN, DeliveryUnknown("lost")], ids=str)
def test_consecutive_failures_stop_the_whole_fleet(fleet: Fleet, error: RelayError) -> None:
    """The failures may be spread over several workers. The last of them still reaches the vendor."""
    fleet.fails(error)
    for _ in range(FAILURES):
        with pytest.raises(type(error)):
            fleet.worker()()
    fleet.fails(None)
    for _ in range(3):
        refusal = refused(fleet.worker())
        assert refusal.retry_after == pytest.approx(FIRST_WAIT_SECS, abs=1)
        assert error.code in refusal.detail
    assert len(fleet.vendor.calls) == FAILURES


@pytest.mark.parametrize("end", [None, VendorRejected("no")], ids=str)
def test_an_answer_resets_the_count_of_failures(fleet: Fleet, end: RelayError | None) -> None:
    """An answer that rejects a push shows that the vendor works."""
    send = fleet.worker()
    for _ in range(3):
        fleet.fails(DOWN)
        for _ in range(FAILURES - 1):
            with pytest.raises(VendorUnavailable):
                send()
        fleet.fails(end)
        if end:
            with pytest.raises(VendorRejected):
                send()
        else:
            send()
    assert len(fleet.vendor.calls) == 3 * FAILURES


@pytest.mark.parametrize(
    "error",
    [SLOW, REFUSED, VendorThrottled("slow", retry_after=2), VendorUnavailable("503", retry_after=2)],
    ids=repr,
)
def test_an_answer_that_demands_fewer_calls_stops_them_at_once(fleet: Fleet, error: RelayError) -> None:
    """Only one call is spent to learn it."""
    fleet.stop(error)
    with pytest.raises(VendorUnauthorized if error is REFUSED else CircuitOpen):
        fleet.worker()()
    assert not fleet.vendor.calls


@pytest.mark.parametrize(
    "error", [QuotaExhausted("used up"), LedgerUnavailable("down"), RuntimeError("planted")], ids=str
)
def test_a_push_that_did_not_reach_the_vendor_does_not_change_the_state(
    fleet: Fleet, error: Exception
) -> None:
    """Such an error neither stops calls nor resets the count of failures."""
    send = fleet.worker()
    fleet.vendor.errors = [*[DOWN] * (FAILURES - 1), *[error] * 9, DOWN]
    for _ in range(FAILURES + 9):
        with pytest.raises((VendorUnavailable, type(error))):
            send()
    refused(fleet.worker())


def test_every_worker_notices_within_a_second_that_calls_are_stopped(fleet: Fleet) -> None:
    """This holds even for workers that have just read that calls are allowed."""
    workers = [fleet.worker() for _ in range(8)]
    for send in workers:
        send()
    fleet.clock.time += FRESH_SECS
    fleet.vendor.calls.clear()
    fleet.fails(SLOW)
    for _ in range(20):
        for send in workers:
            with pytest.raises((VendorThrottled, CircuitOpen)):
                send()
    assert len(fleet.vendor.calls) == 1


# --- while calls are stopped -----------------------------------------------------------------------------


def test_no_push_is_sent_before_the_probe(fleet: Fleet) -> None:
    """The wait in a refusal becomes shorter. A worker that has read the state does not read it each time."""
    fleet.stop()
    breaker = fleet.breaker()
    assert breaker.refusal(PUSH) is None
    waits = []
    for _ in range(3):
        waits.append(refused(lambda: breaker.send(PUSH, CREDENTIALS, "-", 10.0)).retry_after)
        fleet.clock.time += 3
        fleet.table.name = "there is no such table"
    assert waits == [10, 7, 4]
    known = breaker.refusal(PUSH)
    assert isinstance(known, CircuitOpen)
    assert (known.retry_after, breaker.wait()) == (1, 1)
    fleet.clock.time += 1
    assert (breaker.refusal(PUSH), breaker.wait()) == (None, None)
    assert not fleet.vendor.calls


def test_only_one_of_many_waiting_pushes_is_the_probe(fleet: Fleet) -> None:
    """This holds across workers and threads. The other pushes return soon."""
    fleet.stop()
    fleet.clock.time += FIRST_WAIT_SECS
    arrived, answer = threading.Event(), threading.Event()

    def judge(_push: object, _credentials: object) -> None:
        arrived.set()
        answer.wait(60)

    fleet.vendor.judge = judge
    workers = [fleet.worker() for _ in range(4)]
    start = threading.Barrier(12)

    def send(number_: int) -> float | None:
        start.wait(60)
        try:
            workers[number_ % 4]()
        except CircuitOpen as exc:
            return exc.retry_after
        return None

    with ThreadPoolExecutor(12) as threads:
        sending = [threads.submit(send, n) for n in range(12)]
        assert arrived.wait(60)
        deadline = time.monotonic() + 60
        while sum(each.done() for each in sending) < 11 and time.monotonic() < deadline:
            threading.Event().wait(0.01)
        assert len(fleet.vendor.calls) == 1
        answer.set()
        waits = [each.result() for each in sending]
    assert waits.count(None) == 1
    assert {wait for wait in waits if wait is not None} == {PROBE_PAUSE_SECS}


@pytest.mark.parametrize("answer", [None, VendorRejected("no")], ids=str)
def test_an_answered_probe_closes_the_circuit_for_all_workers(
    fleet: Fleet, answer: RelayError | None
) -> None:
    """An answer that rejects the push is enough, and no worker waits for a second probe."""
    fleet.stop()
    waiting = fleet.worker()
    refused(waiting)
    fleet.clock.time += FIRST_WAIT_SECS
    fleet.fails(answer)
    try:
        fleet.worker()()
    except RelayError as exc:
        assert exc is answer  # noqa: PT017 (None is as good)
    fleet.fails(None)
    for send in (waiting, fleet.worker()):
        send()
    assert len(fleet.vendor.calls) == 3


def test_a_failed_probe_makes_the_next_wait_longer(fleet: Fleet) -> None:
    """The longer wait applies to all workers."""
    fleet.stop()
    waits = []
    for _ in range(4):
        fleet.fails(DOWN)
        fleet.clock.time += 3600
        with pytest.raises(VendorUnavailable):
            fleet.worker()()
        waits.append(refused(fleet.worker()).retry_after or 0.0)
    assert waits == sorted(waits)
    assert FIRST_WAIT_SECS < waits[0] < waits[3] < 60
    assert len(fleet.vendor.calls) == 4


def test_another_worker_probes_if_the_probing_worker_dies(fleet: Fleet) -> None:
    """It takes over when the call must have ended. Until then no other worker probes."""
    fleet.stop()
    fleet.clock.time += FIRST_WAIT_SECS

    def die(_push: object, _credentials: object) -> None:
        raise SystemExit

    fleet.vendor.judge = die  # type: ignore[assignment]
    with ThreadPoolExecutor(1) as threads, pytest.raises(SystemExit):
        threads.submit(fleet.worker()).result()
    fleet.fails(None)
    fleet.clock.time += 10
    refused(fleet.worker())
    fleet.clock.time += CLOCK_SKEW_SECS
    fleet.worker()()
    fleet.worker()()
    assert len(fleet.vendor.calls) == 3


@pytest.mark.parametrize(
    "error",
    [QuotaExhausted("used up", retry_after=5000), LedgerUnavailable("down"), RuntimeError("planted")],
    ids=str,
)
def test_if_a_probe_does_not_reach_the_vendor_another_push_may_probe(fleet: Fleet, error: Exception) -> None:
    """The push may have had no call of the day left, whereas an urgent push still has one."""
    fleet.stop()
    fleet.clock.time += FIRST_WAIT_SECS
    fleet.fails(error)
    with pytest.raises(type(error)):
        fleet.worker()()
    fleet.fails(None)
    fleet.worker()()
    fleet.worker()()


def test_a_push_that_waits_for_midnight_is_not_the_probe(fleet: Fleet) -> None:
    """It does not return from the queue for each probe either."""
    fleet.stop()
    used_up = QuotaExhausted("used up", retry_after=5000)

    def check(push: Push) -> None:
        if not push.high:
            raise used_up

    breaker = fleet.breaker(check)
    for _ in range(2):
        with pytest.raises(QuotaExhausted):
            breaker.send(PUSH, CREDENTIALS, "-", 1.0)
        assert breaker.refusal(PUSH) is used_up
        fleet.clock.time += FIRST_WAIT_SECS
    breaker.send(replace(PUSH, high=True), CREDENTIALS, "-", 1.0)
    assert len(fleet.vendor.calls) == 1


def test_changed_credentials_need_no_probe(fleet: Fleet) -> None:
    """A person has corrected the secret. A worker that has read it may call, and then all workers may."""
    fleet.stop(REFUSED)
    old = fleet.breaker()
    with pytest.raises(VendorUnauthorized) as refusal:
        old.send(PUSH, CREDENTIALS, "-", 1.0)
    assert refusal.value.is_paced
    # Whether a push has to wait depends on the credentials, so it is not refused before these are read.
    assert old.refusal(PUSH) is None
    assert old.wait() is not None
    fleet.worker(ROTATED)()
    fleet.clock.time += FRESH_SECS
    fleet.worker()()
    assert len(fleet.vendor.calls) == 2
    assert "planted" not in str(fleet.item())


def test_changed_credentials_do_not_help_against_throttling(fleet: Fleet) -> None:
    """The vendor throttles the account and not the credentials."""
    fleet.stop(SLOW)
    refused(fleet.worker(ROTATED))


# --- the cost, and failures of the table ------------------------------------------------------------------


def test_while_the_vendor_answers_nothing_is_written_and_little_is_read(fleet: Fleet) -> None:
    """A worker reads the state once a second."""
    breaker = fleet.breaker()
    for _ in range(20):
        breaker.send(PUSH, CREDENTIALS, "-", 1.0)
    assert fleet.item() == {}
    fleet.table.name = "there is no such table"
    breaker.send(PUSH, CREDENTIALS, "-", 1.0)
    fleet.clock.time += FRESH_SECS
    with pytest.raises(LedgerUnavailable):
        breaker.send(PUSH, CREDENTIALS, "-", 1.0)
    assert len(fleet.vendor.calls) == 21


def test_a_failure_that_cannot_be_stored_is_remembered_by_its_worker(fleet: Fleet) -> None:
    """The push keeps its own outcome. While the ledger is down, other workers cannot claim pushes either."""
    breaker = fleet.breaker()
    breaker.send(PUSH, CREDENTIALS, "-", 1.0)
    fleet.fails(SLOW)
    fleet.table.name = "there is no such table"
    with pytest.raises(VendorThrottled):
        breaker.send(PUSH, CREDENTIALS, "-", 1.0)
    assert breaker.wait() == FIRST_WAIT_SECS
    refused(lambda: breaker.send(PUSH, CREDENTIALS, "-", 1.0))


def test_reading_the_state_is_part_of_the_time_for_the_call(fleet: Fleet) -> None:
    """A slow table must not make the call outlive the invocation: it would be killed after sending."""
    moments = iter([100.0, 100.75])
    fleet.clock.monotonic = lambda: next(moments)  # type: ignore[method-assign]
    fleet.worker()()
    assert [call.timeout for call in fleet.vendor.calls] == [9.25]


def test_a_worker_gives_up_if_others_keep_changing_the_state() -> None:
    """The push keeps its own outcome, and the worker continues with the state that it has read last."""

    class Busy(Cooldowns):
        def swap(self, _before: Cooldown, _after: Cooldown) -> Cooldown:
            self.reads += 1
            self.state = Cooldown(stamp=str(self.reads))
            return self.state

    vendor, clock, store = PushApi(), Clock(), Busy()
    breaker = CircuitBreaker(vendor, store, Account(), clock)
    vendor.errors = [SLOW]
    with pytest.raises(VendorThrottled):
        breaker.send(PUSH, CREDENTIALS, "-", 1.0)
    assert breaker.wait() == FIRST_WAIT_SECS
    assert store.reads > 20

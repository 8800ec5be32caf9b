"""The circuit breaker on a real DynamoDB: one for the fleet, and a single probe while it is open.

Every breaker made here is a worker of its own: nothing of the table is remembered from one to the next. Time
passes by setting the circuit's item back.
"""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from aws_lambda_powertools.utilities.circuit_breaker import base

from fakes import CREDENTIALS, PushApi
from local_aws import LocalAws
from push_relay.adapters.pace import Circuit, CircuitBreaker
from push_relay.adapters.table import Table, number
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
from push_relay.core.push import Message, Push, Recipient, RecipientKind

PUSH = Push(Recipient(RecipientKind.USER, "u-1"), Message("t", "b"), "key")
CIRCUIT = Circuit()
KEY = {"pk": {"S": "circuit#default"}}


class Fleet:
    """Workers that share a table and a vendor."""

    def __init__(self, table: Table) -> None:
        """Know the vendor."""
        self.table, self.vendor = table, PushApi()

    def worker(self) -> Callable[[], None]:
        """Start a worker, and return what sends a push from it."""
        breaker = CircuitBreaker(self.vendor, self.table, time.time)
        return lambda: breaker.send(PUSH, CREDENTIALS, "-", 1.0)

    def fails(self, error: RelayError | None) -> None:
        """Have the vendor fail from now on, or recover."""
        self.vendor.judge = lambda _push, _credentials: error

    def open(self) -> None:
        """Fail until the circuit opens."""
        self.fails(VendorUnavailable("down"))
        send = self.worker()
        for _ in range(CIRCUIT.failures):
            with pytest.raises(VendorUnavailable):
                send()
        self.vendor.calls.clear()
        self.fails(None)

    def pass_time(self, seconds: int) -> None:
        """Set the circuit's moments back."""
        item = self.table.get(Key=KEY)
        moments = {name: item[name]["N"] for name in ("opened_at", "probe_lease_expiry") if name in item}
        self.table.update(
            Key=KEY,
            UpdateExpression="SET " + ", ".join(f"{name} = :{name}" for name in moments),
            ExpressionAttributeValues={f":{k}": number(int(v) - seconds) for k, v in moments.items()},
        )


@pytest.fixture
def fleet(local_stores: LocalAws) -> Iterator[Fleet]:
    """Return a fleet with a table of its own; Powertools counts in the module, for the process's life."""
    counts = (base._LOCAL_FAILURES, base._LOCAL_SUCCESSES, base._LAST_OBSERVED_STATE)
    for count in counts:
        count.clear()
    yield Fleet(local_stores.table())
    for count in counts:
        count.clear()


def refused(send: Callable[[], None]) -> CircuitOpen:
    """Return why a push was not sent."""
    with pytest.raises(CircuitOpen) as told:
        send()
    return told.value


@pytest.mark.parametrize("error", [VendorUnavailable("down"), DeliveryUnknown("lost")], ids=str)
def test_five_failures_in_a_row_open_the_circuit_for_everybody(fleet: Fleet, error: RelayError) -> None:
    """The fifth still reaches the vendor; from then on nobody's does."""
    fleet.fails(error)
    send = fleet.worker()
    for _ in range(5):
        with pytest.raises(type(error)):
            send()
    fleet.fails(None)
    for other in (send, fleet.worker(), fleet.worker()):
        told = refused(other)
        assert told.retry_after is not None
        assert 1 <= told.retry_after <= CIRCUIT.recovery
    assert len(fleet.vendor.calls) == 5


def test_four_failures_do_not(fleet: Fleet) -> None:
    """Nor four more after a success."""
    send = fleet.worker()
    for _ in range(2):
        fleet.vendor.errors = [VendorUnavailable("down")] * 4
        for _ in range(4):
            with pytest.raises(VendorUnavailable):
                send()
        send()
    assert len(fleet.vendor.calls) == 10


@pytest.mark.parametrize(
    "answer",
    [VendorRejected("no"), VendorThrottled("slow", retry_after=9), VendorUnauthorized("401")],
    ids=str,
)
def test_an_answer_is_no_failure_and_ends_a_row_of_them(fleet: Fleet, answer: RelayError) -> None:
    """Whoever refuses is alive; the refusal comes through as it is."""
    send = fleet.worker()
    for error in [*[VendorUnavailable("down")] * 4, *[answer] * 9, *[VendorUnavailable("down")] * 4]:
        fleet.fails(error)
        with pytest.raises(type(error)) as told:
            send()
        assert told.value is error
    fleet.fails(None)
    send()
    fleet.worker()()


@pytest.mark.parametrize(
    "error", [QuotaExhausted("used up"), LedgerUnavailable("down"), RuntimeError("planted")], ids=str
)
def test_what_never_reached_the_vendor_says_nothing_of_it(fleet: Fleet, error: Exception) -> None:
    """It neither opens the circuit nor ends a row of failures."""
    send = fleet.worker()
    fleet.vendor.errors = [*[VendorUnavailable("down")] * 4, *[error] * 9, VendorUnavailable("down")]
    for _ in range(14):
        with pytest.raises((VendorUnavailable, type(error))):
            send()
    refused(fleet.worker())


def test_nothing_is_sent_while_it_is_open(fleet: Fleet) -> None:
    """Until the recovery time is over; the wait that is told grows shorter."""
    fleet.open()
    waits = []
    for _ in range(3):
        waits.append(refused(fleet.worker()).retry_after or 0.0)
        fleet.pass_time(9)
    assert [round(first - second) for first, second in itertools.pairwise(waits)] == [9, 9]
    assert not fleet.vendor.calls


def test_what_waits_for_midnight_anyway_does_not_wait_for_a_probe(fleet: Fleet) -> None:
    """It would come back for each of them, all day."""
    fleet.open()
    used_up = QuotaExhausted("used up", retry_after=5000)

    def check(push: Push) -> None:
        assert push is PUSH
        raise used_up

    breaker = CircuitBreaker(fleet.vendor, fleet.table, time.time, check)
    with pytest.raises(QuotaExhausted) as told:
        breaker.send(PUSH, CREDENTIALS, "-", 1.0)
    assert told.value is used_up
    assert not fleet.vendor.calls


def test_what_waits_for_midnight_anyway_is_not_the_probe(fleet: Fleet) -> None:
    """It would take the probe's lease and call nobody, and what may still be sent would wait for the next."""
    fleet.open()
    fleet.pass_time(CIRCUIT.recovery)

    def check(push: Push) -> None:
        if not push.high:
            raise QuotaExhausted("used up", retry_after=5000)

    breaker = CircuitBreaker(fleet.vendor, fleet.table, time.time, check)
    with pytest.raises(QuotaExhausted):
        breaker.send(PUSH, CREDENTIALS, "-", 1.0)
    breaker.send(replace(PUSH, high=True), CREDENTIALS, "-", 1.0)
    assert len(fleet.vendor.calls) == 1


def test_reading_the_circuit_takes_of_the_time_to_send(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow table must not make the call outlive the invocation: it would be killed after sending."""
    moments = iter([100.0, 100.75])
    monkeypatch.setattr("push_relay.adapters.pace.monotonic", lambda: next(moments))
    fleet.worker()()
    assert [call.timeout for call in fleet.vendor.calls] == [0.25]


def test_one_probe_alone_goes_out_however_many_want_to(fleet: Fleet) -> None:
    """Over workers and threads; the others are told to wait, not for the whole recovery time again."""
    fleet.open()
    fleet.pass_time(CIRCUIT.recovery)
    arrived, answer = threading.Event(), threading.Event()

    def judge(_push: object, _credentials: object) -> None:
        arrived.set()
        answer.wait(30)

    fleet.vendor.judge = judge  # type: ignore[assignment]
    workers = [fleet.worker() for _ in range(4)]
    start = threading.Barrier(12)

    def send(number_: int) -> float | None:
        start.wait(30)
        try:
            workers[number_ % 4]()
        except CircuitOpen as exc:
            return exc.retry_after
        return None

    with ThreadPoolExecutor(12) as threads:
        sending = [threads.submit(send, n) for n in range(12)]
        assert arrived.wait(30)
        deadline = time.monotonic() + 30
        while sum(each.done() for each in sending) < 11 and time.monotonic() < deadline:
            threading.Event().wait(0.01)
        assert len(fleet.vendor.calls) == 1
        answer.set()
        waits = [each.result() for each in sending]
    assert waits.count(None) == 1
    assert all(1 <= wait <= CIRCUIT.recovery for wait in waits if wait is not None)


@pytest.mark.parametrize("answer", [None, VendorRejected("no"), VendorThrottled("slow")], ids=str)
def test_a_probe_that_is_answered_closes_the_circuit_for_everybody(
    fleet: Fleet, answer: RelayError | None
) -> None:
    """A refusal too; nobody waits for a second one."""
    fleet.open()
    fleet.pass_time(CIRCUIT.recovery)
    fleet.fails(answer)
    try:
        fleet.worker()()
    except RelayError as exc:
        assert exc is answer  # noqa: PT017 (None is as good)
    fleet.fails(None)
    with ThreadPoolExecutor(1) as another:
        another.submit(fleet.worker()).result()
    assert len(fleet.vendor.calls) == 2


def test_a_probe_that_fails_opens_it_anew(fleet: Fleet) -> None:
    """For the whole recovery time."""
    fleet.open()
    fleet.pass_time(CIRCUIT.recovery)
    fleet.fails(VendorUnavailable("still down"))
    with pytest.raises(VendorUnavailable):
        fleet.worker()()
    told = refused(fleet.worker())
    assert (told.retry_after or 0) > CIRCUIT.recovery - 5
    assert len(fleet.vendor.calls) == 1


def test_a_probe_whose_worker_dies_is_taken_over(fleet: Fleet) -> None:
    """When its lease has ended; until then nobody else probes."""
    fleet.open()
    fleet.pass_time(CIRCUIT.recovery)

    def die(_push: object, _credentials: object) -> None:
        raise SystemExit

    fleet.vendor.judge = die  # type: ignore[assignment]
    with ThreadPoolExecutor(1) as threads, pytest.raises(SystemExit):
        threads.submit(fleet.worker()).result()
    fleet.fails(None)
    refused(fleet.worker())
    fleet.pass_time(CIRCUIT.recovery)
    fleet.worker()()
    fleet.worker()()
    assert len(fleet.vendor.calls) == 3

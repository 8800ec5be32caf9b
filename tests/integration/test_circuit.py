"""The circuit of an account on a real DynamoDB: one state for the fleet, and one probe at a time.

Each worker that is made here is a process of its own. The clock moves only if a test moves it.
tests/unit/test_permits.py has the rest of the rules.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from account_fleet import HIGH, NORMAL, Fleet
from local_aws import LocalAws
from ports import ROTATED
from push_relay.core.account import Account
from push_relay.core.clock import CLOCK_SKEW_SECS
from push_relay.core.delivery.cooldown import FAILURES, FIRST_WAIT_SECS
from push_relay.core.delivery.permit_session import MARGIN_SECS, RENEWAL_SECS
from push_relay.core.errors import (
    CircuitOpen,
    ConnectionsBusy,
    DeliveryUnknown,
    LedgerUnavailable,
    QuotaExhausted,
    RelayError,
    VendorThrottled,
    VendorUnauthorized,
    VendorUnavailable,
)
from push_relay.core.push import Push

DOWN, SLOW, REFUSED = VendorUnavailable("down"), VendorThrottled("slow"), VendorUnauthorized("401")


@pytest.fixture
def fleet(local_stores: LocalAws) -> Fleet:
    """Return a fleet with a separate table."""
    return Fleet(local_stores.table())


def refused(send: Callable[[Push], None], push: Push = NORMAL) -> CircuitOpen:
    """Return the error with which a push was refused."""
    with pytest.raises(CircuitOpen) as refusal:
        send(push)
    return refusal.value


@pytest.mark.parametrize("error", [DOWN, DeliveryUnknown("lost")], ids=str)
def test_consecutive_failures_stop_the_whole_fleet(fleet: Fleet, error: RelayError) -> None:
    """The failures may be spread over several workers. The last of them still reaches the vendor."""
    fleet.fails(error)
    for _ in range(FAILURES):
        with pytest.raises(type(error)):
            fleet.worker(Account(connections=9))(NORMAL)
    fleet.fails(None)
    for _ in range(3):
        refusal = refused(fleet.worker(Account(connections=9)))
        assert refusal.retry_after == pytest.approx(FIRST_WAIT_SECS, abs=1)
        assert error.code in refusal.detail
    assert len(fleet.vendor.calls) == FAILURES


@pytest.mark.parametrize(
    "error",
    [SLOW, REFUSED, VendorThrottled("slow", retry_after=2), VendorUnavailable("503", retry_after=2)],
    ids=repr,
)
def test_an_answer_that_demands_fewer_calls_stops_them_at_once(fleet: Fleet, error: RelayError) -> None:
    """Only one call is spent to learn it."""
    fleet.stop(error)
    with pytest.raises(VendorUnauthorized if error is REFUSED else CircuitOpen):
        fleet.worker()(NORMAL)
    assert not fleet.vendor.calls


def test_only_one_of_many_waiting_pushes_is_the_probe(fleet: Fleet) -> None:
    """This holds across workers and threads."""
    fleet.stop(SLOW)
    fleet.clock.time += FIRST_WAIT_SECS
    start, answer = threading.Barrier(6), threading.Event()
    ended = threading.Semaphore(0)

    def judge(_push: object, _credentials: object) -> None:
        answer.wait(60)

    fleet.vendor.judge = judge

    def send(number: int) -> str:
        worker = fleet.worker()
        start.wait(60)
        try:
            worker(replace(NORMAL, key=f"k-{number}"))
        except (CircuitOpen, ConnectionsBusy, LedgerUnavailable) as exc:
            ended.release()
            return exc.code
        return "sent"

    with ThreadPoolExecutor(6) as threads:
        sending = [threads.submit(send, number) for number in range(6)]
        for _ in range(5):
            assert ended.acquire(timeout=60)
        assert len(fleet.vendor.calls) == 1
        answer.set()
        codes = [each.result() for each in sending]
    assert codes.count("sent") == 1
    assert codes.count(CircuitOpen.code) >= 1
    for _ in range(2):
        fleet.worker()(NORMAL)


def test_another_worker_probes_if_the_probing_worker_dies(fleet: Fleet) -> None:
    """It takes over when the call must have ended. Until then no other worker probes."""
    fleet.stop(SLOW)
    fleet.clock.time += FIRST_WAIT_SECS
    account = Account()
    dead = fleet.permits().session(lambda: 60.0)
    assert list(dead.ask([NORMAL], 1)) == [None]
    longest = account.connect_timeout_secs + account.read_timeout_secs + MARGIN_SECS + RENEWAL_SECS
    fleet.clock.time += longest
    refused(fleet.worker())
    assert not fleet.vendor.calls
    fleet.clock.time += CLOCK_SKEW_SECS + 1
    fleet.worker()(NORMAL)
    fleet.worker()(NORMAL)
    assert len(fleet.vendor.calls) == 2


def test_a_push_that_waits_for_midnight_is_not_the_probe(fleet: Fleet) -> None:
    """An urgent push still has a call of the day."""
    fleet.spent(2249)
    fleet.stop(SLOW)
    fleet.clock.time += FIRST_WAIT_SECS
    with pytest.raises(QuotaExhausted):
        fleet.worker()(NORMAL)
    assert not fleet.stored().cooldown.probe
    fleet.worker()(HIGH)
    assert [call.push for call in fleet.vendor.calls] == [HIGH]


def test_changed_credentials_help_against_a_refusal_and_not_against_throttling(fleet: Fleet) -> None:
    """The vendor throttles the account and not the credentials."""
    fleet.stop(SLOW)
    refused(fleet.worker(credentials=ROTATED))
    fleet.clock.time += FIRST_WAIT_SECS
    fleet.worker()(NORMAL)
    fleet.stop(REFUSED)
    with pytest.raises(VendorUnauthorized):
        fleet.worker()(NORMAL)
    fleet.worker(credentials=ROTATED)(NORMAL)
    fleet.worker(credentials=ROTATED)(NORMAL)


def test_each_account_has_a_separate_state(fleet: Fleet) -> None:
    """If the calls of one organisation are stopped, those of another are not."""
    fleet.stop(SLOW)
    fleet.worker(name="bakery")(NORMAL)
    refused(fleet.worker())
    assert fleet.stored("bakery").cooldown.until == 0

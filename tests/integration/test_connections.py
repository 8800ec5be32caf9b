"""Workers share the account's connections on a real DynamoDB, and never use more than it has.

tests/unit/test_permits.py has the rules of a lease, and test_permits.py here what is special in DynamoDB.
"""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from account_fleet import NORMAL, Fleet
from local_aws import LocalAws
from ports import CREDENTIALS, Clock
from push_relay.core.account import Account
from push_relay.core.errors import ConnectionsBusy


class RealClock(Clock):
    """A clock that moves. The knowledge of a worker is outdated after a while."""

    def now(self) -> float:
        """Return the time of day."""
        return time.time()

    def monotonic(self) -> float:
        """Return the machine's uptime."""
        return time.monotonic()


@pytest.fixture
def fleet(local_stores: LocalAws) -> Fleet:
    """Return a fleet with a separate table."""
    return Fleet(local_stores.table())


@pytest.mark.parametrize(("workers", "limit"), [(6, 3), (10, 3), (2, 1), (3, 2)])
def test_never_more_calls_run_than_the_account_has_connections(
    fleet: Fleet, workers: int, limit: int
) -> None:
    """All workers send all of their pushes: one without a connection tries again."""
    fleet.clock = RealClock()
    deadline = time.monotonic() + 60
    counting = threading.Lock()
    account = Account(connections=limit)
    now = most = sent = 0

    def call(*_: object) -> None:
        nonlocal now, most, sent
        with counting:
            now += 1
            most = max(most, now)
        time.sleep(0.05)
        with counting:
            now -= 1
            sent += 1

    fleet.vendor.judge = call

    def work(worker: int) -> None:
        permits = fleet.permits(account)
        left = [replace(NORMAL, key=f"{worker}-{number}") for number in range(4)]
        while left:
            assert time.monotonic() < deadline
            session = permits.session(lambda: 60.0)
            refusals = session.ask(left, min(2, limit))
            granted = [push for push, refusal in zip(left, refusals, strict=True) if refusal is None]

            def send(push: object, session: object = session) -> None:
                assert isinstance(push, type(NORMAL))
                with session.call(push, CREDENTIALS, 10.0) as seconds:  # type: ignore[attr-defined]
                    fleet.vendor.send(push, CREDENTIALS, "-", seconds)

            with ThreadPoolExecutor(limit) as threads:
                list(threads.map(send, granted[: session.connections]))
            left = [push for push in left if push not in granted[: session.connections]]
            session.finish()
            time.sleep(0.02)

    with ThreadPoolExecutor(workers) as threads:
        list(threads.map(work, range(workers)))
    assert (sent, now, most) == (4 * workers, 0, limit)
    stored = fleet.stored()
    # A call that was granted and not made was returned.
    assert [calls.used for calls in stored.calls.values()] == [4 * workers]
    assert stored.leases == {}


def test_each_account_has_separate_connections(fleet: Fleet) -> None:
    """One organisation's pushes must not wait for the calls of another."""
    pushes = [replace(NORMAL, key=str(number)) for number in range(3)]
    busy = fleet.permits().session(lambda: 60.0)
    assert list(busy.ask(pushes, 3)) == [None] * 3
    with pytest.raises(ConnectionsBusy):
        fleet.worker()(NORMAL)
    fleet.worker(name="bakery")(NORMAL)
    assert len(fleet.vendor.calls) == 1
    busy.finish()
    fleet.worker()(NORMAL)

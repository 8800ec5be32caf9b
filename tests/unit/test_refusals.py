"""Credentials that the vendor has refused are not sent again: each call is one of 2,500 a day."""

import json
from dataclasses import replace
from itertools import count, pairwise

import pytest

from permit_stores import PermitStore
from ports import CREDENTIALS, ROTATED, Clock, PushApi
from push_relay.core.account import Account
from push_relay.core.delivery.account_permits import AccountPermits
from push_relay.core.delivery.cooldown import FIRST_WAIT_SECS, SECRET_LOOK_SECS
from push_relay.core.delivery.credentials import StoredPushCredentials
from push_relay.core.delivery.quota import Quota
from push_relay.core.delivery.sender import Sender
from push_relay.core.errors import (
    CredentialsUnavailable,
    DeliveryUnknown,
    RelayError,
    VendorRejected,
    VendorUnauthorized,
    VendorUnavailable,
)
from push_relay.core.event import Event
from push_relay.core.outcomes import Outcome
from push_relay.core.push import Push, Receipt, Recipient, RecipientKind, Wording
from push_relay.core.secret import MIN_REFETCH_SECS, CachedSecret
from stores import Ledger

NOW = 1_800_000_000.0
EVENT = Event("bakery", "e-1", "baked", {}, NOW, "i", "c-1")
PUSH = Push(Recipient(RecipientKind.USER, "u-1"), Wording("Bread", "warm"), "key")
REFUSED = (Outcome.PARKED, "vendor_unauthorized")
DELIVERED = (Outcome.DELIVERED, None)


class Worker:
    """A sender with its permits and credentials, Secrets Manager, and the vendor."""

    def __init__(self, other: "Worker | None" = None) -> None:
        """Begin with credentials that the vendor refuses. Two pair share all but their own memory."""
        self.clock, self.vendor, self.ledger = Clock(NOW), PushApi(), Ledger()
        self.stored, self.accepted = CREDENTIALS, ROTATED
        self.store = PermitStore()
        if other:
            self.clock, self.vendor, self.store = other.clock, other.vendor, other.store
        else:
            self.vendor.judge = self._judge
        self.reads: list[float] = []
        self.down = False
        held = StoredPushCredentials(CachedSecret(self._read, self.clock.now, self.clock.monotonic))
        self.permits = AccountPermits(
            self.store, Quota(Account(), {}), self.clock, lambda _calls, _limit: None, lambda _secs: None
        )
        self.sender = Sender(self.ledger, held, self.vendor, self.permits, self.clock)
        self._numbers = count()

    def _judge(self, _push: Push, given: object) -> Exception | None:
        return None if given == self.accepted else VendorUnauthorized("401")

    def _read(self) -> str:
        self.reads.append(self.clock.time)
        if self.down:
            raise CredentialsUnavailable("a secret cannot be read from Secrets Manager (Fake)")
        return json.dumps(
            {"CompanyId": self.stored.company_id, "IntegrationKey": self.stored.integration_key}
        )

    def send(self) -> Receipt:
        """Send another push, as a run does."""
        push = replace(PUSH, key=f"key-{next(self._numbers)}")
        if waiting := self.sender.waiting(EVENT, push) or self.sender.claim(EVENT, push, _left):
            return waiting
        session = self.permits.session(_left)
        (refusal,) = session.ask([push], 1)
        if refusal:
            receipt = self.sender.paced(Receipt.of_error(EVENT, refusal, push))
        else:
            receipt = self.sender.send(EVENT, push, session, _left)
        session.finish()
        return self.sender.recorded(push, receipt)

    def is_open(self) -> bool:
        """Return whether a drain would take an event from the backlog."""
        return self.permits.is_open(self.sender.credentials.refreshed, high=False)

    def stop_until(self, until: int) -> None:
        """Let all workers wait until a moment for the next probe."""
        permits = self.store.permits
        self.store.permits = permits._replace(
            cooldown=permits.cooldown._replace(until=until), stamp=f"until-{until}"
        )

    def outcome(self) -> tuple[Outcome, str | None]:
        """Send another push, and return its outcome and error code."""
        receipt = self.send()
        return receipt.outcome, receipt.error_code

    @property
    def calls(self) -> int:
        """The number of calls that the vendor has seen."""
        return len(self.vendor.calls)


def _left() -> float:
    return 30.0


def test_refused_credentials_cost_one_call_and_later_pushes_cost_none() -> None:
    """The later pushes are parked with the same code. They have no latency, as the vendor was not called."""
    worker = Worker()
    first = worker.send()
    assert (first.latency_ms, first.retry_after, first.is_paced) == (0, FIRST_WAIT_SECS, True)
    for _ in range(100):
        receipt = worker.send()
        assert (receipt.outcome, receipt.error_code, receipt.is_paced) == (*REFUSED, True)
        assert receipt.latency_ms is None
    assert worker.calls == 1
    assert not worker.ledger.states


def test_a_day_of_refused_credentials_costs_as_few_calls_as_an_outage() -> None:
    """The vendor may have been wrong, so probes are sent, and two pair share the knowledge of them.

    The secret is read at most once a minute.
    """
    worker = Worker()
    pair = [worker, Worker(worker)]
    for turn in range(86_400 // 20):
        assert pair[turn % 2].outcome() == REFUSED
        worker.clock.time += 20
    assert 30 < worker.calls <= 50
    for each in pair:
        assert len(each.reads) <= 86_400 / MIN_REFETCH_SECS + 1
        assert min(later - earlier for earlier, later in pairwise(each.reads[1:])) >= MIN_REFETCH_SECS == 60


def test_a_waiting_push_reads_the_secret_again_now_and_then() -> None:
    """The next probe may be an hour away, and reading the secret costs no call of the vendor."""
    worker = Worker()
    for _ in range(40):
        worker.outcome()
        worker.clock.time += 4000
    assert worker.send().retry_after == SECRET_LOOK_SECS
    assert worker.permits.refusal(PUSH) is None


def test_changed_credentials_are_used_as_soon_as_they_are_read() -> None:
    """They are used within a minute of the change, no call is made with the old ones, and all pair resume."""
    worker = Worker()
    assert worker.outcome() == REFUSED
    other = Worker(worker)
    worker.stored = other.stored = ROTATED
    assert worker.outcome() == REFUSED  # the secret was read a moment ago
    worker.clock.time += MIN_REFETCH_SECS
    worker.stop_until(int(NOW) + 3600)
    assert [worker.outcome() for _ in range(3)] == [DELIVERED] * 3
    assert [call.credentials for call in worker.vendor.calls] == [CREDENTIALS, ROTATED, ROTATED, ROTATED]
    assert other.outcome() == DELIVERED


def test_a_worker_that_made_no_refused_call_reads_the_secret_again_too() -> None:
    """It still has the credentials that another worker's call has shown to be refused."""
    worker = Worker()
    other = Worker(worker)
    other.sender.credentials.current()
    worker.outcome()
    other.stored = ROTATED
    assert other.outcome() == DELIVERED
    assert [call.credentials for call in worker.vendor.calls] == [CREDENTIALS, ROTATED]


def test_changed_credentials_that_are_refused_too_are_not_sent_again() -> None:
    """Each of the two costs one call, and then no further call is made."""
    worker = Worker()
    worker.outcome()
    worker.stored, worker.accepted = ROTATED, replace(ROTATED, company_id=1)
    worker.clock.time += MIN_REFETCH_SECS
    worker.stop_until(int(NOW) + 3600)
    for _ in range(10):
        assert worker.outcome() == REFUSED
    assert [call.credentials for call in worker.vendor.calls] == [CREDENTIALS, ROTATED]


def test_the_next_probe_notices_that_the_vendor_accepts_the_credentials_again() -> None:
    """One push is the probe, and then the pushes of every worker are delivered."""
    worker = Worker()
    worker.outcome()
    other = Worker(worker)
    assert other.outcome() == REFUSED
    worker.accepted = CREDENTIALS
    worker.clock.time += FIRST_WAIT_SECS - 1
    assert worker.outcome() == REFUSED
    worker.clock.time += 1
    assert [each.outcome() for each in (worker, other, worker)] == [DELIVERED] * 3
    assert worker.calls == 4


@pytest.mark.parametrize(
    ("answer", "ends_the_wait"),
    [
        (VendorRejected("an unknown user"), True),
        (VendorUnavailable("503"), False),
        (DeliveryUnknown("lost"), False),
    ],
    ids=["rejected", "unavailable", "unknown"],
)
def test_only_an_answer_that_accepts_the_credentials_ends_the_wait(
    answer: RelayError,
    ends_the_wait: bool,  # noqa: FBT001
) -> None:
    """A vendor that rejects a push has checked the credentials first; a vendor that fails has not."""
    worker = Worker()
    worker.outcome()
    worker.clock.time += FIRST_WAIT_SECS
    worker.vendor.errors = [answer]
    assert worker.send().error_code == answer.code
    worker.accepted = CREDENTIALS
    assert worker.outcome() == (DELIVERED if ends_the_wait else (Outcome.PARKED, "circuit_open"))


def test_if_the_secret_cannot_be_read_again_the_credentials_stay_refused() -> None:
    """Neither a call is made, nor does another error code hide the cause."""
    worker = Worker()
    worker.outcome()
    worker.down = True
    worker.clock.time += MIN_REFETCH_SECS
    worker.stop_until(int(NOW) + 3600)
    worker.reads.clear()
    assert {worker.outcome() for _ in range(10)} == {REFUSED}
    assert (worker.calls, len(worker.reads)) == (1, 1)


def test_refused_credentials_are_shown_nowhere() -> None:
    """A receipt is logged, so it must not contain any part of the credentials."""
    worker = Worker()
    worker.outcome()
    receipt = worker.send()
    assert receipt.detail == "the vendor refused the credentials, and they are the same"
    assert CREDENTIALS.integration_key not in str(receipt) + repr(worker.sender) + str(worker.store.permits)

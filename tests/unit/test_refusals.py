"""Credentials that the vendor has refused are not sent again for nothing: each call is one of 2,500 a day."""

import json
from dataclasses import replace
from itertools import count, pairwise

import pytest

from ports import CREDENTIALS, ROTATED, Clock, PushApi
from push_relay.core.account import Account
from push_relay.core.delivery.circuit import CircuitBreaker
from push_relay.core.delivery.cooldown import FIRST_WAIT_SECS, LOOK_SECS
from push_relay.core.delivery.credentials import StoredPushCredentials
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
from stores import Cooldowns, Ledger

NOW = 1_800_000_000.0
EVENT = Event("bakery", "e-1", "baked", {}, NOW, "i", "c-1")
PUSH = Push(Recipient(RecipientKind.USER, "u-1"), Wording("Bread", "warm"), "key")
REFUSED = (Outcome.PARKED, "vendor_unauthorized")
DELIVERED = (Outcome.DELIVERED, None)


class Office:
    """A sender with its breaker and its credentials, Secrets Manager, and the vendor."""

    def __init__(self, other: "Office | None" = None) -> None:
        """Open, with credentials that the vendor refuses; another worker shares all but its own memory."""
        self.clock, self.vendor, self.ledger = Clock(NOW), PushApi(), Ledger()
        self.stored, self.accepted = CREDENTIALS, ROTATED
        self.store = Cooldowns()
        if other:
            self.clock, self.vendor, self.store = other.clock, other.vendor, other.store
        else:
            self.vendor.judge = self._judge
        self.reads: list[float] = []
        self.down = False
        held = StoredPushCredentials(CachedSecret(self._read, self.clock.now, self.clock.monotonic))
        breaker = CircuitBreaker(self.vendor, self.store, Account(), self.clock)
        self.sender = Sender(self.ledger, held, breaker, self.clock, pace=breaker)
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
        """Send another push."""
        return self.sender.send(EVENT, replace(PUSH, key=f"key-{next(self._numbers)}"), lambda: 30.0)

    def outcome(self) -> tuple[Outcome, str | None]:
        """Send another push, and tell what became of it."""
        receipt = self.send()
        return receipt.outcome, receipt.error_code

    @property
    def calls(self) -> int:
        """How many calls the vendor has seen."""
        return len(self.vendor.calls)


def test_a_refusal_costs_one_call_and_the_pushes_after_it_none() -> None:
    """They are parked with the same code; nobody was called, so they tell no latency."""
    office = Office()
    first = office.send()
    assert (first.latency_ms, first.retry_after, first.is_paced) == (0, FIRST_WAIT_SECS, True)
    for _ in range(100):
        receipt = office.send()
        assert (receipt.outcome, receipt.error_code, receipt.is_paced) == (*REFUSED, True)
        assert receipt.latency_ms is None
    assert office.calls == 1
    assert not office.ledger.states


def test_a_day_of_refusals_costs_what_an_outage_may_and_a_read_a_minute() -> None:
    """The vendor might have been wrong, so it is asked again, by two workers that know each other's calls."""
    office = Office()
    workers = [office, Office(office)]
    for turn in range(86_400 // 20):
        assert workers[turn % 2].outcome() == REFUSED
        office.clock.time += 20
    assert 30 < office.calls <= 50
    for worker in workers:
        assert len(worker.reads) <= 86_400 / MIN_REFETCH_SECS + 1
        assert min(later - earlier for earlier, later in pairwise(worker.reads[1:])) >= MIN_REFETCH_SECS == 60


def test_a_push_that_waits_looks_at_the_secret_now_and_then() -> None:
    """The next probe may be an hour away, and to read the secret costs no call."""
    office = Office()
    for _ in range(40):
        office.outcome()
        office.clock.time += 4000
    assert office.send().retry_after == LOOK_SECS
    assert office.sender.pace.refusal(PUSH) is None


def test_changed_credentials_are_sent_at_once_when_they_are_read() -> None:
    """Within a minute of the change, without a call by the old ones; and they let everybody call."""
    office = Office()
    assert office.outcome() == REFUSED
    other = Office(office)
    office.stored = other.stored = ROTATED
    assert office.outcome() == REFUSED  # read a moment ago
    office.clock.time += MIN_REFETCH_SECS
    office.store.state = office.store.state._replace(until=int(NOW) + 3600)
    assert [office.outcome() for _ in range(3)] == [DELIVERED] * 3
    assert [call.credentials for call in office.vendor.calls] == [CREDENTIALS, ROTATED, ROTATED, ROTATED]
    assert other.outcome() == DELIVERED


def test_a_worker_that_has_not_seen_the_refusal_reads_the_secret_again_too() -> None:
    """It has kept what another worker's call has shown to be refused."""
    office = Office()
    other = Office(office)
    other.sender.credentials.current()
    office.outcome()
    other.stored = ROTATED
    assert other.outcome() == DELIVERED
    assert [call.credentials for call in office.vendor.calls] == [CREDENTIALS, ROTATED]


def test_changed_credentials_that_are_refused_too_are_remembered_instead() -> None:
    """Two calls, then none."""
    office = Office()
    office.outcome()
    office.stored, office.accepted = ROTATED, replace(ROTATED, company_id=1)
    office.clock.time += MIN_REFETCH_SECS
    office.store.state = office.store.state._replace(until=int(NOW) + 3600)
    for _ in range(10):
        assert office.outcome() == REFUSED
    assert [call.credentials for call in office.vendor.calls] == [CREDENTIALS, ROTATED]


def test_a_vendor_that_was_wrong_is_found_right_by_the_next_probe() -> None:
    """One push tries, and all that follow go out, of every worker."""
    office = Office()
    office.outcome()
    other = Office(office)
    assert other.outcome() == REFUSED
    office.accepted = CREDENTIALS
    office.clock.time += FIRST_WAIT_SECS - 1
    assert office.outcome() == REFUSED
    office.clock.time += 1
    assert [worker.outcome() for worker in (office, other, office)] == [DELIVERED] * 3
    assert office.calls == 4


@pytest.mark.parametrize(
    ("answer", "goes_on"),
    [
        (VendorRejected("an unknown user"), True),
        (VendorUnavailable("503"), False),
        (DeliveryUnknown("lost"), False),
    ],
    ids=["rejected", "unavailable", "unknown"],
)
def test_only_an_answer_that_took_the_credentials_ends_the_wait(answer: RelayError, goes_on: bool) -> None:  # noqa: FBT001
    """A refused push was looked at; a vendor that is down has said nothing of them."""
    office = Office()
    office.outcome()
    office.clock.time += FIRST_WAIT_SECS
    office.vendor.errors = [answer]
    assert office.send().error_code == answer.code
    office.accepted = CREDENTIALS
    assert office.outcome() == (DELIVERED if goes_on else (Outcome.PARKED, "circuit_open"))


def test_where_the_secret_cannot_be_read_again_the_refusal_stands() -> None:
    """Known to be refused, and nothing better at hand: neither a call, nor another code."""
    office = Office()
    office.outcome()
    office.down = True
    office.clock.time += MIN_REFETCH_SECS
    office.store.state = office.store.state._replace(until=int(NOW) + 3600)
    office.reads.clear()
    assert {office.outcome() for _ in range(10)} == {REFUSED}
    assert (office.calls, len(office.reads)) == (1, 1)


def test_what_was_refused_is_shown_nowhere() -> None:
    """The receipt is logged."""
    office = Office()
    office.outcome()
    receipt = office.send()
    assert receipt.detail == "the vendor refused the credentials, and they are the same"
    assert CREDENTIALS.integration_key not in str(receipt) + repr(office.sender) + str(office.store.state)

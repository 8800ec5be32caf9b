"""Credentials that the vendor has refused are not sent again for nothing: each call is one of 2,500 a day."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count

import pytest

from fakes import CREDENTIALS, ROTATED, Clock, PushApi
from push_relay.adapters.secrets import MIN_REFETCH, SecretsManagerPushCredentials
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
from push_relay.core.push import Message, Push, Receipt, Recipient, RecipientKind
from push_relay.core.sender import REFUSAL_AGE, Sender
from stores import Ledger

NOW = 1_800_000_000.0
EVENT = Event("bakery", "e-1", "baked", {}, NOW, "i", "c-1")
PUSH = Push(Recipient(RecipientKind.USER, "u-1"), Message("Bread", "warm"), "key")
REFUSED = (Outcome.PARKED, "vendor_unauthorized")


class Office:
    """A sender, the real adapter of its credentials, Secrets Manager behind it, and the vendor."""

    def __init__(self) -> None:
        """Open, with credentials that the vendor refuses."""
        self.clock, self.vendor, self.ledger = Clock(NOW), PushApi(), Ledger()
        self.stored, self.accepted = CREDENTIALS, ROTATED
        self.reads: list[float] = []
        self.down = False
        self._kept = ""
        self.vendor.judge = lambda _push, given: None if given == self.accepted else VendorUnauthorized("401")
        held = SecretsManagerPushCredentials("arn", self._fetch, self.clock.monotonic)
        self.sender = Sender(self.ledger, held, self.vendor, self.clock)
        self._numbers = count()

    def _fetch(self, _arn: str, force: bool) -> str:  # noqa: FBT001 (the port's)
        if force or not self._kept:
            self.reads.append(self.clock.time)
            if self.down:
                raise CredentialsUnavailable("a secret cannot be read from Secrets Manager (Fake)")
            written = {"CompanyId": self.stored.company_id, "IntegrationKey": self.stored.integration_key}
            self._kept = json.dumps(written)
        return self._kept

    def forget(self) -> None:
        """Let what is kept of the secret be too old."""
        self._kept = ""

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
    assert office.send().latency_ms is not None
    for _ in range(100):
        receipt = office.send()
        assert (receipt.outcome, receipt.error_code) == REFUSED
        assert receipt.latency_ms is None
    assert office.calls == 1
    assert not office.ledger.states


def test_an_hour_of_refusals_costs_a_call_in_five_minutes_and_a_read_a_minute() -> None:
    """The vendor might have been wrong, so it is asked again: by one push."""
    office = Office()
    for _ in range(720):
        assert office.outcome() == REFUSED
        office.clock.time += 5
    assert office.calls == 3600 / REFUSAL_AGE == 12
    assert len(office.reads) <= 3600 / MIN_REFETCH + 1
    gaps = [later - earlier for earlier, later in zip(office.reads[1:], office.reads[2:], strict=False)]
    assert min(gaps) >= MIN_REFETCH == 60


def test_changed_credentials_are_sent_at_once_when_they_are_read() -> None:
    """Within a minute of the change, and without a call by the old ones."""
    office = Office()
    assert office.outcome() == REFUSED
    office.stored = ROTATED
    assert office.outcome() == REFUSED  # read a moment ago
    office.clock.time += MIN_REFETCH
    assert [office.outcome() for _ in range(3)] == [(Outcome.DELIVERED, None)] * 3
    assert [call.credentials for call in office.vendor.calls] == [CREDENTIALS, ROTATED, ROTATED, ROTATED]


def test_changed_credentials_that_are_refused_too_are_remembered_instead() -> None:
    """Two calls, then none."""
    office = Office()
    office.outcome()
    office.stored, office.accepted = ROTATED, replace(ROTATED, company_id=1)
    office.clock.time += MIN_REFETCH
    for _ in range(10):
        assert office.outcome() == REFUSED
    assert [call.credentials for call in office.vendor.calls] == [CREDENTIALS, ROTATED]


def test_others_that_are_taken_do_not_make_the_refused_ones_good() -> None:
    """A secret that is put back is refused without a call."""
    office = Office()
    office.outcome()
    office.stored = ROTATED
    office.clock.time += MIN_REFETCH
    assert office.outcome() == (Outcome.DELIVERED, None)
    office.stored = CREDENTIALS
    office.forget()
    assert office.outcome() == REFUSED
    assert office.calls == 2


def test_a_vendor_that_was_wrong_is_found_right_after_five_minutes() -> None:
    """One push tries, and all that follow go out."""
    office = Office()
    office.outcome()
    office.accepted = CREDENTIALS
    office.clock.time += REFUSAL_AGE - 1
    assert office.outcome() == REFUSED
    office.clock.time += 1
    assert [office.outcome() for _ in range(3)] == [(Outcome.DELIVERED, None)] * 3
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
    office.clock.time += REFUSAL_AGE
    office.vendor.errors = [answer]
    assert office.send().error_code == answer.code
    office.accepted = CREDENTIALS
    assert office.outcome() == ((Outcome.DELIVERED, None) if goes_on else REFUSED)


def test_where_the_secret_cannot_be_read_again_the_refusal_stands() -> None:
    """Known to be refused, and nothing better at hand: neither a call, nor another code."""
    office = Office()
    office.outcome()
    office.down = True
    office.clock.time += MIN_REFETCH
    office.reads.clear()
    assert {office.outcome() for _ in range(10)} == {REFUSED}
    assert (office.calls, len(office.reads)) == (1, 1)


def test_threads_try_credentials_that_were_refused_once_together() -> None:
    """After five minutes one of them calls; the others are parked."""
    office = Office()
    office.outcome()
    office.clock.time += REFUSAL_AGE
    together = threading.Barrier(8)

    def send(_: int) -> tuple[Outcome, str | None]:
        together.wait(10)
        return office.outcome()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(send, range(8))) == {REFUSED}
    assert office.calls == 2


def test_what_was_refused_is_shown_nowhere() -> None:
    """The receipt is logged."""
    office = Office()
    office.outcome()
    receipt = office.send()
    assert receipt.detail == "the vendor refused the credentials, and they are the same"
    assert CREDENTIALS.integration_key not in str(receipt) + repr(office.sender)

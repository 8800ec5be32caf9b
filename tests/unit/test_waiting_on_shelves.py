"""The parts of an event that wait: on which shelf, until when, and as which attempt."""

from copy import replace
from typing import Any

import pytest

from push_relay.core.delivery.backlog import Shelf
from push_relay.core.delivery.wake_up import SOURCE
from push_relay.core.errors import (
    BudgetExhausted,
    CircuitOpen,
    ClaimHeld,
    ConnectionsBusy,
    LedgerUnavailable,
    QuotaExhausted,
    RelayError,
    VendorRejected,
    VendorThrottled,
    VendorUnavailable,
)
from push_relay.core.event import Event
from push_relay.core.outcomes import Outcome
from push_relay.core.push import BATCHED, DEFAULT_ACCOUNT, Push, Receipt, Recipient, RecipientKind, Wording
from push_relay.entrypoints.queue_record import QueueRecord

NOW = 1_800_000_000.0
EVENT = Event("bakery", "e-1", "baked", {}, NOW - 60, "i")
PUSH = Push(Recipient(RecipientKind.USER, "1"), Wording("t", "b"), "k-1", sources=("bakery",))
NORMAL = Shelf(DEFAULT_ACCOUNT)


def noted(*receipts: Receipt, event: Event = EVENT, **more: Any) -> QueueRecord:
    """Return a record with receipts."""
    record = QueueRecord({}, event=event, **more)
    record.note(receipts, NOW)
    return record


def parked(error: RelayError, push: Push | None = PUSH, **more: Any) -> Receipt:
    """Return the receipt of a push that waits."""
    return replace(Receipt.of_error(EVENT, error, push), **more)


def over(error: type[BudgetExhausted | QuotaExhausted | CircuitOpen]) -> RelayError:
    """Return an error that ends in an hour."""
    return error("over", retry_after=3600.0)


@pytest.mark.parametrize(
    "receipt",
    [
        parked(over(CircuitOpen)),
        parked(over(QuotaExhausted)),
        parked(ConnectionsBusy("busy")),
        parked(VendorThrottled("slow"), is_paced=True, retry_after=60.0),
    ],
)
def test_a_push_that_waits_for_its_account_has_no_due_time(receipt: Receipt) -> None:
    """It is sent as soon as the account permits that. `expected` is for people."""
    (kept,) = noted(receipt, attempt=4).waiting()
    assert (kept.shelf, kept.due, kept.attempt) == (NORMAL, 0.0, 4)
    assert kept.expected == NOW + (receipt.retry_after or 0.0)
    assert kept.reason == receipt.error_code
    assert kept.event.only == ("k-1",)


@pytest.mark.parametrize("error", [VendorUnavailable("x"), ClaimHeld("x"), LedgerUnavailable("x")])
def test_a_push_that_waits_for_itself_has_a_due_time(error: RelayError) -> None:
    """The wait grows with the attempts, and the next one counts."""
    (kept,) = noted(parked(error), attempt=4).waiting()
    assert NOW < kept.due <= NOW + 80
    assert kept.due == kept.expected
    assert kept.attempt == 5


def test_a_call_that_stopped_all_others_counts_an_attempt() -> None:
    """So the next probe is another push."""
    (kept,) = noted(parked(VendorThrottled("slow"), is_paced=True, latency_ms=5.0)).waiting()
    assert (kept.due, kept.attempt) == (0.0, 2)


def test_a_push_waits_for_the_budget_of_its_source_on_a_shelf_of_its_own() -> None:
    """So it blocks no push of another source."""
    (kept,) = noted(parked(over(BudgetExhausted))).waiting()
    assert (kept.shelf, kept.due) == (Shelf(DEFAULT_ACCOUNT, source="bakery"), 0.0)


def test_a_batch_push_of_several_sources_waits_for_midnight() -> None:
    """No shelf waits for the budgets of all of them, and without a time it would be tried each minute."""
    several = replace(PUSH, sources=("bakery", "ovens"))
    (kept,) = noted(parked(over(BudgetExhausted), several)).waiting()
    assert (kept.shelf, kept.due) == (NORMAL, NOW + 3600)


def test_the_parts_of_an_event_wait_on_their_own_shelves_urgent_ones_first() -> None:
    """Each has its own pushes; those that have ended are in none."""
    pushes = [replace(PUSH, key=f"k-{number}") for number in range(5)]
    other, urgent = replace(pushes[3], account="other"), replace(pushes[4], high=True)
    record = noted(
        parked(ConnectionsBusy("busy"), pushes[0]),
        parked(over(QuotaExhausted), pushes[1]),
        Receipt("bakery", "e-1", Outcome.DELIVERED, push=pushes[2]),
        parked(ConnectionsBusy("busy"), other),
        parked(ConnectionsBusy("busy"), urgent),
    )
    assert [(kept.shelf, kept.event.only) for kept in record.waiting()] == [
        (Shelf(DEFAULT_ACCOUNT, high=True), ("k-4",)),
        (NORMAL, ("k-0", "k-1")),
        (Shelf("other"), ("k-3",)),
    ]


def test_a_part_that_waits_for_itself_and_the_account_waits_for_both() -> None:
    """It is due after the longer of the two waits."""
    two = replace(PUSH, key="k-2")
    (kept,) = noted(parked(VendorUnavailable("x")), parked(over(QuotaExhausted), two)).waiting()
    assert kept.due == kept.expected == NOW + 3600


def test_an_event_without_pushes_waits_as_a_whole() -> None:
    """It is not known what it becomes. The end of a batch window waits for its own account."""
    error = parked(LedgerUnavailable("down"), None)
    delivered = Receipt("bakery", "e-1", Outcome.DELIVERED, push=PUSH)
    (kept,) = noted(error, delivered).waiting()
    assert (kept.shelf, kept.event.only, kept.event.skip) == (NORMAL, (), ("k-1",))
    window = Event(SOURCE, "w", SOURCE, {"window": "w", "account": "other"}, NOW, "w")
    (kept,) = noted(error, event=window).waiting()
    assert kept.shelf == Shelf("other")
    # The content of a source's event names no account of the relay.
    (kept,) = noted(error, event=replace(EVENT, data={"account": "other"})).waiting()
    assert kept.shelf == NORMAL


def test_an_event_with_nothing_to_wait_for_is_on_no_shelf() -> None:
    """Pushes that have ended or failed do not wait, and batched ones wait in their window."""
    batched = replace(parked(ConnectionsBusy("x")), error_code=BATCHED)
    failed = parked(VendorRejected("no"))
    assert noted(Receipt("bakery", "e-1", Outcome.DELIVERED, push=PUSH), failed, batched).waiting() == []


def test_the_crashes_of_a_message_stay_with_its_event() -> None:
    """Otherwise an event that kills each worker would begin with no tries on the shelf."""
    (kept,) = noted(parked(ConnectionsBusy("busy")), crashes=3).waiting()
    assert kept.tries == 3

"""The sender's steps (age, claim, call, record), and the receipts if one of them fails."""

from dataclasses import replace
from typing import Any

import pytest

from ports import CREDENTIALS, ROTATED
from push_relay.core.delivery.sender import SETTLE_MARGIN_SECS
from push_relay.core.errors import (
    CircuitOpen,
    ClaimHeld,
    DeliveryUnknown,
    LedgerUnavailable,
    QuotaExhausted,
    RelayError,
    VendorRejected,
    VendorThrottled,
    VendorUnauthorized,
    VendorUnavailable,
)
from push_relay.core.event import Replay
from push_relay.core.outcomes import Disposition, Outcome
from push_relay.core.push import Push, Receipt
from sender_desk import EVENT, NOW, PUSH, Desk


@pytest.mark.parametrize("age", [-3600.0, 0.0, 60.0])
def test_a_push_that_is_not_too_old_is_sent(age: float) -> None:
    """The limit itself is allowed, and the clock of an event's sender may be ahead."""
    desk = Desk()
    assert desk.send(replace(EVENT, received_at=NOW - age)).outcome is Outcome.DELIVERED


def test_a_push_that_is_too_old_is_expired_and_not_tried() -> None:
    """It is neither claimed nor sent, but its receipt has the key of the push."""
    desk = Desk()
    receipt = desk.send(replace(EVENT, received_at=NOW - 60.1))
    assert (receipt.outcome, receipt.key, receipt.disposition) == (
        Outcome.EXPIRED,
        "key",
        Disposition.ACKNOWLEDGE,
    )
    assert not desk.ledger.leases
    assert not desk.vendor.calls


def test_a_push_that_expires_while_it_is_parked_is_no_longer_listed() -> None:
    """Otherwise it would be listed as parked for two weeks. If the ledger fails, the receipt has a note."""
    desk = Desk()
    late = replace(EVENT, received_at=NOW - 61)
    desk.send(late)
    assert desk.ledger.cleared == ["key"]
    desk.ledger.break_down()
    receipt = desk.send(late)
    assert (receipt.outcome, receipt.disposition) == (Outcome.EXPIRED, Disposition.ACKNOWLEDGE)
    assert (receipt.detail or "").startswith("not recorded: ")


def test_a_push_without_a_maximum_age_never_expires() -> None:
    """The event's age does not matter then."""
    desk = Desk()
    receipt = desk.send(replace(EVENT, received_at=0.0), replace(PUSH, max_age=None))
    assert receipt.outcome is Outcome.DELIVERED


def test_the_claim_lasts_until_the_end_of_the_invocation_and_the_call_ends_earlier() -> None:
    """Thus no other worker sends while this one is alive, and there is time to settle."""
    desk = Desk()
    desk.send()
    assert desk.ledger.leases == [30.0]
    assert [call.timeout for call in desk.vendor.calls] == [30.0 - SETTLE_MARGIN_SECS]


def test_the_second_call_has_only_the_remaining_time() -> None:
    """The refused first call and the refetch of the credentials have taken some time."""
    desk = Desk()
    desk.credentials.fresh = ROTATED

    def judge(_push: Push, given: Any) -> Exception | None:
        desk.left -= 10
        return None if given == ROTATED else VendorUnauthorized("401")

    desk.vendor.judge = judge
    assert desk.send().outcome is Outcome.DELIVERED
    assert [call.timeout for call in desk.vendor.calls] == [30 - SETTLE_MARGIN_SECS, 20 - SETTLE_MARGIN_SECS]
    assert [call.credentials for call in desk.vendor.calls] == [CREDENTIALS, ROTATED]


@pytest.mark.parametrize(
    ("state", "replay", "outcome", "error_code"),
    [
        (Outcome.DELIVERED, Replay.NO, Outcome.DUPLICATE, None),
        (Outcome.DELIVERED, Replay.FAILED, Outcome.DUPLICATE, None),
        (Outcome.DELIVERED, Replay.ALL, Outcome.DELIVERED, None),
        (Outcome.FAILED, Replay.NO, Outcome.FAILED, "vendor_rejected"),
        (Outcome.FAILED, Replay.FAILED, Outcome.DELIVERED, None),
        (Outcome.FAILED, Replay.ALL, Outcome.DELIVERED, None),
        (None, Replay.ALL, Outcome.PARKED, "claim_held"),
    ],
)
def test_a_replay_overrules_the_ledger_but_never_another_workers_claim(
    state: Outcome | None, replay: Replay, outcome: Outcome, error_code: str | None
) -> None:
    """A replay may be for failed pushes, or for delivered ones too. A push that is being sent is left out."""
    desk = Desk()
    desk.ledger.put("key", state)
    receipt = desk.send(replace(EVENT, replay=replay))
    assert receipt.outcome is outcome
    assert len(desk.vendor.calls) == (outcome is Outcome.DELIVERED)
    assert receipt.error_code == error_code
    assert receipt.key == "key"


@pytest.mark.parametrize("replay", [Replay.FAILED, Replay.ALL])
@pytest.mark.parametrize(
    "error", [DeliveryUnknown("lost"), VendorRejected("refused")], ids=["hold", "refused"]
)
def test_a_replay_overrules_a_failure_once(replay: Replay, error: RelayError) -> None:
    """The message may return if it could not be dead-lettered, but only a person asks for another push."""
    desk = Desk(hold_unknown=True)
    desk.ledger.put("key", Outcome.FAILED)
    desk.vendor.judge = lambda _push, _credentials: error
    asked = [replace(EVENT, replay=replay, replay_id=name) for name in ("one", "one", "one", "two", "two")]
    receipts = [desk.send(event) for event in asked]
    assert [receipt.outcome for receipt in receipts] == [Outcome.FAILED] * 5
    assert {receipt.disposition for receipt in receipts} == {Disposition.DEAD_LETTER}
    assert len(desk.vendor.calls) == 2


def test_a_parked_replay_continues_and_fails_once() -> None:
    """Being parked is not a final outcome: the same message sends the push when the vendor is back."""
    desk = Desk()
    desk.ledger.put("key", Outcome.FAILED)
    desk.vendor.errors = [QuotaExhausted("used up"), VendorRejected("refused")]
    event = replace(EVENT, replay=Replay.FAILED, replay_id="one")
    outcomes = [desk.send(event).outcome for _ in range(3)]
    assert outcomes == [Outcome.PARKED, Outcome.FAILED, Outcome.FAILED]
    assert len(desk.vendor.calls) == 2


def test_a_forced_replay_sends_its_push_once() -> None:
    """If the same message is delivered again, the push is a duplicate."""
    desk = Desk()
    desk.ledger.put("key", Outcome.DELIVERED)
    event = replace(EVENT, replay=Replay.ALL, replay_id="one")
    assert [desk.send(event).outcome for _ in range(2)] == [Outcome.DELIVERED, Outcome.DUPLICATE]


def test_a_push_that_did_not_reach_the_vendor_has_no_latency() -> None:
    """The day's calls are used up, so the vendor was not called, and the claim is released."""
    desk = Desk()
    desk.vendor.judge = lambda _push, _credentials: QuotaExhausted("used up", retry_after=3600)
    receipt = desk.send()
    assert (receipt.outcome, receipt.retry_after, receipt.latency_ms) == (Outcome.PARKED, 3600, None)
    assert not desk.ledger.states


@pytest.mark.parametrize(
    ("error", "detail"),
    [(None, "not recorded: "), (VendorRejected("refused"), "refused; not recorded: ")],
    ids=["delivered", "refused"],
)
def test_an_outcome_that_cannot_be_recorded_is_reported_with_a_note(
    error: RelayError | None, detail: str
) -> None:
    """The outcome of the push remains valid."""
    desk = Desk()
    desk.vendor.errors = [error]
    desk.ledger.record_error = RuntimeError("planted")
    receipt = desk.send()
    assert receipt.outcome is (Outcome.FAILED if error else Outcome.DELIVERED)
    assert (receipt.detail or "").startswith(f"{detail}the ledger did not answer (RuntimeError)")
    assert "planted" not in str(receipt)


# --- the account's pace ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [VendorUnavailable("down"), VendorThrottled("slow", retry_after=9e5), DeliveryUnknown("lost")],
    ids=str,
)
def test_a_push_that_fails_while_calls_are_stopped_waits_for_the_next_probe(error: RelayError) -> None:
    """Neither its own number of attempts nor the vendor's `Retry-After` matters."""
    desk = Desk()
    desk.vendor.judge = lambda _push, _credentials: error
    receipt = desk.send()
    assert not receipt.is_paced
    desk.permits.secs = 42.0
    receipt = desk.send(push=replace(PUSH, key="other"))
    assert (receipt.error_code, receipt.retry_after, receipt.is_paced) == (error.code, 42.0, True)
    assert receipt.latency_ms is not None


@pytest.mark.parametrize(
    "error", [VendorRejected("no"), LedgerUnavailable("down"), ClaimHeld("held")], ids=str
)
def test_other_outcomes_do_not_wait_for_the_account(error: RelayError) -> None:
    """Either the vendor has answered, or it was not called."""
    desk = Desk()
    desk.permits.secs = 42.0
    desk.vendor.judge = lambda _push, _credentials: error
    receipt = desk.send()
    assert (receipt.retry_after, receipt.is_paced) == (None, False)


def test_a_push_that_is_known_to_wait_costs_neither_a_claim_nor_a_write() -> None:
    """The backlog has it, with what it waits for, so the ledger need not."""
    desk = Desk()
    assert desk.sender.waiting(EVENT, PUSH) is None
    desk.permits.known = lambda _push: CircuitOpen("stopped", retry_after=42.0)
    desk.ledger.break_down()
    receipt = desk.sender.waiting(EVENT, PUSH)
    assert receipt is not None
    assert (receipt.error_code, receipt.retry_after, receipt.is_paced) == ("circuit_open", 42.0, True)
    assert receipt.push == PUSH
    assert not desk.ledger.leases
    assert not desk.vendor.calls


@pytest.mark.parametrize("only", [(), ("key",)])
def test_a_push_that_is_too_old_does_not_wait(only: tuple[str, ...]) -> None:
    """It expires, and is no longer listed as parked."""
    desk = Desk()
    desk.permits.known = lambda _push: CircuitOpen("stopped", retry_after=42.0)
    late = replace(EVENT, received_at=NOW - 61, only=only)
    assert desk.sender.waiting(late, PUSH) is None
    assert desk.send(late).outcome is Outcome.EXPIRED
    assert desk.ledger.cleared == ["key"]


# --- several pushes in one round trip ----------------------------------------------------------------------


def test_the_claims_of_a_batch_are_one_round_trip(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answer belongs to its own push. A push that is too old is not claimed."""
    desk = Desk()
    desk.ledger.put("done", Outcome.DELIVERED)
    trips: list[list[str]] = []
    claim_all = desk.ledger.claim_all

    def count(requests: Any) -> Any:
        trips.append([request.key for request in requests])
        return claim_all(requests)

    monkeypatch.setattr(desk.ledger, "claim_all", count)
    late = replace(EVENT, received_at=NOW - 61)
    pushes = [
        (EVENT, PUSH),
        (late, replace(PUSH, key="late")),
        (EVENT, replace(PUSH, key="done")),
        (EVENT, PUSH),
    ]
    receipts = desk.sender.begin_claims(pushes, desk.time_left)()
    assert trips == [["key", "done", "key"]]
    assert [receipt and receipt.outcome for receipt in receipts] == [
        None,
        Outcome.EXPIRED,
        Outcome.DUPLICATE,
        Outcome.PARKED,
    ]
    assert receipts[3] is not None
    assert receipts[3].error_code == "claim_held"


def test_no_push_is_claimed_if_no_time_is_left_to_settle_it() -> None:
    """Its claim would end only with its lease."""
    desk = Desk()
    desk.left = SETTLE_MARGIN_SECS
    receipt = desk.send()
    assert (receipt.outcome, receipt.error_code) == (Outcome.PARKED, "out_of_time")
    assert not desk.ledger.leases


def test_the_ends_of_a_batch_are_one_round_trip(monkeypatch: pytest.MonkeyPatch) -> None:
    """An outcome that is not recorded has a note, and does not affect the others."""
    desk = Desk()
    pushes = [replace(PUSH, key=name) for name in ("sent", "refused", "waits")]
    desk.sender.begin_claims([(EVENT, push) for push in pushes], desk.time_left)()
    errors = [None, VendorRejected("no"), VendorUnavailable("down")]
    receipts = [
        replace(Receipt.of(EVENT, Outcome.DELIVERED), push=push)
        if error is None
        else Receipt.of_error(EVENT, error, push)
        for push, error in zip(pushes, errors, strict=True)
    ]
    trips: list[list[str]] = []
    end_all = desk.ledger.end_all

    def count(settlements: Any) -> Any:
        trips.append([each.key for each in settlements])
        answers = list(end_all(settlements))
        return [LedgerUnavailable("lost"), *answers[1:]]

    monkeypatch.setattr(desk.ledger, "end_all", count)
    details = [receipt.detail for receipt in desk.sender.begin_records(receipts)()]
    assert trips == [["sent", "refused", "waits"]]
    assert details == ["not recorded: lost", "no", "down"]
    assert desk.ledger.states == {"sent": Outcome.DELIVERED, "refused": Outcome.FAILED}
    assert desk.ledger.parked == ["waits"]
    assert (desk.ledger.items["waits"].source, desk.ledger.items["waits"].event_id) == ("bakery", "e-1")

"""The sender's steps: too old, claimed, sent, recorded; and what each says where it goes wrong."""

from dataclasses import replace
from typing import Any

import pytest

from ports import CREDENTIALS, ROTATED, Clock, PushApi, PushCredentials
from push_relay.core.delivery.sender import SETTLE_MARGIN_SECS, Sender
from push_relay.core.errors import (
    CircuitOpen,
    ClaimHeld,
    DeliveryUnknown,
    LedgerUnavailable,
    NotNow,
    QuotaExhausted,
    RelayError,
    VendorRejected,
    VendorThrottled,
    VendorUnauthorized,
    VendorUnavailable,
)
from push_relay.core.event import Event, Replay
from push_relay.core.outcomes import Disposition, Outcome
from push_relay.core.push import Push, Receipt, Recipient, RecipientKind, Wording
from stores import Ledger

NOW = 1_800_000_000.0
EVENT = Event("bakery", "e-1", "baked", {}, NOW, "i", "c-1")
PUSH = Push(Recipient(RecipientKind.USER, "u-1"), Wording("Bread", "warm"), "key", max_age=60.0)


class Desk:
    """A sender with everything round it, and half a minute left."""

    def __init__(self, *, hold_unknown: bool = False, resends: int = 1) -> None:
        """Lay everything out."""
        self.ledger, self.credentials, self.vendor = Ledger(), PushCredentials(), PushApi()
        self.clock, self.left = Clock(NOW), 30.0
        self.sender = Sender(
            self.ledger,
            self.credentials,
            self.vendor,
            self.clock,
            hold_unknown=hold_unknown,
            resends=resends,
        )

    def send(self, event: Event = EVENT, push: Push = PUSH) -> Receipt:
        """Send a push."""
        return self.sender.send(event, push, lambda: self.left)


@pytest.mark.parametrize("age", [-3600.0, 0.0, 60.0])
def test_a_push_that_is_not_too_old_is_sent(age: float) -> None:
    """Up to its greatest age; a sender's clock may run ahead."""
    desk = Desk()
    assert desk.send(replace(EVENT, received_at=NOW - age)).outcome is Outcome.DELIVERED


def test_a_push_that_is_too_old_is_expired_and_not_tried() -> None:
    """It is neither claimed nor sent; its receipt names the push."""
    desk = Desk()
    receipt = desk.send(replace(EVENT, received_at=NOW - 60.1))
    assert (receipt.outcome, receipt.key, receipt.disposition) == (
        Outcome.EXPIRED,
        "key",
        Disposition.ACKNOWLEDGE,
    )
    assert not desk.ledger.leases
    assert not desk.vendor.calls


def test_a_push_that_expires_while_it_waits_waits_no_more() -> None:
    """Else it would be listed as parked for two weeks; where the ledger does not answer, that is told."""
    desk = Desk()
    late = replace(EVENT, received_at=NOW - 61)
    desk.send(late)
    assert desk.ledger.cleared == ["key"]
    desk.ledger.break_down()
    receipt = desk.send(late)
    assert (receipt.outcome, receipt.disposition) == (Outcome.EXPIRED, Disposition.ACKNOWLEDGE)
    assert (receipt.detail or "").startswith("not recorded: ")


def test_a_push_without_a_greatest_age_is_never_too_old() -> None:
    """However long ago."""
    desk = Desk()
    receipt = desk.send(replace(EVENT, received_at=0.0), replace(PUSH, max_age=None))
    assert receipt.outcome is Outcome.DELIVERED


def test_the_claim_lasts_as_long_as_the_invocation_and_the_call_ends_before_it() -> None:
    """So that nobody else sends while this worker lives, and there is time to settle."""
    desk = Desk()
    desk.send()
    assert desk.ledger.leases == [30.0]
    assert [call.timeout for call in desk.vendor.calls] == [30.0 - SETTLE_MARGIN_SECS]


def test_the_second_call_has_the_time_that_is_left_by_then() -> None:
    """A refused first call and a refetch have taken some."""
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
def test_a_replay_overrules_what_it_says_and_never_a_worker(
    state: Outcome | None, replay: Replay, outcome: Outcome, error_code: str | None
) -> None:
    """What failed, or what was delivered too; what another worker is sending is left to it."""
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
    """Its message may come again when it could not be dead-lettered: only a person asks for another push."""
    desk = Desk(hold_unknown=True)
    desk.ledger.put("key", Outcome.FAILED)
    desk.vendor.judge = lambda _push, _credentials: error
    asked = [replace(EVENT, replay=replay, replay_id=name) for name in ("one", "one", "one", "two", "two")]
    receipts = [desk.send(event) for event in asked]
    assert [receipt.outcome for receipt in receipts] == [Outcome.FAILED] * 5
    assert {receipt.disposition for receipt in receipts} == {Disposition.DEAD_LETTER}
    assert len(desk.vendor.calls) == 2


def test_a_replay_that_is_parked_goes_on_and_fails_once() -> None:
    """Waiting is no end: the same message sends it when the vendor is back."""
    desk = Desk()
    desk.ledger.put("key", Outcome.FAILED)
    desk.vendor.errors = [QuotaExhausted("used up"), VendorRejected("refused")]
    event = replace(EVENT, replay=Replay.FAILED, replay_id="one")
    outcomes = [desk.send(event).outcome for _ in range(3)]
    assert outcomes == [Outcome.PARKED, Outcome.FAILED, Outcome.FAILED]
    assert len(desk.vendor.calls) == 2


def test_what_was_sent_by_force_is_a_duplicate_when_its_message_comes_again() -> None:
    """One wish, one push."""
    desk = Desk()
    desk.ledger.put("key", Outcome.DELIVERED)
    event = replace(EVENT, replay=Replay.ALL, replay_id="one")
    assert [desk.send(event).outcome for _ in range(2)] == [Outcome.DELIVERED, Outcome.DUPLICATE]


@pytest.mark.parametrize(
    ("hold", "code", "outcome", "disposition", "states"),
    [
        (False, "delivery_unknown", Outcome.PARKED, Disposition.PARK, {}),
        (True, "delivery_held", Outcome.FAILED, Disposition.DEAD_LETTER, {"key": Outcome.FAILED}),
    ],
    ids=["resend", "hold"],
)
def test_a_push_of_unknown_fate_is_sent_again_or_held(
    hold: bool,  # noqa: FBT001
    code: str,
    outcome: Outcome,
    disposition: Disposition,
    states: dict[str, Outcome],
) -> None:
    """As the deployer says; either way the vendor was called once, and that took time."""
    desk = Desk(hold_unknown=hold)
    desk.vendor.judge = lambda _push, _credentials: DeliveryUnknown("lost")
    receipt = desk.send()
    assert (receipt.error_code, receipt.outcome, receipt.disposition) == (code, outcome, disposition)
    assert (receipt.detail, desk.ledger.states) == ("lost", states)
    assert receipt.latency_ms is not None
    assert len(desk.vendor.calls) == 1


LOST = (Outcome.PARKED, "delivery_unknown")
HELD = (Outcome.FAILED, "delivery_held")


@pytest.mark.parametrize(
    ("resends", "detail"),
    [
        (0, "lost; it was sent once without a clear answer"),
        (1, "lost; it was sent 2 times without a clear answer"),
        (4, "lost; it was sent 5 times without a clear answer"),
    ],
)
def test_a_push_of_unknown_fate_is_sent_again_so_often_and_then_held(resends: int, detail: str) -> None:
    """The dead letter says how often the push may have been shown."""
    desk = Desk(resends=resends)
    desk.vendor.judge = lambda _push, _credentials: DeliveryUnknown("lost")
    receipts = [desk.send() for _ in range(resends + 3)]
    ends = [(receipt.outcome, receipt.error_code) for receipt in receipts]
    assert ends == [*[LOST] * resends, *[HELD] * 3]
    assert receipts[resends].detail == detail
    assert len(desk.vendor.calls) == resends + 1


def test_other_waits_are_no_resends() -> None:
    """Only a call of unknown fate counts; a clear answer ends the count."""
    desk = Desk()
    down, lost = VendorUnavailable("down"), DeliveryUnknown("lost")
    desk.vendor.errors = [down, lost, down, QuotaExhausted("used up"), None]
    codes = [desk.send().error_code for _ in range(5)]
    assert codes == ["vendor_unavailable", "delivery_unknown", "vendor_unavailable", "quota_exhausted", None]
    assert desk.ledger.items["key"].unknown_sends == 0


def test_a_replay_of_a_held_push_starts_a_new_count() -> None:
    """A person has asked for it, knowing that it may have been shown; its own resends count too."""
    desk = Desk()
    desk.vendor.judge = lambda _push, _credentials: DeliveryUnknown("lost")
    first = [desk.send().error_code for _ in range(2)]
    replays = [replace(EVENT, replay=Replay.FAILED, replay_id=name) for name in ("one", "one", "two", "two")]
    again = [desk.send(event).error_code for event in replays]
    assert first + again == ["delivery_unknown", "delivery_held"] * 3


def test_a_call_that_cannot_be_counted_is_sent_again() -> None:
    """The ledger is down: the call is as unknown as that of a worker that was killed."""
    desk = Desk(resends=1)
    desk.vendor.judge = lambda _push, _credentials: DeliveryUnknown("lost")
    desk.ledger.record_error = LedgerUnavailable("down")
    assert desk.send().error_code == "delivery_unknown"


def test_what_keeps_a_push_from_the_vendor_tells_no_latency() -> None:
    """The day's calls are used up: nobody was called, and the claim is given back."""
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
def test_what_the_ledger_forgets_is_told_beside_what_became_of_it(
    error: RelayError | None, detail: str
) -> None:
    """The push's outcome stands all the same."""
    desk = Desk()
    desk.vendor.errors = [error]
    desk.ledger.record_error = RuntimeError("planted")
    receipt = desk.send()
    assert receipt.outcome is (Outcome.FAILED if error else Outcome.DELIVERED)
    assert (receipt.detail or "").startswith(f"{detail}RuntimeError at stores.py")
    assert "planted" not in str(receipt)


# --- the account's pace ------------------------------------------------------------------------------------


class Pace:
    """What a worker knows of the account: a refusal, a wait, or nothing."""

    def __init__(self) -> None:
        """Allow calls."""
        self.stopped: NotNow | None = None
        self.seconds: float | None = None

    def refusal(self, _push: Push) -> NotNow | None:
        """Return the refusal."""
        return self.stopped

    def wait(self) -> float | None:
        """Return the wait."""
        return self.seconds


@pytest.mark.parametrize(
    "error",
    [VendorUnavailable("down"), VendorThrottled("slow", retry_after=9e5), DeliveryUnknown("lost")],
    ids=str,
)
def test_a_push_that_fails_while_calls_are_stopped_waits_until_one_may_be_tried(error: RelayError) -> None:
    """Not as long as its own attempts or the vendor's words would have it."""
    desk, pace = Desk(), Pace()
    desk.sender = replace(desk.sender, pace=pace)
    desk.vendor.judge = lambda _push, _credentials: error
    receipt = desk.send()
    assert not receipt.is_paced
    pace.seconds = 42.0
    receipt = desk.send(push=replace(PUSH, key="other"))
    assert (receipt.error_code, receipt.retry_after, receipt.is_paced) == (error.code, 42.0, True)
    assert receipt.latency_ms is not None


@pytest.mark.parametrize(
    "error", [VendorRejected("no"), LedgerUnavailable("down"), ClaimHeld("held")], ids=str
)
def test_other_ends_do_not_wait_for_the_account(error: RelayError) -> None:
    """The vendor has answered, or was never asked."""
    desk, pace = Desk(), Pace()
    pace.seconds = 42.0
    desk.sender = replace(desk.sender, pace=pace)
    desk.vendor.judge = lambda _push, _credentials: error
    receipt = desk.send()
    assert (receipt.retry_after, receipt.is_paced) == (None, False)


def test_a_push_that_is_known_to_wait_is_noted_once() -> None:
    """The ledger lists it the first time; coming again costs neither a claim nor a write."""
    desk, pace = Desk(), Pace()
    desk.sender = replace(desk.sender, pace=pace)
    assert desk.sender.waiting(EVENT, PUSH, lambda: 30.0) is None
    pace.stopped = CircuitOpen("stopped", retry_after=42.0)
    first = desk.sender.waiting(EVENT, PUSH, lambda: 30.0)
    assert desk.ledger.leases == [30.0]
    assert desk.ledger.parked == ["key"]
    again = desk.sender.waiting(replace(EVENT, only=("key",)), PUSH, lambda: 30.0)
    assert desk.ledger.leases == [30.0]
    assert first == again
    assert first is not None
    assert (first.error_code, first.retry_after, first.is_paced) == ("circuit_open", 42.0, True)
    assert not desk.vendor.calls


@pytest.mark.parametrize("only", [(), ("key",)])
def test_a_push_that_is_too_old_does_not_wait_on(only: tuple[str, ...]) -> None:
    """It ends as expired, and is listed as parked no more."""
    desk, pace = Desk(), Pace()
    desk.sender = replace(desk.sender, pace=pace)
    pace.stopped = CircuitOpen("stopped", retry_after=42.0)
    late = replace(EVENT, received_at=NOW - 61, only=only)
    receipt = desk.sender.waiting(late, PUSH, lambda: 30.0)
    assert receipt is not None
    assert receipt.outcome is Outcome.EXPIRED
    assert desk.ledger.cleared == ["key"]


@pytest.mark.parametrize(
    ("state", "outcome"), [(Outcome.DELIVERED, Outcome.DUPLICATE), (Outcome.FAILED, Outcome.FAILED)]
)
def test_a_push_that_was_settled_does_not_wait(state: Outcome, outcome: Outcome) -> None:
    """The same event comes while calls are stopped: the ledger knows its end."""
    desk, pace = Desk(), Pace()
    desk.sender = replace(desk.sender, pace=pace)
    desk.ledger.put("key", state)
    pace.stopped = CircuitOpen("stopped", retry_after=42.0)
    receipt = desk.sender.waiting(EVENT, PUSH, lambda: 30.0)
    assert receipt is not None
    assert receipt.outcome is outcome

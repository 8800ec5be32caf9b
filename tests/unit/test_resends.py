"""Calls of unknown fate: which pushes are sent again, and which are held for a person."""

from dataclasses import replace

import pytest

from push_relay.core.errors import (
    DeliveryUnknown,
    LedgerUnavailable,
    QuotaExhausted,
    VendorUnavailable,
)
from push_relay.core.event import Replay
from push_relay.core.outcomes import Disposition, Outcome
from sender_desk import EVENT, Desk


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
    """The deployer chooses. In both cases the vendor was called once, and the call has a latency."""
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
def test_a_push_of_unknown_fate_is_sent_again_a_number_of_times_and_then_held(
    resends: int, detail: str
) -> None:
    """The dead letter states how often the push may have been shown."""
    desk = Desk(resends=resends)
    desk.vendor.judge = lambda _push, _credentials: DeliveryUnknown("lost")
    receipts = [desk.send() for _ in range(resends + 3)]
    ends = [(receipt.outcome, receipt.error_code) for receipt in receipts]
    assert ends == [*[LOST] * resends, *[HELD] * 3]
    assert receipts[resends].detail == detail
    assert len(desk.vendor.calls) == resends + 1


def test_other_retries_do_not_count_as_resends() -> None:
    """Only a call of unknown fate counts, and a clear answer resets the count."""
    desk = Desk()
    down, lost = VendorUnavailable("down"), DeliveryUnknown("lost")
    desk.vendor.errors = [down, lost, down, QuotaExhausted("used up"), None]
    codes = [desk.send().error_code for _ in range(5)]
    assert codes == ["vendor_unavailable", "delivery_unknown", "vendor_unavailable", "quota_exhausted", None]
    assert desk.ledger.items["key"].unknown_sends == 0


def test_a_replay_of_a_held_push_starts_a_new_count() -> None:
    """A person has asked for it, and knows that the push may have been shown. Its resends are counted too."""
    desk = Desk()
    desk.vendor.judge = lambda _push, _credentials: DeliveryUnknown("lost")
    first = [desk.send().error_code for _ in range(2)]
    replays = [replace(EVENT, replay=Replay.FAILED, replay_id=name) for name in ("one", "one", "two", "two")]
    again = [desk.send(event).error_code for event in replays]
    assert first + again == ["delivery_unknown", "delivery_held"] * 3


def test_a_push_is_sent_again_if_its_call_cannot_be_counted() -> None:
    """The ledger is down, so the call is as unknown as that of a worker that was killed."""
    desk = Desk(resends=1)
    desk.vendor.judge = lambda _push, _credentials: DeliveryUnknown("lost")
    desk.ledger.record_error = LedgerUnavailable("down")
    assert desk.send().error_code == "delivery_unknown"

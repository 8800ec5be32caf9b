"""Send one push: claim it, send it, and record its outcome. docs/reliability.md lists the second pushes."""

from collections.abc import Callable, Sequence
from typing import Protocol

from push_relay.core.clock import Clock, TimeLeft
from push_relay.core.delivery.encoding import Credentials
from push_relay.core.delivery.ledger import PARKED, Claim, Claimed, ClaimRequest, Ledger, Settlement
from push_relay.core.delivery.permit_ports import LanePermits, Session
from push_relay.core.errors import (
    VENDOR_CODES,
    ClaimHeld,
    ConnectionsBusy,
    CredentialsUnavailable,
    DeliveryHeld,
    DeliveryUnknown,
    LedgerUnavailable,
    OutOfTime,
    VendorRejected,
    VendorUnauthorized,
)
from push_relay.core.event import Event
from push_relay.core.outcomes import Outcome, code_of, safe_detail
from push_relay.core.push import Push, Receipt
from push_relay.core.quick_dataclass import dataclass, replace

#: Seconds that an invocation keeps for settling, acknowledging and logging.
SETTLE_MARGIN_SECS = 1.5


class PushCredentials(Protocol):
    """The organisation's credentials at the vendor. Both methods raise CredentialsUnavailable."""

    def current(self) -> Credentials: ...
    def refreshed(self) -> Credentials: ...


class PushApi(Protocol):
    """The vendor. A call uses the day's quota, and a push cannot be taken back."""

    def send(self, push: Push, credentials: Credentials, correlation_id: str, timeout: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Sender:
    """Claims, sends and settles pushes; safe to call from several threads.

    If a worker is killed between two of its steps, the claim's lease ends and the push is tried again.
    docs/reliability.md lists the cases in which a second push is possible.
    """

    ledger: Ledger
    credentials: PushCredentials
    push_api: PushApi
    permits: LanePermits
    clock: Clock
    hold_unknown: bool = False
    resends: int = 1

    # --- before the call --------------------------------------------------------------------------------

    def waiting(self, event: Event, push: Push) -> Receipt | None:
        """Return a push's receipt if this worker knows that it cannot be sent now; None if it can be tried.

        No I/O. A push that is too old expires instead.
        """
        refusal = self.permits.refusal(push)
        if refusal is None or push.is_expired(event, self.clock.now()):
            return None
        return Receipt.of_error(event, refusal, push)

    def claim(self, event: Event, push: Push, time_left: TimeLeft) -> Receipt | None:
        """Claim a push; return its receipt if this worker must not send it. Never raises."""
        return self.begin_claims([(event, push)], time_left)()[0]

    def begin_claims(
        self, pushes: Sequence[tuple[Event, Push]], time_left: TimeLeft
    ) -> Callable[[], Sequence[Receipt | None]]:
        """Begin to claim pushes, in one round trip.

        Returns a function that waits for the answers, and returns the receipt of each push that this worker
        must not send. Neither raises. A push that is too old, or for which no time is left, is not claimed.
        """
        receipts = [self._unclaimable(event, push, time_left) for event, push in pushes]
        wanted = [number for number, receipt in enumerate(receipts) if receipt is None]
        requests = [self._request(*pushes[number], time_left) for number in wanted]
        end = self.ledger.begin_claims(requests) if requests else tuple

        def claimed() -> Sequence[Receipt | None]:
            for number, answer in zip(wanted, end(), strict=True):
                receipts[number] = _refused(*pushes[number], answer)
            return receipts

        return claimed

    def _unclaimable(self, event: Event, push: Push, time_left: TimeLeft) -> Receipt | None:
        if push.is_expired(event, self.clock.now()):
            return self.recorded(push, replace(Receipt.of(event, Outcome.EXPIRED), push=push))
        if time_left() <= SETTLE_MARGIN_SECS:
            error = OutOfTime("the invocation ends before the push could be sent")
            return Receipt.of_error(event, error, push)
        return None

    def _request(self, event: Event, push: Push, time_left: TimeLeft) -> ClaimRequest:
        """Return the claim of a push, for as long as this invocation can live."""
        return ClaimRequest(push.key, time_left(), event.replay, event.replay_id, push.forget_before(event))

    # --- the call ---------------------------------------------------------------------------------------

    def send(self, event: Event, push: Push, session: Session, time_left: TimeLeft) -> Receipt:
        """Send an event's push, which is claimed, and return its receipt, which is not recorded yet.

        Never raises: an exception is the push's outcome.
        """
        started, latency = None, None
        try:
            credentials = self.credentials.current()
            started = self.clock.monotonic()
            self._send(event, push, credentials, session, time_left)
            receipt = replace(Receipt.of(event, Outcome.DELIVERED), push=push)
        except Exception as exc:  # noqa: BLE001 (nothing is swallowed: it is the push's outcome)
            receipt = Receipt.of_error(event, exc, push)
        # A paced push was not sent, even if its code is that of the call before it.
        called = receipt.outcome is Outcome.DELIVERED or receipt.error_code in VENDOR_CODES
        if started is not None and called and not receipt.is_paced:
            latency = (self.clock.monotonic() - started) * 1000
        return replace(self.paced(receipt), latency_ms=latency)

    def paced(self, receipt: Receipt) -> Receipt:
        """If calls are stopped, park a push that the vendor did not accept until a call may be tried."""
        wait = self.permits.wait()
        # Calls that ended without an answer keep their connections busy, so others find none.
        concerned = receipt.error_code in VENDOR_CODES or receipt.error_code == ConnectionsBusy.code
        if wait is None or receipt.outcome is not Outcome.PARKED or not concerned:
            return receipt
        return replace(receipt, retry_after=wait, is_paced=True)

    def _send(
        self, event: Event, push: Push, credentials: Credentials, session: Session, time_left: TimeLeft
    ) -> None:
        """Send a push; if the credentials are refused, once more with changed ones."""
        try:
            self._call(event, push, credentials, session, time_left)
        except VendorUnauthorized as refusal:
            self._call(event, push, self._changed(credentials, refusal), session, time_left)

    def _changed(self, refused: Credentials, refusal: VendorUnauthorized) -> Credentials:
        """Read the credentials again. Raises the refusal if they are still those that were refused."""
        try:
            fresh = self.credentials.refreshed()
        except CredentialsUnavailable:
            raise refusal from None
        if fresh == refused:
            raise refusal
        return fresh

    def _call(
        self, event: Event, push: Push, credentials: Credentials, session: Session, time_left: TimeLeft
    ) -> None:
        try:
            with session.call(push, credentials, time_left() - SETTLE_MARGIN_SECS) as seconds:
                self.push_api.send(push, credentials, event.correlation_id, seconds)
        except DeliveryUnknown as exc:
            raise self._unknown(push, exc) from None

    def _unknown(self, push: Push, lost: DeliveryUnknown) -> DeliveryUnknown:
        """Return the error of a call of unknown fate: the push is sent again, or held for a person."""
        if self.hold_unknown:
            return DeliveryHeld(lost.detail)
        try:
            sent = self.ledger.count_unknown(push.key)
        except LedgerUnavailable:
            # The call is not counted, as it would be if the worker were killed here.
            return lost
        if sent <= self.resends:
            return lost
        times = "once" if sent == 1 else f"{sent} times"
        return DeliveryHeld(f"{lost.detail}; it was sent {times} without a clear answer")

    # --- after the call ---------------------------------------------------------------------------------

    def recorded(self, push: Push, receipt: Receipt) -> Receipt:
        """Settle or release one claim, as the receipt demands; see `begin_records`."""
        return self.begin_records([replace(receipt, push=push)])()[0]

    def begin_records(self, receipts: Sequence[Receipt]) -> Callable[[], Sequence[Receipt]]:
        """Begin to settle or release the claims of pushes in one round trip, as their receipts demand.

        Returns a function that waits for the answers, and returns the receipts. Neither raises. If the ledger
        fails for one, its receipt's detail has that. The push's outcome is the same then, because the claim's
        lease ends without the ledger.
        """
        settled = [receipt for receipt in receipts if receipt.outcome is not Outcome.EXPIRED]
        end = self.ledger.begin_ends([_settlement(each) for each in settled]) if settled else tuple

        def recorded() -> Sequence[Receipt]:
            answers = iter(end())
            return [
                _with_trouble(
                    receipt, self._clear(receipt) if receipt.outcome is Outcome.EXPIRED else next(answers)
                )
                for receipt in receipts
            ]

        return recorded

    def _clear(self, receipt: Receipt) -> Exception | None:
        """Forget an expired push, if it is parked."""
        try:
            self.ledger.clear_parked(receipt.key or "")
        except Exception as exc:  # noqa: BLE001 (it must not stop the other pushes; the receipt has it)
            return exc
        return None

    def confirmed(self, event: Event, receipt: Receipt) -> Receipt:
        """Return the receipt of a failed push if the ledger has its failure, else a parked one. Never raises.

        No step that depends on a failure may be taken before every worker can read it.
        """
        try:
            if self.ledger.error_code_of(receipt.key or "") == receipt.error_code:
                return receipt
            trouble: Exception = LedgerUnavailable("the ledger does not have what the vendor answered")
        except Exception as exc:  # noqa: BLE001 (nothing is swallowed: it is the push's outcome)
            trouble = exc
        return Receipt.of_error(event, trouble, receipt.push)


def _refused(event: Event, push: Push, answer: Claimed | LedgerUnavailable) -> Receipt | None:
    """Return the receipt of a push whose claim was not granted; None if it was."""
    if isinstance(answer, LedgerUnavailable):
        return Receipt.of_error(event, answer, push)
    if answer.claim is Claim.GRANTED:
        return None
    if answer.claim is Claim.HELD:
        error = ClaimHeld("another worker has claimed this push and has not settled it yet")
        return Receipt.of_error(event, error, push)
    if answer.claim is Claim.SETTLED:
        return replace(Receipt.of(event, Outcome.DUPLICATE), push=push)
    # It is reported again, because its worker may have died before it dead-lettered the push.
    receipt = Receipt.of(event, Outcome.FAILED, detail="it has failed before")
    return replace(receipt, error_code=answer.error_code or VendorRejected.code, push=push)


def _settlement(receipt: Receipt) -> Settlement:
    code = receipt.error_code or ""
    if receipt.outcome is Outcome.PARKED:
        return Settlement(receipt.key or "", PARKED, code, receipt.source, receipt.event_id)
    return Settlement(receipt.key or "", receipt.outcome, code)


def _with_trouble(receipt: Receipt, error: Exception | None) -> Receipt:
    if error is None:
        return receipt
    trouble = f"not recorded: {safe_detail(error) or code_of(error)}"
    return replace(receipt, detail=f"{receipt.detail}; {trouble}" if receipt.detail else trouble)

"""Send one push: claim it, send it, and record its outcome. docs/reliability.md lists the second pushes."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Protocol

from push_relay.core.clock import Clock, TimeLeft
from push_relay.core.delivery.connections import Connection, Unleased
from push_relay.core.delivery.encoding import Credentials
from push_relay.core.delivery.ledger import Claim, Ledger
from push_relay.core.errors import (
    VENDOR_CODES,
    ClaimHeld,
    ConnectionsBusy,
    CredentialsUnavailable,
    DeliveryHeld,
    DeliveryUnknown,
    LedgerUnavailable,
    NotNow,
    OutOfTime,
    VendorRejected,
    VendorUnauthorized,
)
from push_relay.core.event import Event
from push_relay.core.outcomes import Outcome, code_of, safe_detail
from push_relay.core.push import Push, Receipt

#: Seconds that an invocation keeps for settling, acknowledging and logging.
SETTLE_MARGIN_SECS = 1.5

type _Call = Callable[[], AbstractContextManager[float]]  # begins a call; yields the seconds that it may take

_UNLEASED = Unleased()


class PushCredentials(Protocol):
    """The organisation's credentials at the vendor. Both methods raise CredentialsUnavailable."""

    def current(self) -> Credentials: ...
    def refreshed(self) -> Credentials: ...


class PushApi(Protocol):
    """The vendor. A call uses the day's quota, and a push cannot be taken back."""

    def send(self, push: Push, credentials: Credentials, correlation_id: str, timeout: float) -> None: ...


class Pace(Protocol):
    """This worker's knowledge of when the account may call. No I/O."""

    def refusal(self, push: Push) -> NotNow | None:
        """Return why a push cannot be sent now; None if it can be tried."""
        ...

    def wait(self) -> float | None:
        """Return seconds until a call may be tried; None if it may be tried now."""
        ...


class Unpaced:
    """The pace of an account that may always call."""

    def refusal(self, _push: Push) -> None:
        """Refuse nothing."""

    def wait(self) -> None:
        """Wait for nothing."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends pushes, one a call; safe to call from several threads.

    If a worker is killed between two of its steps, the claim's lease ends and the push is tried again.
    docs/reliability.md lists the cases in which a second push is possible.
    """

    ledger: Ledger
    credentials: PushCredentials
    push_api: PushApi
    clock: Clock
    hold_unknown: bool = False
    resends: int = 1
    pace: Pace = field(default_factory=Unpaced)

    def send(
        self, event: Event, push: Push, time_left: TimeLeft, connection: Connection = _UNLEASED
    ) -> Receipt:
        """Send an event's push on a leased connection and return its receipt.

        Never raises: an exception is the push's outcome.
        """
        if settled := self.claim(event, push, time_left):
            return settled
        started, latency = None, None
        try:
            credentials = self.credentials.current()
            started = self.clock.monotonic()
            self._send(
                push,
                credentials,
                event.correlation_id,
                lambda: connection.call(time_left() - SETTLE_MARGIN_SECS),
            )
            receipt = replace(Receipt.of(event, Outcome.DELIVERED), push=push)
        except Exception as exc:  # noqa: BLE001 (nothing is swallowed: it is the push's outcome)
            receipt = Receipt.of_error(event, exc, push)
        # A paced push was not sent, even if its code is that of the call before it.
        called = receipt.outcome is Outcome.DELIVERED or receipt.error_code in VENDOR_CODES
        if started is not None and called and not receipt.is_paced:
            latency = (self.clock.monotonic() - started) * 1000
        return replace(self.recorded(push, self.paced(receipt)), latency_ms=latency)

    def waiting(self, event: Event, push: Push, time_left: TimeLeft) -> Receipt | None:
        """Return a push's receipt if this worker knows that it cannot be sent now; None if it can be tried.

        It needs no connection. A push that has waited before needs no write, because the ledger has it. Never
        raises.
        """
        refusal = self.pace.refusal(push)
        if refusal is None:
            return None
        receipt = Receipt.of_error(event, refusal, push)
        if push.key in event.only and not push.is_expired(event, self.clock.now()):
            return receipt
        return self.claim(event, push, time_left) or self.recorded(push, receipt)

    def paced(self, receipt: Receipt) -> Receipt:
        """If calls are stopped, park a push that the vendor did not accept until a call may be tried."""
        wait = self.pace.wait()
        # Calls that ended without an answer keep their connections busy, so others find none.
        concerned = receipt.error_code in VENDOR_CODES or receipt.error_code == ConnectionsBusy.code
        if wait is None or receipt.outcome is not Outcome.PARKED or not concerned:
            return receipt
        return replace(receipt, retry_after=wait, is_paced=True)

    def claim(self, event: Event, push: Push, time_left: TimeLeft) -> Receipt | None:
        """Claim a push; return its receipt if this worker must not send it. Never raises."""
        if push.is_expired(event, self.clock.now()):
            return self.recorded(push, replace(Receipt.of(event, Outcome.EXPIRED), push=push))
        try:
            claim = self._claim(event, push, time_left)
            if claim is Claim.SETTLED:
                return replace(Receipt.of(event, Outcome.DUPLICATE), push=push)
            if claim is Claim.FAILED:
                return self._failed_before(event, push)
        except Exception as exc:  # noqa: BLE001 (nothing was sent; the error is the push's outcome)
            return Receipt.of_error(event, exc, push)
        return None

    def _claim(self, event: Event, push: Push, time_left: TimeLeft) -> Claim:
        """Claim a push for as long as this invocation can live. Raises ClaimHeld, OutOfTime."""
        left = time_left()
        if left <= SETTLE_MARGIN_SECS:
            raise OutOfTime("the invocation ends before the push could be sent")
        forget_before = push.forget_before(event)
        claim = self.ledger.claim(push.key, left, event.replay, event.replay_id, forget_before)
        if claim is Claim.HELD:
            raise ClaimHeld("another worker has claimed this push and has not settled it yet")
        return claim

    def _failed_before(self, event: Event, push: Push) -> Receipt:
        """Report again that a push has failed: its worker may have died before dead-lettering it."""
        receipt = Receipt.of(event, Outcome.FAILED, detail="it has failed before")
        return replace(
            receipt, error_code=self.ledger.error_code_of(push.key) or VendorRejected.code, push=push
        )

    def _send(self, push: Push, credentials: Credentials, correlation_id: str, call: _Call) -> None:
        """Send a push; if the credentials are refused, once more with changed ones."""
        try:
            self._call(push, credentials, correlation_id, call)
        except VendorUnauthorized as refusal:
            self._call(push, self._changed(credentials, refusal), correlation_id, call)

    def _changed(self, refused: Credentials, refusal: VendorUnauthorized) -> Credentials:
        """Read the credentials again. Raises the refusal if they are still those that were refused."""
        try:
            fresh = self.credentials.refreshed()
        except CredentialsUnavailable:
            raise refusal from None
        if fresh == refused:
            raise refusal
        return fresh

    def _call(self, push: Push, credentials: Credentials, correlation_id: str, call: _Call) -> None:
        try:
            with call() as seconds:
                self.push_api.send(push, credentials, correlation_id, seconds)
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

    def recorded(self, push: Push, receipt: Receipt) -> Receipt:
        """Settle or release the claim, as the receipt demands.

        If the ledger fails, the receipt's detail has that. The push's outcome is the same then, because the
        claim's lease ends without the ledger.
        """
        try:
            if receipt.outcome is Outcome.PARKED:
                self.ledger.release(push.key, receipt)
            elif receipt.outcome is Outcome.EXPIRED:
                self.ledger.clear_parked(push.key)
            else:
                self.ledger.settle(push.key, receipt.outcome, receipt.error_code or "")
        except Exception as exc:  # noqa: BLE001 (it must not stop the other pushes; the receipt has it)
            trouble = f"not recorded: {safe_detail(exc) or code_of(exc)}"
            return replace(receipt, detail=f"{receipt.detail}; {trouble}" if receipt.detail else trouble)
        return receipt

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

"""The push: a wording for one recipient of one account; and its receipt."""

import re
from collections.abc import Sequence
from enum import StrEnum

from push_relay.core.errors import (
    MappingFailed,
    NotNow,
    SchemaViolation,
    UnknownSource,
    VendorRejected,
    Violation,
)
from push_relay.core.event import Event, sha256_hex
from push_relay.core.outcomes import DISPOSITIONS, Disposition, Outcome, code_of, safe_detail, verdict
from push_relay.core.quick_dataclass import dataclass, replace

#: The name of the account of a route that names none.
DEFAULT_ACCOUNT = "default"
#: The error code, and the status in the ledger, of a push in a batch window. The ledger has stored the word.
BATCHED = "gathered"


def of_account(key: str, account: str) -> str:
    """Return the key of an account's push or window, given the key of the default account's (64 hex digits).

    So two accounts never share a key, and the default account's keys are those of versions without accounts.
    """
    return key if account == DEFAULT_ACCOUNT else sha256_hex(f"{key}\0{account}".encode())


class RecipientKind(StrEnum):
    """The three ways to name a person to the vendor, by the prefix that a route writes."""

    USER = "user"
    EMAIL = "email"
    EXTERNAL = "external"


@dataclass(frozen=True, slots=True)
class Recipient:
    """Exactly one of user id, email, external id."""

    kind: RecipientKind
    value: str

    @classmethod
    def parse(cls, text: str) -> "Recipient":
        """Read `user:...`, `email:...` or `external:...`. Raises MappingFailed without showing the value."""
        prefix, colon, value = text.partition(":")
        if not colon or not value or prefix not in list(RecipientKind):
            raise MappingFailed("a recipient is `user:...`, `email:...`, `external:...` or `person:...`")
        kind = RecipientKind(prefix)
        if kind is RecipientKind.EMAIL and not re.fullmatch(r"[^@\s]+@[^@\s]+", value):
            raise MappingFailed("a recipient's email address is invalid")
        return cls(kind, value)


@dataclass(frozen=True, slots=True)
class Wording:
    """The text that a source's message rule writes for one event, the same for each recipient.

    `sound` and `expiry_secs` are left out of the call if they are None: their defaults are the vendor's.
    """

    title: str
    body: str
    sound: bool | None = None
    expiry_secs: int | None = None


@dataclass(frozen=True, slots=True)
class Push:
    """One wording for one recipient. `key` is the same whenever the same event is relayed again.

    high     whether it is urgent: it is sent first, and may use the reserved calls of the day
    max_age  seconds after which it is not worth sending
    batch_secs  seconds of its batch window; None: it is sent alone
    account  the name of the account that sends it
    sources  whose budgets its call counts for: its event's source, or all sources of a batch push
    remember seconds after its settlement in which an event that arrives with its key is a duplicate; None: as
             long as the ledger remembers
    route    what leads to the recipient in relay.toml, such as `route[3].to[1]`; empty if it is not
             known, as for a push that was in a batch window
    left_out on one push of an event: the parts of its routes that lead to nobody (`Routed.left_out`)
    """

    recipient: Recipient
    wording: Wording
    key: str
    high: bool = False
    max_age: float | None = None
    batch_secs: float | None = None
    account: str = DEFAULT_ACCOUNT
    sources: tuple[str, ...] = ()
    remember: float | None = None
    route: str = ""
    left_out: tuple[str, ...] = ()

    def is_expired(self, event: Event, now: float) -> bool:
        """Return whether an event is too old for this push. `now` is in seconds since the epoch."""
        return self.max_age is not None and now - event.received_at > self.max_age

    def forget_before(self, event: Event) -> float:
        """Return the time before which a settlement was another event's; 0 if there is no such time.

        The time of arrival counts, and not the time of the attempt: a message that is received again is the
        same arrival, however late.
        """
        return 0.0 if self.remember is None else event.received_at - self.remember


@dataclass(frozen=True, slots=True)
class Receipt:
    """How one push ended, or an event that never became one. Safe to log, except for `push`.

    error_code   stable code of the error, if there was one
    detail       the error's own sentence, or why the event became no push
    vendor_code  the vendor's error code, made safe
    violations   where the event breaks its source's schema
    retry_after  seconds to wait before the next attempt, if they are known
    is_paced     whether that is when the account may call again, whatever the attempt's number
    latency_ms   duration of the call to the vendor, if there was one
    due          when it is tried again, in seconds since the epoch, if it is parked and that is known
    unled        of an event that became no push: the parts of its routes that lead to nobody
    push         the push, if the event became one; never logged
    """

    source: str
    event_id: str
    outcome: Outcome
    correlation_id: str = "-"
    error_code: str | None = None
    detail: str | None = None
    vendor_code: str | None = None
    violations: tuple[Violation, ...] = ()
    retry_after: float | None = None
    is_paced: bool = False
    latency_ms: float | None = None
    due: float | None = None
    unled: tuple[str, ...] = ()
    push: Push | None = None

    @property
    def route(self) -> str | None:
        """The number of what leads to the push's recipient in relay.toml, if it is known."""
        return (self.push.route or None) if self.push else None

    @property
    def left_out(self) -> tuple[str, ...]:
        """The parts of the event's routes that lead to nobody. Only one receipt of an event has them."""
        return self.push.left_out if self.push else self.unled

    @property
    def key(self) -> str | None:
        """The push's key, if there is a push."""
        return self.push.key if self.push else None

    @property
    def account(self) -> str | None:
        """The account of the push, if there is a push."""
        return self.push.account if self.push else None

    @property
    def disposition(self) -> Disposition:
        """How the message that carried the event has to be ended."""
        # A batched push is stored in its window, so no message has to keep it.
        return Disposition.ACKNOWLEDGE if self.error_code == BATCHED else DISPOSITIONS[self.outcome]

    @classmethod
    def of(
        cls, event: Event, outcome: Outcome, *, detail: str | None = None, left_out: tuple[str, ...] = ()
    ) -> "Receipt":
        """Make the receipt of an event's push, or of an event that became none."""
        return cls(event.source, event.id, outcome, event.correlation_id, detail=detail, unled=left_out)

    @classmethod
    def of_error(cls, event: Event, error: Exception, push: "Push | None" = None) -> "Receipt":
        """Make the receipt of an error that an event or one of its pushes met."""
        receipt = cls.failure(
            error, source=event.source, event_id=event.id, correlation_id=event.correlation_id
        )
        return replace(receipt, push=push)

    @classmethod
    def failure(
        cls, error: Exception, *, source: str | None, event_id: str = "-", correlation_id: str = "-"
    ) -> "Receipt":
        """Make the receipt of an error, by the table of outcomes.

        If the source does not exist, its name is `unknown`: strangers must not be able to make metrics.
        """
        if isinstance(error, SchemaViolation):
            source = source or error.source
        return cls(
            source=source if source and not isinstance(error, UnknownSource) else "unknown",
            event_id=event_id,
            outcome=verdict(error).outcome,
            correlation_id=correlation_id,
            error_code=code_of(error),
            detail=safe_detail(error),
            vendor_code=error.vendor_code if isinstance(error, VendorRejected) else None,
            violations=error.violations if isinstance(error, SchemaViolation) else (),
            retry_after=error.retry_after if isinstance(error, NotNow) else None,
            is_paced=isinstance(error, NotNow) and error.is_paced,
        )


def part_of(event: Event, part: Sequence[Receipt], receipts: Sequence[Receipt]) -> Event:
    """Return an event for a message that is for some of its receipts only.

    A receipt without a push (its recipient could not be determined, for example) has no key. Then the message
    is for everything that the other receipts do not cover.
    """
    keys = tuple(dict.fromkeys(receipt.key for receipt in part if receipt.key))
    if all(receipt.key for receipt in part):
        return replace(event, only=keys, skip=())
    others = (receipt.key for receipt in receipts if receipt.key and receipt.key not in keys)
    return replace(event, skip=tuple(dict.fromkeys((*event.skip, *others))))

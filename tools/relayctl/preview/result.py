"""The result of a preview: the outcome of one file, and of each event in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from push_relay.core.errors import Violation
from push_relay.core.event import Event
from push_relay.core.outcomes import Outcome
from push_relay.core.push import Push, Receipt, Wording
from relayctl.preview.explanation import Explanation

#: The outcomes, the worst first. The worst of a file's events is its status.
SEVERITY: Final = (
    Outcome.FAILED,
    Outcome.REJECTED,
    Outcome.PARKED,
    Outcome.EXPIRED,
    Outcome.DUPLICATE,
    Outcome.FILTERED,
    Outcome.DELIVERED,
)
#: The statuses of files without events: a handshake that is answered, nothing to do, a file that is unusable.
HANDSHAKE, EMPTY, UNUSABLE = "handshake", "empty", "unusable"
STATUSES: Final = (*SEVERITY, HANDSHAKE, EMPTY, UNUSABLE)
_FINE: Final = frozenset({Outcome.DELIVERED, Outcome.FILTERED, HANDSHAKE, EMPTY})


class PreviewedPush(NamedTuple):
    """A push that would be sent, and the number of the route that leads to its recipient."""

    push: Push
    route: int


class PreviewedMessage(NamedTuple):
    """The words that a message rule writes, before they are cut, and the rule's number."""

    rule: int
    wording: Wording


@dataclass(frozen=True, slots=True)
class PreviewedEvent:
    """The outcome that one event would have, or a request or message that is refused.

    receipt      the worst receipt of its pushes, or the receipt of the refusal
    event        None if it was refused
    receipts     all receipts; one that has no push is of a part that becomes none
    explanation  why; None if it was refused
    is_fallback  whether a fallback source takes it
    unrouted     then, the sources that would take it if they had a route
    """

    receipt: Receipt
    event: Event | None = None
    receipts: Sequence[Receipt] = ()
    messages: Sequence[PreviewedMessage] = ()
    pushes: Sequence[PreviewedPush] = ()
    explanation: Explanation | None = None
    is_fallback: bool = False
    unrouted: str = ""

    @property
    def outcome(self) -> Outcome:
        """The event's outcome."""
        return self.receipt.outcome

    @property
    def source(self) -> str | None:
        """The event's source; None if there is no such source."""
        return None if self.receipt.source == "unknown" else self.receipt.source

    @property
    def id(self) -> str | None:
        """The event's id; None if it could not be read."""
        return None if self.receipt.event_id == "-" else self.receipt.event_id

    @property
    def violations(self) -> Sequence[Violation]:
        """The places in which it breaks its source's schema."""
        return self.receipt.violations


@dataclass(frozen=True, slots=True)
class PreviewedFile:
    """The outcome that one file would have.

    answer    the response to the sender; None if AWS delivers the file's events
    verified  whether the proof fits; None if it was not verified
    skipped   the steps that the preview has left out
    """

    file: str
    answer: Mapping[str, Any] | None = None
    events: Sequence[PreviewedEvent] = ()
    is_handshake: bool = False
    verified: bool | None = None
    skipped: Sequence[str] = ()
    is_unusable: bool = False

    @property
    def status(self) -> str:
        """One word: the worst outcome of the events, or why there is none."""
        if self.is_unusable:
            return UNUSABLE
        if self.events:
            return min((event.outcome for event in self.events), key=SEVERITY.index).value
        return HANDSHAKE if self.is_handshake else EMPTY

    @property
    def is_fine(self) -> bool:
        """Whether nobody has to look into it."""
        return self.status in _FINE


def worst(receipts: Sequence[Receipt]) -> Receipt:
    """Return the receipt with the worst outcome; of several the first."""
    return min(receipts, key=lambda receipt: SEVERITY.index(receipt.outcome))

"""One message of an invocation on its way: what it carries, then what became of it, then what is done."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import SystemRandom
from typing import Any

from push_relay.core import envelope
from push_relay.core.backoff import backoff, paced
from push_relay.core.event import Event
from push_relay.core.outcomes import Disposition
from push_relay.core.push import Receipt, part_of

#: Receives from which on a message is handled alone; SQS dead-letters it after five.
_SUSPECT = 3
_CODE = re.compile(r"[a-z_]{1,64}")
_COUNT = re.compile(r"[0-9]{1,11}")
_random = SystemRandom().random


@dataclass(slots=True)
class Message:
    """A message, its event where it got so far, and the receipts of the event's pushes.

    attempt  how many times its event has been tried, this time included
    due      seconds since the epoch before which it is not to be tried
    reason   why it was parked, as the message has it: handed on, and for people alone
    group    its message group in a FIFO queue; None in any other
    receives how often SQS has handed it out; more than once where a function ended without a word of it
    """

    content: Mapping[str, Any]
    attempt: int = 1
    due: float = 0.0
    reason: str = ""
    group: str | None = None
    receives: int = 1
    event: Event | None = None
    receipts: Sequence[Receipt] = field(default=())

    @classmethod
    def of_sqs(cls, record: Mapping[str, Any]) -> "Message":
        """Read what an SQS record says of itself."""
        attributes = record.get("attributes")
        system = attributes if isinstance(attributes, Mapping) else {}
        given = envelope.sqs_attributes(record)
        # On somebody else's message they are somebody else's words: an invoice may well be `due`.
        ours = given if envelope.EVENT_ATTRIBUTE in given else {}
        received = _count(system.get("ApproximateReceiveCount"), 1)
        arn = record.get("eventSourceARN")
        fifo = isinstance(arn, str) and arn.endswith(".fifo")
        return cls(
            content=record,
            attempt=_count(ours.get(envelope.ATTEMPT_ATTRIBUTE), 1) + received - 1,
            due=float(_count(ours.get(envelope.DUE_ATTRIBUTE), 0)),
            reason=reason if _CODE.fullmatch(reason := ours.get(envelope.REASON_ATTRIBUTE, "")) else "",
            group=str(system.get("MessageGroupId")) if fifo else None,
            receives=received,
        )

    @property
    def is_suspect(self) -> bool:
        """Whether it may be what ended the functions that had it; in a FIFO queue it may just have waited."""
        return self.receives >= _SUSPECT and self.group is None

    @property
    def event_id(self) -> str:
        """The event's id, where it got so far."""
        return self.event.id if self.event else "-"

    def asking_for(self, disposition: Disposition) -> list[Receipt]:
        """Return the receipts that ask for a disposition."""
        return [receipt for receipt in self.receipts if receipt.disposition is disposition]

    def event_for(self, receipts: Sequence[Receipt]) -> Event | None:
        """Return the event for these receipts alone."""
        return self.event and part_of(self.event, receipts, self.receipts)

    def delay(self, parked: Sequence[Receipt]) -> float:
        """Return seconds until the next attempt of what these receipts ask to be parked."""
        high = any(receipt.push and receipt.push.high for receipt in parked)
        own = [receipt for receipt in parked if not receipt.is_paced]
        named = [receipt.retry_after for receipt in own if receipt.retry_after is not None]
        waits = [backoff(self.attempt, max(named, default=None), _random, high=high)] if own else []
        for receipt in parked:
            if receipt.is_paced:
                tried = receipt.latency_ms is not None
                waits.append(paced(receipt.retry_after or 0.0, _random, high=high, tried=tried))
        return max(waits)

    def next_attempt(self, parked: Sequence[Receipt]) -> int:
        """Return the number of the next attempt. What waits for the account alone has not used one up."""
        return self.attempt + any(not receipt.is_paced for receipt in parked)


def _count(given: object, otherwise: int) -> int:
    return int(given) if isinstance(given, str) and _COUNT.fullmatch(given) else otherwise

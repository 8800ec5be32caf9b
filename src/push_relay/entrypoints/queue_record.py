"""One message of an invocation: its content, then its event, then the receipts of the event's pushes."""

import re
from collections.abc import Mapping, Sequence
from random import SystemRandom
from typing import Any

from push_relay.core import queue_format
from push_relay.core.delivery.backlog import Shelf, Waiting
from push_relay.core.delivery.backoff import backoff
from push_relay.core.delivery.batching import account_of
from push_relay.core.delivery.wake_up import SOURCE
from push_relay.core.errors import BudgetExhausted, ConnectionsBusy, RelayError
from push_relay.core.event import Event, safe_id
from push_relay.core.outcomes import Disposition
from push_relay.core.push import DEFAULT_ACCOUNT, Receipt, part_of
from push_relay.core.quick_dataclass import dataclass, replace

#: Crashes after which the relay dead-letters a message of a standard queue.
MAX_CRASHES = 5
#: Receives from which on the records of a FIFO queue are handled one at a time. Each wait is a receive too.
_OFTEN = 3
#: Seconds after which a FIFO queue's record is handled again that waits for a connection, at most.
MAX_LOOK_SECS = 60.0
_COUNT = re.compile(r"[0-9]{1,11}")
_random = SystemRandom().random


@dataclass(slots=True)
class QueueRecord:
    """A message, its event if it could be read, and the receipts of the event's pushes.

    attempt  how many times its event has been tried, this time included
    due      seconds since the epoch before which it must not be tried
    reason   the error code for which it was parked; it is passed on, for people only
    group    its message group in a FIFO queue; None in any other
    receives how often SQS has handed it out
    crashes  how often the function died on it, if that is known; always 0 in a FIFO queue, where a message
             that waits is received again too
    behind   the later messages of its group in the same batch
    noted_at when the receipts were noted, in seconds since the epoch
    """

    content: Mapping[str, Any]
    attempt: int = 1
    due: float = 0.0
    reason: str = ""
    group: str | None = None
    receives: int = 1
    crashes: int = 0
    behind: Sequence["QueueRecord"] = ()
    event: Event | None = None
    receipts: Sequence[Receipt] = ()
    noted_at: float = 0.0

    @classmethod
    def of_sqs(cls, record: Mapping[str, Any]) -> "QueueRecord":
        """Read an SQS record."""
        attributes = record.get("attributes")
        system = attributes if isinstance(attributes, Mapping) else {}
        progress = queue_format.progress(record)
        received = _count(system.get("ApproximateReceiveCount"), 1)
        arn = record.get("eventSourceARN")
        fifo = isinstance(arn, str) and arn.endswith(".fifo")
        # A standard queue hands a message out again only if its function has not answered. A copy's own
        # receives begin at 1, so it carries the count of the message that it replaces.
        crashes = progress.crashes + received - 1
        return cls(
            content=record,
            attempt=progress.attempt + (received - 1 if fifo else crashes),
            due=progress.due,
            reason=progress.reason,
            group=str(system.get("MessageGroupId")) if fifo else None,
            receives=received,
            crashes=0 if fifo else crashes,
        )

    @property
    def is_suspect(self) -> bool:
        """Whether the function may have died because of it. In a FIFO queue it may only have waited."""
        return self.crashes > 0 if self.group is None else self.receives >= _OFTEN

    @property
    def is_doomed(self) -> bool:
        """Whether it has crashed the function so often that it is not handled again."""
        return self.crashes >= MAX_CRASHES

    @property
    def can_be_copied(self) -> bool:
        """Whether a copy in the relay's queue can replace it: in a FIFO queue it would lose its place."""
        body = self.content.get("body")
        return self.group is None and isinstance(body, str) and body != ""

    @property
    def source(self) -> str | None:
        """The source that the message itself names, as the queue's other readers see it."""
        return queue_format.sqs_attributes(self.content).get(queue_format.SOURCE_ATTRIBUTE)

    @property
    def message_id(self) -> str:
        """The id that SQS gave the message first, safe to log."""
        return safe_id(queue_format.message_id(self.content), "-")

    @property
    def event_id(self) -> str:
        """The event's id, if it could be read."""
        return self.event.id if self.event else "-"

    def note(self, receipts: Sequence[Receipt], now: float) -> None:
        """Note the receipts of its event's pushes, and on each parked one when it is tried again.

        now  seconds since the epoch

        Urgent pushes wait on a shelf of their own, because the others may have to wait until midnight. So do
        the pushes of each account, because each waits for its own vendor and its own midnight. A record of a
        FIFO queue waits as a whole. Another record without an event waits until SQS hands it out again.
        """
        self.receipts = receipts
        self.noted_at = now
        if self.event is None and self.group is None:
            return
        due: dict[int, float] = {}
        for part in self.parked_parts():
            due |= dict.fromkeys(map(id, part), now + self.delay(part))
        if due:
            self.receipts = [replace(each, due=due.get(id(each), each.due)) for each in receipts]

    def waiting(self) -> list[Waiting]:
        """Return what waits of its event, one for each shelf. Its receipts have to be noted before."""
        waiting = []
        for part in self.parked_parts():
            if event := self.event_for(part):
                expected = max(receipt.due or 0.0 for receipt in part)
                shelf = _shelf(part[0], event)
                # A push that waits for the account is due as soon as that permits it. No shelf waits for the
                # budgets of several sources.
                is_paced = all(map(_waits_for_account, part))
                is_over = any(each.error_code == BudgetExhausted.code for each in part) and not shelf.source
                due = 0.0 if is_paced and not is_over else expected
                attempt = self.next_attempt(part)
                waiting.append(
                    Waiting(shelf, event, reason_of(part), due, expected, attempt, tries=self.crashes)
                )
        return waiting

    @property
    def waits_for_connection(self) -> bool:
        """Whether its pushes only wait because other workers had all connections."""
        parked = self.asking_for(Disposition.PARK)
        return bool(parked) and all(receipt.error_code == ConnectionsBusy.code for receipt in parked)

    def parked_parts(self) -> list[Sequence[Receipt]]:
        """Return the parked receipts, those that wait together in one part."""
        parked = self.asking_for(Disposition.PARK)
        if not parked:
            return []
        return [parked] if self.group is not None else _parts(parked, self.event)

    def asking_for(self, disposition: Disposition) -> list[Receipt]:
        """Return the receipts that ask for a disposition."""
        return [receipt for receipt in self.receipts if receipt.disposition is disposition]

    def event_for(self, receipts: Sequence[Receipt]) -> Event | None:
        """Return the event for these receipts alone."""
        return self.event and part_of(self.event, receipts, self.receipts)

    def delay(self, parked: Sequence[Receipt]) -> float:
        """Return seconds until the next attempt of what these receipts ask to be parked."""
        high = any(receipt.push and receipt.push.high for receipt in parked)
        own = [receipt for receipt in parked if not _waits_for_account(receipt)]
        named = [receipt.retry_after for receipt in own if receipt.retry_after is not None]
        waits = [backoff(self.attempt, max(named, default=None), _random, high=high)] if own else []
        waits += [receipt.retry_after or 0.0 for receipt in parked if _waits_for_account(receipt)]
        if self.group is not None and self.waits_for_connection:
            # SQS hides the record for a time, so it has to look again at intervals.
            waits.append(min(MAX_LOOK_SECS, backoff(self.attempt, None, _random, high=high)))
        return max(waits)

    def wait(self, parked: Sequence[Receipt]) -> float:
        """Return the seconds that parked receipts wait together, as chosen when they were noted."""
        return max(receipt.due or 0.0 for receipt in parked) - self.noted_at

    def next_attempt(self, parked: Sequence[Receipt]) -> int:
        """Return the number of the next attempt. A wait for the account without a call is not one."""
        tried = any(not _waits_for_account(receipt) or receipt.latency_ms is not None for receipt in parked)
        return self.attempt + tried


def _waits_for_account(receipt: Receipt) -> bool:
    """Whether a parked push is due as soon as the account permits its call."""
    return receipt.is_paced or receipt.error_code == ConnectionsBusy.code


def _shelf(receipt: Receipt, event: Event | None) -> Shelf:
    push = receipt.push
    if push is None:
        is_window = event is not None and event.source == SOURCE
        return Shelf(account_of(event) if event and is_window else DEFAULT_ACCOUNT)
    budget = push.sources[0] if receipt.error_code == BudgetExhausted.code and len(push.sources) == 1 else ""
    return Shelf(push.account, push.high, budget)


def reason_of(receipts: Sequence[Receipt]) -> str:
    """Return the error code of pushes that wait, or that are dead-lettered, together: the first one's."""
    return next((receipt.error_code for receipt in receipts if receipt.error_code), RelayError.code)


def _parts(parked: Sequence[Receipt], event: Event | None) -> list[Sequence[Receipt]]:
    """Split parked receipts by the shelf on which they wait, urgent ones first."""
    parts: dict[Shelf, list[Receipt]] = {}
    for receipt in parked:
        if receipt.push is None:
            # It stands for all of the event's pushes, so the whole event waits once.
            return [parked]
        parts.setdefault(_shelf(receipt, event), []).append(receipt)
    return [parts[shelf] for shelf in sorted(parts, key=lambda shelf: (not shelf.high, shelf))]


def read_batch(records: Sequence[Mapping[str, Any]]) -> list[QueueRecord]:
    """Read the records of an SQS batch, in their order."""
    batch = [QueueRecord.of_sqs(record) for record in records]
    for number, message in enumerate(batch):
        if message.group is not None:
            message.behind = [later for later in batch[number + 1 :] if later.group == message.group]
    return batch


def _count(given: object, otherwise: int) -> int:
    return int(given) if isinstance(given, str) and _COUNT.fullmatch(given) else otherwise

"""A lane: all that the pushes of one account share when they are sent.

The lane takes pushes that may be sent now, gives each a connection of the account, and returns the receipts.
One account's lane does not know those of other accounts: if its vendor is down or its quota is used up, only
its own pushes wait.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from push_relay.core.account import Account
from push_relay.core.clock import TimeLeft
from push_relay.core.delivery.batching import (
    TRIALS,
    Batcher,
    SinglePush,
    notice,
    receipts_of_batch,
    split_refused_batch,
)
from push_relay.core.delivery.connections import Share
from push_relay.core.delivery.sender import Sender
from push_relay.core.errors import VendorRejected
from push_relay.core.event import Event
from push_relay.core.outcomes import Outcome
from push_relay.core.push import Push, Receipt


class Task(NamedTuple):
    """A push to send, the event that it is about, and the event's number among those of the invocation."""

    number: int
    event: Event
    push: Push


class Connections(Protocol):
    """The account's connections, counted over the whole fleet."""

    def held(self, pushes: int, time_left: TimeLeft) -> AbstractContextManager[Share]:
        """Share the connections for so many pushes. None is leased before the first push asks for one."""
        ...


class ParallelMap(Protocol):
    """Calls a function with each item, `at_a_time` of them at once; returns results in the items' order."""

    def __call__[T, R](
        self, function: Callable[[T], R], items: Sequence[T], at_a_time: int
    ) -> Sequence[R]: ...


@dataclass(frozen=True, slots=True)
class Lane:
    """The account, and what its pushes share."""

    account: Account
    sender: Sender
    batcher: Batcher
    connections: Connections
    parallel_map: ParallelMap

    def deliver(self, tasks: Sequence[Task], time_left: TimeLeft) -> list[tuple[int, Receipt]]:
        """Deliver pushes; return all their receipts, each with its event's number. Never raises.

        Urgent pushes are sent first. The pushes of refused batch pushes are sent last.
        """
        singles: defaultdict[int, list[SinglePush]] = defaultdict(list)
        events = {task.number: task.event for task in tasks}
        ended: list[tuple[Task, Receipt]] = []
        to_send: list[Task] = []
        for task in tasks:
            if isinstance(task.push, SinglePush):
                singles[task.number].append(task.push)
            elif unsent := self._unsent(task, time_left):
                ended.append((task, unsent))
            else:
                to_send.append(task)
        to_send.sort(key=lambda task: not task.push.high)
        ended += zip(to_send, self._send(to_send, time_left), strict=True)
        settled: list[tuple[int, Receipt]] = []
        for task, answer in ended:
            receipt = self._confirmed(task.event, answer)
            if refused := split_refused_batch(task.event, receipt):
                singles[task.number] += refused
            else:
                settled += [(task.number, each) for each in receipts_of_batch(receipt)]
        for number, pushes in singles.items():
            receipts = self.send_singly(events[number], pushes, time_left)
            settled += [(number, receipt) for receipt in receipts]
        return settled

    def _unsent(self, task: Task, time_left: TimeLeft) -> Receipt | None:
        """Return the receipt of a push that is batched or cannot be sent now; None if it can be sent."""
        if task.push.batch_secs is not None:
            return self.batcher.add(task.event, task.push, time_left)
        return self.sender.waiting(task.event, task.push, time_left)

    def _confirmed(self, event: Event, receipt: Receipt) -> Receipt:
        """Park a refused batch push if the ledger does not have its refusal."""
        return self.sender.confirmed(event, receipt) if split_refused_batch(event, receipt) else receipt

    def _send(self, tasks: Sequence[Task], time_left: TimeLeft) -> Sequence[Receipt]:
        """Send pushes, each on a connection of the account. Never raises."""
        if not tasks:
            return []
        at_a_time = min(len(tasks), self.account.connections)
        try:
            with self.connections.held(len(tasks), time_left) as share:
                return self.parallel_map(
                    lambda task: self._send_one(task, share, time_left), tasks, at_a_time
                )
        except Exception as exc:  # noqa: BLE001 (a push that was sent is settled: next time it is a duplicate)
            trouble = exc
        return [Receipt.of_error(task.event, trouble, task.push) for task in tasks]

    def _send_one(self, task: Task, share: Share, time_left: TimeLeft) -> Receipt:
        _, event, push = task
        # Another push of the invocation may have met what stops this one as well.
        if waiting := self.sender.waiting(event, push, time_left):
            return waiting
        try:
            with share.connection(urgent=push.high) as connection:
                return self.sender.send(event, push, time_left, connection)
        except Exception as exc:  # noqa: BLE001 (nothing was sent; it is the push's outcome)
            return self.sender.paced(Receipt.of_error(event, exc, push))

    def send_singly(self, event: Event, pushes: Sequence[SinglePush], time_left: TimeLeft) -> list[Receipt]:
        """Send the pushes of a refused batch push, each by a call of its own.

        If the first few are all refused, a notice in the relay's own words decides about the others: if the
        vendor refuses the notice too, it refuses the recipient.
        """
        first, others = pushes[:TRIALS], pushes[TRIALS:]
        receipts = [*self._send([Task(0, event, push) for push in first], time_left)]
        if others and all(receipt.error_code == VendorRejected.code for receipt in receipts):
            (answer,) = self._send([Task(0, event, notice(event, pushes))], time_left)
            receipts += [answer, *self._after_notice(answer, event, others, time_left)]
        else:
            receipts += self._send([Task(0, event, push) for push in others], time_left)
        return [each for receipt in receipts for each in receipts_of_batch(receipt)]

    def _after_notice(
        self, answer: Receipt, event: Event, pushes: Sequence[SinglePush], time_left: TimeLeft
    ) -> Sequence[Receipt]:
        """Send pushes if the vendor accepted the notice. If it waits, they wait; if it failed, they fail."""
        if answer.outcome is Outcome.PARKED:
            return [replace(answer, push=push) for push in pushes]
        if answer.error_code != VendorRejected.code:
            return self._send([Task(0, event, push) for push in pushes], time_left)
        refusal = VendorRejected("not sent: the vendor refuses whatever is sent to this recipient")
        return [self._refused(event, push, refusal, time_left) for push in pushes]

    def _refused(self, event: Event, push: Push, refusal: VendorRejected, time_left: TimeLeft) -> Receipt:
        """Settle a push as refused without a call, unless it has expired or is settled."""
        claimed = self.sender.claim(event, push, time_left)
        return claimed or self.sender.recorded(push, Receipt.of_error(event, refusal, push))

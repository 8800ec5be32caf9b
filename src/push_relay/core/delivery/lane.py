"""A lane: all that the pushes of one account share when they are sent.

The lane takes pushes that may be sent now, gives each a connection of the account, and returns the receipts.
One account's lane does not know those of other accounts: if its vendor is down or its quota is used up, only
its own pushes wait.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Protocol

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
from push_relay.core.delivery.permit_ports import LanePermits
from push_relay.core.delivery.run import Run
from push_relay.core.delivery.run_parts import RunEnd, RunParts, Task
from push_relay.core.delivery.sender import Sender
from push_relay.core.delivery.threads import Threads
from push_relay.core.errors import VendorRejected
from push_relay.core.event import Event
from push_relay.core.outcomes import Outcome
from push_relay.core.push import Push, Receipt
from push_relay.core.quick_dataclass import dataclass, replace


class Feed(Protocol):
    """Events of the backlog as pushes. Safe to use from several threads. No method raises."""

    def take(self, count: int, *, urgent: bool = False) -> Sequence[Task]:
        """Return the pushes of the next events; none if no other event is due. `urgent`: only urgent ones."""
        ...

    @property
    def holds_back(self) -> bool:
        """Whether it has others that it returns when those that it has returned have ended."""
        ...

    @property
    def has_survived(self) -> bool:
        """Whether all events have ended that may have killed the worker before."""
        ...

    def ended(self, task: Task, receipts: Sequence[Receipt]) -> None:
        """Note the receipts of a push; a batch push has several."""
        ...

    def left(self, end: RunEnd) -> None:
        """Note how a run that may have left events in the backlog has ended, with all its pushes."""
        ...

    def goes_on(self) -> bool:
        """Return whether another run can take events that the last one had to leave."""
        ...


class _Own:
    """The pushes of an invocation's own events, as the supply of a run."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._left = sorted(tasks, key=lambda task: not task.push.high)
        self.receipts: list[tuple[Task, Receipt]] = []
        self.holds_back, self.has_survived = False, True

    def take(self, count: int, *, urgent: bool = False) -> Sequence[Task]:
        del urgent
        taken, self._left = self._left[:count], self._left[count:]
        return taken

    def ended(self, task: Task, receipt: Receipt) -> None:
        self.receipts.append((task, receipt))


class _Ends:
    """The ends of pushes, also of those that no run sends.

    A push with a batch interval goes into its window. The pushes of a refused batch push are sent one by one
    at the end.

    note  is called with the receipts of each push that has ended; a batch push has several
    """

    def __init__(
        self, lane: "Lane", note: Callable[[Task, Sequence[Receipt]], None], time_left: TimeLeft
    ) -> None:
        self._lane = lane
        self._note = note
        self._time_left = time_left
        self._singles: defaultdict[int, list[tuple[Task, SinglePush]]] = defaultdict(list)

    def without_call(self, task: Task) -> bool:
        """Take a push that no run sends; return whether it is one."""
        if isinstance(task.push, SinglePush):
            self._singles[task.number].append((task, task.push))
            return True
        if task.push.batch_secs is not None:
            self._note(task, [self._lane.batcher.add(task.event, task.push, self._time_left)])
            return True
        return False

    def ended(self, task: Task, receipt: Receipt) -> None:
        """Note the end of a push that a run has sent. If it is a refused batch push, its pushes are sent."""
        receipt = self._lane.confirmed(task.event, receipt)
        if refused := split_refused_batch(task.event, receipt):
            self._singles[task.number] += [(task, push) for push in refused]
        else:
            self._note(task, receipts_of_batch(receipt))

    def send_singles(self) -> None:
        """Send the pushes of refused batch pushes."""
        for pushes in self._singles.values():
            tasks = {id(task): task for task, _ in pushes}
            first = pushes[0][0]
            receipts = self._lane.send_singly(first.event, [push for _, push in pushes], self._time_left)
            # The receipts are the event's, and one of its pushes is enough to note them.
            for task in tasks.values():
                self._note(task, receipts if task is first else ())


class _Fed:
    """The pushes of a feed, as the supply of a run. Those that no run sends end without it."""

    def __init__(self, lane: "Lane", feed: Feed, time_left: TimeLeft) -> None:
        self._feed = feed
        self._ends = _Ends(lane, feed.ended, time_left)
        self.ended = self._ends.ended

    def take(self, count: int, *, urgent: bool = False) -> Sequence[Task]:
        while taken := self._feed.take(count, urgent=urgent):
            if to_send := [task for task in taken if not self._ends.without_call(task)]:
                return to_send
        return ()

    @property
    def holds_back(self) -> bool:
        return self._feed.holds_back

    @property
    def has_survived(self) -> bool:
        return self._feed.has_survived

    def finish(self, end: RunEnd) -> None:
        """Send the pushes of refused batch pushes, and note how the run has ended."""
        self._ends.send_singles()
        self._feed.left(end)


@dataclass(frozen=True, slots=True)
class Lane:
    """The account, and what its pushes share."""

    account: Account
    sender: Sender
    batcher: Batcher
    permits: LanePermits
    threads: Threads

    def deliver(
        self, tasks: Sequence[Task], time_left: TimeLeft, feed: Feed | None = None
    ) -> list[tuple[int, Receipt]]:
        """Deliver pushes; return all their receipts, each with its event's number. Never raises.

        Urgent pushes are sent first, also those of the backlog that `feed` has. The pushes of refused batch
        pushes are sent last.
        """
        receipts: list[tuple[int, Receipt]] = []

        def note(task: Task, ended: Sequence[Receipt]) -> None:
            receipts.extend((task.number, receipt) for receipt in ended)

        ends = _Ends(self, note, time_left)
        to_send = [task for task in tasks if not ends.without_call(task)]
        for task, receipt in self._send(to_send, time_left, feed):
            ends.ended(task, receipt)
        ends.send_singles()
        return receipts

    def drain(self, feed: Feed, time_left: TimeLeft) -> None:
        """Send what is due in the backlog, until nothing is, or until the time is up."""
        while True:
            fed = _Fed(self, feed, time_left)
            end = self._run(_Own(()), time_left, fed, drains=True)
            fed.finish(end)
            if end.has_more or not feed.goes_on():
                return

    def _run(
        self, own: _Own, time_left: TimeLeft, fed: _Fed | None = None, *, drains: bool = False
    ) -> RunEnd:
        parts = RunParts(self.account, self.sender, self.permits, self.threads)
        return Run(parts, time_left, own, fed, drains=drains)()

    def confirmed(self, event: Event, receipt: Receipt) -> Receipt:
        """Park a refused batch push if the ledger does not have its refusal. Return any other unchanged."""
        return self.sender.confirmed(event, receipt) if split_refused_batch(event, receipt) else receipt

    def _send(
        self, tasks: Sequence[Task], time_left: TimeLeft, feed: Feed | None = None
    ) -> list[tuple[Task, Receipt]]:
        """Send pushes. Never raises."""
        if not tasks:
            return []
        own, fed = _Own(tasks), _Fed(self, feed, time_left) if feed else None
        end = self._run(own, time_left, fed)
        if fed:
            fed.finish(end)
        order = {id(task): number for number, task in enumerate(tasks)}
        return sorted(own.receipts, key=lambda ended: order[id(ended[0])])

    def send_singly(self, event: Event, pushes: Sequence[SinglePush], time_left: TimeLeft) -> list[Receipt]:
        """Send the pushes of a refused batch push, each by a call of its own.

        If the first few are all refused, a notice in the relay's own words decides about the others: if the
        vendor refuses the notice too, it refuses the recipient.
        """
        first, others = pushes[:TRIALS], pushes[TRIALS:]
        receipts = self._send_each(event, first, time_left)
        if others and all(receipt.error_code == VendorRejected.code for receipt in receipts):
            (answer,) = self._send_each(event, [notice(event, pushes)], time_left)
            receipts += [answer, *self._after_notice(answer, event, others, time_left)]
        else:
            receipts += self._send_each(event, others, time_left)
        return [each for receipt in receipts for each in receipts_of_batch(receipt)]

    def _send_each(self, event: Event, pushes: Sequence[Push], time_left: TimeLeft) -> list[Receipt]:
        tasks = [Task(0, event, push) for push in pushes]
        return [receipt for _, receipt in self._send(tasks, time_left)]

    def _after_notice(
        self, answer: Receipt, event: Event, pushes: Sequence[SinglePush], time_left: TimeLeft
    ) -> Sequence[Receipt]:
        """Send pushes if the vendor accepted the notice. If it waits, they wait; if it failed, they fail."""
        if answer.outcome is Outcome.PARKED:
            return [replace(answer, push=push) for push in pushes]
        if answer.error_code != VendorRejected.code:
            return self._send_each(event, pushes, time_left)
        refusal = VendorRejected("not sent: the vendor refuses whatever is sent to this recipient")
        return [self._refused(event, push, refusal, time_left) for push in pushes]

    def _refused(self, event: Event, push: Push, refusal: VendorRejected, time_left: TimeLeft) -> Receipt:
        """Settle a push as refused without a call, unless it has expired or is settled."""
        claimed = self.sender.claim(event, push, time_left)
        return claimed or self.sender.recorded(push, Receipt.of_error(event, refusal, push))

"""The back half: events become pushes, the pushes are sent, and each ends in a receipt.

    route -> translate -> claim -> send -> settle

`translator.py` writes the pushes. The lane of a push's account sends it (`delivery/lane.py`): a push of a
route with a batch window goes through `delivery/batching.py` first, and `delivery/sender.py` claims, sends
and settles each push. The entrypoints decide what happens to the message that carried an event.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from push_relay.core.clock import TimeLeft
from push_relay.core.delivery.batching import account_of
from push_relay.core.delivery.lane import Feed, Lane
from push_relay.core.delivery.run_parts import Task
from push_relay.core.delivery.threads import ParallelMap
from push_relay.core.delivery.wake_up import SOURCE
from push_relay.core.errors import UnknownAccount
from push_relay.core.event import Event
from push_relay.core.outcomes import Disposition
from push_relay.core.push import Push, Receipt
from push_relay.core.quick_dataclass import dataclass
from push_relay.core.translator import Translator


class ParkedPushes(Protocol):
    """The ledger's record of parked pushes."""

    def clear_parked(self, key: str) -> None:
        """Delete the record that a push is parked. Raises LedgerUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Relay:
    """The back half, wired.

    lanes         the lane of each account, by the account's name
    parallel_map  runs the lanes side by side
    """

    translator: Translator
    lanes: Mapping[str, Lane]
    ledger: ParkedPushes
    parallel_map: ParallelMap

    def deliver(
        self,
        events: Sequence[Event],
        time_left: TimeLeft,
        feed_of: Callable[[str], Feed | None] = lambda _account: None,
    ) -> Sequence[Sequence[Receipt]]:
        """Deliver events; return for each its receipts, at least one. Never raises because of an event.

        The accounts' pushes are sent side by side, so that an account whose vendor is slow or down delays
        no other.

        feed_of  returns an account's backlog, whose urgent events go first
        """
        settled: list[list[Receipt]] = [[] for _ in events]
        tasks: defaultdict[str, list[Task]] = defaultdict(list)
        for number, event in enumerate(events):
            for made in self.pushes(event):
                if isinstance(made, Receipt):
                    settled[number].append(made)
                else:
                    tasks[made.account].append(Task(number, event, made))
        for receipts in self.parallel_map(
            lambda account: self.lanes[account].deliver(tasks[account], time_left, feed_of(account)),
            list(tasks),
            len(tasks),
        ):
            for number, receipt in receipts:
                settled[number].append(receipt)
        for event, its_receipts in zip(events, settled, strict=True):
            self.clear_dropped(event, its_receipts)
        return settled

    def pushes(self, event: Event) -> Iterable[Push | Receipt]:
        """Write an event's pushes. The end of a batch window becomes the one push of all that it collected.

        A receipt stands for each part that becomes no push. Never raises.
        """
        if event.source != SOURCE:
            return self.translator.translate(event)
        lane = self.lanes.get(account_of(event))
        if lane is None:
            error = UnknownAccount("relay.toml no longer has the account of this batch window")
            return [Receipt.of_error(event, error)]
        return lane.batcher.end(event, lane.account)

    def clear_dropped(self, event: Event, receipts: Sequence[Receipt]) -> None:
        """Clear the parked pushes that an event was parked for and that it has no longer. Never raises.

        A route or a mapping has changed while they waited: they would stay in the list of parked pushes.
        """
        if any(receipt.push is None and receipt.disposition is Disposition.PARK for receipt in receipts):
            return  # it is not known what the event becomes, and all of it is tried again
        for key in set(event.only) - {receipt.key for receipt in receipts}:
            # These records are for people only, and an error must not stop the other events.
            with suppress(Exception):
                self.ledger.clear_parked(key)

"""Workers in an outage, in memory and in simulated time: the calls that it costs, and how soon it is over."""

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count, cycle
from typing import NamedTuple

from ports import Clock, PushCredentials
from push_relay.core.account import Account
from push_relay.core.delivery.circuit import CircuitBreaker
from push_relay.core.delivery.encoding import Credentials
from push_relay.core.delivery.sender import Sender
from push_relay.core.errors import VendorThrottled, VendorUnavailable
from push_relay.core.event import Event
from push_relay.core.outcomes import Outcome
from push_relay.core.push import Push, Receipt, Recipient, RecipientKind
from push_relay.core.push import Wording as Words
from push_relay.entrypoints.queue_record import QueueRecord
from stores import Cooldowns, Ledger

#: Noon, in UTC.
NOON = 1_800_014_400.0
#: The seconds for which a call uses one of three connections.
CALL_SECS = 0.2
_PUSH = Push(Recipient(RecipientKind.USER, "u-1"), Words("t", "b"), "")


class Cost(NamedTuple):
    """The cost of an outage.

    calls      the failed calls
    noticed    seconds from its end until a push was delivered
    recovered  seconds from its end until all waiting pushes were delivered
    handled    how often a waiting push was handled
    """

    calls: int
    noticed: float
    recovered: float
    handled: int


@dataclass
class Vendor:
    """The vendor, which fails between two moments. Three calls run at once, so each takes a third."""

    clock: Clock
    error: Callable[[], Exception]
    begin: float = 0.0
    end: float = 0.0
    failed: list[float] = field(default_factory=list)
    delivered: list[float] = field(default_factory=list)

    def send(self, _push: Push, _credentials: Credentials, _correlation_id: str, _timeout: float) -> None:
        """Accept a push, or fail."""
        self.clock.time += CALL_SECS / 3
        if self.begin <= self.clock.time < self.end:
            self.failed.append(self.clock.time)
            raise self.error()
        self.delivered.append(self.clock.time)


class Fleet:
    """Workers that share a vendor, a ledger, a clock and the account's cool-down."""

    def __init__(
        self, error: Callable[[], Exception], workers: int = 2, account: Account | None = None
    ) -> None:
        """Start the workers. Each has just sent a push, so it has read that calls are allowed."""
        self.clock, self.store = Clock(NOON), Cooldowns()
        self.ledger = Ledger(self.clock.now)
        self.vendor = Vendor(self.clock, error)
        self._numbers = count()
        self._waiting: list[tuple[float, int, Event, Push, int]] = []
        self.handled = 0
        account = account or Account()
        breakers = [CircuitBreaker(self.vendor, self.store, account, self.clock) for _ in range(workers)]
        self.workers = [
            Sender(self.ledger.another(), PushCredentials(), breaker, self.clock, pace=breaker)
            for breaker in breakers
        ]
        for worker in self.workers:
            worker.send(*self._event(), lambda: 30.0)
        self._turn = cycle(self.workers)

    def _event(self, *, high: bool = False) -> tuple[Event, Push]:
        number = next(self._numbers)
        event = Event("bakery", f"e-{number}", "baked", {}, self.clock.time, f"i-{number}")
        return event, replace(_PUSH, key=f"k-{number}", high=high)

    def arrive(self, events: int, *, high: bool = False, within: float = 0.0) -> None:
        """Add events that arrive within some seconds from now, evenly distributed."""
        for number in range(events):
            due = self.clock.time + within * number / events
            heapq.heappush(self._waiting, (due, next(self._numbers), *self._event(high=high), 1))

    def run(self, until: float) -> None:
        """Handle waiting pushes, each when it is due."""
        while self._waiting and self._waiting[0][0] <= until:
            due, number, event, push, attempt = heapq.heappop(self._waiting)
            self.clock.time = max(self.clock.time, due)
            self.handled += 1
            receipt = self._handle(event, push)
            if receipt.outcome is Outcome.PARKED:
                message = QueueRecord({}, attempt=attempt, event=event, receipts=[receipt])
                again = self.clock.time + message.delay([receipt])
                only = replace(event, only=(push.key,))
                heapq.heappush(self._waiting, (again, number, only, push, message.next_attempt([receipt])))
        self.clock.time = max(self.clock.time, until)

    def _handle(self, event: Event, push: Push) -> Receipt:
        worker = next(self._turn)
        return worker.waiting(event, push, _time_left) or worker.send(event, push, _time_left)


def _time_left() -> float:
    return 30.0


def play(
    error: Callable[[], Exception],
    outage: float,
    waiting: int,
    *,
    workers: int = 2,
    account: Account | None = None,
) -> Cost:
    """Simulate an outage that begins now, while events arrive, and return its cost."""
    fleet = Fleet(error, workers, account)
    vendor, begin = fleet.vendor, fleet.clock.time
    vendor.begin, vendor.end = begin, begin + outage
    fleet.arrive(waiting, within=min(outage / 2, 600.0))
    fleet.run(vendor.end)
    calls = len(vendor.failed)
    fleet.run(vendor.end + 86_400)
    after = [moment for moment in vendor.delivered if moment >= vendor.end]
    # Pushes of unknown fate are held for a person when their resends are used up.
    noticed, recovered = (after[0], after[-1]) if after else (math.inf, math.inf)
    return Cost(calls, noticed - vendor.end, recovered - vendor.end, fleet.handled)


#: The rows of the table in docs/reliability.md: the vendor's answer, the seconds, and the events.
TABLE = [(429, outage, events) for outage in (60, 600, 3600, 86_400) for events in (250, 2500)] + [
    (503, outage, 2500) for outage in (60, 600, 3600, 86_400)
]
_NAMES = {60: "1 minute", 600: "10 minutes", 3600: "1 hour", 86_400: "1 day"}


def table_row(status: int, outage: int, events: int) -> str:
    """Simulate an outage, and return its row of the table."""
    error = VendorThrottled("429") if status == 429 else VendorUnavailable("503")
    cost = play(lambda: error, outage, events)
    cells = (
        status,
        _NAMES[outage],
        f"{events:,}",
        cost.calls,
        f"{cost.noticed:.0f} s",
        f"{cost.recovered:.0f} s",
    )
    return f"| {' | '.join(map(str, cells))} |"

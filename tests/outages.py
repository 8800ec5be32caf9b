"""Workers in an outage, in memory and in simulated time: the calls that it costs, and how soon it is over."""

import heapq
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count, cycle
from typing import Any, NamedTuple

from backlog_store import Backlog
from fakes import SAMPLES, InTurn, Witness, in_turn
from invocations import sqs_batch, sqs_queued
from permit_stores import PermitStore
from ports import Clock, PushCredentials
from push_relay.adapters.catalog import Catalog, read_routing_file
from push_relay.core.account import Account
from push_relay.core.delivery.account_permits import AccountPermits
from push_relay.core.delivery.batching import Batcher
from push_relay.core.delivery.encoding import Credentials
from push_relay.core.delivery.lane import Lane
from push_relay.core.delivery.parking import Parking
from push_relay.core.delivery.quota import Quota
from push_relay.core.delivery.sender import Sender
from push_relay.core.delivery.wake_up import ALL, wake_up
from push_relay.core.errors import VendorThrottled, VendorUnavailable
from push_relay.core.event import Event
from push_relay.core.push import DEFAULT_ACCOUNT, Push
from push_relay.core.relay import Relay
from push_relay.core.rules.recogniser import Recogniser
from push_relay.core.translator import Translator
from push_relay.entrypoints.backlog_feed import FeedParts
from push_relay.entrypoints.batch_consumer import BatchConsumer
from push_relay.entrypoints.drain import Drainer
from push_relay.entrypoints.ending import Ending
from queues import Messages
from stores import BatchStore, Ledger

#: Noon, in UTC.
NOON = 1_800_014_400.0
#: The seconds for which a call uses one of three connections.
CALL_SECS = 0.2
#: Seconds between two ticks, seconds that an invocation may take, and messages that it gets.
TICK_SECS, INVOCATION_SECS, BATCH = 60.0, 60.0, 10


class Cost(NamedTuple):
    """The cost of an outage.

    calls      the failed calls
    noticed    seconds from its end until a push was delivered
    recovered  seconds from its end until all waiting pushes were delivered
    handled    how often one event was handled, at most
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


@dataclass
class Invocation:
    """Lambda's context object of an invocation that must end at a moment."""

    clock: Clock
    end: float

    def get_remaining_time_in_millis(self) -> int:
        """Return the remaining time."""
        return int((self.end - self.clock.time) * 1000)


class Fleet:
    """Workers that share a vendor, a ledger, a backlog, a queue, a clock and the account's permits."""

    def __init__(
        self, error: Callable[[], Exception], workers: int = 2, account: Account | None = None
    ) -> None:
        """Start the workers. Each has just sent a push, so it has read that calls are allowed."""
        self.clock, self.store = Clock(NOON), PermitStore()
        self.ledger, self.backlog = Ledger(self.clock.now), Backlog()
        self.messages = Messages(self.clock.now)
        self.vendor = Vendor(self.clock, error)
        self.witness = Witness()
        self.account = account or Account()
        self._catalog = Catalog(SAMPLES / "sources")
        self._routing = read_routing_file(SAMPLES / "outage-routes.toml")
        self._numbers = count()
        self._arriving: list[tuple[float, int, Event]] = []
        self._next_tick = NOON + TICK_SECS
        self._workers = cycle([self._worker() for _ in range(workers)])
        for _ in range(workers):
            self._invoke([sqs_queued(self._event())])
        self.witness.receipts.clear()

    def _worker(self) -> BatchConsumer:
        permits = AccountPermits(
            self.store, Quota(self.account, {}), self.clock, lambda _calls, _limit: None, lambda _secs: None
        )
        sender = Sender(self.ledger.another(), PushCredentials(), self.vendor, permits, self.clock)
        backlog = self.backlog.another()
        parking = Parking(backlog, self.messages, {DEFAULT_ACCOUNT: permits}, self.clock)
        batcher = Batcher(BatchStore(), sender.ledger, sender, parking, self.clock)
        lanes = {DEFAULT_ACCOUNT: Lane(self.account, sender, batcher, permits, InTurn())}
        relay = Relay(Translator(self._catalog, self._routing), lanes, sender.ledger, in_turn)
        ending = Ending(self.messages, parking, self.clock)
        telemetry: Any = self.witness
        parts = FeedParts(relay, backlog, ending, telemetry, self.clock)
        recogniser = Recogniser(self._catalog, self._routing, self.clock.now, telemetry.fell_back)
        return BatchConsumer(recogniser, relay, ending, Drainer(parts, in_turn), telemetry, self.clock)

    def _event(self, *, high: bool = False, at: float | None = None) -> Event:
        name, kind = f"e-{next(self._numbers)}", "loud" if high else "baked"
        received_at = self.clock.time if at is None else at
        return Event("bakery", name, kind, {"kind": kind, "words": name}, received_at, name)

    def arrive(self, events: int, *, high: bool = False, within: float = 0.0) -> list[str]:
        """Add events that arrive within some seconds from now, evenly distributed; return their ids."""
        names = []
        for number in range(events):
            at = self.clock.time + within * number / events
            event = self._event(high=high, at=at)
            heapq.heappush(self._arriving, (at, next(self._numbers), event))
            names.append(event.id)
        return names

    def run(self, until: float) -> None:
        """Invoke workers for messages and ticks, each when it is visible or due."""
        while (moment := self._next_moment()) <= until:
            self.clock.time = max(self.clock.time, moment)
            while self._arriving and self._arriving[0][0] <= self.clock.time:
                self.messages.put(heapq.heappop(self._arriving)[2])
            if self._next_tick <= self.clock.time:
                self._next_tick += TICK_SECS * math.ceil((self.clock.time - self._next_tick + 1) / TICK_SECS)
                self._invoke([sqs_queued(wake_up(ALL, self.clock.time))])
            visible = self.messages.received()
            for first in range(0, len(visible), BATCH):
                self._invoke(visible[first : first + BATCH])
        self.clock.time = max(self.clock.time, until)

    def _next_moment(self) -> float:
        tick = self._next_tick if self.backlog.items else math.inf
        if not self.backlog.items:
            self._next_tick = max(self._next_tick, self.clock.time + TICK_SECS)
        arrival = self._arriving[0][0] if self._arriving else math.inf
        return min(tick, arrival, self.messages.next_visible())

    def _invoke(self, records: list[dict[str, Any]]) -> None:
        worker = next(self._workers)
        context = Invocation(self.clock, self.clock.time + INVOCATION_SECS)
        kept = {
            each["itemIdentifier"]
            for each in worker.handle(sqs_batch(*records), context)["batchItemFailures"]
        }
        self.messages.delete([record for record in records if record["messageId"] not in kept])

    @property
    def handlings(self) -> Counter[str]:
        """How often each event was handled, by its id."""
        return Counter(receipt.event_id for receipt in self.witness.receipts)


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
    most = max(fleet.handlings.values())
    return Cost(calls, noticed - vendor.end, recovered - vendor.end, most)


#: The rows of the table in docs/reliability.md: the vendor's answer, the seconds, and the events. These are
#: fewer than the day's calls, so none of them waits for the next day.
TABLE = [(429, outage, events) for outage in (60, 600, 3600, 86_400) for events in (250, 2000)] + [
    (503, outage, 2000) for outage in (60, 600, 3600, 86_400)
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

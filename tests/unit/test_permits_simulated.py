"""Workers that die, lose answers and have wrong clocks never exceed what an account permits."""

import random
from collections import Counter
from contextlib import ExitStack
from datetime import date, datetime
from itertools import count
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from permit_fleet import NOON, Fleet, pushes
from ports import CREDENTIALS, Clock
from push_relay.core.account import Account
from push_relay.core.clock import CLOCK_SKEW_SECS
from push_relay.core.delivery.permits import UNFINISHED, Lease, free_connections
from push_relay.core.errors import DeliveryUnknown, LedgerUnavailable, RelayError, VendorUnavailable

if TYPE_CHECKING:
    from push_relay.core.delivery.account_permits import AccountPermits
    from push_relay.core.delivery.permit_session import PermitSession

#: The share of the store's operations that fail before they are made, and of those whose answer is lost.
FAILURES = 0.03
ACCOUNT = Account(connect_timeout_secs=2, read_timeout_secs=8, daily_calls=30, time_zone="Europe/Berlin")
BERLIN = ZoneInfo(ACCOUNT.time_zone)


def at(text: str) -> float:
    """Return a moment of Berlin."""
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()


class WrongClock(Clock):
    """A clock that differs from the simulation's."""

    def __init__(self, world: Clock, skew: float) -> None:
        """Begin with a difference."""
        self.world, self.skew = world, skew

    def now(self) -> float:
        """Return the wrong time."""
        return self.world.time + self.skew

    def monotonic(self) -> float:
        """Return the time that never steps."""
        return self.world.time


class Worker:
    """A session, its process's clock, and the calls that it makes."""

    def __init__(self, clock: WrongClock, process: "AccountPermits", *, drains: bool) -> None:
        """Begin a session."""
        self.clock, self.drains, self.process = clock, drains, process
        self.session: PermitSession = process.session(lambda: 40.0, drains=drains)
        self.granted: list[Any] = []
        self.calls: list[tuple[float, ExitStack]] = []

    def begin(self) -> float:
        """Begin a call of the next push; return the seconds that it may take."""
        push = self.granted.pop()
        with ExitStack() as call:
            seconds = call.enter_context(self.session.call(push, CREDENTIALS, 30.0))
            self.calls.append((self.clock.world.time + seconds, call.pop_all()))
        return seconds

    def end(self, error: Exception | None = None) -> None:
        """End the call that has to end first."""
        self.calls.sort(key=lambda each: each[0])
        _, call = self.calls.pop(0)
        if error is None:
            call.close()
            return
        with pytest.raises(type(error)), call:
            raise error


class Simulation:
    """A fleet in which random things happen, a vendor that counts, and a backlog."""

    def __init__(self, dice: random.Random, start: float) -> None:
        """Begin without a worker."""
        self.dice, self.fleet = dice, Fleet(ACCOUNT)
        self.clock = self.fleet.clock
        self.clock.time = start
        self.vendor_skew = dice.uniform(-1, 1)
        self.fleet.store.fails = self.fleet.store.loses = self.breaks
        self.has_failed = False
        self.workers: list[Worker] = []
        self.processes: list[tuple[WrongClock, AccountPermits]] = []
        self.dead: list[tuple[float, ExitStack]] = []  # calls of killed workers, until the vendor ends them
        self.graves: list[Worker] = []
        self.before: dict[int, float] = {}  # calls of the version before, by connection, and their ends
        self.days: Counter[date] = Counter()
        self.numbers = count()
        self.promised = 0  # announced events that a worker has promised to find
        self.seen: Counter[str] = Counter()

    def breaks(self, _operation: str) -> bool:
        """Return whether an operation of the store fails."""
        fails = self.dice.random() < FAILURES
        self.has_failed = self.has_failed or fails
        return fails

    def run(self, until: float) -> None:
        """Let things happen until a moment."""
        actions = {
            self.start: 6, self.ask: 8, self.call: 20, self.end: 14, self.fail: 1, self.look: 3,
            self.finish: 4, self.die: 1, self.release_idle: 3, self.announce: 4, self.step: 2, self.old: 4,
        }  # fmt: skip
        while self.clock.time < until:
            self.pass_time(self.dice.choice([0.01, 0.05, 0.2, 0.2, 1.0, 4.0]))
            (action,) = self.dice.choices(list(actions), list(actions.values()))
            try:
                action()
            except LedgerUnavailable:
                self.seen["unavailable"] += 1
            self.check()

    def check(self) -> None:
        """Compare with the limits."""
        now = self.clock.time
        running = sum(len(worker.calls) for worker in self.workers) + len(self.dead) + len(self.before)
        leases = self.fleet.store.permits.leases.values()
        kept = sum(lease.owner.endswith(UNFINISHED) and lease.until > now for lease in leases)
        assert running + kept <= ACCOUNT.connections
        self.seen["busy"] += running == ACCOUNT.connections
        assert max(self.days.values(), default=0) <= ACCOUNT.daily_calls
        if self.promised and not any(worker.drains for worker in self.workers):
            raise AssertionError("nobody will find what was announced")

    def pass_time(self, secs: float) -> None:
        """Move the clock, and end each call in time."""
        until = self.clock.time + secs
        while True:
            ends = [(end, worker) for worker in self.workers for end, _ in worker.calls if end <= until]
            if not ends:
                break
            end, worker = min(ends, key=lambda each: each[0])
            self.clock.time = max(self.clock.time, end)
            worker.end(DeliveryUnknown("timeout"))
        self.clock.time = until
        self.dead = [each for each in self.dead if each[0] > until]
        for connection, end in list(self.before.items()):
            if end <= until:
                self.old_end(connection)

    def called(self) -> None:
        """Count a call as the vendor does."""
        moment = datetime.fromtimestamp(self.clock.time + self.vendor_skew, BERLIN)
        self.days[moment.date()] += 1

    # --- what may happen ------------------------------------------------------------------------------

    def start(self) -> None:
        """Start a worker, in a new process or in one that is idle."""
        if len(self.workers) > 4:
            return
        if not self.processes or self.dice.random() < 0.3:
            clock = WrongClock(self.clock, self.dice.uniform(-1, 1))
            self.processes.append((clock, self.fleet.process(clock)))
        clock, process = self.processes.pop(self.dice.randrange(len(self.processes)))
        self.workers.append(Worker(clock, process, drains=self.dice.random() < 0.5))
        self.ask()

    def ask(self) -> None:
        """Let a worker ask for new pushes."""
        if worker := self.any_worker():
            new = pushes(self.dice.randint(0, 4), next(self.numbers) * 10, high=self.dice.random() < 0.3)
            refusals = worker.session.ask(new, self.dice.randint(1, 3))
            worker.granted += [push for push, refusal in zip(new, refusals, strict=True) if not refusal]
            self.seen.update(refusal.code for refusal in refusals if refusal)

    def call(self) -> None:
        """Let a worker begin a call."""
        worker = self.any_worker()
        if worker and worker.granted:
            try:
                seconds = worker.begin()
            except LedgerUnavailable:
                raise
            except RelayError as refusal:
                self.seen[f"call: {refusal.code}"] += 1
                return
            assert seconds > 0
            self.called()

    def end(self) -> None:
        """Let a call be answered."""
        if (worker := self.any_worker()) and worker.calls:
            worker.end()

    def fail(self) -> None:
        """Let a call fail."""
        if (worker := self.any_worker()) and worker.calls:
            worker.end(self.dice.choice([DeliveryUnknown("timeout"), VendorUnavailable("503")]))

    def look(self) -> None:
        """Let a worker look for announced events."""
        worker = self.any_worker()
        if worker and worker.drains and worker.session.look():
            self.promised = 0

    def release_idle(self) -> None:
        """Let a worker return idle connections."""
        if worker := self.any_worker():
            worker.session.release_idle(1)

    def finish(self) -> None:
        """Let a worker end, if nothing was announced."""
        worker = self.any_worker()
        if worker is None or worker.calls:
            return
        self.has_failed = False
        goes_on = worker.session.finish(unless_announced=worker.drains)
        if goes_on:
            self.promised = 0
            self.seen["goes on"] += 1
            return
        self.workers.remove(worker)
        self.processes.append((worker.clock, worker.process))
        if worker.drains and self.has_failed:
            self.promised = 0  # The scheduled drain finds the events.

    def die(self) -> None:
        """Kill a worker. The vendor ends its calls in time."""
        if worker := self.any_worker():
            self.workers.remove(worker)
            self.dead += worker.calls
            self.graves.append(worker)
            if worker.drains:
                self.promised = 0  # The scheduled drain finds the events.

    def announce(self) -> None:
        """Announce an event. A worker that was killed cannot keep its promise to find it."""
        if self.processes and self.dice.choice(self.processes)[1].announce() is None:
            alive = {worker.session.worker for worker in self.workers if worker.drains}
            self.promised += any(each.owner in alive for each in self.fleet.store.permits.leases.values())
            self.seen["announced"] += 1

    def step(self) -> None:
        """Let a clock step, within the difference that is allowed."""
        if worker := self.any_worker():
            worker.clock.skew = self.dice.uniform(-1, 1)

    def old(self) -> None:
        """Let a worker of the version before call: it writes no stamp."""
        store, now = self.fleet.store, self.clock.time
        day = datetime.fromtimestamp(now, BERLIN).date()
        near = {datetime.fromtimestamp(now + skew, BERLIN).date() for skew in (-2, 2)}
        leases = dict(store.permits.leases)
        free = [c for c in range(3) if c not in leases or leases[c].until <= int(now) - CLOCK_SKEW_SECS]
        if free and near == {day} and store.totals[day] < ACCOUNT.daily_calls:
            store.totals[day] += 1
            leases[free[0]] = Lease("before", int(now) + 14)
            store.permits = store.permits._replace(leases=leases)
            self.before[free[0]] = now + self.dice.uniform(0, 10)
            self.called()

    def old_end(self, connection: int) -> None:
        """End a call of the version before."""
        del self.before[connection]
        leases = dict(self.fleet.store.permits.leases)
        if leases.get(connection, Lease("", 0)).owner == "before":
            del leases[connection]
            self.fleet.store.permits = self.fleet.store.permits._replace(leases=leases)

    def close(self) -> None:
        """Close what killed workers have left open, after all is compared."""
        for worker in [*self.graves, *self.workers]:
            for _, call in worker.calls:
                call.close()

    def any_worker(self) -> Worker | None:
        """Return a worker."""
        return self.dice.choice(self.workers) if self.workers else None


STARTS = {
    "noon": NOON,
    "midnight": at("2027-01-16T00:00:00") - 60,
    "the day of 23 hours": at("2027-03-28T00:00:00") - 60,
    "the end of the day of 23 hours": at("2027-03-29T00:00:00") - 60,
    "the day of 25 hours": at("2027-10-31T00:00:00") - 60,
    "the end of the day of 25 hours": at("2027-11-01T00:00:00") - 60,
}


#: Some of each has to happen, or the simulation proves nothing.
EXPECTED = (
    "connections_busy",
    "circuit_open",
    "quota_exhausted",
    "unavailable",
    "announced",
    "goes on",
    "busy",
)


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_the_limits_hold_whatever_happens(start: float) -> None:
    """When all leases have ended, all connections are free again."""
    seen: Counter[str] = Counter()
    for seed in range(60):
        simulation = Simulation(random.Random(start + seed), start)  # noqa: S311 (repeatable)
        simulation.run(start + 200)
        seen += simulation.seen
        fleet = simulation.fleet
        fleet.store.fails = fleet.store.loses = lambda _operation: False
        fleet.clock.time += 2 * 86_400
        assert len(free_connections(fleet.store.permits, ACCOUNT.connections, fleet.clock.time)) == 3
        assert fleet.session().ask(pushes(1), 1) == [None]
        simulation.close()
    assert min(seen[code] for code in EXPECTED) > 0

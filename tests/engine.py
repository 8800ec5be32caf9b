"""Surroundings for tests of runs and drains: a vendor that a test holds, a supply, and a fleet of workers."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from fakes import World
from permit_stores import PermitStore
from ports import Clock
from push_relay.adapters.process import Threads
from push_relay.core.account import Account
from push_relay.core.delivery.account_permits import AccountPermits
from push_relay.core.delivery.backlog import Shelf, Waiting
from push_relay.core.delivery.encoding import Credentials
from push_relay.core.delivery.permits import DayCalls
from push_relay.core.delivery.quota import Quota
from push_relay.core.delivery.run import Run
from push_relay.core.delivery.run_parts import RunEnd, RunParts, Supply, Task
from push_relay.core.delivery.wake_up import wake_up
from push_relay.core.event import Event
from push_relay.core.push import DEFAULT_ACCOUNT, Push, Receipt, Recipient, RecipientKind, Wording
from push_relay.entrypoints.backlog_feed import BacklogFeed, FeedParts
from push_relay.entrypoints.drain import Drainer

NOON, TODAY = 1_800_014_400.0, "2027-01-15"
#: Seconds after which a test fails that waits for another thread.
PATIENCE_SECS = 20.0
ROUTES = """
[account.default]
title_limit = 40

[[route]]
source = "bakery"
when = "type == 'urgent'"
to = ["user:{{ data.words }}"]
priority = "high"

[[route]]
source = "bakery"
to = ["user:{{ data.words }}"]
"""


class Killed(BaseException):
    """The end of a worker's process."""


def event(name: str, *, urgent: bool = False, at: float = NOON, **more: Any) -> Event:
    """Return an event with one push, to the user of the same name."""
    kind = "urgent" if urgent else "baked"
    return Event("bakery", name, kind, {"kind": kind, "words": name}, at, name, "c-1", **more)


def task(name: str, *, urgent: bool = False) -> Task:
    """Return a push to the user of the same name, as a run takes it."""
    about = event(name, urgent=urgent)
    push = Push(
        Recipient(RecipientKind.USER, name),
        Wording("t", "b"),
        f"key-{name}",
        high=urgent,
        sources=("bakery",),
    )
    return Task(0, about, push)


class Supplied:
    """A supply. `receipts` are those of the pushes that have ended, `takes` the number of takes."""

    holds_back = False
    has_survived = True

    def __init__(self, *tasks: Task) -> None:
        self.changed = threading.Condition()
        self.left = list(tasks)
        self.takes = 0
        self.receipts: list[Receipt] = []

    def take(self, count: int, *, urgent: bool = False) -> Sequence[Task]:
        """Return the next pushes."""
        with self.changed:
            taken = [each for each in self.left if each.push.high or not urgent][:count]
            self.left = [each for each in self.left if each not in taken]
            self.takes += 1
            self.changed.notify_all()
            return taken

    def ended(self, _task: Task, receipt: Receipt) -> None:
        """Record a receipt."""
        with self.changed:
            self.receipts.append(receipt)
            self.changed.notify_all()

    @property
    def outcomes(self) -> dict[str, list[str]]:
        """The outcomes of each push, or the error codes, by its user."""
        found: dict[str, list[str]] = {}
        for receipt in self.receipts:
            assert receipt.push
            user = receipt.push.recipient.value
            found.setdefault(user, []).append(receipt.error_code or receipt.outcome)
        return found


def wait_for(changed: threading.Condition, is_true: Callable[[], bool]) -> None:
    """Wait until another thread has made something true."""
    with changed:
        assert changed.wait_for(is_true, PATIENCE_SECS), "the other threads have not got so far"


class HeldVendor:
    """A vendor whose calls last until a test ends them. `begun` are the users, in the order of the calls."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.begun: list[str] = []
        self.answers: dict[str, BaseException | None] = {}
        self.answers_all = False
        self.in_use = self.most = 0

    def send(self, push: Push, _credentials: Credentials, _correlation_id: str, _timeout: float) -> None:
        """Wait for the answer to a call."""
        user = push.recipient.value
        with self.changed:
            self.begun.append(user)
            self.in_use += 1
            self.most = max(self.most, self.in_use)
            self.changed.notify_all()
            answered = self.changed.wait_for(lambda: self.answers_all or user in self.answers, PATIENCE_SECS)
            self.in_use -= 1
            error = self.answers.get(user)
            self.changed.notify_all()
        assert answered, "the test has not answered the call"
        if error:
            raise error

    def answer(self, user: str, error: BaseException | None = None) -> None:
        """End the call for a user."""
        with self.changed:
            self.answers[user] = error
            self.changed.notify_all()

    def answer_all(self) -> None:
        """End all calls, also those to come."""
        with self.changed:
            self.answers_all = True
            self.changed.notify_all()

    def wait_until_begun(self, *users: str) -> None:
        """Wait until the calls for users have begun."""
        wait_for(self.changed, lambda: set(users) <= set(self.begun))


class Fleet:
    """Workers that share everything in memory, except what one process has seen.

    world    the worker that is alive
    store    the account's permits
    limit    connections of the account
    """

    def __init__(self, *, threads: Any = None, routes: Any = None, **account: Any) -> None:
        self.clock = Clock(NOON)
        self.world = World(threads=threads, **({"routes": routes} if routes else {}))
        self.world.clock.time = NOON
        self.clock = self.world.clock
        self.account = Account(**{"connections": 3, "read_timeout_secs": 8, **account})
        self.store = PermitStore()
        self.restart()

    def restart(self) -> None:
        """Begin with a new process, which has not seen the permits."""
        self.permits = self.process()
        self.world.permits[DEFAULT_ACCOUNT] = self.permits  # type: ignore[assignment]
        self.world.change_lane(account=self.account, permits=self.permits)
        self.world.change_sender(permits=self.permits)

    def process(self) -> AccountPermits:
        """Return the permits as another process uses them."""
        return AccountPermits(
            self.store, Quota(self.account, {}), self.clock, lambda _calls, _limit: None, lambda _secs: None
        )

    def run(self, own: Supply, more: Supply | None = None, *, drains: bool = False) -> RunEnd:
        """Send pushes."""
        lane = self.world.relay.lanes[DEFAULT_ACCOUNT]
        parts = RunParts(lane.account, lane.sender, lane.permits, lane.threads)
        return Run(parts, self.world.time_left, own, more, drains=drains)()

    @property
    def drainer(self) -> Drainer:
        """The drainer of the worker that is alive."""
        world = self.world
        parts = FeedParts(world.relay, world.backlog, world.ending, world.telemetry, world.clock)
        return Drainer(parts, lambda function, items, _at_a_time: [function(item) for item in items])

    def drain(self, account: str = DEFAULT_ACCOUNT) -> None:
        """Drain an account."""
        self.drainer.drain([account], self.world.time_left)

    def feed(self, account: str = DEFAULT_ACCOUNT) -> BacklogFeed:
        """Return the backlog of an account."""
        return self.drainer.feed(account)

    def shelve(self, *events: Event, shelf: Shelf | None = None, due: float = 0.0, **more: Any) -> None:
        """Put events into the backlog."""
        kept = [
            Waiting(shelf or Shelf(DEFAULT_ACCOUNT, each.type == "urgent"), each, "circuit_open", due, **more)
            for each in events
        ]
        assert not any(self.world.backlog.put(kept))

    @property
    def waiting(self) -> list[str]:
        """The ids of the events in the backlog."""
        return [each.event.id for each in self.world.backlog.all()]

    @property
    def used(self) -> int:
        """The calls that are counted today."""
        return self.store.permits.calls.get(TODAY, DayCalls()).used

    @property
    def called(self) -> list[str]:
        """The users of the calls that the vendor got."""
        return [sent.push.recipient.value for sent in self.world.vendor.calls]

    def outcomes(self) -> dict[str, list[str]]:
        """Return the outcomes of each event, or the error codes, by its id."""
        found: dict[str, list[str]] = {}
        for receipt in self.world.witness.receipts:
            found.setdefault(receipt.event_id, []).append(receipt.error_code or receipt.outcome)
        return found


def threads(connections: int = 3) -> Threads:
    """Return as many real threads as a lane has."""
    return Threads(connections + 1)


@contextmanager
def beside(function: Callable[[], Any]) -> Iterator[Future[Any]]:
    """Run a function in a thread while the test goes on, and wait for its end."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(function)
        yield future
        future.exception(PATIENCE_SECS)


def woken(account: str = DEFAULT_ACCOUNT, at: float = NOON) -> Event:
    """Return a wake-up."""
    return wake_up(account, at)

"""Drain the backlog: send what is due, until nothing is or until the invocation's time is up."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Final

from push_relay.core.clock import TimeLeft
from push_relay.core.delivery.backlog import Shelf, place_time
from push_relay.core.delivery.threads import ParallelMap
from push_relay.core.delivery.wake_up import ALL, woken_account
from push_relay.core.errors import RelayError
from push_relay.core.event import Event
from push_relay.core.outcomes import code_of, safe_detail
from push_relay.core.quick_dataclass import dataclass
from push_relay.entrypoints.backlog_feed import BacklogFeed, FeedParts

#: Seconds until another worker drains an account that this one must not drain.
_WAKE_SECS = 5.0
#: Seconds after which a due event is overdue, if its account permits a call. Few drains take longer.
OVERDUE_SECS: Final = 900


@dataclass(frozen=True, slots=True)
class Drainer:
    """Drains the backlog. `parallel_map`: runs the accounts side by side."""

    parts: FeedParts
    parallel_map: ParallelMap

    def feed(self, account: str) -> BacklogFeed:
        """Return the backlog of an account, for a run."""
        return BacklogFeed(self.parts, account)

    def tick(self) -> None:
        """Wake a worker for each account that has something to send. Never raises.

        The tick itself drains nothing: if it died, AWS would repeat it.
        """
        shelves = self._shelves()
        for account in sorted({shelf.account for shelf in shelves}):
            if times := [*self._due_times(account, shelves)]:
                self.wake([account])
                self._report_overdue(account, self.parts.clock.now() - min(times))

    def wake(self, accounts: Iterable[str], secs: float = 0.0) -> None:
        """Let other workers drain accounts after some seconds. Never raises."""
        for account in accounts:
            self.parts.ending.parking.wake(account, self.parts.clock.now() + secs)

    def drain(self, accounts: Iterable[str], time_left: TimeLeft, announced: Collection[str] = ()) -> None:
        """Drain accounts side by side. Never raises: what was not sent stays in the backlog.

        announced  those of the accounts that certainly have something to send
        """
        accounts = sorted(accounts)
        shelves = () if all(each in announced for each in accounts) else self._shelves()
        # The first shelf with something to send is enough.
        due = [
            each
            for each in accounts
            if each in announced or next(self._due_times(each, shelves), None) is not None
        ]
        self.parallel_map(lambda account: self._drain(account, time_left), due, len(due))

    def _drain(self, account: str, time_left: TimeLeft) -> None:
        feed = self.feed(account)
        try:
            self.parts.relay.lanes[account].drain(feed, time_left)
        except Exception as exc:  # noqa: BLE001 (nothing is lost; the next drain handles each event alone)
            self.parts.telemetry.trouble(
                "a drain has failed", error_code=code_of(exc), detail=safe_detail(exc)
            )
            return
        if feed.end.has_more and self.parts.relay.lanes[account].permits.wait() is None:
            self.parts.ending.parking.announce(account)

    def _shelves(self) -> Sequence[Shelf]:
        try:
            return self.parts.backlog.shelves()
        except RelayError as exc:
            self._trouble(exc)
            return ()

    def _due_times(self, account: str, shelves: Sequence[Shelf]) -> Iterator[int]:
        """Yield since when something is due and permitted on each shelf of an account.

        If relay.toml no longer has the account, what is due for it ends here.
        """
        backlog, now, feed = self.parts.backlog, self.parts.clock.now(), self.feed(account)
        for shelf in shelves:
            if shelf.account != account:
                continue
            try:
                if account not in self.parts.relay.lanes:
                    feed.end_without_lane(backlog.due(shelf, 100, now))
                elif (first := backlog.due(shelf, 1, now)) and feed.is_open(shelf):
                    yield place_time(first[0].position)
            except RelayError as exc:
                self._trouble(exc)

    def _report_overdue(self, account: str, secs: float) -> None:
        """Report that the first event of an account should have been sent long ago.

        While calls are stopped, only probes are sent, and CircuitOpen reports that.
        """
        if secs >= OVERDUE_SECS and not self.parts.relay.lanes[account].permits.is_stopped:
            self.parts.telemetry.overdue(account, secs)

    def _trouble(self, error: RelayError) -> None:
        self.parts.telemetry.trouble("the backlog was not read", error_code=error.code, detail=error.detail)


class Backlogs:
    """The backlogs that an invocation may have to drain."""

    def __init__(self, drainer: Drainer, left: TimeLeft, *, may_drain: bool) -> None:
        self._drainer = drainer
        self._left = left
        self._may_drain = may_drain
        self._feeds: dict[str, BacklogFeed] = {}
        self._woken: set[str] = set()

    def feed(self, account: str) -> BacklogFeed | None:
        """Return the feed of an account, from which a run takes urgent events."""
        if not self._may_drain:
            return None
        # One for all waves: it remembers what any of their runs has found announced.
        if account not in self._feeds:
            self._feeds[account] = self._drainer.feed(account)
        return self._feeds[account]

    def wake_for(self, event: Event) -> bool:
        """Note a wake-up; return whether the event is one."""
        account = woken_account(event)
        self._woken |= {account} if account else set()
        return account is not None

    def end(self, delete_finished: Callable[[], bool]) -> None:
        """Drain the accounts that have a wake-up, or announced events; never raises.

        delete_finished  deletes the finished records before; returns whether that was possible
        """
        for feed in self._feeds.values():
            feed.flush()
        if ALL in self._woken:
            self._drainer.tick()
        announced = {account for account, feed in self._feeds.items() if feed.end.announced}
        accounts = self._woken - {ALL} | announced
        if not accounts:
            return
        if self._may_drain and delete_finished():
            self._drainer.drain(accounts, self._left, announced)
        else:
            # Whatever prevents the drain here may do so in the next invocation too.
            self._drainer.wake(accounts, _WAKE_SECS)

"""Drain the backlog: send what is due, until nothing is or until the invocation's time is up."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from push_relay.core.clock import TimeLeft
from push_relay.core.delivery.lane import ParallelMap
from push_relay.core.errors import RelayError
from push_relay.core.outcomes import code_of, safe_detail
from push_relay.entrypoints.backlog_feed import BacklogFeed, FeedParts


@dataclass(frozen=True, slots=True)
class Drainer:
    """Drains the backlog. `parallel_map`: runs the accounts side by side."""

    parts: FeedParts
    parallel_map: ParallelMap

    def feed(self, account: str, time_left: TimeLeft) -> BacklogFeed:
        """Return the backlog of an account, for a run."""
        return BacklogFeed(self.parts, account, time_left)

    def tick(self) -> None:
        """Wake a worker for each account that has something to send. Never raises.

        The tick itself drains nothing: if it died, AWS would repeat it.
        """
        try:
            accounts = {shelf.account for shelf in self.parts.backlog.shelves()}
        except RelayError as exc:
            self._trouble(exc)
            return
        self.wake(account for account in sorted(accounts) if self._is_due(account, lambda: 0.0))

    def wake(self, accounts: Iterable[str], secs: float = 0.0) -> None:
        """Let other workers drain accounts after some seconds. Never raises."""
        for account in accounts:
            self.parts.ending.parking.wake(account, self.parts.clock.now() + secs)

    def drain(self, accounts: Iterable[str], time_left: TimeLeft, announced: Collection[str] = ()) -> None:
        """Drain accounts side by side. Never raises: what was not sent stays in the backlog.

        announced  those of the accounts that certainly have something to send
        """
        due = [each for each in sorted(accounts) if each in announced or self._is_due(each, time_left)]
        self.parallel_map(lambda account: self._drain(account, time_left), due, len(due))

    def _drain(self, account: str, time_left: TimeLeft) -> None:
        feed = self.feed(account, time_left)
        try:
            self.parts.relay.lanes[account].drain(feed, time_left)
        except Exception as exc:  # noqa: BLE001 (nothing is lost; the next drain handles each event alone)
            self.parts.telemetry.trouble(
                "a drain has failed", error_code=code_of(exc), detail=safe_detail(exc)
            )
            return
        if feed.end.has_more and self.parts.relay.lanes[account].permits.wait() is None:
            self.parts.ending.parking.announce(account)

    def _is_due(self, account: str, time_left: TimeLeft) -> bool:
        """Return whether something is due for an account, and permitted.

        If relay.toml no longer has the account, what is due for it ends here.
        """
        backlog, now, feed = self.parts.backlog, self.parts.clock.now(), self.feed(account, time_left)
        try:
            shelves = [shelf for shelf in backlog.shelves() if shelf.account == account]
            if account in self.parts.relay.lanes:
                return any(backlog.due(shelf, 1, now) and feed.is_open(shelf) for shelf in shelves)
            for shelf in shelves:
                feed.end_without_lane(backlog.due(shelf, 100, now))
        except RelayError as exc:
            self._trouble(exc)
        return False

    def _trouble(self, error: RelayError) -> None:
        self.parts.telemetry.trouble("the backlog was not read", error_code=error.code, detail=error.detail)

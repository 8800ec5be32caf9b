"""Use an account's permits: ask for connections and calls, make calls, and return the rest."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from push_relay.core.clock import TimeLeft
from push_relay.core.delivery.encoding import Credentials
from push_relay.core.errors import NotNow, RelayError

if TYPE_CHECKING:
    from push_relay.core.push import Push


class Session(Protocol):
    """The permits of one worker, for the pushes of one invocation. Safe to use from several threads."""

    @property
    def connections(self) -> int:
        """The connections that it holds now. A call of unknown end takes one away."""
        ...

    def ask(self, pushes: Sequence["Push"], wanted: int) -> Sequence[RelayError | None]:
        """Ask for connections, up to `wanted` in all, and for one call of each push, the first ones first.

        Returns for each push why it cannot be called now; None if its call is granted. If there is no
        connection, no call is counted, and every push has ConnectionsBusy. Raises LedgerUnavailable.
        """
        ...

    def call(self, push: "Push", credentials: Credentials, seconds: float) -> AbstractContextManager[float]:
        """Make one call of the vendor inside the context, which yields the seconds that it may take.

        It takes an idle connection and the push's call (another one is asked for if it has none, or has one
        of another day), renews the lease if it is too short, and notes for the circuit how the call ended.
        Raises ConnectionsBusy, CircuitOpen, VendorUnauthorized, QuotaExhausted, BudgetExhausted,
        LedgerUnavailable before the call is made; then the vendor was not called.
        """
        ...

    def look(self) -> bool:
        """Return whether events were announced since the last look, and clear the mark.

        Reads the permits, and writes them only to clear the mark. Raises LedgerUnavailable.
        """
        ...

    def release_idle(self, wanted: int) -> None:
        """Return idle connections beyond those that are wanted. If that fails, their leases end."""
        ...

    def finish(self, *, unless_announced: bool = False, has_survived: bool = True) -> bool:
        """Return all connections and the calls that were not made. If that fails, the leases end.

        Returns whether events were announced since the last look.

        unless_announced  if so, clear the mark and keep the connections
        has_survived      of a drain: whether it has handled all events that may have killed the one before
        """
        ...


class LanePermits(Protocol):
    """The permits of one account, as one process uses them."""

    def session(self, time_left: TimeLeft, *, drains: bool = False, drains_now: bool = False) -> Session:
        """Begin a session.

        drains      whether this worker goes on with the backlog if events are announced
        drains_now  whether it drains the backlog, which one worker of an account does at a time
        """
        ...

    def refusal(self, push: "Push") -> NotNow | None:
        """Return why a push cannot be sent now, by what this process knows, or None. No I/O."""
        ...

    def wait(self) -> float | None:
        """Return seconds until a call may be tried, by what this process knows; None if now. No I/O."""
        ...

    @property
    def is_stopped(self) -> bool:
        """Whether calls are stopped, so that at most one is permitted as a probe. No I/O."""
        ...

    @property
    def follows_crash(self) -> bool:
        """Whether a worker has died while it drained, and no drain has survived since then. No I/O."""
        ...

    @property
    def are_busy(self) -> bool:
        """Whether all connections are leased by others, by what this process saw a moment ago. No I/O."""
        ...

    def is_open(self, credentials: Callable[[], Credentials], *, high: bool, source: str = "") -> bool:
        """Return whether a push could be called now: the circuit allows it, and the day has a call for it.

        credentials  returns those that it would be called with, as they are now. It is only called if the
                     vendor has refused credentials. May raise CredentialsUnavailable
        source       the source whose budget has to have a call; empty: none

        Reads the permits, unless they were seen a moment ago. Raises LedgerUnavailable.
        """
        ...

    def announce(self) -> float | None:
        """Announce that events were put into the backlog.

        Returns None if a worker that drains holds a connection and will find them, or if a wake-up is on its
        way; else the seconds after which a wake-up has to start a drain. Raises LedgerUnavailable.
        """
        ...

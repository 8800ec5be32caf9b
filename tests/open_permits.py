"""An account's permits for tests of everything else: what a test sets decides, and nothing is stored."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from push_relay.core.clock import TimeLeft
from push_relay.core.delivery.encoding import Credentials
from push_relay.core.errors import ConnectionsBusy, NotNow, RelayError
from push_relay.core.push import Push


class OpenPermits:
    """The permits of one account.

    free       connections that no worker holds
    asked      the pushes of each ask, by their keys
    urgent     whether each push whose call was made is urgent
    error      is raised by each ask and each look, if it is set
    judge      returns why the call of a push is not permitted, or None
    refuses    returns why a call that was granted cannot be made after all, or None
    known      returns the same, by what this process knows without asking
    secs       seconds until a call may be tried; None: now
    closed     shelves that are not open, as (high, source)
    announced  whether events were announced; `announcements` counts the calls
    wakes_in   what an announcement returns
    """

    def __init__(self, connections: int = 3) -> None:
        self.lock = threading.Lock()
        self.limit = self.free = connections
        self.asked: list[list[str]] = []
        self.urgent: list[bool] = []
        self.error: Exception | None = None
        self.judge: Callable[[Push], RelayError | None] = lambda _: None
        self.refuses: Callable[[Push], RelayError | None] = lambda _: None
        self.known: Callable[[Push], NotNow | None] = lambda _: None
        self.secs: float | None = None
        self.closed: set[tuple[bool, str]] = set()
        self.is_stopped = self.follows_crash = self.are_busy = False
        self.announced = False
        self.announcements = 0
        self.wakes_in: float | None = None
        self.in_use = 0

    def end_leases(self) -> None:
        """End the leases of workers that have died."""
        self.free, self.in_use = self.limit, 0

    def session(
        self, _time_left: TimeLeft, *, drains: bool = False, drains_now: bool = False
    ) -> "OpenSession":
        """Begin a session."""
        del drains, drains_now
        return OpenSession(self)

    def refusal(self, push: Push) -> NotNow | None:
        """Return why a push cannot be sent now."""
        return self.known(push)

    def wait(self) -> float | None:
        """Return the seconds until a call may be tried."""
        return self.secs

    def is_open(self, _credentials: Callable[[], Credentials], *, high: bool, source: str = "") -> bool:
        """Return whether a push could be called now."""
        return (high, source) not in self.closed

    def announce(self) -> float | None:
        """Announce events."""
        self.announcements += 1
        self.announced = self.wakes_in is None
        return self.wakes_in


class OpenSession:
    """The permits of one worker."""

    def __init__(self, permits: OpenPermits) -> None:
        self._permits = permits
        self.connections = 0

    def ask(self, pushes: Sequence[Push], wanted: int) -> Sequence[RelayError | None]:
        """Take free connections."""
        permits = self._permits
        with permits.lock:
            permits.asked.append([push.key for push in pushes])
            if permits.error:
                raise permits.error
            taken = max(0, min(permits.free, wanted - self.connections))
            permits.free -= taken
            self.connections += taken
        if not self.connections:
            return [ConnectionsBusy("the account's connections are all in use")] * len(pushes)
        return [permits.judge(push) for push in pushes]

    @contextmanager
    def call(self, push: Push, _credentials: Credentials, seconds: float) -> Iterator[float]:
        """Make one call."""
        if error := self._permits.refuses(push):
            raise error
        with self._permits.lock:
            self._permits.urgent.append(push.high)
            self._permits.in_use += 1
        try:
            yield seconds
        finally:
            with self._permits.lock:
                self._permits.in_use -= 1

    def look(self) -> bool:
        """Return whether events were announced."""
        if self._permits.error:
            raise self._permits.error
        was, self._permits.announced = self._permits.announced, False
        return was

    def release_idle(self, wanted: int) -> None:
        """Return connections."""
        with self._permits.lock:
            spare = max(0, self.connections - wanted)
            self.connections -= spare
            self._permits.free += spare

    def finish(self, *, unless_announced: bool = False, has_survived: bool = True) -> bool:
        """Return all connections."""
        del has_survived
        was = self._permits.announced
        if was and unless_announced:
            self._permits.announced = False
            return True
        self.release_idle(0)
        return was

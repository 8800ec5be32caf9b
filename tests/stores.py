"""What the relay keeps in DynamoDB, in memory: the ledger, the connections, the digests' windows."""

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from push_relay.core.delivery.batching import Added, BatchedPush, Window, overflow
from push_relay.core.delivery.connections import Unleased
from push_relay.core.delivery.cooldown import Cooldown
from push_relay.core.delivery.sender import Claim
from push_relay.core.errors import ConnectionsBusy, LedgerUnavailable
from push_relay.core.event import Replay
from push_relay.core.outcomes import Outcome
from push_relay.core.push import BATCHED, Receipt


class Ledger:
    """The ledger, with claims that are atomic across threads."""

    def __init__(self, now: Callable[[], float] = lambda: 0.0) -> None:
        self._lock = threading.Lock()
        self._now = now
        self.since: dict[str, float] = {}  # when a push was settled
        self.states: dict[str, Outcome | None] = {}  # None: claimed
        self.codes: dict[str, str] = {}
        self.windows: dict[str, str] = {}
        self.unknown: dict[str, int] = {}  # calls of unknown fate, by push
        self.leases: list[float] = []
        self.forgotten: list[str] = []
        self.parked: list[str] = []
        self.replays: dict[str, str] = {}  # the last replay that claimed a push
        self.down: Exception | None = None
        self.forgets: Exception | None = None

    def claim(
        self,
        key: str,
        lease: float,
        replay: Replay = Replay.NO,
        replay_id: str = "",
        forget_before: float = 0.0,
    ) -> Claim:
        """Claim a push, or tell who has it."""
        with self._lock:
            if self.down:
                raise self.down
            self.leases.append(lease)
            if self.states.get(key) is not None and self.since.get(key, math.inf) < forget_before:
                del self.states[key]
            if key in self.states:
                overruled: dict[Replay, set[Any]] = {
                    Replay.NO: set(),
                    Replay.FAILED: {Outcome.FAILED},
                    Replay.ALL: {Outcome.FAILED, Outcome.DELIVERED, BATCHED},
                }
                again = self.replays.get(key) == replay_id
                if again or self.states[key] not in overruled[replay]:
                    told = {None: Claim.HELD, Outcome.FAILED: Claim.FAILED}
                    return told.get(self.states[key], Claim.SETTLED)
            self.states[key] = None
            if replay is not Replay.NO:
                self.replays[key] = replay_id
            return Claim.GRANTED

    def error_code_of(self, key: str) -> str:
        """Return the error code of what has failed."""
        return self.codes.get(key, "")

    def note_window(self, key: str, window: str, *, again: bool = False) -> str:
        """Note the window of a push, and return the one that is noted."""
        with self._lock:
            if self.down:
                raise self.down
            if again:
                self.windows[key] = window
            return self.windows.setdefault(key, window)

    def settle(self, key: str, outcome: Any, error_code: str = "") -> None:
        """Record a push's end."""
        with self._lock:
            if self.forgets:
                raise self.forgets
            self.states[key], self.codes[key] = outcome, error_code
            self.since[key] = self._now()
            self.windows.pop(key, None)
            self.unknown.pop(key, None)

    def count_unknown(self, key: str) -> int:
        """Count a call of unknown fate."""
        with self._lock:
            if self.forgets:
                raise self.forgets
            self.unknown[key] = self.unknown.get(key, 0) + 1
            return self.unknown[key]

    def release(self, key: str, _receipt: Receipt) -> None:
        """Give a claim back."""
        with self._lock:
            if self.forgets:
                raise self.forgets
            self.parked.append(key)
            self._free(key)

    def end_claims(self) -> None:
        """Let the claims of workers that are gone end by themselves."""
        with self._lock:
            for key in list(self.states):
                self._free(key)

    def _free(self, key: str) -> None:
        """Take back a claim; what is settled stays so."""
        if self.states.get(key) is None:
            self.states.pop(key, None)

    def clear_parked(self, key: str) -> None:
        """Note that a push waits no more."""
        with self._lock:
            if self.down or self.forgets:
                raise self.down or self.forgets or AssertionError
            self.forgotten.append(key)

    def break_down(self) -> None:
        """Fail from now on, as the adapter would."""
        self.down = LedgerUnavailable("the ledger did not answer (Fake)")


class Connections:
    """The account's connections: if `free` is 0, all are in use."""

    def __init__(self) -> None:
        self.free = 3
        self.down: Exception | None = None
        self.asked: list[int] = []  # the number of pushes of each share
        self.urgent: list[bool] = []  # of each push that asked for a connection
        self.in_use = 0

    @contextmanager
    def held(self, pushes: int, _time_left: Any) -> Iterator["Connections"]:
        """Share the connections."""
        self.asked.append(pushes)
        yield self

    @contextmanager
    def connection(self, *, urgent: bool) -> Iterator[Unleased]:
        """Hold a connection for one push."""
        self.urgent.append(urgent)
        if self.down:
            raise self.down
        if not self.free:
            raise ConnectionsBusy("the account's connections are all in use")
        self.in_use += 1
        yield Unleased()
        self.in_use -= 1


class BatchStore:
    """Windows of digests, in memory; each has room for `room` entries."""

    def __init__(self) -> None:
        self.windows: dict[str, tuple[Window, dict[str, BatchedPush]]] = {}
        self.closed: set[str] = set()
        self.marked: set[str] = set()
        self.room = 1000
        self.closed_until = 0.0
        self.down: Exception | None = None

    def latest(self, window: Window) -> Window:
        """Return the window itself."""
        return window

    def further(self, window: Window) -> Window:
        """Return another window."""
        return overflow(window)

    def add(self, window: Window, entry: BatchedPush) -> Added:
        """Add an entry, once."""
        if self.down:
            raise self.down
        _, entries = self.windows.setdefault(window.id, (window, {}))
        if entry.key not in entries and (window.id in self.closed or window.due <= self.closed_until):
            return Added.CLOSED
        if entry.key not in entries and len(entries) >= self.room:
            return Added.FULL
        entries.setdefault(entry.key, entry)
        return Added.SCHEDULED if window.id in self.marked | self.closed else Added.UNSCHEDULED

    def scheduled(self, window: Window) -> None:
        """Note that the window's end is scheduled."""
        self.marked.add(window.id)

    def close(self, window_id: str) -> tuple[Window, Sequence[BatchedPush]] | None:
        """Let no more in."""
        if self.down:
            raise self.down
        self.closed.add(window_id)
        found = self.windows.get(window_id)
        return (found[0], list(found[1].values())) if found else None


class Cooldowns:
    """The account's cool-down, in memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.state = Cooldown()
        self.down: Exception | None = None
        self.reads = 0

    def read(self) -> Cooldown:
        """Return the state."""
        if self.down:
            raise self.down
        self.reads += 1
        return self.state

    def swap(self, before: Cooldown, after: Cooldown) -> Cooldown:
        """Replace the state, if it is the one that was seen."""
        if self.down:
            raise self.down
        with self._lock:
            if self.state.stamp == before.stamp:
                self.state = after
            return self.state

"""Park events: store them in the backlog, and make sure that something comes back for them.

A worker that holds connections finds what other workers store. A wake-up finds what is due at a time. A tick,
once a minute, finds the rest.
"""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from random import SystemRandom
from typing import Protocol

from push_relay.core.clock import Clock
from push_relay.core.delivery.backlog import Backlog, Shelf, Waiting
from push_relay.core.delivery.backoff import backoff
from push_relay.core.delivery.batching import Window
from push_relay.core.delivery.permit_ports import LanePermits
from push_relay.core.errors import ConnectionsBusy, RelayError
from push_relay.core.event import Event
from push_relay.core.push import BATCHED
from push_relay.core.quick_dataclass import dataclass

#: The longest time in seconds for which a wake-up can be delayed. A tick finds what is due later.
LONGEST_WAKE_UP_SECS = 900.0
#: Seconds until a wake-up if it is not known whether another worker finds an event.
_RETRY_SECS = 2.0
_random = SystemRandom().random


class WakingQueue(Protocol):
    """The queue. Both methods raise QueueUnavailable."""

    def requeue(self, event: Event, attempt: int, due: float, error_code: str) -> None:
        """Queue an event for its next attempt, not before `due` (seconds since the epoch)."""
        ...

    def wake(self, account: str, due: float) -> None:
        """Queue the message that starts a drain of an account's backlog at a time."""
        ...


@dataclass(frozen=True, slots=True)
class Parking:
    """Parks events. `permits`: those of each account, by its name."""

    backlog: Backlog
    queue: WakingQueue
    permits: Mapping[str, LanePermits]
    clock: Clock

    def park(self, waiting: Sequence[Waiting]) -> Sequence[RelayError | None]:
        """Store events; return for each why it is neither in the backlog nor in the queue, or None.

        If the backlog does not take an event, the queue does, with a delay. Never raises.
        """
        if not waiting:
            return []
        try:
            refusals = list(self.backlog.put(waiting))
        except RelayError as exc:
            refusals = [exc] * len(waiting)
        stored = [each for each, refusal in zip(waiting, refusals, strict=True) if refusal is None]
        errors = [refusal and self._requeue(each) for each, refusal in zip(waiting, refusals, strict=True)]
        self._wake_for(stored)
        return errors

    def schedule(self, window: Window, event: Event) -> None:
        """Park the event that is due when a batch window ends. Raises the error if that is not possible."""
        shelf = Shelf(window.account, window.high)
        (error,) = self.park([Waiting(shelf, event, BATCHED, due=window.due)])
        if error:
            raise error

    def wake(self, account: str, due: float) -> None:
        """Start a drain of an account's backlog at a time. If that fails, the next tick does it."""
        if due - self.clock.now() <= LONGEST_WAKE_UP_SECS:
            with suppress(RelayError):
                self.queue.wake(account, due)

    def announce(self, account: str) -> None:
        """Let another worker find what was stored for an account, or start a drain when that is useful."""
        permits = self.permits.get(account)
        if permits is None:
            return
        try:
            secs = permits.announce()
        except RelayError:
            secs = _RETRY_SECS
        if secs is not None:
            self.wake(account, self.clock.now() + secs)

    def _requeue(self, each: Waiting) -> RelayError | None:
        soonest = self.clock.now() + backoff(each.attempt, None, _random, high=each.shelf.high)
        due = max(each.due or each.expected, soonest)
        try:
            self.queue.requeue(each.event, each.attempt, due, each.reason)
        except RelayError as exc:
            return exc
        return None

    def _wake_for(self, stored: Sequence[Waiting]) -> None:
        for account in {each.shelf.account for each in stored if each.reason == ConnectionsBusy.code}:
            self.announce(account)
        for account, due in sorted(
            {(each.shelf.account, math.ceil(each.due)) for each in stored if each.due}
        ):
            self.wake(account, float(due))

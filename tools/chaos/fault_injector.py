"""Kill this worker at a named step, or write down that it got past it."""

import os
import random
import signal
import threading
from dataclasses import dataclass, field
from typing import Any

from chaos.journal import Journal
from chaos.plan import MARKER, Kind
from chaos.run_clock import WorkerClock
from push_relay.core.errors import RelayError
from push_relay.core.event import Event
from push_relay.core.push import Push

#: Every step at which a worker may be killed.
STEPS = (
    "before_receive",
    "after_put",
    "before_claim",
    "after_claim",
    "before_send",
    "after_send",
    "before_settle",
    "after_settle",
    "before_remember",
    "after_remember",
    "before_gather",
    "after_gather",
    "before_give_back",
    "after_give_back",
    "before_park",
    "after_park",
    "before_bury",
    "after_bury",
    "before_copy",
    "after_copy",
    "before_forget",
    "after_forget",
    "before_ack",
)


@dataclass(slots=True)
class FaultInjector:
    """A worker's journal and its dice: how likely each passed step kills it, and each call fails."""

    journal: Journal
    clock: WorkerClock
    dice: random.Random
    kill: float
    fail: float
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _failing: dict[str, int] = field(default_factory=dict)

    def note(self, step: str, **about: Any) -> None:
        """Write a step down."""
        self.journal.note(self.clock.now(), step, **about)

    def at(self, step: str, *, doomed: bool = False) -> None:
        """Die here, perhaps."""
        with self._lock:
            drawn = self.dice.random()
        if doomed or drawn < self.kill:
            self.note("killed", here=step)
            os.kill(os.getpid(), signal.SIGKILL)

    def fails(self, service: str) -> bool:
        """Tell whether a call of a service fails: now and then one, and sometimes a row of them."""
        with self._lock:
            left = self._failing.get(service, 0)
            if left == 0 and self.dice.random() < self.fail:
                left = self.dice.choice((1, 1, 2, 12))
            self._failing[service] = max(0, left - 1)
            return left > 0

    def chance(self, probability: float) -> bool:
        """Throw the dice."""
        with self._lock:
            return self.dice.random() < probability


def told(push: Push) -> dict[str, Any]:
    """Say which push this is: its key, its recipient, and the markers that it speaks of."""
    to = f"{push.recipient.kind}:{push.recipient.value}"
    words = f"{push.wording.title} {push.wording.body}"
    return {"key": push.key, "to": to, "markers": sorted(set(MARKER.findall(words)))}


def is_poison(event: Event) -> bool:
    """Tell whether an event kills every worker that touches it."""
    return Kind.POISON in str(event.data.get("Title"))


def result_of(error: Exception) -> str:
    """Name what a step ended with."""
    return error.code if isinstance(error, RelayError) else type(error).__name__

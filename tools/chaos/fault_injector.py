"""The faults of one worker: it is killed at a named step, or an AWS call fails. The journal records both."""

import json
import os
import random
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from chaos.journal import Journal
from chaos.plan import MARKER, Kind, recipient_name
from chaos.run_clock import WorkerClock
from push_relay.core.errors import RelayError
from push_relay.core.event import Event
from push_relay.core.push import Push

#: Every step at which a worker may be killed.
STEPS = frozenset(
    {
        "before_receive",
        "after_put",
        "after_batch_call",
        "after_batch_write",
        "before_keep",
        "before_claim",
        "during_claim",
        "after_claim",
        "before_send",
        "after_send",
        "before_settle",
        "during_settle",
        "after_settle",
        "before_note_window",
        "after_note_window",
        "before_batch",
        "after_batch",
        "before_swap",
        "after_swap",
        "before_draw",
        "after_draw",
        "before_store",
        "after_store",
        "before_remove",
        "after_remove",
        "before_tried",
        "after_tried",
        "before_announce",
        "after_announce",
        "before_wake",
        "after_wake",
        "before_requeue",
        "after_requeue",
        "before_dead_letter",
        "after_dead_letter",
        "before_copy",
        "after_copy",
        "before_delete",
        "after_delete",
        "before_ack",
    }
)


@dataclass(slots=True)
class FaultInjector:
    """A worker's journal and its dice.

    kill_probability  for each step that the worker passes
    fail_probability  for each AWS call
    """

    journal: Journal
    clock: WorkerClock
    dice: random.Random
    kill_probability: float
    fail_probability: float
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _failing: dict[str, int] = field(default_factory=dict)

    def note(self, step: str, **details: Any) -> None:
        """Write a step into the journal."""
        self.journal.note(self.clock.now(), step, **details)

    def at(self, step: str, *, always: bool = False) -> None:
        """Kill the worker with the given probability, or always. `step`: one of STEPS."""
        if step not in STEPS:
            raise ValueError(f"{step} is not among the steps at which a worker may be killed")
        with self._lock:
            drawn = self.dice.random()
        if always or drawn < self.kill_probability:
            self.note("killed", here=step)
            os.kill(os.getpid(), signal.SIGKILL)

    def fails(self, service: str) -> bool:
        """Return whether a call of a service fails. Sometimes several calls in a row fail."""
        with self._lock:
            left = self._failing.get(service, 0)
            if left == 0 and self.dice.random() < self.fail_probability:
                left = self.dice.choice((1, 1, 2, 12))
            self._failing[service] = max(0, left - 1)
            return left > 0

    def chance(self, probability: float) -> bool:
        """Return True with a probability."""
        with self._lock:
            return self.dice.random() < probability

    def sample[T](self, values: Sequence[T], count: int) -> list[T]:
        """Return some of the values."""
        with self._lock:
            return self.dice.sample(values, count)


def describe(push: Push) -> dict[str, Any]:
    """Return the journal's fields for a push: its key, its recipient, and the markers in its wording."""
    to = recipient_name(push.account, f"{push.recipient.kind}:{push.recipient.value}")
    text = f"{push.wording.title} {push.wording.body}"
    return {"key": push.key, "to": to, "markers": markers_in(text)}


def markers_in(text: str) -> list[str]:
    """Return the markers of the events in a text."""
    return sorted(set(MARKER.findall(text)))


def markers_of(event: Event) -> list[str]:
    """Return the markers in an event's data. The end of a batch window has none."""
    return markers_in(json.dumps(event.data))


def is_poison(event: Event) -> bool:
    """Return whether an event kills every worker that handles it."""
    return Kind.POISON in str(event.data.get("Title"))


def error_name(error: Exception) -> str:
    """Return the relay's error code, or the class of another exception."""
    return error.code if isinstance(error, RelayError) else type(error).__name__

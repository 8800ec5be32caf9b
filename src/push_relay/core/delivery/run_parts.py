"""The values of a run: its pushes, its parts, and its end."""

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from push_relay.core.account import Account
from push_relay.core.delivery.permit_ports import LanePermits
from push_relay.core.delivery.sender import SETTLE_MARGIN_SECS, Sender
from push_relay.core.delivery.threads import Threads
from push_relay.core.event import Event
from push_relay.core.push import Push, Receipt
from push_relay.core.quick_dataclass import dataclass

#: Pushes for each connection that are claimed together, at most.
AHEAD = 16
#: The longest call in seconds for which a run keeps time. A vendor that is slower still ends a run early.
_MAX_CALL_SECS = 20.0
#: A call does not begin if less than so many seconds are left, unless that is enough for the longest call. It
#: would probably end without an answer.
_LEAST_CALL_SECS = 5.0
#: Seconds that it takes to claim pushes, with some to spare.
_REFILL_SECS = 0.4
#: The duration of a call in seconds, as long as none has ended.
_FIRST_CALL_SECS = 0.2


class Task(NamedTuple):
    """A push to send, the event that it is about, and the event's number among those of the invocation."""

    number: int
    event: Event
    push: Push


class Supply(Protocol):
    """Pushes to send. Safe to use from several threads. No method raises."""

    def take(self, count: int, *, urgent: bool = False) -> Sequence[Task]:
        """Return the next pushes, about so many; none if there is no other now. `urgent`: urgent ones."""
        ...

    @property
    def holds_back(self) -> bool:
        """Whether it has others that it returns when those that it has returned have ended."""
        ...

    @property
    def has_survived(self) -> bool:
        """Whether all events have ended that may have killed the worker before."""
        ...

    def ended(self, task: Task, receipt: Receipt) -> None:
        """Note that a push has ended, and is recorded in the ledger if it was claimed."""
        ...


class Ahead:
    """The number of pushes that a run claims ahead, so that no connection waits for the next claims."""

    def __init__(self, connections: int) -> None:
        self._connections = connections
        self._call_secs = _FIRST_CALL_SECS

    def note(self, receipt: Receipt) -> None:
        """Note the duration of a call, if there was one."""
        if receipt.latency_ms:
            self._call_secs = receipt.latency_ms / 1000

    @property
    def low(self) -> int:
        """The number of pushes below which others are claimed: their calls take as long as those claims."""
        rounds = math.ceil(_REFILL_SECS / self._call_secs)
        return self._connections * min(rounds, AHEAD // 2)

    @property
    def count(self) -> int:
        """The number of pushes that are claimed together."""
        return 2 * self.low


class RunEnd(NamedTuple):
    """How a run has ended.

    announced  whether other workers have put events into the backlog for it meanwhile
    has_more   whether it has stopped before the end of its supply, because the time was up
    """

    announced: bool = False
    has_more: bool = False


class Ready(NamedTuple):
    """A push that can be sent, in the order in which it is: urgent ones first, then as they were taken."""

    is_normal: bool
    order: int
    task: Task
    supply: Supply


@dataclass(frozen=True, slots=True)
class RunParts:
    """The parts of a lane that a run uses."""

    account: Account
    sender: Sender
    permits: LanePermits
    threads: Threads

    @property
    def least_secs(self) -> float:
        """The seconds that have to be left if a drain takes more pushes."""
        return min(self._longest_call_secs, _MAX_CALL_SECS) + 2 * SETTLE_MARGIN_SECS

    @property
    def least_call_secs(self) -> float:
        """The seconds that have to be left if a call begins."""
        return min(self._longest_call_secs, _LEAST_CALL_SECS) + SETTLE_MARGIN_SECS

    @property
    def _longest_call_secs(self) -> float:
        return float(self.account.connect_timeout_secs + self.account.read_timeout_secs)

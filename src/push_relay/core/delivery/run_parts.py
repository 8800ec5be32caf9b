"""What a run sends, what it uses, and how it ends."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from push_relay.core.account import Account
from push_relay.core.delivery.permit_session import LanePermits
from push_relay.core.delivery.sender import Sender
from push_relay.core.event import Event
from push_relay.core.push import Push, Receipt


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

    def ended(self, task: Task, receipt: Receipt) -> None:
        """Note that a push has ended, and is recorded in the ledger if it was claimed."""
        ...


class Threads(Protocol):
    """Threads that run functions side by side."""

    def start(self, function: Callable[[], None]) -> Callable[[], None]:
        """Start a function, which never raises; return a function that waits for its end."""
        ...


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

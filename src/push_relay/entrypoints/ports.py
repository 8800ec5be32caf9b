"""What the entrypoints need of the world besides the relay."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from push_relay.core.event import Event


class LambdaContext(Protocol):
    """The part of Lambda's context object that is used."""

    def get_remaining_time_in_millis(self) -> int:
        """Return how long this invocation may still run."""
        ...


class Queues(Protocol):
    """The queue and the dead-letter queue. Every method raises QueueUnavailable."""

    def requeue(self, event: Event, attempt: int, due: float, error_code: str) -> None:
        """Queue an event for its next attempt, not before a moment (seconds since the epoch), with why."""
        ...

    def dead_letter(self, body: str, attributes: Mapping[str, str], error_code: str, event_id: str) -> None:
        """Dead-letter a message as it came, with why and when."""
        ...

    def copy(self, record: Mapping[str, Any], crashes: int, due: float) -> None:
        """Queue a copy of a received record, not before a moment, with how often the function died on it."""
        ...

    def delay(self, records: Sequence[Mapping[str, Any]], delay: float) -> None:
        """Keep received records of one queue out of sight for a while (seconds), all for the same time."""
        ...

    def delete(self, record: Mapping[str, Any]) -> None:
        """Delete a received record of whatever queue."""
        ...


def time_left(context: LambdaContext) -> Callable[[], float]:
    """Return a function that tells the seconds until the invocation is ended."""
    return lambda: context.get_remaining_time_in_millis() / 1000

"""The ports of the entrypoints."""

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
        """Queue an event for its next attempt, not before `due` (seconds since the epoch)."""
        ...

    def dead_letter(self, body: str, attributes: Mapping[str, str], error_code: str, event_id: str) -> None:
        """Dead-letter a message unchanged, with its error and the time."""
        ...

    def copy(self, record: Mapping[str, Any], crashes: int, due: float) -> None:
        """Queue a copy of a received record, not before a time, with the number of crashes."""
        ...

    def delay(self, records: Sequence[Mapping[str, Any]], delay: float) -> None:
        """Delay the next receive of records of one queue by the same number of seconds."""
        ...

    def wake(self, account: str, due: float) -> None:
        """Queue the message that starts a drain of an account's backlog at a time."""
        ...

    def delete(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Delete received records of one queue."""
        ...


def time_left(context: LambdaContext) -> Callable[[], float]:
    """Return a function that returns the seconds until the invocation is ended."""
    return lambda: context.get_remaining_time_in_millis() / 1000

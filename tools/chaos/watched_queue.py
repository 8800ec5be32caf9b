"""The queue and the dead-letter queue with a journal and with kill points."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chaos.fault_injector import FaultInjector, markers_in, markers_of
from chaos.plan import FIFO_ARN
from push_relay.adapters.queue import SqsQueue
from push_relay.core.clock import TimeLeft
from push_relay.core.errors import RelayError
from push_relay.core.event import Event
from push_relay.core.queue_format import RejectedItem


@dataclass(frozen=True, slots=True)
class WatchedMessages:
    """The queue and the dead-letter queue.

    The FIFO queue is in the driver's memory. So its changes are collected here and returned with the worker's
    answer.

    hidden_secs  for how long the relay hides a message of the FIFO queue, by the message's id
    deleted      the ids of messages that the relay deletes from the FIFO queue
    """

    inner: SqsQueue
    injector: FaultInjector
    hidden_secs: dict[str, float] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)

    def fifo_changes(self) -> dict[str, Any]:
        """Return the changes of the FIFO queue since the last call."""
        changes = {"hidden_secs": dict(self.hidden_secs), "deleted": list(self.deleted)}
        self.hidden_secs.clear()
        self.deleted.clear()
        return changes

    def put(self, event: Event) -> None:
        """Queue an event."""
        self.inner.put(event)
        self.injector.at("after_put")

    def put_all(
        self, contents: Sequence[Event | RejectedItem], time_left: TimeLeft
    ) -> Sequence[RelayError | None]:
        """Queue the events of one request, or its items that are not valid."""
        if kept := [content for content in contents if isinstance(content, RejectedItem)]:
            self.injector.at("before_keep")
            self.injector.note("keeping", items=markers_in(" ".join(item.text for item in kept)))
        results = self.inner.put_all(contents, time_left)
        refused = sum(result is not None for result in results)
        if refused:
            self.injector.note("put_in_part", refused=refused, queued=len(results) - refused)
        self.injector.at("after_put")
        return results

    def requeue(self, event: Event, attempt: int, due: float, error_code: str) -> None:
        """Queue an event for its next attempt."""
        self.injector.at("before_requeue")
        self.inner.requeue(event, attempt, due, error_code)
        self.injector.note("requeued", items=markers_of(event), due=round(due, 3), code=error_code)
        self.injector.at("after_requeue")

    def wake(self, account: str, due: float) -> None:
        """Queue a wake-up."""
        self.injector.at("before_wake")
        self.inner.wake(account, due)
        self.injector.note("woken", account=account, due=round(due, 3))
        self.injector.at("after_wake")

    def dead_letter(self, body: str, attributes: Mapping[str, str], error_code: str, event_id: str) -> None:
        """Dead-letter a message."""
        self.injector.at("before_dead_letter")
        self.injector.note("dead_lettering", items=markers_in(body))
        self.inner.dead_letter(body, attributes, error_code, event_id)
        self.injector.at("after_dead_letter")

    def copy(self, record: Mapping[str, Any], crashes: int, due: float) -> None:
        """Queue a copy of a record."""
        self.injector.at("before_copy")
        self.injector.note("copying", items=markers_in(str(record.get("body"))))
        self.inner.copy(record, crashes, due)
        self.injector.at("after_copy")

    def delay(self, records: Sequence[Mapping[str, Any]], delay: float) -> None:
        """Hide records for a time. The driver itself hides those of the relay's queue."""
        ids = [record["messageId"] for record in records if _is_fifo(record)]
        self.hidden_secs.update(dict.fromkeys(ids, delay))

    def delete(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Delete records of one queue."""
        self.injector.at("before_delete")
        self.deleted.extend(record["messageId"] for record in records if _is_fifo(record))
        if others := [record for record in records if not _is_fifo(record)]:
            self.inner.delete(others)
        self.injector.at("after_delete")


def _is_fifo(record: Mapping[str, Any]) -> bool:
    return record.get("eventSourceARN") == FIFO_ARN

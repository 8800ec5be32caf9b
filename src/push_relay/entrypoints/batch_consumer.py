"""The batch consumer: SQS batches, and events with which SNS or EventBridge invokes the function directly.

Each record of an SQS batch is acknowledged, dead-lettered or parked independently of the others (partial
batch response).

An event that cannot be delivered now is parked: it is stored in the backlog, and the message that carried it
is acknowledged. So a parked event may wait for days, while `maxReceiveCount` counts crashes only. In a FIFO
queue an event would lose its place, so there the record is kept and delayed instead, and the rest of its
group waits behind it for the same time.

A wake-up among the records, and events that other workers have announced, make this worker drain the backlog.
Finished records are deleted before, so that a crash does not hand them out again. An invocation that would be
repeated as a whole, or that handles a record that may crash it, leaves the drain to another one.

`isolation.py` describes what happens to messages that are received again because the function died.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from push_relay.core.clock import Clock, TimeLeft
from push_relay.core.delivery.backlog import Shelf, Waiting
from push_relay.core.delivery.batching import account_of
from push_relay.core.delivery.wake_up import SOURCE
from push_relay.core.errors import Crashed, RelayError
from push_relay.core.event import Arrival, Event
from push_relay.core.inbound import envelope
from push_relay.core.outcomes import Disposition, code_of, safe_detail
from push_relay.core.push import DEFAULT_ACCOUNT, Push, Receipt
from push_relay.core.quick_dataclass import dataclass
from push_relay.core.relay import Relay
from push_relay.core.rules.recogniser import Recogniser
from push_relay.entrypoints.drain import Backlogs, Drainer
from push_relay.entrypoints.ending import Ending
from push_relay.entrypoints.isolation import Isolation, one_by_one
from push_relay.entrypoints.memory import portions
from push_relay.entrypoints.ports import LambdaContext, time_left
from push_relay.entrypoints.queue_record import QueueRecord, read_batch
from push_relay.telemetry import Telemetry

type Response = dict[str, list[dict[str, str]]]

#: Removes the AWS envelopes from one message.
type Unwrap = Callable[[Mapping[str, Any]], Event | Arrival]


class InvocationFailed(Exception):
    """An invocation could not be finished; Lambda retries it, then hands it to the dead-letter queue.

    Its text is the relay's own, because Lambda logs it.
    """


@dataclass(frozen=True, slots=True)
class BatchConsumer:
    """Delivers what invokes the function `deliver`."""

    recogniser: Recogniser
    relay: Relay
    ending: Ending
    drainer: Drainer
    telemetry: Telemetry
    clock: Clock

    def handle(self, invocation: Any, context: LambdaContext) -> Response:
        """Deliver the events of an invocation. Returns the records that SQS has to keep.

        Raises InvocationFailed if an invocation without a queue behind it could not be finished.
        """
        try:
            records = records_of(invocation, "eventSource", "aws:sqs")
            if records is not None:
                return self._from_sqs(records, time_left(context))
            return self._directly(invocation, time_left(context))
        except Exception as exc:  # noqa: BLE001 (it is logged, and raised again without its text)
            self.telemetry.trouble("invocation failed", error_code=code_of(exc), detail=safe_detail(exc))
            # The cause's text may quote the event, and Lambda would log it: break the chain.
            raise InvocationFailed(safe_detail(exc)) from None
        finally:
            self.telemetry.flush()

    def _from_sqs(self, records: Sequence[Mapping[str, Any]], left: TimeLeft) -> Response:
        batch = read_batch(records)
        isolation = Isolation(self.ending.queues, self.telemetry)
        is_careful = any(record.is_suspect for record in batch)
        if is_careful and not any(record.group is not None for record in batch):
            batch = isolation.isolate(batch)
        else:
            isolation.shorten_visibility(batch, self.recogniser.urgent_sources, left)
        backlogs = Backlogs(self.drainer, left, may_drain=not is_careful)
        kept: list[QueueRecord] = []
        finished: list[QueueRecord] = []
        waiting: set[str] = set()  # FIFO groups that wait behind one of their records
        for wave in portions(_waves(batch)):
            if is_careful:
                isolation.delete(finished)
                finished = []
            going = [record for record in wave if record.group not in waiting]
            kept += [record for record in wave if record.group in waiting]
            for record in self._handled(going, left, backlogs):
                kept.append(record)
                waiting |= {record.group} if record.group is not None else set()
            finished += [record for record in going if record not in kept]
        backlogs.end(lambda: isolation.delete(finished))
        return {"batchItemFailures": [{"itemIdentifier": str(r.content.get("messageId"))} for r in kept]}

    def _handled(
        self, wave: Sequence[QueueRecord], left: TimeLeft, backlogs: Backlogs
    ) -> Sequence[QueueRecord]:
        """Handle records together; return those that SQS has to keep."""
        early = [record for record in wave if self._is_early(record)]
        late = [record for record in wave if record not in early]
        self._deliver(late, envelope.unwrap_sqs, left, backlogs)
        errors: dict[int, RelayError | None] = dict(self._park_early(early))
        # A record of a FIFO queue that waits for a connection is stored too. It keeps its place in the queue,
        # and is a duplicate when it comes back.
        parked = [
            record
            for record in late
            if record.event and (record.group is None or record.waits_for_connection)
        ]
        errors |= zip(map(id, parked), self.ending.park(parked), strict=True)
        kept = [record for record in wave if not self._is_finished(record, errors.get(id(record)))]
        for record in wave:
            # The next wave may need the memory.
            record.event = None
        return kept

    def _directly(self, invocation: Any, left: TimeLeft) -> Response:
        """Deliver events that have no queue behind them; what cannot be delivered now is parked."""
        notifications = records_of(invocation, "EventSource", "aws:sns")
        backlogs = Backlogs(self.drainer, left, may_drain=False)
        if notifications is not None:
            batch = [QueueRecord(record) for record in notifications]
            self._deliver(batch, envelope.unwrap_sns, left, backlogs)
        else:
            batch = [QueueRecord(invocation if isinstance(invocation, Mapping) else {})]
            self._deliver(batch, envelope.unwrap_eventbridge, left, backlogs)
        for record in batch:
            self.ending.dead_letter(record)
            if record.asking_for(Disposition.PARK) and not record.event:
                raise InvocationFailed("the invocation could not be read, for an unknown reason")
        for error in self.ending.park(batch):
            if error:
                raise error
        return {"batchItemFailures": []}

    # --- from a record to its receipts ------------------------------------------------------------------

    def _deliver(
        self, batch: Sequence[QueueRecord], unwrap: Unwrap, left: TimeLeft, backlogs: Backlogs
    ) -> None:
        """Make events of records and deliver them together; note its receipts on each record."""
        for record in batch:
            self._recognise(record, unwrap)
        carrying = [record for record in batch if record.event and not backlogs.wake_for(record.event)]
        events = [record.event for record in carrying if record.event]
        delivered = self.relay.deliver(events, left, backlogs.feed)
        for record, receipts in zip(carrying, delivered, strict=True):
            record.note(receipts, self.clock.now())
        for record in batch:
            self.telemetry.settled(record.receipts, attempt=record.attempt)

    def _recognise(self, record: QueueRecord, unwrap: Unwrap) -> None:
        """Find a record's event, or note the receipt of its rejection."""
        arrival: Arrival | Event | None = None
        if record.is_doomed:
            record.note([self._crashed(record)], self.clock.now())
            return
        try:
            arrival = unwrap(record.content)
            record.event = arrival if isinstance(arrival, Event) else self.recogniser.recognise(arrival)
        except Exception as exc:  # noqa: BLE001 (nothing is swallowed: it is the record's outcome)
            # A publisher may write any name: only a source's name may become a metric.
            source = arrival.source if arrival and self.recogniser.has_source(arrival.source) else None
            about = arrival.fallback_id if isinstance(arrival, Arrival) else "-"
            receipt = Receipt.failure(exc, source=source, event_id=about, correlation_id=about)
            record.note([receipt], self.clock.now())

    def _crashed(self, record: QueueRecord) -> Receipt:
        """Return the receipt of a record that is not even read: reading it may be what kills the function."""
        error = Crashed(f"the function had the message {record.crashes} times and did not answer")
        # Any program that may send to the queue writes any name, and must not make metrics with it.
        source = record.source if self.recogniser.has_source(record.source) else ""
        about = record.message_id
        return Receipt.failure(error, source=source, event_id=about, correlation_id=about)

    def _is_early(self, record: QueueRecord) -> bool:
        """Return whether a record was received before it is due: SQS delays for at most 15 minutes."""
        if record.due <= self.clock.now() + 1:
            return False
        # A record that cannot be read is rejected at once, whenever it is due.
        self._recognise(record, envelope.unwrap_sqs)
        return record.event is not None

    # --- from a record's receipts to its end --------------------------------------------------------------

    def _park_early(self, early: Sequence[QueueRecord]) -> Iterator[tuple[int, RelayError | None]]:
        """Park records that were received before they are due; yield the result of each by its id."""
        waiting = [(record, self._waiting(record)) for record in early]
        errors = self.ending.parking.park([each for _, each in waiting])
        yield from zip((id(record) for record, _ in waiting), errors, strict=True)

    def _waiting(self, record: QueueRecord) -> Waiting:
        """Return how a record waits that was received before it is due: where its first push would."""
        event = record.event
        assert event is not None  # noqa: S101 (for the type checker: `_is_early` has read it)
        if event.source == SOURCE:
            # To write the push of a batch window would close the window. Any program that may send to the
            # queue writes any name, and must not make shelves with it.
            account = account_of(event)
            shelf = Shelf(account if account in self.relay.lanes else DEFAULT_ACCOUNT)
        else:
            push = next((made for made in self.relay.pushes(event) if isinstance(made, Push)), None)
            shelf = Shelf(push.account, push.high) if push else Shelf(DEFAULT_ACCOUNT)
        return Waiting(shelf, event, record.reason, record.due, record.due, record.attempt)

    def _is_finished(self, record: QueueRecord, error: RelayError | None) -> bool:
        """Dead-letter what its receipts demand; return whether SQS may delete the record.

        error  why something of it could not be parked
        """
        try:
            if error:
                raise error
            return self._finish(record)
        except RelayError as exc:
            # SQS keeps it and hands it out again after the queue's visibility timeout. An event of another
            # program may be too large to be parked: it waits as it is, until SQS itself dead-letters it.
            self.telemetry.trouble("a message was kept", error_code=exc.code, detail=exc.detail)
            return False

    def _finish(self, record: QueueRecord) -> bool:
        parked = record.asking_for(Disposition.PARK)
        if parked and record.group is not None:
            # SQS hands out the whole record again, with the parts that have failed: they are dead-lettered
            # when the record ends. The records behind it would otherwise keep the group waiting until the
            # queue's visibility timeout ends.
            self.ending.queues.delay([each.content for each in (record, *record.behind)], record.wait(parked))
            return False
        self.ending.dead_letter(record)
        return not parked or record.event is not None


def _waves(batch: Sequence[QueueRecord]) -> Iterator[list[QueueRecord]]:
    """Split a batch into what is handled together: all at once, except suspects and a FIFO group's records.

    Records that are only dead-lettered come first; suspects come last, one by one. Of a FIFO group one record
    is in each wave. If a record of the queue has been received often, every record is a wave of its own.
    """
    if any(record.is_suspect and record.group is not None for record in batch):
        yield from ([record] for record in one_by_one(batch))
        return
    if doomed := [record for record in batch if record.is_doomed]:
        yield doomed
    suspects = [record for record in batch if record.is_suspect and not record.is_doomed]
    batch = [record for record in batch if not record.is_suspect]
    while batch:
        wave: list[QueueRecord] = []
        later: list[QueueRecord] = []
        taken: set[str] = set()
        for record in batch:
            (later if record.group in taken else wave).append(record)
            taken |= {record.group} if record.group is not None else set()
        yield wave
        batch = later
    for suspect in suspects:
        yield [suspect]


def records_of(invocation: Any, key: str, service: str) -> Sequence[Mapping[str, Any]] | None:
    """Return an invocation's records if all are a service's; SQS's own poller sends empty batches too."""
    if not isinstance(invocation, Mapping) or not isinstance(invocation.get("Records"), list):
        return None
    records = invocation["Records"]
    # An invocation with anything else in it is dead-lettered as a whole, and no part of it is skipped.
    ours = all(isinstance(record, Mapping) and record.get(key) == service for record in records)
    return records if ours else None

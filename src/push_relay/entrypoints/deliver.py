"""SQS batches, and SNS and EventBridge that invoke the function directly.

Each record of an SQS batch is acknowledged, dead-lettered or parked independently of the others (partial
batch response).

An event that cannot be delivered now is parked: queued as a new message, due at its next attempt, and the
message that carried it is acknowledged. So a parked event may wait for days, while `maxReceiveCount` counts
crashes only. In a FIFO queue a new message would lose its place, so there the record is kept and hidden
instead, and the rest of its group waits behind it for the same time.

What happens to messages that come back because the function died is in `isolation.py`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from push_relay.core.errors import Crashed, PayloadTooLarge, QueueUnavailable
from push_relay.core.event import Arrival, Event
from push_relay.core.inbound import envelope
from push_relay.core.outcomes import Disposition, code_of, safe_detail
from push_relay.core.push import Receipt
from push_relay.core.relay import Relay
from push_relay.entrypoints import ending, isolation
from push_relay.entrypoints.memory import portions
from push_relay.entrypoints.ports import LambdaContext, Queues, time_left
from push_relay.entrypoints.queue_record import QueueRecord, read_batch
from push_relay.telemetry import Telemetry

type Response = dict[str, list[dict[str, str]]]

#: Takes the AWS envelopes off one message.
type Unwrap = Callable[[Mapping[str, Any]], Event | Arrival]


class InvocationFailed(Exception):
    """An invocation could not be finished; Lambda tries it again, then hands it to the dead-letter queue.

    Its text is the relay's own: Lambda logs it.
    """


def handle(
    invocation: Any, context: LambdaContext, relay: Relay, queue: Queues, telemetry: Telemetry
) -> Response:
    """Deliver what an invocation brought. Returns the records that SQS is to keep.

    Raises InvocationFailed where an invocation without a queue behind it could not be finished.
    """
    try:
        records = _records(invocation, "eventSource", "aws:sqs")
        if records is not None:
            return _from_sqs(records, context, relay, queue, telemetry)
        return _directly(invocation, context, relay, queue, telemetry)
    except Exception as exc:  # noqa: BLE001 (whatever it is, it is told and raised again without its text)
        telemetry.trouble("invocation failed", error_code=code_of(exc), detail=safe_detail(exc))
        # The cause's text may quote the event, and Lambda would log it: break the chain.
        raise InvocationFailed(safe_detail(exc)) from None
    finally:
        telemetry.flush()


def _from_sqs(
    records: Sequence[Mapping[str, Any]],
    context: LambdaContext,
    relay: Relay,
    queue: Queues,
    telemetry: Telemetry,
) -> Response:
    batch = read_batch(records)
    is_careful = any(message.is_suspect for message in batch)
    if is_careful and not any(message.group is not None for message in batch):
        batch = isolation.isolate(batch, queue, telemetry)
    else:
        isolation.come_back_soon(batch, relay, time_left(context), queue, telemetry)
    kept: list[QueueRecord] = []
    finished: list[QueueRecord] = []
    waiting: set[str] = set()  # FIFO groups that wait behind a record of theirs
    for wave in portions(_waves(batch)):
        if is_careful:
            isolation.delete(finished, queue, telemetry)
            finished = []
        going = [message for message in wave if message.group not in waiting]
        kept += [message for message in wave if message.group in waiting]
        early = [message for message in going if _is_early(message, relay)]
        _relay([m for m in going if m not in early], envelope.unwrap_sqs, context, relay, telemetry)
        for message in going:
            finish = _wait if message in early else _finish
            if _tried(finish, message, relay, queue, telemetry):
                finished.append(message)
            else:
                kept.append(message)
                waiting |= {message.group} if message.group is not None else set()
            # The next wave may need the memory.
            message.event = None
    return {"batchItemFailures": [{"itemIdentifier": str(m.content.get("messageId"))} for m in kept]}


def _is_early(message: QueueRecord, relay: Relay) -> bool:
    """Tell whether a message was seen before it is due: SQS delays for 15 minutes at most."""
    if message.due <= relay.clock.now() + 1:
        return False
    # What cannot be read is never due: it is rejected at once.
    _recognise(message, envelope.unwrap_sqs, relay)
    return message.event is not None


def _waves(batch: Sequence[QueueRecord]) -> Iterator[list[QueueRecord]]:
    """Split a batch into what is handled together: all at once, but for suspects and a FIFO group's records.

    What is only dead-lettered comes first, suspects come last and one by one. Of a FIFO group one record is
    in each wave; if a record of the queue has been received often, every record is a wave of its own.
    """
    if any(message.is_suspect and message.group is not None for message in batch):
        yield from ([message] for message in isolation.one_by_one(batch))
        return
    if doomed := [message for message in batch if message.is_doomed]:
        yield doomed
    suspects = [message for message in batch if message.is_suspect and not message.is_doomed]
    batch = [message for message in batch if not message.is_suspect]
    while batch:
        wave: list[QueueRecord] = []
        later: list[QueueRecord] = []
        taken: set[str] = set()
        for message in batch:
            (later if message.group in taken else wave).append(message)
            taken |= {message.group} if message.group is not None else set()
        yield wave
        batch = later
    for suspect in suspects:
        yield [suspect]


def _directly(
    invocation: Any, context: LambdaContext, relay: Relay, queue: Queues, telemetry: Telemetry
) -> Response:
    """Deliver what has no queue behind it; what cannot be delivered now is queued."""
    notifications = _records(invocation, "EventSource", "aws:sns")
    if notifications is not None:
        batch = [QueueRecord(record) for record in notifications]
        _relay(batch, envelope.unwrap_sns, context, relay, telemetry)
    else:
        batch = [QueueRecord(invocation if isinstance(invocation, Mapping) else {})]
        _relay(batch, envelope.unwrap_eventbridge, context, relay, telemetry)
    for message in batch:
        ending.dead_letter(message, queue)
        parked = message.asking_for(Disposition.PARK)
        if parked and not message.event:
            raise InvocationFailed("the invocation brought what could not be read for an unknown cause")
        if parked:
            ending.park(message, parked, relay.clock.now(), queue)
    return {"batchItemFailures": []}


def _relay(
    batch: Sequence[QueueRecord],
    unwrap: Unwrap,
    context: LambdaContext,
    relay: Relay,
    telemetry: Telemetry,
) -> None:
    """Make events of messages, and deliver them together; note on each message what became of it."""
    for message in batch:
        _recognise(message, unwrap, relay)
    carrying = [message for message in batch if message.event]
    delivered = relay.deliver([m.event for m in carrying if m.event], time_left(context))
    for message, receipts in zip(carrying, delivered, strict=True):
        message.receipts = receipts
    for message in batch:
        telemetry.settled(message.receipts, attempt=message.attempt)


def _recognise(message: QueueRecord, unwrap: Unwrap, relay: Relay) -> None:
    """Find a message's event, or note the receipt of its rejection."""
    arrival: Arrival | Event | None = None
    if message.is_doomed:
        message.receipts = [_crashed(message, relay)]
        return
    try:
        arrival = unwrap(message.content)
        message.event = arrival if isinstance(arrival, Event) else relay.recognise(arrival)
    except Exception as exc:  # noqa: BLE001 (nothing is swallowed: it is the message's outcome)
        # The name may be a publisher's own word: only a source's name may become a metric.
        source = arrival.source if arrival and relay.has_source(arrival.source) else None
        about = arrival.fallback_id if isinstance(arrival, Arrival) else "-"
        message.receipts = [Receipt.failure(exc, source=source, event_id=about, correlation_id=about)]


def _crashed(message: QueueRecord, relay: Relay) -> Receipt:
    """Return the receipt of a message that is not even read: reading it may be what kills the function."""
    error = Crashed(f"the function had the message {message.crashes} times and did not answer")
    about, source = message.message_id, message.source or ""
    try:
        # Strangers must not be able to make metrics.
        source = relay.sources.named(source).name
    except Exception:  # noqa: BLE001 (the message is dead-lettered all the same, and nothing else depends on it)
        source = ""
    return Receipt.failure(error, source=source, event_id=about, correlation_id=about)


# --- what is done with a record in the end: each tells whether SQS may forget it --------------------------


def _tried(
    finish: Callable[[QueueRecord, Relay, Queues], bool],
    message: QueueRecord,
    relay: Relay,
    queue: Queues,
    telemetry: Telemetry,
) -> bool:
    try:
        return finish(message, relay, queue)
    except (QueueUnavailable, PayloadTooLarge) as exc:
        # Kept: it comes again when the queue's own visibility timeout ends. An event that came from elsewhere
        # may be too large to be queued anew: it waits as it is, until SQS itself dead-letters it.
        telemetry.trouble("a message was kept", error_code=exc.code, detail=exc.detail)
        return False


def _finish(message: QueueRecord, relay: Relay, queue: Queues) -> bool:
    """Dead-letter and park what the receipts ask for."""
    parked = message.asking_for(Disposition.PARK)
    if parked and message.group is not None:
        # The record comes back whole, and what has failed with it. It is dead-lettered when the record ends.
        # The records behind it would keep the group waiting until the queue's visibility timeout ends.
        queue.delay([each.content for each in (message, *message.behind)], message.delay(parked))
        return False
    ending.dead_letter(message, queue)
    if not parked:
        return True
    if message.event is None:
        return False
    ending.park(message, parked, relay.clock.now(), queue)
    return True


def _wait(message: QueueRecord, _relay: Relay, queue: Queues) -> bool:
    """Queue anew what was seen before it is due."""
    if message.event:
        queue.requeue(message.event, message.attempt, message.due, message.reason)
    return message.event is not None


def _records(invocation: Any, key: str, service: str) -> Sequence[Mapping[str, Any]] | None:
    """Return an invocation's records where they are a service's; SQS's own poller sends empty batches too."""
    if not isinstance(invocation, Mapping) or not isinstance(invocation.get("Records"), list):
        return None
    records = invocation["Records"]
    # What is not a record is nobody's: it is dead-lettered with the invocation, and not passed over.
    ours = all(isinstance(record, Mapping) and record.get(key) == service for record in records)
    return records if ours else None

"""The queue and the dead-letter queue, on SQS."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import batched
from typing import Any

from push_relay.adapters import aws
from push_relay.core import queue_format
from push_relay.core.clock import TimeLeft
from push_relay.core.delivery.wake_up import wake_up
from push_relay.core.errors import PayloadTooLarge, QueueUnavailable, RelayError
from push_relay.core.event import Event
from push_relay.core.queue_format import Packed, RejectedItem, bare, pack

#: SQS delays a new message for at most 15 minutes.
MAX_DELAY = 900
#: SQS hides a received message for at most 12 hours, counted from when it was received.
MAX_VISIBILITY = 12 * 3600 - 60
#: Entries that SQS accepts in one batch call, and bytes of all of them together.
_MAX_ENTRIES = 10
_MAX_BYTES = 1024 * 1024
#: The longest call in seconds. No further call begins if it could not end.
_CALL_SECS = aws.ATTEMPTS * (aws.CONNECT_SECS + aws.READ_SECS) + aws.PAUSE_SECS


class SqsQueue:
    """The queue, in which events arrive, and the dead-letter queue, for events that cannot be delivered."""

    def __init__(self, url: str, dead_letter_url: str, now: Callable[[], float]) -> None:
        self._url = url
        self._dead_letter_url = dead_letter_url
        self._now = now

    def put(self, event: Event) -> None:
        """Queue an event. Raises QueueUnavailable, PayloadTooLarge."""
        self._send(self._url, pack(event), 0)

    def put_all(
        self, contents: Sequence[Event | RejectedItem], time_left: TimeLeft
    ) -> Sequence[RelayError | None]:
        """Queue each of them as a message; return for each why it is not queued, or None if it is.

        If a call fails as a whole, or if there is no time left for another one, the rest is not queued.
        The memory holds the messages of one call at a time.
        """
        results: list[RelayError | None] = [None] * len(contents)
        failed: QueueUnavailable | None = None
        for entries in _calls(_packed(contents, results)):
            if failed is None and time_left() < _CALL_SECS:
                failed = QueueUnavailable("there was no time left to queue the event")
            if failed is None:
                try:
                    for number in self._send_batch(entries):
                        results[number] = QueueUnavailable("the queue did not accept the event")
                    continue
                except QueueUnavailable as exc:
                    failed = exc
            for number, _ in entries:
                results[number] = QueueUnavailable(failed.detail)
        return results

    def requeue(self, event: Event, attempt: int, due: float, error_code: str) -> None:
        """Queue an event for its next attempt, not before a time (seconds since the epoch).

        Raises QueueUnavailable, PayloadTooLarge. SQS delays for at most 15 minutes, so a message
        that is received before it is due is requeued.
        """
        self._send(self._url, queue_format.parked(event, attempt, due, error_code), due - self._now())

    def dead_letter(self, body: str, attributes: Mapping[str, str], error_code: str, event_id: str) -> None:
        """Dead-letter a message as it was received, with its error and the time. Raises QueueUnavailable."""
        failed_at = datetime.now(UTC).isoformat(timespec="seconds")
        packed = queue_format.dead_letter(Packed(body, attributes), error_code, event_id, failed_at)
        self._send(self._dead_letter_url, packed, 0)

    def copy(self, record: Mapping[str, Any], crashes: int, due: float) -> None:
        """Queue a copy of a record of any standard queue. Raises QueueUnavailable.

        SQS counts the copy's receives from 0.
        """
        self._send(self._url, queue_format.copy(record, crashes), due - self._now())

    def delay(self, records: Sequence[Mapping[str, Any]], delay: float) -> None:
        """Hide received records of one queue for `delay` seconds.

        Raises QueueUnavailable, also if SQS refuses only one of them.
        """
        seconds = max(0, min(MAX_VISIBILITY, math.ceil(delay)))
        for batch in batched(records, _MAX_ENTRIES, strict=False):
            answer = self._call(
                "ChangeMessageVisibilityBatch",
                QueueUrl=_url_of(str(batch[0].get("eventSourceARN"))),
                Entries=[
                    {
                        "Id": str(number),
                        "ReceiptHandle": str(record.get("receiptHandle")),
                        "VisibilityTimeout": seconds,
                    }
                    for number, record in enumerate(batch)
                ],
            )
            if answer.get("Failed"):
                raise QueueUnavailable("the queue did not hide all of a batch's messages")

    def wake(self, account: str, due: float) -> None:
        """Queue the message that starts a drain of an account's backlog. Raises QueueUnavailable.

        due  when, in seconds since the epoch; at most 15 minutes from now
        """
        now = self._now()
        self._send(self._url, pack(wake_up(account, now)), due - now)

    def delete(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Delete received records of one queue.

        Raises QueueUnavailable, also if SQS refuses only one of them.
        """
        for batch in batched(records, _MAX_ENTRIES, strict=False):
            answer = self._call(
                "DeleteMessageBatch",
                QueueUrl=_url_of(str(batch[0].get("eventSourceARN"))),
                Entries=[
                    {"Id": str(number), "ReceiptHandle": str(record.get("receiptHandle"))}
                    for number, record in enumerate(batch)
                ],
            )
            if answer.get("Failed"):
                raise QueueUnavailable("the queue did not delete all of a batch's messages")

    def _send(self, url: str, packed: Packed, delay_secs: float) -> None:
        self._call(
            "SendMessage",
            QueueUrl=url,
            MessageBody=packed.body,
            MessageAttributes=_attributes(packed),
            DelaySeconds=max(0, min(MAX_DELAY, math.ceil(delay_secs))),
        )

    def _send_batch(self, entries: Sequence[tuple[int, Packed]]) -> Sequence[int]:
        """Queue messages; return the numbers of those that SQS has refused. Raises QueueUnavailable."""
        answer = self._call(
            "SendMessageBatch",
            QueueUrl=self._url,
            Entries=[
                {"Id": str(number), "MessageBody": packed.body, "MessageAttributes": _attributes(packed)}
                for number, packed in entries
            ],
        )
        refused = {entry.get("Id") for entry in answer.get("Failed") or ()}
        return [number for number, _ in entries if str(number) in refused]

    def _call(self, operation: str, **arguments: Any) -> Mapping[str, Any]:
        try:
            return aws.sqs().call(operation, **arguments)
        except aws.AwsError as exc:
            raise QueueUnavailable(f"the queue did not answer ({exc.code})") from None


def _attributes(packed: Packed) -> dict[str, Mapping[str, str]]:
    return {
        name: {"DataType": "String", "StringValue": value}
        for name, value in packed.attributes.items()
        if value
    }


def _packed(
    contents: Sequence[Event | RejectedItem], results: list[RelayError | None]
) -> Iterator[tuple[int, Packed]]:
    """Yield the message of each, with its number; note in the results those that no message can hold."""
    for number, content in enumerate(contents):
        try:
            yield number, pack(content) if isinstance(content, Event) else bare(content)
        except PayloadTooLarge as exc:
            results[number] = exc


def _calls(packed: Iterable[tuple[int, Packed]]) -> Iterator[Sequence[tuple[int, Packed]]]:
    """Split messages into those of each call, within SQS's limits."""
    entries: list[tuple[int, Packed]] = []
    size = 0
    for entry in packed:
        own = _size(entry[1])
        if entries and (len(entries) == _MAX_ENTRIES or size + own > _MAX_BYTES):
            yield entries
            entries, size = [], 0
        entries.append(entry)
        size += own
    if entries:
        yield entries


def _size(packed: Packed) -> int:
    """Return the bytes of a message as SQS counts them."""
    texts = (packed.body, *packed.attributes, *packed.attributes.values())
    return sum(len(text.encode("utf-8")) for text in texts) + len("String") * len(packed.attributes)


def _url_of(arn: str) -> str:
    """Return the URL of a queue by its ARN, because a record may be from a queue of another program."""
    _, partition, _, region, account, name = (arn.split(":") + [""] * 6)[:6]
    suffix = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
    return f"https://sqs.{region}.{suffix}/{account}/{name}"

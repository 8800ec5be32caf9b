"""The dead-letter queue: read it without removing anything, delete a message, make the rest visible again.

SQS can be listed only by receiving. So every message is received once, which hides it from other readers for
its visibility timeout. Reading deletes nothing, and at the end every message that was not deleted is made
visible again. Receiving counts towards `maxReceiveCount`; that does no harm, because the relay's dead-letter
queue has no redrive policy. `Counts.has_redrive_policy` shows if somebody gave it one.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import batched
from types import TracebackType
from typing import Any, Final, Self

from relayctl.deadletters.dead_letter import DeadLetter

#: SQS's limit of messages for one call.
_BATCH_SIZE: Final = 10
#: More than 0 makes SQS ask all of its servers. A short poll asks only some of them, so it can miss messages.
_WAIT_SECS: Final = 1
_MIN_HIDDEN_SECS: Final = 60.0
#: SQS allows 12 hours.
_MAX_HIDDEN_SECS: Final = 12 * 3600.0 - 60
#: A lower bound of the reading rate, from which the visibility timeout is computed.
_READS_PER_SEC: Final = 50.0
#: A message is replayed only if it stays hidden for at least this long.
_MARGIN_SECS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Counts:
    """SQS's approximate numbers of messages in a queue.

    visible             those that can be received
    hidden              those that a reader has received and neither deleted nor made visible again
    delayed             those that cannot be received before their delay has passed
    has_redrive_policy  whether SQS moves messages that are received too often to another queue
    """

    visible: int
    hidden: int
    has_redrive_policy: bool
    delayed: int = 0


def counts_of(client: Any, url: str) -> Counts:
    """Return a queue's message counts. Raises boto3's errors."""
    response = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    attributes: Mapping[str, str] = response.get("Attributes", {})
    return Counts(
        visible=int(attributes.get("ApproximateNumberOfMessages", 0)),
        hidden=int(attributes.get("ApproximateNumberOfMessagesNotVisible", 0)),
        has_redrive_policy="RedrivePolicy" in attributes,
        delayed=int(attributes.get("ApproximateNumberOfMessagesDelayed", 0)),
    )


class DeadLetterQueue:
    """One pass over the queue. Use it in a `with`, which makes the messages visible again at the end."""

    def __init__(
        self, client: Any, url: str, *, interval_secs: float = 0.0, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Read a queue with an SQS client.

        interval_secs  how long the caller takes for one message: the visibility timeout must be longer
        now            returns seconds from any origin
        """
        self._client = client
        self._url = url
        self._interval_secs = interval_secs
        self._now = now
        self._hidden_secs = _MIN_HIDDEN_SECS
        self._seen: set[str] = set()
        #: By message id: the receipt handle, and the time until which the message is hidden.
        self._received: dict[str, tuple[str, float]] = {}

    def __enter__(self) -> Self:
        """Return itself. Messages are received by `dead_letters` only."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Make the remaining messages visible again, also after an exception."""
        self.make_visible()

    def counts(self) -> Counts:
        """Return the queue's message counts."""
        return counts_of(self._client, self._url)

    def dead_letters(self, is_stopped: Callable[[], bool]) -> Iterator[DeadLetter]:
        """Yield every message once, hidden from other readers meanwhile, until none is left or it stops."""
        expected = self.counts().visible
        needed_secs = max(expected / _READS_PER_SEC, 1.5 * _BATCH_SIZE * self._interval_secs)
        self._hidden_secs = min(_MAX_HIDDEN_SECS, _MIN_HIDDEN_SECS + needed_secs)
        # A message is received again when its visibility timeout has passed, so the queue may never be empty.
        # Many calls in a row without a new message end the pass too.
        max_calls_without_new = 20 + 2 * expected // _BATCH_SIZE
        empty_calls = calls_without_new = 0
        while not is_stopped() and calls_without_new < max_calls_without_new:
            received = self._receive()
            new = [message for message in received if message["MessageId"] not in self._seen]
            calls_without_new = 0 if new else calls_without_new + 1
            empty_calls = 0 if received else empty_calls + 1
            if len(new) < len(received):
                # The timeout was too short. With a longer one, known messages stop taking the place of new
                # ones.
                self._hidden_secs = min(_MAX_HIDDEN_SECS, 2 * self._hidden_secs)
            if empty_calls > (0 if len(self._seen) >= expected else 2):
                return
            for message in new:
                if is_stopped():
                    return
                self._seen.add(message["MessageId"])
                yield DeadLetter.of_sqs(message)

    def is_still_hidden(self, dead_letter: DeadLetter) -> bool:
        """Return whether a message is still hidden from other readers.

        If not, `dead_letters` yields it again.
        """
        until = self._received[dead_letter.message_id][1] if dead_letter.message_id in self._received else 0.0
        if self._now() < until - _MARGIN_SECS:
            return True
        self._seen.discard(dead_letter.message_id)
        return False

    def delete(self, dead_letter: DeadLetter) -> None:
        """Delete a message from the queue. Raises boto3's errors."""
        handle, _ = self._received[dead_letter.message_id]
        self._client.delete_message(QueueUrl=self._url, ReceiptHandle=handle)
        del self._received[dead_letter.message_id]

    def make_visible(self) -> None:
        """Make every received message visible to other readers, unless it was deleted.

        Errors are ignored: the message becomes visible anyway when its visibility timeout has passed.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        handles = [handle for handle, _ in self._received.values()]
        self._received.clear()
        for batch in batched(handles, _BATCH_SIZE, strict=False):
            entries = [
                {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": 0}
                for number, handle in enumerate(batch)
            ]
            with suppress(BotoCoreError, ClientError):
                self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)

    def _receive(self) -> list[dict[str, Any]]:
        until = self._now() + self._hidden_secs
        received: list[dict[str, Any]] = self._client.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=_BATCH_SIZE,
            VisibilityTimeout=round(self._hidden_secs),
            WaitTimeSeconds=_WAIT_SECS,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["SentTimestamp"],
        ).get("Messages", [])
        for message in received:
            self._received[message["MessageId"]] = (message["ReceiptHandle"], until)
        return received

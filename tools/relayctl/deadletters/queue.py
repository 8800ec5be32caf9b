"""The dead-letter queue: look without taking, hold, delete, give back.

SQS can be listed only by receiving. So each message is received once and hidden for a while, nothing is
deleted by looking, and in the end all that is still there is given back at once. Receiving counts towards
`maxReceiveCount`, which does not matter here: the dead-letter queue has none of its own (`moves_on` tells
where somebody gave it one).
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import batched
from types import TracebackType
from typing import Any, Final, Self

from relayctl.deadletters.dead_letter import DeadLetter

_BATCH: Final = 10  # SQS's most for one call
_WAIT_SECS: Final = 1  # long enough to ask all of SQS's servers: a short poll asks only some of them
_LEAST_HOLD: Final = 60.0
_MOST_HOLD: Final = 12 * 3600.0 - 60
_A_SECOND: Final = 50.0  # messages that are read in a second at the least
_MARGIN: Final = 10.0


@dataclass(frozen=True, slots=True)
class Counts:
    """How a queue stands, about.

    hidden    held by somebody: of the dead by who looks at them or replays them, else by a worker
    moves_on  whether it has a redrive policy
    delayed   not to be seen before a while
    """

    visible: int
    hidden: int
    moves_on: bool
    delayed: int = 0


def counts_of(client: Any, url: str) -> Counts:
    """Ask how a queue stands."""
    told: Mapping[str, str] = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]).get(
        "Attributes", {}
    )
    return Counts(
        visible=int(told.get("ApproximateNumberOfMessages", 0)),
        hidden=int(told.get("ApproximateNumberOfMessagesNotVisible", 0)),
        moves_on="RedrivePolicy" in told,
        delayed=int(told.get("ApproximateNumberOfMessagesDelayed", 0)),
    )


class DeadLetterQueue:
    """One look at the queue; use it in a `with`, which gives back what is held."""

    def __init__(
        self, client: Any, url: str, *, interval: float = 0.0, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Look at the queue; `interval` is how many seconds one message takes to be replayed."""
        self._client = client
        self._url = url
        self._interval = interval
        self._now = now
        self._hold = _LEAST_HOLD
        self._seen: set[str] = set()
        self._held: dict[str, tuple[str, float]] = {}  # receipt handle, and when the hold ends

    def __enter__(self) -> Self:
        """Begin to look."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give back what is held, whatever happened."""
        self.give_back()

    def counts(self) -> Counts:
        """Ask how the queue stands."""
        return counts_of(self._client, self._url)

    def letters(self, is_stopped: Callable[[], bool]) -> Iterator[DeadLetter]:
        """Return each message once, held so that nobody else gets it meanwhile, until all are seen."""
        expected = self.counts().visible
        self._hold = min(_MOST_HOLD, _LEAST_HOLD + max(expected / _A_SECOND, 1.5 * _BATCH * self._interval))
        # What is held comes again when its time is up: many batches without anything new are an end too.
        patience = 20 + 2 * expected // _BATCH
        empty = barren = 0
        while not is_stopped() and barren < patience:
            received = self._receive()
            fresh = [message for message in received if message["MessageId"] not in self._seen]
            barren = 0 if fresh else barren + 1
            empty = 0 if received else empty + 1
            if len(fresh) < len(received):
                # It takes longer than was thought: what has been seen must not keep the rest away.
                self._hold = min(_MOST_HOLD, 2 * self._hold)
            if empty > (0 if len(self._seen) >= expected else 2):
                return
            for message in fresh:
                if is_stopped():
                    return
                self._seen.add(message["MessageId"])
                yield DeadLetter.of_sqs(message)

    def still_holds(self, letter: DeadLetter) -> bool:
        """Tell whether a message is still hidden from everybody else; if not, it will be seen once more."""
        until = self._held[letter.message_id][1] if letter.message_id in self._held else 0.0
        if self._now() < until - _MARGIN:
            return True
        self._seen.discard(letter.message_id)
        return False

    def delete(self, letter: DeadLetter) -> None:
        """Delete a message for good."""
        self._client.delete_message(QueueUrl=self._url, ReceiptHandle=self._held[letter.message_id][0])
        del self._held[letter.message_id]

    def give_back(self) -> None:
        """Let everybody see again what is held; what cannot be given back appears when its time is up."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 (loaded with the client)

        handles = [handle for handle, _ in self._held.values()]
        self._held.clear()
        for batch in batched(handles, _BATCH, strict=False):
            entries = [
                {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": 0}
                for number, handle in enumerate(batch)
            ]
            with suppress(BotoCoreError, ClientError):
                self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)

    def _receive(self) -> list[dict[str, Any]]:
        until = self._now() + self._hold
        received: list[dict[str, Any]] = self._client.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=_BATCH,
            VisibilityTimeout=round(self._hold),
            WaitTimeSeconds=_WAIT_SECS,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["SentTimestamp"],
        ).get("Messages", [])
        for message in received:
            self._held[message["MessageId"]] = (message["ReceiptHandle"], until)
        return received

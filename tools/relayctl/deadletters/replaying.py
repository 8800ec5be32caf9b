"""The replay: at a limited rate, in an order that loses nothing, and safe to interrupt.

A message is hidden from other readers, sent to the relay's queue, and only then deleted. If the program is
killed between the two, the message is in both queues, and the ledger makes one push of the two. Ctrl-C ends
the replay between two messages.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from secrets import token_hex
from threading import Event as Flag
from typing import Any, Final

from push_relay.core.errors import PayloadTooLarge
from relayctl.deadletters.dead_letter import DeadLetter
from relayctl.deadletters.outgoing import outgoing_messages
from relayctl.deadletters.queue import DeadLetterQueue

#: After this many failures in a row, the cause is AWS and not the messages, so the replay ends.
_MAX_FAILURES_IN_A_ROW: Final = 3


@dataclass(slots=True)
class ReplayResult:
    """The message ids by what was done. A message whose id is in none of the three was not reached.

    replayed      sent, and deleted from the dead-letter queue
    not_replayed  left in the dead-letter queue: the reason by message id
    in_both       sent, and not deleted: the message is in both queues
    """

    replayed: list[str] = field(default_factory=list)
    not_replayed: dict[str, str] = field(default_factory=dict)
    in_both: list[str] = field(default_factory=list)

    @property
    def reached(self) -> int:
        """The number of messages that were tried."""
        return len(self.replayed) + len(self.not_replayed) + len(self.in_both)


class Pace:
    """Limits the rate to one message for each interval."""

    def __init__(
        self, interval_secs: float, stop: Flag, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Use an interval. `stop` ends a wait early; `monotonic` returns seconds from any origin."""
        self._interval_secs = interval_secs
        self._stop = stop
        self._monotonic = monotonic
        self._next = monotonic()

    def wait(self) -> bool:
        """Wait until the next message may be sent. Returns False if it was stopped."""
        left_secs = self._next - self._monotonic()
        if self._stop.wait(left_secs) if left_secs > 0 else self._stop.is_set():
            return False
        # Time that was lost is not made up for, so that a pause does not end in a burst.
        self._next = max(self._next, self._monotonic()) + self._interval_secs
        return True


@dataclass(frozen=True, slots=True)
class Replayer:
    """Replays dead letters into the relay's queue.

    `replay_id` identifies the run. The ledger lets each run overrule a push's failure once: if a push has two
    dead letters, or if SQS delivers a message twice, only the first one sends the push. A second run
    overrules it again.
    """

    client: Any
    queue_url: str
    pace: Pace
    stop: Flag
    now: Callable[[], float] = time.time
    force: bool = False
    replay_id: str = field(default_factory=lambda: token_hex(8))

    def replay(
        self, queue: DeadLetterQueue, wanted_ids: Iterable[str], on_progress: Callable[[ReplayResult], None]
    ) -> ReplayResult:
        """Replay the messages with these ids, and call `on_progress` after each.

        Messages that are not replayed are made visible in the dead-letter queue again.
        """
        result, left, failures = ReplayResult(), set(wanted_ids), 0
        with queue:
            for dead_letter in queue.dead_letters(self.stop.is_set) if left else ():
                if dead_letter.message_id not in left:
                    continue
                if not self.pace.wait():
                    break
                if not queue.is_still_hidden(dead_letter):
                    continue
                failures = 0 if self._replay(queue, dead_letter, result) else failures + 1
                left.discard(dead_letter.message_id)
                on_progress(result)
                if not left or failures == _MAX_FAILURES_IN_A_ROW:
                    break
        return result

    def _replay(self, queue: DeadLetterQueue, dead_letter: DeadLetter, result: ReplayResult) -> bool:
        """Replay one message, and return whether every call of AWS succeeded."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            outgoing = outgoing_messages(dead_letter, self.now(), force=self.force, replay_id=self.replay_id)
            for message in outgoing:
                self.client.send_message(
                    QueueUrl=self.queue_url, MessageBody=message.body, MessageAttributes=message.attributes
                )
        except PayloadTooLarge as exc:
            result.not_replayed[dead_letter.message_id] = exc.detail
            return True
        except (BotoCoreError, ClientError) as exc:
            result.not_replayed[dead_letter.message_id] = f"the queue refused it ({_error_name(exc)})"
            return False
        if not outgoing:
            result.not_replayed[dead_letter.message_id] = "it contains no event"
            return True
        try:
            queue.delete(dead_letter)
        except (BotoCoreError, ClientError):
            result.in_both.append(dead_letter.message_id)
            return False
        result.replayed.append(dead_letter.message_id)
        return True


def _error_name(error: Exception) -> str:
    """Return AWS's name of an error, without its text, which may quote the request."""
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    return str(code or type(error).__name__)

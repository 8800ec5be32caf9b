"""The replay: at a pace, in an order that loses nothing, and safe to interrupt.

A message is held, sent to the relay's queue, and only then deleted. Whoever is killed in between leaves it in
both queues, and the ledger makes one push of the two. Ctrl-C is heeded between messages, never within one.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from secrets import token_hex
from threading import Event as Flag
from typing import Any, Final

from push_relay.core.errors import PayloadTooLarge
from relayctl.deadletters.dead_letter import DeadLetter
from relayctl.deadletters.queue import DeadLetterQueue
from relayctl.deadletters.revival import revived

#: Failures in a row after which it is AWS that fails, and not the message.
_ENOUGH: Final = 3


@dataclass(slots=True)
class Result:
    """What was done, by message id. What is in none of them was not reached."""

    replayed: list[str] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)  # and why
    in_both: list[str] = field(default_factory=list)  # sent, and not deleted

    @property
    def reached(self) -> int:
        """How many messages were taken up, whatever came of it."""
        return len(self.replayed) + len(self.kept) + len(self.in_both)


class Pace:
    """Lets one through each `interval` seconds."""

    def __init__(self, interval: float, stop: Flag, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Wait for turns, unless stopped."""
        self._interval = interval
        self._stop = stop
        self._monotonic = monotonic
        self._next = monotonic()

    def turn(self) -> bool:
        """Wait for the next turn; False where the wait was broken off."""
        left = self._next - self._monotonic()
        if self._stop.wait(left) if left > 0 else self._stop.is_set():
            return False
        # What is late is not caught up with: a pause makes no burst.
        self._next = max(self._next, self._monotonic()) + self._interval
        return True


@dataclass(frozen=True, slots=True)
class Replayer:
    """Replays dead messages into the relay's queue.

    `replay_id` is this run's: of two letters of one push, or one message that SQS hands out twice, only the
    first overrules what the ledger says. A second run is a second wish.
    """

    client: Any
    queue_url: str
    pace: Pace
    stop: Flag
    now: Callable[[], float] = time.time
    force: bool = False
    replay_id: str = field(default_factory=lambda: token_hex(8))

    def replay(self, queue: DeadLetterQueue, wanted: Iterable[str], told: Callable[[Result], None]) -> Result:
        """Replay the messages of these ids; `told` hears of each. Gives back what it does not replay."""
        result, left, failures = Result(), set(wanted), 0
        with queue:
            for letter in queue.letters(self.stop.is_set) if left else ():
                if letter.message_id not in left:
                    continue
                if not self.pace.turn():
                    break
                if not queue.still_holds(letter):
                    continue
                failures = 0 if self._replay(queue, letter, result) else failures + 1
                left.discard(letter.message_id)
                told(result)
                if not left or failures == _ENOUGH:
                    break
        return result

    def _replay(self, queue: DeadLetterQueue, letter: DeadLetter, result: Result) -> bool:
        """Replay one message; tell whether AWS did as it was told."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 (loaded with the client)

        try:
            outgoing = revived(letter, self.now(), force=self.force, replay_id=self.replay_id)
            for message in outgoing:
                self.client.send_message(
                    QueueUrl=self.queue_url, MessageBody=message.body, MessageAttributes=message.attributes
                )
        except PayloadTooLarge as exc:
            result.kept[letter.message_id] = exc.detail
            return True
        except (BotoCoreError, ClientError) as exc:
            result.kept[letter.message_id] = f"the queue did not take it ({_error_name(exc)})"
            return False
        if not outgoing:
            result.kept[letter.message_id] = "nothing in it is an event"
            return True
        try:
            queue.delete(letter)
        except (BotoCoreError, ClientError):
            result.in_both.append(letter.message_id)
            return False
        result.replayed.append(letter.message_id)
        return True


def _error_name(error: Exception) -> str:
    from push_relay.adapters.aws import error_name  # noqa: PLC0415 (loaded with the client)

    return error_name(error)

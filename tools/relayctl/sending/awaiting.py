"""Follow the events of what was sent to their receipts."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from threading import Event as Flag

from push_relay.core.outcomes import Outcome
from relayctl.receipts.line import LogLine
from relayctl.receipts.log_reader import ReceiptLog
from relayctl.receipts.story import Story, Waiting, stories

#: Seconds before now from which the log is read if it is not known when the request was sent. Clocks differ.
_BEFORE_SECS = 900.0


@dataclass(frozen=True, slots=True)
class Awaiter:
    """Reads the log every few seconds until all events have ended, or until the time is up.

    wait_secs  how long that may take
    on_lines   is called with the lines that are new
    """

    log: ReceiptLog
    stop: Flag
    interval_secs: float
    wait_secs: float
    on_lines: Callable[[Sequence[LogLine]], None]
    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    _lines: list[LogLine] = field(default_factory=list)

    def await_receipts(
        self, correlation_id: str, event_ids: Collection[str], began_at: float | None = None
    ) -> list[Story]:
        """Return the stories of a request's events, complete if the time was enough.

        event_ids  the events that were accepted, as far as they are known
        began_at   when it was sent, in seconds since the epoch, if that is known. An example can have a
                   correlation id of its own, which earlier requests had too

        Raises boto3's errors.
        """
        since = self.now() - _BEFORE_SECS if began_at is None else began_at
        deadline = self.monotonic() + self.wait_secs
        before = -1
        while True:
            lines = self.log.about(correlation_id, since, self.stop.is_set)
            self._note(lines)
            found = stories(lines)
            # The receipts of several pushes are written one after the other, so one more look has to agree.
            is_still = before == len(lines)
            before = len(lines)
            left = deadline - self.monotonic()
            if (is_still and self._have_ended(found, event_ids, left)) or left <= 0:
                return found
            if self.stop.wait(min(self.interval_secs, left)):
                return found

    def _note(self, lines: Sequence[LogLine]) -> None:
        new = [line for line in lines if line not in self._lines]
        self._lines.extend(new)
        if new:
            self.on_lines(new)

    def _have_ended(self, found: Sequence[Story], event_ids: Collection[str], left_secs: float) -> bool:
        """Return whether nothing more is expected in the time that is left."""
        known = {story.event_id for story in found}
        if not found or not known.issuperset(event_ids):
            return False
        return all(self._has_ended(story, left_secs) for story in found)

    def _has_ended(self, story: Story, left_secs: float) -> bool:
        if story.verdict is Outcome.PARKED:
            return story.due is None or story.due > self.now() + left_secs
        return story.verdict not in (Waiting.QUEUED, Waiting.UNKNOWN)

"""The stories of events: which lines are about an event, how each of its pushes ended, and a verdict.

    stories(lines) -> [Story(verdict="parked", deciding=LogLine(...), pushes=(...), lines=(...)), ...]

Nothing here reads a log or a file.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from push_relay.core.outcomes import DISPOSITIONS, Disposition, Outcome
from push_relay.core.push import BATCHED
from relayctl.preview.result import SEVERITY
from relayctl.receipts.line import DELIVER, NO_ID, LineKind, LogLine

#: The receipts that one invocation writes for an event are closer together than this, in seconds.
_ONE_INVOCATION_SECS: Final = 1.0
#: `deliver` may have an event that much earlier than `receive` has written that it is in the queue.
_LATE_SECS: Final = 0.25


class Waiting(StrEnum):
    """The verdicts of an event without a receipt."""

    QUEUED = "queued"  # it is in the queue, or `deliver` has it just now
    HANDSHAKE = "handshake"  # a question of the sender's, which was answered
    EMPTY = "empty"  # a request without an event
    UNKNOWN = "unknown"  # the log has no line that decides it


type Verdict = Outcome | Waiting


@dataclass(frozen=True, slots=True)
class PushState:
    """How one push of an event ended, as far as the log shows, or an event that became no push.

    line     its last receipt. A `duplicate` after another outcome does not count
    repeats  the number of these duplicates
    """

    line: LogLine
    repeats: int = 0

    @property
    def outcome(self) -> Outcome:
        """Its outcome."""
        return self.line.outcome or Outcome.FAILED

    @property
    def is_dead(self) -> bool:
        """Whether it was dead-lettered. A request that `receive` refuses is not."""
        is_refusal = self.outcome is Outcome.REJECTED and self.line.function != DELIVER
        return DISPOSITIONS[self.outcome] is Disposition.DEAD_LETTER and not is_refusal


@dataclass(frozen=True, slots=True)
class Story:
    """All that a log has about one event, or about a request that became none.

    event_id  None for a request that was refused before its event could be read
    lines     in the order of time
    pushes    in the order in which they are first mentioned
    """

    source: str | None
    event_id: str | None
    lines: tuple[LogLine, ...]
    pushes: tuple[PushState, ...]

    @property
    def correlation_ids(self) -> tuple[str, ...]:
        """The correlation ids of its requests, the first one first."""
        return tuple(dict.fromkeys(line.correlation_id for line in self.lines if line.correlation_id))

    @property
    def deciding(self) -> LogLine | None:
        """The line that decides the verdict: the receipt with the worst outcome, or the last other line."""
        if self.pushes:
            return min(self.pushes, key=lambda push: SEVERITY.index(push.outcome)).line
        deciding = (LineKind.ACCEPTED, LineKind.INVALID_ITEM, LineKind.HANDSHAKE, LineKind.EMPTY)
        return next((line for line in reversed(self.lines) if line.kind in deciding), None)

    @property
    def verdict(self) -> Verdict:
        """How the event ended: the worst outcome of its pushes. Without a receipt, what it waits for."""
        line = self.deciding
        if line is None:
            return Waiting.UNKNOWN
        if line.outcome is not None:
            return line.outcome
        return {LineKind.HANDSHAKE: Waiting.HANDSHAKE, LineKind.EMPTY: Waiting.EMPTY}.get(
            line.kind, Waiting.QUEUED
        )

    @property
    def is_dead(self) -> bool:
        """Whether a part of it was dead-lettered."""
        return any(push.is_dead for push in self.pushes)

    @property
    def due(self) -> float | None:
        """When the next of its parked pushes is tried, in seconds since the epoch, if that is known."""
        times = [push.line.due for push in self.pushes if push.outcome is Outcome.PARKED]
        return min((time for time in times if time is not None), default=None)


def stories(lines: Iterable[LogLine]) -> list[Story]:
    """Return the story of each event and of each refused request, in the order of their first lines.

    A line about several events is in the story of each. A line about no event and no request is in none.
    """
    grouped: dict[tuple[str, str], list[LogLine]] = {}
    ids: dict[tuple[str, str], str | None] = {}
    for line in in_order(lines):
        for event_id in line.event_ids:
            grouped.setdefault(("event", event_id), []).append(line)
            ids["event", event_id] = event_id
        if not line.event_ids and line.correlation_id not in (None, NO_ID):
            grouped.setdefault(("request", str(line.correlation_id)), []).append(line)
            ids["request", str(line.correlation_id)] = None
    return [story_of(ids[key], its_lines) for key, its_lines in grouped.items()]


def in_order(lines: Iterable[LogLine]) -> list[LogLine]:
    """Return lines in the order of time, and the acceptance of an event before its receipts."""
    late = (LineKind.ACCEPTED, LineKind.INVALID_ITEM)
    return sorted(lines, key=lambda line: line.at - (_LATE_SECS if line.kind in late else 0.0))


def story_of(event_id: str | None, lines: Sequence[LogLine]) -> Story:
    """Return the story of one event or refused request, whose lines are in the order of time."""
    sources = [line.source for line in lines if line.source]
    receipts = [line for line in lines if line.kind is LineKind.RECEIPT and line.outcome]
    return Story(sources[-1] if sources else None, event_id, tuple(lines), _states(receipts))


type _Key = tuple[str | None, str | None]  # the account of a push, and the place that leads to its recipient

#: The key of a receipt about the event as a whole.
_WHOLE: Final[_Key] = (None, None)


def _states(receipts: Sequence[LogLine]) -> tuple[PushState, ...]:
    states: dict[_Key, PushState] = {}
    for line in receipts:
        _drop_superseded(states, line)
        key = _key(states, line)
        before = states.get(key)
        if before and line.outcome is Outcome.DUPLICATE and before.outcome is not Outcome.DUPLICATE:
            states[key] = PushState(before.line, before.repeats + 1)
        else:
            states[key] = PushState(line, before.repeats if before else 0)
    return tuple(states.values())


def _key(states: dict[_Key, PushState], line: LogLine) -> _Key:
    """Return the key of the push that a receipt is about.

    The last receipt of a push that was in a batch window does not show its place.
    """
    if line.account is not None and line.about_route is None:
        batched = (
            key
            for key, state in states.items()
            if key[0] == line.account and state.line.error_code == BATCHED
        )
        return next(batched, (line.account, None))
    return line.account, line.about_route


def _drop_superseded(states: dict[_Key, PushState], line: LogLine) -> None:
    """Remove what a later attempt has replaced: a receipt of the whole event, or of a part of a route.

    Such receipts and those of pushes can also be written together, and then both count.
    """
    for key, state in list(states.items()):
        is_earlier = line.at - state.line.at > _ONE_INVOCATION_SECS
        if is_earlier and key[0] is None and (key == _WHOLE or _covers(key[1] or "", line.about_route or "")):
            del states[key]


def _covers(failed: str, place: str) -> bool:
    """Return whether a place is the one that has failed, or is of the route whose condition has failed."""
    return place == failed or (failed.endswith(".when") and place.startswith(failed.removesuffix("when")))

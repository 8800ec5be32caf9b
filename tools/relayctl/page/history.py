"""The events of a run: each with the request that brought it, its explanation and its log lines.

A request and its log lines have a correlation id in common. Lines of an event whose request did not go
through the recorder make an entry of their own, which has nothing but the lines. If the request is added
later, because its answer came after the lines, it takes that entry over.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any, Final

from push_relay.core.outcomes import Outcome
from relayctl.page.requests import Answer, Request
from relayctl.preview.result import PreviewedEvent, PreviewedFile
from relayctl.receipts.line import NO_ID, LineKind, LogLine
from relayctl.receipts.reasons import verdict_of
from relayctl.receipts.story import Story, Waiting, story_of

#: Events that are kept, and bytes of bodies: the older ones are dropped.
MOST_ENTRIES: Final = 1_000
MOST_BODY_BYTES: Final = 64 * 1024 * 1024
#: The verdict of a line about the functions themselves. The others are outcomes, and what an event waits for.
TROUBLE: Final = LineKind.TROUBLE.value
_BAD_REQUEST: Final = 400


@dataclass(slots=True, repr=False)
class Entry:
    """One event, or a request that brought none. It has no repr, so that it cannot be logged.

    number    from 1, in the order of arrival
    version   grows with each change of any entry
    position  of how many events of its request it is which, from 0
    message   the body of the queue's message, if the page has sent one
    """

    number: int
    version: int
    at: float
    source: str
    event_id: str
    correlation_id: str
    label: str = ""
    request: Request | None = None
    answer: Answer | None = None
    message: str | None = None
    explained: PreviewedFile | None = None
    position: int = 0
    lines: list[LogLine] = field(default_factory=list)

    @property
    def previewed(self) -> PreviewedEvent | None:
        """The preview of the event; None if there is no preview, or no event."""
        if self.explained is None or self.position >= len(self.explained.events):
            return None
        return self.explained.events[self.position]

    @property
    def type(self) -> str:
        """The kind of event; empty if it is not known."""
        event = self.previewed.event if self.previewed else None
        return (event.type or "") if event else ""

    @property
    def logged(self) -> Story:
        """The event's story by the log."""
        event_id = None if self.event_id == NO_ID else self.event_id
        return story_of(event_id, sorted(self.lines, key=lambda line: line.at))

    @property
    def verdict(self) -> str:
        """One word: an outcome, or what the event waits for."""
        if self._is_trouble:
            return TROUBLE
        logged = self.logged.verdict
        if logged is not Waiting.UNKNOWN and logged is not Waiting.QUEUED:
            return str(logged)
        if self.answer is not None and self.answer.status >= _BAD_REQUEST:
            return str(Outcome.REJECTED)
        if self.explained is not None and not self.explained.events:
            return str(Waiting.HANDSHAKE if self.explained.is_handshake else Waiting.EMPTY)
        return str(Waiting.QUEUED)

    @property
    def error_code(self) -> str:
        """The error code of the verdict; empty if there is none."""
        deciding = self.lines[-1] if self._is_trouble else self.logged.deciding
        if deciding is not None and (deciding.outcome or self._is_trouble):
            return deciding.error_code or ""
        return str(self.answer.problem.get("code") or "") if self.answer else ""

    @property
    def reason(self) -> str:
        """The reason of the verdict in one sentence; empty if there is none."""
        if self._is_trouble:
            line = self.lines[-1]
            return ": ".join(filter(None, (line.text, line.detail)))
        deciding = self.logged.deciding
        if deciding is not None and deciding.outcome:
            return self._logged_reason(deciding)
        problem = self.answer.problem if self.answer and self.verdict == Outcome.REJECTED else {}
        return str(problem.get("detail") or problem.get("title") or "")

    def _logged_reason(self, deciding: LogLine) -> str:
        """Return the reason of a receipt, without its error code. A delivered push needs none."""
        if deciding.outcome is Outcome.DELIVERED:
            return deciding.detail or ""
        return verdict_of(self.logged).removeprefix(f"{deciding.error_code}: ").strip()

    @property
    def _is_trouble(self) -> bool:
        """Whether there is nothing but a line about the functions themselves."""
        return bool(self.lines) and all(line.kind is LineKind.TROUBLE for line in self.lines)


class History:
    """The entries, newest last. It may be used from several threads.

    run  a random id, because the entries of another run have the same numbers
    """

    def __init__(self) -> None:
        self.run = token_hex(4)
        self._changed = threading.Condition()
        self._entries: dict[int, Entry] = {}
        self._removed: deque[tuple[int, int]] = deque(maxlen=MOST_ENTRIES)
        self._cleared: deque[str] = deque(maxlen=MOST_ENTRIES)  # correlation ids
        self._last = 0
        self._version = 0
        self._followers: list[Callable[[], object]] = []

    # --- what happens ---------------------------------------------------------------------------------

    def add_request(self, request: Request, answer: Answer, explained: PreviewedFile | None) -> list[Entry]:
        """Add the events of a request, or the request itself if it brought none, and return the entries."""
        correlation_id = answer.correlation_id
        events = explained.events if explained else ()
        about = [(event.source or request.source, event.id or NO_ID) for event in events]
        about = about or [(request.source, NO_ID)]
        with self._changed:
            orphans = self._orphans(correlation_id)
            added = []
            for position, (source, event_id) in enumerate(about):
                entry = self._new(request.at, source, event_id, correlation_id)
                entry.request, entry.answer, entry.label = request, answer, request.label
                entry.explained, entry.position = explained, position
                self._adopt(entry, orphans)
                added.append(entry)
            self._drop_oldest()
            self._wake()
        return added

    def add_message(
        self, body: str, message_id: str, at: float, label: str, explained: PreviewedFile | None
    ) -> Entry:
        """Add the event of a message that the page has put into the queue, and return the entry."""
        found = explained.events[0] if explained and explained.events else None
        event = found.event if found else None
        with self._changed:
            entry = self._new(
                at,
                (found.source if found else None) or "unknown",
                (found.id if found else None) or message_id,
                event.correlation_id if event else message_id,
            )
            entry.message, entry.explained, entry.label = body, explained, label
            self._adopt(entry, self._orphans(entry.correlation_id))
            self._drop_oldest()
            self._wake()
        return entry

    def add_lines(self, lines: Iterable[LogLine]) -> None:
        """Add log lines to the entries that they are about, or to new ones."""
        with self._changed:
            for line in lines:
                if line.kind is not LineKind.TROUBLE or line.level == "ERROR":
                    self._add_line(line)
            self._drop_oldest()
            self._wake()

    def clear(self) -> None:
        """Remove every entry. The numbers go on. Log lines about them that come later add no entry."""
        with self._changed:
            self._cleared.extend(entry.correlation_id for entry in self._entries.values())
            for number in list(self._entries):
                self._remove(number)
            self._wake()

    # --- reading --------------------------------------------------------------------------------------

    def get(self, number: int) -> Entry | None:
        """Return the entry of a number; None if it is no longer kept."""
        with self._changed:
            return self._entries.get(number)

    def changes(self, after: int) -> tuple[int, list[Entry], list[int]]:
        """Return the present version, and the entries and the removed numbers that are newer than `after`."""
        with self._changed:
            changed = [entry for entry in self._entries.values() if entry.version > after]
            removed = [number for number, version in self._removed if version > after]
            return self._version, changed, removed

    def wait(self, after: int, timeout_secs: float) -> int:
        """Wait until there is a version that is newer than `after`, and return the present one."""
        with self._changed:
            self._changed.wait_for(lambda: self._version > after, timeout_secs)
            return self._version

    def announce(self) -> None:
        """Wake the followers after a change that is not about an entry."""
        with self._changed:
            self._version += 1
            self._wake()

    def follow(self, wake: Callable[[], object]) -> Callable[[], None]:
        """Call `wake` at each change, and return a function that ends it."""
        with self._changed:
            self._followers.append(wake)

        def end() -> None:
            with self._changed:
                self._followers.remove(wake)

        return end

    # --- with the lock --------------------------------------------------------------------------------

    def _add_line(self, line: LogLine) -> None:
        correlation_id = line.correlation_id or NO_ID
        if correlation_id != NO_ID and correlation_id in self._cleared:
            return
        for event_id in line.event_ids or (NO_ID,):
            entry = self._find(correlation_id, event_id) or self._new(
                line.at, line.source or "unknown", event_id, correlation_id
            )
            entry.lines.append(line)
            self._touch(entry)

    def _new(self, at: float, source: str, event_id: str, correlation_id: str) -> Entry:
        while correlation_id in self._cleared:
            self._cleared.remove(correlation_id)  # the same request again
        self._last += 1
        entry = Entry(self._last, 0, at, source, event_id, correlation_id)
        self._entries[entry.number] = entry
        self._touch(entry)
        return entry

    def _touch(self, entry: Entry) -> None:
        self._version += 1
        entry.version = self._version

    def _remove(self, number: int) -> None:
        del self._entries[number]
        self._version += 1
        self._removed.append((number, self._version))

    def _orphans(self, correlation_id: str) -> list[Entry]:
        """Return the entries of a correlation id that have log lines only."""
        if correlation_id == NO_ID:
            return []
        return [
            entry
            for entry in self._entries.values()
            if entry.correlation_id == correlation_id and entry.request is None and entry.message is None
        ]

    def _adopt(self, entry: Entry, orphans: list[Entry]) -> None:
        """Take over the lines that came before their request."""
        for other in list(orphans):
            if self._is_about(entry, other.correlation_id, other.event_id):
                entry.lines += other.lines
                orphans.remove(other)
                self._remove(other.number)

    def _find(self, correlation_id: str, event_id: str) -> Entry | None:
        if correlation_id == NO_ID and event_id == NO_ID:
            return None
        found = (
            entry
            for entry in reversed(self._entries.values())
            if self._is_about(entry, correlation_id, event_id)
        )
        return next(found, None)

    @staticmethod
    def _is_about(entry: Entry, correlation_id: str, event_id: str) -> bool:
        if entry.correlation_id != correlation_id:
            return False
        # A line about a request as a whole has no event's id, and belongs to the request's first entry.
        return entry.event_id == event_id or (event_id == NO_ID and entry.position == 0)

    def _drop_oldest(self) -> None:
        """Remove the oldest entries if there are too many, or if their bodies are too large together."""
        while len(self._entries) > MOST_ENTRIES or self._body_bytes() > MOST_BODY_BYTES:
            self._remove(next(iter(self._entries)))

    def _body_bytes(self) -> int:
        bodies = {id(entry.request): len(entry.request.body) for entry in self._with_request()}
        return sum(bodies.values())

    def _with_request(self) -> Iterator[Any]:
        return (entry for entry in self._entries.values() if entry.request is not None)

    def _wake(self) -> None:
        self._changed.notify_all()
        for wake in self._followers:
            wake()

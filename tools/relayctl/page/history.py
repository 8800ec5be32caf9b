"""The events of a run: each with the request that brought it, its explanation and its log lines.

A request and its log lines have a correlation id in common. Lines of an event whose request did not go
through the recorder make an entry of their own, which has nothing but the lines. If the request is added
later, because its answer came after the lines, it takes that entry over.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any, Final

from push_relay.core.outcomes import Outcome
from relayctl.page.function_log import Line
from relayctl.page.requests import Answer, Request
from relayctl.preview.result import SEVERITY, PreviewedEvent, PreviewedFile

#: Events that are kept, and bytes of bodies: the older ones are dropped.
MOST_ENTRIES: Final = 1_000
MOST_BODY_BYTES: Final = 64 * 1024 * 1024
#: The verdicts beside the outcomes: accepted and not delivered yet, a question of the sender, a request
#: without an event, a line about the functions themselves.
WAITING, HANDSHAKE, EMPTY, TROUBLE = "waiting", "handshake", "empty", "trouble"
_RECEIPT: Final = "receipt"
#: Lines that are about an event or a request. The message of any other line is free text.
_MESSAGES: Final = frozenset({_RECEIPT, "accepted", "kept", "handshake", "empty", "fallback"})
_NO_ID: Final = "-"


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
    lines: list[Line] = field(default_factory=list)

    @property
    def previewed(self) -> PreviewedEvent | None:
        """What the preview found out about the event; None if there is no preview, or no event."""
        if self.explained is None or self.position >= len(self.explained.events):
            return None
        return self.explained.events[self.position]

    @property
    def type(self) -> str:
        """The kind of event; empty if it is not known."""
        event = self.previewed.event if self.previewed else None
        return (event.type or "") if event else ""

    @property
    def receipts(self) -> list[Line]:
        """The log lines of its pushes, or of what became none, oldest first."""
        return [line for line in self.lines if line["message"] == _RECEIPT]

    @property
    def verdict(self) -> str:
        """One word: an outcome, or why there is none yet."""
        if self.lines and all(line["message"] not in _MESSAGES for line in self.lines):
            return TROUBLE
        if receipt := self._decisive:
            return str(receipt.get("outcome", ""))
        if self.answer is not None and self.answer.status >= 400:  # noqa: PLR2004 (RFC 9110, 15)
            return Outcome.REJECTED
        if self.explained is not None and not self.explained.events:
            return HANDSHAKE if self.explained.is_handshake else EMPTY
        said = {line["message"] for line in self.lines}
        return HANDSHAKE if HANDSHAKE in said else EMPTY if EMPTY in said else WAITING

    @property
    def error_code(self) -> str:
        """The error code of the verdict; empty if there is none."""
        if receipt := self._decisive:
            return str(receipt.get("error_code") or "")
        if self.verdict == TROUBLE:
            return str(self.lines[-1].get("error_code") or "")
        return str(self.answer.problem.get("code") or "") if self.answer else ""

    @property
    def reason(self) -> str:
        """The reason of the verdict in one sentence; empty if there is none."""
        if self.verdict == TROUBLE:
            line = self.lines[-1]
            return ": ".join(str(part) for part in (line["message"], line.get("detail")) if part)
        if receipt := self._decisive:
            return str(receipt.get("detail") or "") or self._vendor_reason(receipt)
        problem = self.answer.problem if self.answer and self.verdict == Outcome.REJECTED else {}
        return str(problem.get("detail") or problem.get("title") or "")

    @staticmethod
    def _vendor_reason(receipt: Line) -> str:
        code = receipt.get("vendor_code")
        return f"the vendor's code is {code}" if code else ""

    @property
    def _decisive(self) -> Line | None:
        """The receipt that gives the verdict; None if there is none.

        A parked push is tried again, and its receipt then counts.
        """
        ended = [line for line in self.receipts if line.get("outcome") != Outcome.PARKED]
        expected = len(self.previewed.pushes) if self.previewed else 0
        parked = [line for line in self.receipts if line.get("outcome") == Outcome.PARKED]
        if parked and len(ended) < max(1, expected):
            return parked[-1]
        known = [line for line in ended if line.get("outcome") in SEVERITY]
        return min(known, key=lambda line: SEVERITY.index(line["outcome"]), default=None)


class History:
    """The entries, newest last. It may be used from several threads.

    run  a random id, because the entries of another run have the same numbers
    """

    def __init__(self) -> None:
        self.run = token_hex(4)
        self._changed = threading.Condition()
        self._entries: dict[int, Entry] = {}
        self._removed: deque[tuple[int, int]] = deque(maxlen=MOST_ENTRIES)
        self._last = 0
        self._version = 0
        self._followers: list[Callable[[], object]] = []

    # --- what happens ---------------------------------------------------------------------------------

    def add_request(self, request: Request, answer: Answer, explained: PreviewedFile | None) -> list[Entry]:
        """Add the events of a request, or the request itself if it brought none, and return the entries."""
        correlation_id = answer.correlation_id
        events = explained.events if explained else ()
        about = [(event.source or request.source, event.id or _NO_ID) for event in events]
        about = about or [(request.source, _NO_ID)]
        with self._changed:
            orphans = self._orphans(correlation_id)
            added = []
            for position, (source, event_id) in enumerate(about):
                entry = self._new(request.at, source, event_id, correlation_id)
                entry.request, entry.answer, entry.label = request, answer, request.label
                entry.explained, entry.position = explained, position
                self._adopt(entry, orphans)
                added.append(entry)
            self._forget()
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
            self._forget()
            self._wake()
        return entry

    def add_line(self, line: Line, at: float) -> None:
        """Add a log line to the entries that it is about, or to a new one.

        at  seconds since the epoch, for a new entry
        """
        message = line["message"]
        if message not in _MESSAGES and line.get("level") != "ERROR":
            return
        with self._changed:
            for event_id in self._ids(line):
                entry = self._find(line, event_id) or self._new(
                    at,
                    str(line.get("source") or "unknown"),
                    event_id,
                    str(line.get("correlation_id") or _NO_ID),
                )
                entry.lines.append(line)
                self._touch(entry)
            self._forget()
            self._wake()

    def clear(self) -> None:
        """Remove every entry. The numbers go on."""
        with self._changed:
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

    def _new(self, at: float, source: str, event_id: str, correlation_id: str) -> Entry:
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
        if correlation_id == _NO_ID:
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

    @staticmethod
    def _ids(line: Line) -> list[str]:
        """Return the ids of the events that a line is about."""
        several: Any = line.get("event_ids")
        return [str(each) for each in several] if several else [str(line.get("event_id") or _NO_ID)]

    def _find(self, line: Line, event_id: str) -> Entry | None:
        correlation_id = str(line.get("correlation_id") or _NO_ID)
        if correlation_id == _NO_ID and event_id == _NO_ID:
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
        return entry.event_id == event_id or (event_id == _NO_ID and entry.position == 0)

    def _forget(self) -> None:
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

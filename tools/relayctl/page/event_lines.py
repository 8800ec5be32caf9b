"""One line on the terminal for each event: time, source, id, verdict, reason."""

from datetime import datetime
from typing import Final

from push_relay.core.outcomes import Outcome
from push_relay.core.phone_text import clean_line
from relayctl.page.history import TROUBLE, Entry, History
from relayctl.page.story import title_of
from relayctl.progress import Progress
from relayctl.receipts.story import Waiting

#: The colours of verdicts. Any other verdict is neither good nor bad.
_STYLES: Final = {
    Outcome.DELIVERED: "green",
    Waiting.HANDSHAKE: "green",
    Outcome.PARKED: "yellow",
    Outcome.REJECTED: "red",
    Outcome.FAILED: "red",
    TROUBLE: "red",
}
_SOURCE_WIDTH: Final = 16
#: A UUID's. The id is never cut, because `relayctl why` takes it.
_ID_WIDTH: Final = 36
_VERDICT_WIDTH: Final = 9


class EventLines:
    """Prints each event when its verdict is known, and again if it changes."""

    def __init__(self, progress: Progress, history: History) -> None:
        self._progress = progress
        self._history = history
        self._version = 0
        self._printed: dict[int, str] = {}

    def print_new(self, timeout_secs: float) -> None:
        """Wait for at most some seconds for a change, and print the events whose verdict is new."""
        self._history.wait(self._version, timeout_secs)
        self._version, changed, removed = self._history.changes(self._version)
        for entry in sorted(changed, key=lambda each: each.number):
            verdict = str(entry.verdict)
            if verdict not in (Waiting.QUEUED, self._printed.get(entry.number)):
                self._printed[entry.number] = verdict
                self._progress.print_styled(_STYLES.get(verdict, "cyan"), *line(entry))
        for number in removed:
            self._printed.pop(number, None)


def line(entry: Entry) -> tuple[str, str, str]:
    """Return the line of an event in three parts: what is before the verdict, the verdict, the reason."""
    at = datetime.fromtimestamp(entry.at).astimezone().strftime("%H:%M:%S")
    source, event_id = clean_line(entry.source), clean_line(entry.event_id)
    before = f"  {at}  {source:<{_SOURCE_WIDTH}} {event_id:<{_ID_WIDTH}} "
    return before, f"{entry.verdict!s:<{_VERDICT_WIDTH}}", f" {clean_line(reason(entry))}".rstrip()


def reason(entry: Entry) -> str:
    """Return why an event has its verdict: for a delivered one what was sent, and to how many recipients."""
    if entry.verdict != Outcome.DELIVERED:
        return ": ".join(part for part in (entry.error_code, entry.reason) if part)
    count = len(entry.previewed.pushes) if entry.previewed else len(entry.logged.pushes)
    title = title_of(entry.previewed)
    recipients = f"to {count} recipient{'' if count == 1 else 's'}"
    return f"{title} ({recipients})" if title else recipients

"""The log is read until every event of a request has ended, or until the time is up."""

from collections.abc import Sequence
from threading import Event as Flag
from typing import Any

import pytest

from fake_logs import FakeLogs
from push_relay.core.outcomes import Outcome
from relayctl import webhook
from relayctl.receipts.line import LogLine
from relayctl.receipts.log_reader import ReceiptLog
from relayctl.receipts.story import Story, Waiting
from relayctl.sending.awaiting import Awaiter
from relayctl.sending.posting import read_answer

NOW = 1_800_000_000.0
IDS = {"event_id": "e-1", "correlation_id": "c-1"}


class Waits(Flag):
    """A flag that is never set. Waiting for it moves the clock, and writes the lines that are due then."""

    def __init__(self, logs: FakeLogs, lines: Sequence[tuple[float, dict[str, Any]]]) -> None:
        super().__init__()
        self.time = NOW
        self._logs, self._lines = logs, list(lines)
        self.wait(0)

    def wait(self, timeout: float | None = None) -> bool:
        """Move the clock."""
        self.time += timeout or 0
        for at, keys in self._lines:
            if NOW + at <= self.time:
                function = "receive" if keys["message"] == "accepted" else "deliver"
                self._logs.write(function, NOW + at, **{**IDS, **keys})
        self._lines = [(at, keys) for at, keys in self._lines if NOW + at > self.time]
        return False


def followed(
    *lines: tuple[float, dict[str, Any]],
    wait_secs: float = 60,
    ids: Sequence[str] = ("e-1",),
    began_at: float | None = None,
) -> tuple[list[Story], list[LogLine], float]:
    """Follow a request; return the stories, the lines that were shown, and the seconds that it took."""
    logs = FakeLogs()
    waits = Waits(logs, lines)
    shown: list[LogLine] = []
    awaiter = Awaiter(
        ReceiptLog(logs, "bakery"),
        waits,
        1.0,
        wait_secs,
        shown.extend,
        now=lambda: waits.time,
        monotonic=lambda: waits.time,
    )
    return awaiter.await_receipts("c-1", ids, began_at), shown, waits.time - NOW


def receipt(outcome: str, **keys: Any) -> dict[str, Any]:
    """Return a receipt."""
    return {"message": "receipt", "outcome": outcome, "account": "default", **keys}


ACCEPTED = {"message": "accepted"}


def test_it_ends_when_the_receipts_are_complete() -> None:
    """One more look shows that none follows. Each line is shown once."""
    (story,), shown, secs = followed(
        (0, ACCEPTED), (3, receipt("delivered", route="route[1].to[1]")), (3.5, receipt("delivered"))
    )
    assert (story.verdict, len(story.pushes), secs) == (Outcome.DELIVERED, 2, 5)
    assert [line.text for line in shown] == ["accepted", "receipt", "receipt"]


def test_every_accepted_event_is_awaited() -> None:
    """A request can have several, and a line of another one does not end it."""
    second = {**receipt("filtered"), "event_id": "e-2"}
    found, _, secs = followed((1, receipt("delivered")), (9, second), ids=["e-1", "e-2"])
    assert ([story.verdict for story in found], secs) == ([Outcome.DELIVERED, Outcome.FILTERED], 10)


@pytest.mark.parametrize(
    ("due", "verdict", "took"),
    [("2027-01-15T08:00:20Z", "delivered", 23), ("2027-01-15T09:00:00Z", "parked", 3), (None, "parked", 3)],
)
def test_a_parked_push_is_awaited_if_it_is_due_in_time(due: str | None, verdict: str, took: float) -> None:
    """Otherwise its reason is enough."""
    parked = receipt("parked", error_code="vendor_unavailable", next_attempt_at=due)
    (story,), _, secs = followed((0, ACCEPTED), (2, parked), (22, receipt("delivered")))
    assert (story.verdict, secs) == (verdict, took)


def test_it_ends_when_the_time_is_up() -> None:
    """The last look is at the end."""
    (story,), _, secs = followed((0, ACCEPTED), wait_secs=7)
    assert (story.verdict, secs) == (Waiting.QUEUED, 7)
    assert followed(wait_secs=7)[0] == []


def test_lines_of_an_earlier_request_do_not_count() -> None:
    """An example can have a correlation id of its own."""
    before = (-30.0, receipt("delivered"))
    (story,), _, _ = followed(before, (1, receipt("duplicate")), began_at=NOW - 2)
    assert story.verdict is Outcome.DUPLICATE
    (story,), _, _ = followed(before, (1, receipt("duplicate")))
    assert story.verdict is Outcome.DELIVERED


@pytest.mark.parametrize(
    ("body", "ids", "code"),
    [
        ('{"status": "accepted", "id": "e-1"}', ("e-1",), None),
        ('{"events": [{"id": "e-1"}, {"id": "e-2"}, 7, {}]}', ("e-1", "e-2"), None),
        ('{"code": "stale", "detail": "old"}', (), "stale"),
        ('{"message": "Not Found"}', (), None),
        ("ok", (), None),
        ("[]", (), None),
        ("", (), None),
    ],
)
def test_an_answer_names_the_accepted_events(body: str, ids: tuple[str, ...], code: str | None) -> None:
    """A source may answer with a text of its own, and API Gateway has errors of its own."""
    sent = read_answer(webhook.Answer(202, body, {"x-correlation-id": "c-1"}))
    assert (sent.event_ids, sent.error_code, sent.correlation_id) == (ids, code, "c-1")


def test_an_answer_has_the_places_of_a_schema_violation() -> None:
    """The pointer of the document itself is empty."""
    body = '{"code": "schema_violation", "errors": [{"pointer": "/a", "rule": "type"}, {"pointer": ""}, 7]}'
    sent = read_answer(webhook.Answer(422, body))
    assert (sent.violations, sent.is_refused) == (("/a type", "/ None"), True)

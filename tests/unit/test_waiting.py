"""`relayctl waiting`: the list is readable and without content, and a requeuing loses nothing."""

import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from threading import Event as Flag
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from backlog_store import Backlog
from contracts.backlog import EVENT, NOW, SHELF, WAITING, numbered, stored
from push_relay.core.delivery.backlog import Shelf, Unreadable, Waiting
from push_relay.core.errors import LedgerUnavailable, PayloadTooLarge, QueueUnavailable
from push_relay.core.event import Event
from push_relay.core.inbound.envelope import unwrap_sqs
from push_relay.core.queue_format import progress
from queues import Messages
from relayctl.backlog.listing import WaitingListing
from relayctl.backlog.reading import WaitingSummary, summaries
from relayctl.backlog.requeuing import Requeuer

HIGH = Shelf("default", high=True)
SUMMARY = WaitingSummary("default", False, "bakery", "e-1", "quota_exhausted", 0.0, NOW + 3 * 3600, 2, 1, NOW)  # noqa: FBT003


def printed(listing: WaitingListing, rows: int = 20) -> str:
    """Return the listing as a person sees it, with single spaces."""
    out = StringIO()
    listing.show(Console(file=out, width=160), rows)
    return re.sub(r" +", " ", out.getvalue())


# --- the list ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "text"),
    [
        ({"due": 0.0, "expected": 0.0}, "in its turn"),
        ({"due": NOW - 5, "expected": 0.0}, "in its turn"),
        ({"due": NOW + 90, "expected": 0.0}, "in 1m"),
        ({"due": 0.0, "expected": NOW + 7200}, "in 2h"),
        ({"due": NOW + 60, "expected": NOW + 2 * 86_400}, "in 2d"),
    ],
    ids=str,
)
def test_a_row_shows_when_an_event_is_probably_sent(when: dict[str, float], text: str) -> None:
    """An event that waits for the account has no time of its own."""
    assert text in printed(WaitingListing("s", [replace(SUMMARY, **when)], NOW))


def test_the_time_is_local_and_has_a_date_if_it_is_on_another_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """People on call think in their own time."""
    monkeypatch.setenv("TZ", "Europe/Zurich")
    time.tzset()
    try:
        assert "12:00:00 (in 3h)" in printed(WaitingListing("s", [SUMMARY], NOW))
        tomorrow = replace(SUMMARY, expected=NOW + 86_400)
        assert "2027-01-16 09:00 (in 1d)" in printed(WaitingListing("s", [tomorrow], NOW))
    finally:
        monkeypatch.undo()
        time.tzset()


def test_the_table_has_the_counts_of_each_reason_and_the_first_events() -> None:
    """The number for each reason matters more than thirty rows."""
    rows = [replace(SUMMARY, event_id=f"e-{n}", expected=NOW + 60 * (n + 1)) for n in range(30)]
    text = printed(
        WaitingListing("push-relay", [replace(SUMMARY, reason="circuit_open", expected=0.0), *rows], NOW)
    )
    assert text.startswith("31 events waiting (push-relay)")
    assert "quota_exhausted default 30 in 1m in 30m" in text
    assert "circuit_open default 1 in its turn in its turn" in text
    assert "... and 11 more" in text
    assert "e-18" in text
    assert "e-19" not in text
    assert printed(WaitingListing("s", [SUMMARY], NOW)).startswith("1 event waiting (s)")
    assert printed(WaitingListing("s", [], NOW)).startswith("0 events waiting (s)")


def test_the_json_has_the_documented_keys() -> None:
    """Programs of deployers read it, so a key must not change its name."""
    urgent = replace(SUMMARY, is_urgent=True, account="north", expected=0.0, stored_at=0.0)
    document = WaitingListing("push-relay", [SUMMARY, urgent], NOW).as_json(1)
    assert document == {
        "stack": "push-relay",
        "count": 2,
        "by_reason": {"quota_exhausted": 2},
        "by_account": {"default": 1, "north": 1},
        "entries": [
            {
                "account": "default",
                "priority": "normal",
                "source": "bakery",
                "event_id": "e-1",
                "reason": "quota_exhausted",
                "due": None,
                "expected": "2027-01-15T11:00:00+00:00",
                "in_secs": 10_800,
                "attempt": 2,
                "tries": 1,
                "stored_at": "2027-01-15T08:00:00+00:00",
            }
        ],
    }
    (_, entry) = WaitingListing("push-relay", [SUMMARY, urgent], NOW).as_json()["entries"]
    assert (entry["priority"], entry["expected"], entry["in_secs"], entry["stored_at"]) == (
        "urgent",
        *[None] * 3,
    )


def test_an_item_cannot_write_anything_onto_the_terminal() -> None:
    """It is read even if it is damaged, and it may be written by another program."""
    item = {"source": {"S": "\x1b[31m"}, "reason": {"S": "a b"}, "event_id": {"S": "\n"}}
    pages = SimpleNamespace(paginate=lambda **_: [{"Items": [item, {}]}])
    first, second = summaries(SimpleNamespace(get_paginator=lambda _: pages), "t", HIGH)
    assert (first.source, first.reason, first.event_id[:7]) == ("(invalid)", "(invalid)", "sha256:")
    assert (second.source, second.reason, second.event_id, second.attempt) == ("-", "-", "-", 0)
    assert "\x1b" not in printed(WaitingListing("s", [first, second], NOW))
    assert json.dumps(WaitingListing("s", [first, second], NOW).as_json())


def test_a_narrow_terminal_cuts_no_id_in_two() -> None:
    """A person copies the id from the list into `relayctl why`."""
    out, event_id = StringIO(), "d006e8b9-a93c-4a64-9b5f-79590d0655ec"
    rows = [replace(SUMMARY, event_id=event_id, reason="vendor_unavailable", stored_at=NOW - 7200)]
    WaitingListing("s", rows, NOW).show(Console(file=out, width=80))
    (row,) = (line for line in out.getvalue().splitlines() if event_id in line)
    assert row.split()[4] == "vendor_unavailable"
    assert "2h ago" in row


# --- requeuing -------------------------------------------------------------------------------------------


class Queue(Messages):
    """The queue in memory. `fail` is called before each message, with the number of those before."""

    def __init__(self, fail: Callable[[int], None] = lambda _number: None) -> None:
        super().__init__(lambda: NOW + 1_000_000)
        self._fail = fail
        self._sent = 0

    def requeue(self, event: Event, attempt: int, due: float, error_code: str) -> None:
        """Queue an event."""
        self._fail(self._sent)
        super().requeue(event, attempt, due, error_code)
        self._sent += 1


def filled(count: int) -> Backlog:
    """Return a backlog with an urgent event and some normal ones."""
    backlog = Backlog()
    stored(backlog, WAITING._replace(shelf=HIGH), *(numbered(number + 2) for number in range(count)))
    return backlog


def requeue(backlog: Backlog, queue: Queue, most: int = 10**6, stop: Flag | None = None) -> Any:
    """Requeue everything."""
    return Requeuer(backlog, queue, stop or Flag()).requeue(backlog.shelves(), most)


def received(queue: Queue) -> list[dict[str, Any]]:
    """Receive all messages."""
    found: list[dict[str, Any]] = []
    while more := queue.received():
        found += more
    return found


def test_a_requeued_event_is_a_parked_message_of_the_version_before() -> None:
    """It keeps its attempt, its due time and its reason, and it is due even if it is not yet."""
    backlog, queue = Backlog(), Queue()
    stored(backlog, WAITING._replace(due=NOW + 500))
    assert requeue(backlog, queue).requeued == 1
    (record,) = received(queue)
    assert unwrap_sqs(record) == EVENT
    assert progress(record)[:3] == (3, NOW + 500, "quota_exhausted")
    assert backlog.all() == []


def test_everything_is_requeued_from_all_shelves() -> None:
    """This takes several portions."""
    backlog, queue = filled(60), Queue()
    assert requeue(backlog, queue).requeued == queue.size() == 61
    assert backlog.all() == []


def test_an_event_that_a_worker_stores_again_meanwhile_stays() -> None:
    """The worker has handled the message and deletes it, so the event in the backlog is the only one."""
    backlog = filled(2)
    before = backlog.all()
    requeue(backlog, Queue(lambda _sent: stored(backlog, *backlog.all())), most=1)
    assert [each.event for each in backlog.all()] == [each.event for each in before]


def test_a_limit_ends_it() -> None:
    """A relay that still runs may store events again as fast as they are requeued."""
    backlog, queue = filled(60), Queue()
    assert requeue(backlog, queue, 30).requeued == queue.size() == 30
    assert len(backlog.all()) == 31


def fail_at(number: int, error: Exception) -> Callable[[int], None]:
    """Return a function that raises an error at a message, once."""
    errors = [error]

    def fail(sent: int) -> None:
        if sent == number and errors:
            raise errors.pop()

    return fail


def test_a_queue_that_fails_loses_nothing() -> None:
    """Events that were sent are removed, and a second run sends the rest."""
    backlog, queue = filled(60), Queue(fail_at(40, QueueUnavailable("the queue did not answer")))
    result = requeue(backlog, queue)
    assert (result.requeued, result.stopped_by) == (40, "the queue did not answer")
    assert len(backlog.all()) == 21
    assert requeue(backlog, queue).requeued == 21
    assert queue.size() == 61


def test_a_killed_program_leaves_events_in_both_places_at_most() -> None:
    """The message is sent first. The event is the same one, so the ledger makes one push of the two."""
    backlog, queue = filled(10), Queue(fail_at(5, KeyboardInterrupt()))
    backlog.remove_unchanged = lambda _waiting: None  # type: ignore[method-assign] # it is killed before this call
    with pytest.raises(KeyboardInterrupt):
        requeue(backlog, queue)
    del backlog.remove_unchanged
    assert (len(backlog.all()), queue.size()) == (11, 5)
    assert requeue(backlog, queue).requeued == 11
    assert len({record["body"] for record in received(queue)}) == 11


def test_a_backlog_that_fails_is_reported_with_the_events_in_both_places() -> None:
    """Another run requeues them again, which is harmless."""
    backlog, queue = filled(10), Queue()
    remove = backlog.remove_unchanged

    def fail(waiting: Any) -> None:
        if len(waiting) > 1:
            raise LedgerUnavailable("the backlog did not answer")
        remove(waiting)

    backlog.remove_unchanged = fail  # type: ignore[method-assign]
    result = requeue(backlog, queue)
    assert (result.requeued, result.in_both, result.stopped_by) == (1, 10, "the backlog did not answer")


def test_ctrl_c_ends_it_between_two_events() -> None:
    """The result shows how far it got."""
    stop = Flag()
    backlog, queue = filled(10), Queue(lambda sent: stop.set() if sent == 3 else None)
    result = requeue(backlog, queue, stop=stop)
    assert (result.requeued, result.stopped_by) == (4, "interrupted")
    assert len(backlog.all()) == 7


def test_an_unreadable_item_stays_and_blocks_nothing() -> None:
    """There may be more of them than a portion has."""
    backlog, queue = filled(60), Queue(fail_at(7, PayloadTooLarge("too large")))
    for number in range(30):
        position = f"00000000000#{number:014d}#x"
        backlog.unreadable[SHELF, position] = Unreadable(SHELF, position, "", "", "2", "", "")
    result = requeue(backlog, queue)
    assert (result.requeued, result.unreadable, queue.size()) == (60, 31, 60)
    assert len(backlog.unreadable) == 30
    assert all(isinstance(each, Waiting) for each in backlog.all())
    assert len(backlog.all()) == 1

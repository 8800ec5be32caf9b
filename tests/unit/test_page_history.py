"""The page's events: how requests, explanations and log lines become one entry, and its verdict."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from page_events import HOT, accepted, explainer, line, receipt, refused, request_of
from page_files import write_files
from push_relay.core.outcomes import Outcome
from relayctl.page import history as history_module
from relayctl.page.event_lines import line as terminal_line
from relayctl.page.history import Entry, History
from relayctl.page.requests import Answer, Request
from relayctl.receipts.line import LineKind

type Add = Callable[..., Entry]


@pytest.fixture(scope="module")
def add(tmp_path_factory: pytest.TempPathFactory) -> Add:
    """Return a function that adds a request with its explanation, and returns its only entry."""
    explains = explainer(write_files(tmp_path_factory.mktemp("files")))

    def added(history: History, answer: Answer | None = None, request: Request | None = None) -> Entry:
        request, answer = request or request_of(), answer or accepted("c-1")
        explained = explains.request(request, answer.correlation_id)
        (entry,) = history.add_request(request, answer, explained)
        return entry

    return added


def test_an_accepted_event_waits_until_its_receipt_is_written(add: Add) -> None:
    """The endpoint's 202 means that the event is queued, and not that a phone has shown it."""
    history = History()
    entry = add(history)
    assert (entry.source, entry.event_id, entry.type, entry.verdict) == ("oven", "d-1", "hot", "queued")
    history.add_lines([line(LineKind.ACCEPTED, "c-1")])
    assert entry.verdict == "queued"
    history.add_lines([receipt("c-1", Outcome.DELIVERED)])
    assert (entry.verdict, entry.reason) == ("delivered", "")


def test_a_refused_request_is_an_entry_with_the_reason_of_its_answer(add: Add) -> None:
    """The functions log only a sample of the refusals, so the log alone would not show each."""
    history = History()
    answer = refused("c-1", "signature_invalid", "the signature does not fit the request")
    entry = add(history, answer, request_of(secret="wrong"))
    assert (entry.verdict, entry.error_code) == ("rejected", "signature_invalid")
    assert entry.reason == "the signature does not fit the request"
    history.add_lines([receipt("c-1", Outcome.REJECTED, event_id="", error_code="signature_invalid")])
    assert len(history.changes(0)[1]) == 1
    assert len(entry.lines) == 1


def test_lines_that_come_before_their_request_are_taken_over(add: Add) -> None:
    """The log is read in another thread than the one that waits for the answer."""
    history = History()
    history.add_lines([receipt("c-1", Outcome.DELIVERED)])
    (orphan,) = history.changes(0)[1]
    assert (orphan.verdict, orphan.request) == ("delivered", None)
    entry = add(history)
    version, entries, removed = history.changes(0)
    assert [each.number for each in entries] == [entry.number]
    assert removed == [orphan.number]
    assert entry.verdict == "delivered"
    assert history.changes(version)[1:] == ([], [])


def test_an_event_that_did_not_come_through_the_recorder_has_its_lines() -> None:
    """Events of AWS and requests to the API's own address are listed too."""
    history = History()
    history.add_lines([line(LineKind.ACCEPTED, "c-9")])
    history.add_lines([receipt("c-9", Outcome.FILTERED, detail="no route leads to anybody")])
    (entry,) = history.changes(0)[1]
    assert (entry.verdict, entry.reason) == ("filtered", "no route leads to anybody")
    assert (entry.request, entry.explained) == (None, None)


def test_a_line_with_several_ids_is_about_each_of_the_events() -> None:
    """A request with many events has one line for up to fifty of them."""
    history = History()
    history.add_lines([line(LineKind.ACCEPTED, "c-1", event_ids=("a", "b"))])
    assert [entry.event_id for entry in history.changes(0)[1]] == ["a", "b"]


def test_each_event_of_a_request_has_its_own_verdict(add: Add) -> None:
    """They have the correlation id in common, so the event's id decides."""
    history = History()
    sample = add(History())
    assert sample.explained is not None
    assert sample.previewed is not None
    assert sample.previewed.event is not None
    previewed, event = sample.previewed, sample.previewed.event
    events = [
        replace(previewed, event=replace(event, id=name), receipt=replace(previewed.receipt, event_id=name))
        for name in ("a", "b")
    ]
    first, second = history.add_request(
        request_of(), accepted("c-1"), replace(sample.explained, events=events)
    )
    history.add_lines([receipt("c-1", Outcome.FAILED, "b", error_code="mapping_failed")])
    assert (first.verdict, second.verdict) == ("queued", "failed")


def test_a_parked_push_counts_when_it_has_ended(add: Add) -> None:
    """The same event has a receipt for each attempt."""
    history = History()
    entry = add(history)
    first, second = ({"account": "default", "route": f"route[1].to[{number}]"} for number in (1, 2))
    history.add_lines([receipt("c-1", Outcome.PARKED, error_code="vendor_unavailable", **first)])
    assert (entry.verdict, entry.error_code) == ("parked", "vendor_unavailable")
    assert entry.reason == "waits for the vendor, which does not answer"
    history.add_lines([receipt("c-1", Outcome.DELIVERED, **second)])
    assert entry.verdict == "parked", "one of its two pushes still waits"
    history.add_lines([receipt("c-1", Outcome.DELIVERED, attempt=2, **first)])
    assert (entry.verdict, entry.error_code) == ("delivered", "")


def test_the_worst_of_several_pushes_is_the_verdict(add: Add) -> None:
    """A person has to look into the one that failed."""
    history = History()
    entry = add(history)
    history.add_lines([receipt("c-1", Outcome.DELIVERED, account="a")])
    history.add_lines([receipt("c-1", Outcome.FAILED, account="b", vendor_code="UserNotFound")])
    assert (entry.verdict, entry.reason) == ("failed", "(the vendor's code: UserNotFound)")


def test_an_error_of_the_function_itself_is_an_entry() -> None:
    """A message that cannot be parked, for example, belongs to no event."""
    history = History()
    trouble = line(LineKind.TROUBLE, None, "", error_code="queue_unavailable", detail="x")
    history.add_lines(
        [
            replace(trouble, level="ERROR", text="invocation failed"),
            replace(trouble, level="INFO", text="outdated configuration"),
        ]
    )
    (entry,) = history.changes(0)[1]
    assert (entry.verdict, entry.error_code) == ("trouble", "queue_unavailable")
    assert entry.reason == "invocation failed: x"


def test_the_oldest_entries_are_dropped(add: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    """By their number, and by the size of their bodies."""
    monkeypatch.setattr(history_module, "MOST_ENTRIES", 3)
    history = History()
    for number in range(5):
        add(history, accepted(f"c-{number}"))
    assert [entry.correlation_id for entry in history.changes(0)[1]] == ["c-2", "c-3", "c-4"]
    assert history.get(1) is None
    monkeypatch.setattr(history_module, "MOST_BODY_BYTES", len(request_of().body) + 10)
    add(history, accepted("c-5"))
    assert [entry.correlation_id for entry in history.changes(0)[1]] == ["c-5"]


def test_clearing_removes_every_entry_and_keeps_the_numbers(add: Add) -> None:
    """A page that is open learns which rows to remove."""
    history = History()
    first = add(history)
    version = history.changes(0)[0]
    history.clear()
    assert history.changes(version)[1:] == ([], [first.number])
    assert add(history, accepted("c-2")).number == first.number + 1


def test_a_log_line_about_a_cleared_entry_adds_no_other(add: Add) -> None:
    """It may be read later. If the same request is sent again, its lines belong to the new entry."""
    history = History()
    add(history)
    history.clear()
    history.add_lines([receipt("c-1", Outcome.DELIVERED)])
    assert history.changes(0)[1] == []
    again = add(history)
    history.add_lines([receipt("c-1", Outcome.DELIVERED)])
    assert [line.outcome for line in again.lines] == [Outcome.DELIVERED]


def test_an_entry_cannot_be_logged_with_its_payload(add: Add) -> None:
    """An exception's text may hold the repr of a value."""
    entry = add(History(), request=request_of({**HOT, "note": "Unmentionable"}))
    assert "Unmentionable" not in f"{entry!r} {entry.request!r} {entry.answer!r}"


def test_the_terminals_line_has_time_source_id_verdict_and_reason(add: Add) -> None:
    """A delivered event shows its title, and another one why it has its verdict."""
    history = History()
    entry = add(history)
    history.add_lines([receipt("c-1", Outcome.DELIVERED)])
    before, verdict, reason = terminal_line(entry)
    assert before.split()[1:] == ["oven", "d-1"]
    assert (verdict.strip(), reason) == ("delivered", " Too hot: oven 4 (to 2 recipients)")
    history.add_lines([receipt("c-1", Outcome.FAILED, error_code="vendor_rejected", detail="refused\x1b[2J")])
    assert terminal_line(entry)[2] == " vendor_rejected: refused"

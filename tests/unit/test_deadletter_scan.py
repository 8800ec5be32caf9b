"""One pass over the dead-letter queue: it finds every message and changes nothing."""

from email.utils import formatdate
from io import StringIO
from threading import Event as Flag
from typing import Any

import pytest
from rich.console import Console

from dead_letters import NOW
from fake_sqs import FakeSqs
from relayctl.deadletters.aws_time import AwsClock
from relayctl.deadletters.dead_letter import Filter
from relayctl.deadletters.queue import Counts, DeadLetterQueue
from relayctl.deadletters.scan import print_warnings, scan_queue

DLQ = "https://sqs/dead"


def queue_of(sqs: FakeSqs, **arguments: Any) -> DeadLetterQueue:
    """Return the fake's dead-letter queue."""
    return DeadLetterQueue(sqs, DLQ, now=sqs.time, **arguments)


def all_are_visible(sqs: FakeSqs) -> bool:
    """Return whether every message of the dead-letter queue can be received."""
    return all(message.visible_at <= sqs.now for message in sqs.queues[DLQ])


def test_a_scan_deletes_nothing_and_leaves_every_message_visible() -> None:
    """The list is in the order of the queue, oldest first, and contains every message once."""
    sqs = FakeSqs()
    ids = [sqs.put(DLQ, "{}", error_code="unknown_source") for _ in range(37)]
    summaries = scan_queue(queue_of(sqs), Filter(), sqs.time, Flag())
    assert [summary.id for summary in summaries] == ids
    assert "delete_message" not in sqs.calls
    assert all_are_visible(sqs)


def test_an_interrupted_scan_leaves_every_message_visible() -> None:
    """The scan is stopped in the middle of a batch, as Ctrl-C does it."""
    sqs, stop = FakeSqs(), Flag()
    for _ in range(25):
        sqs.put(DLQ, "{}")
    scan_queue(queue_of(sqs), Filter(), sqs.time, stop, lambda *_: stop.set())
    assert all_are_visible(sqs)


def test_a_scan_that_raises_leaves_every_message_visible() -> None:
    """A mistake in the code that handles a message must not hide the queue from the next reader."""
    sqs = FakeSqs()
    sqs.put(DLQ, "{}")
    with pytest.raises(KeyError):
        scan_queue(queue_of(sqs), Filter(), sqs.time, Flag(), lambda *_: {}["nothing"])
    assert all_are_visible(sqs)


def test_a_message_that_becomes_visible_during_the_scan_is_listed_once() -> None:
    """The scan takes longer than its messages stay hidden. It must still end."""
    sqs = FakeSqs()
    ids = [sqs.put(DLQ, "{}") for _ in range(42)]

    def make_slow(operation: str, _arguments: Any) -> None:
        sqs.now += 50 if operation == "receive_message" else 0

    sqs.before = make_slow
    assert sorted(summary.id for summary in scan_queue(queue_of(sqs), Filter(), sqs.time, Flag())) == ids


def test_messages_stay_hidden_for_as_long_as_the_scan_or_the_replay_can_take() -> None:
    """The timeout grows with the number of messages and the interval, up to SQS's limit of 12 hours."""
    hidden_secs = []
    for number, interval_secs in ((1, 0.0), (5000, 0.0), (1, 60.0), (1, 60_000.0)):
        sqs = FakeSqs()
        for _ in range(number):
            sqs.put(DLQ, "{}")
        next(queue_of(sqs, interval_secs=interval_secs).dead_letters(Flag().is_set))
        hidden_secs.append(sqs.queues[DLQ][0].visible_at - sqs.now)
    assert hidden_secs == [60, 160, 960, 43_140]


def test_an_empty_queue_needs_a_single_call() -> None:
    """One long poll asks all of SQS's servers, so nobody has to wait for a second one."""
    sqs = FakeSqs()
    assert scan_queue(queue_of(sqs), Filter(), sqs.time, Flag()) == []
    assert sqs.calls.count("receive_message") == 1


def test_hidden_messages_and_a_redrive_policy_cause_warnings() -> None:
    """With either of them, the list is not all that the reader takes it for."""
    out = StringIO()
    print_warnings(Console(file=out, width=200), Counts(1, 7, has_redrive_policy=True))
    assert "7 more messages are hidden" in out.getvalue()
    assert "redrive policy" in out.getvalue()


class _Response:
    """An HTTP response with the given headers."""

    def __init__(self, **headers: str) -> None:
        self.headers = headers


@pytest.mark.parametrize("ahead_secs", [-90, 0, 90, 86_400])
def test_the_clock_follows_the_date_of_aws_responses(ahead_secs: int) -> None:
    """The machine's own clock may be wrong. It is used only for the time since the last response."""
    local = [NOW - ahead_secs]
    clock = AwsClock(lambda: local[0])
    assert clock.now() == NOW - ahead_secs
    clock._read_date(_Response(date=formatdate(NOW, usegmt=True)))
    local[0] += 5
    assert clock.now() == NOW + 5


@pytest.mark.parametrize("headers", [{}, {"date": ""}, {"date": "yesterday"}])
def test_a_response_without_a_valid_date_changes_nothing(headers: dict[str, str]) -> None:
    """Some emulators of AWS send no date."""
    clock = AwsClock(lambda: NOW)
    clock._read_date(_Response(**headers))
    assert clock.now() == NOW

"""A window of several segments on a real DynamoDB: writes are small, and the digest has every push once."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, replace
from itertools import count
from typing import Any

import pytest

from local_aws import LocalAws
from ports import Clock, PushApi, PushCredentials
from push_relay.adapters import aws
from push_relay.adapters.dynamodb.batches import MAX_SEGMENTS, DynamoDbBatches
from push_relay.adapters.dynamodb.ledger import DynamoDbLedger
from push_relay.adapters.dynamodb.table import Item, LedgerTable, number, text
from push_relay.core.account import Account
from push_relay.core.delivery.batching import (
    Added,
    BatchedPush,
    Batcher,
    BatchPush,
    Window,
    closing_event,
    overflow,
    window_of,
)
from push_relay.core.delivery.sender import Sender
from push_relay.core.errors import LedgerUnavailable
from push_relay.core.event import Event
from push_relay.core.push import BATCHED, Push, Recipient, RecipientKind, Wording
from queues import Messages

ADA = Recipient(RecipientKind.EMAIL, "ada@example.com")
KB = 1024


class Stopped(BaseException):
    """The worker is gone."""


class Worker:
    """A worker that gathers; it is stopped, or DynamoDB fails, at one of its calls."""

    def __init__(
        self, table: LedgerTable, clock: Clock, at: int = -1, how: BaseException | None = None
    ) -> None:
        """Wire it."""
        self.table, self.messages = Stopping(table.name, at, how), Messages()
        ledger = DynamoDbLedger(self.table, clock.now)
        sender = Sender(ledger, PushCredentials(), PushApi(), clock)
        self.windows = DynamoDbBatches(self.table, clock.now)
        self.batcher = Batcher(self.windows, ledger, sender, self.messages, clock)

    def add(self, *pushes: Push) -> list[str | None]:
        """Gather pushes; return the receipts' error codes."""
        return [self.batcher.add(event_of(push), push, lambda: 30.0).error_code for push in pushes]

    def closed(self, window: Window) -> list[str]:
        """Return the keys that the digest of a window has."""
        tasks = self.batcher.end(closing_event(window), Account())
        return [entry.key for task in tasks if isinstance(task, BatchPush) for entry in task.entries]


class Stopping(LedgerTable):
    """A table at whose call of some number the worker stops: before, or when it is done."""

    def __init__(self, name: str, at: int, how: BaseException | None) -> None:
        super().__init__(name)
        self.calls, self._at, self._how = 0, at, how
        self._lock = threading.Lock()

    def update(self, **arguments: Any) -> Item:
        """Update an item."""
        with self._lock:
            number_of_call = self.calls
            self.calls += 1
        if number_of_call == self._at and self._how:
            if isinstance(self._how, Stopped):
                super().update(**arguments)
            raise self._how
        return super().update(**arguments)


def push(number: int, size: int = 300) -> Push:
    """Return a push to Ada that a route gathers, with a body of this size."""
    key = f"{number:064}"
    return Push(ADA, Wording(f"Oven {number}", "x" * size), key, batch_secs=300.0, sources=("bakery",))


def event_of(push: Push) -> Event:
    """Return the event that a push is made of."""
    return Event("bakery", f"e-{int(push.key)}", "baked", {}, 1_800_000_000.0, push.key)


@pytest.fixture
def table(local_stores: LocalAws) -> LedgerTable:
    """Return a table."""
    return local_stores.table()


@pytest.fixture
def clock() -> Clock:
    """Return a clock."""
    return Clock()


def items(table: LedgerTable) -> Iterator[Item]:
    """Return the items of windows."""
    pages = aws.dynamodb().get_paginator("scan").paginate(TableName=table.name)
    for page in pages:
        yield from (item for item in page["Items"] if item["pk"]["S"].startswith("digest#"))


def size(item: Item) -> int:
    """Return an item's bytes as DynamoDB counts them: names, texts, digits and truths."""
    values = [json.dumps(next(iter(value.values())), ensure_ascii=False) for value in item.values()]
    return sum(len(name) for name in item) + sum(len(value.encode()) for value in values)


def test_a_storm_is_one_digest_in_small_items(table: LedgerTable, clock: Clock) -> None:
    """Two hundred pushes by four workers: each is in it once, and a write costs 8 units at the most."""
    pushes = [push(n, 500) for n in range(200)]
    workers = [Worker(table, clock) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        done = threads.map(lambda n: workers[n].add(*pushes[n::4]), range(4))
        assert {code for codes in done for code in codes} == {BATCHED}
    sizes = [size(item) for item in items(table)]
    assert max(sizes) <= 8 * KB
    assert 15 < len(sizes) < 40
    assert sorted(workers[0].closed(window_of(pushes[0], clock.now()))) == sorted(p.key for p in pushes)
    # Each push takes four: claim, note, settlement and its window's. Finding the segment takes few.
    assert sum(worker.table.calls for worker in workers) < 200 * 4 * 1.4 + 100


def test_a_small_digest_is_one_item(table: LedgerTable, clock: Clock) -> None:
    """And one write closes it."""
    worker = Worker(table, clock)
    worker.add(*(push(n) for n in range(5)))
    assert len([*items(table)]) == 1
    calls = worker.table.calls
    assert len(worker.closed(window_of(push(0), clock.now()))) == 5
    assert worker.table.calls == calls + 1


@pytest.mark.parametrize("how", [Stopped(), LedgerUnavailable("down")], ids=["stopped", "failed"])
@pytest.mark.parametrize("ended", [False, True], ids=["window open", "window closed"])
def test_a_push_is_in_one_digest_wherever_its_worker_stops(
    table: LedgerTable, clock: Clock, how: BaseException, *, ended: bool
) -> None:
    """At each of the calls of five pushes, two of which fill a segment; another worker goes on."""
    pushes = [push(n, 3500) for n in range(5)]
    for at in count():
        first, second = Worker(table, clock, at, how), Worker(table, clock)
        with suppress(Stopped):
            first.add(*pushes)
        if first.table.calls <= at:
            assert at > 4 * len(pushes)
            break
        window = window_of(pushes[0], clock.now())
        clock.time += 100  # the claims have ended
        digests = [second.closed(window)] if ended and first.messages.parked else []
        assert set(second.add(*pushes)) <= {BATCHED, None}  # None: a duplicate
        ends = {event.data["window"] for worker in (first, second) for event, _, _ in worker.messages.parked}
        following = window_of(pushes[0], window.due)
        left = [following] if digests else [window, following]
        digests += [second.closed(each) for each in left if each.id in ends]
        told = Counter(key for digest in digests for key in digest)
        assert told == Counter({p.key: 1 for p in pushes}), at
        clock.time += 600
        pushes = [replace(p, key=f"{int(p.key) + 10:064}") for p in pushes]


def test_what_is_added_while_a_window_closes_is_in_one_digest(table: LedgerTable, clock: Clock) -> None:
    """Many workers fill many segments meanwhile; what comes too late goes into the next window."""
    pushes = [push(n, 1500) for n in range(60)]
    window = window_of(pushes[0], clock.now())
    workers = [Worker(table, clock) for _ in range(6)]
    with ThreadPoolExecutor(7) as threads:
        adding = [threads.submit(workers[n].add, *pushes[n::6]) for n in range(6)]
        closing = threads.submit(Worker(table, clock).closed, window)
        assert {code for each in adding for code in each.result()} == {BATCHED}
        closing.result()
    following = window_of(pushes[0], window.due)
    last = Worker(table, clock)
    assert sorted([*last.closed(window), *last.closed(following)]) == sorted(p.key for p in pushes)


def test_a_push_that_is_larger_than_a_segment_has_one_alone(table: LedgerTable, clock: Clock) -> None:
    """Whatever was there before it and comes after it."""
    pushes = [push(0), push(1, 9000), push(2), push(3, 9000), push(4, 9000)]
    worker = Worker(table, clock)
    assert worker.add(*pushes) == [BATCHED] * 5
    assert len(worker.closed(window_of(pushes[0], clock.now()))) == 5
    assert sum("x" * 9000 in json.dumps(item) for item in items(table)) == 3


def test_what_has_no_room_in_the_last_segment_goes_on_in_another_window(
    table: LedgerTable, clock: Clock
) -> None:
    """Due at the same time, with an end of its own."""
    pushes = [push(n, 5000) for n in range(MAX_SEGMENTS + 3)]
    worker = Worker(table, clock)
    assert set(worker.add(*pushes)) == {BATCHED}
    (first, _, due), (second, _, other_due) = worker.messages.parked
    assert due == other_due
    window = window_of(pushes[0], clock.now())
    assert (first.data["window"], second.data["window"]) == (window.id, overflow(window).id)
    # A worker that knows nothing of it finds its way too, at once: each write tells what is behind.
    fresh = Worker(table, clock)
    assert fresh.add(push(1000, 5000)) == [BATCHED]
    assert fresh.table.calls < 20
    assert [len(fresh.closed(w)) for w in (window, overflow(window))] == [MAX_SEGMENTS, 4]


def test_each_segment_is_scheduled_by_who_needs_it(table: LedgerTable, clock: Clock) -> None:
    """The worker that filled the first segment died before it scheduled the end: the next one does."""
    windows = DynamoDbBatches(table, clock.now)
    window = window_of(push(0), clock.now())
    entry = BatchedPush("k", "bakery", "e", "c", Wording("t", "x" * 7000))
    assert windows.add(window, entry) is Added.UNSCHEDULED
    worker = Worker(table, clock)
    assert worker.add(push(1, 1000), push(2, 1000)) == [BATCHED] * 2
    assert [event.data["window"] for event, _, _ in worker.messages.parked] == [window.id]
    assert Worker(table, clock).windows.add(window, entry) is Added.SCHEDULED


# --- the version before ------------------------------------------------------------------------------------


def as_before(table: LedgerTable, window: Window, entries: list[BatchedPush]) -> None:
    """Write a window as the version before did: one item, of any size."""
    item: Any = {
        "pk": text(f"digest#{window.id}"),
        "recipient_kind": text(window.recipient.kind),
        "recipient_value": text(window.recipient.value),
        "due": number(int(window.due)),
        "high": {"BOOL": False},
        "expires_at": number(int(window.due) + 1000),
        "is_scheduled": {"BOOL": True},
        "gathered_bytes": number(sum(len(written_before(entry)) + 69 for entry in entries)),
        **{f"push_{entry.key}": text(written_before(entry)) for entry in entries},
    }
    aws.dynamodb().put_item(TableName=table.name, Item=item)


def written_before(entry: BatchedPush) -> str:
    """Return a push as the version before wrote it: its wording is called `message`."""
    fields = asdict(entry)
    return json.dumps({"message": fields.pop("wording"), **fields})


def test_a_window_of_the_version_before_goes_on(table: LedgerTable, clock: Clock) -> None:
    """It may be larger than a segment; what comes now goes into further ones."""
    old = [
        BatchedPush(p.key, "bakery", "e", "c", replace(p.wording, title="wärm"))
        for p in (push(n, 900) for n in range(100, 140))
    ]
    window = window_of(push(0), clock.now())
    as_before(table, window, old)
    worker = Worker(table, clock)
    assert worker.add(push(0), push(1)) == [BATCHED] * 2
    assert worker.messages.parked == []
    assert Counter(worker.closed(window)) == Counter([e.key for e in old] + [push(0).key, push(1).key])


def test_the_version_before_parks_what_it_cannot_close(table: LedgerTable, clock: Clock) -> None:
    """It reads each attribute that begins like a push's as one; it must not leave the other segments out."""
    worker = Worker(table, clock)
    worker.add(*(push(n, 1500) for n in range(10)))
    (first,) = [item for item in items(table) if "#" not in item["pk"]["S"].removeprefix("digest#")]
    with pytest.raises(KeyError):
        [json.loads(first[name]["S"]) for name in first if name.startswith("push_")]
    single = Worker(table, clock)
    single.add(replace(push(50), recipient=replace(ADA, value="bea@example.com")))
    (other,) = [item for item in items(table) if item["recipient_value"]["S"].startswith("bea")]
    assert [json.loads(other[name]["S"])["key"] for name in other if name.startswith("push_")] == [
        push(50).key
    ]


def test_the_outcome_of_a_digest_in_segments_is_every_pushs(table: LedgerTable, clock: Clock) -> None:
    """Its end is one push with all of them."""
    worker = Worker(table, clock)
    worker.add(*(push(n, 1500) for n in range(10)))
    (digest,) = worker.batcher.end(closing_event(window_of(push(0), clock.now())), Account())
    assert isinstance(digest, BatchPush)
    assert (digest.wording.title, len(digest.entries)) == ("10 new alerts", 10)

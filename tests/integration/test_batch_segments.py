"""A batch window of several segments on a real DynamoDB: items are small, and each push is in it once."""

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

import boto_clients
from backlog_store import Backlog
from local_aws import LocalAws
from open_permits import OpenPermits
from ports import Clock, PushApi, PushCredentials
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
from push_relay.core.delivery.parking import Parking
from push_relay.core.delivery.sender import Sender
from push_relay.core.errors import LedgerUnavailable
from push_relay.core.event import Event
from push_relay.core.push import BATCHED, Push, Recipient, RecipientKind, Wording
from queues import Messages

ADA = Recipient(RecipientKind.EMAIL, "ada@example.com")
KB = 1024


class Stopped(BaseException):
    """The end of a worker, which no handler catches."""


class Worker:
    """A worker that batches pushes. At one of its calls it is stopped, or DynamoDB fails."""

    def __init__(
        self, table: LedgerTable, clock: Clock, at: int = -1, how: BaseException | None = None
    ) -> None:
        """Wire the worker."""
        self.table, self.backlog = Stopping(table.name, at, how), Backlog()
        ledger = DynamoDbLedger(self.table, clock.now)
        sender = Sender(ledger, PushCredentials(), PushApi(), OpenPermits(), clock)
        self.windows = DynamoDbBatches(self.table, clock.now)
        parking = Parking(self.backlog, Messages(), {}, clock)
        self.batcher = Batcher(self.windows, ledger, sender, parking, clock)

    def add(self, *pushes: Push) -> list[str | None]:
        """Add pushes to their windows, and return the error codes of their receipts."""
        return [self.batcher.add(event_of(push), push, lambda: 30.0).error_code for push in pushes]

    @property
    def parked(self) -> list[tuple[Event, float]]:
        """The events that wait, and when they are due."""
        return [(each.event, each.due) for each in self.backlog.all()]

    def closed(self, window: Window) -> list[str]:
        """Close a window, and return the keys of the pushes in its batch."""
        tasks = self.batcher.end(closing_event(window), Account())
        return [entry.key for task in tasks if isinstance(task, BatchPush) for entry in task.entries]


class Stopping(LedgerTable):
    """A table that stops the worker at the call with this number, before or after it is made."""

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
    """Return a push to Ada for a route with a batch window, with a body of this size."""
    key = f"{number:064}"
    return Push(ADA, Wording(f"Oven {number}", "x" * size), key, batch_secs=300.0, sources=("bakery",))


def event_of(push: Push) -> Event:
    """Return the event of a push."""
    return Event("bakery", f"e-{int(push.key)}", "baked", {}, 1_800_000_000.0, push.key)


@pytest.fixture
def table(local_stores: LocalAws) -> LedgerTable:
    """Return a separate table."""
    return local_stores.table()


@pytest.fixture
def clock() -> Clock:
    """Return a clock."""
    return Clock()


def items(table: LedgerTable) -> Iterator[Item]:
    """Yield the items of windows."""
    pages = boto_clients.dynamodb().get_paginator("scan").paginate(TableName=table.name)
    for page in pages:
        yield from (item for item in page["Items"] if item["pk"]["S"].startswith("digest#"))


def size(item: Item) -> int:
    """Return an item's size as DynamoDB counts it: names, texts, digits and booleans."""
    values = [json.dumps(next(iter(value.values())), ensure_ascii=False) for value in item.values()]
    return sum(len(name) for name in item) + sum(len(value.encode()) for value in values)


def test_many_pushes_are_one_batch_push_stored_in_small_items(table: LedgerTable, clock: Clock) -> None:
    """Four workers add two hundred pushes. Each is in the batch once, and a write costs at most 8 units."""
    pushes = [push(n, 500) for n in range(200)]
    workers = [Worker(table, clock) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        done = threads.map(lambda n: workers[n].add(*pushes[n::4]), range(4))
        assert {code for codes in done for code in codes} == {BATCHED}
    sizes = [size(item) for item in items(table)]
    assert max(sizes) <= 8 * KB
    assert 15 < len(sizes) < 40
    assert sorted(workers[0].closed(window_of(pushes[0], clock.now()))) == sorted(p.key for p in pushes)
    # A push needs four writes: claim, window, settlement, and the window's item. Finding a segment adds few.
    assert sum(worker.table.calls for worker in workers) < 200 * 4 * 1.4 + 100


def test_a_small_batch_is_one_item(table: LedgerTable, clock: Clock) -> None:
    """A single write closes it."""
    worker = Worker(table, clock)
    worker.add(*(push(n) for n in range(5)))
    assert len([*items(table)]) == 1
    calls = worker.table.calls
    assert len(worker.closed(window_of(push(0), clock.now()))) == 5
    assert worker.table.calls == calls + 1


@pytest.mark.parametrize("how", [Stopped(), LedgerUnavailable("down")], ids=["stopped", "failed"])
@pytest.mark.parametrize("ended", [False, True], ids=["window open", "window closed"])
def test_a_push_is_in_one_batch_if_its_worker_stops_at_any_call(
    table: LedgerTable, clock: Clock, how: BaseException, *, ended: bool
) -> None:
    """Each call of five pushes is tried, two of which fill a segment. Another worker then continues."""
    pushes = [push(n, 3500) for n in range(5)]
    for at in count():
        first, second = Worker(table, clock, at, how), Worker(table, clock)
        with suppress(Stopped):
            first.add(*pushes)
        if first.table.calls <= at:
            assert at > 4 * len(pushes)
            break
        window = window_of(pushes[0], clock.now())
        clock.time += 100  # until the claims have ended
        batches = [second.closed(window)] if ended and first.parked else []
        assert set(second.add(*pushes)) <= {BATCHED, None}  # None is for a duplicate
        ends = {event.data["window"] for worker in (first, second) for event, _ in worker.parked}
        following = window_of(pushes[0], window.due)
        left = [following] if batches else [window, following]
        batches += [second.closed(each) for each in left if each.id in ends]
        keys = Counter(key for batch in batches for key in batch)
        assert keys == Counter({p.key: 1 for p in pushes}), at
        clock.time += 600
        pushes = [replace(p, key=f"{int(p.key) + 10:064}") for p in pushes]


def test_a_push_that_is_added_while_a_window_closes_is_in_one_batch(table: LedgerTable, clock: Clock) -> None:
    """Many workers fill many segments in the meantime. A push that is too late goes into the next window."""
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


def test_a_push_that_is_larger_than_a_segment_has_its_own_segment(table: LedgerTable, clock: Clock) -> None:
    """The pushes before and after it may have any size."""
    pushes = [push(0), push(1, 9000), push(2), push(3, 9000), push(4, 9000)]
    worker = Worker(table, clock)
    assert worker.add(*pushes) == [BATCHED] * 5
    assert len(worker.closed(window_of(pushes[0], clock.now()))) == 5
    assert sum("x" * 9000 in json.dumps(item) for item in items(table)) == 3


def test_pushes_beyond_the_last_segment_go_into_another_window(table: LedgerTable, clock: Clock) -> None:
    """The other window is due at the same time, but its end is scheduled separately."""
    pushes = [push(n, 5000) for n in range(MAX_SEGMENTS + 3)]
    worker = Worker(table, clock)
    assert set(worker.add(*pushes)) == {BATCHED}
    window = window_of(pushes[0], clock.now())
    ends = {event.data["window"]: due for event, due in worker.parked}
    assert ends == {window.id: window.due, overflow(window).id: window.due}
    # A worker that has not seen the segments finds the last one soon: each write shows the ones after it.
    fresh = Worker(table, clock)
    assert fresh.add(push(1000, 5000)) == [BATCHED]
    assert fresh.table.calls < 20
    assert [len(fresh.closed(w)) for w in (window, overflow(window))] == [MAX_SEGMENTS, 4]


def test_the_end_of_a_window_is_scheduled_by_the_next_worker_if_necessary(
    table: LedgerTable, clock: Clock
) -> None:
    """The worker that filled the first segment has died before it scheduled the end of the window."""
    windows = DynamoDbBatches(table, clock.now)
    window = window_of(push(0), clock.now())
    entry = BatchedPush("k", "bakery", "e", "c", Wording("t", "x" * 7000))
    assert windows.add(window, entry) is Added.UNSCHEDULED
    worker = Worker(table, clock)
    assert worker.add(push(1, 1000), push(2, 1000)) == [BATCHED] * 2
    assert [event.data["window"] for event, _ in worker.parked] == [window.id]
    assert Worker(table, clock).windows.add(window, entry) is Added.SCHEDULED


# --- the previous version ----------------------------------------------------------------------------------


def write_as_previous_version(table: LedgerTable, window: Window, entries: list[BatchedPush]) -> None:
    """Write a window as the previous version did: one item of any size."""
    item: Any = {
        "pk": text(f"digest#{window.id}"),
        "recipient_kind": text(window.recipient.kind),
        "recipient_value": text(window.recipient.value),
        "due": number(int(window.due)),
        "high": {"BOOL": False},
        "expires_at": number(int(window.due) + 1000),
        "is_scheduled": {"BOOL": True},
        "gathered_bytes": number(sum(len(text_of_previous_version(entry)) + 69 for entry in entries)),
        **{f"push_{entry.key}": text(text_of_previous_version(entry)) for entry in entries},
    }
    boto_clients.dynamodb().put_item(TableName=table.name, Item=item)


def text_of_previous_version(entry: BatchedPush) -> str:
    """Return the stored text of a push in the previous version, which called its wording `message`."""
    fields = asdict(entry)
    return json.dumps({"message": fields.pop("wording"), **fields})


def test_a_window_of_the_previous_version_continues(table: LedgerTable, clock: Clock) -> None:
    """It may be larger than a segment. New pushes go into further segments."""
    old = [
        BatchedPush(p.key, "bakery", "e", "c", replace(p.wording, title="wärm"))
        for p in (push(n, 900) for n in range(100, 140))
    ]
    window = window_of(push(0), clock.now())
    write_as_previous_version(table, window, old)
    worker = Worker(table, clock)
    assert worker.add(push(0), push(1)) == [BATCHED] * 2
    assert worker.parked == []
    assert Counter(worker.closed(window)) == Counter([e.key for e in old] + [push(0).key, push(1).key])


def test_the_previous_version_cannot_close_a_window_with_segments(table: LedgerTable, clock: Clock) -> None:
    """It reads each attribute whose name begins like a push's, and must not ignore the other segments."""
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


def test_a_batch_in_segments_becomes_a_single_push(table: LedgerTable, clock: Clock) -> None:
    """The end of the window returns one push with all entries."""
    worker = Worker(table, clock)
    worker.add(*(push(n, 1500) for n in range(10)))
    (batch,) = worker.batcher.end(closing_event(window_of(push(0), clock.now())), Account())
    assert isinstance(batch, BatchPush)
    assert (batch.wording.title, len(batch.entries)) == ("10 new alerts", 10)

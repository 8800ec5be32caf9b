"""The contract of a store of batch windows: the one in DynamoDB, and the one in memory that other tests use.

A test class inherits the contract, and a fixture `workers` starts the workers that share the windows.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Protocol

from ports import Clock
from push_relay.core.delivery.batching import Added, BatchedPush, BatchStore, Window
from push_relay.core.push import Recipient, RecipientKind, Wording

DUE = 1_800_000_300.0
WINDOW = Window("w", Recipient(RecipientKind.EMAIL, "ada@example.com"), DUE, high=True)
ENTRY = BatchedPush("k", "bakery", "e-1", "c-1", Wording("Bread", "wärm \U0001f35e", sound=True))
#: A text so long that a segment has room for one push with it, but not for two.
LONG = "x" * 5000


class Workers(Protocol):
    """Workers that share windows and a clock."""

    clock: Clock

    def windows(self, *, room: int | None = None) -> BatchStore:
        """Start a worker. `room` is for stores in which it does not depend on the size of the pushes."""
        ...


def numbered(number: int, body: str = "warm") -> BatchedPush:
    """Return a push with this number."""
    return replace(ENTRY, key=f"k-{number:03}", event_id=f"e-{number}", wording=Wording("Bread", body))


class BatchStoreContract:
    """The cases that each store has to pass."""

    def test_pushes_come_out_as_they_went_in(self, workers: Workers) -> None:
        """The window can be closed again, because the worker may have died before it sent the push."""
        assert workers.windows().add(WINDOW, ENTRY) is Added.UNSCHEDULED
        assert workers.windows().close("w") == (WINDOW, [ENTRY])
        workers.clock.time += 1000
        assert workers.windows().close("w") == (WINDOW, [ENTRY])

    def test_a_push_is_added_once(self, workers: Workers) -> None:
        """The first wording is kept."""
        workers.windows().add(WINDOW, ENTRY)
        again = replace(ENTRY, wording=Wording("Bread", "in other words"))
        assert workers.windows().add(WINDOW, again) is Added.UNSCHEDULED
        assert workers.windows().close("w") == (WINDOW, [ENTRY])

    def test_a_worker_learns_that_the_end_is_scheduled(self, workers: Workers) -> None:
        """This includes a worker that adds a push again."""
        workers.windows().add(WINDOW, ENTRY)
        workers.windows().scheduled(WINDOW)
        assert workers.windows().add(WINDOW, numbered(1)) is Added.SCHEDULED
        assert workers.windows().add(WINDOW, ENTRY) is Added.SCHEDULED

    def test_a_closed_window_accepts_nothing(self, workers: Workers) -> None:
        """A worker whose push is in it gets the answer that nothing is left to do."""
        workers.windows().add(WINDOW, ENTRY)
        workers.windows().close("w")
        assert workers.windows().add(WINDOW, numbered(1)) is Added.CLOSED
        assert workers.windows().add(WINDOW, ENTRY) is Added.SCHEDULED
        assert workers.windows().close("w") == (WINDOW, [ENTRY])

    def test_a_window_without_pushes_does_not_exist(self, workers: Workers) -> None:
        """The attempt to close it does not create it, so a push can still be added."""
        assert workers.windows().close("w") is None
        assert workers.windows().add(WINDOW, ENTRY) is Added.UNSCHEDULED
        assert workers.windows().close("w") == (WINDOW, [ENTRY])

    def test_a_scheduled_window_without_pushes_does_not_exist(self, workers: Workers) -> None:
        """The record that its end is scheduled does not create a window."""
        workers.windows().scheduled(WINDOW)
        assert workers.windows().close("w") is None

    def test_pushes_that_many_workers_add_at_once_are_all_in_it(self, workers: Workers) -> None:
        """Each push is in it once, even if it is added several times."""
        entries = [numbered(number) for number in range(30)]
        with ThreadPoolExecutor(8) as threads:
            added = list(threads.map(lambda entry: workers.windows().add(WINDOW, entry), entries * 2))
        assert set(added) == {Added.UNSCHEDULED}
        assert workers.windows().close("w") == (WINDOW, entries)

    def test_a_push_that_is_added_while_the_window_closes_is_in_it_or_refused(self, workers: Workers) -> None:
        """Otherwise it would be lost, or sent twice."""
        entries = [numbered(number) for number in range(30)]
        workers.windows().add(WINDOW, ENTRY)
        with ThreadPoolExecutor(8) as threads:
            adding = [threads.submit(workers.windows().add, WINDOW, entry) for entry in entries[:15]]
            closing = threads.submit(workers.windows().close, "w")
            adding += [threads.submit(workers.windows().add, WINDOW, entry) for entry in entries[15:]]
        answers = {entry.key: future.result() for entry, future in zip(entries, adding, strict=True)}
        _, batched = closing.result() or (None, [])
        inside = {entry.key for entry in batched} - {ENTRY.key}
        assert inside == {key for key, added in answers.items() if added is not Added.CLOSED}

    def test_a_full_segment_accepts_nothing_and_another_one_does(self, workers: Workers) -> None:
        """A worker that has found a segment full tries the next one first, and a new worker finds it too."""
        first = workers.windows(room=1)
        assert first.latest(WINDOW) == WINDOW
        assert first.add(WINDOW, numbered(0, LONG)) is Added.UNSCHEDULED
        assert first.add(WINDOW, numbered(1, LONG)) is Added.FULL
        other = first.further(WINDOW)
        assert other != WINDOW
        assert other.due == WINDOW.due
        assert first.add(other, numbered(1, LONG)) is Added.UNSCHEDULED
        assert first.latest(WINDOW) == other
        second = workers.windows(room=1)
        assert second.add(WINDOW, numbered(0, LONG)) in {Added.SCHEDULED, Added.UNSCHEDULED}
        assert second.add(WINDOW, numbered(2, LONG)) is Added.FULL
        assert second.further(WINDOW) == other
        closed = {WINDOW.id, other.id}
        inside = [entry for name in closed for entry in (second.close(name) or (None, []))[1]]
        assert sorted(entry.key for entry in inside) == ["k-000", "k-001"]

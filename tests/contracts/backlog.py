"""The contract of a backlog: the one in DynamoDB, and the one in memory that other tests use.

A test class inherits the contract, and a fixture `workers` starts the workers that share a backlog.
"""

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Protocol
from unittest.mock import ANY

import pytest

from push_relay.core.delivery.backlog import Backlog, Shelf, Waiting, place
from push_relay.core.errors import PayloadTooLarge
from push_relay.core.event import Event, Replay
from push_relay.core.queue_format import MAX_EVENT

NOW = 1_800_000_000.0
SHELF = Shelf("default")
EVENT = Event(
    "bakery", "e-1", "baked", {"bread": "wärm \U0001f35e"}, NOW - 60, "i-1", "c-1", {"h": "v"}, {"q": "v"}
)
WAITING = Waiting(SHELF, EVENT, "quota_exhausted", NOW - 10, NOW + 3600, attempt=3, tries=1)
#: More than two items of DynamoDB can hold, also if it is compressed.
LARGE = random.Random(1).randbytes(500_000).hex()  # noqa: S311 (text that cannot be compressed by much)


class Workers(Protocol):
    """Workers that share a backlog."""

    def one(self) -> Backlog:
        """Start a worker, and return its backlog."""
        ...


def numbered(number: int, **changes: Any) -> Waiting:
    """Return an event that waits, with this number."""
    event = replace(EVENT, id=f"e-{number}", identity=f"i-{number}")
    return WAITING._replace(event=event, **changes)


def stored(backlog: Backlog, *waiting: Waiting) -> None:
    """Store events."""
    assert list(backlog.put(waiting)) == [None] * len(waiting)


def ids(found: Sequence[Any]) -> list[str]:
    """Return the ids of events that wait."""
    return [each.event.id for each in found]


class BacklogContract:
    """The cases that each backlog has to pass."""

    def test_an_event_comes_out_as_it_went_in(self, workers: Workers) -> None:
        """Another worker reads it, with the place at which it can be removed."""
        event = replace(EVENT, only=("k-1",), skip=("k-2", "k-3"), replay=Replay.ALL, replay_id="run-1")
        waiting = WAITING._replace(event=event)
        stored(workers.one(), waiting)
        assert workers.one().due(SHELF, 10, NOW) == [waiting._replace(position=place(waiting), stamp=ANY)]

    def test_a_time_is_rounded_up_to_whole_seconds(self, workers: Workers) -> None:
        """Otherwise an event would be sent before it is due."""
        backlog = workers.one()
        stored(backlog, WAITING._replace(due=NOW + 0.2, expected=NOW + 5.5))
        assert backlog.due(SHELF, 10, NOW + 0.9) == []
        (found,) = backlog.due(SHELF, 10, NOW + 1)
        assert isinstance(found, Waiting)
        assert (found.due, found.expected) == (NOW + 1, NOW + 6)

    def test_events_come_in_order_of_due_time_and_arrival(self, workers: Workers) -> None:
        """Events without a time come first. Events that are not due are left out."""
        backlog = workers.one()
        arrivals = [
            replace(EVENT, id=f"e-{n}", identity=f"i-{n}", received_at=NOW - 60 + n / 1000) for n in range(30)
        ]
        waiting = [WAITING._replace(event=event, due=0.0) for event in arrivals]
        random.Random(2).shuffle(waiting)  # noqa: S311 (an order, no secret)
        stored(
            backlog, numbered(101, due=NOW), numbered(102, due=NOW + 1), numbered(100, due=NOW - 5), *waiting
        )
        expected = [*(f"e-{n}" for n in range(30)), "e-100", "e-101"]
        assert ids(backlog.due(SHELF, 100, NOW)) == expected
        assert ids(backlog.due(SHELF, 7, NOW)) == expected[:7]
        assert backlog.due(SHELF, 0, NOW) == []
        assert ids(backlog.due(SHELF, 100, NOW + 1)) == [*expected, "e-102"]

    def test_each_shelf_has_its_own_events(self, workers: Workers) -> None:
        """Accounts, priorities and budgets wait for different things."""
        shelves = [
            SHELF,
            Shelf("default", high=True),
            Shelf("default", source="bakery"),
            Shelf("default-1"),
            Shelf("default", source="bakery-1"),
        ]
        backlog = workers.one()
        stored(backlog, *(numbered(number, shelf=shelf) for number, shelf in enumerate(shelves)))
        for number, shelf in enumerate(shelves):
            assert ids(backlog.due(shelf, 10, NOW)) == [f"e-{number}"]

    def test_the_same_event_is_stored_once(self, workers: Workers) -> None:
        """SQS may hand out a message twice, also within a batch. The later writing counts."""
        again = WAITING._replace(reason="circuit_open", attempt=4, tries=0)
        stored(workers.one(), WAITING, WAITING)
        stored(workers.one(), again)
        assert workers.one().due(SHELF, 10, NOW) == [again._replace(position=place(again), stamp=ANY)]

    @pytest.mark.parametrize(
        "changes",
        [
            {"only": ("k-1",)},
            {"skip": ("k-1",)},
            {"id": "e-2"},
            {"identity": "i-2"},
            {"source": "kiln"},
            {"replay": Replay.FAILED, "replay_id": "r-1"},
            {"received_at": NOW - 59},
        ],
        ids=str,
    )
    def test_an_event_that_is_another_one_does_not_replace_it(self, workers: Workers, changes: Any) -> None:
        """The parts of an event that are for different pushes, and its replays, wait side by side."""
        stored(workers.one(), WAITING)
        stored(workers.one(), WAITING._replace(event=replace(EVENT, **changes)))
        assert len(workers.one().due(SHELF, 10, NOW)) == 2

    def test_recipients_that_are_left_out_are_not_those_that_are_chosen(self, workers: Workers) -> None:
        """The rest of an event and the part that was split off may wait together."""
        for changes in ({"only": ("k-1",)}, {"skip": ("k-1",)}):
            stored(workers.one(), WAITING._replace(event=replace(EVENT, **changes)))
        assert len(workers.one().due(SHELF, 10, NOW)) == 2

    def test_a_removed_event_is_gone(self, workers: Workers) -> None:
        """The other events stay. An event that another worker has removed already is left out."""
        backlog = workers.one()
        stored(backlog, *(numbered(number) for number in range(60)))
        found = backlog.due(SHELF, 100, NOW)
        backlog.remove(found[:55])
        assert workers.one().due(SHELF, 100, NOW) == found[55:]
        backlog.remove(found)
        assert workers.one().due(SHELF, 100, NOW) == []

    def test_a_try_is_counted(self, workers: Workers) -> None:
        """The count is read by the worker that takes the event next."""
        stored(workers.one(), WAITING)
        (found,) = workers.one().due(SHELF, 10, NOW)
        assert isinstance(found, Waiting)
        workers.one().tried(found)
        workers.one().tried(found)
        (again,) = workers.one().due(SHELF, 10, NOW)
        assert again == found._replace(tries=3)

    def test_a_try_does_not_bring_a_removed_event_back(self, workers: Workers) -> None:
        """Another worker may have sent and removed it."""
        stored(workers.one(), WAITING)
        (found,) = workers.one().due(SHELF, 10, NOW)
        assert isinstance(found, Waiting)
        workers.one().remove([found])
        workers.one().tried(found)
        assert workers.one().due(SHELF, 10, NOW) == []

    def test_an_event_that_was_stored_again_is_not_removed_as_unchanged(self, workers: Workers) -> None:
        """Another worker has stored it at the same place, with the same values, and deleted its message."""
        large = WAITING._replace(event=replace(EVENT, data={"text": LARGE}))
        stored(workers.one(), large, numbered(2, due=NOW - 5))
        backlog = workers.one()
        found = [each for each in backlog.due(SHELF, 10, NOW) if isinstance(each, Waiting)]
        stored(workers.one(), large)
        backlog.remove_unchanged(found)
        (again,) = workers.one().due(SHELF, 10, NOW)
        assert isinstance(again, Waiting)
        assert again.event == large.event
        workers.one().remove_unchanged([again])
        assert workers.one().due(SHELF, 10, NOW) == []

    def test_a_shelf_is_known_from_its_first_event_on(self, workers: Workers) -> None:
        """Its account may be removed from relay.toml, and its events are found nevertheless."""
        assert workers.one().shelves() == []
        high, source = Shelf("other", high=True), Shelf("default", source="bakery")
        stored(workers.one(), WAITING, numbered(2, shelf=source))
        stored(workers.one(), numbered(3, shelf=high))
        backlog = workers.one()
        backlog.remove(backlog.due(high, 10, NOW))
        assert backlog.shelves() == [high, SHELF, source]

    def test_a_large_event_comes_out_as_it_went_in(self, workers: Workers) -> None:
        """It is larger than one item of DynamoDB can be. Its removal removes all of it."""
        large = WAITING._replace(event=replace(EVENT, data={"text": LARGE}))
        stored(workers.one(), large, numbered(2, due=NOW - 5))
        backlog = workers.one()
        found = backlog.due(SHELF, 10, NOW)
        assert found[0] == large._replace(position=place(large), stamp=ANY)
        assert ids(found) == ["e-1", "e-2"]
        backlog.remove(found)
        assert workers.one().due(SHELF, 10, NOW) == []

    def test_large_events_come_in_portions(self, workers: Workers) -> None:
        """All of them come sooner or later, and each call returns at least one."""
        backlog = workers.one()
        events = [replace(EVENT, id=f"e-{n}", identity=f"i-{n}", data={"text": LARGE}) for n in range(8)]
        stored(backlog, *(WAITING._replace(event=event) for event in events))
        seen: list[str] = []
        while found := backlog.due(SHELF, 100, NOW):
            seen += ids(found)
            backlog.remove(found)
        assert sorted(seen) == [f"e-{n}" for n in range(8)]

    def test_an_event_that_cannot_be_packed_is_refused_alone(self, workers: Workers) -> None:
        """Its neighbours are stored."""
        backlog = workers.one()
        huge = WAITING._replace(event=replace(EVENT, data={"text": "x" * (MAX_EVENT + 1)}))
        first, error, last = backlog.put([numbered(1), huge, numbered(2)])
        assert first is last is None
        assert isinstance(error, PayloadTooLarge)
        assert sorted(ids(backlog.due(SHELF, 10, NOW))) == ["e-1", "e-2"]

    def test_many_workers_may_store_at_once(self, workers: Workers) -> None:
        """Each event is there once."""
        waiting = [numbered(number) for number in range(40)]
        with ThreadPoolExecutor(4) as threads:
            list(
                threads.map(
                    lambda start: stored(workers.one(), *waiting[start : start + 20]), (0, 10, 20, 15)
                )
            )
        found = workers.one().due(SHELF, 100, NOW)
        assert sorted(ids(found)) == sorted(ids(waiting))

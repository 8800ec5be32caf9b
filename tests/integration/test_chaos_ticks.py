"""The ticks of a chaos run come when something in the backlog is due, as it is stored in a real DynamoDB."""

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from chaos.local_queries import hook_queries
from chaos.ticks import Ticks
from contracts.backlog import numbered, stored
from local_aws import LocalAws
from push_relay.adapters.dynamodb.backlog import DynamoDbBacklog
from push_relay.core.delivery.backlog import Shelf
from relayctl.deploy import local_client

#: A minute begins at this time, in seconds since the epoch.
MINUTE = 1_800_000_000.0
NORMAL, URGENT = Shelf("default"), Shelf("default", high=True)


class Run:
    """Ticks with a clock that the test moves. `queries`: how often the backlog was queried."""

    def __init__(self, local: LocalAws) -> None:
        self.now = MINUTE + 5
        self.queries = 0
        table = local.backlog_table()
        self._backlog = DynamoDbBacklog(table, lambda: self.now)
        self._stored = 0
        dynamodb = local_client(local.environment["AWS_ENDPOINT_URL"], "dynamodb")
        hook_queries(dynamodb)
        dynamodb.meta.events.register("before-call.dynamodb.Query", self._count)
        self.services: Any = SimpleNamespace(
            run_clock=SimpleNamespace(now=lambda: self.now),
            dynamodb=dynamodb,
            settings=SimpleNamespace(backlog_table=table.name),
            calls=0,
        )
        self.ticks = Ticks(self.services)

    def _count(self, **_: Any) -> None:
        self.queries += 1

    def store(self, due: float, expected: float, shelf: Shelf = NORMAL) -> None:
        """Store an event that has arrived after those before."""
        self._stored += 1
        waiting = numbered(self._stored, shelf=shelf, due=due, expected=expected)
        event = replace(waiting.event, received_at=MINUTE - 60 + self._stored)
        stored(self._backlog, waiting._replace(event=event))


@pytest.fixture(name="run")
def _run(local_stores: LocalAws) -> Run:
    """Return a run with a separate, empty backlog."""
    return Run(local_stores)


def test_an_empty_backlog_needs_no_tick(run: Run) -> None:
    """The run ends when nothing else is due."""
    assert run.ticks.next_due() is None
    assert not run.ticks.is_due()
    assert run.ticks.count() == 0


@pytest.mark.parametrize(
    ("events", "secs"),
    [
        ([(MINUTE + 90, 0.0)], 120),
        ([(MINUTE + 7200, 0.0)], 7260),
        ([(0.0, MINUTE + 7205)], 7260),
        # An event that waits for the account is first on its shelf, and must not hide one that is due before,
        ([(0.0, MINUTE + 7205), (MINUTE + 300, 0.0)], 360),
        # nor one that is expected before.
        ([(0.0, MINUTE + 7205), (0.0, MINUTE + 300), (MINUTE + 900, 0.0)], 360),
    ],
)
def test_a_tick_is_due_in_the_minute_after_the_first_event(
    run: Run, events: list[tuple[float, float]], secs: float
) -> None:
    """The ticks before would find nothing, so the clock jumps over them."""
    for due, expected in events:
        run.store(due, expected)
    assert run.ticks.next_due() == MINUTE + secs
    assert not run.ticks.is_due()
    run.now = MINUTE + secs
    assert run.ticks.is_due()
    assert run.ticks.count() == len(events)


def test_ticks_that_change_nothing_come_at_growing_intervals(run: Run) -> None:
    """Events that wait for their account would otherwise cost a tick each minute of an outage."""
    run.store(0.0, MINUTE - 60)
    times = []
    for _ in range(8):
        due = run.ticks.next_due()
        assert due is not None
        run.now = max(run.now, due)
        assert run.ticks.is_due()
        run.ticks.give()
        times.append(run.now)
    intervals = [(after - before) / 60 for before, after in pairwise(times[1:])]
    assert intervals == [2, 4, 8, 16, 30, 30]
    run.services.calls += 1
    run.now = run.ticks.next_due() or 0.0
    run.ticks.give()
    assert (run.ticks.next_due() or 0.0) - run.now == 60
    assert run.ticks.given == 9


def test_the_backlog_is_read_again_only_after_an_invocation(run: Run) -> None:
    """Reading it at each step would take longer than the relay's own work."""
    run.store(0.0, MINUTE + 600)
    run.ticks.next_due()
    before = run.queries
    assert before > 0
    run.ticks.next_due()
    assert run.queries == before
    run.store(MINUTE + 60, 0.0, URGENT)
    assert run.ticks.next_due() == MINUTE + 660
    run.ticks.change()
    assert run.ticks.next_due() == MINUTE + 120


def test_every_event_of_a_large_backlog_is_looked_at(run: Run) -> None:
    """DynamoDB returns a page of a limited size."""
    query = run.services.dynamodb.query
    run.services.dynamodb = SimpleNamespace(query=lambda **arguments: query(Limit=1, **arguments))
    for minute in range(5, 0, -1):
        run.store(0.0, MINUTE + 60 * minute)
    assert run.ticks.next_due() == MINUTE + 120

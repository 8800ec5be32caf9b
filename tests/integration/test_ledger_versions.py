"""The version before and this one share a table, during a deployment and after a roll-back."""

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import pytest

import boto_clients
from ledger_calls import claim_all, end_all
from local_aws import LocalAws
from ports import Clock
from push_relay.adapters.dynamodb.ledger import DynamoDbLedger
from push_relay.adapters.dynamodb.ledger_partiql import PartiqlWrites
from push_relay.adapters.dynamodb.table import LedgerTable
from push_relay.core.delivery.ledger import PARKED, Claimed, ClaimRequest, Settlement
from push_relay.core.event import Replay
from samples.version_before.ledger import LedgerOfTheVersionBefore

#: Seconds after which the lease of every claim has ended.
LEASE_ENDED_SECS = 33.0
SINGLE, PARTIQL, BEFORE = "single", "partiql", "before"
PAIRS = [(BEFORE, SINGLE), (BEFORE, PARTIQL), (SINGLE, BEFORE), (PARTIQL, BEFORE), (SINGLE, PARTIQL)]


class Worker(Protocol):
    """A worker of any version, which handles pushes in groups."""

    def claim(self, *keys: str, replay: str = "no", replay_id: str = "") -> list[str]:
        """Claim pushes for 30 seconds, and return the answers."""
        ...

    def end(self, key: str, status: str) -> None:
        """End a claim with an error code."""
        ...

    def count_unknown(self, key: str) -> int:
        """Count a call of unknown fate."""
        ...

    def note_window(self, key: str, window: str) -> str:
        """Note a batch window."""
        ...


class Before:
    """A worker of the version before."""

    def __init__(self, table: LedgerTable, clock: Clock) -> None:
        self._ledger = LedgerOfTheVersionBefore(boto_clients.dynamodb(), table.name, clock.now)
        self.count_unknown, self.note_window = self._ledger.count_unknown, self._ledger.note_window

    def claim(self, *keys: str, replay: str = "no", replay_id: str = "") -> list[str]:
        """Claim pushes one after the other."""
        return [self._ledger.claim(key, 30, replay, replay_id) for key in keys]

    def end(self, key: str, status: str) -> None:
        """Settle or park a push."""
        if status == PARKED:
            self._ledger.park(key, "code", "bakery", "e-1")
        else:
            self._ledger.settle(key, status, "code")


class Present:
    """A worker of this version."""

    def __init__(self, table: LedgerTable, clock: Clock, way: str) -> None:
        ledger = DynamoDbLedger(table, clock.now, PartiqlWrites(table) if way == PARTIQL else None)
        self._ledger = ledger
        self.count_unknown, self.note_window = ledger.count_unknown, ledger.note_window

    def claim(self, *keys: str, replay: str = "no", replay_id: str = "") -> list[str]:
        """Claim pushes in a group."""
        answers = claim_all(self._ledger, [ClaimRequest(key, 30, Replay(replay), replay_id) for key in keys])
        return [str(answer.claim) for answer in answers if isinstance(answer, Claimed)]

    def end(self, key: str, status: str) -> None:
        """End a claim in a group of one."""
        assert end_all(self._ledger, [Settlement(key, status, "code", "bakery", "e-1")]) == [None]


class Fleet:
    """Workers of several versions that share a table and a clock."""

    def __init__(self, table: LedgerTable) -> None:
        """Stop the clock."""
        self.table, self.clock = table, Clock()

    def one(self, version: str) -> Worker:
        """Start a worker."""
        if version == BEFORE:
            return Before(self.table, self.clock)
        return Present(self.table, self.clock, version)


@pytest.fixture
def fleet(local_stores: LocalAws) -> Fleet:
    """Return a fleet with a separate table."""
    return Fleet(local_stores.table())


@pytest.mark.parametrize(("first", "second"), PAIRS)
@pytest.mark.parametrize(
    ("status", "answer"),
    [
        ("claimed", "held"),
        (PARKED, "granted"),
        ("delivered", "settled"),
        ("failed", "failed"),
        ("gathered", "settled"),
    ],
)
def test_each_version_reads_what_another_one_wrote(
    fleet: Fleet, first: str, second: str, status: str, answer: str
) -> None:
    """A worker that lost its claim to the other version cannot end it."""
    one, two = fleet.one(first), fleet.one(second)
    assert one.claim("a", "k") == ["granted", "granted"]
    if status != "claimed":
        one.end("k", status)
    assert two.claim("k", "a") == [answer, "held"]
    fleet.clock.time += LEASE_ENDED_SECS
    assert two.claim("a") == ["granted"]
    one.end("a", "delivered")
    assert fleet.one(first).claim("a") == ["held"]
    two.end("a", "delivered")
    assert fleet.one(first).claim("a") == ["settled"]


@pytest.mark.parametrize("end", ["park", "die"])
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_window_count_and_replay_outlive_a_change_of_the_version(
    fleet: Fleet, first: str, second: str, end: str
) -> None:
    """None of them is lost with a deployment or a roll-back."""
    one, two = fleet.one(first), fleet.one(second)
    one.claim("k", replay="all", replay_id="run-1")
    assert (one.note_window("k", "first"), one.count_unknown("k")) == ("first", 1)
    if end == "park":
        one.end("k", PARKED)
    else:
        fleet.clock.time += LEASE_ENDED_SECS
    assert two.claim("k") == ["granted"]
    assert (two.note_window("k", "second"), two.count_unknown("k")) == ("first", 2)
    two.end("k", "delivered")
    again = fleet.one(first)
    assert again.claim("k", replay="all", replay_id="run-1") == ["settled"]
    assert again.claim("k", replay="all", replay_id="run-2") == ["granted"]
    assert (again.note_window("k", "third"), again.count_unknown("k")) == ("third", 1)


@pytest.mark.parametrize("versions", [(BEFORE, SINGLE), (BEFORE, PARTIQL), (BEFORE, SINGLE, PARTIQL)])
def test_no_push_is_held_by_two_workers_of_any_version(fleet: Fleet, versions: tuple[str, ...]) -> None:
    """Many threads claim, park, abandon and settle the same pushes until each is delivered once."""
    keys = [f"key-{n}" for n in range(24)]
    held, delivered, lock = set[str](), Counter[str](), threading.Lock()

    def work(seed: int) -> set[str]:
        """Handle every push once; return those that the worker died with."""
        chance = random.Random(seed)  # noqa: S311 (repeatable)
        worker = fleet.one(versions[seed % len(versions)])
        order, died_with = chance.sample(keys, len(keys)), set[str]()
        for start in range(0, len(order), 6):
            group = [*order[start : start + 6], order[start]]
            granted = [
                key for key, claim in zip(group, worker.claim(*group), strict=True) if claim == "granted"
            ]
            with lock:
                assert not held & set(granted), "a push is held twice"
                assert len(granted) == len(set(granted)), "a push is granted twice"
                assert not delivered.keys() & set(granted), "a push is granted after it was delivered"
                held.update(granted)
            for key in granted:
                end = chance.choice(["die", PARKED, PARKED, "delivered"])
                with lock:
                    # Before the write, because another worker may have the push at once.
                    if end == PARKED:
                        held.discard(key)
                    elif end == "delivered":
                        delivered[key] += 1
                        held.discard(key)
                if end == "die":
                    died_with.add(key)
                else:
                    worker.end(key, end)
        return died_with

    rounds = 0
    while len(delivered) < len(keys):
        with ThreadPoolExecutor(9) as threads:
            died_with = set[str]().union(*threads.map(work, range(rounds * 9, rounds * 9 + 9)))
        assert held == died_with
        held.clear()
        fleet.clock.time += LEASE_ENDED_SECS
        rounds += 1
        assert rounds < 50
    assert delivered == Counter(keys)

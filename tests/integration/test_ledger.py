"""The ledger on a real DynamoDB keeps the contract of every ledger, and its items have a fixed layout."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import pytest

import boto_clients
from contracts.ledger import KEYS, PARKED, LedgerContract, claimed
from contracts.ledger_groups import LedgerGroupContract
from ledger_calls import claim_one, park_one
from local_aws import LocalAws, claim_all, race_from
from ports import Clock
from push_relay.adapters.dynamodb.ledger import DynamoDbLedger
from push_relay.adapters.dynamodb.ledger_partiql import PartiqlWrites
from push_relay.adapters.dynamodb.ledger_writes import GroupWrites
from push_relay.adapters.dynamodb.table import Item, LedgerTable, text
from push_relay.core.delivery.ledger import LEDGER_MEMORY_SECS, Claim
from push_relay.core.outcomes import Outcome
from push_relay.core.push import BATCHED
from relayctl.deadletters.parked import LedgerReader


class Workers:
    """Workers that share a table and a clock. Each has a separate ledger object."""

    def __init__(self, table: LedgerTable, writes: GroupWrites | None = None) -> None:
        """Stop the clock."""
        self.table, self.clock = table, Clock()
        self._writes = writes

    def one(self) -> DynamoDbLedger:
        """Start a worker."""
        return DynamoDbLedger(self.table, self.clock.now, self._writes)

    def item(self, key: str = "k") -> Item:
        """Return the item of a push."""
        return self.table.get(Key={"pk": text(f"push#{key}")})


@pytest.fixture
def workers(local_stores: LocalAws) -> Workers:
    """Return workers with a separate table."""
    return Workers(local_stores.table())


class TestDynamoDbLedger(LedgerContract, LedgerGroupContract):
    """The ledger in DynamoDB, with a call for each write."""


class TestPartiqlLedger(LedgerContract, LedgerGroupContract):
    """The ledger in DynamoDB, with a call for each group of writes."""

    @pytest.fixture
    def workers(self, local_stores: LocalAws) -> Workers:
        """Return workers with a separate table."""
        table = local_stores.table()
        return Workers(table, PartiqlWrites(table))


def test_of_many_processes_exactly_one_is_granted_each_push(workers: Workers) -> None:
    """Each process tries all of them."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        3, mp_context=context, initializer=race_from, initargs=(context.Barrier(3),)
    ) as processes:
        racing = [processes.submit(claim_all, workers.table.name, KEYS) for _ in range(3)]
        granted = [key for race in racing for key in race.result()]
    assert sorted(granted) == sorted(KEYS)


def test_calls_without_a_claim_make_no_item(workers: Workers) -> None:
    """Otherwise the table would list a push that no worker has claimed."""
    ledger = workers.one()
    ledger.settle("k", Outcome.DELIVERED)
    park_one(ledger, "k", PARKED)
    ledger.clear_parked("k")
    ledger.count_unknown("k")
    assert workers.item() == {}


def test_the_item_of_a_parked_push_shows_why_it_waits(workers: Workers) -> None:
    """It has the error code, the source and the event's id, but no content of the push."""
    park_one(claimed(workers), "k", PARKED)
    fields = {name: next(iter(value.values())) for name, value in workers.item().items()}
    now = int(workers.clock.now())
    assert fields == {
        "pk": "push#k",
        "status": "parked",
        "source": "bakery",
        "event_id": "e-1",
        "error_code": "vendor_throttled",
        "since": str(now),
        "expires_at": str(now + LEDGER_MEMORY_SECS),
    }
    assert claim_one(workers.one(), "k", 30) is Claim.GRANTED
    assert set(workers.item()) == {"pk", "status", "owner", "lease_until", "expires_at"}


def test_a_cleared_push_is_deleted_like_one_whose_time_has_passed(workers: Workers) -> None:
    """Its TTL is set to the present, so DynamoDB deletes it."""
    ledger = claimed(workers)
    park_one(ledger, "k", PARKED)
    ledger.clear_parked("k")
    assert workers.item()["expires_at"]["N"] == str(int(workers.clock.now()))


def test_the_item_of_a_settled_push_has_only_its_outcome(workers: Workers) -> None:
    """The batch window and the count of unknown calls are no longer needed."""
    ledger = claimed(workers)
    ledger.note_window("k", "first")
    ledger.count_unknown("k")
    ledger.settle("k", BATCHED)
    assert set(workers.item()) == {"pk", "status", "since", "expires_at"}


def test_relayctl_reads_the_ledger_with_the_same_limits_as_the_relay(workers: Workers) -> None:
    """The dry run of a replay has to predict the claim."""
    ledger = claimed(workers)
    reader = LedgerReader(boto_clients.dynamodb(), workers.table.name, workers.clock.now)
    assert reader.status("k", workers.clock.now() + 86_400) == "claimed"
    ledger.settle("k", Outcome.DELIVERED)
    settled_at = int(workers.clock.now())
    assert reader.status("k") == reader.status("k", settled_at) == "delivered"
    assert reader.status("k", settled_at + 1) is None

"""The ledger on a real DynamoDB: a push is one worker's at a time, and settled for good."""

import multiprocessing
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from fakes import Clock
from local_aws import LocalAws, claim_all, race_from
from push_relay.adapters import aws
from push_relay.adapters.dynamodb.ledger import LEDGER_MEMORY_SECS, DynamoDbLedger
from push_relay.adapters.dynamodb.table import Item, LedgerTable, text
from push_relay.core.delivery.sender import Claim
from push_relay.core.event import Replay
from push_relay.core.outcomes import Outcome
from push_relay.core.push import BATCHED, Receipt
from relayctl.deadletters.parked import LedgerReader

PARKED = Receipt("bakery", "e-1", Outcome.PARKED, error_code="vendor_throttled")
KEYS = [f"key-{n}" for n in range(20)]


class Workers:
    """Workers that share a table and a clock, each with a ledger of its own."""

    def __init__(self, table: LedgerTable) -> None:
        """Stop the clock."""
        self.table, self.clock = table, Clock()

    def one(self) -> DynamoDbLedger:
        """Start a worker."""
        return DynamoDbLedger(self.table, self.clock.now)

    def item(self, key: str = "k") -> Item:
        """Return what the table holds of a push."""
        return self.table.get(Key={"pk": text(f"push#{key}")})


@pytest.fixture
def workers(local_stores: LocalAws) -> Workers:
    """Return workers with a table of their own."""
    return Workers(local_stores.table())


def test_of_many_threads_exactly_one_is_granted_each_push(workers: Workers) -> None:
    """All others are told that it is held."""
    ledgers = [workers.one() for _ in range(8)]
    with ThreadPoolExecutor(16) as threads:
        tries = [(ledger, key) for key in KEYS for ledger in ledgers]
        claims = list(threads.map(lambda pair: (pair[1], pair[0].claim(pair[1], 30)), tries))
    assert Counter(key for key, claim in claims if claim is Claim.GRANTED) == Counter(KEYS)
    assert {claim for _, claim in claims} == {Claim.GRANTED, Claim.HELD}


def test_of_many_processes_exactly_one_is_granted_each_push(workers: Workers) -> None:
    """Each races through all of them."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        3, mp_context=context, initializer=race_from, initargs=(context.Barrier(3),)
    ) as processes:
        racing = [processes.submit(claim_all, workers.table.name, KEYS) for _ in range(3)]
        granted = [key for race in racing for key in race.result()]
    assert sorted(granted) == sorted(KEYS)


@pytest.mark.parametrize(
    ("after", "claim"), [(1.0, Claim.HELD), (30.5, Claim.HELD), (31.05, Claim.HELD), (32.0, Claim.GRANTED)]
)
def test_a_claim_is_taken_over_when_its_lease_has_ended(workers: Workers, after: float, claim: Claim) -> None:
    """And not a moment before, whatever part of a second the clocks show, and if they differ by two."""
    workers.clock.time = 1_800_000_000.9
    assert workers.one().claim("k", 28.2) is Claim.GRANTED
    workers.clock.time = 1_800_000_000.0 + after
    assert workers.one().claim("k", 30) is claim


def settled(ledger: DynamoDbLedger) -> None:
    """Settle the push."""
    ledger.settle("k", Outcome.DELIVERED)


def parked(ledger: DynamoDbLedger) -> None:
    """Give the push back."""
    ledger.release("k", PARKED)


@pytest.mark.parametrize("end", [settled, parked])
def test_who_has_lost_a_claim_cannot_end_it(workers: Workers, end: Callable[[DynamoDbLedger], None]) -> None:
    """Its successor is at work."""
    late, successor = workers.one(), workers.one()
    late.claim("k", 30)
    workers.clock.time += 33
    successor.claim("k", 30)
    end(late)
    assert workers.one().claim("k", 30) is Claim.HELD
    successor.settle("k", Outcome.DELIVERED)
    assert workers.one().claim("k", 30) is Claim.SETTLED


@pytest.mark.parametrize("end", [settled, parked])
def test_who_has_no_claim_writes_nothing(workers: Workers, end: Callable[[DynamoDbLedger], None]) -> None:
    """Not even an item."""
    end(workers.one())
    assert workers.item() == {}


def test_a_push_that_is_given_back_is_free_at_once_and_says_what_it_waits_for(workers: Workers) -> None:
    """By code, source and event; nothing of its content."""
    ledger = workers.one()
    ledger.claim("k", 30)
    ledger.release("k", PARKED)
    item = workers.item()
    told = {name: next(iter(value.values())) for name, value in item.items()}
    now = int(workers.clock.now())
    assert told == {
        "pk": "push#k",
        "status": "parked",
        "source": "bakery",
        "event_id": "e-1",
        "error_code": "vendor_throttled",
        "since": str(now),
        "expires_at": str(now + LEDGER_MEMORY_SECS),
    }
    assert workers.one().claim("k", 30) is Claim.GRANTED
    assert set(workers.item()) == {"pk", "status", "owner", "lease_until", "expires_at"}


def test_what_is_parked_is_forgotten_and_nothing_else(workers: Workers) -> None:
    """As if its time had come; whoever claims it, or has settled it, is not disturbed."""
    ledger = workers.one()
    ledger.clear_parked("k")
    assert workers.item() == {}
    ledger.claim("k", 30)
    ledger.clear_parked("k")
    assert workers.one().claim("k", 30) is Claim.HELD
    ledger.release("k", PARKED)
    ledger.clear_parked("k")
    assert workers.item()["expires_at"]["N"] == str(int(workers.clock.now()))
    assert ledger.claim("k", 30) is Claim.GRANTED
    ledger.settle("k", Outcome.DELIVERED)
    ledger.clear_parked("k")
    assert workers.one().claim("k", 30) is Claim.SETTLED


@pytest.mark.parametrize("outcome", [Outcome.DELIVERED, Outcome.FAILED])
def test_what_is_settled_is_remembered_until_its_time_has_passed(workers: Workers, outcome: Outcome) -> None:
    """Whether or not DynamoDB has deleted it by then: it does so within days."""
    ledger = workers.one()
    ledger.claim("k", 30)
    ledger.settle("k", outcome)
    workers.clock.time += LEDGER_MEMORY_SECS - 1
    remembered = Claim.FAILED if outcome is Outcome.FAILED else Claim.SETTLED
    assert workers.one().claim("k", 30) is remembered
    workers.clock.time += 1
    assert workers.one().claim("k", 30) is Claim.GRANTED


@pytest.mark.parametrize(
    ("outcome", "replay", "claim"),
    [
        (Outcome.FAILED, Replay.NO, Claim.FAILED),
        (Outcome.FAILED, Replay.FAILED, Claim.GRANTED),
        (Outcome.FAILED, Replay.ALL, Claim.GRANTED),
        (Outcome.DELIVERED, Replay.NO, Claim.SETTLED),
        (Outcome.DELIVERED, Replay.FAILED, Claim.SETTLED),
        (Outcome.DELIVERED, Replay.ALL, Claim.GRANTED),
        (BATCHED, Replay.FAILED, Claim.SETTLED),
        (BATCHED, Replay.ALL, Claim.GRANTED),
    ],
)
def test_a_replay_takes_what_it_may(workers: Workers, outcome: str, replay: Replay, claim: Claim) -> None:
    """What failed; what was delivered, or gathered into a digest, only by force."""
    ledger = workers.one()
    ledger.claim("k", 30)
    ledger.settle("k", outcome)
    assert workers.one().claim("k", 30, replay) is claim


@pytest.mark.parametrize("status", [Outcome.FAILED, Outcome.DELIVERED, BATCHED])
def test_a_replay_overrules_an_end_once_whatever_came_in_between(workers: Workers, status: str) -> None:
    """What ends a second time stays, until somebody asks again; being gathered is an end too."""
    for name in ("one", "two"):
        ledger = workers.one()
        ledger.claim("k", 30, Replay.ALL, name)
        ledger.release("k", PARKED)
        assert ledger.claim("k", 30, Replay.ALL, name) is Claim.GRANTED
        ledger.settle("k", status)
        ended = Claim.FAILED if status == Outcome.FAILED else Claim.SETTLED
        assert workers.one().claim("k", 30, Replay.ALL, name) is ended
    assert workers.one().claim("k", 30, Replay.FAILED, "three") is (
        Claim.GRANTED if status == Outcome.FAILED else Claim.SETTLED
    )


def test_calls_of_unknown_fate_are_counted_until_the_push_is_settled(workers: Workers) -> None:
    """Parking keeps the count, and so does the death of a worker that holds the claim."""
    assert workers.one().count_unknown("k") == 1
    assert workers.item() == {}
    for count in (1, 2):
        ledger = workers.one()
        assert ledger.claim("k", 30) is Claim.GRANTED
        assert ledger.count_unknown("k") == count
        ledger.release("k", PARKED)
    workers.one().claim("k", 30)
    workers.clock.time += 33
    successor = workers.one()
    successor.claim("k", 30)
    assert successor.count_unknown("k") == 3
    successor.settle("k", Outcome.FAILED, "delivery_held")
    assert "unknown_sends" not in workers.item()
    replay = workers.one()
    replay.claim("k", 30, Replay.FAILED, "one")
    assert replay.count_unknown("k") == 1


def test_a_parked_push_that_is_forgotten_has_no_count(workers: Workers) -> None:
    """If its sender sends the same event again, it is a new push."""
    ledger = workers.one()
    ledger.claim("k", 30)
    ledger.count_unknown("k")
    ledger.release("k", PARKED)
    ledger.clear_parked("k")
    assert ledger.claim("k", 30) is Claim.GRANTED
    assert ledger.count_unknown("k") == 1


def test_a_failure_is_remembered_with_its_cause(workers: Workers) -> None:
    """For the worker that comes after one which died before it could dead-letter the push."""
    ledger = workers.one()
    ledger.claim("k", 30)
    ledger.settle("k", Outcome.FAILED, "vendor_rejected")
    assert workers.one().error_code_of("k") == "vendor_rejected"


@pytest.mark.parametrize("replay", Replay)
def test_no_replay_takes_what_a_worker_holds(workers: Workers, replay: Replay) -> None:
    """However much a person wants it; of many replays at once one is granted."""
    workers.one().claim("k", 30)
    assert workers.one().claim("k", 30, replay) is Claim.HELD
    workers.clock.time += 33
    with ThreadPoolExecutor(8) as threads:
        claims = list(threads.map(lambda _: workers.one().claim("k", 30, replay), range(8)))
    assert Counter(claims) == {Claim.GRANTED: 1, Claim.HELD: 7}


@pytest.mark.parametrize("end", [Outcome.DELIVERED, Outcome.FAILED, BATCHED])
@pytest.mark.parametrize(
    ("forget_before", "is_free"), [(-60.0, False), (0.0, False), (0.9, False), (1.0, True)]
)
def test_what_was_settled_before_a_moment_is_free(
    workers: Workers,
    end: str,
    forget_before: float,
    is_free: bool,  # noqa: FBT001
) -> None:
    """The event arrived that long after the settlement that it is another one, whatever the push ended as."""
    ledger = workers.one()
    ledger.claim("k", 30)
    ledger.settle("k", end)
    settled_at = int(workers.clock.now())
    workers.clock.time += 3600
    remembered = Claim.FAILED if end == Outcome.FAILED else Claim.SETTLED
    claim = workers.one().claim("k", 30, forget_before=settled_at + forget_before)
    assert claim is (Claim.GRANTED if is_free else remembered)


def test_what_a_worker_holds_is_never_another_events(workers: Workers) -> None:
    """It is not settled, however late the other event arrived. When it is, it is as new as its settlement."""
    first = workers.one()
    first.claim("k", 30)
    late = workers.clock.now() + 86_400
    assert workers.one().claim("k", 30, forget_before=late) is Claim.HELD
    first.settle("k", Outcome.DELIVERED)
    workers.clock.time += 3600
    second = workers.one()
    assert second.claim("k", 30, forget_before=workers.clock.now() - 60) is Claim.GRANTED
    assert workers.one().claim("k", 30, forget_before=workers.clock.now()) is Claim.HELD
    second.settle("k", Outcome.DELIVERED)
    assert workers.one().claim("k", 30, forget_before=workers.clock.now() - 60) is Claim.SETTLED


def test_of_many_workers_one_is_granted_what_is_forgotten(workers: Workers) -> None:
    """The condition and the claim are one write."""
    ledger = workers.one()
    ledger.claim("k", 30)
    ledger.settle("k", Outcome.DELIVERED)
    workers.clock.time += 3600
    before = workers.clock.now() - 60
    with ThreadPoolExecutor(8) as threads:
        claims = list(threads.map(lambda _: workers.one().claim("k", 30, forget_before=before), range(8)))
    assert Counter(claims) == {Claim.GRANTED: 1, Claim.HELD: 7}


def test_a_persons_view_of_the_ledger_forgets_what_the_relay_forgets(workers: Workers) -> None:
    """The dry run of a replay foretells what the claim would be."""
    ledger = workers.one()
    ledger.claim("k", 30)
    reader = LedgerReader(aws.dynamodb(), workers.table.name, workers.clock.now)
    assert reader.status("k", workers.clock.now() + 86_400) == "claimed"
    ledger.settle("k", Outcome.DELIVERED)
    settled_at = int(workers.clock.now())
    assert reader.status("k") == reader.status("k", settled_at) == "delivered"
    assert reader.status("k", settled_at + 1) is None

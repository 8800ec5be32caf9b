"""Windows of digests on a real DynamoDB: a push lies in one of them, and what has closed stays so."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from fakes import Clock
from local_aws import LocalAws
from push_relay.adapters.dynamodb.batches import KEPT, DynamoDbBatches
from push_relay.adapters.dynamodb.ledger import DynamoDbLedger
from push_relay.adapters.dynamodb.table import Item, LedgerTable, text
from push_relay.core.delivery.batching import Added, BatchedPush, Window
from push_relay.core.delivery.sender import Claim
from push_relay.core.errors import ClaimHeld
from push_relay.core.outcomes import Outcome
from push_relay.core.push import BATCHED, Receipt, Recipient, RecipientKind, Wording

DUE = 1_800_000_300.0
WINDOW = Window("w", Recipient(RecipientKind.EMAIL, "ada@example.com"), DUE, high=True)
ENTRY = BatchedPush("k", "bakery", "e-1", "c-1", Wording("Bread", "wärm \U0001f35e", sound=True))
PARKED = Receipt("bakery", "e-1", Outcome.PARKED, error_code="queue_unavailable")


def numbered(number: int, body: str = "warm") -> BatchedPush:
    """Return an entry of its own."""
    return replace(ENTRY, key=f"k-{number:03}", event_id=f"e-{number}", wording=Wording("Bread", body))


class Workers:
    """Workers that share a table and a clock, each with a ledger and windows of its own."""

    def __init__(self, table: LedgerTable) -> None:
        """Stop the clock."""
        self.table, self.clock = table, Clock()

    def windows(self) -> DynamoDbBatches:
        """Return a worker's windows."""
        return DynamoDbBatches(self.table, self.clock.now)

    def ledger(self) -> DynamoDbLedger:
        """Return a worker's ledger."""
        return DynamoDbLedger(self.table, self.clock.now)

    def item(self, name: str = "digest#w") -> Item:
        """Return what the table holds of a window, or of a push."""
        return self.table.get(Key={"pk": text(name)})


@pytest.fixture
def workers(local_stores: LocalAws) -> Workers:
    """Return workers with a table of their own."""
    return Workers(local_stores.table())


def test_what_is_gathered_comes_out_as_it_went_in(workers: Workers) -> None:
    """With its window; and again when it is closed again."""
    assert workers.windows().add(WINDOW, ENTRY) is Added.UNSCHEDULED
    assert workers.windows().close("w") == (WINDOW, [ENTRY])
    workers.clock.time += 1000
    assert workers.windows().close("w") == (WINDOW, [ENTRY])


def test_a_window_is_kept_as_long_as_its_end_may_wait(workers: Workers) -> None:
    """Until its TTL ends, which counts from when it is due."""
    workers.windows().add(WINDOW, ENTRY)
    assert workers.item()["expires_at"] == {"N": str(int(DUE) + KEPT)}


def test_an_entry_is_added_once(workers: Workers) -> None:
    """Whoever adds it again is told the same, and it takes no more room."""
    workers.windows().add(WINDOW, ENTRY)
    taken = workers.item()["gathered_bytes"]
    again = replace(ENTRY, wording=Wording("Bread", "in other words"))
    assert workers.windows().add(WINDOW, again) is Added.UNSCHEDULED
    assert workers.item()["gathered_bytes"] == taken
    assert workers.windows().close("w") == (WINDOW, [ENTRY])


def test_who_comes_when_the_end_is_scheduled_is_told(workers: Workers) -> None:
    """And who added before that too, when asking again."""
    workers.windows().add(WINDOW, ENTRY)
    workers.windows().scheduled(WINDOW)
    assert workers.windows().add(WINDOW, numbered(1)) is Added.SCHEDULED
    assert workers.windows().add(WINDOW, ENTRY) is Added.SCHEDULED


def test_a_closed_window_lets_nothing_in(workers: Workers) -> None:
    """And tells whose push lies inside that it does."""
    workers.windows().add(WINDOW, ENTRY)
    workers.windows().close("w")
    assert workers.windows().add(WINDOW, numbered(1)) is Added.CLOSED
    assert workers.windows().add(WINDOW, ENTRY) is Added.SCHEDULED
    assert workers.windows().close("w") == (WINDOW, [ENTRY])


def test_where_nothing_was_gathered_there_is_no_window(workers: Workers) -> None:
    """To look for one makes none."""
    assert workers.windows().close("w") is None
    assert workers.item() == {}


def test_many_at_once_are_all_gathered(workers: Workers) -> None:
    """Each once, however often it is added."""
    entries = [numbered(number) for number in range(30)]
    with ThreadPoolExecutor(8) as threads:
        added = list(threads.map(lambda entry: workers.windows().add(WINDOW, entry), entries * 2))
    assert set(added) == {Added.UNSCHEDULED}
    assert workers.windows().close("w") == (WINDOW, entries)


def test_what_is_added_while_a_window_closes_lies_in_it_or_is_told_otherwise(workers: Workers) -> None:
    """Nobody is told that a push is gathered which the digest leaves out, nor the other way round."""
    entries = [numbered(number) for number in range(30)]
    workers.windows().add(WINDOW, ENTRY)
    with ThreadPoolExecutor(8) as threads:
        adding = [threads.submit(workers.windows().add, WINDOW, entry) for entry in entries[:15]]
        closing = threads.submit(workers.windows().close, "w")
        adding += [threads.submit(workers.windows().add, WINDOW, entry) for entry in entries[15:]]
    told = {entry.key: future.result() for entry, future in zip(entries, adding, strict=True)}
    _, gathered = closing.result() or (None, [])
    inside = {entry.key for entry in gathered} - {ENTRY.key}
    assert inside == {key for key, added in told.items() if added is not Added.CLOSED}


# --- the ledger's part: which window a push is bound to ---------------------------------------------------


def claimed(workers: Workers) -> DynamoDbLedger:
    """Let a new worker claim the push."""
    ledger = workers.ledger()
    assert ledger.claim("k", 30) is Claim.GRANTED
    return ledger


def test_the_window_of_a_push_outlives_its_worker(workers: Workers) -> None:
    """Killed, or parked: the first one stands, until it is given up for another."""
    assert claimed(workers).note_window("k", "first") == "first"
    workers.clock.time += 40
    ledger = claimed(workers)
    assert ledger.note_window("k", "second") == "first"
    ledger.release("k", PARKED)
    ledger = claimed(workers)
    assert ledger.note_window("k", "third") == "first"
    assert ledger.note_window("k", "third", again=True) == "third"
    assert ledger.note_window("k", "fourth") == "third"


def test_the_window_of_a_push_is_forgotten_when_it_is_settled(workers: Workers) -> None:
    """What comes again when the ledger has forgotten it is gathered anew."""
    ledger = claimed(workers)
    ledger.note_window("k", "first")
    ledger.settle("k", BATCHED)
    assert workers.ledger().claim("k", 30) is Claim.SETTLED
    assert set(workers.item("push#k")) == {"pk", "status", "since", "expires_at"}


@pytest.mark.parametrize("again", [False, True])
def test_who_has_lost_a_claim_chooses_no_window(workers: Workers, again: bool) -> None:  # noqa: FBT001
    """Its successor does."""
    late = claimed(workers)
    workers.clock.time += 40
    successor = claimed(workers)
    with pytest.raises(ClaimHeld):
        late.note_window("k", "late", again=again)
    assert successor.note_window("k", "mine") == "mine"


def test_of_many_workers_one_binds_a_push(workers: Workers) -> None:
    """All others are told that the claim is not theirs."""

    def bind(number: int) -> str:
        ledger = workers.ledger()
        ledger.claim("k", 30)
        try:
            return ledger.note_window("k", f"window-{number}")
        except ClaimHeld:
            return "held"

    with ThreadPoolExecutor(8) as threads:
        bound = Counter(threads.map(bind, range(8)))
    assert bound["held"] == 7

"""The contract of a ledger: the one in DynamoDB, and the one in memory that other tests use.

A test class inherits the contract, and a fixture `workers` starts the workers that share a ledger.
"""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import pytest

from ledger_calls import claim_one, park_one
from ports import Clock
from push_relay.core.delivery.ledger import LEDGER_MEMORY_SECS, Claim
from push_relay.core.errors import ClaimHeld
from push_relay.core.event import Replay
from push_relay.core.outcomes import Outcome
from push_relay.core.push import BATCHED, Receipt

PARKED = Receipt("bakery", "e-1", Outcome.PARKED, error_code="vendor_throttled")
KEYS = [f"key-{n}" for n in range(20)]
#: Seconds after which the lease of `claimed` has ended.
LEASE_ENDED_SECS = 33.0


class Workers(Protocol):
    """Workers that share a ledger and a clock."""

    clock: Clock

    def one(self) -> Any:
        """Start a worker, and return its ledger."""
        ...


def claimed(workers: Workers) -> Any:
    """Let a new worker claim the push, and return its ledger."""
    ledger = workers.one()
    assert claim_one(ledger, "k", 30) is Claim.GRANTED
    return ledger


def settled(ledger: Any) -> None:
    """Settle the push."""
    ledger.settle("k", Outcome.DELIVERED)


def parked(ledger: Any) -> None:
    """Park the push."""
    park_one(ledger, "k", PARKED)


class LedgerContract:
    """The cases that each ledger has to pass."""

    # --- claims -------------------------------------------------------------------------------------

    def test_of_many_threads_exactly_one_is_granted_each_push(self, workers: Workers) -> None:
        """The others learn that another worker holds the claim."""
        ledgers = [workers.one() for _ in range(8)]
        with ThreadPoolExecutor(16) as threads:
            tries = [(ledger, key) for key in KEYS for ledger in ledgers]
            claims = list(threads.map(lambda pair: (pair[1], claim_one(pair[0], pair[1], 30)), tries))
        assert Counter(key for key, claim in claims if claim is Claim.GRANTED) == Counter(KEYS)
        assert {claim for _, claim in claims} == {Claim.GRANTED, Claim.HELD}

    @pytest.mark.parametrize(
        ("after", "claim"),
        [(1.0, Claim.HELD), (30.5, Claim.HELD), (31.05, Claim.HELD), (32.0, Claim.GRANTED)],
    )
    def test_a_claim_can_be_taken_over_when_its_lease_has_ended(
        self, workers: Workers, after: float, claim: Claim
    ) -> None:
        """It must not be taken over earlier, even if the clocks of two workers differ by two seconds."""
        workers.clock.time = 1_800_000_000.9
        assert claim_one(workers.one(), "k", 28.2) is Claim.GRANTED
        workers.clock.time = 1_800_000_000.0 + after
        assert claim_one(workers.one(), "k", 30) is claim

    @pytest.mark.parametrize("end", [settled, parked])
    def test_a_worker_that_has_lost_its_claim_cannot_end_it(
        self, workers: Workers, end: Callable[[Any], None]
    ) -> None:
        """Its successor may be sending the push."""
        late = claimed(workers)
        workers.clock.time += LEASE_ENDED_SECS
        successor = claimed(workers)
        end(late)
        assert claim_one(workers.one(), "k", 30) is Claim.HELD
        successor.settle("k", Outcome.DELIVERED)
        assert claim_one(workers.one(), "k", 30) is Claim.SETTLED

    @pytest.mark.parametrize("end", [settled, parked])
    def test_a_worker_without_a_claim_records_nothing(
        self, workers: Workers, end: Callable[[Any], None]
    ) -> None:
        """The push can be claimed as if it were unknown."""
        end(workers.one())
        assert claim_one(workers.one(), "k", 30) is Claim.GRANTED

    # --- the end of a push --------------------------------------------------------------------------

    @pytest.mark.parametrize("outcome", [Outcome.DELIVERED, Outcome.FAILED])
    def test_a_settled_push_is_remembered_until_its_time_has_passed(
        self, workers: Workers, outcome: Outcome
    ) -> None:
        """DynamoDB deletes it days later, so the ledger itself looks at the time."""
        ledger = claimed(workers)
        ledger.settle("k", outcome)
        workers.clock.time += LEDGER_MEMORY_SECS - 1
        remembered = Claim.FAILED if outcome is Outcome.FAILED else Claim.SETTLED
        assert claim_one(workers.one(), "k", 30) is remembered
        workers.clock.time += 1
        assert claim_one(workers.one(), "k", 30) is Claim.GRANTED

    def test_a_failure_is_remembered_with_its_cause(self, workers: Workers) -> None:
        """A worker that died before it could dead-letter the push has a successor that does so."""
        claimed(workers).settle("k", Outcome.FAILED, "vendor_rejected")
        assert workers.one().error_code_of("k") == "vendor_rejected"

    def test_a_push_without_an_error_has_no_error_code(self, workers: Workers) -> None:
        """This holds for an unknown push and for a delivered one, even if it was parked before."""
        assert workers.one().error_code_of("k") == ""
        park_one(claimed(workers), "k", PARKED)
        claimed(workers).settle("k", Outcome.DELIVERED)
        assert workers.one().error_code_of("k") == ""

    def test_a_parked_push_can_be_claimed_at_once(self, workers: Workers) -> None:
        """Any worker may try it again."""
        park_one(claimed(workers), "k", PARKED)
        assert claim_one(workers.one(), "k", 30) is Claim.GRANTED

    def test_only_a_parked_push_is_cleared(self, workers: Workers) -> None:
        """The ledger forgets it as if its time had passed. Claimed and settled pushes are not affected."""
        ledger = workers.one()
        ledger.clear_parked("k")
        claim_one(ledger, "k", 30)
        ledger.clear_parked("k")
        assert claim_one(workers.one(), "k", 30) is Claim.HELD
        park_one(ledger, "k", PARKED)
        ledger.clear_parked("k")
        assert claim_one(ledger, "k", 30) is Claim.GRANTED
        ledger.settle("k", Outcome.DELIVERED)
        ledger.clear_parked("k")
        assert claim_one(workers.one(), "k", 30) is Claim.SETTLED

    # --- replays ------------------------------------------------------------------------------------

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
    def test_a_replay_claims_pushes_by_their_status(
        self, workers: Workers, outcome: str, replay: Replay, claim: Claim
    ) -> None:
        """They are failed pushes, and if a person forces the replay, delivered and batched ones too."""
        claimed(workers).settle("k", outcome)
        assert claim_one(workers.one(), "k", 30, replay) is claim

    @pytest.mark.parametrize("status", [Outcome.FAILED, Outcome.DELIVERED, BATCHED])
    def test_a_replay_overrules_a_settlement_once(self, workers: Workers, status: str) -> None:
        """If its message arrives again after the push was settled again, the push is not sent once more."""
        for name in ("one", "two"):
            ledger = workers.one()
            claim_one(ledger, "k", 30, Replay.ALL, name)
            park_one(ledger, "k", PARKED)
            assert claim_one(ledger, "k", 30, Replay.ALL, name) is Claim.GRANTED
            ledger.settle("k", status)
            ended = Claim.FAILED if status == Outcome.FAILED else Claim.SETTLED
            assert claim_one(workers.one(), "k", 30, Replay.ALL, name) is ended
        assert claim_one(workers.one(), "k", 30, Replay.FAILED, "three") is (
            Claim.GRANTED if status == Outcome.FAILED else Claim.SETTLED
        )

    @pytest.mark.parametrize("replay", Replay)
    def test_a_replay_never_takes_over_a_workers_claim(self, workers: Workers, replay: Replay) -> None:
        """When the lease has ended, one of many replays is granted the claim."""
        claim_one(workers.one(), "k", 30)
        assert claim_one(workers.one(), "k", 30, replay) is Claim.HELD
        workers.clock.time += LEASE_ENDED_SECS
        with ThreadPoolExecutor(8) as threads:
            claims = list(threads.map(lambda _: claim_one(workers.one(), "k", 30, replay), range(8)))
        assert Counter(claims) == {Claim.GRANTED: 1, Claim.HELD: 7}

    # --- calls of unknown fate ----------------------------------------------------------------------

    def test_calls_of_unknown_fate_are_counted_until_the_push_is_settled(self, workers: Workers) -> None:
        """The count survives parking, and the death of the worker that holds the claim."""
        assert workers.one().count_unknown("k") == 1
        for count in (1, 2):
            ledger = claimed(workers)
            assert ledger.count_unknown("k") == count
            park_one(ledger, "k", PARKED)
        claimed(workers)
        workers.clock.time += LEASE_ENDED_SECS
        successor = claimed(workers)
        assert successor.count_unknown("k") == 3
        successor.settle("k", Outcome.FAILED, "delivery_held")
        replay = workers.one()
        claim_one(replay, "k", 30, Replay.FAILED, "one")
        assert replay.count_unknown("k") == 1

    def test_a_cleared_push_has_no_count(self, workers: Workers) -> None:
        """If its sender sends the same event again, that is a new push."""
        ledger = claimed(workers)
        ledger.count_unknown("k")
        park_one(ledger, "k", PARKED)
        ledger.clear_parked("k")
        assert claimed(workers).count_unknown("k") == 1

    # --- sources whose identities are used again ----------------------------------------------------

    @pytest.mark.parametrize("end", [Outcome.DELIVERED, Outcome.FAILED, BATCHED])
    @pytest.mark.parametrize(
        ("forget_before", "is_free"), [(-60.0, False), (0.0, False), (0.9, False), (1.0, True)]
    )
    def test_a_push_that_was_settled_before_a_moment_is_free(
        self,
        workers: Workers,
        end: str,
        forget_before: float,
        is_free: bool,  # noqa: FBT001
    ) -> None:
        """The event arrived so long after the settlement that it is another one."""
        claimed(workers).settle("k", end)
        settled_at = int(workers.clock.now())
        workers.clock.time += 3600
        remembered = Claim.FAILED if end == Outcome.FAILED else Claim.SETTLED
        claim = claim_one(workers.one(), "k", 30, forget_before=settled_at + forget_before)
        assert claim is (Claim.GRANTED if is_free else remembered)

    def test_a_claimed_push_is_never_another_events(self, workers: Workers) -> None:
        """A claimed push is not settled, however late the other event arrived."""
        first = claimed(workers)
        late = workers.clock.now() + 86_400
        assert claim_one(workers.one(), "k", 30, forget_before=late) is Claim.HELD
        first.settle("k", Outcome.DELIVERED)
        workers.clock.time += 3600
        second = workers.one()
        assert claim_one(second, "k", 30, forget_before=workers.clock.now() - 60) is Claim.GRANTED
        assert claim_one(workers.one(), "k", 30, forget_before=workers.clock.now()) is Claim.HELD
        second.settle("k", Outcome.DELIVERED)
        assert claim_one(workers.one(), "k", 30, forget_before=workers.clock.now() - 60) is Claim.SETTLED

    def test_of_many_workers_one_is_granted_a_push_that_is_free_again(self, workers: Workers) -> None:
        """The condition and the claim are one step."""
        claimed(workers).settle("k", Outcome.DELIVERED)
        workers.clock.time += 3600
        before = workers.clock.now() - 60
        with ThreadPoolExecutor(8) as threads:
            ledgers = [workers.one() for _ in range(8)]
            claims = list(threads.map(lambda each: claim_one(each, "k", 30, forget_before=before), ledgers))
        assert Counter(claims) == {Claim.GRANTED: 1, Claim.HELD: 7}

    # --- the batch window of a push -----------------------------------------------------------------

    def test_the_window_of_a_push_outlives_its_worker(self, workers: Workers) -> None:
        """The first window is kept until it is explicitly replaced by another."""
        assert claimed(workers).note_window("k", "first") == "first"
        workers.clock.time += LEASE_ENDED_SECS
        ledger = claimed(workers)
        assert ledger.note_window("k", "second") == "first"
        park_one(ledger, "k", PARKED)
        ledger = claimed(workers)
        assert ledger.note_window("k", "third") == "first"
        assert ledger.note_window("k", "third", overwrite=True) == "third"
        assert ledger.note_window("k", "fourth") == "third"

    def test_the_window_of_a_push_is_forgotten_when_it_is_settled(self, workers: Workers) -> None:
        """If the event arrives again after that, it goes into a new window."""
        ledger = claimed(workers)
        ledger.note_window("k", "first")
        ledger.settle("k", BATCHED)
        assert claim_one(workers.one(), "k", 30) is Claim.SETTLED
        workers.clock.time += LEDGER_MEMORY_SECS
        assert claimed(workers).note_window("k", "second") == "second"

    @pytest.mark.parametrize("overwrite", [False, True])
    def test_a_worker_that_has_lost_its_claim_records_no_window(
        self,
        workers: Workers,
        overwrite: bool,  # noqa: FBT001
    ) -> None:
        """Its successor decides which window the push goes into."""
        late = claimed(workers)
        workers.clock.time += LEASE_ENDED_SECS
        successor = claimed(workers)
        with pytest.raises(ClaimHeld):
            late.note_window("k", "late", overwrite=overwrite)
        assert successor.note_window("k", "mine") == "mine"

    def test_of_many_workers_one_records_the_window(self, workers: Workers) -> None:
        """The others learn that the claim is not theirs."""

        def note(number: int) -> str:
            ledger = workers.one()
            claim_one(ledger, "k", 30)
            try:
                return str(ledger.note_window("k", f"window-{number}"))
            except ClaimHeld:
                return "held"

        with ThreadPoolExecutor(8) as threads:
            noted = Counter(threads.map(note, range(8)))
        assert noted["held"] == 7

"""The contract of a ledger's groups: claims and ends of claims that are written together.

A test class inherits the contract, and a fixture `workers` starts the workers that share a ledger.
"""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from contracts.ledger import KEYS, LEASE_ENDED_SECS, PARKED, Workers, claimed
from ledger_calls import claim_all, end_all, park_one
from push_relay.core.delivery.ledger import PARKED as PARKED_STATUS
from push_relay.core.delivery.ledger import Claim, Claimed, ClaimRequest, Settlement
from push_relay.core.event import Replay
from push_relay.core.outcomes import Outcome
from push_relay.core.push import BATCHED


def group(ledger: Any, *keys: str, **more: Any) -> list[Any]:
    """Claim pushes in one group, and return the answers."""
    return claim_all(ledger, [ClaimRequest(key, 30, **more) for key in keys])


def claims(answers: list[Any]) -> list[Claim]:
    """Return the answers without their details."""
    assert all(isinstance(answer, Claimed) for answer in answers), answers
    return [answer.claim for answer in answers]


def end(ledger: Any, *settlements: Settlement) -> None:
    """End claims in one group, without an error."""
    assert end_all(ledger, settlements) == [None] * len(settlements)


class LedgerGroupContract:
    """The cases of groups that each ledger has to pass."""

    def test_each_push_of_a_group_is_granted_to_one_worker(self, workers: Workers) -> None:
        """The group is larger than one call of DynamoDB."""
        keys = [f"key-{n}" for n in range(60)]
        first, second = workers.one(), workers.one()
        answers = group(first, *keys)
        assert claims(answers) == [Claim.GRANTED] * 60
        assert len({answer.owner for answer in answers}) == 60
        assert group(second, *keys) == [Claimed(Claim.HELD)] * 60
        end(first, *(Settlement(key, Outcome.DELIVERED) for key in keys))
        assert group(second, *keys) == [Claimed(Claim.SETTLED)] * 60

    def test_an_empty_group_needs_nothing(self, workers: Workers) -> None:
        """A batch may consist of pushes that are not claimed."""
        assert claim_all(workers.one(), []) == end_all(workers.one(), []) == []

    def test_each_claim_of_a_group_has_its_own_answer(self, workers: Workers) -> None:
        """A push that cannot be claimed does not affect its neighbours."""
        other = workers.one()
        group(other, "held", "parked", "delivered", "failed", "batched", "abandoned")
        end(
            other,
            Settlement("parked", PARKED_STATUS, "vendor_throttled", "bakery", "e-1"),
            Settlement("delivered", Outcome.DELIVERED),
            Settlement("failed", Outcome.FAILED, "vendor_rejected"),
            Settlement("batched", BATCHED),
        )
        workers.clock.time += LEASE_ENDED_SECS
        group(other, "held")
        answers = group(workers.one(), "new", "held", "parked", "delivered", "failed", "batched", "abandoned")
        assert claims(answers) == [
            *(Claim.GRANTED, Claim.HELD, Claim.GRANTED, Claim.SETTLED, Claim.FAILED, Claim.SETTLED),
            Claim.GRANTED,
        ]
        assert [answer.error_code for answer in answers] == ["", "", "", "", "vendor_rejected", "", ""]
        assert [bool(answer.owner) for answer in answers] == [
            answer.claim is Claim.GRANTED for answer in answers
        ]

    def test_each_claim_of_a_group_overrules_what_its_own_event_may(self, workers: Workers) -> None:
        """One is a replay, one arrived long after the settlement, and one is neither."""
        other = workers.one()
        group(other, "a", "b", "c", "d")
        end(other, *(Settlement(key, Outcome.DELIVERED) for key in "abcd"))
        workers.clock.time += 3600
        late = workers.clock.now() - 60
        requests = [
            ClaimRequest("a", 30, Replay.ALL, "one"),
            ClaimRequest("b", 30, forget_before=late),
            ClaimRequest("c", 30),
            ClaimRequest("d", 30, Replay.FAILED, "one"),
        ]
        answers = claim_all(workers.one(), requests)
        assert claims(answers) == [Claim.GRANTED, Claim.GRANTED, Claim.SETTLED, Claim.SETTLED]

    @pytest.mark.parametrize("before", ["unknown", "parked", "abandoned"])
    def test_of_two_claims_of_a_push_in_one_group_one_is_granted(self, workers: Workers, before: str) -> None:
        """Two messages of one batch may be about the same push. The worker sends it once."""
        if before != "unknown":
            other = claimed(workers)
            workers.clock.time += LEASE_ENDED_SECS if before == "abandoned" else 0
            if before == "parked":
                park_one(other, "k", PARKED)
        ledger = workers.one()
        answers = group(ledger, "a", "k", "b", "k", "k")
        assert claims([answers[0], answers[2]]) == [Claim.GRANTED] * 2
        same = [answers[1], answers[3], answers[4]]
        assert Counter(claims(same)) == {Claim.GRANTED: 1, Claim.HELD: 2}
        ledger.settle("k", Outcome.DELIVERED)
        assert group(workers.one(), "k", "k") == [Claimed(Claim.SETTLED)] * 2

    @pytest.mark.parametrize("status", ["", PARKED_STATUS, Outcome.DELIVERED])
    def test_of_many_groups_one_is_granted_each_push(self, workers: Workers, status: str) -> None:
        """The groups overlap, in different orders, and each has one push twice."""
        if status:
            holder = workers.one()
            group(holder, *KEYS)
            end(holder, *(Settlement(key, status) for key in KEYS))
            workers.clock.time += 3600
        before = workers.clock.now() - 60
        orders = [[*KEYS[n:], *KEYS[:n], KEYS[n]] for n in range(4)] + [[*reversed(KEYS), KEYS[3]]] * 4

        def race(keys: list[str]) -> list[tuple[str, Claim]]:
            answers = group(workers.one(), *keys, forget_before=before)
            return list(zip(keys, claims(answers), strict=True))

        with ThreadPoolExecutor(8) as threads:
            raced = [pair for pairs in threads.map(race, orders) for pair in pairs]
        assert Counter(key for key, claim in raced if claim is Claim.GRANTED) == Counter(KEYS)
        assert {claim for _, claim in raced} == {Claim.GRANTED, Claim.HELD}

    # --- the claims of one worker -------------------------------------------------------------------

    @pytest.mark.parametrize("status", [Outcome.DELIVERED, PARKED_STATUS])
    def test_a_late_end_does_not_change_a_later_claim_of_the_same_worker(
        self, workers: Workers, status: str
    ) -> None:
        """An invocation may still be writing when the next one of its process has claimed the push again."""
        ledger = workers.one()
        (late,) = group(ledger, "k")
        workers.clock.time += LEASE_ENDED_SECS
        (later,) = group(ledger, "k")
        assert later.claim is Claim.GRANTED
        end(ledger, Settlement("k", status, owner=late.owner))
        assert group(workers.one(), "k") == [Claimed(Claim.HELD)]
        ledger.settle("k", Outcome.FAILED, "vendor_rejected")
        assert group(workers.one(), "k") == [Claimed(Claim.FAILED, "vendor_rejected")]

    def test_a_claim_that_was_refused_does_not_end_the_workers_earlier_one(self, workers: Workers) -> None:
        """The worker still owns the push, and can end its claim."""
        ledger = workers.one()
        group(ledger, "k")
        assert group(ledger, "k") == [Claimed(Claim.HELD)]
        end(ledger, Settlement("k", Outcome.DELIVERED))
        assert group(ledger, "k") == [Claimed(Claim.SETTLED)]

    @pytest.mark.parametrize("again", [Outcome.DELIVERED, PARKED_STATUS])
    def test_an_end_that_is_repeated_does_not_change_the_next_claim(
        self, workers: Workers, again: str
    ) -> None:
        """The first answer was lost, and another worker has claimed the parked push in the meantime."""
        ledger = workers.one()
        (answer,) = group(ledger, "k")
        first = Settlement("k", PARKED_STATUS, "vendor_throttled", "bakery", "e-1", answer.owner)
        end(ledger, first)
        end(ledger, first)
        successor = claimed(workers)
        end(ledger, first, first._replace(status=again))
        assert group(workers.one(), "k") == [Claimed(Claim.HELD)]
        successor.settle("k", Outcome.DELIVERED)
        assert group(workers.one(), "k") == [Claimed(Claim.SETTLED)]

    def test_claims_that_an_invocation_left_behind_change_nothing(self, workers: Workers) -> None:
        """The process is used again, and another worker has claimed, and even settled, the same pushes."""
        ledger, other = workers.one(), workers.one()
        group(ledger, "a", "b", "c")
        workers.clock.time += LEASE_ENDED_SECS
        group(other, "a", "b")
        other.settle("a", Outcome.DELIVERED)
        assert claims(group(ledger, "a", "b", "c")) == [Claim.SETTLED, Claim.HELD, Claim.GRANTED]
        end(ledger, *(Settlement(key, PARKED_STATUS) for key in "abc"))
        assert claims(group(workers.one(), "a", "b", "c")) == [Claim.SETTLED, Claim.HELD, Claim.GRANTED]

    # --- the ends of a group ------------------------------------------------------------------------

    def test_an_end_without_a_claim_records_nothing(self, workers: Workers) -> None:
        """Its neighbours are recorded."""
        ledger = workers.one()
        group(ledger, "a", "c")
        end(ledger, *(Settlement(key, Outcome.DELIVERED) for key in "abc"))
        assert claims(group(workers.one(), "a", "b", "c")) == [Claim.SETTLED, Claim.GRANTED, Claim.SETTLED]

    def test_windows_and_counts_outlive_the_claims_of_groups(self, workers: Workers) -> None:
        """Parking and dying keep them, and settling ends them."""
        ledger = workers.one()
        group(ledger, "k", "other")
        assert ledger.note_window("k", "first") == "first"
        assert ledger.count_unknown("k") == 1
        end(ledger, Settlement("k", PARKED_STATUS))
        group(ledger, "k", "more")
        workers.clock.time += LEASE_ENDED_SECS
        successor = workers.one()
        assert claims(group(successor, "k", "other")) == [Claim.GRANTED] * 2
        assert successor.note_window("k", "second") == "first"
        assert successor.count_unknown("k") == 2
        end(successor, Settlement("k", Outcome.FAILED, "delivery_held"))
        (answer,) = group(successor, "k", replay=Replay.FAILED, replay_id="one")
        assert answer.claim is Claim.GRANTED
        assert successor.count_unknown("k") == 1
        assert successor.note_window("k", "third") == "third"

    def test_a_group_remembers_its_replay(self, workers: Workers) -> None:
        """The same replay overrules a settlement once, also if another claim came in between."""
        ledger = workers.one()
        for name in ("one", "two"):
            assert claims(group(ledger, "a", "b", replay=Replay.ALL, replay_id=name)) == [Claim.GRANTED] * 2
            end(ledger, Settlement("a", PARKED_STATUS), Settlement("b", PARKED_STATUS))
            assert claims(group(ledger, "a", "b")) == [Claim.GRANTED] * 2
            end(ledger, Settlement("a", Outcome.DELIVERED), Settlement("b", Outcome.FAILED, "x"))
            again = group(ledger, "a", "b", replay=Replay.ALL, replay_id=name)
            assert again == [Claimed(Claim.SETTLED), Claimed(Claim.FAILED, "x")]

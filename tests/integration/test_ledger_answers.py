"""Answers of DynamoDB that are lost: the client repeats the write, and the worker still has its claim."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from ledger_calls import claim_all, claim_one, end_all
from local_aws import LocalAws
from ports import Clock
from push_relay.adapters import aws
from push_relay.adapters.aws_http import Post
from push_relay.adapters.dynamodb.ledger import DynamoDbLedger
from push_relay.adapters.dynamodb.ledger_partiql import PartiqlWrites
from push_relay.adapters.dynamodb.table import LedgerTable, text
from push_relay.adapters.http_call import Answer, NoAnswer
from push_relay.core.delivery.ledger import PARKED, Claim, Claimed, ClaimRequest, Settlement
from push_relay.core.errors import LedgerUnavailable
from push_relay.core.event import Replay
from push_relay.core.outcomes import Outcome

WRITES = ("UpdateItem", "BatchExecuteStatement")


class Network:
    """The way to DynamoDB. It loses the next answers after DynamoDB has made the writes."""

    def __init__(self, table: LedgerTable, way: str) -> None:
        self.table, self.clock, self.lost = table, Clock(), 0
        self._to_lose = iter(range(0))
        self._way = way

    def one(self) -> DynamoDbLedger:
        """Start a worker."""
        writes = PartiqlWrites(self.table) if self._way == "partiql" else None
        return DynamoDbLedger(self.table, self.clock.now, writes)

    def lose(self, answers: int) -> None:
        """Lose the answers to the next writes."""
        self._to_lose = iter(range(answers))

    def losing(self, post: Post) -> Post:
        """Return how a write is posted: if its answer is to be lost, the connection is, after the write."""

        def attempt(target: str, headers: Mapping[str, str], body: bytes, limit: int) -> Callable[[], Answer]:
            end = post(target, headers, body, limit)
            if headers["X-Amz-Target"].rpartition(".")[2] in WRITES and next(self._to_lose, None) is not None:
                return lambda: self._lose(end)
            return end

        return attempt

    def _lose(self, end: Callable[[], Answer]) -> Answer:
        end()
        self.lost += 1
        raise NoAnswer(ConnectionResetError())

    def status(self, key: str) -> str:
        """Return the status of a push in the table."""
        return self.table.get(Key={"pk": text(f"push#{key}")}).get("status", {}).get("S", "")


@pytest.fixture(params=["single", "partiql"])
def network(request: pytest.FixtureRequest, local_stores: LocalAws) -> Any:
    """Return the network between workers and a separate table."""
    network = Network(local_stores.table(), request.param)
    client = aws.dynamodb()
    post = client.post
    client.post = network.losing(post)
    yield network
    client.post = post


def claim(ledger: DynamoDbLedger, *keys: str, **more: Any) -> list[Claim]:
    """Claim pushes in a group."""
    answers = claim_all(ledger, [ClaimRequest(key, 30, **more) for key in keys])
    assert all(isinstance(answer, Claimed) for answer in answers), answers
    return [answer.claim for answer in answers if isinstance(answer, Claimed)]


def free(network: Network, how: str) -> dict[str, Any]:
    """Make a push that can be claimed in some way; return what the claim needs."""
    if how == "unknown":
        return {}
    other = network.one()
    assert claim_one(other, "k", 30) is Claim.GRANTED
    if how == "parked":
        end_all(other, [Settlement("k", PARKED)])
    elif how == "abandoned":
        network.clock.time += 33
    else:
        other.settle("k", Outcome.DELIVERED)
        network.clock.time += 3600
    return {
        "replayed": {"replay": Replay.ALL, "replay_id": "run-1"},
        "forgotten": {"forget_before": network.clock.now() - 60},
    }.get(how, {})


@pytest.mark.parametrize("how", ["unknown", "parked", "abandoned", "replayed", "forgotten"])
def test_a_claim_whose_answer_was_lost_is_granted(network: Network, how: str) -> None:
    """The repeated write finds the claim that the first one has made. Only this worker holds it."""
    more, ledger = free(network, how), network.one()
    network.lose(1)
    assert claim(ledger, "k", **more) == [Claim.GRANTED]
    assert network.lost == 1
    assert claim(network.one(), "k", **more) == claim(ledger, "k", **more) == [Claim.HELD]
    ledger.settle("k", Outcome.DELIVERED)
    assert network.status("k") == "delivered"


def test_of_several_claims_of_a_push_one_is_granted_even_if_an_answer_was_lost(network: Network) -> None:
    """The other requests are those of the same worker, but not the same claim."""
    ledger = network.one()
    network.lose(1)
    assert Counter(claim(ledger, "k", "k", "k")) == {Claim.GRANTED: 1, Claim.HELD: 2}
    assert network.lost == 1
    ledger.settle("k", Outcome.DELIVERED)
    assert claim(network.one(), "k", "k") == [Claim.SETTLED] * 2


def test_a_claim_of_unknown_fate_is_not_granted(network: Network) -> None:
    """Neither answer of botocore's two attempts came. The push can be claimed when the lease has ended."""
    ledger = network.one()
    network.lose(2)
    (answer,) = claim_all(ledger, [ClaimRequest("k", 30)])
    assert isinstance(answer, LedgerUnavailable)
    assert network.status("k") == "claimed"
    assert claim(ledger, "k") == [Claim.HELD]
    ledger.settle("k", Outcome.DELIVERED)
    assert network.status("k") == "claimed"
    network.clock.time += 33
    assert claim(ledger, "k") == [Claim.GRANTED]
    ledger.settle("k", Outcome.DELIVERED)
    assert network.status("k") == "delivered"


@pytest.mark.parametrize("status", [Outcome.DELIVERED, PARKED])
@pytest.mark.parametrize("lost", [1, 2])
def test_an_end_whose_answer_was_lost_is_recorded_once(network: Network, status: str, lost: int) -> None:
    """If no answer came at all, the worker may try it again."""
    ledger = network.one()
    claim(ledger, "k")
    network.lose(lost)
    (error,) = end_all(ledger, [Settlement("k", status)])
    assert isinstance(error, LedgerUnavailable) == (lost == 2)
    assert network.status("k") == status
    assert end_all(ledger, [Settlement("k", status)]) == [None]
    assert network.status("k") == status


def test_an_end_that_is_tried_again_does_not_change_the_next_claim(network: Network) -> None:
    """The push was parked although no answer came, and another worker has claimed it."""
    ledger, other = network.one(), network.one()
    claim(ledger, "k")
    network.lose(2)
    assert end_all(ledger, [Settlement("k", PARKED)]) != [None]
    assert claim(other, "k") == [Claim.GRANTED]
    assert end_all(ledger, [Settlement("k", PARKED)]) == [None]
    ledger.settle("k", Outcome.DELIVERED)
    assert claim(network.one(), "k") == [Claim.HELD]
    other.settle("k", Outcome.DELIVERED)
    assert network.status("k") == "delivered"

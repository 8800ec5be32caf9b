"""The stores and queues in memory, which tests and the bench use, do what those on AWS do."""

from types import SimpleNamespace
from typing import Any

import pytest

from backlog_store import Backlog
from contracts.backlog import BacklogContract
from contracts.batches import BatchStoreContract
from contracts.ledger import LedgerContract
from contracts.ledger_groups import LedgerGroupContract
from contracts.queue import QueueContract
from fake_sqs import FakeSqs, record_of
from ports import Clock
from push_relay.adapters import aws
from push_relay.adapters.queue import SqsQueue
from queues import Messages
from stores import BatchStore, Ledger


class Workers:
    """Workers that share a ledger, windows and a clock."""

    def __init__(self) -> None:
        self.clock = Clock()
        self._ledger, self._windows = Ledger(self.clock.now), BatchStore()

    def one(self) -> Ledger:
        """Start a worker, and return its ledger."""
        return self._ledger.another()

    def windows(self, *, room: int | None = None) -> Any:
        """Start a worker, and return its windows."""
        windows = self._windows.another()
        windows.room = room or windows.room
        return windows


@pytest.fixture
def workers() -> Workers:
    """Return workers without any pushes."""
    return Workers()


class TestLedger(LedgerContract, LedgerGroupContract):
    """The ledger in memory."""


class TestBatchStore(BatchStoreContract):
    """The batch windows in memory."""


class TestBacklog(BacklogContract):
    """The backlog in memory."""

    @pytest.fixture
    def workers(self) -> Any:
        """Return workers with an empty backlog."""
        return SimpleNamespace(one=Backlog().another)


class Queues:
    """The queue in memory."""

    def __init__(self) -> None:
        self._clock = Clock()
        self.queue = Messages(self._clock.now)

    def now(self) -> float:
        """Return the time."""
        return self._clock.now()

    def waiting(self) -> list[dict[str, Any]]:
        """Receive the visible messages."""
        return self.queue.received()

    def dead(self) -> list[dict[str, Any]]:
        """Receive the dead letters."""
        return self.queue.received_dead()

    def size(self) -> int:
        """Return how many messages are in the queue."""
        return self.queue.size()


class TestMessages(QueueContract):
    """The queue in memory."""

    @pytest.fixture
    def queues(self) -> Queues:
        """Return an empty queue."""
        return Queues()


class BotoQueues:
    """The adapter of SQS over `FakeSqs`, which stands for boto3's client in other tests."""

    url, dead_url = (f"https://sqs.eu-west-1.amazonaws.com/1/{name}" for name in ("events", "dead"))

    def __init__(self, sqs: FakeSqs) -> None:
        self._sqs = sqs
        self.queue = SqsQueue(self.url, self.dead_url, sqs.time)

    def now(self) -> float:
        """Return the time."""
        return self._sqs.time()

    def waiting(self) -> list[dict[str, Any]]:
        """Receive the visible messages."""
        return self._received(self.url)

    def dead(self) -> list[dict[str, Any]]:
        """Receive the dead letters."""
        return self._received(self.dead_url)

    def size(self) -> int:
        """Return how many messages are in the queue."""
        return len(self._sqs.queues.get(self.url, []))

    def _received(self, url: str) -> list[dict[str, Any]]:
        arn = f"arn:aws:sqs:eu-west-1:1:{url.rpartition('/')[2]}"
        answer = self._sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=30, WaitTimeSeconds=0
        )
        return [record_of(message, arn) for message in answer.get("Messages", [])]


class TestFakeSqs(QueueContract):
    """SQS's client in memory."""

    @pytest.fixture
    def queues(self, monkeypatch: pytest.MonkeyPatch) -> BotoQueues:
        """Return an empty queue."""
        sqs = FakeSqs()
        monkeypatch.setitem(aws._clients, "sqs", sqs)
        return BotoQueues(sqs)

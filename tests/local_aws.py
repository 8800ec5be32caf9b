"""A real DynamoDB and SQS with atomic writes on this machine: MiniStack, without a deployment."""

import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import boto_clients
from aws_server import aws_at
from fake_sqs import record_of
from ledger_calls import claim_one
from push_relay.adapters import aws
from push_relay.adapters.dynamodb.backlog_table import BacklogTable
from push_relay.adapters.dynamodb.ledger import DynamoDbLedger
from push_relay.adapters.dynamodb.table import LedgerTable
from push_relay.core.delivery.ledger import Claim
from relayctl import ministack
from relayctl.local_aws import create_backlog_table
from relayctl.processes import Processes


@dataclass(frozen=True)
class LocalAws:
    """A running local AWS, and the environment with which botocore finds it."""

    environment: dict[str, str]

    def table(self) -> LedgerTable:
        """Make a table like the one in the template."""
        name = f"ledger-{uuid.uuid4().hex}"
        boto_clients.dynamodb().create_table(
            TableName=name,
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        return LedgerTable(name)

    def backlog_table(self) -> BacklogTable:
        """Make a table for the backlog like the one in the template."""
        name = f"backlog-{uuid.uuid4().hex}"
        create_backlog_table(boto_clients.dynamodb(), name)
        return BacklogTable(name)

    def queue(self, name: str = "", **attributes: str) -> str:
        """Make a queue, and return its URL."""
        given: Any = attributes
        answer = boto_clients.sqs().create_queue(QueueName=f"{uuid.uuid4().hex}{name}", Attributes=given)
        return answer["QueueUrl"]

    def arn(self, queue_url: str) -> str:
        """Return a queue's ARN."""
        answer = boto_clients.sqs().get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
        return answer["Attributes"]["QueueArn"]

    def received(self, queue_url: str) -> list[dict[str, Any]]:
        """Receive messages from a queue, in the form in which Lambda passes them to the function."""
        answer: Any = boto_clients.sqs().receive_message(
            QueueUrl=queue_url,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        )
        arn = self.arn(queue_url)
        return [record_of(message, arn) for message in answer.get("Messages", [])]


@contextmanager
def running() -> Iterator[LocalAws]:
    """Run MiniStack. The relay's clients that are made while it runs call nothing else."""
    with (
        tempfile.TemporaryDirectory() as directory,
        Processes() as processes,
        pytest.MonkeyPatch.context() as patch,
    ):
        local = ministack.start(processes, Path(directory))
        yield LocalAws(aws_at(local.address, patch))


_start: Any = None


def race_from(start: Any) -> None:
    """Keep the barrier at which the race begins, in a new process."""
    global _start  # noqa: PLW0603 (a process pool's initializer has nowhere else)
    _start = start


def claim_all(table: str, keys: list[str]) -> list[str]:
    """Claim pushes when all processes have arrived, and return those that were granted."""
    ledger = DynamoDbLedger(LedgerTable(table), time.time)
    aws.dynamodb()
    _start.wait(100)
    return [key for key in keys if claim_one(ledger, key, 30) is Claim.GRANTED]

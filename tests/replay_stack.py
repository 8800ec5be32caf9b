"""For tests of replays: real queues, a real ledger, and the relay that works on them, on a local AWS."""

import shutil
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import batched
from pathlib import Path
from typing import Any

import boto3

import boto_clients
from fake_sqs import record_of
from fakes import SAMPLES, World
from push_relay.adapters.dynamodb.ledger import DynamoDbLedger
from push_relay.adapters.dynamodb.table import LedgerTable
from push_relay.adapters.queue import SqsQueue
from push_relay.core.event import Event
from push_relay.core.queue_format import pack
from relayctl.local_aws import REGION

#: The owner of all queues of the local AWS.
_OWNER = "000000000000"
_CORRECT_MAPPING = "corrected: {{ data.words }}"


@dataclass
class ReplayStack:
    """The queues and the ledger of one test, and the relay that works on them.

    directory  contains the sources and the relay.toml, which a test may change
    """

    directory: Path
    queue_url: str
    dead_letter_url: str
    table: str
    world: World

    @classmethod
    def create(cls, directory: Path) -> "ReplayStack":
        """Create the queues and the ledger on the local AWS, and copy the sample sources and routes."""
        name = uuid.uuid4().hex
        shutil.copytree(SAMPLES / "sources", directory / "sources")
        shutil.copy(SAMPLES / "relay.toml", directory / "relay.toml")
        sqs = boto_clients.sqs()
        urls = [sqs.create_queue(QueueName=f"{name}-{kind}")["QueueUrl"] for kind in ("queue", "dead")]
        boto_clients.dynamodb().create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        stack = cls(directory, *urls, name, World())
        stack.deploy()
        return stack

    @property
    def resource_options(self) -> list[str]:
        """The options of relayctl for the queues and the ledger."""
        urls = ["--queue-url", self.queue_url, "--dead-letter-url", self.dead_letter_url]
        return [*urls, "--table", self.table]

    @property
    def checkout_options(self) -> list[str]:
        """The options of the dry run for the sources and the routes."""
        return ["--sources", str(self.directory / "sources"), "--config", str(self.directory / "relay.toml")]

    def deploy(self) -> None:
        """Let the relay read the sources and routes again. It keeps its vendor."""
        vendor = self.world.vendor
        self.world = World(sources=self.directory / "sources", routes=self.directory / "relay.toml")
        self.world.vendor, self.world.clock.time = vendor, time.time()
        ledger = DynamoDbLedger(LedgerTable(self.table), time.time)
        self.world.change_sender(ledger=ledger, push_api=vendor)

    def correct_mapping(self) -> None:
        """Correct the broken mapping of the source `bakery`, and deploy it."""
        file = self.directory / "sources/bakery/source.toml"
        text = file.read_text().replace("an object cannot be put into a text", _CORRECT_MAPPING)
        file.write_text(text.replace('title = "{{ data }}"', 'title = "Mended"'))
        self.deploy()

    def deliver_all(self) -> list[str]:
        """Invoke `deliver`, as Lambda does, until the queue is empty. Return the outcomes."""
        while self.deliver_once(SqsQueue(self.queue_url, self.dead_letter_url, time.time)):
            pass
        return self.outcomes()

    def deliver_once(self, queue: SqsQueue) -> bool:
        """Invoke `deliver` for one batch, and return whether there was one."""
        request: Any = {
            "QueueUrl": self.queue_url,
            "MaxNumberOfMessages": 10,
            "MessageAttributeNames": ["All"],
            "MessageSystemAttributeNames": ["All"],
        }
        received: Any = boto_clients.sqs().receive_message(**request).get("Messages", [])
        arn = f"arn:aws:sqs:{REGION}:{_OWNER}:{self.queue_url.rpartition('/')[2]}"
        records = [record_of(message, arn) for message in received]
        self.world.change_messages(queue)
        response = self.world.deliver({"Records": records})
        assert response == {"batchItemFailures": []}
        if received:
            # Those that the relay has deleted before a drain are refused here.
            handles: Any = [
                {"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]}
                for n, message in enumerate(received)
            ]
            boto_clients.sqs().delete_message_batch(QueueUrl=self.queue_url, Entries=handles)
        return bool(received)

    def outcomes(self) -> list[str]:
        """Return the outcomes since the last call."""
        outcomes = [str(outcome) for outcome in self.world.witness.outcomes]
        self.world.witness.receipts.clear()
        return outcomes

    def queue(self, *events: Event) -> None:
        """Queue events as `receive` does."""
        for event in events:
            SqsQueue(self.queue_url, self.dead_letter_url, time.time).put(event)

    def dead_letter(self, *events: Event, error_code: str = "vendor_rejected") -> None:
        """Dead-letter events as `deliver` does."""
        for batch in batched(events, 10, strict=False):
            entries = [_entry(number, event, error_code) for number, event in enumerate(batch)]
            answer = boto3.client("sqs").send_message_batch(QueueUrl=self.dead_letter_url, Entries=entries)
            assert len(answer["Successful"]) == len(batch)


def new_event(number: int = 0, kind: str = "baked", source: str = "bakery") -> Event:
    """Return an event, a minute old. Its kind and number make its identity."""
    data = {"kind": kind, "words": f"loaf {number}"}
    return Event(source, f"e-{number}", kind, data, time.time() - 60, f"identity-{kind}-{number}")


def visible_messages(queue_url: str) -> int:
    """Return the number of messages that can be received from a queue."""
    answer = boto_clients.sqs().get_queue_attributes(
        QueueUrl=queue_url, AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


def _entry(number: int, event: Event, error_code: str) -> dict[str, Any]:
    packed, now = pack(event), datetime.now(UTC).isoformat(timespec="seconds")
    texts = {**packed.attributes, "error_code": error_code, "event_id": event.id, "failed_at": now}
    attributes = {name: {"DataType": "String", "StringValue": text} for name, text in texts.items()}
    return {"Id": str(number), "MessageBody": packed.body, "MessageAttributes": attributes}

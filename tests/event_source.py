"""Lambda's event source for SQS, in memory: it polls, invokes the handler, and deletes acknowledged messages.

Some messages kill the function: while they are read, or while their push is sent. The claim of a dead worker
is released when its invocation would have ended.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fake_sqs import FakeSqs
from fakes import World, in_turn
from invocations import sqs_record
from ports import Sent
from push_relay.adapters import aws
from push_relay.adapters.queue import SqsQueue
from push_relay.core.clock import TimeLeft
from push_relay.core.event import Arrival, Event
from push_relay.core.push import DEFAULT_ACCOUNT, Push
from push_relay.core.relay import Relay
from push_relay.core.rules.recogniser import Recogniser

ARN = "arn:aws:sqs:eu-west-1:1:"
URL = "https://sqs.eu-west-1.amazonaws.com/1/"
EVENTS, DEAD = URL + "events", URL + "dead"
#: Both are in seconds, as in template.yaml.
TIMEOUT, VISIBILITY = 60.0, 360.0
_MOST_TURNS = 5000
READS, SENDS = "kills when it is read", "kills when it is sent"
URGENT_ROUTES = '[[route]]\nsource = "bakery"\nto = ["user:one"]\npriority = "high"\n'


class Killed(BaseException):
    """The end of the process, which no handler catches."""


class DyingRecogniser(Recogniser):
    """A recogniser that dies on some messages."""

    __slots__ = ()

    def recognise(self, arrival: Arrival) -> Event:
        """Read a message."""
        if READS in str(arrival.data):
            raise Killed
        return Recogniser.recognise(self, arrival)


class DyingRelay(Relay):
    """A relay that dies on some events."""

    __slots__ = ()

    def deliver(self, events: Sequence[Event], time_left: TimeLeft, *feed_of: Any) -> Any:
        """Deliver events."""
        if READS in str(events):
            raise Killed
        return Relay.deliver(self, events, time_left, *feed_of)


@dataclass
class EventSource:
    """A world with an SQS, and two workers, which is the least that Lambda runs.

    takes       seconds that an invocation takes
    dies_after  seconds after which a killed invocation ends
    """

    world: World
    dice: random.Random
    sqs: FakeSqs = field(default_factory=FakeSqs)
    takes: float = 0.5
    dies_after: float = 0.1
    deaths: int = 0
    first_at: dict[str, float] = field(default_factory=dict)  # the time of a push's first call, by its body

    def __post_init__(self) -> None:
        """Connect the world with the queues."""
        world = self.world
        self.sqs.max_receives[EVENTS], self.sqs.dead_letter_url = 5, DEAD
        self.sqs.now = world.clock.time
        # Each test replaces the table of clients, so this one does not outlive the test.
        aws._clients["sqs"] = self.sqs
        queue: Any = SqsQueue(EVENTS, DEAD, world.clock.now)
        world.change_messages(queue)
        world.context.seconds = TIMEOUT
        world.relay = DyingRelay(world.translator, world.relay.lanes, world.ledger, in_turn)
        world.recogniser = DyingRecogniser(world.sources, world.routing, world.clock.now)
        world.vendor.judge = self._judge

    def run(self, url: str = EVENTS, *, until: Callable[[], bool] = lambda: False) -> None:
        """Poll and invoke until the queue is empty, or a condition holds."""
        for _ in range(_MOST_TURNS):
            if not self.sqs.queues.get(url) or until():
                return
            # Two workers receive a batch each before the first has finished.
            batches = [batch for batch in (self._poll(url), self._poll(url)) if batch]
            for batch in batches:
                self._invoke(url, batch)
            if not batches:
                moment = self.sqs.next_moment(url)
                self._pass(max(0.0, moment - self.sqs.now) if moment is not None else 0.0)
        raise AssertionError(f"{len(self.sqs.queues[url])} messages are delivered without end")

    def _judge(self, push: Push, _credentials: Any) -> Exception | None:
        if SENDS in push.wording.body:
            raise Killed
        self.first_at.setdefault(push.wording.body.strip(), self.sqs.now)
        return None

    def _poll(self, url: str) -> list[dict[str, Any]]:
        self.dice.shuffle(self.sqs.queues[url]) if not url.endswith(".fifo") else None
        received = self.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=VISIBILITY, WaitTimeSeconds=0
        )
        return [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"],
                "messageAttributes": {
                    name: {"stringValue": value["StringValue"], "dataType": value["DataType"]}
                    for name, value in message["MessageAttributes"].items()
                },
                "eventSource": "aws:sqs",
                "eventSourceARN": ARN + url.removeprefix(URL),
            }
            for message in received.get("Messages", [])
        ]

    def _invoke(self, url: str, batch: list[dict[str, Any]]) -> None:
        try:
            answer = self.world.deliver({"Records": batch})
        except Killed:
            self.deaths += 1
            # The visibility timeout is longer than the leases of a dead worker.
            self.world.permits[DEFAULT_ACCOUNT].end_leases()
            self._pass(self.dies_after)
            return
        self._pass(self.takes)
        kept = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        for record in batch:
            if record["messageId"] not in kept:
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=record["receiptHandle"])

    def _pass(self, seconds: float) -> None:
        self.sqs.now += seconds
        self.world.clock.time = self.sqs.now


def bakery_record(name: str, receives: int = 1, crashes: int = 0) -> dict[str, Any]:
    """Return a record with a count of receives, which may be a copy with a count of crashes."""
    made = sqs_record({"kind": "baked", "id": name, "words": name}, source="bakery", message_id=name)
    made["attributes"]["ApproximateReceiveCount"] = str(receives)
    if crashes:
        counted = {"stringValue": str(crashes), "dataType": "String"}
        made["messageAttributes"]["push-relay-crashes"] = counted
    return made


def words(sent: Sent) -> str:
    """Return the text of the push in a call to the vendor."""
    return sent.push.wording.body.strip()

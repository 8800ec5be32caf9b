"""The queues of SQS in memory, for calls of boto3 and of the relay's client: delays, FIFO groups, redrive."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError

from push_relay.adapters.aws import AwsError

type Call = Callable[[str, dict[str, Any]], None]


@dataclass
class Stored:
    """A message in a queue."""

    message_id: str
    body: str
    attributes: dict[str, Any]
    sent_at: float
    visible_at: float = 0.0
    handle: str = ""
    receives: int = 0
    group: str = ""


@dataclass
class FakeSqs:
    """Queues by URL. `before` is called before every call, and may raise. An empty receive takes time.

    max_receives  of a queue: after this number of receives SQS moves a message to `dead_letter_url`
    """

    now: float = 1_800_000_000.0
    queues: dict[str, list[Stored]] = field(default_factory=dict)
    redrive: bool = False
    before: Call = lambda _operation, _arguments: None
    calls: list[str] = field(default_factory=list)
    max_receives: dict[str, int] = field(default_factory=dict)
    dead_letter_url: str = ""
    _last: int = 0

    def time(self) -> float:
        """Return the time."""
        return self.now

    def call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Call an operation as the relay's client does."""
        try:
            return getattr(self, xform_name(operation))(**arguments) or {}
        except ClientError as exc:
            raise AwsError(exc.response["Error"]["Code"]) from None

    def put(self, url: str, body: str, **attributes: str) -> str:
        """Queue a message with text attributes, and return its id."""
        given = {name: {"DataType": "String", "StringValue": text} for name, text in attributes.items()}
        return str(self.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=given)["MessageId"])

    def send_message(self, **arguments: Any) -> dict[str, Any]:
        """Queue a message."""
        self._called("send_message", arguments)
        self._last += 1
        stored = Stored(
            f"{self._last:08d}-0000", arguments["MessageBody"], dict(arguments["MessageAttributes"]), self.now
        )
        assert len(stored.attributes) <= 10
        stored.visible_at = self.now + arguments.get("DelaySeconds", 0)
        stored.group = arguments.get("MessageGroupId", "")
        self.queues.setdefault(arguments["QueueUrl"], []).append(stored)
        return {"MessageId": stored.message_id}

    def send_message_batch(self, **arguments: Any) -> dict[str, Any]:
        """Queue up to ten messages, of a megabyte together."""
        self._called("send_message_batch", arguments)
        entries = arguments["Entries"]
        assert 0 < len(entries) <= 10
        assert sum(_size(entry) for entry in entries) <= 1024 * 1024
        sent = [self.send_message(QueueUrl=arguments["QueueUrl"], **entry) for entry in entries]
        done = [{"Id": entry["Id"], **each} for entry, each in zip(entries, sent, strict=True)]
        return {"Successful": done}

    def receive_message(self, **arguments: Any) -> dict[str, Any]:
        """Return the visible messages, and hide them. In a FIFO queue a group with a hidden message waits."""
        self._called("receive_message", arguments)
        url = arguments["QueueUrl"]
        self._redrive(url)
        stored = self.queues.get(url, [])
        hidden = {m.group for m in stored if m.visible_at > self.now and url.endswith(".fifo")}
        given = [m for m in stored if m.visible_at <= self.now and m.group not in hidden]
        given = given[: arguments["MaxNumberOfMessages"]]
        for message in given:
            message.receives += 1
            message.handle = f"{message.message_id}#{message.receives}"
            message.visible_at = self.now + arguments["VisibilityTimeout"]
        if not given:
            self.now += arguments["WaitTimeSeconds"]
            return {}
        return {
            "Messages": [
                {
                    "MessageId": m.message_id,
                    "ReceiptHandle": m.handle,
                    "Body": m.body,
                    "Attributes": {
                        "SentTimestamp": str(int(m.sent_at * 1000)),
                        "ApproximateReceiveCount": str(m.receives),
                        **({"MessageGroupId": m.group} if m.group else {}),
                    },
                    "MessageAttributes": m.attributes,
                }
                for m in given
            ]
        }

    def delete_message(self, **arguments: Any) -> None:
        """Delete a message by its last handle."""
        self._called("delete_message", arguments)
        queue = self.queues[arguments["QueueUrl"]]
        queue[:] = [m for m in queue if m.handle != arguments["ReceiptHandle"]]

    def delete_message_batch(self, **arguments: Any) -> dict[str, Any]:
        """Delete messages by their last handles."""
        self._called("delete_message_batch", arguments)
        assert 0 < len(arguments["Entries"]) <= 10
        handles = {entry["ReceiptHandle"] for entry in arguments["Entries"]}
        queue = self.queues[arguments["QueueUrl"]]
        queue[:] = [m for m in queue if m.handle not in handles]
        return {}

    def change_message_visibility_batch(self, **arguments: Any) -> dict[str, Any]:
        """Make messages visible, or hide them for longer."""
        self._called("change_message_visibility_batch", arguments)
        assert 0 < len(arguments["Entries"]) <= 10
        for entry in arguments["Entries"]:
            for message in self.queues[arguments["QueueUrl"]]:
                if message.handle == entry["ReceiptHandle"]:
                    message.visible_at = self.now + entry["VisibilityTimeout"]
        return {}

    def get_queue_attributes(self, **arguments: Any) -> dict[str, Any]:
        """Count the messages."""
        self._called("get_queue_attributes", arguments)
        stored = self.queues.get(arguments["QueueUrl"], [])
        hidden = sum(m.visible_at > self.now for m in stored)
        counts = {
            "ApproximateNumberOfMessages": str(len(stored) - hidden),
            "ApproximateNumberOfMessagesNotVisible": str(hidden),
        }
        return {"Attributes": counts | ({"RedrivePolicy": "{}"} if self.redrive else {})}

    def next_moment(self, url: str) -> float | None:
        """Return the time at which the next message of a queue is visible."""
        return min((message.visible_at for message in self.queues.get(url, [])), default=None)

    def _redrive(self, url: str) -> None:
        most = self.max_receives.get(url)
        if most is None:
            return
        stored = self.queues.get(url, [])
        spent = [m for m in stored if m.receives >= most and m.visible_at <= self.now]
        self.queues.setdefault(self.dead_letter_url, []).extend(spent)
        stored[:] = [m for m in stored if m not in spent]

    def _called(self, operation: str, arguments: dict[str, Any]) -> None:
        self.before(operation, arguments)
        self.calls.append(operation)


def _size(message: Mapping[str, Any]) -> int:
    """Return the bytes of a message with its attributes, as SQS counts them."""
    attributes = message["MessageAttributes"].items()
    texts = [text for name, value in attributes for text in (name, value["DataType"], value["StringValue"])]
    return sum(len(text.encode()) for text in (message["MessageBody"], *texts))


def record_of(message: Mapping[str, Any], queue_arn: str) -> dict[str, Any]:
    """Return a message that was received from SQS as Lambda hands it to the function."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {
            name: {"stringValue": value["StringValue"], "dataType": value["DataType"]}
            for name, value in message.get("MessageAttributes", {}).items()
        },
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
    }


def refused(operation: str) -> ClientError:
    """Return the error that boto3 raises if AWS refuses a call."""
    return ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, operation)

"""Invocations of `deliver` by AWS with a text that anybody may have published."""

import json
from collections.abc import Callable
from typing import Any

from fakes import SHIPPED, SHIPPED_ROUTES, World
from invocations import bus_event, notification, sns_invocation, sqs_batch, sqs_record
from push_relay.core.errors import CODES
from push_relay.core.event import Event
from push_relay.core.queue_format import EVENT_ATTRIBUTE, PLAIN, pack

_QUEUE = {"eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:planted"}


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _queued(text: str) -> dict[str, Any]:
    """Return a record that claims to be an event which `receive` has queued."""
    attribute = {EVENT_ATTRIBUTE: {"stringValue": PLAIN, "dataType": "String"}}
    return {**sqs_record(text), "messageAttributes": attribute}


#: The ways in which a text reaches `deliver`.
WAYS: tuple[Callable[[str], Any], ...] = (
    lambda text: sqs_batch(sqs_record(text) | _QUEUE),
    lambda text: sqs_batch(sqs_record(notification(text, Subject="planted"))),
    lambda text: sqs_batch(sqs_record(text, source="text")),
    lambda text: sqs_batch(sqs_record(text, source="webhook")),
    lambda text: sns_invocation(notification(text)),
    lambda text: bus_event(_json_or_text(text), source="aws.planted"),
    lambda text: sns_invocation(notification(bus_event(_json_or_text(text)))),
    lambda text: sqs_batch(_queued(text)),
    _json_or_text,
)
#: Texts as AWS services publish them, to be changed.
TEXTS = (
    "The oven is hot.",
    "[ALARM] too hot\n\nDegrees: 451\nPlace: bakery",
    "StackId='arn:aws:cloudformation:eu-west-1:1:stack/ovens/1'\nResourceStatus='CREATE_FAILED'\nReason='a\nb'\n",
    "Budget Name: Ovens\nBudget Type: Cost\nBudgeted Amount: $10.00",
    "An AWS Backup job failed. Resource ARN : arn:aws:ec2:eu-west-1:1:volume/v. BackupJob ID : 1A2B",
    '"a JSON text"',
    "[1, {}]",
    '["cut',
    "451.0",
    '{"summary": "hot", "severity": {"level": 4}, "resources": ["arn:aws:ec2:eu-west-1:1:instance/i"]}',
    '{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"menus"}',
    '{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"object":{"key":"a"}}}]}',
    '{"AlarmName":"hot","NewStateValue":"ALARM","Trigger":{"MetricName":"Heat"}}',
    '{"text": "\\ud83d", "text": NaN}',
    "\u202e\x1b[31mred\x00",
    pack(Event("push", "id-1", "push", {"Title": "hot", "Body": "451 \ud83d"}, 1.0, "i-1")).body,
)


class Delivery:
    """The relay's `deliver`, with the shipped sources and their routes."""

    def __init__(self) -> None:
        self._world = World(sources=SHIPPED, routes=SHIPPED_ROUTES)

    def check(self, invocation: Any) -> None:
        """Deliver, and check the conditions that always hold. Raise AssertionError otherwise."""
        world = self._world
        world.messages.clear()
        world.ledger.items.clear()
        world.vendor.calls.clear()
        world.witness.__init__()  # type: ignore[misc]
        kept = world.deliver(invocation)["batchItemFailures"]
        codes = {receipt.error_code for receipt in world.witness.receipts}
        assert codes <= {None, *CODES}, codes
        assert "internal_error" not in codes
        assert not kept, "a message would be tried again without end"
        for call in world.vendor.calls:
            wording = call.push.wording
            assert wording.title.strip() or wording.body.strip(), "a push without a text"
            assert not any(
                character < " " and character != "\n" for character in wording.title + wording.body
            )

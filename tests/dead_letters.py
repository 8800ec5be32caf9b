"""Dead letters as SQS returns them, for the tests of `relayctl`."""

import json
from typing import Any

from push_relay.core.event import Event
from push_relay.core.queue_format import pack
from relayctl.deadletters.dead_letter import DeadLetter

#: Seconds since the epoch: 2027-01-15T08:00:00Z.
NOW = 1_800_000_000.0
FAILED_AT = "2027-01-15T08:00:00+00:00"
EVENT = Event("bakery", "e-1", "baked", {"kind": "baked", "words": "hi"}, NOW - 60, "i-1", only=("old-key",))


def dead_letter(body: str, message_id: str = "m-1", **attributes: str) -> DeadLetter:
    """Return a dead letter that was sent 100 seconds before NOW."""
    typed = {name: {"DataType": "String", "StringValue": text} for name, text in attributes.items()}
    return DeadLetter(message_id, body, typed, NOW - 100)


def packed(event: Event = EVENT, **reason: str) -> DeadLetter:
    """Return the dead letter of an event that the relay queued. `reason`: the attributes of its failure."""
    message = pack(event)
    return dead_letter(message.body, **message.attributes, **reason)


def failed_invocation(payload: Any) -> DeadLetter:
    """Return the message that Lambda's OnFailure destination sends."""
    return dead_letter(json.dumps({"version": "1.0", "requestContext": {}, "requestPayload": payload}))


def sns_record(message: Any) -> dict[str, Any]:
    """Return SNS's record of a direct invocation."""
    topic = "arn:aws:sns:eu-west-1:1:ovens"
    return {
        "EventSource": "aws:sns",
        "Sns": {"MessageId": "sns-1", "TopicArn": topic, "Message": json.dumps(message)},
    }

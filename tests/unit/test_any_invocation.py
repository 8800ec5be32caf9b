"""Both functions answer any invocation: they may reject it, but they never fail unexpectedly."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import World
from invocations import bus_event, notification, sns_invocation, sqs_batch, sqs_record, webhook
from push_relay.core.errors import CODES
from push_relay.settings import DeliveryMode

TEXT = st.text(st.characters(exclude_categories=()), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
BAKERY = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(["baked", "assigned", "mail", "loud", "broken", "silent", "everybody"])
        | JSON,
        "id": JSON,
        "words": JSON,
        "baker": JSON,
        "sound": JSON,
        "expiry": JSON,
    },
)
KEYS = st.sampled_from(
    [
        *(
            "Records",
            "eventSource",
            "EventSource",
            "body",
            "messageId",
            "messageAttributes",
            "attributes",
            "Sns",
        ),
        *("Type", "TopicArn", "Message", "MessageId", "detail", "detail-type", "source", "id", "stringValue"),
        *(
            "ApproximateReceiveCount",
            "SentTimestamp",
            "push-relay-event",
            "requestContext",
            "http",
            "httpMethod",
        ),
        *(
            "headers",
            "multiValueHeaders",
            "pathParameters",
            "queryStringParameters",
            "rawPath",
            "path",
            "method",
        ),
    ]
)
JUNK = st.recursive(
    JSON | st.sampled_from(["aws:sqs", "aws:sns", "Notification", "1", "{}", "POST", "9" * 5_000]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=12,
)
LAYERS = st.lists(st.sampled_from([notification, bus_event]), max_size=4)
SOURCES = st.sampled_from([None, "bakery", "ovens", "nosuch", "../x"]) | TEXT


def assert_settled(world: World, kept: list[Any]) -> None:
    """Check that every receipt has a known error code, and that none is an internal error."""
    assert all(receipt.error_code in {None, *CODES} for receipt in world.witness.receipts)
    assert "internal_error" not in {receipt.error_code for receipt in world.witness.receipts}
    assert not kept


@settings(max_examples=150, deadline=None)
@given(BAKERY | JSON, LAYERS, SOURCES)
def test_any_json_in_any_nesting_is_delivered_or_dead_lettered(
    content: Any, layers: list[Any], source: Any
) -> None:
    """The content passes through the whole of `deliver`, in every envelope, with and without a source."""
    for layer in layers:
        content = layer(content)
    record = sqs_record(content, source=source)
    for invocation in (sqs_batch(record), sns_invocation(notification(content)), bus_event(content)):
        world = World()
        assert_settled(world, world.deliver(invocation)["batchItemFailures"])
        assert world.witness.receipts


@settings(deadline=None)
@given(JUNK)
def test_any_junk_is_dead_lettered(junk: Any) -> None:
    """The junk is the invocation itself, one record of it, or a record's body."""
    for invocation in (junk, sqs_batch(junk), sqs_batch({"eventSource": "aws:sqs", "body": junk})):
        world = World()
        assert_settled(world, world.deliver(invocation)["batchItemFailures"])


@settings(max_examples=150, deadline=None)
@given(
    BAKERY | JSON,
    st.dictionaries(TEXT, TEXT, max_size=3),
    SOURCES.filter(bool),
    st.sampled_from(DeliveryMode),
)
def test_any_signed_webhook_has_a_status(
    content: Any, headers: dict[str, str], source: str, mode: DeliveryMode
) -> None:
    """The sender gets 200, 202, or a 4xx for its own mistake, but never a 500."""
    body = json.dumps(content).encode()
    world = World(mode=mode)
    answer = world.receive(webhook(body, source=source, headers=headers))
    assert answer["statusCode"] in {200, 202, 400, 401, 404, 415, 422}
    json.loads(answer["body"])


@settings(deadline=None)
@given(JUNK, st.dictionaries(KEYS, JUNK, max_size=4))
def test_any_junk_gets_a_problem_detail(junk: Any, changes: dict[str, Any]) -> None:
    """The junk is the invocation itself, or the value of some of its fields."""
    for invocation in (junk, webhook({"kind": "baked"}) | changes):
        answer = World().receive(invocation)
        assert answer["statusCode"] < 500
        assert json.loads(answer["body"])

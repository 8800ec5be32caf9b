"""A message from AWS is recognised as an event of one source, or rejected: nothing else comes out."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import World
from invocations import arrival_of_sqs, bus_event, notification, sqs_record
from push_relay.core.errors import AmbiguousSource, RelayError, SchemaViolation, UnknownSource
from push_relay.core.event import Arrival
from push_relay.core.inbound import envelope

HEAT = {"degrees": 451}


@pytest.mark.parametrize(
    ("record", "source"),
    [
        (sqs_record(HEAT, source="ovens"), "ovens"),
        (sqs_record(notification(HEAT)), "ovens"),
        (sqs_record(bus_event(HEAT)), "ovens"),
        (sqs_record(notification(HEAT, MessageAttributes={"source": {"Value": "till-7"}})), "ovens"),
        (
            sqs_record(
                notification(
                    {"grams": 1},
                    topic="arn:aws:sns:eu-west-9:1:ovens",
                    MessageAttributes={"source": {"Value": "scales"}},
                )
            ),
            "scales",
        ),
    ],
)
def test_the_source_is_given_or_is_the_only_one_that_matches(record: dict[str, Any], source: str) -> None:
    """The attribute goes before match rules. A value that is not a source's name is the publisher's own."""
    assert World().recogniser.recognise(arrival_of_sqs(record)).source == source


@pytest.mark.parametrize(
    ("record", "error"),
    [
        (sqs_record(HEAT), UnknownSource),
        (sqs_record(HEAT, source="nosuch"), UnknownSource),
        (sqs_record(notification(HEAT, topic="arn:aws:sns:eu-west-1:1:other")), UnknownSource),
        (sqs_record(bus_event({"cold": 1})), UnknownSource),
        (sqs_record(notification(HEAT, topic="arn:aws:sns:eu-west-9:1:ovens")), AmbiguousSource),
        (sqs_record(notification({"cold": 1})), SchemaViolation),
    ],
)
def test_a_message_of_no_source_or_of_several_is_rejected(
    record: dict[str, Any], error: type[RelayError]
) -> None:
    """A guess could send a person another source's push."""
    with pytest.raises(error):
        World().recogniser.recognise(arrival_of_sqs(record))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = [
    *("Records", "eventSource", "EventSource", "body", "messageId", "messageAttributes", "attributes", "Sns"),
    *(
        "Type",
        "TopicArn",
        "Message",
        "MessageId",
        "MessageAttributes",
        "detail",
        "detail-type",
        "source",
        "id",
    ),
    *("stringValue", "SentTimestamp", "ApproximateReceiveCount", "push-relay-event", "receiptHandle"),
]
JUNK = st.recursive(
    JSON | st.sampled_from(["aws:sqs", "aws:sns", "Notification", "1", "ovens", "{}", "9" * 5_000]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=12,
)
LAYERS = st.lists(st.sampled_from([notification, bus_event]), max_size=5)


def nested(content: Any, layers: list[Any]) -> Any:
    """Put envelopes round a document."""
    for layer in layers:
        content = layer(content)
    return content


@given(JSON, LAYERS, st.sampled_from([None, "ovens", "nosuch", "bakery"]))
def test_any_json_in_any_nesting_is_an_event_or_rejected(
    content: Any, layers: list[Any], source: str | None
) -> None:
    """Unwrapping and validating raise RelayError only."""
    recogniser = World().recogniser
    document = nested(content, layers)
    for unwrap, given_message in (
        (envelope.unwrap_sqs, sqs_record(document, source=source)),
        (envelope.unwrap_sns, {"Sns": notification(document)}),
        (envelope.unwrap_eventbridge, bus_event(document)),
    ):
        with suppress(RelayError):
            arrival = unwrap(given_message)
            assert isinstance(arrival, Arrival)
            recogniser.recognise(arrival)


@given(st.dictionaries(st.sampled_from(KEYS), JUNK, max_size=8))
def test_any_junk_is_an_event_or_rejected(junk: dict[str, Any]) -> None:
    """The fields of an envelope may have any value."""
    recogniser = World().recogniser
    for unwrap in (envelope.unwrap_sqs, envelope.unwrap_sns, envelope.unwrap_eventbridge):
        with suppress(RelayError):
            arrival = unwrap(junk)
            if isinstance(arrival, Arrival):
                recogniser.recognise(arrival)

"""Whatever AWS put round an event is taken off, in any nesting, or the message is malformed."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import World
from invocations import bus_event, notification, sqs_record
from push_relay.core import envelope
from push_relay.core.errors import (
    AmbiguousSource,
    MalformedRequest,
    RelayError,
    SchemaViolation,
    UnknownSource,
)
from push_relay.core.event import Arrival, Event, digest

HEAT = {"degrees": 451}
SENT, PUBLISHED = 1_800_000_000.0, 1_800_000_000.0
SNS_HEADERS = {"sns-topic": "arn:aws:sns:eu-west-1:1:ovens", "sns-subject": ""}
BUS_HEADERS = {
    "eventbridge-source": "ovens",
    "eventbridge-detail-type": "Heat",
    "eventbridge-account": "1",
    "eventbridge-region": "eu-west-1",
    "eventbridge-time": "2027-01-15T08:00:00Z",
}


def from_sqs(record: dict[str, Any]) -> Arrival:
    """Unwrap a record that somebody else sent."""
    arrival = envelope.unwrap_sqs(record)
    assert isinstance(arrival, Arrival)
    return arrival


def direct(given: dict[str, Any]) -> Arrival:
    """Unwrap what SNS invoked the function with."""
    return envelope.unwrap_sns({"EventSource": "aws:sns", "Sns": given})


@pytest.mark.parametrize(
    ("arrival", "headers", "identity"),
    [
        (lambda: from_sqs(sqs_record(HEAT)), {}, f"SQS:m-1:{digest(json.dumps(HEAT).encode())}"),
        (lambda: from_sqs(sqs_record(notification(HEAT))), SNS_HEADERS, "SNS:sns-1"),
        (lambda: from_sqs(sqs_record(bus_event(HEAT))), BUS_HEADERS, "EventBridge:eb-1"),
        (
            lambda: from_sqs(sqs_record(notification(bus_event(HEAT)))),
            SNS_HEADERS | BUS_HEADERS,
            "EventBridge:eb-1",
        ),
        (lambda: direct(notification(HEAT)), SNS_HEADERS, "SNS:sns-1"),
        (lambda: direct(notification(bus_event(HEAT))), SNS_HEADERS | BUS_HEADERS, "EventBridge:eb-1"),
        (lambda: envelope.unwrap_eventbridge(bus_event(HEAT)), BUS_HEADERS, "EventBridge:eb-1"),
    ],
    ids=["SQS", "SNS in SQS", "EB in SQS", "EB in SNS in SQS", "SNS", "EB in SNS", "EB"],
)
def test_every_nesting_gives_the_event_within(arrival: Any, headers: dict[str, str], identity: str) -> None:
    """The innermost id is the event's, since the outer ones change when it is sent again."""
    came = arrival()
    assert came.data == HEAT
    assert came.headers == headers
    assert came.identity == identity
    assert came.fallback_id == came.correlation_id == identity.split(":")[1]
    assert came.received_at == SENT
    assert came.source is None


def test_a_raw_notification_in_sqs_brings_its_attributes() -> None:
    """With raw delivery SNS's attributes are SQS's."""
    assert from_sqs(sqs_record(HEAT, source="ovens")).source == "ovens"


@pytest.mark.parametrize("wrap", [direct, lambda n: from_sqs(sqs_record(n))])
def test_a_notifications_attribute_names_the_source(wrap: Any) -> None:
    """As SQS's does."""
    attributes = {"source": {"Type": "String", "Value": "ovens"}}
    assert wrap(notification(HEAT, MessageAttributes=attributes)).source == "ovens"


def test_envelopes_that_name_different_sources_are_ambiguous() -> None:
    """The relay never guesses; the same name twice is no conflict."""
    attributes = {"source": {"Type": "String", "Value": "ovens"}}
    within = notification(HEAT, MessageAttributes=attributes)
    assert from_sqs(sqs_record(within, source="ovens")).source == "ovens"
    with pytest.raises(AmbiguousSource):
        from_sqs(sqs_record(within, source="bakery"))


def without(content: dict[str, Any], key: str) -> dict[str, Any]:
    """Leave a key out."""
    return {name: value for name, value in content.items() if name != key}


@pytest.mark.parametrize(
    "unwrap",
    [
        lambda: from_sqs(without(sqs_record(HEAT), "messageId")),
        lambda: from_sqs(sqs_record(HEAT) | {"messageId": 7}),
        lambda: from_sqs(without(sqs_record(HEAT), "body")),
        lambda: from_sqs(sqs_record("")),
        lambda: from_sqs(sqs_record("planted")),
        lambda: from_sqs(sqs_record('"\ud800"')),
        lambda: from_sqs(sqs_record([1])),
        lambda: from_sqs({}),
        lambda: direct(without(notification(HEAT), "MessageId")),
        lambda: direct(without(notification(HEAT), "TopicArn")),
        lambda: direct(notification("planted")),
        lambda: direct(notification(HEAT) | {"Message": None}),
        lambda: envelope.unwrap_sns({}),
        lambda: envelope.unwrap_sns({"Sns": []}),
        lambda: envelope.unwrap_eventbridge(without(bus_event(HEAT), "id")),
        lambda: envelope.unwrap_eventbridge(without(bus_event(HEAT), "detail-type")),
        lambda: envelope.unwrap_eventbridge(bus_event("planted")),
        lambda: envelope.unwrap_eventbridge(bus_event({"a": float("nan")})),
        lambda: envelope.unwrap_eventbridge(bus_event({"a": "\ud800"})),
        lambda: envelope.unwrap_eventbridge(bus_event({"a": {1, 2}})),
        lambda: envelope.unwrap_eventbridge({}),
        lambda: from_sqs(sqs_record(notification(notification(notification(notification(HEAT)))))),
    ],
)
def test_an_envelope_without_an_id_or_an_event_is_malformed(unwrap: Any) -> None:
    """Without an id nobody could tell a repetition; nothing of the message is quoted."""
    with pytest.raises(MalformedRequest) as malformed:
        unwrap()
    assert "planted" not in str(malformed.value)


@pytest.mark.parametrize("sent", ["", "soon", "1e3", "-1", "٣", "9" * 400, "9" * 5_000])
def test_a_moment_that_is_none_is_the_beginning_of_time(sent: str) -> None:
    """AWS always tells it; nothing breaks where it does not."""
    record = sqs_record(HEAT) | {"attributes": {"SentTimestamp": sent}}
    assert from_sqs(record).received_at == 0.0


@pytest.mark.parametrize("value", [7, ["ovens"], {"a": 1}, None, ""])
def test_an_attribute_that_is_no_text_names_no_source(value: object) -> None:
    """A binary attribute has no text, and junk is none."""
    record = sqs_record(HEAT) | {"messageAttributes": {"source": {"stringValue": value}}}
    assert from_sqs(record).source is None


EVENT = Event("bakery", "e-1", "baked", {"a": "\u2028é"}, 1.5, "i\ud800", "c-1", {"x": "y"}, {"q": "z"})


def packed(body: str, version: str = "1") -> dict[str, Any]:
    """Return a record that bears the relay's own attribute."""
    attributes = {"push-relay-event": {"stringValue": version, "dataType": "String"}}
    return sqs_record(body) | {"messageAttributes": attributes}


def test_a_packed_event_comes_back_as_it_was() -> None:
    """What `receive` queues is verified and validated already; its body is ASCII, which SQS takes."""
    event = Event("bakery", "e-1", "baked", {"a": "\u2028é\ufffe"}, 1.5, "i", "c-1", {"x": "y"}, {"q": "z"})
    body = envelope.pack(event).body
    assert body.isascii()
    assert envelope.unwrap_sqs(packed(body)) == event


@pytest.mark.parametrize(
    "change",
    [
        {"source": None},
        {"id": 7},
        {"data": []},
        {"headers": None},
        {"received_at": "now"},
        {"unknown": 1},
        {"identity": {}},
    ],
    ids=str,
)
def test_a_forged_packed_event_is_malformed(change: dict[str, Any]) -> None:
    """It bears the attribute and is something else."""
    fields = json.loads(envelope.pack(Event("bakery", "e-1", "baked", {}, 1.5, "i")).body)
    with pytest.raises(MalformedRequest):
        envelope.unwrap_sqs(packed(json.dumps(fields | change)))
    with pytest.raises(MalformedRequest):
        envelope.unwrap_sqs(packed("{}"))


def test_a_packed_events_ids_are_made_safe_to_log() -> None:
    """Whoever may write to the queue may write anything."""
    event = Event("bakery", "ada@example.com", "t", {}, 1.5, "i", "a\nb")
    made = envelope.unwrap_sqs(packed(envelope.pack(event).body))
    assert isinstance(made, Event)
    assert made.id.startswith("sha256:")
    assert made.correlation_id.startswith("sha256:")


def test_an_unknown_version_of_the_attribute_is_not_trusted() -> None:
    """It is validated like anybody's message."""
    body = envelope.pack(Event("bakery", "e-1", "baked", {}, 1.5, "i")).body
    assert isinstance(envelope.unwrap_sqs(packed(body, "2")), Arrival)


def test_a_replayed_message_keeps_the_identity_that_it_had() -> None:
    """SQS gives what is sent again an id of its own: without the old one it would be another event."""
    record = sqs_record(HEAT, source="ovens", message_id="m-2")
    record["messageAttributes"][envelope.ORIGIN_ATTRIBUTE] = {"stringValue": "m-1", "dataType": "String"}
    assert from_sqs(record).identity == from_sqs(sqs_record(HEAT, message_id="m-1")).identity


@pytest.mark.parametrize(
    ("record", "source"),
    [
        (sqs_record(HEAT, source="ovens"), "ovens"),
        (sqs_record(notification(HEAT)), "ovens"),
        (sqs_record(bus_event(HEAT)), "ovens"),
        (
            sqs_record(notification({"grams": 1}, topic="arn:aws:sns:eu-west-9:1:ovens"), source="scales"),
            "scales",
        ),
    ],
)
def test_a_source_is_named_or_is_the_only_one_that_matches(record: dict[str, Any], source: str) -> None:
    """A name goes before match rules."""
    assert World().relay.recognise(from_sqs(record)).source == source


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
    """The relay never guesses."""
    with pytest.raises(error):
        World().relay.recognise(from_sqs(record))


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
    """Put envelopes round a content."""
    for layer in layers:
        content = layer(content)
    return content


@given(JSON, LAYERS, st.sampled_from([None, "ovens", "nosuch", "bakery"]))
def test_any_json_in_any_nesting_is_an_event_or_rejected(
    content: Any, layers: list[Any], source: str | None
) -> None:
    """Nothing but RelayError comes out of the unwrapping and the validating."""
    relay = World().relay
    whole = nested(content, layers)
    for unwrap, given_message in (
        (envelope.unwrap_sqs, sqs_record(whole, source=source)),
        (envelope.unwrap_sns, {"Sns": notification(whole)}),
        (envelope.unwrap_eventbridge, bus_event(whole)),
    ):
        with suppress(RelayError):
            arrival = unwrap(given_message)
            assert isinstance(arrival, Arrival)
            relay.recognise(arrival)


@given(st.dictionaries(st.sampled_from(KEYS), JUNK, max_size=8))
def test_any_junk_is_an_event_or_rejected(junk: dict[str, Any]) -> None:
    """Whatever stands in an envelope's fields."""
    relay = World().relay
    for unwrap in (envelope.unwrap_sqs, envelope.unwrap_sns, envelope.unwrap_eventbridge):
        with suppress(RelayError):
            arrival = unwrap(junk)
            if isinstance(arrival, Arrival):
                relay.recognise(arrival)

"""One envelope of AWS's is removed if the transport says that it is one; everything inside it is data."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import World
from invocations import bus_event, notification, sqs_record
from push_relay.core import queue_format
from push_relay.core.errors import (
    AmbiguousSource,
    MalformedRequest,
    RelayError,
    SchemaViolation,
    UnknownSource,
)
from push_relay.core.event import Arrival, Event, sha256_hex
from push_relay.core.inbound import envelope

HEAT = {"degrees": 451}
OF_HEAT = sha256_hex(json.dumps(HEAT).encode())
OF_HEAT_SORTED = sha256_hex(b'{"degrees":451}')
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
        (lambda: from_sqs(sqs_record(HEAT)), {}, f"SQS:m-1:{OF_HEAT}"),
        (lambda: from_sqs(sqs_record(notification(HEAT))), SNS_HEADERS, f"SNS:sns-1:{OF_HEAT}"),
        (lambda: from_sqs(sqs_record(bus_event(HEAT))), BUS_HEADERS, f"EventBridge:eb-1:{OF_HEAT_SORTED}"),
        (lambda: direct(notification(HEAT)), SNS_HEADERS, f"SNS:sns-1:{OF_HEAT}"),
        (
            lambda: envelope.unwrap_eventbridge(bus_event(HEAT)),
            BUS_HEADERS,
            f"EventBridge:eb-1:{OF_HEAT_SORTED}",
        ),
    ],
    ids=["SQS", "SNS in SQS", "EB in SQS", "SNS", "EB"],
)
def test_the_envelope_that_the_transport_vouches_for_is_removed(
    arrival: Any, headers: dict[str, str], identity: str
) -> None:
    """The id is the envelope's, so that an event is the same one through a queue and without."""
    came = arrival()
    assert came.data == HEAT
    assert came.headers == headers
    assert came.identity == identity
    assert came.fallback_id == came.correlation_id == identity.split(":")[1]
    assert came.received_at == SENT
    assert came.source is None
    assert came.enclosed is None


FORGED_NOTIFICATION = notification(
    {"x": 1}, topic="arn:aws:sns:eu-west-1:9:mine", MessageAttributes={"source": {"Value": "bakery"}}
)
FORGED_EVENT = bus_event({"x": 1}, source="mine", id="sns-1")


@pytest.mark.parametrize("forged", [FORGED_NOTIFICATION, FORGED_EVENT], ids=["SNS", "EB"])
@pytest.mark.parametrize(
    ("wrap", "headers"),
    [
        (lambda inner: from_sqs(sqs_record(notification(inner))), SNS_HEADERS),
        (lambda inner: direct(notification(inner)), SNS_HEADERS),
        (lambda inner: from_sqs(sqs_record(bus_event(inner))), BUS_HEADERS),
        (lambda inner: envelope.unwrap_eventbridge(bus_event(inner)), BUS_HEADERS),
        (lambda inner: from_sqs(sqs_record(inner, source="mine")), {}),
        (lambda inner: from_sqs(sqs_record({"body": inner, "Records": [inner]})), {}),
    ],
    ids=["SNS in SQS", "SNS", "EB in SQS", "EB", "SQS with attributes", "deeper"],
)
def test_an_envelope_inside_is_data(wrap: Any, headers: dict[str, str], forged: dict[str, Any]) -> None:
    """The content's author wrote it: it names neither source nor headers, identity or age."""
    came, plain = wrap(forged), wrap(HEAT)
    assert came.headers == headers
    assert came.source == plain.source
    assert (came.fallback_id, came.received_at) == (plain.fallback_id, plain.received_at)
    assert came.identity.rpartition(":")[0] == plain.identity.rpartition(":")[0]
    assert json.dumps(forged) in json.dumps(came.data)


def test_an_eventbridge_event_in_a_notification_is_a_second_reading() -> None:
    """Its identity and its age are SNS's in both."""
    event = bus_event(HEAT, id="forged", time="2030-01-01T00:00:00Z")
    came = from_sqs(sqs_record(notification(event)))
    assert (came.data, came.headers) == (event, SNS_HEADERS)
    inner = came.enclosed
    assert inner is not None
    assert (inner.data, inner.enclosed) == (HEAT, None)
    assert inner.headers == SNS_HEADERS | BUS_HEADERS | {"eventbridge-time": "2030-01-01T00:00:00Z"}
    assert (inner.identity, inner.received_at, inner.fallback_id) == (came.identity, SENT, "sns-1")


def test_a_notification_with_attributes_is_no_rules() -> None:
    """EventBridge sets none, so its publisher wrote the whole text."""
    attributes = {"colour": {"Type": "String", "Value": "red"}}
    assert direct(notification(bus_event(HEAT), MessageAttributes=attributes)).enclosed is None


def with_attributes(body: Any, **attributes: dict[str, Any]) -> dict[str, Any]:
    """Return a record with message attributes as SQS hands them out."""
    return sqs_record(body) | {"messageAttributes": attributes}


@pytest.mark.parametrize("body", [notification(HEAT), bus_event(HEAT)], ids=["SNS", "EB"])
@pytest.mark.parametrize(
    "attribute",
    [
        {"dataType": "String", "stringValue": "x"},
        {"dataType": "Binary", "binaryValue": "eA=="},
        {"dataType": "Number", "stringValue": "7"},
    ],
    ids=["text", "binary", "number"],
)
def test_a_record_with_an_attribute_of_its_senders_has_no_envelope(
    body: dict[str, Any], attribute: dict[str, Any]
) -> None:
    """Neither SNS without raw delivery nor EventBridge sets any."""
    came = from_sqs(with_attributes(body, colour=attribute))
    assert (came.data, came.headers, came.enclosed) == (body, {}, None)
    assert came.identity.startswith("SQS:m-1:")


@pytest.mark.parametrize(
    "names",
    [
        ("RequestID", "ErrorCode", "ErrorMessage"),
        ("RULE_ARN", "TARGET_ARN", "ERROR_CODE", "ERROR_MESSAGE", "RETRY_ATTEMPTS"),
        (queue_format.ORIGIN_ATTRIBUTE, queue_format.SENT_ATTRIBUTE, "error_code", "event_id", "failed_at"),
    ],
    ids=["SNS's dead letter", "EventBridge's", "the relay's"],
)
def test_what_a_dead_letter_queue_adds_is_not_the_senders(names: tuple[str, ...]) -> None:
    """A dead letter that is sent again has the envelope that it had."""
    attributes = {name: {"dataType": "String", "stringValue": "x"} for name in names}
    assert from_sqs(with_attributes(notification(HEAT), **attributes)).headers == SNS_HEADERS


@pytest.mark.parametrize("key", ["id", "source", "detail-type", "account", "time", "region", "detail"])
def test_a_document_that_lacks_a_field_of_eventbridges_is_data(key: str) -> None:
    """Each event has them all."""
    document = without(bus_event(HEAT), key)
    assert from_sqs(sqs_record(document)).data == document
    assert direct(notification(document)).enclosed is None


@pytest.mark.parametrize(
    "change",
    [
        {"Type": "Event"},
        {"TopicArn": "ovens"},
        {"TopicArn": "arn:aws:sqs:eu-west-1:1:ovens"},
        {"TopicArn": 7},
        {"MessageId": None},
        {"Message": {}},
    ],
    ids=str,
)
def test_a_document_with_some_of_snss_fields_is_data(change: dict[str, Any]) -> None:
    """A program's own document may have a Type and a Message."""
    document = notification(HEAT) | change
    assert from_sqs(sqs_record(document)).data == document


@pytest.mark.parametrize(
    ("kind", "told"),
    [("SubscriptionConfirmation", "waits to be confirmed"), ("UnsubscribeConfirmation", "removed")],
)
def test_snss_message_about_a_subscription_is_no_event(kind: str, told: str) -> None:
    """Somebody has subscribed the queue by hand, or removed a subscription: the log has to say so."""
    message = {
        "Type": kind,
        "MessageId": "1",
        "Token": "planted",
        "TopicArn": "arn:aws:sns:eu-west-1:1:planted",
    }
    with pytest.raises(UnknownSource, match=told) as unknown:
        from_sqs(sqs_record(message | {"Message": "You have ...", "SubscribeURL": "https://planted/"}))
    assert "planted" not in str(unknown.value)
    assert from_sqs(sqs_record(message, source="bakery")).data == message


def test_a_raw_notification_in_sqs_brings_its_attributes() -> None:
    """With raw delivery SNS's attributes are SQS's."""
    assert from_sqs(sqs_record(HEAT, source="ovens")).source == "ovens"


@pytest.mark.parametrize("wrap", [direct, lambda n: from_sqs(sqs_record(n))])
def test_a_notifications_attribute_names_the_source(wrap: Any) -> None:
    """As SQS's does."""
    attributes = {"source": {"Type": "String", "Value": "ovens"}}
    assert wrap(notification(HEAT, MessageAttributes=attributes)).source == "ovens"


@pytest.mark.parametrize("unwrap", [direct, lambda n: from_sqs(sqs_record(n))])
def test_a_forged_id_makes_no_duplicate_of_another_content(unwrap: Any) -> None:
    """Programs that may send to the queue can write any id."""
    assert unwrap(notification(HEAT)).identity == unwrap(notification(HEAT, Subject="again")).identity
    assert unwrap(notification(HEAT)).identity != unwrap(notification({"degrees": 1})).identity


LENIENT = '{"a": 1, "a": "x\\ud83d", "b": NaN}'


@pytest.mark.parametrize(
    "unwrap",
    [
        lambda: from_sqs(sqs_record(LENIENT)),
        lambda: from_sqs(sqs_record(notification(LENIENT))),
        lambda: from_sqs(sqs_record(json.dumps(bus_event(0)).replace('"detail": 0', f'"detail": {LENIENT}'))),
        lambda: direct(notification(LENIENT)),
        lambda: envelope.unwrap_eventbridge(bus_event({"a": "x\ud83d", "b": float("nan")})),
    ],
)
def test_what_aws_delivers_is_read_as_its_publishers_library_would(unwrap: Any) -> None:
    """IAM knows the publisher, and nobody reads the message before the relay."""
    assert unwrap().data == {"a": "x\ufffd", "b": None}


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
        lambda: envelope.unwrap_eventbridge(bus_event({"a": {1, 2}})),
        lambda: envelope.unwrap_eventbridge({}),
        lambda: envelope.unwrap_eventbridge(notification(HEAT)),
        lambda: from_sqs(sqs_record(notification(HEAT, MessageId=""))),
        lambda: from_sqs(sqs_record(notification("planted"))),
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
    body = queue_format.pack(event).body
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
    fields = json.loads(queue_format.pack(Event("bakery", "e-1", "baked", {}, 1.5, "i")).body)
    with pytest.raises(MalformedRequest):
        envelope.unwrap_sqs(packed(json.dumps(fields | change)))
    with pytest.raises(MalformedRequest):
        envelope.unwrap_sqs(packed("{}"))


def test_a_packed_events_ids_are_made_safe_to_log() -> None:
    """Whoever may write to the queue may write anything."""
    event = Event("bakery", "ada@example.com", "t", {}, 1.5, "i", "a\nb")
    made = envelope.unwrap_sqs(packed(queue_format.pack(event).body))
    assert isinstance(made, Event)
    assert made.id.startswith("sha256:")
    assert made.correlation_id.startswith("sha256:")


def test_an_unknown_version_of_the_attribute_is_not_trusted() -> None:
    """It is validated like anybody's message."""
    body = queue_format.pack(Event("bakery", "e-1", "baked", {}, 1.5, "i")).body
    assert isinstance(envelope.unwrap_sqs(packed(body, "2")), Arrival)


def test_a_replayed_message_keeps_the_identity_that_it_had() -> None:
    """SQS gives what is sent again an id of its own: without the old one it would be another event."""
    record = sqs_record(HEAT, source="ovens", message_id="m-2")
    record["messageAttributes"][queue_format.ORIGIN_ATTRIBUTE] = {"stringValue": "m-1", "dataType": "String"}
    assert from_sqs(record).identity == from_sqs(sqs_record(HEAT, message_id="m-1")).identity


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
def test_a_source_is_named_or_is_the_only_one_that_matches(record: dict[str, Any], source: str) -> None:
    """A source's name goes before match rules; a name that is no source's is a publisher's own word."""
    assert World().recogniser.recognise(from_sqs(record)).source == source


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
        World().recogniser.recognise(from_sqs(record))


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
    recogniser = World().recogniser
    whole = nested(content, layers)
    for unwrap, given_message in (
        (envelope.unwrap_sqs, sqs_record(whole, source=source)),
        (envelope.unwrap_sns, {"Sns": notification(whole)}),
        (envelope.unwrap_eventbridge, bus_event(whole)),
    ):
        with suppress(RelayError):
            arrival = unwrap(given_message)
            assert isinstance(arrival, Arrival)
            recogniser.recognise(arrival)


@given(st.dictionaries(st.sampled_from(KEYS), JUNK, max_size=8))
def test_any_junk_is_an_event_or_rejected(junk: dict[str, Any]) -> None:
    """Whatever stands in an envelope's fields."""
    recogniser = World().recogniser
    for unwrap in (envelope.unwrap_sqs, envelope.unwrap_sns, envelope.unwrap_eventbridge):
        with suppress(RelayError):
            arrival = unwrap(junk)
            if isinstance(arrival, Arrival):
                recogniser.recognise(arrival)

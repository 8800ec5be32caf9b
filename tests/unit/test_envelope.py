"""One envelope of AWS's is removed if the transport shows that it is one; everything inside it is data."""

import json
from typing import Any

import pytest

from invocations import arrival_of_sqs, bus_event, notification, sqs_record
from push_relay.core import queue_format
from push_relay.core.errors import MalformedRequest, UnknownSource
from push_relay.core.event import Arrival, sha256_hex
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


def direct(given: dict[str, Any]) -> Arrival:
    """Unwrap a notification with which SNS invoked the function."""
    return envelope.unwrap_sns({"EventSource": "aws:sns", "Sns": given})


@pytest.mark.parametrize(
    ("arrival", "headers", "identity"),
    [
        (lambda: arrival_of_sqs(sqs_record(HEAT)), {}, f"SQS:m-1:{OF_HEAT}"),
        (lambda: arrival_of_sqs(sqs_record(notification(HEAT))), SNS_HEADERS, f"SNS:sns-1:{OF_HEAT}"),
        (
            lambda: arrival_of_sqs(sqs_record(bus_event(HEAT))),
            BUS_HEADERS,
            f"EventBridge:eb-1:{OF_HEAT_SORTED}",
        ),
        (lambda: direct(notification(HEAT)), SNS_HEADERS, f"SNS:sns-1:{OF_HEAT}"),
        (
            lambda: envelope.unwrap_eventbridge(bus_event(HEAT)),
            BUS_HEADERS,
            f"EventBridge:eb-1:{OF_HEAT_SORTED}",
        ),
    ],
    ids=["SQS", "SNS in SQS", "EB in SQS", "SNS", "EB"],
)
def test_the_envelope_of_the_transport_is_removed(
    arrival: Any, headers: dict[str, str], identity: str
) -> None:
    """The identity has the envelope's id, so an event is the same one through a queue and directly."""
    came = arrival()
    assert came.data == HEAT
    assert came.headers == headers
    assert came.identity == identity
    assert came.fallback_id == came.correlation_id == identity.split(":")[1]
    assert came.received_at == SENT
    assert came.source is None
    assert came.enclosed is None


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        (["arn:aws:ecs:eu-west-1:1:service/a", "arn:b"], "arn:aws:ecs:eu-west-1:1:service/a, arn:b"),
        ([f"arn:{number}" for number in range(20)], ", ".join(f"arn:{number}" for number in range(10))),
        ([7, "arn:a", None], "arn:a"),
        ([], None),
        ("arn:a", None),
    ],
)
def test_the_resources_of_an_event_are_a_header(resources: Any, expected: str | None) -> None:
    """Some services name what an event is about there alone. The header is missing if there are none."""
    came = envelope.unwrap_eventbridge(bus_event(HEAT, resources=resources))
    assert came.headers.get("eventbridge-resources") == expected


ACTION = {
    "source": "aws.cloudwatch",
    "alarmArn": "arn:aws:cloudwatch:eu-west-1:1:alarm:hot",
    "accountId": "1",
    "time": "2027-01-15T08:00:00.000+0000",
    "region": "eu-west-1",
    "alarmData": HEAT,
}


def test_the_action_of_an_alarm_is_read_as_the_event_of_the_same_change() -> None:
    """Lambda invokes the function again after a failure, so the id is made of the content."""
    came, again = (envelope.unwrap_eventbridge(dict(ACTION)) for _ in range(2))
    assert (came.data, came.received_at) == (HEAT, SENT)
    assert came.headers == {
        "eventbridge-source": "aws.cloudwatch",
        "eventbridge-detail-type": "CloudWatch Alarm State Change",
        "eventbridge-account": "1",
        "eventbridge-region": "eu-west-1",
        "eventbridge-time": ACTION["time"],
    }
    other = envelope.unwrap_eventbridge({**ACTION, "time": "2027-01-15T08:05:00.000+0000"})
    assert came.identity == again.identity != other.identity


@pytest.mark.parametrize("changes", [{"source": "kiln"}, {"alarmData": "planted"}, {"alarmData": None}])
def test_an_invocation_like_that_of_an_alarm_is_malformed(changes: dict[str, Any]) -> None:
    """Only CloudWatch's own shape is accepted."""
    with pytest.raises(MalformedRequest):
        envelope.unwrap_eventbridge({**ACTION, **changes})


FORGED_NOTIFICATION = notification(
    {"x": 1}, topic="arn:aws:sns:eu-west-1:9:mine", MessageAttributes={"source": {"Value": "bakery"}}
)
FORGED_EVENT = bus_event({"x": 1}, source="mine", id="sns-1")


@pytest.mark.parametrize("forged", [FORGED_NOTIFICATION, FORGED_EVENT], ids=["SNS", "EB"])
@pytest.mark.parametrize(
    ("wrap", "headers"),
    [
        (lambda inner: arrival_of_sqs(sqs_record(notification(inner))), SNS_HEADERS),
        (lambda inner: direct(notification(inner)), SNS_HEADERS),
        (lambda inner: arrival_of_sqs(sqs_record(bus_event(inner))), BUS_HEADERS),
        (lambda inner: envelope.unwrap_eventbridge(bus_event(inner)), BUS_HEADERS),
        (lambda inner: arrival_of_sqs(sqs_record(inner, source="mine")), {}),
        (lambda inner: arrival_of_sqs(sqs_record({"body": inner, "Records": [inner]})), {}),
    ],
    ids=["SNS in SQS", "SNS", "EB in SQS", "EB", "SQS with attributes", "deeper"],
)
def test_an_envelope_inside_is_data(wrap: Any, headers: dict[str, str], forged: dict[str, Any]) -> None:
    """The author of the content wrote it, so it decides neither source nor headers, identity or age."""
    came, plain = wrap(forged), wrap(HEAT)
    assert came.headers == headers
    assert came.source == plain.source
    assert (came.fallback_id, came.received_at) == (plain.fallback_id, plain.received_at)
    assert came.identity.rpartition(":")[0] == plain.identity.rpartition(":")[0]
    assert json.dumps(forged) in json.dumps(came.data)


def test_an_eventbridge_event_in_a_notification_is_a_second_reading() -> None:
    """A rule may have published it to the topic. Its identity and age are SNS's in both readings."""
    event = bus_event(HEAT, id="forged", time="2030-01-01T00:00:00Z")
    came = arrival_of_sqs(sqs_record(notification(event)))
    assert (came.data, came.headers) == (event, SNS_HEADERS)
    inner = came.enclosed
    assert inner is not None
    assert (inner.data, inner.enclosed) == (HEAT, None)
    assert inner.headers == SNS_HEADERS | BUS_HEADERS | {"eventbridge-time": "2030-01-01T00:00:00Z"}
    assert (inner.identity, inner.received_at, inner.fallback_id) == (came.identity, SENT, "sns-1")


def test_a_notification_with_attributes_does_not_come_from_a_rule() -> None:
    """EventBridge sets no attributes, so the publisher wrote the whole text."""
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
    """Neither SNS without raw delivery nor EventBridge sets attributes."""
    came = arrival_of_sqs(with_attributes(body, colour=attribute))
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
def test_attributes_of_a_dead_letter_queue_are_not_the_senders(names: tuple[str, ...]) -> None:
    """A dead letter that is sent again keeps its envelope."""
    attributes = {name: {"dataType": "String", "stringValue": "x"} for name in names}
    assert arrival_of_sqs(with_attributes(notification(HEAT), **attributes)).headers == SNS_HEADERS


@pytest.mark.parametrize("key", ["id", "source", "detail-type", "account", "time", "region", "detail"])
def test_a_document_that_lacks_a_field_of_eventbridges_is_data(key: str) -> None:
    """Every event of EventBridge has all these fields."""
    document = without(bus_event(HEAT), key)
    assert arrival_of_sqs(sqs_record(document)).data == document
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
    assert arrival_of_sqs(sqs_record(document)).data == document


@pytest.mark.parametrize(
    ("kind", "detail"),
    [("SubscriptionConfirmation", "waits to be confirmed"), ("UnsubscribeConfirmation", "removed")],
)
def test_a_message_of_sns_about_a_subscription_is_not_an_event(kind: str, detail: str) -> None:
    """Somebody has subscribed the queue by hand, or removed a subscription. The log line tells which."""
    message = {
        "Type": kind,
        "MessageId": "1",
        "Token": "planted",
        "TopicArn": "arn:aws:sns:eu-west-1:1:planted",
    }
    with pytest.raises(UnknownSource, match=detail) as unknown:
        arrival_of_sqs(sqs_record(message | {"Message": "You have ...", "SubscribeURL": "https://planted/"}))
    assert "planted" not in str(unknown.value)
    assert arrival_of_sqs(sqs_record(message, source="bakery")).data == message


def test_a_raw_notification_in_sqs_brings_its_attributes() -> None:
    """With raw delivery SNS copies its attributes to the SQS message."""
    assert arrival_of_sqs(sqs_record(HEAT, source="ovens")).source == "ovens"


@pytest.mark.parametrize("wrap", [direct, lambda n: arrival_of_sqs(sqs_record(n))])
def test_a_notifications_attribute_names_the_source(wrap: Any) -> None:
    """The attribute `source` means the same in SNS and in SQS."""
    attributes = {"source": {"Type": "String", "Value": "ovens"}}
    assert wrap(notification(HEAT, MessageAttributes=attributes)).source == "ovens"


@pytest.mark.parametrize("unwrap", [direct, lambda n: arrival_of_sqs(sqs_record(n))])
def test_a_forged_id_does_not_make_different_content_a_duplicate(unwrap: Any) -> None:
    """Programs that may send to the queue can write any id, so the identity includes the content's hash."""
    assert unwrap(notification(HEAT)).identity == unwrap(notification(HEAT, Subject="again")).identity
    assert unwrap(notification(HEAT)).identity != unwrap(notification({"degrees": 1})).identity


LENIENT = '{"a": 1, "a": "x\\ud83d", "b": NaN}'


@pytest.mark.parametrize(
    "unwrap",
    [
        lambda: arrival_of_sqs(sqs_record(LENIENT)),
        lambda: arrival_of_sqs(sqs_record(notification(LENIENT))),
        lambda: arrival_of_sqs(
            sqs_record(json.dumps(bus_event(0)).replace('"detail": 0', f'"detail": {LENIENT}'))
        ),
        lambda: direct(notification(LENIENT)),
        lambda: envelope.unwrap_eventbridge(bus_event({"a": "x\ud83d", "b": float("nan")})),
    ],
)
def test_json_from_aws_is_read_leniently(unwrap: Any) -> None:
    """IAM knows the publisher, and no other component reads the message in another way before the relay."""
    assert unwrap().data == {"a": "x\ufffd", "b": None}


def without(content: dict[str, Any], key: str) -> dict[str, Any]:
    """Leave a key out."""
    return {name: value for name, value in content.items() if name != key}


@pytest.mark.parametrize(
    "unwrap",
    [
        lambda: arrival_of_sqs(without(sqs_record(HEAT), "messageId")),
        lambda: arrival_of_sqs(sqs_record(HEAT) | {"messageId": 7}),
        lambda: arrival_of_sqs(without(sqs_record(HEAT), "body")),
        lambda: arrival_of_sqs(sqs_record("")),
        lambda: arrival_of_sqs(sqs_record("{planted")),
        lambda: arrival_of_sqs(sqs_record('"\ud800"')),
        lambda: arrival_of_sqs({}),
        lambda: direct(without(notification(HEAT), "MessageId")),
        lambda: direct(without(notification(HEAT), "TopicArn")),
        lambda: direct(notification("{planted")),
        lambda: direct(notification(HEAT) | {"Message": None}),
        lambda: envelope.unwrap_sns({}),
        lambda: envelope.unwrap_sns({"Sns": []}),
        lambda: envelope.unwrap_eventbridge(without(bus_event(HEAT), "id")),
        lambda: envelope.unwrap_eventbridge(without(bus_event(HEAT), "detail-type")),
        lambda: envelope.unwrap_eventbridge(bus_event("planted")),
        lambda: envelope.unwrap_eventbridge(bus_event({"a": {1, 2}})),
        lambda: envelope.unwrap_eventbridge({}),
        lambda: envelope.unwrap_eventbridge(notification(HEAT)),
        lambda: arrival_of_sqs(sqs_record(notification(HEAT, MessageId=""))),
        lambda: arrival_of_sqs(sqs_record(notification("{planted"))),
    ],
)
def test_an_envelope_without_an_id_or_an_event_is_malformed(unwrap: Any) -> None:
    """Without an id a repetition could not be recognised. The error's text quotes no part of the message."""
    with pytest.raises(MalformedRequest) as malformed:
        unwrap()
    assert "planted" not in str(malformed.value)


@pytest.mark.parametrize("sent", ["", "soon", "1e3", "-1", "٣", "9" * 400, "9" * 5_000])
def test_a_malformed_moment_is_read_as_zero(sent: str) -> None:
    """AWS always sends the moment; if it does not, nothing breaks."""
    record = sqs_record(HEAT) | {"attributes": {"SentTimestamp": sent}}
    assert arrival_of_sqs(record).received_at == 0.0


@pytest.mark.parametrize("value", [7, ["ovens"], {"a": 1}, None, ""])
def test_an_attribute_without_text_gives_no_source(value: object) -> None:
    """A binary attribute has no text, and a hand-made invocation may have any value."""
    record = sqs_record(HEAT) | {"messageAttributes": {"source": {"stringValue": value}}}
    assert arrival_of_sqs(record).source is None


def test_a_replayed_message_keeps_the_identity_that_it_had() -> None:
    """SQS gives the replayed message a new id, with which it would be another event."""
    record = sqs_record(HEAT, source="ovens", message_id="m-2")
    record["messageAttributes"][queue_format.ORIGIN_ATTRIBUTE] = {"stringValue": "m-1", "dataType": "String"}
    assert arrival_of_sqs(record).identity == arrival_of_sqs(sqs_record(HEAT, message_id="m-1")).identity

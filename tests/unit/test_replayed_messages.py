"""A foreign message that is dead-lettered and replayed is the same event as before, and keeps its age."""

import json
from pathlib import Path
from typing import Any

import pytest

from fakes import World
from invocations import notification, sqs_batch, sqs_record
from push_relay.core.event import Arrival
from push_relay.core.inbound.envelope import unwrap_sqs
from push_relay.core.outcomes import Outcome
from push_relay.core.queue_format import ORIGIN_ATTRIBUTE, SENT_ATTRIBUTE, sqs_attributes
from queues import DeadLettered
from relayctl.deadletters.dead_letter import DeadLetter, record
from relayctl.deadletters.outgoing import outgoing_messages
from relayctl.deadletters.preview import Previewer

NOW = 1_800_000_000.0  # when the records of invocations.py were sent
DAY = 86_400
MESSAGE = {"kind": "baked", "words": "warm"}


def dead_letter_of(dead: DeadLettered, message_id: str, at: float) -> DeadLetter:
    """Return a dead-lettered message as SQS delivers it, with an id and a time of its own."""
    texts = {**dead.attributes, "error_code": dead.error_code, "failed_at": "2027-01-15T08:00:00+00:00"}
    attributes = {name: {"DataType": "String", "StringValue": text} for name, text in texts.items()}
    return DeadLetter(message_id, dead.body, attributes, at)


def replayed(dead_letter: DeadLetter, message_id: str, at: float) -> dict[str, Any]:
    """Return the record of the relay's queue after a dead letter has been replayed."""
    (message,) = outgoing_messages(dead_letter, at, force=False)
    return record(message_id, message.body, message.attributes, at) | {
        "eventSource": "aws:sqs",
        "receiptHandle": f"handle-{message_id}",
    }


@pytest.fixture
def before(tmp_path: Path) -> World:
    """Return a relay that does not know the bakery yet."""
    return World(sources=tmp_path)


def test_a_message_that_was_dead_lettered_and_replayed_twice_is_one_push(before: World) -> None:
    """The deletion was lost after the message was dead-lettered first, but it has one identity."""
    for _ in range(2):
        before.deliver(sqs_batch(sqs_record(MESSAGE, source="bakery", message_id="m")))
    dead_letters = [dead_letter_of(b, f"d-{n}", NOW) for n, b in enumerate(before.messages.dead_letters)]
    corrected = World()
    corrected.deliver(sqs_batch(replayed(dead_letters[0], "r-1", NOW + 9)))
    corrected.deliver(sqs_batch(replayed(dead_letters[1], "r-2", NOW + 9)))
    corrected.deliver(sqs_batch(sqs_record(MESSAGE, source="bakery", message_id="m")))
    assert corrected.witness.outcomes == [Outcome.DELIVERED, Outcome.DUPLICATE, Outcome.DUPLICATE]


NAMED = {"MessageAttributes": {"source": {"Type": "String", "Value": "bakery"}}}


@pytest.mark.parametrize(
    "came",
    [sqs_record(MESSAGE, source="bakery"), sqs_record(notification(MESSAGE, **NAMED))],
    ids=["bare", "through SNS"],
)
def test_a_message_keeps_its_age_through_dead_letters_and_replays(
    before: World, came: dict[str, Any]
) -> None:
    """The dry run and the relay agree on the expiry, even after several dead letters."""
    before.deliver(sqs_batch(came))
    first = dead_letter_of(before.messages.dead_letters[0], "d-1", NOW + 5 * DAY)
    before.deliver(sqs_batch(replayed(first, "r-1", NOW + 5 * DAY)))
    second = dead_letter_of(before.messages.dead_letters[1], "d-2", NOW + 5 * DAY)
    corrected = World()
    corrected.clock.time = NOW + 8 * DAY
    assert Previewer(corrected.translator, lambda *_: None, corrected.clock.now).preview(second).outcomes == {
        "expired": 1
    }
    corrected.deliver(sqs_batch(replayed(second, "r-2", NOW + 8 * DAY)))
    assert corrected.witness.outcomes == [Outcome.EXPIRED]


def test_the_age_of_a_failed_invocation_is_that_of_its_dead_letter() -> None:
    """SNS invoked the function, and Lambda gave up. No earlier time is known."""
    payload = {"Records": [{"EventSource": "aws:sns", "Sns": notification({"degrees": 451})}]}
    body = json.dumps({"requestContext": {}, "requestPayload": payload})
    late = World()
    late.clock.time = NOW + 8 * DAY
    late.deliver(sqs_batch(replayed(DeadLetter("d-1", body, {}, NOW), "r-1", NOW + 8 * DAY)))
    assert late.witness.outcomes == [Outcome.EXPIRED]


def test_an_event_that_is_dead_lettered_in_its_original_form_keeps_its_identity() -> None:
    """Some of its pushes may have been delivered before, and must be duplicates."""
    world = World()
    came = sqs_record(MESSAGE | {"kind": "broken", "more": "é" * 300_000}, source="bakery", message_id="m")
    came["body"] = came["body"].replace("\\u00e9", "é")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("push_relay.core.queue_format.MAX_MESSAGE", 100)
        world.deliver(sqs_batch(came))
    (dead,) = world.messages.dead_letters
    assert (
        unwrapped(replayed(dead_letter_of(dead, "d-1", NOW), "r-1", NOW)).identity == unwrapped(came).identity
    )


def unwrapped(came: dict[str, Any]) -> Arrival:
    """Unwrap a foreign record."""
    arrival = unwrap_sqs(came)
    assert isinstance(arrival, Arrival)
    return arrival


def claiming(body: Any, message_id: str, **claims: str) -> dict[str, Any]:
    """Return a record with attributes that claim an origin."""
    made = sqs_record(body, source="bakery", message_id=message_id)
    claimed = {name: {"stringValue": value, "dataType": "String"} for name, value in claims.items()}
    return {**made, "messageAttributes": {**made["messageAttributes"], **claimed}}


def test_a_forged_origin_does_not_suppress_the_genuine_event() -> None:
    """Anyone who may send to the queue can claim any origin, but the identity includes the content."""
    world = World()
    forged = claiming({"kind": "baked", "words": "forged"}, "f-1", **{ORIGIN_ATTRIBUTE: "m"})
    world.deliver(sqs_batch(forged))
    world.deliver(sqs_batch(sqs_record(MESSAGE, source="bakery", message_id="m")))
    assert world.witness.outcomes == [Outcome.DELIVERED, Outcome.DELIVERED]


@pytest.mark.parametrize("claim", ["0", "-1", "soon", str(round((NOW + DAY) * 1000))])
def test_a_message_cannot_be_made_younger_than_sqs_reports(claim: str) -> None:
    """A claim can only increase the age, and only that of the sender's own message."""
    assert unwrapped(claiming(MESSAGE, "m", **{SENT_ATTRIBUTE: claim})).received_at == NOW
    older = claiming(MESSAGE, "m", **{SENT_ATTRIBUTE: str(round((NOW - DAY) * 1000))})
    assert unwrapped(older).received_at == NOW - DAY


def test_a_foreign_attribute_is_not_an_origin(before: World) -> None:
    """Only the relay's own attribute names are read. Others are kept through the replay."""
    own = claiming(MESSAGE, "m", **{"origin-message-id": "theirs"})
    assert unwrapped(own).identity == unwrapped(sqs_record(MESSAGE, message_id="m")).identity
    before.deliver(sqs_batch(own))
    dead_letter = dead_letter_of(before.messages.dead_letters[0], "d-1", NOW)
    assert sqs_attributes(replayed(dead_letter, "r-1", NOW))["origin-message-id"] == "theirs"


@pytest.mark.parametrize(
    "document",
    [
        notification(MESSAGE, **NAMED),
        {"requestContext": {}, "requestPayload": notification(MESSAGE, **NAMED)},
        {"EventSource": "aws:sns", "Sns": notification(MESSAGE, **NAMED)},
    ],
    ids=["SNS", "Lambda's failed invocation", "SNS's record"],
)
@pytest.mark.parametrize("attribute", ["stringValue", "binaryValue"])
def test_a_replay_does_not_unwrap_data_that_looks_like_an_envelope(document: Any, attribute: str) -> None:
    """The sender's attributes showed that the body is a program's own, whatever it looks like."""
    world = World()
    world.deliver(sqs_batch(sqs_record(document) | {"messageAttributes": {"colour": {attribute: "eA=="}}}))
    (dead,) = world.messages.dead_letters
    world.deliver(sqs_batch(replayed(dead_letter_of(dead, "d-1", NOW), "r-1", NOW)))
    assert world.witness.outcomes == [Outcome.REJECTED, Outcome.REJECTED]
    assert not world.vendor.calls

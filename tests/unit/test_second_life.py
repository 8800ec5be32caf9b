"""A stranger's dead letter is replayed as the event that it was: the same one, and as old as it is."""

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


def letter_of(dead: DeadLettered, message_id: str, at: float) -> DeadLetter:
    """Return a dead-lettered message as SQS hands it out: under an id and a moment of its own."""
    told = {**dead.attributes, "error_code": dead.error_code, "failed_at": "2027-01-15T08:00:00+00:00"}
    attributes = {name: {"DataType": "String", "StringValue": text} for name, text in told.items()}
    return DeadLetter(message_id, dead.body, attributes, at)


def replayed(letter: DeadLetter, message_id: str, at: float) -> dict[str, Any]:
    """Return the record that the relay's queue hands out when a letter has been replayed."""
    (message,) = outgoing_messages(letter, at, force=False)
    return record(message_id, message.body, message.attributes, at) | {
        "eventSource": "aws:sqs",
        "receiptHandle": f"handle-{message_id}",
    }


@pytest.fixture
def before(tmp_path: Path) -> World:
    """Return a relay to which the bakery is unknown yet."""
    return World(sources=tmp_path)


def test_a_message_that_was_laid_aside_twice_and_replayed_twice_is_one_push(before: World) -> None:
    """The deletion was lost after the first burial; it has one identity all the same."""
    for _ in range(2):
        before.deliver(sqs_batch(sqs_record(MESSAGE, source="bakery", message_id="m")))
    letters = [letter_of(b, f"d-{n}", NOW) for n, b in enumerate(before.messages.dead_letters)]
    mended = World()
    mended.deliver(sqs_batch(replayed(letters[0], "r-1", NOW + 9)))
    mended.deliver(sqs_batch(replayed(letters[1], "r-2", NOW + 9)))
    mended.deliver(sqs_batch(sqs_record(MESSAGE, source="bakery", message_id="m")))
    assert mended.witness.outcomes == [Outcome.DELIVERED, Outcome.DUPLICATE, Outcome.DUPLICATE]


NAMED = {"MessageAttributes": {"source": {"Type": "String", "Value": "bakery"}}}


@pytest.mark.parametrize(
    "came",
    [sqs_record(MESSAGE, source="bakery"), sqs_record(notification(MESSAGE, **NAMED))],
    ids=["bare", "through SNS"],
)
def test_a_message_keeps_its_age_through_burials_and_replays(before: World, came: dict[str, Any]) -> None:
    """What is too old is expired by the dry run and by the relay alike, however often it has died."""
    before.deliver(sqs_batch(came))
    first = letter_of(before.messages.dead_letters[0], "d-1", NOW + 5 * DAY)
    before.deliver(sqs_batch(replayed(first, "r-1", NOW + 5 * DAY)))
    second = letter_of(before.messages.dead_letters[1], "d-2", NOW + 5 * DAY)
    mended = World()
    mended.clock.time = NOW + 8 * DAY
    assert Previewer(mended.translator, lambda *_: None, mended.clock.now).preview(second).outcomes == {
        "expired": 1
    }
    mended.deliver(sqs_batch(replayed(second, "r-2", NOW + 8 * DAY)))
    assert mended.witness.outcomes == [Outcome.EXPIRED]


def test_what_had_no_queue_behind_it_is_as_old_as_its_letter() -> None:
    """SNS invoked the function, and Lambda gave up: the letter is the first that SQS has seen of it."""
    payload = {"Records": [{"EventSource": "aws:sns", "Sns": notification({"degrees": 451})}]}
    body = json.dumps({"requestContext": {}, "requestPayload": payload})
    late = World()
    late.clock.time = NOW + 8 * DAY
    late.deliver(sqs_batch(replayed(DeadLetter("d-1", body, {}, NOW), "r-1", NOW + 8 * DAY)))
    assert late.witness.outcomes == [Outcome.EXPIRED]


def test_what_is_too_large_to_be_laid_aside_as_an_event_keeps_its_identity_too() -> None:
    """It is laid aside as it came; a part of its pushes may have been delivered."""
    world = World()
    came = sqs_record(MESSAGE | {"kind": "broken", "more": "é" * 300_000}, source="bakery", message_id="m")
    came["body"] = came["body"].replace("\\u00e9", "é")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("push_relay.core.queue_format.MAX_MESSAGE", 100)
        world.deliver(sqs_batch(came))
    (buried,) = world.messages.dead_letters
    assert unwrapped(replayed(letter_of(buried, "d-1", NOW), "r-1", NOW)).identity == unwrapped(came).identity


def unwrapped(came: dict[str, Any]) -> Arrival:
    """Unwrap a stranger's record."""
    arrival = unwrap_sqs(came)
    assert isinstance(arrival, Arrival)
    return arrival


def claiming(body: Any, message_id: str, **claims: str) -> dict[str, Any]:
    """Return a record whose sender claims to be somebody else's replay."""
    made = sqs_record(body, source="bakery", message_id=message_id)
    told = {name: {"stringValue": value, "dataType": "String"} for name, value in claims.items()}
    return {**made, "messageAttributes": {**made["messageAttributes"], **told}}


def test_nobody_claims_another_events_identity_for_words_of_their_own() -> None:
    """Whoever sends to the queue may name any origin: the other event is pushed all the same."""
    world = World()
    forged = claiming({"kind": "baked", "words": "forged"}, "f-1", **{ORIGIN_ATTRIBUTE: "m"})
    world.deliver(sqs_batch(forged))
    world.deliver(sqs_batch(sqs_record(MESSAGE, source="bakery", message_id="m")))
    assert world.witness.outcomes == [Outcome.DELIVERED, Outcome.DELIVERED]


@pytest.mark.parametrize("claim", ["0", "-1", "soon", str(round((NOW + DAY) * 1000))])
def test_nobody_makes_a_message_younger_than_sqs_says(claim: str) -> None:
    """A claim can only add to an age, and only to that of the claimer's own message."""
    assert unwrapped(claiming(MESSAGE, "m", **{SENT_ATTRIBUTE: claim})).received_at == NOW
    older = claiming(MESSAGE, "m", **{SENT_ATTRIBUTE: str(round((NOW - DAY) * 1000))})
    assert unwrapped(older).received_at == NOW - DAY


def test_an_attribute_of_somebodys_own_names_no_origin(before: World) -> None:
    """Only the relay's names are read; theirs stay theirs, and come along."""
    own = claiming(MESSAGE, "m", **{"origin-message-id": "theirs"})
    assert unwrapped(own).identity == unwrapped(sqs_record(MESSAGE, message_id="m")).identity
    before.deliver(sqs_batch(own))
    letter = letter_of(before.messages.dead_letters[0], "d-1", NOW)
    assert sqs_attributes(replayed(letter, "r-1", NOW))["origin-message-id"] == "theirs"


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
def test_a_replay_makes_no_envelope_of_what_was_data(document: Any, attribute: str) -> None:
    """The sender's attributes said that the body was a program's own, whatever it looks like."""
    world = World()
    world.deliver(sqs_batch(sqs_record(document) | {"messageAttributes": {"colour": {attribute: "eA=="}}}))
    (buried,) = world.messages.dead_letters
    world.deliver(sqs_batch(replayed(letter_of(buried, "d-1", NOW), "r-1", NOW)))
    assert world.witness.outcomes == [Outcome.REJECTED, Outcome.REJECTED]
    assert not world.vendor.calls

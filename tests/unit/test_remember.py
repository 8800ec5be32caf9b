"""How long the same content counts as the same event: by the scheme, the id and the source's `remember`."""

from pathlib import Path
from typing import Any

import pytest

from fakes import World
from front_door import GATEWAYS, request, world, world_of
from invocations import notification, sqs_batch, sqs_queued, sqs_record
from push_relay.core.errors import ConfigurationInvalid, VendorRejected, VendorThrottled
from push_relay.core.event import Event
from push_relay.core.outcomes import Outcome
from push_relay.core.push import BATCHED
from relayctl.deadletters.dead_letter import DeadLetter
from relayctl.deadletters.preview import Previewer
from signers import CASES, Case, mac
from sns_sender import NOW, Request

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
GITHUB = {"scheme": "github"}


def github(body: bytes = b'{"n": 1}', **headers: str) -> Request:
    """Return a request that is signed as GitHub signs, which never becomes stale."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    proof = {
        "x-hub-signature-256": "sha256=" + mac(b"secret", body).hex(),
        "content-type": "application/json",
    }
    return request(body, proof | named)


def relay(directory: Path, event: str = 'remember = "5m"', verify: Any = GITHUB, **more: Any) -> World:
    """Return a relay with one source."""
    here = world(directory, verify, event=event, **more)
    here.secrets.secrets = (b"secret",)
    return here


def received(here: World, at: float, sent: Request) -> Event:
    """Receive a request at a moment, and return the event that was queued."""
    here.clock.time = NOW + at
    assert here.receive(GATEWAYS[0](sent))["statusCode"] == 202
    return here.messages.queued[-1][0]


def delivered(here: World, at: float, *events: Event) -> list[Outcome]:
    """Deliver queued events at a moment, and return their outcomes."""
    here.clock.time = NOW + at
    before = len(here.witness.receipts)
    here.deliver(sqs_batch(*(sqs_queued(event) for event in events)))
    return here.witness.outcomes[before:]


def arrivals(here: World, *moments: float, sent: Any = github) -> list[Outcome]:
    """Receive and deliver the same request at each of these moments."""
    return [outcome for at in moments for outcome in delivered(here, at, received(here, at, sent()))]


def cannot_be_replayed(case: Case) -> bool:
    """Return whether a captured request becomes stale, or contains all that is needed to forge others."""
    return case.stamp is not None or case.covers == "nothing"


#: A sender that writes the time into the body sends another body each time.
HAS_NO_ID = [
    case for case in CASES if case.event_id is None and not (case.stamp and case.stamp.kind == "json")
]


@pytest.mark.parametrize("case", HAS_NO_ID, ids=lambda case: case.name)
def test_the_default_depends_on_the_scheme(case: Case, tmp_path: Path) -> None:
    """It is half a day, in which all retries end, or two weeks if only the ledger prevents a replay."""
    here = world_of(tmp_path, case)
    is_new = Outcome.DELIVERED if cannot_be_replayed(case) else Outcome.DUPLICATE
    moments = (0.0, HOUR, 11 * HOUR, 13 * HOUR, 13 * DAY)
    outcomes = [
        outcome
        for at in moments
        for outcome in delivered(here, at, received(here, at, case.genuine(NOW + at)))
    ]
    assert outcomes == [Outcome.DELIVERED, Outcome.DUPLICATE, Outcome.DUPLICATE, is_new, is_new]


@pytest.mark.parametrize("verify", [{"scheme": "stripe"}, {"scheme": "slack"}], ids=str)
def test_a_captured_request_is_a_duplicate_for_as_long_as_it_is_fresh(verify: Any, tmp_path: Path) -> None:
    """With the largest tolerance, a request is fresh from a day before its timestamp to a day after it."""
    case = next(case for case in CASES if case.name == verify["scheme"])
    here = relay(tmp_path, "", verify | {"tolerance_secs": 86_400})
    here.secrets.secrets = (case.secret,)
    captured = case.genuine(NOW + DAY - MINUTE)
    moments = (0.0, DAY, 2 * DAY - 2 * MINUTE)
    assert arrivals(here, *moments, sent=lambda: captured) == [Outcome.DELIVERED, *[Outcome.DUPLICATE] * 2]


HAS_ID = [case for case in CASES if case.name in ("standard-webhooks v1", "sns-http version 2")]


@pytest.mark.parametrize("case", HAS_ID, ids=lambda case: case.name)
def test_a_signed_id_identifies_one_event(case: Case, tmp_path: Path) -> None:
    """`remember` does not apply, because the sender makes a new id for each event."""
    format_ = 'format = "sns"\n' if case.verify["scheme"] == "sns-http" else ""
    here = world_of(tmp_path, case, event=format_ + 'remember = "5m"')
    first = received(here, 0, case.genuine(NOW))
    assert delivered(here, 0, first) == [Outcome.DELIVERED]
    late = HOUR / 2 if format_ else DAY
    again = received(here, late, case.genuine(NOW if format_ else NOW + late))
    assert delivered(here, late, again) == [Outcome.DUPLICATE]


def test_an_id_in_a_signed_document_identifies_the_event(tmp_path: Path) -> None:
    """The sender may retry for days, and sends the same document each time."""
    stripe = next(case for case in CASES if case.name == "stripe")
    here = world_of(tmp_path, stripe, event='id = "data.id"')
    for body, last in ((b'{"id": "evt_1"}', Outcome.DUPLICATE), (b'{"id": null}', Outcome.DELIVERED)):
        outcomes = [
            outcome
            for at in (0.0, 3 * DAY)
            for outcome in delivered(here, at, received(here, at, stripe.genuine(NOW + at, body=body)))
        ]
        assert outcomes == [Outcome.DELIVERED, last]


@pytest.mark.parametrize("where", ["id = 'headers.\"x-id\"'", 'id = "query.id"'])
def test_an_id_outside_the_document_does_not_identify_the_event(where: str, tmp_path: Path) -> None:
    """It is not signed, or it is not known to be signed."""
    slack = next(case for case in CASES if case.name == "slack")
    here = world_of(tmp_path, slack, event=where)
    outcomes = []
    for at in (0.0, DAY):
        sent = slack.genuine(NOW + at)
        named = Request(sent.body, {**sent.headers, "x-id": "1"}, {"id": "1"}, sent.url)
        outcomes += delivered(here, at, received(here, at, named))
    assert outcomes == [Outcome.DELIVERED, Outcome.DELIVERED]


def test_the_remember_key_of_a_source_overrides_the_default(tmp_path: Path) -> None:
    """This includes documents with an id, if the source's author knows that reminders repeat it."""
    here = relay(tmp_path, 'id = "data.n"\nremember = "5m"')
    assert arrivals(here, 0, 299, 302, 400, 4 * HOUR) == [
        Outcome.DELIVERED,
        Outcome.DUPLICATE,
        Outcome.DELIVERED,
        Outcome.DUPLICATE,
        Outcome.DELIVERED,
    ]


def test_a_cloudevent_is_identified_by_its_source_and_id(tmp_path: Path) -> None:
    """By its specification, this holds for as long as the ledger remembers."""
    token = {"scheme": "token", "header": "authorization"}
    here = relay(tmp_path, 'format = "cloudevents"\nremember = "5m"', token)
    about = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/bakery", "ce-type": "baked"}
    sent = request(b"", {"authorization": "secret", **about})
    assert arrivals(here, 0, DAY, sent=lambda: sent) == [Outcome.DELIVERED, Outcome.DUPLICATE]


# --- the same arrival at a later time ---------------------------------------------------------------------


@pytest.mark.parametrize("later", [6 * MINUTE, 3 * HOUR, 6 * DAY])
def test_a_message_that_sqs_delivers_again_is_the_same_arrival(later: float, tmp_path: Path) -> None:
    """Its deletion was lost or its worker died, and it returns long after the time of `remember`."""
    here = relay(tmp_path)
    event = received(here, 0, github())
    assert delivered(here, 2, event) == [Outcome.DELIVERED]
    assert delivered(here, later, event) == [Outcome.DUPLICATE]


def test_an_event_with_a_parked_push_is_the_same_arrival_for_hours(tmp_path: Path) -> None:
    """One recipient gets the push at once, and the other one's push waits in a separate message."""
    here = relay(tmp_path)
    (tmp_path / "relay.toml").write_text('[[route]]\nsource = "planted"\nto = ["user:1", "user:2"]\n')
    here = World(sources=tmp_path / "sources", routes=tmp_path / "relay.toml")
    here.secrets.secrets = (b"secret",)
    here.vendor.errors = [None, VendorThrottled("slow")]
    event = received(here, 0, github())
    assert delivered(here, 2, event) == [Outcome.DELIVERED, Outcome.PARKED]
    ((parked, _, _),) = here.parked
    assert delivered(here, 5 * HOUR, parked) == [Outcome.DELIVERED]
    assert delivered(here, 6 * HOUR, event) == [Outcome.DUPLICATE, Outcome.DUPLICATE]


def test_a_senders_retry_is_a_duplicate_of_a_parked_event(tmp_path: Path) -> None:
    """`remember` begins at the settlement, because the first attempt may have been parked for hours."""
    here = relay(tmp_path)
    here.vendor.errors = [VendorThrottled("slow")]
    first = received(here, 0, github())
    assert delivered(here, 1, first) == [Outcome.PARKED]
    second, third = received(here, 30, github()), received(here, 3 * HOUR + 299, github())
    assert delivered(here, 3 * HOUR, first) == [Outcome.DELIVERED]
    assert delivered(here, 3 * HOUR + 1, second) == [Outcome.DUPLICATE]
    assert delivered(here, 3 * HOUR + 400, third) == [Outcome.DUPLICATE]


def test_parked_reminders_become_one_push(tmp_path: Path) -> None:
    """They have the same content, so one push is enough for all that arrived before it was sent."""
    here = relay(tmp_path)
    here.vendor.errors = [VendorThrottled("slow")]
    events = [received(here, at, github()) for at in (0, HOUR, 2 * HOUR)]
    assert delivered(here, 2 * HOUR, *events) == [Outcome.PARKED] * 3
    waited = delivered(here, 3 * HOUR, events[1], events[0], events[2])
    # The claims of a batch are taken together, so the others wait until the first is settled.
    assert waited == [Outcome.DELIVERED, Outcome.PARKED, Outcome.PARKED]
    assert delivered(here, 3 * HOUR + 1, events[0], events[2]) == [Outcome.DUPLICATE] * 2
    assert len(here.vendor.calls) == 2


@pytest.mark.parametrize(
    "record",
    [
        sqs_record({"n": 1}, source="planted"),
        sqs_record(notification({"n": 1}, MessageAttributes={"source": {"Value": "planted"}})),
    ],
    ids=["bare", "through SNS"],
)
def test_a_message_with_an_id_of_aws_is_one_event(record: dict[str, Any], tmp_path: Path) -> None:
    """It is one event at any time, even if the record has no time of sending."""
    here = relay(tmp_path)
    for dated in (record, {**record, "attributes": {}}):
        for at in (0.0, 6 * MINUTE, DAY):
            here.clock.time = NOW + at
            here.deliver(sqs_batch(dated))
    assert here.witness.outcomes == [Outcome.DELIVERED] + [Outcome.DUPLICATE] * 5


# --- other kinds of settlement -----------------------------------------------------------------------------


def test_a_failed_push_is_remembered_for_the_same_time(tmp_path: Path) -> None:
    """A recipient that the vendor did not know yesterday may be known today."""
    here = relay(tmp_path)
    here.vendor.errors = [VendorRejected("no")]
    assert arrivals(here, 0, 60, HOUR) == [Outcome.FAILED, Outcome.FAILED, Outcome.DELIVERED]


def test_a_batched_push_is_batched_again_later(tmp_path: Path) -> None:
    """It is added to the batch window of that time."""
    relay(tmp_path)
    (tmp_path / "relay.toml").write_text('[[route]]\nsource = "planted"\nto = ["user:1"]\nbatch = "10m"\n')
    here = World(sources=tmp_path / "sources", routes=tmp_path / "relay.toml")
    here.secrets.secrets = (b"secret",)
    arrivals(here, 0, 60, HOUR)
    assert [receipt.error_code for receipt in here.witness.receipts] == [BATCHED, None, BATCHED]
    assert len(here.batches.windows) == 2


def test_a_claim_is_never_forgotten(tmp_path: Path) -> None:
    """Another worker is sending it, so it is not settled."""
    here = relay(tmp_path)
    first, later = received(here, 0, github()), received(here, DAY, github())
    delivered(here, 0, first)
    (key,) = here.ledger.states
    here.ledger.put(key, None)
    assert delivered(here, DAY, later) == [Outcome.PARKED]
    assert here.witness.receipts[-1].error_code == "claim_held"


def test_the_dry_run_of_a_replay_uses_the_same_limit(tmp_path: Path) -> None:
    """A settlement before the arrival of the event belongs to another event."""
    here = relay(tmp_path)
    event = received(here, 0, github())
    asked: list[float] = []

    def status(_key: str, forget_before: float) -> str:
        asked.append(forget_before)
        return "delivered"

    record = sqs_queued(event)
    named = {name: {"StringValue": each["stringValue"]} for name, each in record["messageAttributes"].items()}
    preview = Previewer(here.translator, status, here.clock.now).preview(
        DeadLetter("d-1", record["body"], named, NOW)
    )
    assert preview.outcomes == {"duplicate": 1}
    assert asked == [NOW - 5 * MINUTE]


@pytest.mark.parametrize(
    ("text", "cause"), [("59s", "less than a minute"), ("5", "not a duration"), ("0m", "not a duration")]
)
def test_an_invalid_duration_is_a_configuration_mistake(text: str, cause: str, tmp_path: Path) -> None:
    """With less than a minute, a sender's retry would count as another event."""
    here = relay(tmp_path, f'remember = "{text}"')
    with pytest.raises(ConfigurationInvalid, match=cause):
        here.sources.named("planted")

"""What is dead: listed without taking, told without showing, foretold without sending."""

import json
from collections import Counter
from dataclasses import replace
from email.utils import formatdate
from io import StringIO
from pathlib import Path
from threading import Event as Flag
from typing import Any

import pytest
from rich.console import Console

from fake_sqs import FakeSqs
from fakes import World
from push_relay.core.event import Arrival, Event, Replay, sha256_hex
from push_relay.core.inbound.envelope import unwrap_sqs
from push_relay.core.queue_format import ORIGIN_ATTRIBUTE, SENT_ATTRIBUTE, pack
from push_relay.entrypoints.queue_record import QueueRecord
from relayctl.deadletters.aws_time import AwsClock
from relayctl.deadletters.dead_letter import (
    CRASHED,
    INVOCATION_FAILED,
    DeadLetter,
    DeadLetterSummary,
    Filter,
    record,
)
from relayctl.deadletters.listing import Listing, age, short
from relayctl.deadletters.preview import Preview, Previewer
from relayctl.deadletters.queue import Counts, DeadLetterQueue
from relayctl.deadletters.revival import again, revived
from relayctl.deadletters.scan import look, warn

DLQ = "https://sqs/dead"
NOW = 1_800_000_000.0
EVENT = Event("bakery", "e-1", "baked", {"kind": "baked", "words": "hi"}, NOW - 60, "i-1", only=("old-key",))
PLANTED = "Unmentionable"


def letter(body: str, message_id: str = "m-1", **attributes: str) -> DeadLetter:
    """Return a dead message."""
    given = {name: {"DataType": "String", "StringValue": text} for name, text in attributes.items()}
    return DeadLetter(message_id, body, given, NOW - 100)


def packed(event: Event = EVENT, **why: str) -> DeadLetter:
    """Return a dead event of the relay's."""
    made = pack(event)
    return letter(made.body, **made.attributes, **why)


def failed_invocation(payload: Any) -> DeadLetter:
    """Return what Lambda's OnFailure destination sends."""
    return letter(json.dumps({"version": "1.0", "requestContext": {}, "requestPayload": payload}))


def sns(message: Any) -> dict[str, Any]:
    """Return SNS's record of a direct invocation."""
    topic = "arn:aws:sns:eu-west-1:1:ovens"
    return {
        "EventSource": "aws:sns",
        "Sns": {"MessageId": "sns-1", "TopicArn": topic, "Message": json.dumps(message)},
    }


def queue_of(sqs: FakeSqs, **arguments: Any) -> DeadLetterQueue:
    """Return the fake's dead-letter queue."""
    return DeadLetterQueue(sqs, DLQ, now=sqs.time, **arguments)


def printed(listing: Listing, rows: int | None = 20) -> str:
    """Return what a person sees."""
    out = StringIO()
    listing.show(Console(file=out, width=120), rows)
    return out.getvalue()


# --- looking ----------------------------------------------------------------------------------------------


def test_looking_takes_nothing_and_gives_everything_back() -> None:
    """Each message once, oldest first; nothing is deleted; all are visible at once."""
    sqs = FakeSqs()
    ids = [sqs.put(DLQ, "{}", error_code="unknown_source") for _ in range(37)]
    entries = look(queue_of(sqs), Filter(), sqs.time, Flag())
    assert [entry.id for entry in entries] == ids
    assert "delete_message" not in sqs.calls
    assert all(message.visible_at <= sqs.now for message in sqs.queues[DLQ])


def test_an_interrupted_look_gives_everything_back_too() -> None:
    """Ctrl-C in the middle of a batch."""
    sqs, stop = FakeSqs(), Flag()
    for _ in range(25):
        sqs.put(DLQ, "{}")
    look(queue_of(sqs), Filter(), sqs.time, stop, lambda *_: stop.set())
    assert all(message.visible_at <= sqs.now for message in sqs.queues[DLQ])


def test_a_look_that_breaks_gives_everything_back_too() -> None:
    """Whatever is raised while a message is looked at."""
    sqs = FakeSqs()
    sqs.put(DLQ, "{}")
    with pytest.raises(KeyError):
        look(queue_of(sqs), Filter(), sqs.time, Flag(), lambda *_: {}["nothing"])
    assert all(message.visible_at <= sqs.now for message in sqs.queues[DLQ])


def test_what_comes_again_while_looking_is_counted_once_and_the_look_ends() -> None:
    """A look that takes longer than its messages stay hidden still ends."""
    sqs = FakeSqs()
    ids = [sqs.put(DLQ, "{}") for _ in range(42)]

    def slow(operation: str, _arguments: Any) -> None:
        sqs.now += 50 if operation == "receive_message" else 0

    sqs.before = slow
    assert sorted(entry.id for entry in look(queue_of(sqs), Filter(), sqs.time, Flag())) == ids


def test_messages_stay_hidden_for_as_long_as_the_look_may_take() -> None:
    """More messages, longer; a slow replay, longer; never longer than SQS allows."""
    held = []
    for number, interval in ((1, 0.0), (5000, 0.0), (1, 60.0), (1, 60_000.0)):
        sqs = FakeSqs()
        for _ in range(number):
            sqs.put(DLQ, "{}")
        next(queue_of(sqs, interval=interval).letters(Flag().is_set))
        held.append(sqs.queues[DLQ][0].visible_at - sqs.now)
    assert held == [60, 160, 960, 43_140]


def test_an_empty_queue_is_told_within_a_second() -> None:
    """One long poll asks all of SQS's servers."""
    sqs = FakeSqs()
    assert look(queue_of(sqs), Filter(), sqs.time, Flag()) == []
    assert sqs.calls.count("receive_message") == 1


def test_what_somebody_else_holds_and_a_redrive_policy_are_told() -> None:
    """Either makes the list something else than it seems."""
    out = StringIO()
    warn(Console(file=out, width=200), Counts(1, 7, moves_on=True))
    assert "7 more are held" in out.getvalue()
    assert "redrive policy" in out.getvalue()


# --- what is told -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dead", "told"),
    [
        (
            packed(error_code="mapping_failed", event_id="e-1", failed_at="2027-01-15T08:00:00+00:00"),
            ("mapping_failed", "bakery", "e-1", NOW),
        ),
        (packed(), (CRASHED, "bakery", "e-1", NOW - 100)),
        (letter("no JSON", source="ovens"), (CRASHED, "ovens", "-", NOW - 100)),
        (failed_invocation({}), (INVOCATION_FAILED, "-", "-", NOW - 100)),
        (
            letter("{}", error_code="\x1b[31m", source="[red]x", event_id="\n", failed_at="now"),
            ("(strange)", "(strange)", "sha256:01ba4719c80b6fe911b091a7c05124b6", NOW - 100),
        ),
        (packed(error_code="vendor_throttled", due="1800000000"), (CRASHED, "bakery", "e-1", NOW - 100)),
        (
            packed(error_code="crashed", event_id="-", failed_at="2027-01-15T08:00:00+00:00"),
            (CRASHED, "bakery", "e-1", NOW),
        ),
    ],
)
def test_a_dead_message_is_told_by_code_source_event_and_time(
    dead: DeadLetter, told: tuple[Any, ...]
) -> None:
    """Also what SQS and Lambda laid aside by themselves, and what a stranger wrote."""
    entry = dead.entry()
    assert (entry.error_code, entry.source, entry.event_id, entry.since) == told
    assert entry.size == len(dead.body)


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (Filter(), True),
        (Filter("crashed", "bakery", 60), True),
        (Filter("mapping_failed"), False),
        (Filter(source="ovens"), False),
        (Filter(older_than=101), False),
    ],
)
def test_filters_hold_together(wanted: Filter, *, fits: bool) -> None:
    """By error code, source and age; all that are given."""
    assert wanted.fits(packed().entry(), NOW) is fits


@pytest.mark.parametrize("older_than", [0.0, 1.0])
def test_a_message_from_the_future_is_hidden_only_if_an_age_is_asked_for(older_than: float) -> None:
    """Two clocks differ, and a dead message that is not listed is not mended."""
    assert Filter(older_than=older_than).fits(packed().entry(), NOW - 200) is (not older_than)


class _Answer:
    """An HTTP answer with a date, perhaps."""

    def __init__(self, **headers: str) -> None:
        self.headers = headers


@pytest.mark.parametrize("ahead", [-90, 0, 90, 86_400])
def test_the_time_is_the_one_that_aws_answers_with(ahead: int) -> None:
    """Whatever this machine's clock says; between two answers it goes on by that clock."""
    local = [NOW - ahead]
    clock = AwsClock(lambda: local[0])
    assert clock.now() == NOW - ahead
    clock._answered(_Answer(date=formatdate(NOW, usegmt=True)))
    local[0] += 5
    assert clock.now() == NOW + 5


@pytest.mark.parametrize("headers", [{}, {"date": ""}, {"date": "yesterday"}])
def test_an_answer_without_a_date_changes_nothing(headers: dict[str, str]) -> None:
    """Not every stand-in for AWS sends one."""
    clock = AwsClock(lambda: NOW)
    clock._answered(_Answer(**headers))
    assert clock.now() == NOW


def test_neither_list_nor_json_shows_what_a_message_says() -> None:
    """No payload, no person: error code, source, event id, age and size."""
    event = replace(EVENT, data={"words": PLANTED}, type=PLANTED)
    listing = Listing("dead", "s", [packed(event).entry()], NOW)
    assert PLANTED not in printed(listing) + json.dumps(listing.as_json())


def test_json_has_the_documented_keys() -> None:
    """Programs read it."""
    document = Listing("dead", "push-relay", [packed().entry()], NOW, hidden=2).as_json()
    assert document == {
        "kind": "dead",
        "stack": "push-relay",
        "count": 1,
        "hidden": 2,
        "by_error_code": {"crashed": 1},
        "by_source": {"bakery": 1},
        "entries": [
            {
                "id": "m-1",
                "error_code": "crashed",
                "source": "bakery",
                "event_id": "e-1",
                "since": "2027-01-15T07:58:20+00:00",
                "age_secs": 100,
                "size_bytes": len(packed().body),
            }
        ],
    }


def test_the_table_counts_and_shows_the_oldest() -> None:
    """At three in the morning: how many of what, then the first of them."""
    entries = [
        DeadLetterSummary(f"{n:08d}-x", "mapping_failed", "github", f"e-{n}", NOW - 7200, 10)
        for n in range(30)
    ]
    text = printed(Listing("dead", "push-relay", entries, NOW))
    assert text.startswith("30 dead messages (push-relay)")
    assert "... and 10 newer ones" in text
    assert "e-29" in printed(Listing("dead", "push-relay", entries, NOW), None)
    assert "queue" not in text
    assert printed(
        Listing("parked", "s", [DeadLetterSummary("k", "circuit_open", "github", "e", NOW)], NOW)
    ).startswith("1 parked push (s)")


def test_what_waits_and_is_not_listed_is_told() -> None:
    """The ledger knows what was claimed; the queue knows how much there is."""
    listing = Listing("parked", "s", [], NOW, queue=Counts(1, 2, moves_on=True, delayed=3))
    text = " ".join(printed(listing).split())
    assert "6 messages wait in the queue: 1 to be taken, 3 delayed, 2 in hand" in text
    assert "Not listed" in text
    assert "digest" in text
    assert listing.as_json()["queue"] == {"visible": 1, "delayed": 3, "in_hand": 2}


def test_ids_are_cut_to_what_tells_them_apart() -> None:
    """As git does."""
    entries = [replace(packed().entry(), id=name) for name in ("aaaaaaaaaa", "aaaaaaaaab")]
    assert short(entries[:1]) == 8
    assert short(entries) == 10


@pytest.mark.parametrize(("seconds", "told"), [(0, "0s"), (59, "59s"), (60, "1m"), (7200, "2h"), (2e5, "2d")])
def test_ages_are_told_as_people_do(seconds: float, told: str) -> None:
    """One number and one unit."""
    assert age(seconds) == told


# --- revival ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("force", "replayed"), [(False, Replay.FAILED), (True, Replay.ALL)])
def test_an_event_comes_again_as_a_whole_marked_as_replayed(*, force: bool, replayed: Replay) -> None:
    """For whomever the routes name today; the ledger knows who has been told."""
    (message,) = revived(packed(), NOW, force=force)
    event = unwrap_sqs(record("m-2", message.body, message.attributes, NOW))
    assert event == replace(EVENT, only=(), replay=replayed)
    assert not {"error_code", "event_id", "failed_at"} & message.attributes.keys()


def test_an_event_older_than_the_ledgers_memory_comes_for_what_failed_alone() -> None:
    """Nobody knows any more who else has been told of it."""
    old = replace(EVENT, received_at=NOW - 14 * 86_400)
    assert again(old, NOW, force=False).only == ("old-key",)


def test_a_strangers_message_comes_as_it_came_and_stays_the_same_event() -> None:
    """Attributes and all; the id that SQS gives it anew does not make it another."""
    dead = letter(
        '{"degrees": 451}',
        source="ovens",
        colour="red",
        error_code="schema_violation",
        event_id="-",
        failed_at="2027-01-15T08:00:00+00:00",
    )
    (message,) = revived(dead, NOW, force=False)
    came = unwrap_sqs(record("m-2", message.body, message.attributes, NOW))
    assert isinstance(came, Arrival)
    assert (message.body, came.source, came.fallback_id) == (dead.body, "ovens", "m-1")
    assert came.identity == f"SQS:m-1:{sha256_hex(dead.body.encode())}"
    assert set(message.attributes) == {"source", "colour", ORIGIN_ATTRIBUTE, SENT_ATTRIBUTE}
    (once_more,) = revived(replace(dead, message_id="m-9", attributes=message.attributes), NOW, force=False)
    assert once_more.attributes[ORIGIN_ATTRIBUTE]["StringValue"] == "m-1"


@pytest.mark.parametrize(
    "dead",
    [
        packed(**{"push-relay-crashes": "4"}),
        packed(error_code="crashed", event_id="-", failed_at="2027-01-15T08:00:00+00:00"),
        letter(
            '{"degrees": 451}',
            source="ovens",
            **{f"a{n}": "x" for n in range(8)},
            **{"push-relay-crashes": "3"},
        ),
    ],
    ids=["moved by SQS", "dead-lettered", "another sender's"],
)
def test_what_has_crashed_is_replayed_as_a_suspect(dead: DeadLetter) -> None:
    """It is handled alone, and its crashes are counted from there."""
    (message,) = revived(dead, NOW, force=False)
    read = QueueRecord.of_sqs(record("m-2", message.body, message.attributes, NOW))
    assert (read.crashes, read.is_suspect, read.is_doomed) == (1, True, False)


def test_what_has_not_crashed_is_replayed_with_others() -> None:
    """A suspect costs an invocation of its own."""
    dead = letter("{}", error_code="schema_violation", failed_at="2027-01-15T08:00:00+00:00", source="ovens")
    for each in (dead, packed(error_code="vendor_rejected", failed_at="2027-01-15T08:00:00+00:00")):
        (message,) = revived(each, NOW, force=False)
        assert "push-relay-crashes" not in message.attributes


def test_a_message_full_of_attributes_keeps_its_source() -> None:
    """SQS takes ten; two make room for the origin."""
    dead = letter("{}", **{f"a{n}": "x" for n in range(9)}, source="ovens")
    (message,) = revived(dead, NOW, force=False)
    assert len(message.attributes) == 10
    assert {"source", ORIGIN_ATTRIBUTE, SENT_ATTRIBUTE} <= message.attributes.keys()


@pytest.mark.parametrize(
    "dead",
    [failed_invocation({"Records": [sns({"degrees": 451})]}), letter(json.dumps(sns({"degrees": 451})))],
)
def test_what_sns_invoked_directly_is_queued_as_sns_queues_it(dead: DeadLetter) -> None:
    """From Lambda's envelope, and from what deliver laid aside itself; as the same event."""
    (message,) = revived(dead, NOW, force=False)
    came = unwrap_sqs(record("m-2", message.body, message.attributes, NOW))
    assert isinstance(came, Arrival)
    identity = f"SNS:sns-1:{sha256_hex(sns({'degrees': 451})['Sns']['Message'].encode())}"
    assert (came.identity, came.data) == (identity, {"degrees": 451})


@pytest.mark.parametrize("payload", [None, [], {}, {"Records": [{"EventSource": "aws:sqs"}]}, "text"])
def test_an_invocation_without_an_event_cannot_be_replayed(payload: Any) -> None:
    """Nothing is made up in its place."""
    assert revived(failed_invocation(payload), NOW, force=False) == []


# --- the dry run ------------------------------------------------------------------------------------------


def foretold(dead: DeadLetter, status: str | None = None, *, force: bool = False) -> Preview:
    """Ask what would become of a message."""
    return Previewer(World().translator, lambda *_: status, lambda: NOW, force).ask(dead)


@pytest.mark.parametrize(
    ("event", "outcomes"),
    [
        ({"type": "everybody"}, {"pushed": 3}),
        ({"type": "unspoken"}, {"filtered": 1}),
        ({"type": "broken"}, {"failed": 1}),
        ({"source": "nosuch"}, {"rejected": 1}),
        ({"received_at": NOW - 8 * 86_400, "only": ()}, {"expired": 1}),
        ({"source": ".digest"}, {"parked": 1}),
        ({"source": ".digest", "only": ("k-1", "k-2")}, {"parked": 1}),
    ],
)
def test_the_dry_run_tells_what_each_would_become(event: dict[str, Any], outcomes: dict[str, int]) -> None:
    """By the relay's own core, under the sources and routes of today."""
    assert foretold(packed(replace(EVENT, **event))).outcomes == Counter(outcomes)


def test_the_dry_run_recognises_what_was_no_event_yet() -> None:
    """A stranger's message is validated as the function would."""
    assert "malformed_request" in str(foretold(letter("no JSON")))
    assert foretold(letter(json.dumps(sns({"degrees": 451})))).outcomes == {"pushed": 1}
    assert foretold(failed_invocation(None)).outcomes == {"unreadable": 1}


def test_the_dry_run_knows_what_was_delivered() -> None:
    """A replay of it is a duplicate, unless it is forced."""
    assert foretold(packed(), "delivered").outcomes == {"duplicate": 1}
    assert foretold(packed(), "delivered", force=True).outcomes == {"pushed": 1}
    assert foretold(packed(), "failed").outcomes == {"pushed": 1}


def test_the_dry_run_tells_what_would_be_gathered(tmp_path: Path) -> None:
    """A route with a digest pushes nothing by itself; by force what was gathered is gathered again."""
    routes = tmp_path / "relay.toml"
    routes.write_text('[[route]]\nsource = "bakery"\nto = ["user:one", "user:two"]\nbatch = "5m"\n')
    relay = World(routes=routes).translator
    asked = Previewer(relay, lambda *_: None, lambda: NOW).ask(packed())
    assert (str(asked), asked.titles) == ("would be gathered into a digest for 2", ("Bread",))
    again = [
        Previewer(relay, lambda *_: "gathered", lambda: NOW, force).ask(packed()) for force in (False, True)
    ]
    assert [prospect.outcomes for prospect in again] == [{"duplicate": 2}, {"gathered": 2}]


def test_the_dry_run_says_no_title_by_itself() -> None:
    """Titles are kept apart, for who asks for them."""
    prospect = foretold(packed())
    assert prospect.titles == ("Bread",)
    assert "Bread" not in str(prospect)

"""Split requests in the chaos run: what is sent, what goes wrong, and the verdict about each item."""

import itertools
import json
import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from chaos import aws_faults
from chaos.driver import Driver, Sending
from chaos.evidence import Evidence, _Reading
from chaos.plan import MARKER as MARKERS
from chaos.plan import SPLIT, Kind, Planned, Request, Way, make_plan, requests_of
from chaos.split_verdict import BECAME_EVENT, MISANSWERED, OTHER_IDENTITY, REJECTED_TWICE
from chaos.webhooks import webhook
from chaos_runs import MARKER, GoodRun, Injector, dead_letter
from push_relay.core.errors import MalformedRequest
from push_relay.core.strict_json import parse

SECRETS = {"list": "whsec_c2VjcmV0", "each": "secret", "lines": "secret"}
#: The attributes of the dead letter of an invalid item.
REJECTED = {"error_code": "schema_violation", "source": "list", "push-relay-origin-id": "item"}


def split(way: Way, *kinds: Kind) -> Request:
    """Return a split request."""
    return Request(tuple(Planned(f"m{n:07}", kind, way, (0.0,), "m0000000") for n, kind in enumerate(kinds)))


# --- what is sent ---------------------------------------------------------------------------------------


def test_a_plan_has_split_requests_of_every_kind() -> None:
    """Some are larger than a call of SQS; some are refused as a whole; most invalid items have neighbours."""
    planned = make_plan(3000, 5)
    requests = [request for request in requests_of(planned) if request.is_split]
    assert {request.way for request in requests} == SPLIT
    assert {len(request.events) for request in requests} >= {1, 2, 3, 12, 25}
    assert any(request.is_forged for request in requests)
    assert any(request.is_broken for request in requests)
    assert any(len(request.copies) > 1 for request in requests)
    mixed = [{event.kind for event in request.events} for request in requests]
    assert any({Kind.BROKEN, Kind.PLAIN, Kind.FAN} <= kinds for kinds in mixed)
    assert all(len(kinds) == 1 for kinds in mixed if Kind.FORGED in kinds)
    assert all(event.copies == request.copies for request in requests for event in request.events)
    assert sum(len(request.events) for request in requests_of(planned)) == len(planned)


def test_poison_is_in_no_split_request_whose_sender_waits_for_the_delivery() -> None:
    """It would kill each attempt, and its neighbours would be given up with it."""
    kinds = [event.kind for event in make_plan(20_000, 5) if event.way is Way.LIST_DIRECT]
    assert Kind.POISON not in kinds
    assert Kind.BROKEN in kinds


@pytest.mark.parametrize("way", sorted(SPLIT))
def test_each_attempt_of_a_split_request_has_the_same_bytes(way: Way) -> None:
    """Only the time of the signature differs. The id of the request has no event's marker."""
    request = split(way, Kind.PLAIN, Kind.BROKEN, Kind.BROKEN)
    first, second = (webhook(request, now, SECRETS) for now in (1000.0, 2000.0))
    assert first["body"] == second["body"]
    assert not MARKERS.findall(json.dumps([first["headers"], first["requestContext"]]))
    assert sorted(set(MARKERS.findall(first["body"]))) == [event.marker for event in request.events]


def test_a_broken_line_is_refused_by_a_strict_reading_alone_or_by_any() -> None:
    """A line that `receive` has rejected must not become an event because `deliver` reads leniently."""
    request = split(Way.LINES, Kind.PLAIN, Kind.BROKEN, Kind.BROKEN)
    plain, cut, twice = webhook(request, 0.0, SECRETS)["body"].split("\n")
    assert parse(plain.encode())
    with pytest.raises(MalformedRequest):
        parse(cut.encode(), lenient=True)
    with pytest.raises(MalformedRequest):
        parse(twice.encode())
    assert parse(twice.encode(), lenient=True)


# --- what goes wrong ------------------------------------------------------------------------------------


def test_sqs_refuses_some_entries_of_a_call_and_the_worker_is_killed_after_it() -> None:
    """At least one entry is queued, so the request is queued in part."""
    injector: Any = Injector(always=True)
    calls = aws_faults._BatchCalls(injector)
    params: Any = {"Entries": [{"Id": "0"}, {"Id": "1"}, {"Id": "2"}]}
    calls._refuse(params)
    assert params["Entries"] == [{"Id": "2"}]
    answer: dict[str, Any] = {"Successful": [{"Id": "2"}]}
    calls._report(answer)
    assert sorted(entry["Id"] for entry in answer["Failed"]) == ["0", "1"]
    assert answer["Successful"] == [{"Id": "2"}]
    assert injector.killed == ["after_batch_call"]


@pytest.mark.parametrize(("always", "count"), [(False, 3), (True, 1)])
def test_a_call_without_a_fault_or_with_one_entry_is_not_changed(*, always: bool, count: int) -> None:
    """A single message fails as a whole, like any other call."""
    calls = aws_faults._BatchCalls(Injector(always=always))  # type: ignore[arg-type]
    params: Any = {"Entries": [{"Id": str(number)} for number in range(count)]}
    calls._refuse(params)
    answer: dict[str, Any] = {"Successful": list(params["Entries"])}
    calls._report(answer)
    assert len(params["Entries"]) == count
    assert answer == {"Successful": params["Entries"]}


# --- the sender -----------------------------------------------------------------------------------------


def driver() -> Driver:
    """Return a driver that has no services but a clock."""
    services: Any = SimpleNamespace(run_clock=SimpleNamespace(now=lambda: 0.0))
    dice = random.Random(1)  # noqa: S311 - repeatable, not secret
    unused: Any = None
    return Driver(services, unused, unused, unused, unused, unused, unused, dice, print, 1)


def answer(status: int, *outcomes: str) -> dict[str, Any]:
    """Return an answer to a split request."""
    events = [{"id": f"item-{number}", "status": outcome} for number, outcome in enumerate(outcomes)]
    return {"statusCode": status, "body": json.dumps({"events": events})}


MIXED = split(Way.LIST, Kind.PLAIN, Kind.BROKEN)


@pytest.mark.parametrize(
    ("outcomes", "misanswered"),
    [
        (("accepted", "rejected"), []),
        (("delivered", "rejected"), []),
        (("accepted", "accepted"), ["m0000001"]),
        (("rejected", "rejected"), ["m0000000"]),
        (("accepted",), ["m0000000"]),
    ],
)
def test_an_answer_has_the_outcome_of_each_item(outcomes: tuple[str, ...], misanswered: list[str]) -> None:
    """A sender that reads it knows which of its events became none."""
    play = driver()
    play._end_webhook(Sending(MIXED), answer(202, *outcomes))
    assert set(play.facts.accepted) == {"m0000000", "m0000001"}
    assert play.facts.misanswered == misanswered


@pytest.mark.parametrize("lost", [None, answer(503), answer(422)])
def test_the_same_request_is_sent_again_if_it_is_not_accepted(lost: Any) -> None:
    """422 would be right only if no item were valid."""
    play = driver()
    play._end_webhook(Sending(MIXED), lost)
    ((_, _, sending),) = play._due
    assert (sending.request, sending.attempt) == (MIXED, 2)
    assert play.facts.sent_again == 1
    assert not play.facts.accepted


@pytest.mark.parametrize(("kind", "status"), [(Kind.BROKEN, 422), (Kind.BROKEN, 400), (Kind.FORGED, 401)])
def test_a_request_without_a_valid_item_is_refused_as_a_whole(kind: Kind, status: int) -> None:
    """Its sender has every item back."""
    play = driver()
    play._end_webhook(Sending(split(Way.LIST, kind, kind)), answer(status))
    assert play.facts.refused == {"m0000000": status, "m0000001": status}
    assert not play._due


# --- the verdict ----------------------------------------------------------------------------------------


class SplitRun(GoodRun):
    """A run with one invalid item, which was rejected once."""

    def __init__(self) -> None:
        super().__init__(Kind.BROKEN, Way.LIST)
        self.evidence.shown.clear()
        self.facts.event_ids[MARKER] = "item"
        self.evidence.dead = [dead_letter(**REJECTED)]


def test_an_invalid_item_is_rejected_once() -> None:
    """The report counts the requests and the events that they carry."""
    verdict = SplitRun().verdict()
    assert verdict.holds
    assert verdict.outcomes == {"rejected": 1}
    assert verdict.details["split"] == {
        "requests": 1,
        "events": 1,
        "invalid": 1,
        "queued_in_part": 0,
        "sent_again": 0,
        "rejected_again": 0,
    }
    assert verdict.details["split_outcomes"] == {"rejected": 1}


def lose(run: SplitRun) -> None:
    """Let the item disappear."""
    run.evidence.dead = []


def reject_again(run: SplitRun) -> None:
    """Let the item have a second dead letter."""
    run.evidence.dead *= 2


def reject_as_another(run: SplitRun) -> None:
    """Let the item's dead letter have another id than the answer."""
    run.evidence.dead = [dead_letter(**{**REJECTED, "push-relay-origin-id": "other"})]


def reject_in_the_answer_too(run: SplitRun) -> None:
    """Let the request be refused as a whole, and the item be dead-lettered nevertheless."""
    run.facts.accepted.clear()
    run.facts.refused[MARKER] = 422


def become_an_event(run: SplitRun) -> None:
    """Let a dead letter of the item be an event of the relay's own."""
    run.evidence.dead = [dead_letter(**{**REJECTED, "push-relay-event": "1"})]


def misanswer(run: SplitRun) -> None:
    """Let the answer have another outcome."""
    run.facts.misanswered.append(MARKER)


def crash(run: SplitRun) -> None:
    """Let SQS move the item to the dead-letter queue because of a neighbour."""
    run.evidence.dead = [dead_letter(**{"push-relay-origin-id": "item"})]


FAULTS: list[tuple[Callable[[SplitRun], None], str]] = [
    (lose, "lost"),
    (reject_again, REJECTED_TWICE),
    (reject_in_the_answer_too, REJECTED_TWICE),
    (reject_as_another, OTHER_IDENTITY),
    (become_an_event, BECAME_EVENT),
    (misanswer, MISANSWERED),
    (crash, "dead-lettered for a neighbour's crash"),
]


@pytest.mark.parametrize(("inject", "check"), FAULTS, ids=[inject.__name__ for inject, _ in FAULTS])
def test_a_fault_of_an_item_fails_the_run(inject: Callable[[SplitRun], None], check: str) -> None:
    """The verdict names the item."""
    run = SplitRun()
    inject(run)
    assert run.verdict().failures == {check: [MARKER]}


@pytest.mark.parametrize("reason", ["a copy", "an attempt of unknown fate", "handed out twice", "a replay"])
def test_a_second_dead_letter_needs_a_reason(reason: str) -> None:
    """One reason explains one more, and no third."""
    run = SplitRun()
    reject_again(run)
    match reason:
        case "a copy":
            run.event = Planned(MARKER, Kind.BROKEN, Way.LIST, (0.0, 5.0))
        case "an attempt of unknown fate":
            run.evidence.again[MARKER] = 1
        case "handed out twice":
            run.source.again[MARKER] = 1
        case _:
            run.evidence.replays_killed = 1
    verdict = run.verdict()
    assert verdict.holds
    assert verdict.details["split"]["rejected_again"] == 1
    run.evidence.dead.append(run.evidence.dead[0])
    assert run.verdict().failures == {REJECTED_TWICE: [MARKER]}


def test_a_filtered_item_is_found_by_the_id_in_its_answer() -> None:
    """An item without an id of its own has one that the relay has made."""
    run = GoodRun(Kind.NOBODY, Way.LIST)
    run.evidence.shown.clear()
    run.evidence.filtered = {"item"}
    assert run.verdict().failures == {"lost": [MARKER]}
    run.facts.event_ids[MARKER] = "item"
    assert run.verdict().outcomes == {"filtered": 1}


INVOKED = {"step": "invoked", "handler": "receive"}
KEEPING = {"step": "keeping", "items": [MARKER]}
DEAD_LETTERING = {"step": "dead_lettering", "items": [MARKER]}
FAILED = {"step": "aws_failed", "service": "sqs", "code": "c"}
ANSWER_LOST = {"step": "aws_answer_lost", "service": "sqs"}
IN_PART = {"step": "put_in_part", "refused": 1, "queued": 1}


@pytest.mark.parametrize(
    ("steps", "reasons"),
    [
        ([INVOKED, KEEPING, INVOKED], 0),
        ([INVOKED, KEEPING], 1),
        ([INVOKED, DEAD_LETTERING], 1),
        ([INVOKED, DEAD_LETTERING, INVOKED], 0),
        ([INVOKED, FAILED, KEEPING, INVOKED], 0),
        ([INVOKED, KEEPING, FAILED, INVOKED], 1),
        ([INVOKED, KEEPING, ANSWER_LOST, INVOKED], 1),
        ([INVOKED, KEEPING, {**FAILED, "service": "dynamodb"}, INVOKED], 0),
        ([INVOKED, KEEPING, IN_PART, INVOKED], 1),
        ([INVOKED, IN_PART, INVOKED], 0),
    ],
)
def test_an_item_is_in_doubt_if_nobody_learnt_that_it_was_stored(
    steps: list[dict[str, Any]], reasons: int
) -> None:
    """The sender or SQS repeats what was not answered."""
    evidence = Evidence()
    _Reading(evidence).read([{**step, "at": at} for at, step in zip(itertools.count(), steps)])
    assert evidence.again[MARKER] == reasons
    assert evidence.in_part == steps.count(IN_PART)

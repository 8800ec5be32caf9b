"""Each event of a request has an outcome of its own: invalid items, the queue, direct mode, metrics."""

import json
from pathlib import Path

import pytest

from fakes import World, captured
from front_door import api_gateway_v2, request
from invocations import sqs_batch, sqs_queued, sqs_record
from ports import SECRET
from push_relay.core.errors import PayloadTooLarge, QueueUnavailable
from push_relay.core.event import Arrival, Event
from push_relay.core.outcomes import Outcome
from push_relay.core.queue_format import RejectedItem
from push_relay.core.rules.expression import RequestFields
from push_relay.core.rules.schema import MAX_VIOLATIONS
from push_relay.core.rules.source import Source
from split_requests import TOKEN, direct, notes, queued, relay, send, signed

# --- invalid items ----------------------------------------------------------------------------------------


def test_an_invalid_item_does_not_affect_its_neighbours(tmp_path: Path) -> None:
    """The answer has its place and the keyword. It is queued, so that `deliver` dead-letters it."""
    here = relay(tmp_path)
    status, answer = send(here, [{"note": "a"}, {"note": 7}, 8, {"note": "b"}])
    assert status == 202
    assert [event.data["note"] for event in queued(here)] == ["a", "b"]
    assert [entry["status"] for entry in answer["events"]] == ["accepted", "rejected", "rejected", "accepted"]
    assert answer["events"][1] | {"id": "-"} == {
        "id": "-",
        "status": "rejected",
        "code": "schema_violation",
        "detail": "the body breaks the source's schema in 1 place",
        "errors": [{"pointer": "/1/note", "rule": "type"}],
    }
    assert answer["events"][2]["errors"] == [{"pointer": "/2/note", "rule": "required"}]
    assert [(kept.event_id, kept.error_code) for kept in here.witness.kept_items] == [
        (answer["events"][1]["id"], "schema_violation"),
        (answer["events"][2]["id"], "schema_violation"),
    ]
    assert not here.witness.receipts


def test_a_kept_item_is_dead_lettered_by_deliver_with_its_reason(tmp_path: Path) -> None:
    """Together with `receive` it has one outcome. A person can replay it once the schema was corrected."""
    here = relay(tmp_path)
    send(here, [{"note": "a"}, {"note": 7}])
    for record in here.messages.received():
        assert not here.deliver(sqs_batch(record))["batchItemFailures"]
    assert sorted(here.witness.outcomes) == [Outcome.DELIVERED, Outcome.REJECTED]
    (dead,) = here.messages.dead_letters
    assert (json.loads(dead.body), dead.error_code) == ({"note": 7}, "schema_violation")
    assert dead.attributes["source"] == "planted"
    (tmp_path / "sources" / "planted" / "schema.json").write_text("{}")
    corrected = World(sources=tmp_path / "sources", routes=tmp_path / "relay.toml")
    named = {name: {"stringValue": text} for name, text in dead.attributes.items()}
    corrected.deliver(sqs_batch({**sqs_record(dead.body), "messageAttributes": named}))
    assert corrected.witness.outcomes == [Outcome.DELIVERED]
    assert corrected.witness.receipts[0].event_id == here.witness.kept_items[0].event_id


def test_a_line_that_is_not_json_does_not_affect_its_neighbours(tmp_path: Path) -> None:
    """It is kept as it was sent, without the characters that SQS refuses."""
    here = relay(tmp_path, 'format = "ndjson"')
    status, answer = send(here, b'{"note": "a"}\n{"note": hello\0\n{"note": "b"}')
    assert status == 202
    assert [event.data["note"] for event in queued(here)] == ["a", "b"]
    assert answer["events"][1]["code"] == "malformed_request"
    assert "hello" not in json.dumps(answer)
    (item,) = here.messages.kept
    assert item.text == '{"note": hello\0'
    (record,) = [each for each in here.messages.received() if "hello" in each["body"]]
    assert record["body"] == '{"note": hello\ufffd'


def test_deliver_does_not_read_what_receive_could_not_read(tmp_path: Path) -> None:
    """It reads leniently, and a party before the relay may have checked another reading."""
    here = relay(tmp_path, 'format = "ndjson"', verify=TOKEN)
    body = b'{"note": "a"}\n{"note": "b", "note": "c"}\nhello'
    sent = request(body, {"x-token": SECRET.decode(), "content-type": "application/x-ndjson"})
    _, answer = send(here, sent)
    assert [entry["status"] for entry in answer["events"]] == ["accepted", "rejected", "rejected"]
    for record in here.messages.received():
        here.deliver(sqs_batch(record))
    assert sorted(here.witness.outcomes) == [Outcome.DELIVERED, Outcome.REJECTED, Outcome.REJECTED]
    assert {dead.error_code for dead in here.messages.dead_letters} == {"malformed_request"}
    assert {dead.body for dead in here.messages.dead_letters} == {'{"note": "b", "note": "c"}', "hello"}
    for dead in here.messages.dead_letters:
        assert dead.attributes["push-relay-unreadable"] == "1"


def test_if_all_items_are_invalid_the_request_is_refused(tmp_path: Path) -> None:
    """As a request with one such event is. Nothing is kept: the sender gets the error and has the items."""
    here = relay(tmp_path)
    status, answer = send(here, notes(1, 2))
    assert (status, answer["code"], answer["status"]) == (422, "schema_violation", 422)
    assert answer["detail"] == "the body breaks the source's schema in 2 places"
    assert answer["errors"] == [
        {"pointer": "/0/note", "rule": "type"},
        {"pointer": "/1/note", "rule": "type"},
    ]
    assert [entry["status"] for entry in answer["events"]] == ["rejected", "rejected"]
    assert here.witness.outcomes == [Outcome.REJECTED, Outcome.REJECTED]
    assert not here.messages.size()


def test_the_violations_of_an_answer_are_bounded(tmp_path: Path) -> None:
    """A request may have a thousand invalid items."""
    _, answer = send(relay(tmp_path), notes(*range(MAX_VIOLATIONS + 5)))
    assert len(answer["errors"]) == MAX_VIOLATIONS
    assert sum(len(entry.get("errors", ())) for entry in answer["events"]) == MAX_VIOLATIONS
    assert len(answer["events"]) == MAX_VIOLATIONS + 5


def test_strangers_cannot_fill_the_dead_letter_queue(tmp_path: Path) -> None:
    """A source that is open to everybody answers for invalid items, logs them in samples, and keeps none."""
    here = relay(tmp_path, verify={"scheme": "none"}, policy="unverified = true")
    status, answer = send(here, request(json.dumps([{"note": "a"}, {"note": 7}]).encode()))
    assert status == 202
    assert answer["events"][1]["code"] == "schema_violation"
    assert not here.messages.kept
    assert [receipt.error_code for receipt in here.witness.refusals] == ["schema_violation"]


def test_an_item_that_no_message_holds_is_rejected_alone(tmp_path: Path) -> None:
    """No attempt would help it, so the sender is not asked for one."""
    here = relay(tmp_path)
    here.messages.refused = lambda content: PayloadTooLarge("planted") if _is(content, "b") else None
    status, answer = send(here, notes("a", "b", 7))
    assert (status, [entry["status"] for entry in answer["events"]]) == (
        202,
        ["accepted", "rejected", "rejected"],
    )
    assert [receipt.error_code for receipt in here.witness.receipts] == ["payload_too_large"]
    assert len(here.messages.kept) == 1


def _is(content: Event | RejectedItem, note: str) -> bool:
    return isinstance(content, Event) and content.data["note"] == note


def test_an_unknown_exception_affects_one_item(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are queued, and the sender sends again what may be a mistake of the relay."""
    here = relay(tmp_path)
    made = Source.event

    def fails(source: Source, arrival: Arrival, also: RequestFields) -> Event:
        if arrival.data["note"] == "b":
            raise OSError("planted")
        return made(source, arrival, also)

    monkeypatch.setattr(Source, "event", fails)
    status, answer = send(here, notes("a", "b"))
    assert (status, answer["code"]) == (500, "internal_error")
    assert [event.data for event in queued(here)] == notes("a")
    assert here.witness.outcomes == [Outcome.PARKED]


# --- the queue --------------------------------------------------------------------------------------------


def test_a_partial_failure_asks_for_the_request_again(tmp_path: Path) -> None:
    """The answer lists what was queued. Invalid items are kept by the attempt that succeeds."""
    here = relay(tmp_path)
    here.messages.refused = lambda content: QueueUnavailable("down") if _is(content, "b") else None
    sent = signed(notes("a", "b", 7))
    answer = here.receive(api_gateway_v2(sent))
    content = json.loads(answer["body"])
    assert (answer["statusCode"], content["code"]) == (503, "queue_unavailable")
    assert answer["headers"]["Retry-After"] == "60"
    assert [entry["status"] for entry in content["events"]] == ["accepted", "parked", "rejected"]
    assert [entry.get("code") for entry in content["events"]] == [
        None,
        "queue_unavailable",
        "schema_violation",
    ]
    assert here.witness.outcomes == [Outcome.PARKED, Outcome.REJECTED]
    assert len(here.witness.accepted_events) == 1
    assert not here.messages.kept


def test_a_second_attempt_makes_no_duplicates(tmp_path: Path) -> None:
    """The first one was queued in part, and its events have the same identities again."""
    here = relay(tmp_path)
    here.messages.refused = lambda content: QueueUnavailable("down") if _is(content, "b") else None
    sent = signed(notes("a", "b", "c", 7))
    assert here.receive(api_gateway_v2(sent))["statusCode"] == 503
    here.messages.refused = lambda _: None
    assert here.receive(api_gateway_v2(sent))["statusCode"] == 202
    before = len(here.witness.receipts)
    for event in queued(here):
        here.deliver(sqs_batch(sqs_queued(event)))
    outcomes = here.witness.outcomes[before:]
    assert sorted(outcomes) == [*[Outcome.DELIVERED] * 3, *[Outcome.DUPLICATE] * 2]
    assert len(here.vendor.calls) == 3
    assert len(here.messages.kept) == 1


def test_if_an_invalid_item_cannot_be_kept_the_request_is_sent_again(tmp_path: Path) -> None:
    """It must not vanish because the queue was down for a moment."""
    here = relay(tmp_path)
    here.messages.refused = lambda content: None if isinstance(content, Event) else QueueUnavailable("down")
    status, answer = send(here, notes("a", 7))
    assert (status, [entry["status"] for entry in answer["events"]]) == (503, ["accepted", "parked"])
    assert here.witness.outcomes == [Outcome.PARKED]


# --- direct mode ------------------------------------------------------------------------------------------


def test_direct_mode_answers_with_the_receipts_of_each_event(tmp_path: Path) -> None:
    """All of them are delivered, so the status is 200."""
    here = direct(tmp_path)
    status, answer = send(here, notes("a", "b"))
    assert status == 200
    assert [(entry["status"], entry["receipts"]) for entry in answer["events"]] == [
        ("delivered", [{"outcome": "delivered"}])
    ] * 2
    assert here.witness.outcomes == [Outcome.DELIVERED] * 2


def test_direct_mode_dead_letters_an_invalid_item(tmp_path: Path) -> None:
    """There is no other function that could do it. Each item has one outcome."""
    here = direct(tmp_path)
    status, answer = send(here, notes("a", 7))
    assert (status, [entry["status"] for entry in answer["events"]]) == (202, ["delivered", "rejected"])
    assert here.witness.outcomes == [Outcome.DELIVERED, Outcome.REJECTED]
    (dead,) = here.messages.dead_letters
    assert (json.loads(dead.body), dead.error_code) == ({"note": 7}, "schema_violation")


# --- telemetry --------------------------------------------------------------------------------------------


def test_the_metrics_hold_the_invariant_for_each_event(tmp_path: Path) -> None:
    """An event is either accepted, and has its outcome later, or has one now."""
    with captured() as output:
        here = relay(tmp_path, telemetry=output.telemetry)
        send(here, [{"note": "a"}, {"note": 7}])
        send(here, notes(7, 8))
        send(here, [])
    counts: dict[str, float] = {}
    for line in output.metrics:
        for name in ("Received", "Accepted", "Rejected", "Empty"):
            counts[name] = counts.get(name, 0) + sum(line.get(name, [0]))
    assert counts == {"Accepted": 2, "Received": 2, "Rejected": 2, "Empty": 1}
    lines = [(line["message"], line["level"]) for line in output.logs]
    assert ("kept", "WARNING") in lines
    assert ("empty", "INFO") in lines
    (kept,) = [line for line in output.logs if line["message"] == "kept"]
    assert kept["violations"] == ["/1/note type"]

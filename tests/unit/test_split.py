"""One request becomes several events, each with an identity, a schema check and an outcome of its own."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes import World, captured
from front_door import api_gateway_v2, request, world
from invocations import sqs_batch, sqs_queued, sqs_record
from ports import SECRET
from push_relay.core.errors import PayloadTooLarge, QueueUnavailable
from push_relay.core.event import Arrival, Event
from push_relay.core.inbound.items import MAX_ITEMS
from push_relay.core.outcomes import Outcome
from push_relay.core.queue_format import RejectedItem
from push_relay.core.rules.expression import RequestFields
from push_relay.core.rules.schema import MAX_VIOLATIONS
from push_relay.core.rules.source import Source
from push_relay.settings import DeliveryMode
from signers import CASES, mac
from sns_sender import Request

GITHUB = {"scheme": "github"}
TOKEN = {"scheme": "token", "header": "x-token"}
STANDARD = next(case for case in CASES if case.verify["scheme"] == "standard-webhooks")
EACH = "each = 'data.alerts'"
SCHEMA = {
    "type": "object",
    "required": ["note"],
    "properties": {"note": {"type": "string"}, "id": {"type": "string"}},
}


def relay(directory: Path, event: str = "", *, verify: Mapping[str, Any] = GITHUB, **more: Any) -> World:
    """Return a relay whose source splits its requests, and needs a `note` in each event."""
    here = world(directory, verify, event=event, **more)
    (directory / "sources" / "planted" / "schema.json").write_text(json.dumps(SCHEMA))
    here.secrets.secrets = (SECRET,)
    return here


def direct(directory: Path, event: str = "") -> World:
    """Return such a relay in direct mode."""
    here = relay(directory, event)
    here.intake = replace(here.intake, forward=here.forward(DeliveryMode.DIRECT))
    return here


def signed(content: Any, **headers: str) -> Request:
    """Return a request whose signature covers the body."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return request(body, {"x-hub-signature-256": "sha256=" + mac(SECRET, body).hex(), **headers})


def send(here: World, sent: Any) -> tuple[int, dict[str, Any]]:
    """Send a request, and return the status and the content of the answer."""
    answer = here.receive(api_gateway_v2(sent if isinstance(sent, Request) else signed(sent)))
    return answer["statusCode"], json.loads(answer["body"])


def queued(here: World) -> list[Event]:
    """Return the queued events."""
    return [event for event, _ in here.messages.queued]


def notes(*texts: Any) -> list[dict[str, Any]]:
    """Return items with these notes."""
    return [{"note": text} for text in texts]


# --- what is an event -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "body"),
    [
        ("", notes("a", "b")),
        ('format = "list"', notes("a", "b")),
        (EACH, {"alerts": notes("a", "b"), "more": 1}),
        ("each = 'data[].alerts[]'", [{"alerts": notes("a")}, {"alerts": notes("b")}]),
        ('format = "ndjson"', b'\n{"note": "a"}\r\n\n \n{"note": "b"}'),
        ('format = "ndjson"', '\ufeff{"note": "a"}\n{"note": "b"}\n'.encode()),
        ('form_field = "payload"', b"x=1&payload=[%7B%22note%22:%22a%22%7D,%7B%22note%22:%22b%22%7D]"),
    ],
)
def test_each_item_of_a_request_is_an_event(event: str, body: Any, tmp_path: Path) -> None:
    """The items are named by the format, or by the expression `each`."""
    here = relay(tmp_path, event)
    status, answer = send(here, body)
    assert status == 202
    first, second = queued(here)
    assert [first.data, second.data] == notes("a", "b")
    assert first.identity != second.identity
    assert answer == {
        "status": "accepted",
        "source": "planted",
        "events": [{"id": first.id, "status": "accepted"}, {"id": second.id, "status": "accepted"}],
    }
    assert here.witness.accepted_events == [first, second]
    assert not here.witness.receipts


def test_a_request_with_one_document_is_answered_as_before(tmp_path: Path) -> None:
    """Its answer has no list, and its identity is the content that the signature covers."""
    here = relay(tmp_path)
    status, answer = send(here, {"note": "a"})
    (event,) = queued(here)
    assert (status, answer) == (202, {"status": "accepted", "id": event.id, "source": "planted"})


def test_a_list_of_one_item_is_answered_as_a_list(tmp_path: Path) -> None:
    """So a sender of lists reads one form of answer."""
    status, answer = send(relay(tmp_path), notes("a"))
    assert (status, [entry["status"] for entry in answer["events"]]) == (202, ["accepted"])


def test_an_item_that_is_not_an_object_becomes_one(tmp_path: Path) -> None:
    """An event's document is always an object."""
    here = world(tmp_path, GITHUB)
    here.secrets.secrets = (SECRET,)
    status, _ = send(here, [7, "x", None, [1], {"a": 1}])
    assert status == 202
    assert [event.data for event in queued(here)] == [
        {"value": 7},
        {"value": "x"},
        {"value": None},
        {"value": [1]},
        {"a": 1},
    ]


def test_the_events_of_a_request_keep_its_headers(tmp_path: Path) -> None:
    """The type may be in a header, and id and type are evaluated on each item."""
    here = relay(tmp_path, "type = 'headers.\"x-kind\"'\nid = 'data.id'")
    send(here, signed([{"note": "a", "id": "1"}, {"note": "b", "id": "2"}], **{"x-kind": "k"}))
    assert [(event.type, event.id) for event in queued(here)] == [("k", "1"), ("k", "2")]


@pytest.mark.parametrize("body", [{"alerts": {"note": "a"}}, {"alerts": None}, {}, {"alerts": "x"}])
def test_a_request_without_the_list_of_its_source_is_refused(body: Any, tmp_path: Path) -> None:
    """It is not the request that the source was written for."""
    here = relay(tmp_path, EACH)
    status, answer = send(here, body)
    assert (status, answer["code"]) == (400, "malformed_request")
    assert here.witness.outcomes == [Outcome.REJECTED]


def test_each_cannot_read_the_proof(tmp_path: Path) -> None:
    """The proof would be queued."""
    here = relay(tmp_path, "each = 'headers.\"x-token\".[@]'", verify=TOKEN)
    status, _ = send(here, request(b"{}", {"x-token": SECRET.decode()}))
    assert status == 500


@pytest.mark.parametrize("event", ["", 'format = "list"', EACH, 'format = "ndjson"'])
def test_a_request_without_items_is_accepted_without_an_event(event: str, tmp_path: Path) -> None:
    """Some senders send an empty list to see whether the receiver is there. It has no outcome."""
    here = relay(tmp_path, event)
    body = {"alerts": []} if event == EACH else b"" if "ndjson" in event else []
    assert send(here, body) == (200, {"status": "empty", "source": "planted", "events": []})
    assert here.witness.empty_requests
    assert not here.witness.receipts
    assert not here.witness.accepted_events


# --- bounds -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", ["", 'format = "ndjson"', EACH])
def test_the_number_of_items_is_bounded(event: str, tmp_path: Path) -> None:
    """One request must not keep the function busy for minutes."""
    here = relay(tmp_path, event)

    def body(count: int) -> Any:
        items = notes(*map(str, range(count)))
        if "ndjson" in event:
            return b"\n".join(json.dumps(item).encode() for item in items)
        return {"alerts": items} if event else items

    status, answer = send(here, body(MAX_ITEMS + 1))
    assert (status, answer["code"]) == (413, "payload_too_large")
    assert not queued(here)
    assert send(here, body(MAX_ITEMS))[0] == 202
    assert len(queued(here)) == MAX_ITEMS


@pytest.mark.parametrize(
    "body", [b"\n" * (10 * MAX_ITEMS + 1), b"\n".join([b"[" + b"{}," * 999 + b"{}]"] * 300)]
)
def test_the_size_of_lines_is_bounded_together(body: bytes, tmp_path: Path) -> None:
    """Many lines could otherwise have what one document must not have."""
    status, answer = send(relay(tmp_path, 'format = "ndjson"'), body)
    assert (status, answer["code"]) == (413, "payload_too_large")


# --- identity ---------------------------------------------------------------------------------------------


def identities(here: World, *requests: Any) -> list[str]:
    """Send requests, and return the identities of their events."""
    for each in requests:
        assert send(here, each)[0] == 202
    made = [event.identity for event in queued(here)]
    here.messages.queued.clear()
    return made


def test_without_an_id_the_position_in_the_signed_request_identifies_an_item(tmp_path: Path) -> None:
    """Two equal items are two events, and a second attempt of the request has the same ones."""
    here = relay(tmp_path)
    first = identities(here, notes("a", "a"))
    assert len(set(first)) == 2
    assert identities(here, notes("a", "a")) == first
    assert not set(identities(here, notes("a", "a", "b"))) & set(first)


def test_an_id_of_the_item_identifies_it_in_any_request(tmp_path: Path) -> None:
    """A sender that sends an item again may put it among others. Its content is part of the identity."""
    here = relay(tmp_path, "id = 'data.id'")
    one, two = {"note": "a", "id": "1"}, {"note": "b", "id": "2"}
    first = identities(here, [one, two])
    assert identities(here, [two, one]) == first[::-1]
    assert identities(here, [one, one]) == [first[0], first[0]]
    assert identities(here, [one | {"note": "c"}]) not in ([first[0]], [first[1]])


def test_an_id_in_a_header_does_not_identify_an_item(tmp_path: Path) -> None:
    """It is not signed, and it is the same for all items."""
    here = relay(tmp_path, "id = 'headers.\"x-id\"'")
    first = identities(here, signed(notes("a", "b"), **{"x-id": "1"}))
    assert len(set(first)) == 2
    assert identities(here, signed(notes("a", "b"), **{"x-id": "2"})) == first


def test_a_signed_id_of_the_request_is_part_of_each_identity(tmp_path: Path) -> None:
    """With the item's own id, or else its position; the two never look alike."""
    here = relay(tmp_path, "id = 'data.id'", verify=STANDARD.verify)
    here.secrets.secrets = (STANDARD.secret,)
    items = [{"note": "a"}, {"note": "a"}, {"note": "b", "id": "1"}, {"note": "b", "id": "#1"}]
    sent = STANDARD.genuine(here.clock.now(), body=json.dumps(items).encode())
    first = identities(here, sent)
    assert len(set(first)) == 4
    assert all(identity.startswith("id:") for identity in first)
    assert identities(here, sent) == first


def test_without_a_signature_the_item_identifies_itself(tmp_path: Path) -> None:
    """As a request with one event does: the sender may send the same items in another request."""
    here = relay(tmp_path, verify=TOKEN)
    header = {"x-token": SECRET.decode(), "content-type": "application/json"}

    def sent(content: Any) -> Request:
        return request(json.dumps(content).encode(), header)

    alone = identities(here, sent({"note": "a"}))
    assert identities(here, sent(notes("b", "a")))[1:] == alone


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

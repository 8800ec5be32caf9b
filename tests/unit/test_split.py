"""One request becomes several events, each with an identity of its own."""

import json
from pathlib import Path
from typing import Any

import pytest

from fakes import World
from front_door import request, world
from ports import SECRET
from push_relay.core.inbound.items import MAX_ITEMS
from push_relay.core.outcomes import Outcome
from sns_sender import Request
from split_requests import EACH, GITHUB, STANDARD, TOKEN, notes, queued, relay, send, signed

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


def test_items_with_one_id_and_another_content_are_events_of_their_own(tmp_path: Path) -> None:
    """A sender gives one id to an alert that fires and to its end. None of the two may be lost."""
    here = relay(tmp_path, "id = 'data.id'", verify=STANDARD.verify)
    here.secrets.secrets = (STANDARD.secret,)
    items = [{"note": "fires", "id": "1"}, {"note": "is resolved", "id": "1"}, {"note": "fires", "id": "1"}]
    sent = STANDARD.genuine(here.clock.now(), body=json.dumps(items).encode())
    first, second, again = identities(here, sent)
    assert first != second
    assert first == again


def test_without_a_signature_the_item_identifies_itself(tmp_path: Path) -> None:
    """As a request with one event does: the sender may send the same items in another request."""
    here = relay(tmp_path, verify=TOKEN)
    header = {"x-token": SECRET.decode(), "content-type": "application/json"}

    def sent(content: Any) -> Request:
        return request(json.dumps(content).encode(), header)

    alone = identities(here, sent({"note": "a"}))
    assert identities(here, sent(notes("b", "a")))[1:] == alone


@pytest.mark.parametrize("event", ["id = 'data.id'", "id = 'data.id'\neach = 'data[]'"])
def test_a_charset_does_not_make_another_event_of_a_signed_item(event: str, tmp_path: Path) -> None:
    """It decides how bytes are read that are not UTF-8, and it is in a header that is not signed."""
    here = relay(tmp_path, event)
    body = '[{"id": "1", "note": "caf\u00e9"}]'.encode("latin-1")
    for charset in ("iso-8859-1", "utf-8", "iso-8859-15"):
        status, _ = send(here, signed(body, **{"content-type": f"application/json; charset={charset}"}))
        assert status == 202
    first, second, third = queued(here)
    assert first.data != second.data
    assert first.identity == second.identity == third.identity

"""An example is made a new event by the smallest change that is enough."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from push_relay.core.inbound.body import BodyFormat
from push_relay.core.push import Wording
from push_relay.core.rules.expression import Expression
from relayctl.sending.freshness import Fresh, Look, Seen, fresh_like, freshened
from relayctl.webhook import Webhook

BODY = {"id": "e-1", "order": {"number": 41}, "words": "warm"}


def look(identity: Callable[[Webhook, float], Any], wording: Callable[[Any], str] = str) -> Look:
    """Return a look at a relay that identifies an event by what a function takes from a request."""

    def seen(request: Webhook, later_secs: float) -> Seen:
        words = Wording("t", wording(json.loads(request.body)))
        return Seen((repr(identity(request, later_secs)),), (words,))

    return seen


def document(request: Webhook, _later: float) -> Any:
    """Identify an event by its document, as under a token."""
    return json.loads(request.body)


def body(request: Webhook, _later: float) -> Any:
    """Identify an event by its body, as under a signature without a timestamp."""
    return request.body


def fresh(identify: Look, event_id: str = "", body: Any = BODY, **headers: str) -> Fresh:
    """Make a request fresh."""
    request = Webhook(headers, json.dumps(body).encode())
    expression = Expression.compile(event_id) if event_id else None
    return freshened(request, expression, BodyFormat(), identify)


def test_a_signature_with_a_timestamp_is_enough() -> None:
    """The request is not changed."""
    result = fresh(look(lambda request, later: (request.body, later)))
    assert (json.loads(result.request.body), result.made_new, result.is_new) == (BODY, (), True)


def test_the_id_of_a_delivery_is_always_new() -> None:
    """Senders give each delivery one. The source's own header, and usual names."""
    names = {"x-mine": "m-1", "x-github-delivery": "1", "webhook-id": "msg_1", "x-request-id": "r-1"}
    result = fresh(look(lambda request, _later: request.headers), 'headers."x-mine"', **names, other="same")
    assert result.made_new == tuple(f"headers.{name}" for name in names)
    assert result.request.headers["other"] == "same"
    assert all(result.request.headers[name] != value for name, value in names.items())


def test_white_space_makes_a_signed_body_new() -> None:
    """The document stays the same. Two sendings differ."""
    first, second = fresh(look(body), "data.id"), fresh(look(body), "data.id")
    assert first.made_new == ("white space after the body",)
    assert json.loads(first.request.body) == BODY
    assert first.request.body != second.request.body


@pytest.mark.parametrize(
    ("event_id", "path"),
    [
        ("data.id", "data.id"),
        ("data.order.number", "data.order.number"),
        ("first_text(data.none, data.id)", "data.id"),
        ("join_text('-', data.order.number, data.id)", "data.order.number"),
    ],
)
def test_the_id_in_the_document_is_new_if_its_content_identifies_an_event(event_id: str, path: str) -> None:
    """Nothing else is changed, and its kind stays."""
    result = fresh(look(document), event_id)
    assert (result.made_new, result.is_new) == ((path,), True)
    changed = json.loads(result.request.body)
    assert changed["words"] == BODY["words"]
    assert isinstance(changed["order"]["number"], int)
    assert changed != BODY


def test_each_item_of_a_list_gets_a_new_id() -> None:
    """Each is an event."""
    result = fresh(look(document), "data.id", [{"id": "a-1"}, {"id": "a-2"}])
    assert result.made_new == ("data.id",)
    assert {item["id"] for item in json.loads(result.request.body)}.isdisjoint({"a-1", "a-2"})


def test_the_events_inside_a_document_get_new_ids() -> None:
    """A source may split it. The ids of other things in an event stay."""
    given = {"hook": 1, "data": {"events": [{"id": "a-1", "user": {"id": "u-1"}}, {"id": "a-2"}]}}
    result = fresh(look(document), "data.id", given)
    assert (result.made_new, result.is_new) == (("data.id",), True)
    changed = json.loads(result.request.body)
    first, second = changed["data"]["events"]
    assert {first["id"], second["id"]}.isdisjoint({"a-1", "a-2"})
    assert (first["user"], changed["hook"]) == ({"id": "u-1"}, 1)


def test_a_document_without_an_id_gets_a_field() -> None:
    """Its words do not show it."""
    result = fresh(look(document, lambda content: content["words"]))
    assert (result.made_new, result.is_new) == (("data.relayctl_sending",), True)


def test_a_field_that_the_push_would_show_is_not_added() -> None:
    """The person is warned instead, because the same words were wanted."""
    result = fresh(look(document))
    assert (json.loads(result.request.body), result.made_new, result.is_new) == (BODY, (), False)


def test_a_request_that_is_refused_has_no_identity_to_compare() -> None:
    """Its signed body differs, in case the deployed version accepts it."""
    result = fresh(lambda _request, _later: Seen(), "data.id")
    assert (result.made_new, result.is_new) == (("white space after the body",), True)
    assert json.loads(result.request.body) == BODY


@pytest.mark.parametrize(
    ("given", "form"),
    [
        ("72d3162e-cc78-11e3-81ab-4c9367dc0958", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        ("evt_1NG8Du2eZvKYlo2CUI79vXWy", r"evt_[0-9][A-Z]{2}[0-9][A-Z][a-z][0-9]\w{17}"),
        ("41", r"[1-9]{8}"),
        ("12345678901234", r"[1-9]{14}"),
        ("order/7:retry", r"order/7:[a-z]{8}"),
        ("a-1", r"a-[1-9]{8}"),
        ("é", r"é[0-9a-f]{16}"),
    ],
)
def test_a_fresh_id_has_the_form_of_the_old_one(given: str, form: str) -> None:
    """A schema may demand it."""
    made = {fresh_like(given) for _ in range(20)}
    assert all(re.fullmatch(form, each) for each in made), made
    assert len(made) == 20

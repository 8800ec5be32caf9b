"""Every handshake that is a row of data: the genuine question, over HTTP, and what gets no answer."""

import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes import World
from front_door import GATEWAYS, Gateway, api_gateway_v2, request, world
from handshake_questions import (
    ASKED,
    KEY,
    SIGNED,
    UNPROVEN,
    WITH_CHALLENGE,
    Question,
    each,
    of_json,
    relay_for,
)
from push_relay.core.trust.handshake_names import AS_DATA
from push_relay.core.trust.handshakes.row import ANY, Row
from push_relay.core.trust.handshakes.rows import ROWS


def refused(here: World, answer: Mapping[str, Any], *statuses: int) -> bool:
    """Return whether a question got no answer, and had no effect."""
    untouched = not (here.messages.queued or here.messages.dead_letters or here.witness.handshakes)
    return answer["statusCode"] in statuses and untouched


def test_every_handshake_has_a_genuine_question() -> None:
    """A further row needs an example here."""
    assert {asked.name for asked in ASKED} == set(AS_DATA)


@each(ASKED)
@pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.__name__)
def test_a_genuine_question_is_answered_each_time(asked: Question, gateway: Gateway, tmp_path: Path) -> None:
    """Senders ask again: on each change of the URL, or once in a while."""
    here = relay_for(tmp_path, asked)
    for _ in range(2):
        answer = here.receive(gateway(asked.sent(), method=asked.method))
        assert (answer["statusCode"], answer["body"]) == (asked.status, asked.answer)
        assert answer["headers"] == {
            "Content-Type": asked.content_type,
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
            "X-Correlation-Id": "req-1",
            **asked.answered,
        }
    assert here.witness.handshakes == [("planted", "req-1")] * 2
    assert not here.messages.queued
    assert not here.witness.receipts


@each(ASKED)
def test_a_question_from_an_address_outside_the_allow_list_is_refused(
    asked: Question, tmp_path: Path
) -> None:
    """The list applies to questions as it does to events."""
    here = relay_for(tmp_path, asked, policy='allow_ips = ["192.0.2.0/24"]')
    assert refused(here, here.receive(api_gateway_v2(asked.sent(), method=asked.method)), 403)


@each(tuple(asked for asked in ASKED if asked.is_signed))
def test_a_question_that_has_to_be_proven_gets_no_answer_without_a_proof(
    asked: Question, tmp_path: Path
) -> None:
    """A wrong signature has the same answer as that of an event."""
    here = relay_for(tmp_path, asked)
    assert refused(here, here.receive(api_gateway_v2(asked.sent(b"guessed"))), 401)


@each(UNPROVEN)
def test_a_question_by_another_method_is_refused(asked: Question, tmp_path: Path) -> None:
    """`Allow` lists what the source accepts."""
    here = relay_for(tmp_path, asked)
    other = {"GET": "HEAD", "HEAD": "GET", "POST": "GET"}[asked.method]
    answer = here.receive(api_gateway_v2(asked.sent(), method=other))
    assert refused(here, answer, 405)
    expected = "POST" if asked.method == "POST" else f"{asked.method}, POST"
    assert answer["headers"]["Allow"] == expected


@each(UNPROVEN)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_source_without_the_handshake_answers_no_question(
    asked: Question, method: str, tmp_path: Path
) -> None:
    """It is a 405 for GET and HEAD. A POST is an event, and has no proof."""
    here = world(tmp_path, SIGNED)
    here.secrets.stored_settings = dict(asked.settings)
    answer = here.receive(api_gateway_v2(asked.sent(), method=method))
    assert refused(here, answer, 405)
    assert answer["headers"]["Allow"] == "POST"
    if asked.method == "POST":
        assert refused(here, here.receive(api_gateway_v2(asked.sent())), 401)


UNSAFE = {
    "line break": "1\r\nX-Evil: 1",
    "markup": "<script>alert(1)</script>",
    "too long": "1" * 1100,
    "empty": "",
    "not ASCII": "caf\u00e9",
    "quotes": '1","a":"2',
}


@each(tuple(asked for asked in WITH_CHALLENGE if not asked.is_signed))
@pytest.mark.parametrize("text", UNSAFE.values(), ids=UNSAFE)
def test_an_unsafe_challenge_of_a_stranger_is_not_sent_back(
    asked: Question, text: str, tmp_path: Path
) -> None:
    """It could be a page, a header or a body of the stranger's choice under the relay's name."""
    here = relay_for(tmp_path, asked)
    answer = here.receive(api_gateway_v2(asked.with_challenge(text).sent(), method=asked.method))
    assert refused(here, answer, 400, 401)
    assert not text or text not in answer["body"]
    assert "X-Evil" not in answer["headers"]


@each(tuple(asked for asked in ASKED if "{setting:" in str(asked.row.trigger)))
@pytest.mark.parametrize("wrong", ["", "meatyhamhoc", "meatyhamhockk", "\u0661", "Correct"])
def test_a_wrong_token_gets_the_status_that_its_sender_expects(
    asked: Question, wrong: str, tmp_path: Path
) -> None:
    """Fitbit and hubs require a 404."""
    here = relay_for(tmp_path, asked)
    (right,) = asked.settings.values()
    query = {name: wrong if value == right else value for name, value in asked.query.items()}
    answer = here.receive(api_gateway_v2(replace(asked, query=query).sent(), method="GET"))
    assert refused(here, answer, asked.row.refused)
    code = "handshake_not_found" if asked.row.refused == 404 else "handshake_refused"
    assert json.loads(answer["body"])["code"] == code


@each(tuple(asked for asked in UNPROVEN if asked.method == "GET"))
def test_a_request_by_get_that_is_not_the_question_is_refused(asked: Question, tmp_path: Path) -> None:
    """A browser that opens the URL gets no answer."""
    here = relay_for(tmp_path, asked)
    nothing = replace(asked, headers={}, query={})
    answer = here.receive(api_gateway_v2(nothing.sent(), method="GET"))
    assert refused(here, answer, asked.row.refused)


@each(tuple(asked for asked in ASKED if asked.settings))
def test_a_question_waits_until_its_setting_is_stored(asked: Question, tmp_path: Path) -> None:
    """An absent setting fits no token, not even an empty one. The secrets are read again at once."""
    here = relay_for(tmp_path, asked)
    here.secrets.stored_settings = {}
    answer = here.receive(api_gateway_v2(asked.sent(), method=asked.method))
    assert refused(here, answer, 503, 403)
    here.secrets.changed_settings = dict(asked.settings)
    assert here.receive(api_gateway_v2(asked.sent(), method=asked.method))["statusCode"] == asked.status


def test_a_setting_may_be_in_relay_toml(tmp_path: Path) -> None:
    """A value that is stored beside the secret is used before it."""
    asked = next(asked for asked in ASKED if asked.name == "meta")
    here = relay_for(tmp_path, asked, policy='settings.verify-token = "meatyhamhock"')
    here.secrets.stored_settings = {}
    assert here.receive(api_gateway_v2(asked.sent(), method="GET"))["statusCode"] == 200
    here.secrets.stored_settings = {"verify-token": "another"}
    assert here.receive(api_gateway_v2(asked.sent(), method="GET"))["statusCode"] == 403


@each(tuple(asked for asked in ASKED if asked.row.signs and asked.method == "GET"))
def test_no_answer_is_signed_with_a_key_that_is_a_setting_too(asked: Question, tmp_path: Path) -> None:
    """The provider shows settings, in URLs for example."""
    here = relay_for(tmp_path, asked)
    here.secrets.stored_settings = {**asked.settings, "verify-token": KEY.decode()}
    assert refused(here, here.receive(api_gateway_v2(asked.sent(), method="GET")), 503)


@each(tuple(asked for asked in UNPROVEN if asked.method == "POST"))
def test_a_question_by_post_that_has_more_than_it_should_is_an_event(asked: Question, tmp_path: Path) -> None:
    """It could be meant to pass as either. Without a proof it is refused."""
    here = relay_for(tmp_path, asked)
    members = json.loads(asked.body or b"{}")
    assert here.receive(api_gateway_v2(replace(asked, body=of_json(**members, event=1)).sent()))[
        "statusCode"
    ] in {401, 403}
    assert refused(here, here.receive(api_gateway_v2(replace(asked, body=b'["x"]').sent())), 401)
    large = of_json(**members) + b" " * 20_000
    if members:
        assert refused(here, here.receive(api_gateway_v2(replace(asked, body=large).sent())), 401)


@each(tuple(asked for asked in UNPROVEN if asked.method == "POST"))
def test_a_proven_event_with_a_question_s_marks_stays_an_event(asked: Question, tmp_path: Path) -> None:
    """Smartsheet sends its challenge with events, too."""
    here = relay_for(tmp_path, asked)
    event = of_json(events=[], challenge="d78dd1d3", nonce="1")
    proof = {"x-planted-signature": hmac.new(KEY, event, hashlib.sha256).hexdigest()}
    sent = request(event, {**asked.headers, **proof}, asked.query)
    assert here.receive(api_gateway_v2(sent))["statusCode"] == 202
    assert len(here.messages.queued) == 1
    assert not here.witness.handshakes


@each(UNPROVEN)
def test_a_handshake_does_not_accept_forged_events(asked: Question, tmp_path: Path) -> None:
    """Neither beside an answer nor after one."""
    here = relay_for(tmp_path, asked)
    here.receive(api_gateway_v2(asked.sent(), method=asked.method))
    forged = request(of_json(events=[1]), {**asked.headers, "x-planted-signature": "0" * 64}, asked.query)
    assert here.receive(api_gateway_v2(forged))["statusCode"] == 401
    assert not here.messages.queued


PROVEN_BY_SETTING = tuple(asked for asked in ASKED if "{setting:" in str(asked.row.trigger))
WITHOUT_PROOF = tuple(
    asked for asked in UNPROVEN if not (asked.row.brings or asked.row.signs or asked in PROVEN_BY_SETTING)
)


@each(PROVEN_BY_SETTING)
def test_a_verify_token_alone_proves_a_question(asked: Question, tmp_path: Path) -> None:
    """Nothing else has to be stored yet. Events need the token that the URL holds."""
    here = relay_for(tmp_path, asked, {"scheme": "token", "query": "token"})
    here.secrets.secrets = ()
    assert here.receive(api_gateway_v2(asked.sent(), method=asked.method))["statusCode"] == asked.status
    here.secrets.secrets = (KEY,)
    assert here.receive(api_gateway_v2(request(b"{}", {}, asked.query)))["statusCode"] == 401
    assert not here.messages.queued


@pytest.mark.parametrize(
    "body", [b"", b" \n", b"{}", of_json(challenge="d78dd1d3"), of_json(webhookId=1, challenge="another")]
)
def test_smartsheet_s_question_is_in_its_header(body: bytes, tmp_path: Path) -> None:
    """The body repeats it, for receivers that do not read headers. The answer is the header's text alone."""
    asked = next(asked for asked in ASKED if asked.name == "smartsheet")
    here = relay_for(tmp_path, asked)
    answer = here.receive(api_gateway_v2(replace(asked, body=body).sent()))
    assert (answer["statusCode"], answer["body"]) == (200, asked.answer)
    assert not here.messages.queued
    signed = {**asked.headers, "smartsheet-hmac-sha256": "0" * 64}
    assert here.receive(api_gateway_v2(request(body, signed)))["statusCode"] == 401


def test_notion_s_question_may_be_signed(tmp_path: Path) -> None:
    """Its signature cannot be verified yet: the question brings the secret."""
    asked = next(asked for asked in ASKED if asked.name == "notion")
    here = relay_for(tmp_path, asked)
    sent = replace(asked, headers={"x-notion-signature": "sha256=" + "0" * 64}).sent()
    assert here.receive(api_gateway_v2(sent))["statusCode"] == 200
    assert len(here.messages.dead_letters) == 1


@each(tuple(asked for asked in ASKED if asked.name in ("ringcentral", "asana")))
@pytest.mark.parametrize("body", [b"", b"{}"])
def test_a_question_in_a_header_may_have_an_empty_document(
    asked: Question, body: bytes, tmp_path: Path
) -> None:
    """Some clients send one, because their content type is JSON."""
    here = relay_for(tmp_path, asked)
    assert here.receive(api_gateway_v2(replace(asked, body=body).sent()))["statusCode"] == 200


@each(WITHOUT_PROOF)
def test_a_question_needs_the_token_that_its_url_holds(asked: Question, tmp_path: Path) -> None:
    """The provider asks at the URL with the token, so a question without it is a stranger's."""
    here = relay_for(tmp_path, asked, {"scheme": "token", "query": "token"})
    assert refused(here, here.receive(api_gateway_v2(asked.sent(), method=asked.method)), 401)
    proven = replace(asked, query={**asked.query, "token": KEY.decode()})
    assert here.receive(api_gateway_v2(proven.sent(), method=asked.method))["statusCode"] == asked.status


@each(tuple(asked for asked in ASKED if asked.row.signs and asked.method == "GET"))
def test_an_answer_is_signed_with_the_key_of_the_preset(asked: Question, tmp_path: Path) -> None:
    """Of several secrets the first one is used: its text as stored, without invisible characters."""
    here = relay_for(tmp_path, asked, {"scheme": asked.name})
    here.secrets.secrets = (b" " + KEY + b"\n", b"old key")
    answer = here.receive(api_gateway_v2(asked.sent(), method="GET"))
    assert (answer["statusCode"], answer["body"]) == (200, asked.answer)


def placeholders(row: Row) -> Iterator[str]:
    """Yield the places of the request that an answer is made of."""
    for template in (row.text, *(row.json or {}).values(), *row.headers.values()):
        for inside in re.findall(r"\{([^{}]+)\}", str(template)):
            bare = re.sub(r"^(?:hmac-)?sha(?:1|256)-(?:hex|base64):", "", inside)
            yield from (part for part in bare.split("+") if part != "url" and "setting:" not in part)


@pytest.mark.parametrize("name", ROWS)
def test_an_answer_is_made_of_checked_values_alone(name: str) -> None:
    """A value that no pattern has checked must not be sent back or signed."""
    for row in ROWS[name]:
        free = {place for place, wanted in row.trigger.items() if wanted == ANY}
        assert {*placeholders(row), *filter(None, [row.brings])} <= free
        assert row.signed is (row.body is None and row.method == "POST")
        assert all(place == place.lower() for place in (*row.trigger, *row.absent) if place[:7] == "header:")

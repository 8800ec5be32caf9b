"""Every handshake that is a row of data: the genuine question, over HTTP, and what gets no answer."""

import hashlib
import hmac
import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from fakes import World
from front_door import GATEWAYS, Gateway, api_gateway_v2, request, world
from push_relay.core.trust.handshake_names import AS_DATA
from push_relay.core.trust.handshakes.row import ANY, Row
from push_relay.core.trust.handshakes.rows import ROWS
from sns_sender import URL, Request

KEY = b"planted key"
TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
UUID = "890e4665-4dfe-4ab1-b689-ed553bceeed0"
HEX = "20f9f8ed05f77439fe955c977e4c8a53"
ADDRESS = URL.partition("?")[0]
#: A scheme that signs the body, as most of these senders do.
SIGNED = {"scheme": "hmac", "header": "x-planted-signature"}


@dataclass(frozen=True, kw_only=True)
class Question:
    """A genuine question, and the answer that its sender expects."""

    name: str
    method: str = "GET"
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
    answer: str = ""
    content_type: str = TEXT
    answered: Mapping[str, str] = field(default_factory=dict)
    challenge: str = ""

    @property
    def row(self) -> Row:
        """The row that the question is for."""
        return next(row for row in ROWS[self.name] if row.method == self.method)

    @property
    def is_signed(self) -> bool:
        """Whether it is proven as events are."""
        return self.row.signed

    def sent(self, key: bytes = KEY) -> Request:
        """Return the request as its sender writes it."""
        proof = {"x-planted-signature": hmac.new(key, self.body, hashlib.sha256).hexdigest()}
        return request(self.body, {**self.headers, **(proof if self.is_signed else {})}, self.query)

    def with_challenge(self, text: str) -> "Question":
        """Return the question with another challenge."""
        escaped = json.dumps(text)[1:-1].encode()
        return replace(
            self,
            body=self.body.replace(self.challenge.encode(), escaped),
            headers={n: v.replace(self.challenge, text) for n, v in self.headers.items()},
            query={n: v.replace(self.challenge, text) for n, v in self.query.items()},
        )


def of_json(**members: Any) -> bytes:
    """Return a JSON object."""
    return json.dumps(members).encode()


def signature(text: str, key: bytes = KEY, hash_name: str = "sha256") -> bytes:
    """Return an HMAC."""
    return hmac.new(key, text.encode(), hash_name).digest()


def hub(**more: str) -> dict[str, str]:
    """Return the parameters of a hub's question."""
    return {"hub.mode": "subscribe", "hub.challenge": "1158201444", **more}


VERIFY_TOKEN = {"verify-token": "meatyhamhock"}
SHA1_KEY = hashlib.sha1(KEY, usedforsecurity=False).digest()
GRAPH = "Validation: Testing client application reachability for subscription Request-Id: 522a8e7e"
EVENT_GRID = [
    {
        "id": "1",
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "data": {"validationCode": UUID, "validationUrl": "https://example.com"},
    }
]
ASKED = (
    Question(
        name="slack",
        method="POST",
        body=of_json(type="url_verification", token="t", challenge="3eZbrw1aBm2rZ"),
        challenge="3eZbrw1aBm2rZ",
        answer="3eZbrw1aBm2rZ",
    ),
    Question(
        name="zoom",
        method="POST",
        body=of_json(event="endpoint.url_validation", payload={"plainToken": "qgg8vlvZRS6UYooatFL8Aw"}),
        challenge="qgg8vlvZRS6UYooatFL8Aw",
        answer=json.dumps(
            {
                "plainToken": "qgg8vlvZRS6UYooatFL8Aw",
                "encryptedToken": signature("qgg8vlvZRS6UYooatFL8Aw").hex(),
            }
        ),
        content_type=JSON,
    ),
    *(
        Question(
            name=name,
            method="POST",
            body=json.dumps(EVENT_GRID).encode(),
            headers={"aeg-event-type": "SubscriptionValidation"},
            challenge=UUID,
            answer=json.dumps({"validationResponse": UUID}),
            content_type=JSON,
        )
        for name in ("event-grid", "event-grid-entra")
    ),
    Question(
        name="twitch",
        method="POST",
        body=of_json(challenge="pogchamp-kappa-360noscope-vohiyo", subscription={"id": "f1c2a387"}),
        headers={"twitch-eventsub-message-type": "webhook_callback_verification"},
        challenge="pogchamp-kappa-360noscope-vohiyo",
        answer="pogchamp-kappa-360noscope-vohiyo",
    ),
    Question(
        name="xero",
        method="POST",
        body=of_json(events=[], firstEventSequence=0, lastEventSequence=0, entropy="S0m3r4nd0mt3xt"),
    ),
    Question(name="discord", method="POST", body=of_json(version=1, application_id="1", type=0), status=204),
    Question(
        name="discord",
        method="POST",
        body=of_json(id="1", type=1),
        answer='{"type": 1}',
        content_type=JSON,
    ),
    Question(
        name="meta",
        query=hub(**{"hub.verify_token": "meatyhamhock"}),
        settings=VERIFY_TOKEN,
        challenge="1158201444",
        answer="1158201444",
    ),
    Question(
        name="strava",
        query=hub(**{"hub.verify_token": "meatyhamhock"}),
        settings=VERIFY_TOKEN,
        challenge="1158201444",
        answer='{"hub.challenge": "1158201444"}',
        content_type=JSON,
    ),
    Question(
        name="youtube-websub",
        query=hub(**{"hub.topic": "https://example.com/feed", "hub.lease_seconds": "432000"}),
        settings={"topic": "https://example.com/feed"},
        challenge="1158201444",
        answer="1158201444",
    ),
    Question(name="fitbit", query={"verify": "correct"}, settings={"verify-code": "correct"}, status=204),
    Question(name="onfleet", query={"check": "a1b2c3"}, challenge="a1b2c3", answer="a1b2c3"),
    *(
        Question(name=name, query={"challenge": "bc609d-38"}, challenge="bc609d-38", answer="bc609d-38")
        for name in ("nylas", "dropbox", "adobe-io-events")
    ),
    Question(
        name="okta",
        headers={"x-okta-verification-challenge": "d5w9bnjmBMEC"},
        challenge="d5w9bnjmBMEC",
        answer='{"verification": "d5w9bnjmBMEC"}',
        content_type=JSON,
    ),
    Question(
        name="adobe-sign",
        headers={"x-adobesign-clientid": "CBJCHBCAABAAo"},
        challenge="CBJCHBCAABAAo",
        answered={"X-AdobeSign-ClientId": "CBJCHBCAABAAo"},
    ),
    Question(
        name="ebay",
        query={"challenge_code": "a8628072"},
        settings={"verify-token": "planted_token_of_32_characters_and_more"},
        challenge="a8628072",
        answer=json.dumps(
            {
                "challengeResponse": hashlib.sha256(
                    f"a8628072planted_token_of_32_characters_and_more{ADDRESS}".encode()
                ).hexdigest()
            }
        ),
        content_type=JSON,
    ),
    Question(
        name="linkedin",
        query={"challengeCode": UUID},
        challenge=UUID,
        answer=json.dumps({"challengeCode": UUID, "challengeResponse": signature(UUID).hex()}),
        content_type=JSON,
    ),
    Question(
        name="x",
        query={"crc_token": "MTYyMjE0NTc=", "nonce": "1"},
        challenge="MTYyMjE0NTc=",
        answer=json.dumps({"response_token": f"sha256={b64encode(signature('MTYyMjE0NTc=')).decode()}"}),
        content_type=JSON,
    ),
    Question(
        name="braintree",
        query={"bt_challenge": HEX},
        settings={"public-key": "integration_public_key"},
        challenge=HEX,
        answer=f"integration_public_key|{signature(HEX, SHA1_KEY, 'sha1').hex()}",
    ),
    *(Question(name=name, method="HEAD") for name in ("intercom", "trello", "mandrill", "withings")),
    Question(
        name="microsoft-graph",
        method="POST",
        query={"validationToken": GRAPH},
        challenge=GRAPH,
        answer=GRAPH,
    ),
    Question(
        name="monday",
        method="POST",
        body=of_json(challenge="3eZbrw1aBm2rZ"),
        challenge="3eZbrw1aBm2rZ",
        answer='{"challenge": "3eZbrw1aBm2rZ"}',
        content_type=JSON,
    ),
    Question(
        name="smartsheet",
        method="POST",
        body=of_json(challenge="d78dd1d3", webhookId=4503604829677444),
        headers={"smartsheet-hook-challenge": "d78dd1d3"},
        challenge="d78dd1d3",
        answer='{"smartsheetHookResponse": "d78dd1d3"}',
        content_type=JSON,
        answered={"Smartsheet-Hook-Response": "d78dd1d3"},
    ),
    Question(
        name="ringcentral",
        method="POST",
        headers={"validation-token": "8d5b2f6a"},
        challenge="8d5b2f6a",
        answered={"Validation-Token": "8d5b2f6a"},
    ),
    Question(
        name="asana",
        method="POST",
        headers={"x-hook-secret": "b537207f20cbfa02357cf448134da559"},
        query={"setup": "planted setup"},
        settings={"setup": hashlib.sha256(b"planted setup").hexdigest()},
        challenge="b537207f20cbfa02357cf448134da559",
        answered={"X-Hook-Secret": "b537207f20cbfa02357cf448134da559"},
    ),
    Question(
        name="notion",
        method="POST",
        body=of_json(verification_token="secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl"),
        query={"setup": "planted setup"},
        settings={"setup": hashlib.sha256(b"planted setup").hexdigest()},
        challenge="secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl",
    ),
)
UNPROVEN = tuple(asked for asked in ASKED if not asked.is_signed)
WITH_CHALLENGE = tuple(asked for asked in ASKED if asked.challenge)


def each(asked: tuple[Question, ...]) -> pytest.MarkDecorator:
    """Run a test with each question."""
    return pytest.mark.parametrize("asked", asked, ids=lambda asked: f"{asked.name} {asked.method}")


def relay_for(directory: Path, asked: Question, verify: Mapping[str, Any] = SIGNED, **more: Any) -> World:
    """Return a relay whose only source has a question's handshake."""
    body_format = 'format = "list-of-one"' if asked.name.startswith("event-grid") else ""
    here = world(directory, verify, event=body_format, top=f'handshake = "{asked.name}"', **more)
    here.secrets.secrets = (KEY,)
    here.secrets.stored_settings = dict(asked.settings)
    return here


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

"""A genuine question for each handshake that is a row of data, and the answer that its sender expects."""

import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from fakes import World
from front_door import request, world
from push_relay.core.trust.handshakes.row import Row
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
        body=of_json(events=[], firstEventSequence=0, lastEventSequence=0, entropy="planted"),
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

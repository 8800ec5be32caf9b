"""`relayctl preview --json`: the contract. Every line that a test reads is checked against the schema."""

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fakes import ROOT
from invocations import webhook
from preview_files import HOT, NOW, PROOF, SECRET, SOURCE, Files
from push_relay.core.outcomes import Outcome
from relayctl.preview import schema
from relayctl.preview.result import SEVERITY, STATUSES
from sns_sender import TOPIC, certificates, sns_message, sns_signed

KEYS = ["file", "status", "answer", "events", "verified", "skipped"]
EVENT_KEYS = [
    "source",
    "id",
    "type",
    "identity",
    "outcome",
    "error_code",
    "detail",
    "violations",
    "messages",
    "pushes",
]
TOKEN = SOURCE.replace(PROOF, '[verify]\nscheme = "token"\nheader = "x-t"\n')


@pytest.fixture
def files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Files:
    """Return a folder with the source `kiln`, routes and a secret."""
    return Files(tmp_path, capsys)


def signed(body: str, secret: str = SECRET) -> dict[str, str]:
    """Return the headers of a signed request."""
    signature = hmac.digest(secret.encode(), body.encode(), hashlib.sha256).hex()
    return {"content-type": "application/json", "X-Kiln-Signature": signature}


def test_a_delivered_example_has_every_key(files: Files) -> None:
    """The words are those of the rule, and those of the push are cut to the account's limits."""
    ran = files.run(files.example({**HOT, "note": "A kiln with a very long name"}))
    assert ran.code == 0
    assert list(ran.line) == KEYS
    assert {key: ran.line[key] for key in ("file", "status", "verified", "skipped")} == {
        "file": "sources/kiln/examples/hot.request.json",
        "status": "delivered",
        "verified": None,
        "skipped": ["proof"],
    }
    answer = ran.line["answer"]
    assert (answer["status"], answer["headers"]["Content-Type"]) == (202, "application/json")
    assert json.loads(answer["body"]) == {"status": "accepted", "id": "k-1", "source": "kiln"}
    assert list(ran.event) == EVENT_KEYS
    words = {"body": "1,300 °C", "sound": True, "expiry_secs": 3600}
    assert {key: ran.event[key] for key in EVENT_KEYS if key not in ("identity", "detail")} == {
        "source": "kiln",
        "id": "k-1",
        "type": "hot",
        "outcome": "delivered",
        "error_code": None,
        "violations": [],
        "messages": [{"rule": 2, "title": "Kiln: A kiln with a very long name", **words}],
        "pushes": [
            {
                "account": "default",
                "to": "email:mia@example.com",
                "route": 4,
                "title": "Kiln: A kiln with a…",
                **words,
            }
        ],
    }


def test_a_part_that_fails_makes_the_event_failed_and_the_others_are_sent(files: Files) -> None:
    """The worst receipt is the event's outcome."""
    ran = files.run(files.example({**HOT, "heat": [], "all": True, "user": "u1"}))
    assert ran.code == 1
    assert (ran.line["status"], ran.event["outcome"], ran.event["error_code"]) == (
        "failed",
        "failed",
        "mapping_failed",
    )
    assert [(push["account"], push["to"], push["route"]) for push in ran.event["pushes"]] == [
        ("default", "email:mia@example.com", 4),
        ("default", "user:u1", 4),
        ("mill", "external:7", 5),
    ]


def test_a_filtered_event_has_the_words_that_nobody_gets(files: Files) -> None:
    """So the words of a source can be checked without any route."""
    ran = files.run(files.example({**HOT, "who": None}))
    assert (ran.code, ran.line["status"], ran.event["detail"]) == (
        0,
        "filtered",
        "no route leads to anybody",
    )
    assert ([message["rule"] for message in ran.event["messages"]], ran.event["pushes"]) == ([2], [])


def test_an_event_that_breaks_the_schema_lists_the_places(files: Files) -> None:
    """The answer has them too."""
    ran = files.run(files.example({"note": 7}))
    assert (ran.code, ran.line["status"], ran.line["answer"]["status"]) == (1, "rejected", 422)
    assert (ran.event["source"], ran.event["error_code"]) == ("kiln", "schema_violation")
    assert ran.event["violations"] == [{"pointer": "/note", "rule": "type"}]


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        ("{not json", {"content-type": "application/json"}, 400, "malformed_request"),
        ("a: 1", {"content-type": "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"),
    ],
)
def test_a_body_that_cannot_be_read_is_one_entry(
    files: Files, body: str, headers: dict[str, str], status: int, code: str
) -> None:
    """A body that is a text is sent as it is."""
    ran = files.run(files.example(body, headers))
    assert (ran.code, ran.line["answer"]["status"], ran.event["error_code"]) == (1, status, code)
    assert (ran.event["id"], ran.event["identity"], ran.event["outcome"]) == (None, None, "rejected")


def test_a_body_may_be_base64(files: Files) -> None:
    """As in an invocation of AWS."""
    body = base64.b64encode(json.dumps(HOT).encode()).decode()
    assert files.run(files.example(body, isBase64Encoded=True)).line["status"] == "delivered"


def test_the_contract_is_a_schema(files: Files) -> None:
    """It has every outcome and status, and no key that the line does not have."""
    jsonschema.Draft202012Validator.check_schema(schema.build())
    assert set(SEVERITY) == set(Outcome)
    line: dict[str, Any] = files.run(files.example(HOT)).line
    for change in ({"more": 1}, {"status": "odd"}, {"events": [{}]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(line | change, schema.build())
    page = (ROOT / "docs/preview.md").read_text("utf-8")
    for word in (*STATUSES, *KEYS, *EVENT_KEYS):
        assert f"`{word}`" in page


def test_a_genuine_request_is_verified(files: Files) -> None:
    """The signature covers the very text of the body."""
    body = json.dumps(HOT, indent=3)
    ran = files.run(files.example(body, signed(body)), "--secrets", files.secrets)
    assert (ran.code, ran.line["status"], ran.line["verified"]) == (0, "delivered", True)
    assert ran.line["skipped"] == []
    assert ran.event["identity"] == hashlib.sha256(body.encode()).hexdigest()


@pytest.mark.parametrize(
    ("headers", "code"),
    [(signed("{}"), "signature_invalid"), ({"content-type": "application/json"}, "signature_missing")],
)
def test_a_forged_request_is_one_rejected_entry(files: Files, headers: dict[str, str], code: str) -> None:
    """It does not become an event."""
    ran = files.run(files.example(HOT, headers), "--secrets", files.secrets)
    assert (ran.code, ran.line["status"], ran.line["answer"]["status"]) == (1, "rejected", 401)
    assert (ran.line["verified"], ran.event["source"], ran.event["error_code"]) == (False, "kiln", code)


def by_sns(files: Files) -> None:
    """Let SNS call the source `kiln` over HTTP."""
    text = SOURCE.replace(PROOF, 'handshake = "sns"\n[verify]\nscheme = "sns-http"\n')
    files.write_source("kiln", text.replace("[event]\n", '[event]\nformat = "sns"\n'))
    files.write("relay.toml", files.config.read_text() + f'[source.kiln]\ntopics = ["{TOPIC}"]\n')


def test_a_key_that_would_be_fetched_comes_from_a_file(files: Files) -> None:
    """A preview calls no network, so a key that the file does not have cannot be fetched."""
    by_sns(files)
    example = files.example(sns_signed(sns_message(json.dumps(HOT).encode()), b"sns").body.decode())
    without = files.run(example, "--secrets", files.secrets, "--now", NOW)
    assert (without.event["error_code"], without.line["status"]) == ("credentials_unavailable", "parked")
    fetched = files.write("fetched.json", {url: pem.decode() for url, pem in certificates().items()})
    ran = files.run(example, "--secrets", files.secrets, "--fetched", fetched, "--now", NOW)
    assert (ran.line["verified"], ran.line["status"]) == (True, "delivered")
    none = files.write("none.json", {})
    ran = files.run(example, "--secrets", files.secrets, "--fetched", none, "--now", NOW)
    assert (ran.line["verified"], ran.event["error_code"]) == (False, "signature_invalid")
    forged = files.example(sns_signed(sns_message(json.dumps(HOT).encode()), b"forger").body.decode())
    ran = files.run(forged, "--secrets", files.secrets, "--fetched", fetched, "--now", NOW)
    assert (ran.line["verified"], ran.event["error_code"]) == (False, "signature_invalid")


def test_a_subscription_is_not_confirmed(files: Files) -> None:
    """The call is left out, and that is noted."""
    by_sns(files)
    asked = {"SubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription", "Token": "t"}
    message = sns_message(b"{}", Type="SubscriptionConfirmation", Subject=None, **asked)
    ran = files.run(files.example(message), "--now", NOW)
    assert (ran.code, ran.line["status"], ran.line["events"]) == (0, "handshake", [])
    assert ran.line["skipped"] == ["proof", "subscription"]


def test_a_missing_secret_is_an_error_as_in_production(files: Files) -> None:
    """Nothing is let through because its secret is missing."""
    secrets = files.write("secrets.json", {"another": "s"})
    ran = files.run(files.example(HOT), "--secrets", secrets)
    assert (ran.code, ran.line["status"], ran.line["answer"]["status"]) == (1, "parked", 503)
    assert (ran.event["error_code"], ran.line["verified"]) == ("credentials_unavailable", None)


def test_the_time_decides_whether_a_signature_is_fresh(files: Files) -> None:
    """--now is the clock of the verification."""
    timed = SOURCE.replace(
        'header = "x-kiln-signature"',
        'header = "x-kiln-signature"\ncontent = "{timestamp}.{body}"\ntimestamp_header = "x-kiln-time"',
    )
    files.write_source("kiln", timed)
    body = json.dumps(HOT)
    signature = hmac.digest(SECRET.encode(), f"1800000000.{body}".encode(), hashlib.sha256).hex()
    example = files.example(body, {"x-kiln-signature": signature, "x-kiln-time": "1800000000"})
    secrets = ("--secrets", files.secrets)
    assert files.run(example, *secrets, "--now", NOW).line["status"] == "delivered"
    assert files.run(example, *secrets, "--now", "2027-01-15T09:00:00+01:00").line["status"] == "delivered"
    late = files.run(example, *secrets, "--now", "2027-01-15T08:06:00Z")
    assert (late.event["error_code"], late.line["verified"]) == ("stale", False)


def test_a_source_open_to_all_needs_the_deployers_consent_in_a_preview_too(files: Files) -> None:
    """Skipping the proof does not skip the policy, and the address of an example is skipped with a note."""
    files.write_source("kiln", SOURCE.replace(PROOF, '[verify]\nscheme = "none"\n'))
    example = files.example(HOT)
    refused = files.run(example)
    assert (refused.event["error_code"], refused.line["answer"]["status"]) == ("unknown_source", 404)
    allowed = files.config.read_text() + '[source.kiln]\nunverified = true\nallow_ips = ["10.0.0.0/8"]\n'
    files.write("relay.toml", allowed)
    assert files.run(example).line["skipped"] == ["address"]
    verified = files.run(example, "--secrets", files.secrets)
    assert (verified.line["status"], verified.line["verified"]) == ("delivered", None)
    # An invocation has an address.
    refused = files.run(files.write("in.json", webhook(HOT, source="kiln")))
    assert (refused.event["error_code"], refused.line["answer"]["status"]) == ("address_not_allowed", 403)


def test_a_source_without_webhooks_takes_none_without_secrets_either(files: Files) -> None:
    """Only the step of the proof is skipped."""
    files.write_source("kiln", SOURCE.replace(PROOF, ""))
    ran = files.run(files.example(HOT))
    assert (ran.event["error_code"], ran.line["answer"]["status"]) == ("unknown_source", 404)


def test_the_identity_of_a_shared_token_is_the_content_without_secrets_too(files: Files) -> None:
    """A token does not cover the content, so another spelling of the same document is the same event."""
    files.write_source("kiln", TOKEN)
    compact, spaced = (files.run(files.example(json.dumps(HOT, indent=i))).event for i in (None, 2))
    assert compact["identity"] == spaced["identity"]
    token = files.run(
        files.example(HOT, {"content-type": "application/json", "x-t": SECRET}), "--secrets", files.secrets
    )
    assert (token.line["verified"], token.event["identity"]) == (True, compact["identity"])

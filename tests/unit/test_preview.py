"""`relayctl preview --json`: the contract. Every line that a test reads is checked against the schema."""

import base64
import hashlib
import hmac
import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fakes import ROOT, SHIPPED
from invocations import bus_event, notification, sns_invocation, sqs_batch, sqs_queued, sqs_record, webhook
from preview_files import SECRET, SOURCE, Files
from push_relay.core.event import Event
from push_relay.core.outcomes import Outcome
from push_relay.telemetry import Telemetry
from relayctl.preview import schema
from relayctl.preview.result import SEVERITY, STATUSES
from relayctl.preview.stand_ins import PreviewTelemetry

HOT = {"id": "k-1", "kind": "hot", "note": "Kiln 4", "text": "1,300 °C", "heat": [], "who": "mia"}
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
PROOF = '[verify]\nscheme = "hmac"\nheader = "x-kiln-signature"\n'
TOKEN = SOURCE.replace(PROOF, '[verify]\nscheme = "token"\nheader = "x-t"\n')
NOW = "2027-01-15T08:00:00Z"
EVENTS = ROOT / "events"


@pytest.fixture
def files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Files:
    """Return a folder with the source `kiln`, routes and a secret."""
    return Files(tmp_path, capsys)


def signed(body: str, secret: str = SECRET) -> dict[str, str]:
    """Return the headers of a signed request."""
    signature = hmac.digest(secret.encode(), body.encode(), hashlib.sha256).hex()
    return {"content-type": "application/json", "X-Kiln-Signature": signature}


# --- the line ------------------------------------------------------------------------------------------


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
    ran = files.run(files.example({**HOT, "heat": None, "all": True, "user": "u1"}))
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


# --- the proof -------------------------------------------------------------------------------------------


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


# --- the shapes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", sorted(EVENTS.glob("*.json")), ids=lambda file: file.stem)
def test_every_shape_of_aws_is_recognised(files: Files, file: Path) -> None:
    """An invocation of `receive` has an answer, and each record of a batch is an event."""
    files.config = ROOT / "tests/samples/shipped-routes.toml"
    ran = files.run(file, "--now", "2026-11-26T10:00:00Z")
    invocation = json.loads(file.read_text("utf-8"))
    assert (ran.line["answer"] is not None) is ("requestContext" in invocation)
    assert len(ran.line["events"]) == len(invocation.get("Records", [invocation]))


@pytest.mark.parametrize(
    "invocation",
    [
        sqs_batch(sqs_record(notification(HOT, topic="arn:aws:sns:eu-west-1:1:kilns"))),
        sns_invocation(notification(HOT, topic="arn:aws:sns:eu-west-1:1:kilns")),
        bus_event(HOT, source="kiln"),
        sqs_batch(sqs_record(bus_event(HOT, source="kiln"))),
        sqs_batch(sqs_record(HOT, source="kiln")),
        sqs_batch({**sqs_record(HOT), "eventSourceARN": "arn:aws:sqs:eu-west-1:1:kilns"}),
        sqs_batch(sqs_queued(Event("kiln", "k-1", "hot", HOT, 1_800_000_000.0, "id:k-1"))),
    ],
)
def test_an_event_from_aws_is_delivered(files: Files, invocation: dict[str, Any]) -> None:
    """It is recognised by its match rule or its attribute; there is no answer and no proof."""
    ran = files.run(files.write("in.json", invocation), "--now", NOW)
    assert (ran.code, ran.line["answer"], ran.line["verified"]) == (0, None, None)
    assert [push["to"] for push in ran.event["pushes"]] == ["email:mia@example.com"]


def test_each_record_of_a_batch_has_its_own_outcome(files: Files) -> None:
    """The status is the worst of them."""
    records = (
        sqs_record(HOT, source="kiln"),
        sqs_record("no json"),
        sqs_record(HOT | {"note": 1}, source="kiln"),
    )
    line = files.run(files.write("in.json", sqs_batch(*records)), "--now", NOW).line
    assert line["status"] == "rejected"
    assert [event["outcome"] for event in line["events"]] == ["delivered", "rejected", "rejected"]


def test_a_schema_violation_names_the_source_that_a_match_rule_has_found(files: Files) -> None:
    """Nothing in the message names it."""
    invocation = bus_event({**HOT, "note": 7}, source="kiln")
    ran = files.run(files.write("in.json", invocation), "--now", NOW)
    assert (ran.event["source"], ran.event["violations"]) == ("kiln", [{"pointer": "/note", "rule": "type"}])


@pytest.mark.parametrize(
    ("headers", "identity"),
    [
        ({"sns-topic": "arn:aws:sns:eu-west-1:1:kilns", "sns-subject": "s"}, "SNS:"),
        ({"eventbridge-source": "kiln", "eventbridge-detail-type": "Heat"}, "EventBridge:"),
        ({"sqs-queue": "arn:aws:sqs:eu-west-1:1:kilns"}, "SQS:"),
    ],
)
def test_an_example_of_aws_goes_through_its_envelope(
    files: Files, headers: dict[str, str], identity: str
) -> None:
    """The same file has the same identity each time."""
    example = files.example(HOT, headers)
    first, second = files.run(example), files.run(example)
    assert first.event["identity"].startswith(identity)
    assert (first.code, first.line["answer"]) == (0, None)
    assert first.event == second.event


def test_the_age_of_an_event_from_aws_is_its_own(files: Files) -> None:
    """The source's events are worth a push for an hour."""
    file = files.write("in.json", sqs_batch(sqs_record(HOT, source="kiln")))  # sent on 2027-01-15T08:00:00Z
    assert files.run(file, "--now", "2027-01-15T09:00:00Z").line["status"] == "delivered"
    late = files.run(file, "--now", "2027-01-15T09:00:01Z")
    assert (late.code, late.line["status"], late.event["outcome"]) == (1, "expired", "expired")
    assert (late.event["pushes"], late.event["messages"][0]["rule"]) == ([], 2)


def test_a_webhook_is_as_old_as_its_arrival(files: Files) -> None:
    """So it is never too old, whatever the time."""
    assert files.run(files.example(HOT), "--now", "2001-01-01T00:00:00Z").line["status"] == "delivered"


@pytest.mark.parametrize(
    ("method", "source", "status", "code"),
    [
        ("GET", "kiln", 405, "method_not_allowed"),
        ("OPTIONS", "kiln", 405, "method_not_allowed"),
        ("POST", "nobody", 404, "unknown_source"),
    ],
)
def test_a_request_that_is_refused_is_one_entry(
    files: Files, method: str, source: str, status: int, code: str
) -> None:
    """The relay does not count all of them as events, and a preview lists each."""
    ran = files.run(files.write("in.json", webhook(HOT, source=source, method=method)))
    assert (ran.code, ran.line["answer"]["status"], ran.line["status"]) == (1, status, "rejected")
    assert (ran.event["error_code"], ran.event["outcome"]) == (code, "rejected")


def test_a_handshake_has_an_answer_and_no_event(files: Files) -> None:
    """CloudEvents asks by OPTIONS."""
    headers = {"webhook-request-origin": "eventemitter.example.com"}
    invocation = webhook({}, source="cloudevents", method="OPTIONS", headers=headers)
    ran = files.run(files.write("in.json", invocation))
    assert (ran.code, ran.line["status"], ran.line["events"]) == (0, "handshake", [])
    assert ran.line["answer"]["headers"]["WebHook-Allowed-Origin"] == "eventemitter.example.com"


@pytest.mark.parametrize("invocation", [sqs_batch(), {**webhook({}, method="GET"), "rawPath": "/health"}])
def test_an_invocation_without_events_is_empty(files: Files, invocation: dict[str, Any]) -> None:
    """SQS's poller sends empty batches too, and monitors ask for the health."""
    if "requestContext" in invocation:
        invocation["requestContext"]["http"]["path"] = "/health"
    ran = files.run(files.write("in.json", invocation))
    assert (ran.code, ran.line["status"], ran.line["events"]) == (0, "empty", [])


def test_one_request_with_several_events_has_one_entry_for_each(files: Files) -> None:
    """An item that is not valid has its place among them."""
    files.write_source("kiln", SOURCE.replace("[event]\n", '[event]\neach = "data.kilns"\n'))
    items = [HOT, {**HOT, "note": 7}, {**HOT, "id": "k-2"}]
    ran = files.run(files.example({"kilns": items}))
    assert (ran.code, ran.line["answer"]["status"], ran.line["status"]) == (1, 202, "rejected")
    assert [(event["outcome"], event["id"]) for event in ran.line["events"]][::2] == [
        ("delivered", "k-1"),
        ("delivered", "k-2"),
    ]
    bad = ran.line["events"][1]
    assert (bad["outcome"], bad["error_code"]) == ("rejected", "schema_violation")
    assert bad["violations"] == [{"pointer": "/1/note", "rule": "type"}]
    empty = files.run(files.example({"kilns": []}))
    assert (empty.code, empty.line["status"]) == (0, "empty")


def test_a_push_that_the_format_cannot_hold_fails(files: Files) -> None:
    """It is found without a call to the vendor."""
    files.write("relay.toml", files.config.read_text().replace("title_limit = 20", 'format = "xml"'))
    ran = files.run(files.example({**HOT, "user": "u\x01"}))
    assert (ran.line["status"], ran.event["error_code"]) == ("failed", "mapping_failed")
    assert [push["to"] for push in ran.event["pushes"]] == ["email:mia@example.com"]


def test_an_example_may_name_method_url_and_query(files: Files) -> None:
    """A signed URL is the one that the sender has called."""
    text = SOURCE.replace('id = "data.id"', 'id = "query.kiln"')
    files.write_source("kiln", text)
    by_url = files.example(HOT, url="https://kilns.example.com/in/kiln?kiln=k-9&more=1")
    assert files.run(by_url).event["id"] == "k-9"
    request = {"headers": {"content-type": "application/json"}, "query": {"kiln": "k-8"}, "body": HOT}
    file = files.write("sources/kiln/examples/b.request.json", request)
    assert files.run(file).event["id"] == "k-8"
    assert files.run(files.example(HOT, method="PUT")).line["answer"]["status"] == 405


# --- sources, several files, mistakes -----------------------------------------------------------------------


def test_added_sources_win_over_shipped_ones_and_over_earlier_ones(files: Files) -> None:
    """A folder of `--sources` may be one source, too."""
    text = SOURCE.replace('title = "Kiln: {{ data.note }}"', 'title = "{}"')
    files.write_source("grafana", text.replace("{}", "first"))
    example = files.write("x.json", {"headers": {"content-type": "application/json"}, "body": HOT})
    asked = (example, "--source", "grafana")
    assert files.run(*asked).event["messages"][0]["title"] == "first"
    one = files.write_source("grafana", text.replace("{}", "second"), at="more")
    files.folder.joinpath("sources").rename(files.folder / "before")
    files.write_source("other")
    ran = files.run(*asked, "--sources", files.folder / "before", "--sources", one)
    # The last `--sources` is that of `run`, which has no `grafana`.
    assert ran.event["messages"][0]["title"] == "second"


def test_the_source_of_an_example_is_its_folder_unless_one_is_named(files: Files) -> None:
    """The option wins."""
    files.write_source("oven")
    assert files.run(files.example(HOT)).event["source"] == "kiln"
    assert files.run(files.example(HOT), "--source", "oven").event["source"] == "oven"


def test_an_invocation_that_names_no_source_gets_the_named_one(files: Files) -> None:
    """One that names a source keeps it."""
    pathless = webhook(HOT, source="kiln")
    pathless["rawPath"] = pathless["requestContext"]["http"]["path"] = "/"
    file = files.write("in.json", pathless)
    assert files.run(file).event["error_code"] == "not_found"
    assert files.run(file, "--source", "kiln").event["source"] == "kiln"
    message = files.write("m.json", sqs_batch(sqs_record(HOT)))
    assert files.run(message, "--now", NOW).event["error_code"] == "unknown_source"
    assert files.run(message, "--now", NOW, "--source", "kiln").line["status"] == "delivered"
    files.write_source("oven")
    named = files.write("n.json", webhook(HOT, source="kiln"))
    assert files.run(named, "--source", "oven").event["source"] == "kiln"


def test_several_files_have_one_line_each_in_their_order(files: Files) -> None:
    """A broken file does not stop the others, and the exit code is the highest."""
    good = files.example(HOT)
    broken = files.write("broken.json", '{"headers": {},\n "body": }')
    missing = files.folder / "missing.json"
    rejected = files.write("in.json", webhook(HOT, source="nobody"))
    ran = files.run(good, broken, rejected, missing, good)
    assert [line["status"] for line in ran.lines] == [
        "delivered",
        "unusable",
        "rejected",
        "unusable",
        "delivered",
    ]
    assert ran.code == 2
    assert ran.err.splitlines() == [
        "preview: broken.json:2: is not JSON: Expecting value (column 10)",
        "preview: missing.json: cannot be read: No such file or directory",
    ]
    assert files.run(good, rejected).code == 1
    assert files.run(good, good).code == 0


def test_a_file_may_be_standard_input(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name is `-`."""
    text = json.dumps({"headers": {"content-type": "application/json"}, "body": HOT})
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    ran = files.run("-", "--source", "kiln")
    assert (ran.line["file"], ran.line["status"]) == ("-", "delivered")


def test_a_mistake_in_another_source_does_not_matter(files: Files) -> None:
    """It is a warning if the match rules are needed, and an error if the source itself is."""
    files.write_source("broken", SOURCE.replace('"hmac"', '"hmcc"'))
    files.write("sources/oven/source.toml", "nonsense")
    assert files.run(files.example(HOT)).line["status"] == "delivered"
    ran = files.run(files.write("in.json", bus_event(HOT, source="kiln")), "--now", NOW)
    assert (ran.code, ran.line["status"]) == (0, "delivered")
    assert (
        "preview: warning: this source takes no part: sources/broken/source.toml:4: verify.scheme" in ran.err
    )
    assert "sources/oven/source.toml:1: is not TOML" in ran.err


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (SOURCE.replace('"hmac"', '"hmcc"'), "preview: sources/kiln/source.toml:4: verify.scheme"),
        (SOURCE.replace('id = "data.id"', 'id = "data."'), "preview: sources/kiln/source.toml:7: event.id"),
        (
            SOURCE.replace("{{ data.text }}", "{{ data. }}"),
            "preview: sources/kiln/source.toml:23: message[2].body",
        ),
    ],
)
def test_a_mistake_in_the_source_itself_is_shown_with_its_line(
    files: Files, source: str, message: str
) -> None:
    """The exit code is that of wrong arguments."""
    files.write_source("kiln", source)
    ran = files.run(files.example(HOT))
    assert (ran.code, ran.line["status"]) == (2, "unusable")
    assert ran.err.startswith(message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source", "kilm"], "--source: there is no source `kilm`; did you mean `kiln`?"),
        (["--config", "{}/none.toml"], "none.toml: cannot be read: No such file or directory"),
        (["--config", "{}/wrong.toml"], "wrong.toml:2: route[1].to: `nobody` begins with none of: user:"),
        (["--sources", "{}/none"], "none: is not a folder of sources"),
        (["--secrets", "{}/none.json"], "none.json: cannot be read: No such file or directory"),
        (["--secrets", "{}/list.json"], "list.json: is not a JSON object such as"),
        (["--secrets", "{}/broken.json"], "broken.json:1: is not JSON: Expecting value (column 10)"),
        (["--fetched", "{}/list.json"], "list.json: is not a JSON object whose values are texts"),
        (["--now", "2027-01-15T08:00:00"], "`2027-01-15T08:00:00` has neither `Z` nor an offset"),
        (["--now", "yesterday"], "`yesterday` is not a time such as"),
    ],
)
def test_wrong_arguments_are_explained(files: Files, arguments: list[str], message: str) -> None:
    """Nothing is previewed, and a secret is not shown."""
    files.write("wrong.toml", '[[route]]\nto = "nobody"\nsource = "kiln"\n')
    files.write("list.json", ["s3cret"])
    files.write("broken.json", '{"kiln": s3cret}')
    config = [] if "--config" not in arguments else [*arguments]
    if config:
        files.config = Path(config[1].format(files.folder))
        arguments = []
    ran = files.run(files.example(HOT), *(argument.format(files.folder) for argument in arguments))
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert "s3cret" not in ran.err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "x.json:1: is not a JSON object"),
        ({"what": 1}, "x.json: is neither an example nor an invocation"),
        ({"headers": {}, "body": {}}, "x.json: names no source: give --source NAME"),
        ({"headers": [], "body": {}}, "x.json: `headers` is not an object"),
        ({"headers": {"a": 1}, "body": {}}, "x.json: `headers` has a value that is neither a text"),
        ({"body": "\ud800"}, "x.json: `body` holds half of a surrogate pair"),
        ({"body": "%", "isBase64Encoded": True}, "x.json: `body` is not base64"),
        (
            {"headers": {"eventbridge-source": "x"}, "body": "{"},
            "x.json: `body` is not what AWS could deliver",
        ),
    ],
)
def test_a_file_of_no_known_shape_is_explained(files: Files, content: object, message: str) -> None:
    """Its line has the status `unusable`, so that there is one for each file."""
    ran = files.run(files.write("x.json", content))
    assert (ran.code, ran.line["status"], ran.line["events"]) == (2, "unusable", [])
    assert f"preview: {message}" in ran.err


def test_an_example_in_the_folder_of_an_unknown_source_is_explained(files: Files) -> None:
    """The folder has to be added."""
    file = files.write("else/oven/examples/x.json", {"headers": {}, "body": {}})
    ran = files.run(file)
    assert (ran.code, "there is no source `oven`: add its folder with --sources" in ran.err) == (2, True)


def test_the_recorder_has_every_method_of_the_telemetry() -> None:
    """Another one would write a log line, and fail because it has no logger."""
    methods = {
        name for name, value in vars(Telemetry).items() if callable(value) and not name.startswith("_")
    }
    assert methods <= vars(PreviewTelemetry).keys()


def test_every_shipped_example_can_be_previewed(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """The words are those of its golden file."""
    monkeypatch.setattr("relayctl.commands.preview.SHIPPED", SHIPPED)
    examples = sorted(SHIPPED.glob("*/examples/*.request.json"))
    ran = files.run(*examples)
    assert ran.code == 0
    for example, line in zip(examples, ran.lines, strict=True):
        golden = json.loads(
            example.with_name(example.name.replace(".request.", ".pushes.")).read_text("utf-8")
        )
        (event,) = line["events"]
        words = [{name: message[name] for name in message if name != "rule"} for message in event["messages"]]
        assert words == golden, example

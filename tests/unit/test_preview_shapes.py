"""`relayctl preview` recognises every shape in which AWS hands over an input."""

import json
from pathlib import Path
from typing import Any

import pytest

from fakes import ROOT
from invocations import bus_event, notification, sns_invocation, sqs_batch, sqs_queued, sqs_record, webhook
from preview_files import HOT, NOW, PROOF, SOURCE, Files
from push_relay.core.event import Event

EVENTS = ROOT / "events"


@pytest.fixture
def files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Files:
    """Return a folder with the source `kiln`, routes and a secret."""
    return Files(tmp_path, capsys)


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


ANY_EVENT = SOURCE.replace(PROOF, "").split("[[match]]")[0] + (
    '[[match]]\neventbridge_source = "*"\nfallback = true\n[[message]]\ntitle = "t"\nbody = "b"\n'
)


def test_a_source_without_a_route_is_named_beside_the_fallback_that_takes_its_event(files: Files) -> None:
    """The person sees why, and that a route is missing. An example shows the words of its own folder."""
    files.write_source("any-event", ANY_EVENT)
    files.config = files.write("relay.toml", '[[route]]\nsource = "any-event"\nto = "user:u-1"\n')
    event = files.write("in.json", bus_event(HOT, source="kiln"))
    text = files.run(event, "--now", NOW, json_lines=False).out
    assert "any-event, a fallback source: there is no route for kiln, which" in text
    example = files.example(HOT, {"eventbridge-source": "kiln", "eventbridge-detail-type": "Heat"})
    assert files.run(example, "--now", NOW).event["source"] == "kiln"

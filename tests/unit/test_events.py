"""The example invocations in events/ are complete, and their events are delivered."""

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from fakes import ROOT, SHIPPED, SHIPPED_ROUTES, World
from push_relay.core.outcomes import Outcome

EVENTS = ROOT / "events"
SECRET = b"It's a Secret to Everybody"
WEBHOOKS = {"apigateway-v1": "github", "apigateway-v2": "grafana", "function-url": "push"}
TITLES = {
    "sqs-plain": "Bread is ready",
    "sqs-sns-wrapped": "ALARM: oven-too-hot",
    "sqs-sns-text": "Oven",
    "sqs-sns-raw": "ALARM: oven-too-hot",
    "sqs-eventbridge": "Bread is ready",
    "sqs-transformed": "Bread is ready",
    "sns": "OK again: oven-too-hot",
    "eventbridge": "Bread is ready",
    "alarm-action": "ALARM: oven-too-hot",
}


def load(name: str) -> dict[str, Any]:
    """Read an envelope."""
    read: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text("utf-8"))
    return read


def world(routes: Path = SHIPPED_ROUTES) -> World:
    """Return a relay with the shipped sources and routes."""
    made = World(sources=SHIPPED, routes=routes)
    made.secrets.secrets = (SECRET, b"whsec_" + base64.b64encode(SECRET))
    made.clock.time = 1795163472.0  # the time at which the examples were signed
    return made


@pytest.mark.parametrize(("name", "source"), WEBHOOKS.items())
def test_a_webhook_is_accepted(name: str, source: str) -> None:
    """It is verified, validated and queued, and the queued event can be delivered."""
    here = world()
    answer = here.receive(load(name))
    assert (answer["statusCode"], json.loads(answer["body"])["source"]) == (202, source)
    events = [event for event, _ in here.messages.queued]
    ((receipt, *_),) = here.relay.deliver(events, here.time_left)
    assert receipt.outcome is Outcome.DELIVERED


@pytest.mark.parametrize("name", WEBHOOKS)
def test_a_changed_webhook_is_rejected(name: str) -> None:
    """This shows that the examples carry genuine signatures."""
    touched = load(name)
    body = touched["body"]
    touched["body"] = body[:-4] + ("AAAA" if touched["isBase64Encoded"] else " " * 3 + body[-1])
    here = world()
    text, standard = here.secrets.secrets
    here.secrets.secrets = (standard if WEBHOOKS[name] == "push" else text,)
    assert here.receive(touched)["statusCode"] == 401


@pytest.mark.parametrize(("name", "title"), TITLES.items())
def test_an_invocation_by_aws_is_delivered(name: str, title: str) -> None:
    """Each kind of envelope passes through the handler."""
    here = world()
    assert here.deliver(load(name)) == {"batchItemFailures": []}
    assert here.witness.outcomes == [Outcome.DELIVERED]
    assert [call.push.wording.title for call in here.vendor.calls] == [title]


def test_an_eventbridge_event_in_sns_needs_its_topic_to_be_listed(tmp_path: Path) -> None:
    """Otherwise the document is the whole envelope, and the error names the missing configuration key."""
    unlisted, invocation = world(), load("sqs-sns-eventbridge")
    unlisted.deliver(invocation)
    (receipt,) = unlisted.witness.receipts
    assert receipt.error_code == "schema_violation"
    assert "`[aws] eventbridge_topics`" in (receipt.detail or "")
    routes = tmp_path / "relay.toml"
    topics = '[aws]\neventbridge_topics = ["arn:aws:sns:eu-west-1:123456789012:push-relay"]\n'
    routes.write_text(topics + SHIPPED_ROUTES.read_text("utf-8"))
    listed = world(routes)
    listed.deliver(invocation)
    assert [call.push.wording.title for call in listed.vendor.calls] == ["Bread is ready"]


def test_a_request_for_confirmation_is_rejected() -> None:
    """A person has to confirm the subscription. The receipt's detail, which is logged, explains this."""
    here = world()
    here.deliver(load("sqs-sns-subscription"))
    (receipt,) = here.witness.receipts
    assert receipt.outcome is Outcome.REJECTED
    assert "waits to be confirmed" in (receipt.detail or "")


def test_one_bad_record_of_ten_is_dead_lettered() -> None:
    """The other nine records of the batch are delivered."""
    here = world()
    assert here.deliver(load("sqs-batch-one-bad")) == {"batchItemFailures": []}
    assert here.witness.outcomes.count(Outcome.DELIVERED) == 9
    assert [dead.error_code for dead in here.messages.dead_letters] == ["schema_violation"]


def test_every_example_is_tested_and_documented() -> None:
    """A new file in events/ must be added to this test and to the README's table."""
    there = {path.stem for path in EVENTS.glob("*.json")}
    alone = {"sqs-batch-one-bad", "sqs-sns-eventbridge", "sqs-sns-subscription"}
    assert there == {*WEBHOOKS, *TITLES, *alone}
    readme = (EVENTS / "README.md").read_text("utf-8")
    assert [name for name in there if f"`{name}.json`" not in readme] == []


@pytest.mark.parametrize("name", sorted(path.stem for path in EVENTS.glob("sqs*.json")))
def test_the_md5_of_an_sqs_record_matches_its_body(name: str) -> None:
    """If someone edits a body, its `md5OfBody` has to be updated too."""
    for record in load(name)["Records"]:
        expected = hashlib.md5(record["body"].encode(), usedforsecurity=False).hexdigest()
        assert record["md5OfBody"] == expected


def test_the_examples_are_signed_with_the_secret_of_the_readme() -> None:
    """It is the secret of GitHub's own documented example."""
    event = load("apigateway-v1")
    proof = hmac.digest(SECRET, event["body"].encode(), hashlib.sha256).hex()
    assert event["headers"]["X-Hub-Signature-256"] == f"sha256={proof}"
    assert SECRET.decode() in (EVENTS / "README.md").read_text("utf-8")

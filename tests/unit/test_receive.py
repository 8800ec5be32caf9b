"""`receive` answers every error of the design's table with a problem detail that quotes no request."""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes import World
from invocations import signature, sqs_batch, sqs_parked, sqs_queued, sqs_record, webhook
from ports import SECRET
from push_relay.core.errors import (
    DeliveryHeld,
    DeliveryUnknown,
    VendorRejected,
    VendorThrottled,
    VendorUnauthorized,
    VendorUnavailable,
)
from push_relay.core.event import Event, Replay
from push_relay.core.inbound.envelope import unwrap_sqs
from push_relay.core.inbound.request import MAX_BODY
from push_relay.core.outcomes import Outcome
from push_relay.settings import DeliveryMode

GOOD = {"kind": "baked", "id": "e-1", "words": "warm"}


def problem(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a problem detail, after a check of its format by RFC 9457."""
    content: dict[str, Any] = json.loads(answer["body"])
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    assert answer["headers"]["Cache-Control"] == "no-store"
    assert content["status"] == answer["statusCode"]
    assert content["type"] == f"urn:push-relay:error:{content['code']}"
    assert content["title"]
    return content


def direct() -> World:
    """Return a world that delivers inside the call."""
    return World(mode=DeliveryMode.DIRECT)


def test_a_webhook_is_accepted_and_queued() -> None:
    """The answer is 202, with the ids by which the event can be followed."""
    world = World()
    answer = world.receive(webhook(GOOD, headers={"X-Correlation-Id": "c-9"}))
    assert answer["statusCode"] == 202
    assert json.loads(answer["body"]) == {"status": "accepted", "id": "e-1", "source": "bakery"}
    assert answer["headers"]["X-Correlation-Id"] == "c-9"
    assert answer["isBase64Encoded"] is False
    assert [event.correlation_id for event, _ in world.messages.queued] == ["c-9"]
    assert [event.id for event in world.witness.accepted_events] == ["e-1"]
    assert not world.witness.receipts
    assert world.witness.flushes == 1


@pytest.mark.parametrize(
    ("invocation", "status", "code"),
    [
        (webhook(b"{planted"), 400, "malformed_request"),
        (webhook(b"\xff"), 400, "malformed_request"),
        (webhook(GOOD) | {"isBase64Encoded": True}, 400, "malformed_request"),
        ({"planted": 1}, 400, "malformed_request"),
        (None, 400, "malformed_request"),
        (webhook(b"good", headers={"content-type": "text/plain"}), 415, "unsupported_media_type"),
        (webhook(b"x" * (MAX_BODY + 1)), 413, "payload_too_large"),
        (webhook(GOOD, headers={"x-hub-signature-256": ""}), 401, "signature_invalid"),
        (webhook(GOOD, headers={"x-hub-signature-256": signature(b"x")}), 401, "signature_invalid"),
        (webhook(GOOD, source="nosuch"), 404, "unknown_source"),
        (webhook(GOOD, source="ovens"), 404, "unknown_source"),
        (webhook(GOOD, source=".."), 404, "unknown_source"),
        (webhook({"words": "planted"}), 422, "schema_violation"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_rejected_request_is_answered_with_its_cause(invocation: Any, status: int, code: str) -> None:
    """The answer has status and code. The request is counted as rejected, not queued, and not quoted."""
    world = World()
    answer = world.receive(invocation)
    assert (problem(answer)["status"], problem(answer)["code"]) == (status, code)
    assert world.witness.outcomes == [Outcome.REJECTED]
    assert "planted" not in answer["body"]
    assert "Retry-After" not in answer["headers"]
    assert not world.messages.queued


def test_a_webhook_without_a_signature_is_rejected() -> None:
    """A missing signature and a wrong one have different codes."""
    world = World()
    invocation = webhook(GOOD)
    del invocation["headers"]["x-hub-signature-256"]
    assert problem(world.receive(invocation))["code"] == "signature_missing"


def test_every_violation_of_the_schema_is_reported_with_its_pointer() -> None:
    """The rule is reported too, but not the value."""
    answer = World().receive(webhook({"words": 1, "baker": ["planted"]}))
    errors = problem(answer)["errors"]
    assert sorted((e["pointer"], e["rule"]) for e in errors) == [
        ("/baker", "type"),
        ("/kind", "required"),
        ("/words", "type"),
    ]


@pytest.mark.parametrize("breaking", ["secrets", "queue"])
def test_a_temporary_failure_of_the_relay_is_a_503_with_retry_after(breaking: str) -> None:
    """An event that cannot be stored is not accepted, and without a secret nothing is verified."""
    world = World()
    if breaking == "secrets":
        world.secrets.missing = True
    else:
        world.messages.break_down()
    answer = world.receive(webhook(GOOD))
    code = {"secrets": "credentials_unavailable", "queue": "queue_unavailable"}[breaking]
    assert (problem(answer)["status"], problem(answer)["code"]) == (503, code)
    assert answer["headers"]["Retry-After"] == "60"
    assert world.witness.outcomes == [Outcome.PARKED]
    # Anyone may send the request, so a cause in the deployer's secrets is only logged.
    assert "detail" not in problem(answer)
    assert world.witness.receipts[0].detail


def test_an_unknown_exception_is_an_opaque_500() -> None:
    """The sender gets neither its text nor its place. The log has the place."""
    world = World()
    world.messages.error = RuntimeError("planted")
    answer = world.receive(webhook(GOOD))
    assert set(problem(answer)) == {"type", "title", "status", "code"}
    assert (answer["statusCode"], problem(answer)["code"]) == (500, "internal_error")
    assert "RuntimeError at queues.py" in (world.witness.receipts[0].detail or "")


def test_an_event_that_cannot_be_mapped_is_accepted_and_fails_when_delivered() -> None:
    """The sender cannot correct it, so the event is queued like any other, and `deliver` dead-letters it."""
    world = World()
    answer = world.receive(webhook({"kind": ["a slice without a step"], "words": "kept"}))
    assert answer["statusCode"] == 202
    ((queued, _),) = world.messages.queued
    assert (queued.type, queued.data["words"]) == (None, "kept")
    assert world.deliver(sqs_batch(sqs_queued(queued))) == {"batchItemFailures": []}
    assert world.messages.dead_letters[0].error_code == "mapping_failed"
    assert world.witness.outcomes == [Outcome.FAILED]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/webhooks/bakery", 405, "method_not_allowed"),
        ("PUT", "/webhooks/bakery", 405, "method_not_allowed"),
        ("POST", "/", 404, "not_found"),
        ("POST", "/health", 405, "method_not_allowed"),
        ("GET", "/webhooks", 404, "not_found"),
    ],
)
def test_a_request_that_is_not_a_webhook_is_answered_and_not_counted(
    method: str, path: str, status: int, code: str
) -> None:
    """There is no event yet, so there is no outcome."""
    world = World()
    context = {"http": {"method": method, "path": path}}
    answer = world.receive(webhook(GOOD) | {"requestContext": context, "rawPath": path})
    assert (answer["statusCode"], problem(answer)["code"]) == (status, code)
    assert ("Allow" in answer["headers"]) is (status == 405)
    assert not world.witness.receipts


@pytest.mark.parametrize("path", ["/health", "/prod/health", "/health/"])
def test_the_health_check_answers_ok(path: str) -> None:
    """Load balancers and people use it."""
    context = {"http": {"method": "GET", "path": path}}
    answer = World().receive({"requestContext": context, "rawPath": path})
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["status"] == "ok"


def test_direct_mode_answers_with_the_receipts() -> None:
    """The pushes are delivered inside the call, and nothing is queued."""
    world = direct()
    answer = world.receive(webhook(GOOD | {"kind": "everybody"}))
    assert answer["statusCode"] == 200
    content = json.loads(answer["body"])
    assert content["receipts"] == [{"outcome": "delivered"}] * 3
    assert (content["id"], content["source"]) == ("e-1", "bakery")
    assert not world.messages.queued
    assert world.witness.outcomes == [Outcome.DELIVERED] * 3


def attributes(given: dict[str, str]) -> dict[str, Any]:
    """Return message attributes as Lambda hands them to the function."""
    return {name: {"stringValue": value, "dataType": "String"} for name, value in given.items()}


def answered(answer: dict[str, Any]) -> tuple[int, str]:
    """Return the status of an answer, and the status of the event in it."""
    return answer["statusCode"], json.loads(answer["body"]).get("status")


@pytest.mark.parametrize(
    "error",
    [
        VendorUnauthorized("401"),
        VendorThrottled("slow", retry_after=17.2),
        VendorUnavailable("down", retry_after=0),
        DeliveryUnknown("lost"),
        RuntimeError("planted"),
    ],
    ids=str,
)
def test_direct_mode_parks_pushes_that_cannot_be_sent_now(error: Exception) -> None:
    """They are parked as by `deliver`. Few senders retry, and one that does may give up too early."""
    world = direct()
    world.vendor.judge = lambda _push, _credentials: error
    answer = world.receive(webhook(GOOD))
    assert answered(answer) == (202, "parked")
    assert "planted" not in answer["body"]
    assert ".py" not in answer["body"]
    ((event, attempt, due),) = world.parked
    assert (event.id, attempt) == ("e-1", 2)
    assert due > world.clock.now()
    assert not world.messages.dead_letters
    world.vendor.judge = lambda _push, _credentials: None
    world.clock.time += 400  # until then, credentials that were refused are not sent again
    world.deliver(sqs_batch(sqs_parked(event, attempt, due - 1000)))
    assert world.witness.outcomes == [Outcome.PARKED, Outcome.DELIVERED]


@pytest.mark.parametrize("error", [VendorRejected("no"), DeliveryHeld("lost")], ids=str)
def test_direct_mode_dead_letters_failed_pushes(error: Exception) -> None:
    """A retry by the sender cannot help, and `relayctl replay` sends it again as in queue mode."""
    world = direct()
    world.vendor.errors = [error]
    assert answered(world.receive(webhook(GOOD))) == (202, "failed")
    (dead_letter,) = world.messages.dead_letters
    event = unwrap_sqs(
        {**sqs_record(dead_letter.body), "messageAttributes": attributes(dead_letter.attributes)}
    )
    assert isinstance(event, Event)
    assert event.only == (world.vendor.calls[0].push.key,)
    world.deliver(sqs_batch(sqs_queued(replace(event, only=(), replay=Replay.FAILED, replay_id="r-1"))))
    assert world.witness.outcomes == [Outcome.FAILED, Outcome.DELIVERED]
    # A push that a person has replayed is a duplicate for its sender.
    assert answered(world.receive(webhook(GOOD))) == (200, "duplicate")


@pytest.mark.parametrize("error", [VendorRejected("no"), DeliveryHeld("lost")], ids=str)
def test_a_retry_in_direct_mode_sends_nothing_again(error: Exception) -> None:
    """It has the same answer and another dead letter, because the first attempt may have ended halfway."""
    world = direct()
    world.vendor.errors = [error]
    answers = [answered(world.receive(webhook(GOOD))) for _ in range(2)]
    assert answers == [(202, "failed")] * 2
    assert len(world.vendor.calls) == 1
    first, second = world.messages.dead_letters
    assert first == second


def test_a_retry_in_direct_mode_sends_a_parked_push() -> None:
    """No worker is handling it, and the parked message is a duplicate later."""
    world = direct()
    world.vendor.errors = [VendorUnavailable("down")]
    assert answered(world.receive(webhook(GOOD))) == (202, "parked")
    assert answered(world.receive(webhook(GOOD))) == (200, "delivered")
    ((event, attempt, due),) = world.parked
    world.deliver(sqs_batch(sqs_parked(event, attempt, due - 1000)))
    assert world.witness.outcomes[2:] == [Outcome.DUPLICATE]


def test_direct_mode_handles_each_push_by_its_outcome() -> None:
    """One of three is dead-lettered, one parked and one delivered. The worst outcome is the status."""
    world = direct()
    world.vendor.errors = [VendorUnavailable("down"), VendorRejected("no"), None]
    answer = world.receive(webhook(GOOD | {"kind": "everybody"}))
    assert answered(answer) == (202, "failed")
    receipts = json.loads(answer["body"])["receipts"]
    assert [receipt["outcome"] for receipt in receipts] == ["parked", "failed", "delivered"]
    keys = [call.push.key for call in world.vendor.calls]
    assert json.loads(world.messages.dead_letters[0].body)["only"] == [keys[1]]
    assert [event.only for event, _, _ in world.parked] == [(keys[0],)]


def test_direct_mode_dead_letters_an_event_that_cannot_be_mapped() -> None:
    """The sender cannot correct it."""
    world = direct()
    assert answered(world.receive(webhook(GOOD | {"kind": "broken"}))) == (202, "failed")
    assert [dead_letter.error_code for dead_letter in world.messages.dead_letters] == ["mapping_failed"]


@pytest.mark.parametrize("error", [VendorRejected("no"), VendorUnavailable("down")], ids=["dead", "parked"])
def test_direct_mode_asks_for_a_retry_if_it_cannot_park_or_dead_letter(error: Exception) -> None:
    """Only the sender still has these pushes. The delivered ones are not sent again."""
    world = direct()
    world.break_parking()
    world.vendor.errors = [None, error, None]
    answer = world.receive(webhook(GOOD | {"kind": "everybody"}))
    content = problem(answer)
    assert (answer["statusCode"], content["code"]) == (503, "queue_unavailable")
    assert answer["headers"]["Retry-After"] == "60"
    assert [receipt["outcome"] for receipt in content["receipts"]] == ["delivered", "parked", "delivered"]
    assert world.witness.outcomes == [Outcome.DELIVERED, Outcome.PARKED, Outcome.DELIVERED]
    world.messages.error = world.backlog.error = None
    world.receive(webhook(GOOD | {"kind": "everybody"}))
    assert world.witness.outcomes[3] == world.witness.outcomes[5] == Outcome.DUPLICATE
    assert world.witness.outcomes[4] is (
        Outcome.FAILED if isinstance(error, VendorRejected) else Outcome.DELIVERED
    )
    assert len(world.messages.dead_letters) == isinstance(error, VendorRejected)


def test_direct_mode_rejects_an_event_that_does_not_fit_in_a_queue_message() -> None:
    """It is rejected before a push is sent, because it could be neither parked nor dead-lettered."""
    world = direct()
    noise = random.Random(0).randbytes(900_000).hex()  # noqa: S311 (repeatable)
    answer = world.receive(webhook(GOOD | {"more": noise}))
    assert (answer["statusCode"], problem(answer)["code"]) == (413, "payload_too_large")
    assert not world.vendor.calls


def test_direct_mode_accepts_a_batched_push(tmp_path: Path) -> None:
    """The push waits for the others of its batch window, which is not an error."""
    routes = tmp_path / "relay.toml"
    routes.write_text('[[route]]\nsource = "bakery"\nto = ["external:4711"]\nbatch = "5m"\n')
    answer = World(mode=DeliveryMode.DIRECT, routes=routes).receive(webhook(GOOD))
    assert answer["statusCode"] == 202
    receipts = json.loads(answer["body"])["receipts"]
    assert [(r["outcome"], r["error_code"]) for r in receipts] == [("parked", "gathered")]


@pytest.mark.parametrize("kind", ["unspoken", "silent"])
def test_direct_mode_answers_that_an_event_is_filtered(kind: str) -> None:
    """A filtered event is a success."""
    answer = direct().receive(webhook(GOOD | {"kind": kind}))
    assert (answer["statusCode"], json.loads(answer["body"])["status"]) == (200, "filtered")


def test_no_answer_reveals_anything_about_the_secret() -> None:
    """The answers are the same for signatures of any length."""
    world = World()
    answers = [
        world.receive(webhook(GOOD, headers={"x-hub-signature-256": s})) for s in ("", "x", "sha256=0")
    ]
    assert len({answer["body"] for answer in answers}) == 1
    assert SECRET.decode() not in answers[0]["body"]

"""The front door: every error of the design's table as a problem detail, and nothing of the request in it."""

import json
from pathlib import Path
from typing import Any

import pytest

from fakes import SECRET, World
from invocations import signature, sqs_batch, sqs_queued, webhook
from push_relay.core.errors import (
    DeliveryUnknown,
    VendorRejected,
    VendorThrottled,
    VendorUnauthorized,
    VendorUnavailable,
)
from push_relay.core.outcomes import Outcome
from push_relay.core.relay import DeliveryMode
from push_relay.core.request import MAX_BODY

GOOD = {"kind": "baked", "id": "e-1", "words": "warm"}


def problem(answer: dict[str, Any]) -> dict[str, Any]:
    """Return a problem detail, whose form RFC 9457 tells."""
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
    """202, with the ids that follow it from here on."""
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
def test_what_is_not_let_in_is_told_why(invocation: Any, status: int, code: str) -> None:
    """By status and code; rejected, counted, not queued, not quoted."""
    world = World()
    answer = world.receive(invocation)
    assert (problem(answer)["status"], problem(answer)["code"]) == (status, code)
    assert world.witness.outcomes == [Outcome.REJECTED]
    assert "planted" not in answer["body"]
    assert "Retry-After" not in answer["headers"]
    assert not world.messages.queued


def test_a_webhook_without_a_signature_is_refused() -> None:
    """Missing is told apart from wrong."""
    world = World()
    invocation = webhook(GOOD)
    del invocation["headers"]["x-hub-signature-256"]
    assert problem(world.receive(invocation))["code"] == "signature_missing"


def test_every_breach_of_the_schema_is_told_with_its_pointer() -> None:
    """And its rule, without the value."""
    answer = World().receive(webhook({"words": 1, "baker": ["planted"]}))
    errors = problem(answer)["errors"]
    assert sorted((e["pointer"], e["rule"]) for e in errors) == [
        ("/baker", "type"),
        ("/kind", "required"),
        ("/words", "type"),
    ]


@pytest.mark.parametrize("breaking", ["secrets", "queue"])
def test_what_is_not_the_senders_fault_is_503_with_a_time_to_come_back(breaking: str) -> None:
    """Nothing is accepted that is not stored, nothing verified without a secret."""
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
    # Anybody may be asking: what is wrong with the deployer's secrets is for the log.
    assert "detail" not in problem(answer)
    assert world.witness.receipts[0].detail


def test_an_unknown_exception_is_an_opaque_500() -> None:
    """Neither its text nor its place is the sender's business; the log has the place."""
    world = World()
    world.messages.down = RuntimeError("planted")
    answer = world.receive(webhook(GOOD))
    assert set(problem(answer)) == {"type", "title", "status", "code"}
    assert (answer["statusCode"], problem(answer)["code"]) == (500, "internal_error")
    assert "RuntimeError at fakes.py" in (world.witness.receipts[0].detail or "")


def test_what_the_source_cannot_map_is_accepted_and_fails_when_it_is_delivered() -> None:
    """The sender can't help, so it is queued like any other; the back door dead-letters it."""
    world = World()
    answer = world.receive(webhook({"kind": ["upper() takes none"], "words": "kept"}))
    assert answer["statusCode"] == 202
    ((queued, _),) = world.messages.queued
    assert (queued.type, queued.data["words"]) == (None, "kept")
    assert world.deliver(sqs_batch(sqs_queued(queued))) == {"batchItemFailures": []}
    assert world.messages.buried[0].error_code == "mapping_failed"
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
def test_what_is_no_webhook_is_told_and_not_counted(method: str, path: str, status: int, code: str) -> None:
    """Before there is any event there is no outcome."""
    world = World()
    context = {"http": {"method": method, "path": path}}
    answer = world.receive(webhook(GOOD) | {"requestContext": context, "rawPath": path})
    assert (answer["statusCode"], problem(answer)["code"]) == (status, code)
    assert ("Allow" in answer["headers"]) is (status == 405)
    assert not world.witness.receipts


@pytest.mark.parametrize("path", ["/health", "/prod/health", "/health/"])
def test_health_says_that_it_lives(path: str) -> None:
    """For load balancers and people."""
    context = {"http": {"method": "GET", "path": path}}
    answer = World().receive({"requestContext": context, "rawPath": path})
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["status"] == "ok"


def test_direct_mode_answers_with_the_receipts() -> None:
    """Delivered inside the call: nothing is queued."""
    world = direct()
    answer = world.receive(webhook(GOOD | {"kind": "everybody"}))
    assert answer["statusCode"] == 200
    content = json.loads(answer["body"])
    assert content["receipts"] == [{"outcome": "delivered"}] * 3
    assert (content["id"], content["source"]) == ("e-1", "bakery")
    assert not world.messages.queued
    assert world.witness.outcomes == [Outcome.DELIVERED] * 3


@pytest.mark.parametrize(
    ("error", "status", "code", "retry_after"),
    [
        (VendorRejected("no"), 502, "vendor_rejected", None),
        (VendorUnauthorized("401"), 502, "vendor_unauthorized", "60"),
        (VendorThrottled("slow", retry_after=17.2), 503, "vendor_throttled", "18"),
        (VendorUnavailable("down", retry_after=0), 503, "vendor_unavailable", "1"),
        (DeliveryUnknown("lost"), 504, "delivery_unknown", "60"),
        (RuntimeError("planted"), 500, "internal_error", "60"),
    ],
    ids=str,
)
def test_direct_mode_tells_what_the_vendor_said(
    error: Exception, status: int, code: str, retry_after: str | None
) -> None:
    """With the design's status, a time to come back where there is one, and nothing of an unknown cause."""
    world = direct()
    world.vendor.judge = lambda _push, _credentials: error
    answer = world.receive(webhook(GOOD))
    content = problem(answer)
    assert (content["status"], content["code"]) == (status, code)
    assert answer["headers"].get("Retry-After") == retry_after
    assert "planted" not in answer["body"]
    assert ".py" not in answer["body"]


def test_direct_mode_answers_with_the_worst() -> None:
    """One of three refused: the sender hears of it, and sees the others."""
    world = direct()
    world.vendor.judge = lambda push, _: VendorRejected("no") if push.recipient.value == "two" else None
    answer = world.receive(webhook(GOOD | {"kind": "everybody"}))
    assert answer["statusCode"] == 502
    assert [r["outcome"] for r in problem(answer)["receipts"]] == ["delivered", "failed", "delivered"]


def test_direct_mode_keeps_what_cannot_be_mapped() -> None:
    """Told `accepted`, since the sender can't help: the event is dead-lettered."""
    world = direct()
    answer = world.receive(webhook(GOOD | {"kind": "broken"}))
    assert answer["statusCode"] == 202
    assert [buried.error_code for buried in world.messages.buried] == ["mapping_failed"]


def test_direct_mode_tells_one_outcome_where_the_dead_letter_queue_is_down() -> None:
    """Neither failed, for it is not kept, nor accepted: its sender is asked to come again."""
    world = direct()
    world.messages.break_down()
    answer = world.receive(webhook(GOOD | {"kind": "broken"}))
    assert (answer["statusCode"], problem(answer)["code"]) == (503, "queue_unavailable")
    assert world.witness.outcomes == [Outcome.PARKED]


def test_direct_mode_accepts_what_is_gathered(tmp_path: Path) -> None:
    """It waits for the others of its digest: that is no error."""
    routes = tmp_path / "relay.toml"
    routes.write_text('[[route]]\nsource = "bakery"\nto = ["external:4711"]\ndigest = "5m"\n')
    answer = World(mode=DeliveryMode.DIRECT, routes=routes).receive(webhook(GOOD))
    assert answer["statusCode"] == 202
    receipts = json.loads(answer["body"])["receipts"]
    assert [(r["outcome"], r["error_code"]) for r in receipts] == [("parked", "gathered")]


@pytest.mark.parametrize("kind", ["unspoken", "silent"])
def test_direct_mode_tells_that_nobody_was_told(kind: str) -> None:
    """Filtered is a success."""
    answer = direct().receive(webhook(GOOD | {"kind": kind}))
    assert (answer["statusCode"], json.loads(answer["body"])["status"]) == (200, "filtered")


def test_no_answer_says_anything_of_the_secret() -> None:
    """Not even of its length."""
    world = World()
    answers = [
        world.receive(webhook(GOOD, headers={"x-hub-signature-256": s})) for s in ("", "x", "sha256=0")
    ]
    assert len({answer["body"] for answer in answers}) == 1
    assert SECRET.decode() not in answers[0]["body"]

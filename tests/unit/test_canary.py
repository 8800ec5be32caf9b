"""Planted secrets and people come out nowhere, and everything that goes in is accounted for.

Every outcome and every error goes through both handlers with real telemetry; then everything that was said
is searched: log lines, metrics, HTTP answers, exceptions, and what lies in the queues.
"""

import json
import random
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from fakes import Captured, World, captured
from invocations import (
    bus_event,
    notification,
    signature,
    sns_invocation,
    sqs_batch,
    sqs_queued,
    sqs_record,
    webhook,
)
from push_relay.core import errors
from push_relay.core.delivery.encoding import Credentials
from push_relay.core.errors import RelayError, SchemaViolation, Violation
from push_relay.core.event import Event
from push_relay.core.outcomes import DISPOSITIONS, Disposition, Outcome
from push_relay.core.push import Push
from push_relay.core.queue_format import pack
from push_relay.entrypoints.batch_consumer import InvocationFailed
from push_relay.settings import DeliveryMode

#: What is nobody's business but the sender's, the receiver's and the vendor's.
SECRETS = {
    "signing secret": "canary-signing-secret",
    "integration key": "canary-integration-key",
    "rotated key": "canary-rotated-key",
    "email": "canary-ada@example.com",
    "name": "Canary Lovelace",
    "payload": "canary payload text",
    "header": "canary-cookie",
    "query": "canary-query",
    "key": "canary-key-of-the-sender",
    "id": "canary-id@example.com",
    "exception": "canary exception text",
}
KEYS = (Credentials(4711, SECRETS["integration key"]), Credentials(4711, SECRETS["rotated key"]))
HEADERS = {"cookie": SECRETS["header"], "x-correlation-id": SECRETS["id"], "authorization": SECRETS["header"]}
KINDS = (
    "baked",
    "assigned",
    "mail",
    "everybody",
    "silent",
    "unspoken",
    "broken",
    "loud",
    "blank",
    SECRETS["name"],
)


def content(kind: Any = "baked", **more: Any) -> dict[str, Any]:
    """Return an event full of canaries."""
    about = {"kind": kind, "id": SECRETS["id"], "words": SECRETS["payload"], "baker": SECRETS["email"]}
    return {**about, SECRETS["key"]: SECRETS["name"], "sound": SECRETS["name"], **more}


def all_errors() -> Iterator[Exception]:
    """Make one of every error, and some that are nobody's."""
    for kind in errors.CODES.values():
        yield SchemaViolation((Violation("/a", "type"),)) if kind is SchemaViolation else kind("told")
    for strange in (RuntimeError, KeyError, ValueError, OSError, UnicodeError):
        yield strange(SECRETS["exception"])


def webhooks() -> Iterator[Any]:
    """Return requests of every kind: good, and wrong in every way."""
    secret = SECRETS["signing secret"].encode()
    for kind in KINDS:
        body = json.dumps(content(kind)).encode()
        yield webhook(
            body,
            headers={**HEADERS, "x-hub-signature-256": signature(body, secret)},
            query={"q": SECRETS["query"]},
        )
    for body in (
        json.dumps(content(["no text"])).encode(),
        json.dumps({**content(), "words": {SECRETS["key"]: SECRETS["name"]}}).encode(),
        SECRETS["payload"].encode(),
        json.dumps(content()).encode().replace(b"canary", b"\xff"),
        b'{"a": "' + SECRETS["payload"].encode() + b'", "a": NaN}',
    ):
        yield webhook(body, headers={**HEADERS, "x-hub-signature-256": signature(body, secret)})
    good = webhook(content(), headers=HEADERS)
    yield good
    yield good | {"headers": HEADERS}
    yield good | {"headers": {**good["headers"], "content-type": SECRETS["header"]}}
    yield good | {"isBase64Encoded": True}
    yield webhook(content(), source=SECRETS["email"])
    yield {SECRETS["key"]: SECRETS["payload"]}
    yield SECRETS["payload"]


def invocations() -> Iterator[Any]:
    """Return what reaches the back door: every nesting, and junk."""
    for kind in (*KINDS, ["no text"]):
        yield sqs_batch(sqs_record(content(kind), source="bakery"))
    event = Event("bakery", SECRETS["id"], "baked", content(), 1.0, SECRETS["id"], SECRETS["email"])
    yield sqs_batch(sqs_queued(event))
    yield sqs_batch(sqs_record({"words": 7, SECRETS["key"]: 1}, source="bakery"))
    yield sqs_batch(sqs_record(SECRETS["payload"], source=SECRETS["email"], message_id=SECRETS["id"]))
    yield sqs_batch(sqs_record(content(), source=SECRETS["email"], message_id=SECRETS["id"]))
    hot = {"degrees": 451, SECRETS["key"]: SECRETS["name"]}
    yield sns_invocation(notification(hot, Subject=SECRETS["header"], MessageId=SECRETS["id"]))
    yield sns_invocation(notification(SECRETS["payload"]))
    yield bus_event(hot, id=SECRETS["id"])
    yield bus_event(SECRETS["payload"])
    yield {SECRETS["key"]: SECRETS["payload"]}
    yield SECRETS["payload"]


def world(said: Captured, mode: DeliveryMode) -> World:
    """Return a world whose secrets are canaries, and whose credentials are being rotated."""
    made = World(mode=mode, telemetry=said.telemetry)
    made.secrets.secrets = (SECRETS["signing secret"].encode(),)
    made.credentials.held, made.credentials.fresh = KEYS
    return made


def leaks(text: str) -> list[str]:
    """Return what of the canaries a text shows, also escaped as JSON would or cut to its beginning."""
    return [
        name
        for name, value in SECRETS.items()
        if value in text or value.encode("unicode_escape").decode() in text
    ]


def run_everything(said: Captured) -> Iterator[tuple[World, str]]:
    """Send everything through both handlers under every error; give each world with its answers' text."""
    for mode in DeliveryMode:
        for error in (None, *all_errors()):
            for where in ("vendor", "queue", "ledger", "forgets"):
                here = world(said, mode)
                if where == "vendor":
                    here.vendor.judge = lambda _push, _credentials, error=error: error
                here.messages.error = error if where == "queue" else None
                here.ledger.claim_error = error if where == "ledger" else None
                here.ledger.record_error = error if where == "forgets" else None
                told = [json.dumps(here.receive(request)) for request in webhooks()]
                # Where nothing fails all of it comes twice: what was delivered is a duplicate.
                for invocation in [*invocations()] * (1 if error else 2):
                    try:
                        told.append(json.dumps(here.deliver(invocation)))
                    except InvocationFailed as exc:
                        told.append("".join(traceback.format_exception(exc)))
                yield here, "\n".join(told)


def test_no_canary_comes_out() -> None:
    """Not in a log line, a metric, an answer, an exception; in the queues the event alone."""
    with captured() as said:
        for here, told in run_everything(said):
            assert leaks(_without_record_ids(told)) == []
            for event, _ in here.messages.queued:
                body = pack(event).body
                assert {"signing secret", "integration key", "rotated key", "header", "query"}.isdisjoint(
                    leaks(body)
                )
            for buried in here.messages.dead_letters:
                assert leaks(json.dumps([buried.error_code, buried.event_id])) == []
                assert {"signing secret", "integration key", "rotated key"}.isdisjoint(leaks(buried.body))
                assert "x-hub-signature" not in buried.body
    assert {Outcome(line["outcome"]) for line in said.logs if "outcome" in line} == set(Outcome)
    assert leaks(said.text) == []


def _without_record_ids(told: str) -> str:
    """Leave out the record ids that SQS gets back: they are its own, and here one is a canary."""
    return told.replace(f'"itemIdentifier": "{SECRETS["id"]}"', "")


def test_the_canary_would_be_heard() -> None:
    """The search finds what is there: in a log, in a metric, in an answer."""
    with captured() as said:
        said.telemetry.trouble(SECRETS["payload"], error_code="x", detail=SECRETS["email"])
    assert leaks(said.text) == ["email", "payload"]


# --- the invariant ------------------------------------------------------------------------------------


def counted(said: Captured) -> Counter[str]:
    """Add up every metric, whatever its source."""
    total: Counter[str] = Counter()
    for line in said.metrics:
        for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]:
            given = line[metric["Name"]]
            total[metric["Name"]] += int(sum(given) if isinstance(given, list) else given)
    return total


MIX: list[tuple[str, int]] = [  # what is sent, and how many pushes or events it counts as
    ("baked", 1),
    ("everybody", 3),
    ("assigned", 1),
    ("silent", 1),
    ("unspoken", 1),
    ("broken", 1),
    ("loud", 1),
    ("late", 1),
    ("not json", 1),
    ("no source", 1),
    ("no schema", 1),
]


def record(kind: str, number: int) -> dict[str, Any]:
    """Write a record of the mix; every third number is one that came before."""
    message_id = f"m-{number - number % 3}"
    match kind:
        case "not json":
            return sqs_record("{", message_id=message_id)
        case "no source":
            return sqs_record({}, message_id=message_id)
        case "no schema":
            return sqs_record({"words": 1}, source="bakery", message_id=message_id)
        case "late":
            waited = sqs_record({"kind": "baked", "words": "cold"}, source="bakery", message_id=message_id)
            return {**waited, "attributes": {**waited["attributes"], "SentTimestamp": "1"}}
        case _:
            return sqs_record({"kind": kind, "words": "warm"}, source="bakery", message_id=message_id)


@pytest.mark.parametrize("seed", range(5))
def test_received_is_what_was_sent_in_and_all_of_it_has_an_outcome(seed: int) -> None:
    """The invariant, read from the metrics and held against the batches, the vendor and the queues."""
    dice = random.Random(seed)  # noqa: S311 (repeatable)
    vendor: list[RelayError | None] = [
        *(None, None, None),
        errors.VendorRejected("no"),
        errors.VendorThrottled("slow"),
        errors.DeliveryUnknown("lost"),
    ]
    with captured() as said:
        here = World(telemetry=said.telemetry)
        taken: Counter[str] = Counter()

        def judge(_push: Push, _credentials: Credentials) -> RelayError | None:
            error = dice.choice(vendor)
            taken[error.code if error else "delivered"] += 1
            return error

        here.vendor.judge = judge
        # No push is held, so that each call of unknown fate is one parked receipt.
        here.change_sender(resends=1000)
        sent, kept = 0, 0
        for batch in range(60):
            mix = [dice.choice(MIX) for _ in range(dice.randrange(11))]
            sent += sum(pushes for _, pushes in mix)
            records = [record(kind, batch * 10 + i) for i, (kind, _) in enumerate(mix)]
            kept += len(here.deliver(sqs_batch(*records))["batchItemFailures"])
    total = counted(said)
    outcomes = {outcome: total[outcome.value.capitalize()] for outcome in Outcome}
    assert total["Received"] == sent == sum(outcomes.values())
    assert outcomes[Outcome.DELIVERED] == taken["delivered"]
    assert outcomes[Outcome.PARKED] == taken["vendor_throttled"] + taken["delivery_unknown"]
    assert kept == len(here.messages.delayed) <= outcomes[Outcome.PARKED]
    dead = [o for o in Outcome if DISPOSITIONS[o] is Disposition.DEAD_LETTER]
    assert len(here.messages.dead_letters) <= sum(outcomes[o] for o in dead)
    assert len(said.logs) == sent
    assert all(outcomes.values())


def test_every_webhook_is_accepted_or_has_an_outcome() -> None:
    """In front of the queue: received there is what was not let in."""
    requests = list(webhooks())
    with captured(samples=False) as said:
        here = world(said, DeliveryMode.QUEUE)
        answers = [here.receive(request)["statusCode"] for request in requests]
    total = counted(said)
    accepted = len(here.messages.queued)
    assert total["Accepted"] == accepted
    assert total["Received"] == len(requests) - accepted
    assert total["Rejected"] == total["Received"]
    assert answers.count(202) == accepted


def test_telemetry_of_a_failed_invocation_is_not_lost() -> None:
    """What had been delivered before the queue broke is counted and logged."""
    with captured() as said:
        here = World(telemetry=said.telemetry)
        here.messages.error = RuntimeError(SECRETS["exception"])
        with suppress(InvocationFailed):
            here.deliver(
                sqs_batch(sqs_record({"kind": "baked", "words": "w"}, source="bakery"), sqs_record("{"))
            )
    assert (counted(said)["Delivered"], counted(said)["Rejected"]) == (1, 1)
    assert leaks(said.text) == []

"""Planted secrets and personal data never leave the relay, and every event is accounted for.

The tests produce every outcome and every error in both handlers with real telemetry. Then they search all
output: log lines, metrics, HTTP answers, exceptions, and the messages in the queues.
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

#: Texts that only the sender, the recipient and the vendor may see.
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
    """Return an event in which every field holds a canary."""
    about = {"kind": kind, "id": SECRETS["id"], "words": SECRETS["payload"], "baker": SECRETS["email"]}
    return {**about, SECRETS["key"]: SECRETS["name"], "sound": SECRETS["name"], **more}


def all_errors() -> Iterator[Exception]:
    """Yield one of every error of the relay, and some exceptions that are not its own."""
    for kind in errors.CODES.values():
        yield SchemaViolation((Violation("/a", "type"),)) if kind is SchemaViolation else kind("safe detail")
    for unexpected in (RuntimeError, KeyError, ValueError, OSError, UnicodeError):
        yield unexpected(SECRETS["exception"])


def webhooks() -> Iterator[Any]:
    """Yield valid requests of every kind, and requests with every kind of mistake."""
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
    """Yield invocations of `deliver` with every envelope, and some junk."""
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


def world(output: Captured, mode: DeliveryMode) -> World:
    """Return a relay whose secrets are canaries, and whose credentials are being rotated."""
    made = World(mode=mode, telemetry=output.telemetry)
    made.secrets.secrets = (SECRETS["signing secret"].encode(),)
    made.credentials.held, made.credentials.fresh = KEYS
    return made


def leaks(text: str) -> list[str]:
    """Return the names of the canaries that a text contains, as they are or escaped."""
    return [
        name
        for name, value in SECRETS.items()
        if value in text or value.encode("unicode_escape").decode() in text
    ]


def run_everything(output: Captured) -> Iterator[tuple[World, str]]:
    """Send everything through both handlers under every error. Yield each relay with its answers as text."""
    for mode in DeliveryMode:
        for error in (None, *all_errors()):
            for where in ("vendor", "queue", "ledger", "forgets"):
                here = world(output, mode)
                if where == "vendor":
                    here.vendor.judge = lambda _push, _credentials, error=error: error
                here.messages.error = error if where == "queue" else None
                here.ledger.claim_error = error if where == "ledger" else None
                here.ledger.record_error = error if where == "forgets" else None
                answers = [json.dumps(here.receive(request)) for request in webhooks()]
                # If nothing fails, everything is sent twice, so that duplicates occur too.
                for invocation in [*invocations()] * (1 if error else 2):
                    try:
                        answers.append(json.dumps(here.deliver(invocation)))
                    except InvocationFailed as exc:
                        answers.append("".join(traceback.format_exception(exc)))
                yield here, "\n".join(answers)


def test_no_canary_leaves_the_relay() -> None:
    """Logs, metrics, answers and exceptions contain none. The queues contain only the event's own."""
    with captured() as output:
        for here, answers in run_everything(output):
            assert leaks(_without_record_ids(answers)) == []
            for event, _ in here.messages.queued:
                body = pack(event).body
                assert {"signing secret", "integration key", "rotated key", "header", "query"}.isdisjoint(
                    leaks(body)
                )
            for dead in here.messages.dead_letters:
                assert leaks(json.dumps([dead.error_code, dead.event_id])) == []
                assert {"signing secret", "integration key", "rotated key"}.isdisjoint(leaks(dead.body))
                assert "x-hub-signature" not in dead.body
    assert {Outcome(line["outcome"]) for line in output.logs if "outcome" in line} == set(Outcome)
    assert leaks(output.text) == []


def _without_record_ids(answers: str) -> str:
    """Remove the record ids that are returned to SQS. They are SQS's own, and one of them is a canary."""
    return answers.replace(f'"itemIdentifier": "{SECRETS["id"]}"', "")


def test_the_search_finds_a_canary() -> None:
    """The other tests would pass without any effect if the search did not work."""
    with captured() as output:
        output.telemetry.trouble(SECRETS["payload"], error_code="x", detail=SECRETS["email"])
    assert leaks(output.text) == ["email", "payload"]


# --- the invariant ------------------------------------------------------------------------------------


def counted(output: Captured) -> Counter[str]:
    """Return the sum of each metric over all sources."""
    total: Counter[str] = Counter()
    for line in output.metrics:
        for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]:
            given = line[metric["Name"]]
            total[metric["Name"]] += int(sum(given) if isinstance(given, list) else given)
    return total


MIX: list[tuple[str, int]] = [  # the kind of a record, and the number of pushes or events that it counts as
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
    """Return a record of the mix. Three records share a message id, so that there are duplicates."""
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
def test_everything_received_has_exactly_one_outcome(seed: int) -> None:
    """The metrics are compared with the batches that were sent, the vendor's calls and the queues."""
    dice = random.Random(seed)  # noqa: S311 (repeatable)
    vendor: list[RelayError | None] = [
        *(None, None, None),
        errors.VendorRejected("no"),
        errors.VendorThrottled("slow"),
        errors.DeliveryUnknown("lost"),
    ]
    with captured() as output:
        here = World(telemetry=output.telemetry)
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
            records = [record(kind, batch * 10 + i) for i, (kind, _) in enumerate(mix)]
            # The answer to some batches is lost, so they are delivered twice.
            for _ in range(2 if batch % 10 == 0 else 1):
                sent += sum(pushes for _, pushes in mix)
                kept += len(here.deliver(sqs_batch(*records))["batchItemFailures"])
    total = counted(output)
    outcomes = {outcome: total[outcome.value.capitalize()] for outcome in Outcome}
    assert total["Received"] == sent == sum(outcomes.values())
    assert outcomes[Outcome.DELIVERED] == taken["delivered"]
    # The claims of a batch are taken together. If a push is in it twice, the second one waits.
    held = sum(line.get("error_code") == "claim_held" for line in output.logs)
    assert held > 0
    assert outcomes[Outcome.PARKED] == taken["vendor_throttled"] + taken["delivery_unknown"] + held
    assert kept == len(here.messages.delayed) <= outcomes[Outcome.PARKED]
    dead = [o for o in Outcome if DISPOSITIONS[o] is Disposition.DEAD_LETTER]
    assert len(here.messages.dead_letters) <= sum(outcomes[o] for o in dead)
    assert len(output.logs) == sent
    assert all(outcomes.values())


def test_every_webhook_is_accepted_or_has_an_outcome() -> None:
    """A request that is accepted is counted as received only when the queued event is delivered."""
    requests = list(webhooks())
    with captured(samples=False) as output:
        here = world(output, DeliveryMode.QUEUE)
        answers = [here.receive(request)["statusCode"] for request in requests]
    total = counted(output)
    accepted = len(here.messages.queued)
    assert total["Accepted"] == accepted
    assert total["Received"] == len(requests) - accepted
    assert total["Rejected"] == total["Received"]
    assert answers.count(202) == accepted


def test_telemetry_of_a_failed_invocation_is_not_lost() -> None:
    """Events that were delivered before the queue failed are counted and logged."""
    with captured() as output:
        here = World(telemetry=output.telemetry)
        here.messages.error = RuntimeError(SECRETS["exception"])
        with suppress(InvocationFailed):
            here.deliver(
                sqs_batch(sqs_record({"kind": "baked", "words": "w"}, source="bakery"), sqs_record("{"))
            )
    assert (counted(output)["Delivered"], counted(output)["Rejected"]) == (1, 1)
    assert leaks(output.text) == []

"""The plan of a run: which events are sent, how and when, and who must receive their pushes."""

import base64
import hashlib
import hmac
import json
import random
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

#: The marker of an event, which is part of every text that comes from the event.
MARKER: Final = re.compile(r"m\d{7}")
FAN: Final = ("external:fan-1", "external:fan-2", "email:fan-3@example.com")
STORM: Final = "email:storm@example.com"
DUTY: Final = "external:4711"
FIFO_GROUPS: Final = 4
FIFO_ARN: Final = "arn:aws:sqs:eu-west-1:000000000000:deployer.fifo"
#: A run of at most this many events is one burst.
ONE_BURST_EVENTS: Final = 5000
#: A longer run has this many events each day.
EVENTS_PER_DAY: Final = 1700
_DAY_SECS: Final = 86_400.0
#: The share of events that are sent a second time.
_COPY_PROBABILITY: Final = 0.15


class Kind(StrEnum):
    """The purpose of an event."""

    PLAIN = "plain"
    FAN = "fan"  # has several recipients
    URGENT = "urgent"  # has high priority
    BRIEF = "brief"  # expires after an hour
    STORM = "storm"  # is batched
    NOBODY = "nobody"  # matches no message rule
    BROKEN = "broken"  # violates its source's schema
    FORGED = "forged"  # has a wrong signature
    POISON = "poison"  # kills every worker that handles it


class Way(StrEnum):
    """How an event reaches the relay."""

    PUSH = "push"  # a webhook of the source `push`
    GITHUB = "github"  # a webhook of the source `github`
    SQS = "sqs"  # a message that the sender puts into the queue
    SNS = "sns"  # a topic to which the queue is subscribed
    BUS = "bus"  # an EventBridge rule that writes to the queue
    INVOKED = "invoked"  # a topic that invokes the function directly
    DIRECT = "direct"  # a webhook of the source `push` in direct mode
    FIFO = "fifo"  # a FIFO queue of the deployer, with the policy `hold`


WEBHOOKS: Final = frozenset({Way.PUSH, Way.GITHUB, Way.DIRECT})
_KINDS: Final = {
    Kind.PLAIN: 58,
    Kind.FAN: 10,
    Kind.URGENT: 10,
    Kind.BRIEF: 4,
    Kind.STORM: 8,
    Kind.NOBODY: 4,
    Kind.BROKEN: 2,
    Kind.FORGED: 3,
    Kind.POISON: 0.1,
}
_WAYS: Final = {
    Way.PUSH: 40,
    Way.GITHUB: 16,
    Way.SQS: 8,
    Way.SNS: 10,
    Way.BUS: 8,
    Way.INVOKED: 5,
    Way.DIRECT: 7,
    Way.FIFO: 6,
}
#: The numbers of events that are always poison. They are sent together, so that a batch has several of them.
_POISON_NUMBERS: Final = range(7, 11)
#: The ways of poison. All of them use the relay's own queue, which delivers a message again.
_POISON_WAYS: Final = frozenset({Way.PUSH, Way.SQS, Way.SNS, Way.BUS})


@dataclass(frozen=True, slots=True)
class Planned:
    """One event. `copies`: when it is sent, in seconds after the start of the run."""

    marker: str
    kind: Kind
    way: Way
    copies: tuple[float, ...]

    @property
    def recipients(self) -> frozenset[str]:
        """The recipients who must receive a push."""
        match self.kind:
            case Kind.NOBODY | Kind.BROKEN | Kind.FORGED | Kind.POISON:
                return frozenset()
            case Kind.STORM:
                return frozenset({STORM})
            case Kind.FAN:
                return frozenset({*FAN, f"user:{self.marker}"})
            case _:
                return frozenset({DUTY if self.way is Way.GITHUB else f"user:{self.marker}"})


def make_plan(events: int, seed: int) -> list[Planned]:
    """Plan a run of a number of events. The same seed gives the same plan."""
    dice = random.Random(seed)  # noqa: S311 - repeatable, not secret
    return [_planned(number, dice, *_burst(number, events)) for number in range(events)]


def _burst(number: int, events: int) -> tuple[float, float]:
    """Return the start and the length of an event's burst, in seconds.

    A short run is one burst, for which the day's calls are not enough. A long run has one burst each day, for
    which the day's calls would be enough if nothing failed.
    """
    if events <= ONE_BURST_EVENTS:
        return 0.0, max(20.0, events / 40)
    return number // EVENTS_PER_DAY * _DAY_SECS, EVENTS_PER_DAY / 200


def _planned(number: int, dice: random.Random, begin_secs: float, span_secs: float) -> Planned:
    kind = dice.choices(list(_KINDS), list(_KINDS.values()))[0]
    if number in _POISON_NUMBERS:
        kind = Kind.POISON
    way = dice.choices(list(_WAYS), list(_WAYS.values()))[0]
    if kind is Kind.NOBODY:
        way = Way.GITHUB
    elif kind in (Kind.FORGED, Kind.BRIEF) or (way is Way.GITHUB and kind is not Kind.PLAIN):
        way = Way.PUSH
    if kind is Kind.BROKEN and way not in (Way.SQS, Way.SNS, Way.BUS):
        way = Way.SQS
    elif kind is Kind.POISON and way not in _POISON_WAYS:
        way = Way.PUSH
    elif kind is Kind.STORM and way is Way.FIFO:
        way = Way.SQS  # a batch window does not keep the order of a FIFO group
    first = begin_secs + (span_secs / 2 if kind is Kind.POISON else dice.uniform(0, span_secs))
    copies = [first]
    if way not in (Way.SQS, Way.FIFO) and dice.random() < _COPY_PROBABILITY:
        copies.append(first + dice.choice((0.0, 0.01, 5.0, 400.0, 20_000.0)))
    return Planned(f"m{number:07}", kind, way, tuple(copies))


def fifo_group(marker: str) -> int:
    """Return the message group of an event in the FIFO queue."""
    return int(marker[1:]) % FIFO_GROUPS


def push_document(planned: Planned) -> dict[str, Any]:
    """Return an event's data for the source `push`."""
    title = {"Title": f"{planned.marker} {planned.kind}"} if planned.kind is not Kind.BROKEN else {}
    return {"UserId": planned.marker, "Body": f"{planned.marker} says: é…\U0001f35e", **title}


def github_document(planned: Planned) -> dict[str, Any]:
    """Return an event's data for the source `github`."""
    return {
        "action": "labeled" if planned.kind is Kind.NOBODY else "opened",
        "issue": {"number": 1, "title": f"{planned.marker} {planned.kind}"},
        "repository": {"full_name": f"chaos/{planned.marker}"},
        "sender": {"login": "hubot"},
    }


def webhook(planned: Planned, now: float, secrets: dict[str, str]) -> dict[str, Any]:
    """Return an event's signed webhook in the form of a function URL. `now`: seconds since the epoch."""
    is_push = planned.way is not Way.GITHUB
    document = push_document(planned) if is_push else github_document(planned)
    body = json.dumps(document).encode()
    proof = _standard_webhooks(planned, body, now, secrets) if is_push else _github(planned, body, secrets)
    path = f"/webhooks/{Way.PUSH if is_push else Way.GITHUB}"
    return {
        "version": "2.0",
        "rawPath": path,
        "headers": {"content-type": "application/json", **proof},
        "requestContext": {"http": {"method": "POST", "path": path}, "requestId": planned.marker},
        "body": body.decode(),
        "isBase64Encoded": False,
    }


def _standard_webhooks(planned: Planned, body: bytes, now: float, secrets: dict[str, str]) -> dict[str, str]:
    timestamp = str(int(now))
    key = base64.b64decode(secrets["push"].removeprefix("whsec_"))
    key = key[::-1] if planned.kind is Kind.FORGED else key
    mac = hmac.digest(key, f"{planned.marker}.{timestamp}.".encode() + body, "sha256")
    signature = f"v1,{base64.b64encode(mac).decode()}"
    return {
        "webhook-id": planned.marker,
        "webhook-timestamp": timestamp,
        "webhook-signature": signature,
    }


def _github(planned: Planned, body: bytes, secrets: dict[str, str]) -> dict[str, str]:
    signature = hmac.new(secrets["github"].encode(), body, hashlib.sha256).hexdigest()
    return {
        "x-github-delivery": planned.marker,
        "x-github-event": "issues",
        "x-hub-signature-256": f"sha256={signature}",
    }


def notification(planned: Planned) -> dict[str, Any]:
    """Return SNS's notification of an event. A copy has the same message id."""
    return {
        "Type": "Notification",
        "MessageId": f"sns-{planned.marker}",
        "TopicArn": "arn:aws:sns:eu-west-1:000000000000:push-relay",
        "Message": json.dumps(push_document(planned)),
        "Timestamp": "2027-01-15T08:00:00.000Z",
    }


def bus_event(planned: Planned) -> dict[str, Any]:
    """Return EventBridge's event."""
    return {
        "version": "0",
        "id": f"bus-{planned.marker}",
        "source": "push-relay",
        "detail-type": "Push",
        "account": "000000000000",
        "time": "2027-01-15T08:00:00Z",
        "region": "eu-west-1",
        "detail": push_document(planned),
    }

"""The plan of a run: what is sent, by which way, how often, and who has to be told of it. Seeded."""

import base64
import hashlib
import hmac
import json
import random
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

#: What tells one event from all others, wherever its words turn up.
MARKER: Final = re.compile(r"m\d{7}")
FAN: Final = ("external:fan-1", "external:fan-2", "email:fan-3@example.com")
STORM: Final = "email:storm@example.com"
DUTY: Final = "external:4711"
FIFO_GROUPS: Final = 4
FIFO_ARN: Final = "arn:aws:sqs:eu-west-1:000000000000:ordered.fifo"
#: Events of a run that come in one burst at the most; else as many as this come each day.
ONE_BURST, A_DAY = 5000, 1700


class Kind(StrEnum):
    """What an event is there to try."""

    PLAIN = "plain"
    FAN = "fan"  # told to several people
    URGENT = "urgent"  # high priority
    BRIEF = "brief"  # worth nothing after an hour
    STORM = "storm"  # gathered into a digest
    NOBODY = "nobody"  # no message speaks of it
    BROKEN = "broken"  # not what its source says
    FORGED = "forged"  # its signature does not fit
    POISON = "poison"  # kills every worker that touches it


class Way(StrEnum):
    """How an event comes."""

    PUSH = "push"  # a webhook of the source `push`
    GITHUB = "github"  # a webhook of the source `github`
    SQS = "sqs"  # straight into the queue
    SNS = "sns"  # a topic that the queue subscribes to
    BUS = "bus"  # a rule of EventBridge's that writes to the queue
    INVOKED = "invoked"  # a topic that invokes the function itself
    DIRECT = "direct"  # a webhook of the source `push`, delivered inside the call
    FIFO = "fifo"  # a FIFO queue of the deployer's own, under the policy `hold`


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
#: Poisons that come together, so that a batch has several of them.
_TOGETHER: Final = 4
#: Ways that a poison may come: by the relay's own queue, which tries it again.
_FOR_POISON: Final = frozenset({Way.PUSH, Way.SQS, Way.SNS, Way.BUS})


@dataclass(frozen=True, slots=True)
class Planned:
    """One event. `copies` are the moments (seconds after the start) at which it is sent."""

    marker: str
    kind: Kind
    way: Way
    copies: tuple[float, ...]

    @property
    def told(self) -> frozenset[str]:
        """Whom it has to reach."""
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
    """Plan a run of so many events. The same seed plans the same."""
    dice = random.Random(seed)  # noqa: S311 - repeatable, not secret
    return [_planned(number, dice, *_burst(number, events)) for number in range(events)]


def _burst(number: int, events: int) -> tuple[float, float]:
    """Return when the burst begins in which an event comes, and how long it lasts, both in seconds.

    A short run is a single burst, which the day's calls are not enough for; a long one has one a day, which
    they are, but for what goes wrong.
    """
    if events <= ONE_BURST:
        return 0.0, max(20.0, events / 40)
    return number // A_DAY * 86_400.0, A_DAY / 200


def _planned(number: int, dice: random.Random, begin: float, span: float) -> Planned:
    kind = dice.choices(list(_KINDS), list(_KINDS.values()))[0]
    if 7 <= number < 7 + _TOGETHER:  # noqa: PLR2004 - even the shortest run has some
        kind = Kind.POISON
    way = dice.choices(list(_WAYS), list(_WAYS.values()))[0]
    if kind is Kind.NOBODY:
        way = Way.GITHUB
    elif kind in (Kind.FORGED, Kind.BRIEF) or (way is Way.GITHUB and kind is not Kind.PLAIN):
        way = Way.PUSH
    if kind is Kind.BROKEN and way not in (Way.SQS, Way.SNS, Way.BUS):
        way = Way.SQS
    elif kind is Kind.POISON and way not in _FOR_POISON:
        way = Way.PUSH
    elif kind is Kind.STORM and way is Way.FIFO:
        way = Way.SQS  # a batch window leaves its group's order
    first = begin + (span / 2 if kind is Kind.POISON else dice.uniform(0, span))
    copies = [first]
    if way not in (Way.SQS, Way.FIFO) and dice.random() < 0.15:  # noqa: PLR2004 - the share that is sent twice
        copies.append(first + dice.choice((0.0, 0.01, 5.0, 400.0, 20_000.0)))
    return Planned(f"m{number:07}", kind, way, tuple(copies))


def fifo_group(marker: str) -> int:
    """Return the message group of an event that comes by the FIFO queue."""
    return int(marker[1:]) % FIFO_GROUPS


def push_document(planned: Planned) -> dict[str, Any]:
    """Write an event in the words of the source `push`."""
    title = {"Title": f"{planned.marker} {planned.kind}"} if planned.kind is not Kind.BROKEN else {}
    return {"UserId": planned.marker, "Body": f"{planned.marker} says: é…\U0001f35e", **title}


def github_document(planned: Planned) -> dict[str, Any]:
    """Write an event in GitHub's words."""
    return {
        "action": "labeled" if planned.kind is Kind.NOBODY else "opened",
        "issue": {"number": 1, "title": f"{planned.marker} {planned.kind}"},
        "repository": {"full_name": f"chaos/{planned.marker}"},
        "sender": {"login": "hubot"},
    }


def webhook(planned: Planned, now: float, secrets: dict[str, str]) -> dict[str, Any]:
    """Write an event's webhook as a function URL delivers it, signed at this moment."""
    is_push = planned.way is not Way.GITHUB
    document = push_document(planned) if is_push else github_document(planned)
    body = json.dumps(document).encode()
    signed = _standard(planned, body, now, secrets) if is_push else _github(planned, body, secrets)
    path = f"/webhooks/{Way.PUSH if is_push else Way.GITHUB}"
    return {
        "version": "2.0",
        "rawPath": path,
        "headers": {"content-type": "application/json", **signed},
        "requestContext": {"http": {"method": "POST", "path": path}, "requestId": planned.marker},
        "body": body.decode(),
        "isBase64Encoded": False,
    }


def _standard(planned: Planned, body: bytes, now: float, secrets: dict[str, str]) -> dict[str, str]:
    moment = str(int(now))
    key = base64.b64decode(secrets["push"].removeprefix("whsec_"))
    key = key[::-1] if planned.kind is Kind.FORGED else key
    digest = hmac.digest(key, f"{planned.marker}.{moment}.".encode() + body, "sha256")
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {
        "webhook-id": planned.marker,
        "webhook-timestamp": moment,
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
    """Write SNS's envelope round an event; a copy bears the same message id."""
    return {
        "Type": "Notification",
        "MessageId": f"sns-{planned.marker}",
        "TopicArn": "arn:aws:sns:eu-west-1:000000000000:push-relay",
        "Message": json.dumps(push_document(planned)),
        "Timestamp": "2027-01-15T08:00:00.000Z",
    }


def bus_event(planned: Planned) -> dict[str, Any]:
    """Write EventBridge's envelope round an event."""
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

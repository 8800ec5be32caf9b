"""The plan of a run: which events are sent, how and when, and who must receive their pushes."""

import json
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from push_relay.core.push import DEFAULT_ACCOUNT

#: The marker of an event, which is part of every text that comes from the event.
MARKER: Final = re.compile(r"m\d{7}")
FAN: Final = ("external:fan-1", "external:fan-2", "email:fan-3@example.com")
STORM: Final = "email:storm@example.com"
DUTY: Final = "external:4711"
FIFO_GROUPS: Final = 4
FIFO_ARN: Final = "arn:aws:sqs:eu-west-1:000000000000:deployer.fifo"
#: The account of the second organisation, which has the policy `hold`. The first one has the account
#: `default` and the policy `resend`.
SECOND: Final = "second"
#: The share of events that are sent a second time.
_COPY_PROBABILITY: Final = 0.15


class Kind(StrEnum):
    """The purpose of an event."""

    PLAIN = "plain"
    FAN = "fan"  # has several recipients
    URGENT = "urgent"  # has high priority
    BRIEF = "brief"  # expires after an hour
    STORM = "storm"  # is batched
    NOBODY = "nobody"  # a message rule skips it
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
    FIFO = "fifo"  # a FIFO queue of the deployer
    LIST = "list"  # an item of a list in a webhook of the source `list`
    LIST_DIRECT = "list-direct"  # the same in direct mode
    EACH = "each"  # an item that the source `each` finds in a document
    LINES = "lines"  # a line in a webhook of the source `lines`


#: The ways of split requests, each of which carries several events.
SPLIT: Final = frozenset({Way.LIST, Way.LIST_DIRECT, Way.EACH, Way.LINES})
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
    Way.LIST: 4,
    Way.LIST_DIRECT: 3,
    Way.EACH: 4,
    Way.LINES: 3,
}
#: The kinds of the items of a split request.
_ITEM_KINDS: Final = {
    Kind.PLAIN: 58,
    Kind.FAN: 6,
    Kind.URGENT: 10,
    Kind.BRIEF: 3,
    Kind.STORM: 6,
    Kind.NOBODY: 4,
    Kind.BROKEN: 12,
    Kind.POISON: 0.3,
}
#: How many events a split request carries. SQS takes at most ten messages in a call.
_SPLIT_SIZES: Final = (1, 2, 2, 3, 3, 4, 5, 8, 12, 25)
#: The share of split requests all of whose items are forged, or broken.
_ALL_FORGED_PROBABILITY: Final = 0.06
_ALL_BROKEN_PROBABILITY: Final = 0.06
#: The numbers of events that are always poison. They are sent together, so that a batch has several of them.
_POISON_NUMBERS: Final = range(7, 11)
#: The ways of poison. All of them use the relay's own queue, which delivers a message again.
_POISON_WAYS: Final = frozenset({Way.PUSH, Way.SQS, Way.SNS, Way.BUS})


class Whose(StrEnum):
    """The organisations whose people receive an event's pushes."""

    FIRST = "first"
    SECOND = "second"
    BOTH = "both"

    @property
    def accounts(self) -> tuple[str, ...]:
        """The accounts of the organisations."""
        return {"first": (DEFAULT_ACCOUNT,), "second": (SECOND,)}.get(self, (DEFAULT_ACCOUNT, SECOND))


#: How often an event is for people of each organisation.
_WHOSE: Final = {Whose.FIRST: 65, Whose.SECOND: 25, Whose.BOTH: 10}


@dataclass(frozen=True, slots=True)
class Planned:
    """One event.

    copies   when it is sent, in seconds after the start of the run
    request  the marker of the split request that carries it; empty if it is sent alone
    whose    the organisations whose people receive its pushes
    """

    marker: str
    kind: Kind
    way: Way
    copies: tuple[float, ...]
    request: str = ""
    whose: Whose = Whose.FIRST

    @property
    def title(self) -> str:
        """The title of its data, by which it is routed. The kind is its last word."""
        words = (
            (self.marker, self.kind) if self.whose is Whose.FIRST else (self.marker, self.whose, self.kind)
        )
        return " ".join(words)

    @property
    def recipients(self) -> frozenset[str]:
        """The recipients who must receive a push, each named as by `recipient_name`."""
        people = self._people
        return frozenset(recipient_name(account, to) for account in self.whose.accounts for to in people)

    @property
    def _people(self) -> frozenset[str]:
        match self.kind:
            case Kind.NOBODY | Kind.BROKEN | Kind.FORGED | Kind.POISON:
                return frozenset()
            case Kind.STORM:
                return frozenset({STORM})
            case Kind.FAN:
                return frozenset({*FAN, f"user:{self.marker}"})
            case _:
                return frozenset({DUTY if self.way is Way.GITHUB else f"user:{self.marker}"})


def recipient_name(account: str, to: str) -> str:
    """Return the name of a recipient of an account. Two organisations may have people with the same ids."""
    return to if account == DEFAULT_ACCOUNT else f"{account}/{to}"


@dataclass(frozen=True, slots=True)
class Request:
    """Events that are sent at once: one event, or the events of a split request."""

    events: tuple[Planned, ...]

    @property
    def marker(self) -> str:
        """The marker of its first event."""
        return self.events[0].marker

    @property
    def id(self) -> str:
        """The sender's id. All events of a split request contain it, so it contains no marker."""
        return f"request-{self.marker[1:]}" if self.is_split else self.marker

    @property
    def way(self) -> Way:
        """How it reaches the relay."""
        return self.events[0].way

    @property
    def copies(self) -> tuple[float, ...]:
        """When it is sent, in seconds after the start of the run."""
        return self.events[0].copies

    @property
    def is_split(self) -> bool:
        """Whether it is answered with an outcome for each of its events."""
        return self.way in SPLIT

    @property
    def is_forged(self) -> bool:
        """Whether its signature is wrong."""
        return self.events[0].kind is Kind.FORGED

    @property
    def is_broken(self) -> bool:
        """Whether none of its events is valid."""
        return all(event.kind is Kind.BROKEN for event in self.events)


def make_plan(events: int, seed: int, bursts: Sequence[float] = (0.0,)) -> list[Planned]:
    """Plan a run of a number of events. The same seed gives the same plan.

    bursts  when each burst begins, in seconds after the start of the run
    """
    dice = random.Random(seed)  # noqa: S311 - repeatable, not secret
    planned: list[Planned] = []
    while (number := len(planned)) < events:
        way = dice.choices(list(_WAYS), list(_WAYS.values()))[0]
        if way in SPLIT and number not in _POISON_NUMBERS:
            end = _POISON_NUMBERS.start if number < _POISON_NUMBERS.start else events
            size = min(dice.choice(_SPLIT_SIZES), end - number)
            planned += _split(range(number, number + size), way, dice, *_burst(number, events, bursts))
        else:
            planned.append(_planned(number, way, dice, *_burst(number, events, bursts)))
    return planned


def requests_of(planned: Iterable[Planned]) -> list[Request]:
    """Return the requests that carry the events."""
    together: dict[str, list[Planned]] = {}
    for event in planned:
        together.setdefault(event.request or event.marker, []).append(event)
    return [Request(tuple(events)) for events in together.values()]


def _burst(number: int, events: int, bursts: Sequence[float]) -> tuple[float, float]:
    """Return the start and the length of an event's burst, in seconds.

    In a short run of one burst, the day's calls are not enough. In a long run, they would be enough for the
    bursts of an ordinary day if nothing failed.
    """
    if len(bursts) == 1:
        return bursts[0], max(20.0, events / 40)
    per_burst = events / len(bursts)
    return bursts[int(number / per_burst)], max(6.0, per_burst / 200)


def _split(
    numbers: Sequence[int], way: Way, dice: random.Random, begin_secs: float, span_secs: float
) -> list[Planned]:
    """Plan the events of a split request, valid ones and others side by side."""
    kinds = dice.choices(list(_ITEM_KINDS), list(_ITEM_KINDS.values()), k=len(numbers))
    drawn = dice.random()
    if drawn < _ALL_FORGED_PROBABILITY:
        kinds = [Kind.FORGED] * len(numbers)
    elif drawn < _ALL_FORGED_PROBABILITY + _ALL_BROKEN_PROBABILITY:
        kinds = [Kind.BROKEN] * len(numbers)
    elif way is Way.LIST_DIRECT:
        # Nobody would get an answer: poison kills each attempt to deliver its request.
        kinds = [Kind.PLAIN if kind is Kind.POISON else kind for kind in kinds]
    copies = _copies(begin_secs + dice.uniform(0, span_secs), dice)
    request = _marker(numbers[0])
    pairs = zip(numbers, kinds, strict=True)
    return [Planned(_marker(number), kind, way, copies, request, _whose(dice)) for number, kind in pairs]


def _copies(first: float, dice: random.Random) -> tuple[float, ...]:
    if dice.random() < _COPY_PROBABILITY:
        return (first, first + dice.choice((0.0, 0.01, 5.0, 400.0, 20_000.0)))
    return (first,)


def _marker(number: int) -> str:
    return f"m{number:07}"


def _planned(number: int, way: Way, dice: random.Random, begin_secs: float, span_secs: float) -> Planned:
    kind = dice.choices(list(_KINDS), list(_KINDS.values()))[0]
    if number in _POISON_NUMBERS:
        kind = Kind.POISON
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
    copies = (first,) if way in (Way.SQS, Way.FIFO) else _copies(first, dice)
    # The issues of `github` are routed by their type alone, all of them to the first organisation.
    return Planned(
        _marker(number), kind, way, copies, whose=Whose.FIRST if way is Way.GITHUB else _whose(dice)
    )


def _whose(dice: random.Random) -> Whose:
    return dice.choices(list(_WHOSE), list(_WHOSE.values()))[0]


def fifo_group(marker: str) -> int:
    """Return the message group of an event in the FIFO queue."""
    return int(marker[1:]) % FIFO_GROUPS


def push_document(planned: Planned) -> dict[str, Any]:
    """Return an event's data for the source `push`."""
    title = {"Title": planned.title} if planned.kind is not Kind.BROKEN else {}
    return {"UserId": planned.marker, "Body": f"{planned.marker} says: é…\U0001f35e", **title}


def github_document(planned: Planned) -> dict[str, Any]:
    """Return an event's data for the source `github`."""
    return {
        "action": "checks_requested" if planned.kind is Kind.NOBODY else "opened",
        "issue": {"number": 1, "title": planned.title},
        "repository": {"full_name": f"chaos/{planned.marker}"},
        "sender": {"login": "hubot"},
    }


def github_event(planned: Planned) -> str:
    """Return the type of an event for the source `github`, which skips those of the merge queue."""
    return "merge_group" if planned.kind is Kind.NOBODY else "issues"


def notification(planned: Planned, published_at: float) -> dict[str, Any]:
    """Return SNS's notification of an event. A copy has the same message id.

    published_at  seconds since the epoch
    """
    return {
        "Type": "Notification",
        "MessageId": f"sns-{planned.marker}",
        "TopicArn": "arn:aws:sns:eu-west-1:000000000000:push-relay",
        "Message": json.dumps(push_document(planned)),
        "Timestamp": _iso(published_at, "milliseconds"),
    }


def bus_event(planned: Planned, happened_at: float) -> dict[str, Any]:
    """Return EventBridge's event. `happened_at`: seconds since the epoch."""
    return {
        "version": "0",
        "id": f"bus-{planned.marker}",
        "source": "push-relay",
        "detail-type": "Push",
        "account": "000000000000",
        "time": _iso(happened_at, "seconds"),
        "region": "eu-west-1",
        "detail": push_document(planned),
    }


def _iso(time: float, precision: str) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat(timespec=precision).replace("+00:00", "Z")

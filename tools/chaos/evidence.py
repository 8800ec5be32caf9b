"""What is known when a run has ended, by event and recipient: what was shown, is dead, or was noted."""

import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from chaos.journal import Entry, read_journals
from chaos.plan import MARKER
from chaos.stage import Stage
from push_relay.core.delivery.ledger import Claim
from push_relay.core.outcomes import Outcome
from sandbox import Call

type Told = tuple[str, str]
"""An event's marker and a recipient, as a route writes it."""

_FIELDS: Final = {"UserId": "user", "UserEmail": "email", "UserExternalId": "external"}
_HIDDEN_SECS: Final = 120.0
_REFUSED: Final = "vendor_rejected"
_UNKNOWN: Final = "delivery_unknown"
#: Reasons for a second push.
UNKNOWN: Final = "nobody knows whether it was shown"
REPLAYED: Final = "a person replayed it"


@dataclass(slots=True)
class DeadLetter:
    """One message of the dead-letter queue."""

    markers: frozenset[str]
    only: tuple[str, ...]
    attributes: dict[str, str]


@dataclass(slots=True)
class Evidence:
    """Gathered evidence.

    shown    how often each recipient was shown each event
    refused  how often the vendor refused each for good
    doubts   why a push may have been sent again, for each attempt of which that is so
    closed   outcomes of pushes that ended without being shown, from the receipts
    order    the place among all calls at which each was shown first
    unknown  how often each was sent without an answer that says whether it was shown
    replayed how often each was claimed for a replay
    keys     which events and recipients a push's key stands for
    taken    how many pushes were taken up by a handler, each time that they were
    in_hand  of them those without a receipt, because their worker died
    uneven   workers that answered although what they had taken up had not ended in one receipt each
    """

    shown: Counter[Told] = field(default_factory=Counter)
    refused: Counter[Told] = field(default_factory=Counter)
    doubts: dict[Told, list[str]] = field(default_factory=lambda: defaultdict(list))
    closed: dict[Told, set[str]] = field(default_factory=lambda: defaultdict(set))
    order: dict[Told, int] = field(default_factory=dict)
    unknown: Counter[Told] = field(default_factory=Counter)
    replayed: Counter[Told] = field(default_factory=Counter)
    keys: dict[str, set[Told]] = field(default_factory=lambda: defaultdict(set))
    filtered: set[str] = field(default_factory=set)
    dead: list[DeadLetter] = field(default_factory=list)
    receipts: Counter[str] = field(default_factory=Counter)
    killed_at: Counter[str] = field(default_factory=Counter)
    taken: int = 0
    in_hand: int = 0
    uneven: list[str] = field(default_factory=list)

    def dead_told(self) -> dict[Told, DeadLetter]:
        """Return the dead letter of each push that is dead."""
        found: dict[Told, DeadLetter] = {}
        for letter in self.dead:
            for key in letter.only:
                found.update(dict.fromkeys(self.keys[key], letter))
        return found

    def letters_of(self, marker: str) -> list[DeadLetter]:
        """Return the dead letters that speak of an event."""
        return [letter for letter in self.dead if marker in letter.markers]

    def dead_whole(self) -> dict[str, DeadLetter]:
        """Return the dead letter of each event that is dead as a whole."""
        return {marker: letter for letter in self.dead if not letter.only for marker in letter.markers}


def add(stage: Stage) -> Evidence:
    """Read the sandbox's record, the journals and the dead-letter queue."""
    evidence = Evidence()
    for call in stage.sandbox.record.calls():
        _read_call(call, evidence)
    for file, entries in read_journals(stage.journals):
        _Reading(evidence, file.stem).read(entries)
    evidence.dead = list(_dead_letters(stage))
    return evidence


def _read_call(call: Call, evidence: Evidence) -> None:
    if call.push is None:
        return
    to = next(f"{kind}:{call.push[name]}" for name, kind in _FIELDS.items() if name in call.push)
    words = f"{call.push['Title']} {call.push['Body']}"
    is_refusal = call.fault in {"error_code", "redirect"} or (call.fault == "status" and call.status == 400)  # noqa: PLR2004
    for marker in set(MARKER.findall(words)):
        evidence.shown[marker, to] += call.accepted
        if call.accepted:
            evidence.order.setdefault((marker, to), call.number)
        evidence.refused[marker, to] += is_refusal


def _dead_letters(stage: Stage) -> Iterable[DeadLetter]:
    """Read all of them; what a killed replay has hidden comes back within _HIDDEN_SECS."""
    read, deadline = 0, time.monotonic() + _HIDDEN_SECS
    while read < _letters(stage) and time.monotonic() < deadline:
        messages = stage.sqs.receive_message(
            QueueUrl=stage.settings.dead_letter_queue_url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=43_200,
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        if not messages:
            time.sleep(0.5)
        read += len(messages)
        for message in messages:
            given = message.get("MessageAttributes", {})
            attributes = {name: value.get("StringValue", "") for name, value in given.items()}
            body = json.loads(message["Body"])
            only = tuple(body.get("only", ())) if "push-relay-event" in attributes else ()
            yield DeadLetter(frozenset(MARKER.findall(message["Body"])), only, attributes)


def _letters(stage: Stage) -> int:
    """Return how many dead letters there are, hidden ones included."""
    counts = stage.sqs.get_queue_attributes(
        QueueUrl=stage.settings.dead_letter_queue_url,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )["Attributes"]
    return sum(map(int, counts.values()))


@dataclass(slots=True)
class _Attempt:
    """One attempt of a push by one worker, from its claim on."""

    lease_until: float
    replayed: bool = False
    told: list[Told] = field(default_factory=list)
    begun: bool = False
    result: str | None = None


@dataclass(slots=True)
class _Reading:
    """Reads one worker's journal: what it began and did not bring to its end is in doubt."""

    evidence: Evidence
    worker: str = ""
    in_hand: int = 0
    open: dict[str, _Attempt] = field(default_factory=dict)

    def read(self, entries: list[Entry]) -> None:
        """Read all of it."""
        for entry in entries:
            reader = getattr(self, f"_{entry['step']}", None)
            if reader:
                reader(entry)
        for attempt in self.open.values():
            self._close(attempt, "killed between sending and settling")
        self.evidence.in_hand += self.in_hand

    def _taken(self, entry: Entry) -> None:
        self.evidence.taken += entry["pushes"]
        self.in_hand += entry["pushes"]

    def _ended(self, entry: Entry) -> None:
        self.evidence.receipts.update(entry["outcomes"])
        self.in_hand -= sum(entry["outcomes"].values())

    def _answered(self, _: Entry) -> None:
        if self.in_hand:
            self.evidence.uneven.append(self.worker)
        self.in_hand = 0

    def _claimed(self, entry: Entry) -> None:
        if entry["claim"] != Claim.GRANTED:
            return
        if before := self.open.pop(entry["key"], None):
            self._close(before, "not settled before it was claimed again")
        self.open[entry["key"]] = _Attempt(entry["at"] + entry["lease"], entry["replayed"])

    def _sending(self, entry: Entry) -> None:
        attempt = self.open.setdefault(entry["key"], _Attempt(entry["at"]))
        attempt.begun = True
        self._name(entry, attempt)
        if attempt.replayed:
            attempt.replayed = False
            self.evidence.replayed.update(attempt.told)
            self._doubt(attempt, REPLAYED)

    def _gathering(self, entry: Entry) -> None:
        # That puts nothing in doubt: it lies in one digest, however often it is put there.
        self._name(entry, self.open.setdefault(entry["key"], _Attempt(entry["at"])))

    def _name(self, entry: Entry, attempt: _Attempt) -> None:
        attempt.told = [(marker, entry["to"]) for marker in entry["markers"]]
        self.evidence.keys[entry["key"]].update(attempt.told)

    def _sent(self, entry: Entry) -> None:
        attempt = self.open.get(entry["key"])
        if attempt is None:
            return  # two attempts of one push in one worker: a relay that is broken, which the verdict tells
        attempt.result = entry["result"]
        if attempt.result == _UNKNOWN:
            self.evidence.unknown.update(attempt.told)
            self._doubt(attempt, UNKNOWN)

    def _settled(self, entry: Entry) -> None:
        attempt = self.open.pop(entry["key"], None)
        if attempt and attempt.begun and entry["at"] > attempt.lease_until:
            self._doubt(attempt, "the lease ended while sending")

    def _not_settled(self, entry: Entry) -> None:
        attempt = self.open.pop(entry["key"], None)
        if attempt and attempt.begun:
            self._doubt(attempt, "sent, and the ledger failed")

    def _receipt(self, entry: Entry) -> None:
        outcome = entry["outcome"]
        told = [(marker, entry["to"]) for marker in entry.get("markers", ())]
        if "key" in entry:
            self.evidence.keys[entry["key"]].update(told)
        for each in told:
            self.evidence.closed[each].add(outcome)
        if outcome == Outcome.FILTERED:
            self.evidence.filtered.add(entry["event_id"])

    def _killed(self, entry: Entry) -> None:
        self.evidence.killed_at[entry["here"]] += 1

    def _close(self, attempt: _Attempt, why: str) -> None:
        if attempt.result in {None, "ok"} and attempt.begun:
            self._doubt(attempt, why)
        elif attempt.result == _REFUSED:
            self._doubt(attempt, "refused, and killed before that was settled")

    def _doubt(self, attempt: _Attempt, why: str) -> None:
        for told in attempt.told:
            self.evidence.doubts[told].append(why)


def about(marker: str, stage: Stage) -> list[tuple[str, Any]]:
    """Return every line of every journal that bears on an event, in order of time."""
    keys: set[str] = set()
    lines: list[tuple[str, Entry]] = []
    for file, entries in read_journals(stage.journals):
        for entry in entries:
            if marker in entry.get("markers", ()):
                keys.add(entry["key"])
        lines += [(file.stem, entry) for entry in entries]
    concerned = {name for name, entry in lines if entry.get("key") in keys}
    ours = [
        (name, entry)
        for name, entry in lines
        if entry.get("key") in keys or (entry["step"] == "killed" and name in concerned)
    ]
    return sorted(ours, key=lambda each: each[1]["at"])

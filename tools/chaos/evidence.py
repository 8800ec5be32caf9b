"""The evidence at the end of a run: what the vendor has shown, what is dead, and what the journals record."""

import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from chaos.journal import Entry, read_journals
from chaos.plan import MARKER, recipient_name
from chaos.services import Services
from push_relay.core.delivery.ledger import Claim
from push_relay.core.errors import BudgetExhausted, CircuitOpen, QuotaExhausted
from push_relay.core.outcomes import Outcome
from push_relay.core.queue_format import EVENT_ATTRIBUTE
from sandbox import Call

#: An event's marker and one of its recipients, as in `user:42`. Together they identify an expected push.
type PushId = tuple[str, str]

_FIELDS: Final = {"UserId": "user", "UserEmail": "email", "UserExternalId": "external"}
#: A killed replay has hidden messages for this long at most.
_HIDDEN_SECS: Final = 120.0
_REFUSED: Final = "vendor_rejected"
_SCARCE_CODES: Final = frozenset({BudgetExhausted.code, CircuitOpen.code, QuotaExhausted.code})
_UNKNOWN: Final = "delivery_unknown"
#: Reasons for which a push may be shown a second time.
UNKNOWN: Final = "nobody knows whether it was shown"
REPLAYED: Final = "a person replayed it"


@dataclass(slots=True)
class DeadLetter:
    """One message of the dead-letter queue.

    markers     of the events that its body contains
    only        the keys of the pushes that are dead; empty if the whole event is
    attributes  the texts of its attributes
    """

    markers: frozenset[str]
    only: tuple[str, ...]
    attributes: dict[str, str]


@dataclass(slots=True)
class Evidence:
    """The evidence of a run.

    shown       how often the vendor has shown each push
    refused     how often the vendor has refused each push permanently, in a batch push or alone
    refusals    the same by the events of the call and its recipient
    doubts      for each push, one reason for each attempt after which it may be sent again
    closed      the outcomes of each push's receipts
    order       the number of the call that has shown each push first, among its organisation's calls
    shown_at    when each push was shown first, in seconds since the epoch
    scarce      pushes that had to wait for their own account: its calls of the day, or of a source, were used
                up, or its calls were stopped
    unknown     how often each push was sent without an answer that shows whether it was accepted
    replayed    how often each push was claimed for a replay
    push_ids    the pushes that a key of the ledger stands for; a batch push has several
    filtered    the ids of the events that were filtered
    dead        the messages of the dead-letter queue
    again       for each event, one reason for each attempt after which it may be dead-lettered again
    replays_killed  how many replays were killed; each of them may double one dead letter
    in_part     how often some events of a split request were queued, and others were not
    drained     how often each event that waited for an account was taken from that account's backlog
    receipts    the number of receipts by outcome
    killed_at   the number of kills by step
    taken_up    how many pushes the handlers have taken up; a push counts each time
    in_hand     how many of these have no receipt, because their worker was killed
    unbalanced  the workers that have answered although a push they had taken up had not exactly one receipt
    """

    shown: Counter[PushId] = field(default_factory=Counter)
    refused: Counter[PushId] = field(default_factory=Counter)
    refusals: Counter[tuple[frozenset[str], str]] = field(default_factory=Counter)
    doubts: dict[PushId, list[str]] = field(default_factory=lambda: defaultdict(list))
    closed: dict[PushId, set[str]] = field(default_factory=lambda: defaultdict(set))
    order: dict[PushId, int] = field(default_factory=dict)
    shown_at: dict[PushId, float] = field(default_factory=dict)
    scarce: set[PushId] = field(default_factory=set)
    unknown: Counter[PushId] = field(default_factory=Counter)
    replayed: Counter[PushId] = field(default_factory=Counter)
    push_ids: dict[str, set[PushId]] = field(default_factory=lambda: defaultdict(set))
    filtered: set[str] = field(default_factory=set)
    dead: list[DeadLetter] = field(default_factory=list)
    again: Counter[str] = field(default_factory=Counter)
    replays_killed: int = 0
    in_part: int = 0
    drained: Counter[tuple[str, str]] = field(default_factory=Counter)
    receipts: Counter[str] = field(default_factory=Counter)
    killed_at: Counter[str] = field(default_factory=Counter)
    taken_up: int = 0
    in_hand: int = 0
    unbalanced: list[str] = field(default_factory=list)

    def dead_pushes(self) -> dict[PushId, DeadLetter]:
        """Return the dead letters of single pushes."""
        found: dict[PushId, DeadLetter] = {}
        for dead_letter in self.dead:
            for key in dead_letter.only:
                found.update(dict.fromkeys(self.push_ids[key], dead_letter))
        return found

    def dead_letters_of(self, marker: str) -> list[DeadLetter]:
        """Return the dead letters that contain an event."""
        return [dead_letter for dead_letter in self.dead if marker in dead_letter.markers]

    def dead_events(self) -> dict[str, DeadLetter]:
        """Return the dead letters of whole events, by the event's marker."""
        return {
            marker: dead_letter
            for dead_letter in self.dead
            if not dead_letter.only
            for marker in dead_letter.markers
        }


def collect(services: Services) -> Evidence:
    """Read the sandboxes' records, the journals and the dead-letter queue."""
    evidence = Evidence()
    for organisation in services.organisations:
        for call in organisation.sandbox.record.calls():
            _read_call(call, organisation.account, evidence)
    for file, entries in read_journals(services.journals):
        _Reading(evidence, file.stem).read(entries)
    evidence.dead = list(_dead_letters(services))
    return evidence


def _read_call(call: Call, account: str, evidence: Evidence) -> None:
    if call.push is None:
        return
    to = next(f"{kind}:{call.push[name]}" for name, kind in _FIELDS.items() if name in call.push)
    to = recipient_name(account, to)
    text = f"{call.push['Title']} {call.push['Body']}"
    is_refusal = call.fault in {"error_code", "redirect"} or (
        call.fault == "status" and call.status == HTTPStatus.BAD_REQUEST
    )
    markers = frozenset(MARKER.findall(text))
    # The pushes of a refused batch push are sent singly, and each of them may be refused too.
    evidence.refusals[markers, to] += is_refusal
    for marker in markers:
        evidence.shown[marker, to] += call.accepted
        if call.accepted:
            evidence.order.setdefault((marker, to), call.number)
            evidence.shown_at.setdefault((marker, to), call.time.timestamp())
        evidence.refused[marker, to] = max(evidence.refused[marker, to], evidence.refusals[markers, to])


def _dead_letters(services: Services) -> Iterable[DeadLetter]:
    """Receive every dead letter. Those that a killed replay has hidden become visible within _HIDDEN_SECS."""
    read, deadline = 0, time.monotonic() + _HIDDEN_SECS
    while read < _dead_letter_count(services) and time.monotonic() < deadline:
        messages = services.sqs.receive_message(
            QueueUrl=services.settings.dead_letter_queue_url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=43_200,
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        if not messages:
            time.sleep(0.5)
        read += len(messages)
        for message in messages:
            typed = message.get("MessageAttributes", {})
            attributes = {name: value.get("StringValue", "") for name, value in typed.items()}
            # The body of a message without an event is any text.
            is_event = EVENT_ATTRIBUTE in attributes
            only = tuple(json.loads(message["Body"]).get("only", ())) if is_event else ()
            yield DeadLetter(frozenset(MARKER.findall(message["Body"])), only, attributes)


def _dead_letter_count(services: Services) -> int:
    """Return the number of dead letters, including the hidden ones."""
    counts = services.sqs.get_queue_attributes(
        QueueUrl=services.settings.dead_letter_queue_url,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )["Attributes"]
    return sum(map(int, counts.values()))


@dataclass(slots=True)
class _Attempt:
    """One attempt of a push by one worker, from its claim on.

    lease_until  seconds since the epoch
    is_replay    whether the claim was for a replay
    is_sending   whether the call of the vendor has begun
    result       `ok` or an error code; None if the call has not ended
    """

    lease_until: float
    is_replay: bool = False
    push_ids: list[PushId] = field(default_factory=list)
    is_sending: bool = False
    result: str | None = None


@dataclass(slots=True)
class _Reading:
    """Reads one worker's journal. There is a doubt about each attempt that was begun and not finished.

    The entries of a step are read by the method with the step's name.
    """

    evidence: Evidence
    worker: str = ""
    in_hand: int = 0
    open: dict[str, _Attempt] = field(default_factory=dict)
    stored: set[str] = field(default_factory=set)

    def read(self, entries: Iterable[Entry]) -> None:
        """Read all entries of the journal."""
        for entry in entries:
            reader = getattr(self, f"_{entry['step']}", None)
            if reader:
                reader(entry)
        for attempt in self.open.values():
            self._close(attempt, "killed between sending and settling")
        self._stored_again()
        self.evidence.in_hand += self.in_hand

    def _taken_up(self, entry: Entry) -> None:
        self.evidence.taken_up += entry["pushes"]
        self.in_hand += entry["pushes"]

    def _ended(self, entry: Entry) -> None:
        self.evidence.receipts.update(entry["outcomes"])
        self.in_hand -= sum(entry["outcomes"].values())

    def _answered(self, _: Entry) -> None:
        if self.in_hand:
            self.evidence.unbalanced.append(self.worker)
        self.in_hand = 0

    # --- messages that are stored, and may be stored again because nobody learnt of it ---

    def _invoked(self, _: Entry) -> None:
        # The driver got the answer before, so nothing that was stored is stored again because of this worker.
        self.stored.clear()

    def _keeping(self, entry: Entry) -> None:
        self.stored.update(entry["items"])

    _dead_lettering = _copying = _keeping

    def _put_in_part(self, entry: Entry) -> None:
        self.evidence.in_part += entry["queued"] > 0
        self._stored_again()

    def _aws_failed(self, entry: Entry) -> None:
        if entry["service"] == "sqs":
            self._stored_again()

    _aws_answer_lost = _aws_failed

    def _stored_again(self) -> None:
        self.evidence.again.update(self.stored)

    # --- pushes ---

    def _claimed(self, entry: Entry) -> None:
        if entry["claim"] != Claim.GRANTED:
            return
        if before := self.open.pop(entry["key"], None):
            self._close(before, "not settled before it was claimed again")
        self.open[entry["key"]] = _Attempt(entry["at"] + entry["lease_secs"], entry["is_replay"])

    def _sending(self, entry: Entry) -> None:
        attempt = self.open.setdefault(entry["key"], _Attempt(entry["at"]))
        attempt.is_sending = True
        self._add_push_ids(entry, attempt)
        if attempt.is_replay:
            attempt.is_replay = False
            self.evidence.replayed.update(attempt.push_ids)
            self._doubt(attempt, REPLAYED)

    def _batching(self, entry: Entry) -> None:
        # This causes no doubt: a push is in one batch window, however often it is added.
        self._add_push_ids(entry, self.open.setdefault(entry["key"], _Attempt(entry["at"])))

    def _add_push_ids(self, entry: Entry, attempt: _Attempt) -> None:
        attempt.push_ids = [(marker, entry["to"]) for marker in entry["markers"]]
        self.evidence.push_ids[entry["key"]].update(attempt.push_ids)

    def _sent(self, entry: Entry) -> None:
        attempt = self.open.get(entry["key"])
        if attempt is None:
            # One worker has two attempts of one push at a time. The relay is broken then, and the verdict
            # shows it.
            return
        attempt.result = entry["result"]
        if attempt.result == _UNKNOWN:
            self.evidence.unknown.update(attempt.push_ids)
            self._doubt(attempt, UNKNOWN)

    def _unknown_not_counted(self, entry: Entry) -> None:
        if attempt := self.open.get(entry["key"]):
            self.evidence.unknown.subtract(attempt.push_ids)

    def _settled(self, entry: Entry) -> None:
        attempt = self.open.pop(entry["key"], None)
        if attempt and attempt.is_sending and entry["at"] > attempt.lease_until:
            self._doubt(attempt, "the lease ended while sending")

    def _released(self, entry: Entry) -> None:
        # The push waits, and whatever was unknown about this attempt is recorded.
        self.open.pop(entry["key"], None)

    def _not_settled(self, entry: Entry) -> None:
        attempt = self.open.pop(entry["key"], None)
        if attempt and attempt.is_sending:
            self._doubt(attempt, "sent, and the ledger failed")

    def _receipt(self, entry: Entry) -> None:
        outcome = entry["outcome"]
        push_ids = [(marker, entry["to"]) for marker in entry.get("markers", ())]
        if "key" in entry:
            self.evidence.push_ids[entry["key"]].update(push_ids)
        for push_id in push_ids:
            self.evidence.closed[push_id].add(outcome)
        if outcome == Outcome.PARKED and entry["code"] in _SCARCE_CODES:
            self.evidence.scarce.update(push_ids)
        if outcome == Outcome.FILTERED:
            self.evidence.filtered.add(entry["event_id"])

    def _drained(self, entry: Entry) -> None:
        if entry["due"] == 0:
            self.evidence.drained.update((marker, entry["account"]) for marker in entry["items"])

    def _killed(self, entry: Entry) -> None:
        self.evidence.killed_at[entry["here"]] += 1

    def _close(self, attempt: _Attempt, reason: str) -> None:
        if attempt.result in {None, "ok"} and attempt.is_sending:
            self._doubt(attempt, reason)
        elif attempt.result == _REFUSED:
            self._doubt(attempt, "refused, and killed before that was settled")
        elif attempt.result == _UNKNOWN:
            # Nobody could record that the fate is unknown. It is one doubt, and not a second one.
            for push_id in attempt.push_ids:
                self.evidence.doubts[push_id].remove(UNKNOWN)
                self.evidence.unknown[push_id] -= 1
            self._doubt(attempt, reason)

    def _doubt(self, attempt: _Attempt, reason: str) -> None:
        for push_id in attempt.push_ids:
            self.evidence.doubts[push_id].append(reason)


def journal_lines_of(marker: str, services: Services) -> list[tuple[str, Any]]:
    """Return the journals' lines about an event's pushes, by time: (the journal's name, the entry)."""
    keys = {
        entry["key"]
        for _, entries in read_journals(services.journals)
        for entry in entries
        if marker in entry.get("markers", ()) and "key" in entry
    }
    found: list[tuple[str, Entry]] = []
    for file, entries in read_journals(services.journals):
        lines = [
            (file.stem, entry)
            for entry in entries
            if entry.get("key") in keys or marker in entry.get("items", ()) or entry["step"] == "killed"
        ]
        if any(entry["step"] != "killed" for _, entry in lines):
            found += lines
    return sorted(found, key=lambda line: line[1]["at"])

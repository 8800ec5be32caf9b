"""The verdict of a run: the outcome of every planned push, by the evidence."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from chaos.driver import Facts
from chaos.event_source import EventSource
from chaos.evidence import UNKNOWN, DeadLetter, Evidence, PushId
from chaos.plan import SECOND, SPLIT, Kind, Planned, Way, fifo_group, recipient_name
from chaos.services import MAX_RECEIVES, Services
from chaos.split_verdict import check_split_requests, rejection_code
from push_relay.core.account import Account
from push_relay.core.errors import Crashed
from push_relay.core.outcomes import Outcome
from push_relay.core.queue_format import (
    EVENT_ID_ATTRIBUTE,
    FAILED_AT_ATTRIBUTE,
    REASON_ATTRIBUTE,
    SOURCE_ATTRIBUTE,
)

CONNECTIONS = 3
#: An event that waits for its account should be handled this often at most.
MAX_HANDLINGS = 3
#: The ways by which an event can be dead-lettered because of another event's crash: the deployer's FIFO queue
#: counts every receive, and Lambda gives up an invocation after three attempts.
_MAY_CRASH = frozenset({Way.FIFO, Way.INVOKED})
#: The outcome of an event that was dead-lettered for its crashes, by the relay, by SQS or by Lambda.
_CRASHED = Crashed.code
_REASON_ATTRIBUTES = (REASON_ATTRIBUTE, SOURCE_ATTRIBUTE, EVENT_ID_ATTRIBUTE, FAILED_AT_ATTRIBUTE)
#: Only the relay's own dead letters have this attribute. If SQS moves a parked message, it has the error code
#: with which it was parked.
_MOVED_BY_RELAY = FAILED_AT_ATTRIBUTE


@dataclass(slots=True)
class Verdict:
    """The result of a run. `failures`: the markers of the events, by the check that failed for them."""

    seed: int
    events: int
    delivered: int = 0
    lost: int = 0
    duplicates: int = 0
    duplicates_unexplained: int = 0
    over_quota: int = 0
    max_connections: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    failures: dict[str, list[str]] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether every check holds."""
        return not self.failures and self.over_quota == 0 and self.max_connections <= CONNECTIONS

    def as_json(self) -> dict[str, Any]:
        """Return the content of bench/chaos.json."""
        return {
            "seed": self.seed,
            "events": self.events,
            "delivered": self.delivered,
            "lost": self.lost,
            "duplicates": self.duplicates,
            "duplicates_unexplained": self.duplicates_unexplained,
            "over_quota": self.over_quota,
            "max_connections": self.max_connections,
            "outcomes": self.outcomes,
            **self.details,
        }

    def fail(self, check: str, marker: str) -> None:
        """Note that a check fails for an event."""
        self.failures.setdefault(check, []).append(marker)


def judge(
    planned: list[Planned], facts: Facts, source: EventSource, evidence: Evidence, services: Services
) -> Verdict:
    """Compare the plan with the evidence, and return the verdict."""
    verdict = Verdict(services.seed, len(planned))
    counts: Counter[str] = Counter()
    split: Counter[str] = Counter()
    dead = _Dead(evidence.dead_pushes(), evidence.dead_events())
    for event in planned:
        for to in sorted(event.recipients):
            _check_sendings((event.marker, to), event, evidence, verdict)
        outcomes = list(_outcomes(event, facts, evidence, dead, verdict))
        counts.update(outcomes)
        if event.way in SPLIT:
            split.update(outcomes)
    _check_recipients(planned, evidence, verdict)
    verdict.delivered = counts[Outcome.DELIVERED]
    verdict.lost = counts["lost"]
    verdict.over_quota = sum(each.sandbox.record.counts.over_quota for each in services.organisations)
    verdict.max_connections = max(
        each.sandbox.account.usage().max_connections for each in services.organisations
    )
    verdict.outcomes = dict(sorted(counts.items()))
    _check_receives(planned, source, verdict)
    _check_order(planned, facts, evidence, verdict)
    _check_invariant(evidence, verdict)
    verdict.details = _details(facts, source, evidence, services)
    check_split_requests(planned, facts, source, evidence, verdict)
    verdict.details["split_outcomes"] = dict(sorted(split.items()))
    return verdict


class _Dead(NamedTuple):
    """The dead letters of single pushes, and those of whole events by their markers."""

    pushes: dict[PushId, DeadLetter]
    events: dict[str, DeadLetter]


def _outcomes(
    event: Planned, facts: Facts, evidence: Evidence, dead: _Dead, verdict: Verdict
) -> Iterator[str]:
    """Yield the outcome of each of an event's pushes, or of the event itself if it must reach nobody."""
    if event.marker not in facts.accepted:
        yield _outcome_of_not_accepted(event, facts, verdict)
        return
    if not event.recipients:
        yield _outcome_without_recipients(event, facts, evidence, dead.events, verdict)
    for to in sorted(event.recipients):
        dead_letter = dead.pushes.get((event.marker, to)) or dead.events.get(event.marker)
        outcome = _outcome_of_push((event.marker, to), evidence, dead_letter, verdict)
        if outcome == _CRASHED and event.way not in _MAY_CRASH:
            verdict.fail("dead-lettered for a neighbour's crash", event.marker)
        if outcome == Outcome.EXPIRED and event.kind is not Kind.BRIEF:
            verdict.fail("expired before its time", event.marker)
        yield outcome


def _outcome_of_push(
    push_id: PushId, evidence: Evidence, dead_letter: DeadLetter | None, verdict: Verdict
) -> str:
    """Return the outcome of one push, and check that each second push has a reason."""
    marker, _ = push_id
    shown, doubts = evidence.shown[push_id], evidence.doubts.get(push_id, [])
    if _is_held(push_id):
        # Under the policy `hold`, an unknown fate does not allow a second push.
        doubts = [doubt for doubt in doubts if doubt != UNKNOWN]
    verdict.duplicates += max(0, shown - 1)
    unexplained = max(0, shown - 1 - len(doubts))
    if unexplained:
        verdict.duplicates_unexplained += unexplained
        verdict.fail("shown twice without a reason", marker)
    if evidence.refused[push_id] > 1 + len(doubts):
        verdict.fail("refused permanently, and tried again", marker)
    if shown:
        return Outcome.DELIVERED
    if dead_letter and _has_crashed(dead_letter):
        return _CRASHED
    if dead_letter:
        if any(not dead_letter.attributes.get(name) for name in _REASON_ATTRIBUTES):
            verdict.fail("dead-lettered without a reason", marker)
        return Outcome.FAILED
    if Outcome.EXPIRED in evidence.closed.get(push_id, ()):
        return Outcome.EXPIRED
    verdict.fail("lost", marker)
    return "lost"


def _is_held(push_id: PushId) -> bool:
    """Return whether the policy of a push's account is `hold`."""
    return push_id[1].startswith(f"{SECOND}/")


def _check_sendings(push_id: PushId, event: Planned, evidence: Evidence, verdict: Verdict) -> None:
    """Check that a push of unknown fate is not sent more often than its policy allows, for each replay."""
    allowed = (1 if _is_held(push_id) else 1 + Account().resends) * (1 + evidence.replayed[push_id])
    if evidence.unknown[push_id] > allowed:
        verdict.fail("sent more often than the cap", event.marker)


def _check_order(planned: list[Planned], facts: Facts, evidence: Evidence, verdict: Verdict) -> None:
    """Check that the pushes of a FIFO group are shown in the order in which their events were sent.

    An event that its queue has given up may be shown later: when a person replays it, or from the backlog.
    """
    last_call: dict[tuple[int, str], int] = {}
    sent = sorted((e for e in planned if e.way is Way.FIFO), key=lambda event: event.copies[0])
    for event in sent:
        for account in event.whose.accounts:
            push_id = (event.marker, recipient_name(account, f"user:{event.marker}"))
            call = evidence.order.get(push_id)
            if call is None or evidence.replayed[push_id] or event.marker in facts.out_of_order:
                continue
            group = (fifo_group(event.marker), account)
            if last_call.get(group, 0) > call:
                verdict.fail("out of its group's order", event.marker)
            last_call[group] = call


def _has_crashed(dead_letter: DeadLetter) -> bool:
    attributes = dead_letter.attributes
    return _MOVED_BY_RELAY not in attributes or attributes.get(REASON_ATTRIBUTE) == _CRASHED


def _outcome_without_recipients(
    event: Planned, facts: Facts, evidence: Evidence, dead_events: dict[str, DeadLetter], verdict: Verdict
) -> str:
    """Return the outcome of an event that must reach nobody."""
    event_id = facts.event_ids.get(event.marker, event.marker)
    if event.kind is Kind.NOBODY and event_id in evidence.filtered:
        return Outcome.FILTERED
    dead_letter = dead_events.get(event.marker)
    error_code = dead_letter.attributes.get(REASON_ATTRIBUTE) if dead_letter else None
    if event.kind is Kind.BROKEN and error_code == rejection_code(event):
        return Outcome.REJECTED
    if any(map(_has_crashed, evidence.dead_letters_of(event.marker))):
        if event.kind is not Kind.POISON and event.way in SPLIT:
            verdict.fail("dead-lettered for a neighbour's crash", event.marker)
        return _CRASHED
    verdict.fail("lost", event.marker)
    return "lost"


def _outcome_of_not_accepted(event: Planned, facts: Facts, verdict: Verdict) -> str:
    if event.marker in facts.refused:
        return Outcome.REJECTED
    if event.kind is Kind.FORGED:
        verdict.fail("forged, and not refused", event.marker)
    return "not accepted"


def _check_recipients(planned: list[Planned], evidence: Evidence, verdict: Verdict) -> None:
    """Check that nobody has received a push that was meant for somebody else."""
    expected = {(event.marker, to) for event in planned for to in event.recipients}
    for push_id, times in evidence.shown.items():
        if times and push_id not in expected:
            verdict.fail("shown to the wrong person", push_id[0])


def _check_receives(planned: list[Planned], source: EventSource, verdict: Verdict) -> None:
    """Check that no message was received more often than the queue's redrive policy allows."""
    if any(times > MAX_RECEIVES for times in source.receives.values()):
        verdict.fail("received too often", planned[0].marker)


def _check_invariant(evidence: Evidence, verdict: Verdict) -> None:
    """Check that each push has exactly one receipt each time it is taken up, unless its worker is killed."""
    for worker in evidence.unbalanced:
        verdict.fail("the invariant does not add up", worker)
    if evidence.taken_up != evidence.in_hand + evidence.receipts.total():
        verdict.fail("the invariant does not add up", "all workers")


def _handlings(evidence: Evidence) -> dict[str, float]:
    """Return how often events were handled that waited for an account: when they came, and by each drain."""
    counts = [1 + drained for drained in evidence.drained.values()]
    return {
        "events": len(counts),
        "mean": round(sum(counts) / max(1, len(counts)), 2),
        "max": max(counts, default=0),
        "more_than_3": sum(count > MAX_HANDLINGS for count in counts),
    }


def _details(facts: Facts, source: EventSource, evidence: Evidence, services: Services) -> dict[str, Any]:
    doubts = Counter(
        reason
        for push_id, reasons in evidence.doubts.items()
        for reason in reasons
        if evidence.shown[push_id] > 1
    )
    counts = [each.sandbox.record.counts for each in services.organisations]
    return {
        "handlings": _handlings(evidence),
        "taken_up": evidence.taken_up,
        "in_hand_when_killed": evidence.in_hand,
        "receipts": dict(sorted(evidence.receipts.items())),
        "duplicates_explained_by": dict(doubts),
        "calls": sum(each.calls for each in counts),
        "accounts": {
            each.account: {
                "calls": each.sandbox.record.counts.calls,
                "daily_calls": each.daily_calls,
                "over_quota": each.sandbox.record.counts.over_quota,
                "max_connections": each.sandbox.account.usage().max_connections,
            }
            for each in services.organisations
        },
        "faults": sum(each.faults for each in counts),
        "kills": dict(sorted(evidence.killed_at.items())),
        "handed_out_twice": source.handed_twice,
        "invocations": facts.invocations,
        "hours_passed": round(facts.jumped_secs / 3600, 1),
    }

"""The verdict: what was sent against what was shown, dead-lettered, or ended otherwise, push by push."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from chaos.driver import Facts
from chaos.evidence import UNKNOWN, DeadLetter, Evidence, Told
from chaos.plan import Kind, Planned, Way, fifo_group
from chaos.source import EventSource
from chaos.stage import MAX_RECEIVES, Stage
from chaos.vendor_faults import Spell
from push_relay.core.account import Account
from push_relay.core.errors import Crashed
from push_relay.core.outcomes import Outcome

#: What an outage may cost of each day's calls, and what it may cost at least.
OUTAGE_SHARE, LEAST_CALLS = 0.02, 20
CONNECTIONS = 3
#: Ways of which an innocent event can be dead-lettered as crashed: a FIFO queue of the deployer's own counts
#: each receive, and Lambda gives up an invocation after three attempts.
_MAY_CRASH = frozenset({Way.FIFO, Way.INVOKED})
#: Dead-lettered after its crashes, by the relay or by SQS, or by Lambda after its attempts.
_CRASHED = Crashed.code
_WHY = ("error_code", "source", "event_id", "failed_at")
#: What only the relay's own dead letters say: what SQS has moved may bear the code that it was parked with.
_LAID_ASIDE = "failed_at"


@dataclass(slots=True)
class Verdict:
    """What a run proved. `offending` names the events of each check that failed."""

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
    offending: dict[str, list[str]] = field(default_factory=dict)

    @property
    def stands(self) -> bool:
        """Tell whether every check holds."""
        return not self.offending and self.over_quota == 0 and self.max_connections <= 3  # noqa: PLR2004

    def as_json(self) -> dict[str, Any]:
        """Write it for bench/chaos.json."""
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

    def offend(self, check: str, marker: str) -> None:
        """Note an event for which a check fails."""
        self.offending.setdefault(check, []).append(marker)


def judge(
    planned: list[Planned], facts: Facts, source: EventSource, evidence: Evidence, stage: Stage
) -> Verdict:
    """Hold the evidence against the plan."""
    verdict = Verdict(stage.seed, len(planned))
    counts: Counter[str] = Counter()
    dead_told, dead_whole = evidence.dead_told(), evidence.dead_whole()
    for event in planned:
        for to in sorted(event.told):
            _sent_too_often((event.marker, to), event, evidence, verdict)
        if event.marker not in facts.let_in:
            counts[_not_let_in(event, facts, verdict)] += 1
            continue
        if not event.told:
            counts[_told_nobody(event, evidence, dead_whole, verdict)] += 1
        for to in sorted(event.told):
            letter = dead_told.get((event.marker, to)) or dead_whole.get(event.marker)
            ended = _push((event.marker, to), event, evidence, letter, verdict)
            if ended == _CRASHED and event.way not in _MAY_CRASH:
                verdict.offend("dead-lettered for a neighbour's crash", event.marker)
            if ended == Outcome.EXPIRED and event.kind is not Kind.BRIEF:
                verdict.offend("expired before its time", event.marker)
            counts[ended] += 1
    _nothing_else(planned, evidence, verdict)
    verdict.delivered = counts[Outcome.DELIVERED]
    verdict.lost = counts["lost"]
    verdict.over_quota = stage.sandbox.record.counts.over_quota
    verdict.max_connections = stage.sandbox.account.usage().max_connections
    verdict.outcomes = dict(sorted(counts.items()))
    _poison(planned, source, verdict)
    _order(planned, evidence, verdict)
    _invariant(evidence, verdict)
    verdict.details = _details(facts, source, evidence, stage)
    return verdict


def _push(told: Told, event: Planned, evidence: Evidence, letter: DeadLetter | None, verdict: Verdict) -> str:
    """Tell what became of one push, and count how often it was shown."""
    marker, _ = told
    shown, doubts = evidence.shown[told], evidence.doubts.get(told, [])
    if event.way is Way.FIFO:
        doubts = [doubt for doubt in doubts if doubt != UNKNOWN]  # under `hold` it excuses no second push
    verdict.duplicates += max(0, shown - 1)
    unexplained = max(0, shown - 1 - len(doubts))
    if unexplained:
        verdict.duplicates_unexplained += unexplained
        verdict.offend("shown twice without a reason", marker)
    if evidence.refused[told] > 1 + len(doubts):
        verdict.offend("refused for good, and tried again", marker)
    if shown:
        return Outcome.DELIVERED
    if letter and _has_crashed(letter):
        return _CRASHED
    if letter:
        if any(not letter.attributes.get(name) for name in _WHY):
            verdict.offend("dead-lettered without a reason", marker)
        return Outcome.FAILED
    if Outcome.EXPIRED in evidence.closed.get(told, ()):
        return Outcome.EXPIRED
    verdict.offend("lost", marker)
    return "lost"


def _sent_too_often(told: Told, event: Planned, evidence: Evidence, verdict: Verdict) -> None:
    """Check that a push of unknown fate is sent no more often than its policy allows, replays apart."""
    is_held = event.way is Way.FIFO
    sendings = (1 if is_held else 1 + Account().resends) * (1 + evidence.replayed[told])
    if evidence.unknown[told] > sendings:
        verdict.offend("sent more often than the cap", event.marker)


def _order(planned: list[Planned], evidence: Evidence, verdict: Verdict) -> None:
    """Check that the pushes of a FIFO group to a recipient are shown in the order in which they were sent."""
    last: dict[int, tuple[int, int]] = {}
    sent = sorted((e for e in planned if e.way is Way.FIFO), key=lambda event: event.copies[0])
    for number, event in enumerate(sent):
        told = (event.marker, f"user:{event.marker}")
        shown = evidence.order.get(told)
        if shown is None or evidence.replayed[told]:
            continue
        group = fifo_group(event.marker)
        if group in last and last[group][1] > shown:
            verdict.offend("out of its group's order", event.marker)
        last[group] = (number, shown)


def judge_spells(spells: Sequence[Spell], daily_calls: int, verdict: Verdict) -> None:
    """Check what the times cost in which the vendor refused every call: 2 % of the calls of each day."""
    for spell in spells:
        allowed = calls_allowed(spell, daily_calls)
        if spell.calls > allowed:
            verdict.offend("calls wasted in an outage", f"{spell.kind} {spell.hours:.1f} h: {spell.calls}")
    verdict.details["calls_wasted"] = sum(spell.calls for spell in spells)
    verdict.details["outages"] = [
        f"{spell.kind} {spell.hours:.1f} h: {spell.calls} of {calls_allowed(spell, daily_calls)}"
        for spell in spells
    ]


def calls_allowed(spell: Spell, daily_calls: int) -> int:
    """Return the calls that an outage may cost: a share of each day, and those in flight when it begins."""
    days = math.ceil(spell.hours / 24)
    return days * max(LEAST_CALLS, math.ceil(daily_calls * OUTAGE_SHARE)) + CONNECTIONS


def _has_crashed(letter: DeadLetter) -> bool:
    return _LAID_ASIDE not in letter.attributes or letter.attributes.get("error_code") == _CRASHED


def _told_nobody(event: Planned, evidence: Evidence, dead: dict[str, DeadLetter], verdict: Verdict) -> str:
    """Tell what became of an event that has to reach nobody."""
    letters = evidence.letters_of(event.marker)
    if event.kind is Kind.NOBODY and event.marker in evidence.filtered:
        return Outcome.FILTERED
    letter = dead.get(event.marker)
    if event.kind is Kind.BROKEN and letter and letter.attributes.get("error_code") == "schema_violation":
        return Outcome.REJECTED
    if any(map(_has_crashed, letters)):
        return _CRASHED
    verdict.offend("lost", event.marker)
    return "lost"


def _not_let_in(event: Planned, facts: Facts, verdict: Verdict) -> str:
    if event.marker in facts.turned_away:
        return Outcome.REJECTED
    if event.kind is Kind.FORGED:
        verdict.offend("forged, and not refused", event.marker)
    return "not let in"


def _nothing_else(planned: list[Planned], evidence: Evidence, verdict: Verdict) -> None:
    """Check that nobody was shown what was not meant for them."""
    meant = {(event.marker, to) for event in planned for to in event.told}
    for told, times in evidence.shown.items():
        if times and told not in meant:
            verdict.offend("shown to the wrong person", told[0])


def _poison(planned: list[Planned], source: EventSource, verdict: Verdict) -> None:
    """Check that no message was received more often than the queue allows."""
    if any(times > MAX_RECEIVES for times in source.receives.values()):
        verdict.offend("received too often", planned[0].marker)


def _invariant(evidence: Evidence, verdict: Verdict) -> None:
    """Check that each push ended in one receipt each time that it was taken up, if its worker lived."""
    for worker in evidence.uneven:
        verdict.offend("the invariant does not add up", worker)
    if evidence.taken != evidence.in_hand + evidence.receipts.total():
        verdict.offend("the invariant does not add up", "all workers")


def _details(facts: Facts, source: EventSource, evidence: Evidence, stage: Stage) -> dict[str, Any]:
    doubts = Counter(
        why for told, all_of in evidence.doubts.items() for why in all_of if evidence.shown[told] > 1
    )
    counts = stage.sandbox.record.counts
    return {
        "taken_up": evidence.taken,
        "in_hand_when_killed": evidence.in_hand,
        "receipts": dict(sorted(evidence.receipts.items())),
        "duplicates_explained_by": dict(doubts),
        "calls": counts.calls,
        "daily_calls": stage.daily_calls,
        "faults": counts.faults,
        "kills": dict(sorted(evidence.killed_at.items())),
        "handed_out_twice": source.handed_twice,
        "invocations": facts.invocations,
        "hours_passed": round(facts.jumped_secs / 3600, 1),
    }

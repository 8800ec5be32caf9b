"""The verdict about outages: what they cost, and that one organisation's outage delays no push of another."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from chaos.driver import Facts
from chaos.evidence import Evidence
from chaos.plan import Kind, Planned, Way, recipient_name
from chaos.run_calendar import LongOutage
from chaos.vendor_faults import Outage

if TYPE_CHECKING:
    from chaos.verdict import Verdict

#: An outage may cost this share of each day's calls.
OUTAGE_SHARE: Final = 0.02
#: An outage may cost this many calls each day, even if the share is less.
OUTAGE_MIN_CALLS: Final = 20
CONNECTIONS: Final = 3
WASTED: Final = "calls wasted in an outage"
MISSING: Final = "planned, and did not happen"
DELAYED: Final = "delayed by another organisation's outage"
#: A push is on time if it is shown so long after its event was accepted. Its own vendor's constant faults
#: and killed probes stop its calls for up to an hour, but the other organisation's outage lasts for a day.
_ON_TIME_SECS: Final = 6 * 3600.0
#: Of the pushes of the organisation that works, at least this share must be on time. Its vendor's constant
#: faults delay some of them, and its calls of the day may be used up.
_ON_TIME_SHARE: Final = 0.8
#: After an organisation's own outage, its pushes are not judged for this time.
_RECOVERY_SECS: Final = 3600.0
#: An outage is not judged if there are fewer pushes of the other organisation.
_ENOUGH_PUSHES: Final = 20
#: Others wait for their group, for their batch window, or expire.
_JUDGED_KINDS: Final = frozenset({Kind.PLAIN, Kind.URGENT, Kind.FAN})

type Outages = Mapping[str, Sequence[Outage]]


def judge_costs(outages: Outages, daily_calls: Mapping[str, int], verdict: "Verdict") -> None:
    """Check that no outage costs more calls than it may, and add the costs to the verdict.

    Both mappings are by account.
    """
    lines: list[str] = []
    for account, each in outages.items():
        for outage in each:
            allowed = calls_allowed(outage, daily_calls[account])
            line = f"{account} {outage.kind} {outage.hours:.1f} h: {outage.calls}"
            if outage.calls > allowed:
                verdict.fail(WASTED, line)
            lines.append(f"{line} of {allowed}")
    verdict.details["calls_wasted"] = sum(outage.calls for each in outages.values() for outage in each)
    verdict.details["outages"] = lines


def calls_allowed(outage: Outage, daily_calls: int) -> int:
    """Return the calls that an outage may cost: a share of each day, and those in flight when it begins."""
    days = math.ceil(outage.hours / 24)
    return days * max(OUTAGE_MIN_CALLS, math.ceil(daily_calls * OUTAGE_SHARE)) + CONNECTIONS


@dataclass(frozen=True, slots=True)
class LongOutages:
    """Judges the outages of a day: each must happen, and the other organisations must work in the meantime.

    outages  the outages that have happened, by account
    """

    planned: Sequence[Planned]
    outages: Outages
    facts: Facts
    evidence: Evidence

    def judge(self, long_outages: Sequence[LongOutage], verdict: "Verdict") -> None:
        """Judge the outages that were planned, and add to the verdict how many pushes were on time."""
        on_time: dict[str, str] = {}
        for long in long_outages:
            happened = next((each for each in self.outages[long.account] if each.kind == long.kind), None)
            if happened is None:
                verdict.fail(MISSING, long.kind)
                continue
            for account in self.outages:
                if account != long.account:
                    late, judged = self._late(account, happened)
                    on_time[f"{account} while {long.account} was {long.kind}"] = (
                        f"{judged - late} of {judged}"
                    )
                    if judged >= _ENOUGH_PUSHES and judged - late < _ON_TIME_SHARE * judged:
                        verdict.fail(DELAYED, f"{account}: {late} of {judged}")
        if long_outages:
            verdict.details["on_time"] = on_time

    def _late(self, account: str, outage: Outage) -> tuple[int, int]:
        """Return how many of an account's pushes were late in another's outage, and how many were judged."""
        late = judged = 0
        for event in self.planned:
            push_id = (event.marker, recipient_name(account, f"user:{event.marker}"))
            accepted_at = self.facts.accepted.get(event.marker)
            if (
                accepted_at is not None
                and push_id[1] in event.recipients
                and event.way is not Way.FIFO
                and event.kind in _JUDGED_KINDS
                and outage.begun_at <= accepted_at <= outage.ends_at - _ON_TIME_SECS
                and push_id not in self.evidence.scarce
                and not self._is_down(account, accepted_at)
            ):
                judged += 1
                late += self.evidence.shown_at.get(push_id, math.inf) - accepted_at > _ON_TIME_SECS
        return late, judged

    def _is_down(self, account: str, accepted_at: float) -> bool:
        """Return whether an account's own vendor is down, or has been down shortly before."""
        return any(
            each.begun_at <= accepted_at <= each.ends_at + _RECOVERY_SECS for each in self.outages[account]
        )

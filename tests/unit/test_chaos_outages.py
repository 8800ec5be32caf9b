"""The outages of a chaos run: when the vendor fails, what that may cost, and whom it may delay."""

import random
from types import SimpleNamespace
from typing import Any

import pytest

from chaos.driver import Facts
from chaos.evidence import Evidence
from chaos.outage_verdict import DELAYED, MISSING, WASTED, LongOutages, judge_costs
from chaos.plan import Kind, Planned, Way, Whose
from chaos.run_calendar import LongOutage
from chaos.vendor_faults import Outage, VendorFaults
from chaos_runs import GoodRun
from sandbox import Faults

HOUR, DAY = 3600.0, 86_400.0


@pytest.mark.parametrize(
    ("hours", "daily_calls", "calls", "holds"),
    [
        (10.0, 2500, 53, True),
        (10.0, 2500, 54, False),
        (30.0, 2500, 103, True),
        (1.0, 60, 23, True),
        (1.0, 60, 24, False),
    ],
)
def test_an_outage_may_cost_2_percent_of_each_days_calls(
    hours: float, daily_calls: int, calls: int, *, holds: bool
) -> None:
    """At least 20 calls are allowed each day, and 3 more may be in flight when the outage begins."""
    verdict = GoodRun().verdict()
    outages = {"default": [Outage("down", 0.0, hours * HOUR, 0, calls)], "second": []}
    judge_costs(outages, {"default": daily_calls, "second": 1}, verdict)
    assert (WASTED not in verdict.failures) is holds
    assert verdict.details["calls_wasted"] == calls
    assert verdict.details["outages"][0].startswith(f"default down {hours:.1f} h: {calls} of ")


# --- the vendor -----------------------------------------------------------------------------------------


class Vendor:
    """The faults of one organisation, with a clock and a count of calls that the test moves."""

    def __init__(self, *long_outages: LongOutage, seed: int = 1) -> None:
        self.now = 0.0
        self.record = SimpleNamespace(last=0)
        self.in_force = Faults()
        sandbox = SimpleNamespace(record=self.record, faults=self.in_force)
        organisation: Any = SimpleNamespace(
            account="default",
            sandbox=sandbox,
            rotate_at_vendor=lambda: "key",
            rotate_secret=lambda *_: None,
        )
        services: Any = SimpleNamespace(run_clock=SimpleNamespace(now=lambda: self.now), aws=None)
        dice = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self.faults = VendorFaults(services, organisation, dice, (1, 5), long_outages)
        self.faults.begin()

    def call(self, calls: int = 1) -> None:
        """Count calls, and let the faults change."""
        self.record.last += calls
        self.faults.change()

    @property
    def statuses(self) -> list[int | None]:
        """The statuses that every call gets; none if the vendor works."""
        return [each.status for each in self.in_force.in_force() if each.probability == 1 and not each.times]


LONG = LongOutage("default", "down for a day", 503, 5 * DAY, 24.5)


def test_an_outage_of_a_day_begins_and_ends_by_the_clock() -> None:
    """No call is needed for that, so it happens in every long run."""
    vendor = Vendor(LONG)
    assert vendor.faults.next_due == LONG.begins
    vendor.now = LONG.begins
    vendor.call(0)
    assert vendor.statuses == [503]
    assert vendor.faults.next_due == LONG.begins + 24.5 * HOUR
    vendor.call(9)
    vendor.now = LONG.begins + 24.5 * HOUR
    vendor.call(0)
    assert (vendor.statuses, vendor.faults.next_due) == ([], None)
    assert [(each.kind, each.hours, each.calls) for each in vendor.faults.outages] == [(LONG.kind, 24.5, 9)]


def test_an_outage_of_another_organisation_begins_nothing() -> None:
    """The sandboxes fail independently."""
    vendor = Vendor(LongOutage("second", "down for a day", 503, 5 * DAY, 24.5))
    assert vendor.faults.next_due is None
    vendor.now = 5 * DAY
    vendor.call(0)
    assert vendor.statuses == []


@pytest.mark.parametrize(("days", "begins"), [(0.0, True), (4.9, False), (5.9, False), (8.0, True)])
def test_no_other_outage_begins_near_an_outage_of_a_day(days: float, *, begins: bool) -> None:
    """It would overlap with it. And the organisation that works must not wait for a vendor of its own."""
    kinds = set()
    for seed in range(30):
        vendor = Vendor(LongOutage("second", "down for a day", 503, 5 * DAY, 24.5), seed=seed)
        vendor.now = days * DAY
        vendor.call(40)
        kinds.update(vendor.faults.happened)
    assert ({"down for hours", "throttled for hours", "resets"} <= kinds) is begins
    assert (kinds == {"rotation", "slow"}) is not begins


def test_a_run_without_an_outage_of_a_day_has_every_important_fault_first() -> None:
    """Even the shortest run proves something."""
    vendor = Vendor()
    for _ in range(4):
        vendor.call(40)
        vendor.now += DAY
        vendor.call(0)
    assert vendor.faults.happened[:2] == ["rotation", "throttled for hours"]


# --- whom an outage delays ------------------------------------------------------------------------------


class LongRun:
    """A run of a day in which the vendor of `default` is down and each push of `second` is shown at once."""

    def __init__(self) -> None:
        self.planned = [
            Planned(f"m{number:07}", Kind.PLAIN, Way.PUSH, (0.0,), whose=Whose.SECOND) for number in range(25)
        ]
        self.facts, self.evidence = Facts(), Evidence()
        for event in self.planned:
            self.facts.accepted[event.marker] = LONG.begins + HOUR
            self.show(event, 10.0)
        self.outages = {
            "default": [Outage(LONG.kind, LONG.begins, LONG.begins + 24.5 * HOUR, 0, 5)],
            "second": list[Outage](),
        }

    def show(self, event: Planned, after_secs: float) -> None:
        """Let an event's push be shown so long after its event was accepted."""
        shown_at = self.facts.accepted[event.marker] + after_secs
        self.evidence.shown_at[event.marker, f"second/user:{event.marker}"] = shown_at

    def failures(self) -> dict[str, list[str]]:
        """Return what fails."""
        verdict = GoodRun().verdict()
        LongOutages(self.planned, self.outages, self.facts, self.evidence).judge([LONG], verdict)
        self.on_time = verdict.details["on_time"]
        return verdict.failures


def test_the_pushes_of_the_organisation_that_works_are_on_time() -> None:
    """The report has their number."""
    run = LongRun()
    assert run.failures() == {}
    assert run.on_time == {"second while default was down for a day": "25 of 25"}


def test_pushes_that_wait_for_another_organisations_vendor_fail_the_run() -> None:
    """A few may be late, because a vendor that works has small faults too."""
    run = LongRun()
    for event in run.planned[:5]:
        run.show(event, 10 * HOUR)
    assert run.failures() == {}
    run.evidence.shown_at.clear()
    assert run.failures() == {DELAYED: ["second: 25 of 25"]}


@pytest.mark.parametrize("reason", ["its own vendor was down", "its calls were used up", "too few pushes"])
def test_pushes_that_have_their_own_reason_to_wait_are_not_judged(reason: str) -> None:
    """Only the other organisation's outage is judged."""
    run = LongRun()
    run.evidence.shown_at.clear()
    match reason:
        case "its own vendor was down":
            run.outages["second"].append(Outage("down", LONG.begins, LONG.begins + 0.5 * HOUR, 0))
        case "its calls were used up":
            run.evidence.scarce = {(each.marker, f"second/user:{each.marker}") for each in run.planned}
        case _:
            run.planned = run.planned[:10]
    assert run.failures() == {}


def test_an_outage_of_a_day_that_did_not_happen_fails_the_run() -> None:
    """The run would prove less than its report shows."""
    run = LongRun()
    run.outages["default"].clear()
    assert run.failures() == {MISSING: [LONG.kind]}

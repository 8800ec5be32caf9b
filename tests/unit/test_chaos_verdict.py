"""The verdict of the chaos run: it fails if a push is lost, shown twice without a reason, or over a limit."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from chaos.driver import Facts
from chaos.evidence import UNKNOWN
from chaos.parallel_runs import _total
from chaos.plan import Kind, Planned, Way, Whose, make_plan
from chaos.verdict import judge
from chaos_runs import MARKER, PUSH_ID, REASON, GoodRun, dead_letter


def test_a_good_run_holds() -> None:
    """Its only push was delivered."""
    verdict = GoodRun().verdict()
    assert verdict.holds
    assert (verdict.delivered, verdict.outcomes) == (1, {"delivered": 1})


def lose(run: GoodRun) -> None:
    """Let the push not be shown."""
    run.evidence.shown.clear()


def show_again(run: GoodRun) -> None:
    """Let the push be shown a second time."""
    run.evidence.shown[PUSH_ID] += 1


def show_to_somebody_else(run: GoodRun) -> None:
    """Let the push be shown to a wrong recipient too."""
    run.evidence.shown[MARKER, "user:somebody"] = 1


def refuse_twice(run: GoodRun) -> None:
    """Let the vendor refuse the push twice."""
    run.evidence.refused[PUSH_ID] = 2


def exceed_the_quota(run: GoodRun) -> None:
    """Let the relay make one call too many."""
    run.counts.over_quota = 1


def exceed_the_connections(run: GoodRun) -> None:
    """Let the relay open one connection too many."""
    run.usage.max_connections = 4


def receive_too_often(run: GoodRun) -> None:
    """Let a message be received once more than the redrive policy allows."""
    run.source.receives["m"] += 1


def dead_letter_without_a_source(run: GoodRun) -> None:
    """Let the event be dead-lettered without the name of its source."""
    lose(run)
    run.evidence.dead = [dead_letter(**{**REASON, "source": ""})]


def crash(run: GoodRun) -> None:
    """Let SQS move the event to the dead-letter queue, although it crashes nobody."""
    lose(run)
    run.evidence.dead = [dead_letter()]


def send_too_often(run: GoodRun) -> None:
    """Let the push be sent three times without knowing whether it was shown."""
    run.evidence.unknown[PUSH_ID] = 3


def expire(run: GoodRun) -> None:
    """Let the push expire."""
    lose(run)
    run.evidence.closed[PUSH_ID] = {"expired"}


FAULTS: list[tuple[Callable[[GoodRun], None], str]] = [
    (lose, "lost"),
    (expire, "expired before its time"),
    (crash, "dead-lettered for a neighbour's crash"),
    (send_too_often, "sent more often than the cap"),
    (show_again, "shown twice without a reason"),
    (show_to_somebody_else, "shown to the wrong person"),
    (refuse_twice, "refused permanently, and tried again"),
    (receive_too_often, "received too often"),
    (dead_letter_without_a_source, "dead-lettered without a reason"),
]


@pytest.mark.parametrize(("inject", "check"), FAULTS, ids=[check for _, check in FAULTS])
def test_a_fault_fails_the_run_with_the_name_of_the_check(
    inject: Callable[[GoodRun], None], check: str
) -> None:
    """The verdict names the event too, so that its journals can be printed."""
    run = GoodRun()
    inject(run)
    verdict = run.verdict()
    assert not verdict.holds
    assert verdict.failures == {check: [MARKER]}


@pytest.mark.parametrize("inject", [exceed_the_quota, exceed_the_connections])
def test_an_exceeded_limit_fails_the_run(inject: Callable[[GoodRun], None]) -> None:
    """The sandbox counts the calls and connections for the whole run, so no event is named."""
    run = GoodRun()
    inject(run)
    assert not run.verdict().holds


def test_each_doubt_explains_one_second_push() -> None:
    """A third push needs a second doubt."""
    run = GoodRun()
    show_again(run)
    run.evidence.doubts[PUSH_ID].append("killed between sending and settling")
    verdict = run.verdict()
    assert verdict.holds
    assert (verdict.duplicates, verdict.duplicates_unexplained) == (1, 0)
    show_again(run)
    verdict = run.verdict()
    assert (verdict.duplicates, verdict.duplicates_unexplained) == (2, 1)
    assert not verdict.holds


@pytest.mark.parametrize(
    ("kind", "attributes", "outcome"),
    [
        (Kind.PLAIN, REASON, "failed"),
        (Kind.POISON, {}, "crashed"),
        (Kind.POISON, {"error_code": "crashed", "failed_at": "now"}, "crashed"),
        (Kind.BROKEN, {"error_code": "schema_violation"}, "rejected"),
    ],
)
def test_a_dead_letter_is_not_lost(kind: Kind, attributes: dict[str, str], outcome: str) -> None:
    """A person can see it and replay it."""
    run = GoodRun(kind)
    lose(run)
    run.evidence.dead = [dead_letter(**attributes)]
    assert run.verdict().outcomes == {outcome: 1}


@pytest.mark.parametrize("kind", [Kind.NOBODY, Kind.BROKEN, Kind.POISON])
def test_an_event_without_recipients_must_have_an_outcome(kind: Kind) -> None:
    """If it disappeared silently, its sender would never know why nobody received a push."""
    run = GoodRun(kind)
    lose(run)
    assert run.verdict().failures == {"lost": [MARKER]}


def test_a_forged_event_must_be_refused() -> None:
    """Otherwise the relay's signature check would be worthless."""
    run = GoodRun(Kind.FORGED)
    lose(run)
    run.facts = Facts()
    assert run.verdict().failures == {"forged, and not refused": [MARKER]}
    run.facts = Facts(refused={MARKER: 401})
    assert run.verdict().outcomes == {"rejected": 1}


def test_each_replay_allows_the_sendings_once_more() -> None:
    """A person who replays a push wants it to be sent again."""
    run = GoodRun()
    run.evidence.unknown[PUSH_ID] = 2
    assert run.verdict().holds
    run.evidence.unknown[PUSH_ID] = 4
    run.evidence.replayed[PUSH_ID] = 1
    assert run.verdict().holds


def test_under_hold_an_unknown_fate_does_not_explain_a_second_push() -> None:
    """The second organisation's account has the policy `hold`, so such a push is sent once."""
    run = GoodRun(whose=Whose.SECOND)
    push_id = (MARKER, f"second/{PUSH_ID[1]}")
    run.evidence.shown = Counter([push_id])
    run.evidence.unknown[push_id] = 2
    assert run.verdict().failures == {"sent more often than the cap": [MARKER]}
    run.evidence.unknown[push_id] = 1
    assert run.verdict().holds
    run.evidence.shown[push_id] += 1
    run.evidence.doubts[push_id].append(UNKNOWN)
    assert run.verdict().failures == {"shown twice without a reason": [MARKER]}


def test_the_report_counts_how_often_a_waiting_event_was_handled() -> None:
    """An event that never waited for its account is not among them."""
    run = GoodRun()
    assert run.verdict().details["handlings"] == {"events": 0, "mean": 0.0, "max": 0, "more_than_3": 0}
    run.evidence.drained.update({(MARKER, "default"): 3, (MARKER, "second"): 1})
    assert run.verdict().details["handlings"] == {"events": 2, "mean": 3.0, "max": 4, "more_than_3": 1}


@pytest.mark.parametrize(
    ("kind", "way"), [(Kind.PLAIN, Way.FIFO), (Kind.PLAIN, Way.INVOKED), (Kind.POISON, Way.SQS)]
)
def test_some_events_may_be_dead_lettered_as_crashed(kind: Kind, way: Way) -> None:
    """Poison may. In a FIFO queue or a direct invocation, each receive counts, so any event may."""
    run = GoodRun(kind, way)
    crash(run)
    assert run.verdict().holds


@pytest.mark.parametrize(
    ("calls", "failures"), [((1, 2, 3), []), ((2, 1, 3), ["m0000004"]), ((1, 3, 2), ["m0000008"])]
)
def test_the_pushes_of_a_fifo_group_must_be_shown_in_order(
    calls: tuple[int, ...], failures: list[str]
) -> None:
    """The numbers 0, 4 and 8 are in one group.

    The event 1 is in another group, so its place does not matter.
    """
    planned = [Planned(f"m000000{n}", Kind.PLAIN, Way.FIFO, (float(n),)) for n in (0, 1, 4, 8)]
    run = GoodRun()
    run.facts.accepted = {event.marker: 0.0 for event in planned}
    run.evidence.shown.clear()
    for event, call in zip(planned, (calls[0], 9, *calls[1:]), strict=True):
        push_id = (event.marker, f"user:{event.marker}")
        run.evidence.shown[push_id], run.evidence.order[push_id] = 1, call
    verdict = judge(planned, run.facts, run.source, run.evidence, run.services)
    assert verdict.failures.get("out of its group's order", []) == failures
    # Events that the queue has given up may be shown later.
    run.facts.out_of_order = {"m0000000", "m0000004"}
    verdict = judge(planned, run.facts, run.source, run.evidence, run.services)
    assert "out of its group's order" not in verdict.failures


@pytest.mark.parametrize("failing", [False, True])
def test_the_reports_of_parallel_runs_are_combined(tmp_path: Path, failing: bool) -> None:  # noqa: FBT001
    """Counts are added up, and of limits the maximum is taken. If one part fails, the whole run fails."""
    parts: list[Any] = []
    for number in (1, 2):
        content = {
            "seed": number,
            "events": 10,
            "delivered": 7,
            "max_connections": number,
            "outcomes": {"delivered": number},
            "calls": 5,
            "accounts": {"default": {"calls": number, "max_connections": number}},
            "clock_changes": ["2027-03-28"],
            "on_time": {"second": f"{number} of 2"},
            "seconds": 60,
        }
        report, printed = tmp_path / f"{number}.json", tmp_path / f"{number}.txt"
        report.write_text(json.dumps(content))
        printed.write_text("the journals")
        returncode = 1 if failing and number == 1 else 0
        parts.append(
            SimpleNamespace(process=SimpleNamespace(returncode=returncode), report=report, printed=printed)
        )
    console = Console(record=True)
    verdict = _total(parts, 1, console)
    assert verdict.holds is not failing
    assert ("the journals" in console.export_text()) is failing
    assert (verdict.seed, verdict.events, verdict.delivered, verdict.max_connections) == (1, 20, 14, 2)
    assert verdict.outcomes == {"delivered": 3}
    assert verdict.details == {
        "parallel": 2,
        "calls": 10,
        "accounts": {"default": {"calls": 3, "max_connections": 2}},
        "clock_changes": ["2027-03-28", "2027-03-28"],
        "on_time": {"second": "1 of 2, 2 of 2"},
        "seconds": 60,
    }


def test_a_seed_repeats_a_plan_and_a_plan_contains_every_kind_and_way() -> None:
    """A failed run can be repeated with its seed."""
    plan = make_plan(3000, 5)
    assert plan == make_plan(3000, 5) != make_plan(3000, 6)
    assert {event.kind for event in plan} == set(Kind)
    assert {event.way for event in plan} == set(Way)
    assert len({event.marker for event in plan}) == 3000
    assert any(len(event.copies) > 1 for event in plan)


def test_both_organisations_receive_pushes_of_every_kind() -> None:
    """Each kind is routed to both, so that one of them can be down while the other works."""
    planned = make_plan(5000, 5)
    for whose in Whose:
        assert {event.kind for event in planned if event.whose is whose} == set(Kind)
    storms = {event.recipients for event in planned if (event.whose, event.kind) == (Whose.BOTH, Kind.STORM)}
    assert storms == {frozenset({"email:storm@example.com", "second/email:storm@example.com"})}


@pytest.mark.parametrize(("calls", "failures"), [((5, 6), []), ((6, 5), [MARKER])])
def test_a_fifo_group_keeps_its_order_in_each_organisation(
    calls: tuple[int, int], failures: list[str]
) -> None:
    """Each organisation counts its own calls."""
    first = Planned("m0000000", Kind.PLAIN, Way.FIFO, (0.0,), whose=Whose.SECOND)
    then = Planned("m0000004", Kind.PLAIN, Way.FIFO, (1.0,), whose=Whose.SECOND)
    alone = Planned("m0000008", Kind.PLAIN, Way.FIFO, (2.0,))
    run = GoodRun()
    numbers = {
        ("m0000000", "second/user:m0000000"): calls[0],
        ("m0000004", "second/user:m0000004"): calls[1],
        ("m0000008", "user:m0000008"): 1,
    }
    run.facts.accepted = {event.marker: 0.0 for event in (first, then, alone)}
    run.evidence.shown = Counter(numbers.keys())
    run.evidence.order = numbers
    verdict = judge([first, then, alone], run.facts, run.source, run.evidence, run.services)
    assert verdict.failures.get("out of its group's order", []) == [then.marker for _ in failures]


def test_the_report_counts_each_accounts_calls() -> None:
    """A limit holds for each organisation, so the report names both."""
    accounts = GoodRun().verdict().details["accounts"]
    assert accounts["default"] == {"calls": 1, "daily_calls": 10, "over_quota": 0, "max_connections": 3}
    assert accounts["other"]["calls"] == 0

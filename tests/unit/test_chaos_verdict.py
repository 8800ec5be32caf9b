"""The chaos run's verdict: it fails where something is lost, told twice, or out of bounds."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from chaos.driver import Facts
from chaos.evidence import UNKNOWN, DeadLetter, Evidence, _Reading
from chaos.plan import Kind, Planned, Way, make_plan
from chaos.side_by_side import _sum
from chaos.stage import MAX_RECEIVES
from chaos.vendor_faults import Spell
from chaos.verdict import Verdict, judge, judge_spells
from chaos.wrappers import _outcomes
from push_relay.core.outcomes import Outcome
from push_relay.core.push import Push, Receipt, Recipient, Wording

TOLD = ("m0000001", "user:m0000001")
WHY = {"error_code": "vendor_rejected", "source": "push", "event_id": "e", "failed_at": "now"}


class Run:
    """A run of one event that went well, until a test spoils it."""

    def __init__(self, kind: Kind = Kind.PLAIN, way: Way = Way.PUSH) -> None:
        self.event = Planned(TOLD[0], kind, way, (0.0,))
        self.facts = Facts(let_in={TOLD[0]})
        self.evidence = Evidence()
        self.evidence.shown[TOLD] = 1
        self.source: Any = SimpleNamespace(receives={"m": MAX_RECEIVES}, handed_twice=0)
        counts = SimpleNamespace(over_quota=0, calls=1, faults=0)
        usage = SimpleNamespace(max_connections=3)
        self.stage: Any = SimpleNamespace(
            seed=1,
            daily_calls=10,
            sandbox=SimpleNamespace(
                record=SimpleNamespace(counts=counts), account=SimpleNamespace(usage=lambda: usage)
            ),
        )
        self.counts, self.usage = counts, usage

    def judged(self) -> Verdict:
        """Return the verdict."""
        return judge([self.event], self.facts, self.source, self.evidence, self.stage)


def test_a_good_run_holds() -> None:
    """With one push delivered."""
    verdict = Run().judged()
    assert verdict.stands
    assert (verdict.delivered, verdict.outcomes) == (1, {"delivered": 1})


JOURNAL: list[dict[str, Any]] = [
    {"at": 0.0, "step": "taken", "pushes": 3},
    {"at": 0.0, "step": "ended", "outcomes": {"delivered": 1, "parked": 2}},
    {"at": 0.0, "step": "answered"},
    {"at": 1.0, "step": "taken", "pushes": 2},
    {"at": 1.0, "step": "ended", "outcomes": {"duplicate": 1}},
]


def test_what_was_taken_up_adds_up() -> None:
    """Receipts, and what was in hand when the worker died."""
    run = Run()
    _Reading(run.evidence, "one").read(JOURNAL)
    verdict = run.judged()
    assert verdict.stands
    assert verdict.details["taken_up"] == 5
    assert verdict.details["in_hand_when_killed"] == 1
    assert verdict.details["receipts"] == {"delivered": 1, "duplicate": 1, "parked": 2}


@pytest.mark.parametrize("outcomes", [{"delivered": 1, "parked": 1}, {"delivered": 2, "parked": 2}])
def test_a_worker_that_answers_without_a_receipt_for_each_push_is_told(outcomes: dict[str, int]) -> None:
    """One too few is swallowed, one too many told twice."""
    run = Run()
    ended = {"at": 0.0, "step": "ended", "outcomes": outcomes}
    _Reading(run.evidence, "one").read([JOURNAL[0], ended, *JOURNAL[2:]])
    assert "one" in run.judged().offending["the invariant does not add up"]


@pytest.mark.parametrize(
    ("receipts", "outcomes"),
    [
        ([("a", "e"), ("b", "e")], {"delivered": 2}),
        ([("digest", "e"), ("digest", "f")], {"delivered": 1}),
        ([("a", "e"), ("a", "e")], {"delivered": 2}),
        ([("", "e"), ("", "f")], {"delivered": 2}),
        ([], {}),
    ],
    ids=["two", "a digest", "the same twice", "without a push", "none"],
)
def test_receipts_are_counted_by_push(receipts: list[tuple[str, str]], outcomes: dict[str, int]) -> None:
    """A digest's tell of one push, each for an event that it stands for."""
    to, message = Recipient("user", "1"), Wording("t", "b")
    told = [
        Receipt("push", event, Outcome.DELIVERED, push=Push(to, message, key) if key else None)
        for key, event in receipts
    ]
    assert _outcomes(told) == outcomes


def letter(**attributes: str) -> DeadLetter:
    """Return a dead letter of the whole event."""
    return DeadLetter(frozenset({TOLD[0]}), (), attributes)


def lose(run: Run) -> None:
    """Show nothing."""
    run.evidence.shown.clear()


def show_again(run: Run) -> None:
    """Show it a second time."""
    run.evidence.shown[TOLD] += 1


def show_somebody_else(run: Run) -> None:
    """Show it to the wrong person."""
    run.evidence.shown[TOLD[0], "user:somebody"] = 1


def refuse_twice(run: Run) -> None:
    """Have the vendor refuse it twice."""
    run.evidence.refused[TOLD] = 2


def spend_too_much(run: Run) -> None:
    """Call once too often."""
    run.counts.over_quota = 1


def open_too_many(run: Run) -> None:
    """Open one connection too many."""
    run.usage.max_connections = 4


def receive_too_often(run: Run) -> None:
    """Receive a message once too often."""
    run.source.receives["m"] += 1


def bury_without_a_reason(run: Run) -> None:
    """Dead-letter it, and don't say which source it was."""
    lose(run)
    run.evidence.dead = [letter(**{**WHY, "source": ""})]


def crash(run: Run) -> None:
    """Let SQS dead-letter an event that crashes nobody."""
    lose(run)
    run.evidence.dead = [letter()]


def send_for_ever(run: Run) -> None:
    """Send it three times without knowing whether it was shown."""
    run.evidence.unknown[TOLD] = 3


def expire(run: Run) -> None:
    """Tell that it came too late."""
    lose(run)
    run.evidence.closed[TOLD] = {"expired"}


SPOILT: list[tuple[Callable[[Run], None], str]] = [
    (lose, "lost"),
    (expire, "expired before its time"),
    (crash, "dead-lettered for a neighbour's crash"),
    (send_for_ever, "sent more often than the cap"),
    (show_again, "shown twice without a reason"),
    (show_somebody_else, "shown to the wrong person"),
    (refuse_twice, "refused for good, and tried again"),
    (receive_too_often, "received too often"),
    (bury_without_a_reason, "dead-lettered without a reason"),
]


@pytest.mark.parametrize(("spoil", "check"), SPOILT, ids=[check for _, check in SPOILT])
def test_what_must_not_happen_is_told(spoil: Callable[[Run], None], check: str) -> None:
    """By its name, with the event."""
    run = Run()
    spoil(run)
    verdict = run.judged()
    assert not verdict.stands
    assert verdict.offending == {check: [TOLD[0]]}


@pytest.mark.parametrize("spoil", [spend_too_much, open_too_many])
def test_a_limit_that_was_broken_is_told(spoil: Callable[[Run], None]) -> None:
    """By the figures."""
    run = Run()
    spoil(run)
    assert not run.judged().stands


def test_a_second_push_is_explained_by_a_doubt_and_by_no_more_than_one() -> None:
    """Each attempt that nobody knows the end of excuses one."""
    run = Run()
    show_again(run)
    run.evidence.doubts[TOLD].append("killed between sending and settling")
    verdict = run.judged()
    assert verdict.stands
    assert (verdict.duplicates, verdict.duplicates_unexplained) == (1, 0)
    show_again(run)
    verdict = run.judged()
    assert (verdict.duplicates, verdict.duplicates_unexplained) == (2, 1)
    assert not verdict.stands


@pytest.mark.parametrize(
    ("kind", "attributes", "outcome"),
    [
        (Kind.PLAIN, WHY, "failed"),
        (Kind.POISON, {}, "crashed"),
        (Kind.POISON, {"error_code": "crashed", "failed_at": "now"}, "crashed"),
        (Kind.BROKEN, {"error_code": "schema_violation"}, "rejected"),
    ],
)
def test_what_is_dead_is_not_lost(kind: Kind, attributes: dict[str, str], outcome: str) -> None:
    """It waits for a person."""
    run = Run(kind)
    lose(run)
    run.evidence.dead = [letter(**attributes)]
    assert run.judged().outcomes == {outcome: 1}


@pytest.mark.parametrize("kind", [Kind.NOBODY, Kind.BROKEN, Kind.POISON])
def test_what_reaches_nobody_has_to_end_somewhere(kind: Kind) -> None:
    """Not silently."""
    run = Run(kind)
    lose(run)
    assert run.judged().offending == {"lost": [TOLD[0]]}


def test_what_is_forged_must_be_turned_away() -> None:
    """And nothing else."""
    run = Run(Kind.FORGED)
    lose(run)
    run.facts = Facts()
    assert run.judged().offending == {"forged, and not refused": [TOLD[0]]}
    run.facts = Facts(turned_away={TOLD[0]: 401})
    assert run.judged().outcomes == {"rejected": 1}


CLAIMED = {"step": "claimed", "key": "k", "claim": "granted", "lease": 20.0, "replayed": False, "at": 100.0}
SENDING = {"step": "sending", "key": "k", "to": TOLD[1], "markers": [TOLD[0]], "at": 100.0}
SENT = {"step": "sent", "key": "k", "result": "ok", "at": 101.0}
SETTLED = {"step": "settled", "key": "k", "status": "delivered", "at": 101.0}
GATHERING = {**SENDING, "step": "gathering"}
NOT_SETTLED = {"step": "not_settled", "key": "k", "result": "x", "at": 101.0}


@pytest.mark.parametrize(
    ("steps", "doubts"),
    [
        ([CLAIMED, SENDING, SENT, SETTLED], 0),
        ([CLAIMED], 0),
        ([CLAIMED, SENDING], 1),
        ([CLAIMED, SENDING, SENT], 1),
        ([CLAIMED, SENDING, {**SENT, "result": "delivery_unknown"}, SETTLED], 1),
        ([CLAIMED, SENDING, {**SENT, "result": "vendor_unavailable"}], 0),
        ([CLAIMED, SENDING, {**SENT, "result": "vendor_rejected"}], 1),
        ([CLAIMED, SENDING, SENT, NOT_SETTLED], 1),
        ([CLAIMED, SENDING, SENT, {**SETTLED, "at": 121.0}], 1),
        ([CLAIMED, SENDING, SENT, CLAIMED, SENDING, SENT, SETTLED], 1),
        ([{**CLAIMED, "claim": "held"}], 0),
        ([CLAIMED, GATHERING], 0),
        ([CLAIMED, GATHERING, NOT_SETTLED], 0),
        ([CLAIMED, GATHERING, CLAIMED, GATHERING, SETTLED], 0),
        ([CLAIMED, SENDING, SENDING, SENT, SETTLED, SENT, SETTLED], 0),
        ([{**CLAIMED, "replayed": True}, SENDING, SENT, SETTLED], 1),
        ([{**CLAIMED, "replayed": True}], 0),
    ],
)
def test_a_journal_tells_what_is_in_doubt(steps: list[dict[str, Any]], doubts: int) -> None:
    """Only what was begun and not brought to its end."""
    evidence = Evidence()
    _Reading(evidence).read(steps)
    assert len(evidence.doubts.get(TOLD, [])) == doubts


def test_the_cap_counts_from_each_replay() -> None:
    """A person who replays a push asks for it again."""
    run = Run()
    run.evidence.unknown[TOLD] = 2
    assert run.judged().stands
    run.evidence.unknown[TOLD] = 4
    run.evidence.replayed[TOLD] = 1
    assert run.judged().stands


def test_under_hold_an_unknown_fate_excuses_no_second_push() -> None:
    """The workers of the FIFO queue hold: once is the cap, and a second push has no reason."""
    run = Run(way=Way.FIFO)
    run.evidence.unknown[TOLD] = 2
    assert run.judged().offending == {"sent more often than the cap": [TOLD[0]]}
    run.evidence.unknown[TOLD] = 1
    assert run.judged().stands
    show_again(run)
    run.evidence.doubts[TOLD].append(UNKNOWN)
    assert run.judged().offending == {"shown twice without a reason": [TOLD[0]]}


@pytest.mark.parametrize(
    ("kind", "way"), [(Kind.PLAIN, Way.FIFO), (Kind.PLAIN, Way.INVOKED), (Kind.POISON, Way.SQS)]
)
def test_some_are_dead_lettered_as_crashed_rightly(kind: Kind, way: Way) -> None:
    """A poison, and what comes by a way that counts every receive."""
    run = Run(kind, way)
    crash(run)
    assert run.judged().stands


@pytest.mark.parametrize(
    ("places", "offending"), [((1, 2, 3), []), ((2, 1, 3), ["m0000004"]), ((1, 3, 2), ["m0000008"])]
)
def test_a_fifo_group_keeps_its_order(places: tuple[int, ...], offending: list[str]) -> None:
    """Groups are counted by fours; another group's place says nothing."""
    planned = [Planned(f"m000000{n}", Kind.PLAIN, Way.FIFO, (float(n),)) for n in (0, 1, 4, 8)]
    run = Run()
    run.facts.let_in = {event.marker for event in planned}
    run.evidence.shown.clear()
    for event, place in zip(planned, (places[0], 9, *places[1:]), strict=True):
        told = (event.marker, f"user:{event.marker}")
        run.evidence.shown[told], run.evidence.order[told] = 1, place
    verdict = judge(planned, run.facts, run.source, run.evidence, run.stage)
    assert verdict.offending.get("out of its group's order", []) == offending


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
def test_an_outage_may_cost_2_percent_of_each_day(
    hours: float, daily_calls: int, calls: int, *, holds: bool
) -> None:
    """20 calls at least, and three that were in flight."""
    verdict = Run().judged()
    judge_spells([Spell("down for hours", 0.0, hours * 3600, 0, calls)], daily_calls, verdict)
    assert verdict.stands is holds
    assert verdict.details["calls_wasted"] == calls


@pytest.mark.parametrize("failing", [False, True])
def test_parts_are_added_up(tmp_path: Path, failing: bool) -> None:  # noqa: FBT001
    """Counts are summed, of what is highest the highest is kept; one part that fails is enough."""
    parts: list[Any] = []
    for number in (1, 2):
        told = {
            "seed": number,
            "events": 10,
            "delivered": 7,
            "max_connections": number,
            "outcomes": {"delivered": number},
            "calls": 5,
            "seconds": 60,
        }
        report, printed = tmp_path / f"{number}.json", tmp_path / f"{number}.txt"
        report.write_text(json.dumps(told))
        printed.write_text("the journals")
        returncode = 1 if failing and number == 1 else 0
        parts.append(
            SimpleNamespace(process=SimpleNamespace(returncode=returncode), report=report, printed=printed)
        )
    console = Console(record=True)
    verdict = _sum(parts, 1, console)
    assert verdict.stands is not failing
    assert ("the journals" in console.export_text()) is failing
    assert (verdict.seed, verdict.events, verdict.delivered, verdict.max_connections) == (1, 20, 14, 2)
    assert verdict.outcomes == {"delivered": 3}
    assert verdict.details == {"organisations": 2, "calls": 10, "seconds": 60}


def test_a_plan_is_repeatable_and_has_something_of_everything() -> None:
    """By its seed."""
    plan = make_plan(3000, 5)
    assert plan == make_plan(3000, 5) != make_plan(3000, 6)
    assert {event.kind for event in plan} == set(Kind)
    assert {event.way for event in plan} == set(Way)
    assert len({event.marker for event in plan}) == 3000
    assert any(len(event.copies) > 1 for event in plan)

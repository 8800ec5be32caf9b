"""The evidence of the chaos run: what the workers' journals prove, and what they leave in doubt."""

from typing import Any

import pytest

from chaos.evidence import UNKNOWN, Evidence, _read_call, _Reading
from chaos.watched_telemetry import outcomes_by_push
from chaos_runs import MARKER, PUSH_ID, GoodRun
from push_relay.core.outcomes import Outcome
from push_relay.core.push import Push, Receipt, Recipient, Wording
from sandbox import Call

JOURNAL: list[dict[str, Any]] = [
    {"at": 0.0, "step": "taken_up", "pushes": 3},
    {"at": 0.0, "step": "ended", "outcomes": {"delivered": 1, "parked": 2}},
    {"at": 0.0, "step": "answered"},
    {"at": 1.0, "step": "taken_up", "pushes": 2},
    {"at": 1.0, "step": "ended", "outcomes": {"duplicate": 1}},
]


def test_pushes_without_a_receipt_are_accounted_for_if_the_worker_was_killed() -> None:
    """The journal ends without an answer, so its last push is the only one that may have no receipt."""
    run = GoodRun()
    _Reading(run.evidence, "one").read(JOURNAL)
    verdict = run.verdict()
    assert verdict.holds
    assert verdict.details["taken_up"] == 5
    assert verdict.details["in_hand_when_killed"] == 1
    assert verdict.details["receipts"] == {"delivered": 1, "duplicate": 1, "parked": 2}


@pytest.mark.parametrize("outcomes", [{"delivered": 1, "parked": 1}, {"delivered": 2, "parked": 2}])
def test_an_answer_without_exactly_one_receipt_for_each_push_fails_the_run(outcomes: dict[str, int]) -> None:
    """With one receipt too few, a push was dropped silently. With one too many, it was counted twice."""
    run = GoodRun()
    ended = {"at": 0.0, "step": "ended", "outcomes": outcomes}
    _Reading(run.evidence, "one").read([JOURNAL[0], ended, *JOURNAL[2:]])
    assert "one" in run.verdict().failures["the invariant does not add up"]


@pytest.mark.parametrize(
    ("receipts", "outcomes"),
    [
        ([("a", "e"), ("b", "e")], {"delivered": 2}),
        ([("batch", "e"), ("batch", "f")], {"delivered": 1}),
        ([("a", "e"), ("a", "e")], {"delivered": 2}),
        ([("", "e"), ("", "f")], {"delivered": 2}),
        ([], {}),
    ],
    ids=["two pushes", "a batch push", "the same push twice", "without a push", "none"],
)
def test_receipts_are_counted_by_push(receipts: list[tuple[str, str]], outcomes: dict[str, int]) -> None:
    """A batch push has a receipt for each of its events, but it was taken up as one push."""
    to, wording = Recipient("user", "1"), Wording("t", "b")
    made = [
        Receipt("push", event, Outcome.DELIVERED, push=Push(to, wording, key) if key else None)
        for key, event in receipts
    ]
    assert outcomes_by_push(made) == outcomes


CLAIMED = {
    "step": "claimed",
    "key": "k",
    "claim": "granted",
    "lease_secs": 20.0,
    "is_replay": False,
    "at": 100.0,
}
SENDING = {"step": "sending", "key": "k", "to": PUSH_ID[1], "markers": [MARKER], "at": 100.0}
SENT = {"step": "sent", "key": "k", "result": "ok", "at": 101.0}
SETTLED = {"step": "settled", "key": "k", "status": "delivered", "at": 101.0}
BATCHING = {**SENDING, "step": "batching"}
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
        ([CLAIMED, BATCHING], 0),
        ([CLAIMED, BATCHING, NOT_SETTLED], 0),
        ([CLAIMED, BATCHING, CLAIMED, BATCHING, SETTLED], 0),
        ([CLAIMED, SENDING, SENDING, SENT, SETTLED, SENT, SETTLED], 0),
        ([{**CLAIMED, "is_replay": True}, SENDING, SENT, SETTLED], 1),
        ([{**CLAIMED, "is_replay": True}], 0),
    ],
)
def test_an_attempt_that_was_begun_and_not_finished_is_in_doubt(
    steps: list[dict[str, Any]], doubts: int
) -> None:
    """Each doubt allows one more push. If there were too many, the run would not notice a second push."""
    evidence = Evidence()
    _Reading(evidence).read(steps)
    assert len(evidence.doubts.get(PUSH_ID, [])) == doubts


@pytest.mark.parametrize(
    ("steps", "reasons", "unknown"),
    [
        (["settled"], [UNKNOWN], 1),
        (["released"], [UNKNOWN], 1),
        ([], ["killed between sending and settling"], 0),
        (["released", "claimed"], [UNKNOWN], 1),
    ],
)
def test_an_unknown_fate_that_was_never_recorded_is_another_doubt(
    steps: list[str], reasons: list[str], unknown: int
) -> None:
    """Under `hold` a push of unknown fate is not sent again, but nobody could hold this one."""
    ends = {"settled": SETTLED, "released": {**SETTLED, "step": "released"}, "claimed": CLAIMED}
    evidence = Evidence()
    sent = {**SENT, "result": "delivery_unknown"}
    _Reading(evidence).read([CLAIMED, SENDING, sent, *(ends[step] for step in steps)])
    assert evidence.doubts[PUSH_ID] == reasons
    assert evidence.unknown[PUSH_ID] == unknown


@pytest.mark.parametrize(
    ("outcome", "code", "scarce"),
    [
        ("parked", "quota_exhausted", True),
        ("parked", "budget_exhausted", True),
        ("parked", "circuit_open", True),
        ("parked", "connections_busy", False),
        ("failed", "quota_exhausted", False),
    ],
)
def test_a_push_that_waits_for_its_own_account_is_known(outcome: str, code: str, *, scarce: bool) -> None:
    """It is not judged by another organisation's outage."""
    evidence = Evidence()
    about = {"key": "k", "to": PUSH_ID[1], "markers": [MARKER], "at": 0.0}
    _Reading(evidence).read([{"step": "receipt", "event_id": "e", "outcome": outcome, "code": code, **about}])
    assert (PUSH_ID in evidence.scarce) is scarce


def test_an_event_is_counted_each_time_it_is_taken_from_the_backlog() -> None:
    """An event that waits for its next attempt, and not for its account, is not among them."""
    drained = {"step": "drained", "items": [MARKER], "account": "second", "due": 0.0, "at": 0.0}
    evidence = Evidence()
    _Reading(evidence).read([drained, drained, {**drained, "due": 7.0}])
    assert evidence.drained == {(MARKER, "second"): 2}


@pytest.mark.parametrize(("texts", "refused"), [(["a batch", "alone"], 1), (["alone", "alone"], 2)])
def test_a_push_may_be_refused_in_a_batch_push_and_then_alone(texts: list[str], refused: int) -> None:
    """The same call must not be refused a second time."""
    evidence = Evidence()
    for text in texts:
        title = f"{MARKER} m0000002" if text == "a batch" else MARKER
        push: dict[str, str | int | bool] = {"Title": title, "Body": "", "UserId": MARKER}
        _read_call(Call("POST", "/", push=push, fault="error_code"), "default", evidence)
    assert evidence.refused[PUSH_ID] == refused


def test_a_call_of_unknown_fate_that_the_ledger_could_not_count_does_not_use_up_the_cap() -> None:
    """The relay sends the push once more then, as if its worker had been killed."""
    evidence = Evidence()
    not_counted = {"step": "unknown_not_counted", "key": "k", "at": 101.0}
    _Reading(evidence).read([CLAIMED, SENDING, {**SENT, "result": "delivery_unknown"}, not_counted])
    assert evidence.unknown[PUSH_ID] <= 0

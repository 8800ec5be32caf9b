"""Log lines become stories of events, with a verdict and a reason, whatever the order of the lines."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from fakes import World, captured
from invocations import sqs_batch, sqs_parked, sqs_queued
from push_relay.core import errors
from push_relay.core.errors import CODES
from push_relay.core.event import Event
from push_relay.core.outcomes import Outcome, verdict_of_code
from push_relay.core.push import BATCHED, Receipt
from relayctl.receipts.json_line import line_json
from relayctl.receipts.line import DELIVER, RECEIVE, LineKind, LogLine, read_line
from relayctl.receipts.reasons import WAITS_FOR, parts_of, reason_of, verdict_of
from relayctl.receipts.route_texts import RouteTexts
from relayctl.receipts.story import Story, Waiting, stories

NOW = 1_800_000_000.0
EVENT = Event("bakery", "e-1", "baked", {"kind": "baked", "words": "warm"}, NOW, "i", "c-1")


def line(at: float = NOW, function: str = DELIVER, **keys: Any) -> LogLine:
    """Return a receipt of the event e-1, as it is read from a log."""
    written = {"message": "receipt", "service": "push-relay", "source": "bakery", "event_id": "e-1", **keys}
    read = read_line(json.dumps({"correlation_id": "c-1", **written}), function, at)
    assert read
    return read


def push(number: int, outcome: str, at: float = NOW, **keys: Any) -> LogLine:
    """Return the receipt of a push to the recipient of a route's part."""
    return line(at, account="default", route=f"route[1].to[{number}]", outcome=outcome, **keys)


def accepted(at: float = NOW - 1, **keys: Any) -> LogLine:
    """Return the line of `receive` about an accepted event."""
    return line(at, RECEIVE, message="accepted", **keys)


def only(*lines: LogLine) -> Story:
    """Return the story of the only event."""
    (story,) = stories(lines)
    return story


def logged(world: World, *invocations: Any) -> list[LogLine]:
    """Return the lines that `deliver` writes."""
    with captured() as output:
        world.telemetry = output.telemetry
        for invocation in invocations:
            world.deliver(invocation)
    lines = [read_line(text, DELIVER) for text in output.out.getvalue().splitlines()]
    return [each for each in lines if each]


# --- a line --------------------------------------------------------------------------------------------


def test_a_line_is_read_as_telemetry_writes_it() -> None:
    """Metrics are in the same log."""
    with captured() as output:
        output.telemetry.accepted(EVENT, EVENT)
        refused = Receipt("bakery", "-", Outcome.REJECTED, "c-2", "schema_violation", "why")
        output.telemetry.settled([refused], attempt=1)
        output.telemetry.trouble("a message was kept", error_code="queue_unavailable", detail="why")
        output.telemetry.flush()
    texts = output.out.getvalue().splitlines()
    read = [each for each in (read_line(text, RECEIVE) for text in texts) if each]
    assert len(texts) > len(read) == 3
    assert [(each.kind, each.event_ids, each.correlation_id) for each in read] == [
        (LineKind.ACCEPTED, ("e-1", "e-1"), "c-1"),
        (LineKind.RECEIPT, (), "c-2"),
        (LineKind.TROUBLE, (), None),
    ]
    assert read[1].outcome is Outcome.REJECTED
    assert abs(read[0].at - read[1].at) < 60
    assert read[0].at > NOW - 10 * 366 * 86_400


@pytest.mark.parametrize(
    "text",
    [
        "START RequestId: 1",
        "[]",
        "7",
        "{",
        '{"message": "receipt"}',
        '{"service": "push-relay"}',
        '{"message": 7, "service": "push-relay"}',
        '{"_aws": {}, "message": "receipt", "service": "push-relay"}',
        "[" * 100_000,
    ],
)
def test_other_lines_are_passed_over(text: str) -> None:
    """Lambda writes lines of its own into the same log."""
    assert read_line(text, DELIVER) is None


@pytest.mark.parametrize("value", [None, 7, [], {}, [7], "x", True, "9" * 400])
@pytest.mark.parametrize(
    "key",
    ["timestamp", "event_id", "event_ids", "outcome", "violations", "attempt", "next_attempt_at", "count"],
)
def test_a_value_of_another_form_does_no_harm(key: str, value: object) -> None:
    """The next version may write something else."""
    read = read_line(json.dumps({"message": "receipt", "service": "push-relay", key: value}), DELIVER, NOW)
    assert read
    assert (read.at, read.outcome) == (NOW, None)
    assert json.dumps(line_json(read, "s"))


# --- a story -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "verdict"),
    [
        ([accepted()], Waiting.QUEUED),
        ([line(message="kept", error_code="schema_violation")], Waiting.QUEUED),
        ([line(message="handshake", event_id=None)], Waiting.HANDSHAKE),
        ([line(message="empty", event_id=None)], Waiting.EMPTY),
        ([line(message="fallback")], Waiting.UNKNOWN),
        ([accepted(), push(1, "delivered")], Outcome.DELIVERED),
        ([push(1, "delivered"), push(2, "failed")], Outcome.FAILED),
        ([push(1, "delivered"), push(2, "parked")], Outcome.PARKED),
        ([push(1, "parked"), push(1, "delivered", NOW + 60, attempt=2)], Outcome.DELIVERED),
        ([push(1, "delivered"), push(1, "duplicate", NOW + 60)], Outcome.DELIVERED),
        ([push(1, "duplicate")], Outcome.DUPLICATE),
        ([push(1, "duplicate"), push(1, "delivered", NOW + 9)], Outcome.DELIVERED),
        ([line(outcome="filtered")], Outcome.FILTERED),
    ],
)
def test_the_verdict_is_the_worst_of_the_pushes_last_outcomes(
    lines: list[LogLine], verdict: Outcome | Waiting
) -> None:
    """The lines of two log groups may be read in any order."""
    for order in itertools.permutations(lines):
        assert only(*order).verdict is verdict


def test_a_repetition_is_counted() -> None:
    """It shows that the sender has sent the event again."""
    story = only(*(push(1, outcome, NOW + n) for n, outcome in enumerate(["delivered", *["duplicate"] * 2])))
    assert [(state.outcome, state.repeats) for state in story.pushes] == [(Outcome.DELIVERED, 2)]


def test_pushes_of_a_batch_window_end_with_it() -> None:
    """Their last receipts do not show which recipient they are about."""
    waiting = [push(number, "parked", error_code=BATCHED) for number in (1, 2)]
    done = line(NOW + 300, account="default", outcome="delivered")
    assert only(*waiting).verdict is Outcome.PARKED
    assert [state.outcome for state in only(*waiting, done).pushes] == [Outcome.DELIVERED, Outcome.PARKED]
    assert only(*waiting, done, line(NOW + 300.1, account="default", outcome="delivered")).verdict == (
        Outcome.DELIVERED
    )


def test_a_failed_part_is_replaced_by_its_replay() -> None:
    """Until then it counts beside the pushes of the same invocation."""
    detail = "route[1].to[2]: a recipient's email address is invalid"
    failed = line(error_code="mapping_failed", detail=detail, outcome="failed")
    event = line(NOW, error_code="internal_error", outcome="parked")
    assert only(push(1, "delivered", NOW + 0.01), failed).verdict is Outcome.FAILED
    rule = line(error_code="mapping_failed", detail="message[1] of bakery, when: no", outcome="failed")
    assert only(rule, push(1, "delivered", NOW + 0.01)).verdict is Outcome.FAILED
    assert only(rule, push(1, "delivered", NOW + 60)).verdict is Outcome.DELIVERED
    assert only(push(1, "delivered"), failed, push(2, "delivered", NOW + 60)).verdict is Outcome.DELIVERED
    assert only(push(1, "delivered"), failed, push(1, "duplicate", NOW + 60)).is_dead
    assert only(event, push(1, "delivered", NOW + 60)).verdict is Outcome.DELIVERED
    condition = line(error_code="mapping_failed", detail="route[1].when: no", outcome="failed")
    assert only(condition, push(2, "delivered", NOW + 60)).verdict is Outcome.DELIVERED


def test_each_event_of_a_request_has_a_story() -> None:
    """They share the line of their acceptance."""
    both = accepted(event_id=None, event_ids=["e-1", "e-2"])
    first, second = stories([both, push(1, "delivered"), line(event_id="e-2", outcome="filtered")])
    assert (first.event_id, first.verdict) == ("e-1", Outcome.DELIVERED)
    assert (second.event_id, second.verdict) == ("e-2", Outcome.FILTERED)
    assert [each.kind for each in second.lines] == [LineKind.ACCEPTED, LineKind.RECEIPT]


def test_the_acceptance_comes_before_the_receipts() -> None:
    """`deliver` may have the event before `receive` has written its line."""
    story = only(push(1, "delivered"), accepted(NOW + 0.1))
    assert [each.kind for each in story.lines] == [LineKind.ACCEPTED, LineKind.RECEIPT]


def test_a_refused_request_is_a_story_by_its_correlation_id() -> None:
    """Its event was not read, so it has no id. It is not dead-lettered."""
    story = only(line(NOW, RECEIVE, event_id="-", outcome="rejected", error_code="signature_invalid"))
    assert (story.event_id, story.correlation_ids, story.is_dead) == (None, ("c-1",), False)
    assert only(line(NOW, DELIVER, outcome="rejected")).is_dead


def test_lines_about_no_event_are_in_no_story() -> None:
    """A person finds them with `relayctl tail`."""
    assert stories([line(message="a message was kept", event_id=None, correlation_id=None)]) == []


def test_the_lines_of_the_real_relay_become_the_story(monkeypatch: pytest.MonkeyPatch) -> None:
    """A push is parked, delivered at its second attempt, and then sent again by its sender."""
    monkeypatch.setattr("push_relay.entrypoints.queue_record._random", lambda: 1.0)
    world = World()
    answers: list[Any] = [errors.VendorThrottled("slow", retry_after=30), None]
    world.vendor.judge = lambda _push, _credentials: answers.pop(0)
    parked = logged(world, sqs_batch(sqs_queued(EVENT)))
    waiting = only(*parked)
    assert waiting.due == NOW + 40
    assert reason_of(parked[0]) == (
        "waits for the vendor, which asks for fewer calls, until 2027-01-15 08:00:40Z (slow)"
    )
    again = logged(world, sqs_batch(sqs_parked(EVENT, 2, NOW)), sqs_batch(sqs_queued(EVENT)))
    story = only(*parked, *again)
    assert (story.verdict, story.pushes[0].repeats) == (Outcome.DELIVERED, 1)
    assert story.pushes[0].line.route == "route[1].to[1]"
    assert verdict_of(story) == "the vendor accepted the push"


# --- in words ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [*CODES, BATCHED])
def test_every_code_for_which_a_push_waits_has_words(code: str) -> None:
    """A new code needs words of its own."""
    waits = code == BATCHED or verdict_of_code(code).outcome is Outcome.PARKED
    assert (code in WAITS_FOR) == waits


@pytest.mark.parametrize(
    ("read", "reason"),
    [
        (accepted(), "accepted and queued"),
        (accepted(event_id=None, event_ids=["1", "2"]), "2 events accepted and queued"),
        (
            line(message="kept", error_code="malformed_request", detail="why"),
            "not valid, so it is queued to be dead-lettered: malformed_request: why",
        ),
        (line(message="empty", count=3), "3 times: a request without an event"),
        (line(message="handshake"), "a question of the sender's was answered"),
        (line(message="fallback"), "only a fallback source took it"),
        (line(message="unsubscribed"), "SNS has confirmed the end of the subscription"),
        (
            line(message="a message was kept", error_code="queue_unavailable", detail="why"),
            "a message was kept: queue_unavailable: why",
        ),
        (push(1, "delivered"), "the vendor accepted the push"),
        (push(1, "delivered", detail="sent alone"), "the vendor accepted the push (sent alone)"),
        (push(1, "duplicate"), "the push was settled before: the same event arrived again"),
        (push(1, "expired"), "it was older than its max_age"),
        (line(outcome="filtered", detail="message[2] skips it: noise"), "message[2] skips it: noise"),
        (
            line(outcome="rejected", error_code="signature_invalid", detail="no", count=4),
            "4 times: signature_invalid: no",
        ),
        (
            line(outcome="rejected", error_code="schema_violation", detail="no", violations=["/a type"]),
            "schema_violation: no (/a type)",
        ),
        (
            push(1, "failed", error_code="vendor_rejected", detail="no", vendor_code="17"),
            "vendor_rejected: no (the vendor's code: 17)",
        ),
        (
            push(1, "parked", error_code=BATCHED, next_attempt_at="2027-01-15T08:05:00+00:00", detail="x"),
            "waits for the end of its batch window, until 2027-01-15 08:05:00Z",
        ),
        (push(1, "parked", error_code="new_code"), "waits for another attempt"),
        (
            line(NOW, RECEIVE, outcome="parked", error_code="credentials_unavailable", detail="none"),
            "answered 503, so that the sender sends it again: credentials_unavailable: none",
        ),
    ],
)
def test_a_line_has_a_reason_in_words(read: LogLine, reason: str) -> None:
    """The facts are those of the line."""
    assert reason_of(read) == reason


def test_an_event_without_a_receipt_has_a_verdict_in_words() -> None:
    """It is not known whether anything is wrong."""
    assert "no receipt yet" in verdict_of(only(accepted()))
    assert "no line that shows" in verdict_of(only(line(message="fallback")))


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("route[1].when false", ("route[1].when", "does not hold")),
        ("route[2].to[1] blank", ("route[2].to[1]", "is empty for this event")),
        ("route[2].to[2] unlisted", ("route[2].to[2]", "names a person who is not in [people]")),
        ("route none", (None, "no [[route]] is for the source")),
        ("7 more", (None, "7 more like these")),
    ],
)
def test_each_part_that_leads_to_nobody_has_words(part: str, words: tuple[str | None, str]) -> None:
    """The place is that of relay.toml."""
    assert list(parts_of(line(outcome="filtered", left_out=[part]))) == [words]


def test_a_place_has_the_text_of_the_files_on_this_machine(tmp_path: Path) -> None:
    """The log does not have it, because it may name a person."""
    (tmp_path / "relay.toml").write_text(
        '[[route]]\nsource = "shop"\nwhen = "data.a"\nto = "user:1"\n'
        '[[route]]\nsource = "shop"\nto = ["user:2", "person:{{ data.who }}"]\n'
    )
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/source.toml").write_text(
        '[[message]]\nwhen = "data.b"\ntitle = "t"\n[[message]]\ntitle = "t"\n'
    )
    texts = RouteTexts(tmp_path / "relay.toml", tmp_path)
    assert texts.text_of("route[1].when") == "data.a"
    assert texts.text_of("route[1].to[1]") == "user:1"
    assert texts.text_of("route[2].to[2]") == "person:{{ data.who }}"
    for unknown in ("route[2].when", "route[2].to[3]", "route[0].to[1]", "route[9].when", "x", None):
        assert texts.text_of(unknown) is None
    assert texts.conditions_of("shop") == ["data.b", "always"]
    assert texts.conditions_of("nowhere") == texts.conditions_of(None) == []
    assert RouteTexts(tmp_path / "none.toml", tmp_path).text_of("route[1].when") is None


def test_no_text_of_a_line_can_change_the_terminal() -> None:
    """A vendor chooses `vendor_code`, and a message's sender perhaps an id."""
    read = line(vendor_code="\x1b[2J", detail="a\x9bb", violations=["/\u202e type"], event_id="\x1b]0;e")
    assert (read.vendor_code, read.detail, read.violations) == (r"\x1b[2J", r"a\x9bb", (r"/\x202e type",))
    assert read.event_ids == (r"\x1b]0;e",)

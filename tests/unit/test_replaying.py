"""The replay: in an order that loses nothing, at a pace, and safe to interrupt."""

import json
from collections.abc import Callable
from io import StringIO
from threading import Event as Flag
from typing import Any

import pytest
from rich.console import Console

from fake_sqs import FakeSqs, refused
from push_relay.core.event import Event
from push_relay.core.queue_format import pack
from relayctl.deadletters.queue import DeadLetterQueue
from relayctl.deadletters.replaying import Pace, Replayer, Result
from relayctl.deadletters.reporting import progress, summary

DLQ, QUEUE = "https://sqs/dead", "https://sqs/queue"


class Killed(BaseException):
    """The process ends here."""


def world(number: int) -> tuple[FakeSqs, list[str]]:
    """Return queues with so many dead messages, and their ids."""
    sqs = FakeSqs()
    return sqs, [sqs.put(DLQ, f'{{"number": {n}}}', error_code="crashed") for n in range(number)]


def replay(
    sqs: FakeSqs,
    wanted: list[str],
    stop: Flag | None = None,
    told: Callable[[Result], None] = lambda _result: None,
) -> Result:
    """Replay at once."""
    flag = stop or Flag()
    replayer = Replayer(sqs, QUEUE, Pace(0.0, flag), flag, sqs.time)
    return replayer.replay(DeadLetterQueue(sqs, DLQ, now=sqs.time), wanted, told)


def bodies(sqs: FakeSqs, url: str) -> list[str]:
    """Return what lies in a queue."""
    return [message.body for message in sqs.queues.get(url, [])]


def fail(operation: str, error: BaseException, times: int = 1_000) -> Callable[[str, dict[str, Any]], None]:
    """Return what makes an operation fail so many times."""
    left = [times]

    def before(called: str, _arguments: dict[str, Any]) -> None:
        if called == operation and left[0]:
            left[0] -= 1
            raise error

    return before


def test_what_is_wanted_moves_and_the_rest_is_given_back() -> None:
    """Sent first, deleted then; what is not meant is visible again."""
    sqs, ids = world(30)
    result = replay(sqs, ids[5:25])
    assert sorted(result.replayed) == ids[5:25]
    assert len(bodies(sqs, QUEUE)) == 20
    assert [message.message_id for message in sqs.queues[DLQ]] == ids[:5] + ids[25:]
    assert all(message.visible_at <= sqs.now for message in sqs.queues[DLQ])
    sends = [call for call in sqs.calls if call in ("send_message", "delete_message")][30:]
    assert sends == ["send_message", "delete_message"] * 20


def test_an_interrupted_replay_goes_on_where_it_ended() -> None:
    """Ctrl-C after the third: three are sent, the others are dead still; a second run does the rest."""
    sqs, ids = world(12)
    stop = Flag()
    first = replay(sqs, ids, stop, lambda result: stop.set() if result.reached == 3 else None)
    assert len(first.replayed) == 3
    assert len(bodies(sqs, DLQ)) == 9
    assert all(message.visible_at <= sqs.now for message in sqs.queues[DLQ])
    replay(sqs, ids)
    assert sorted(bodies(sqs, QUEUE)) == sorted(f'{{"number": {n}}}' for n in range(12))
    assert bodies(sqs, DLQ) == []


def test_whoever_is_killed_between_send_and_delete_loses_nothing() -> None:
    """The message lies in both queues, as the same event: the ledger makes one push of it."""
    sqs, ids = world(3)
    sqs.before = fail("delete_message", Killed())
    with pytest.raises(Killed):
        replay(sqs, ids)
    sqs.before = lambda *_: None
    assert len(bodies(sqs, DLQ)) == 3
    replay(sqs, ids)
    origins = [m.attributes["push-relay-origin-id"]["StringValue"] for m in sqs.queues[QUEUE]]
    assert sorted(origins) == sorted([ids[0], *ids])


def test_all_that_is_replayed_in_a_run_is_one_wish_and_a_second_run_another() -> None:
    """The ledger heeds each wish once."""
    sqs = FakeSqs()
    packed = pack(Event("bakery", "e-1", "baked", {}, 1.0, "i", only=("k",), replay_id="an older one"))
    for _ in range(2):
        replay(sqs, [sqs.put(DLQ, packed.body, **packed.attributes) for _ in range(2)])
    bodies_sent = [json.loads(body) for body in bodies(sqs, QUEUE)]
    first, same, second, same_again = (body["replay_id"] for body in bodies_sent)
    assert (first, second) == (same, same_again)
    assert len({first, second, "", "an older one"}) == 4


def test_a_queue_that_takes_nothing_ends_the_replay() -> None:
    """Three in a row, and it is not the messages' fault."""
    sqs, ids = world(10)
    sqs.before = fail("send_message", refused("SendMessage"))
    result = replay(sqs, ids)
    assert set(result.kept.values()) == {"the queue did not take it (AccessDenied)"}
    assert len(result.kept) == 3
    assert len(bodies(sqs, DLQ)) == 10


def test_one_message_that_is_not_taken_stays_and_the_others_go() -> None:
    """A passing error costs one message, which is dead still."""
    sqs, ids = world(10)
    sqs.before = fail("send_message", refused("SendMessage"), times=1)
    result = replay(sqs, ids)
    assert (len(result.replayed), len(result.kept), len(bodies(sqs, DLQ))) == (9, 1, 1)


def test_what_was_sent_and_not_deleted_is_told() -> None:
    """It is in both queues."""
    sqs, ids = world(2)
    sqs.before = fail("delete_message", refused("DeleteMessage"), times=1)
    result = replay(sqs, ids)
    assert (result.in_both, result.replayed) == ([ids[0]], [ids[1]])


def test_what_holds_no_event_stays_dead() -> None:
    """Nothing is thrown away because it cannot be replayed."""
    sqs = FakeSqs()
    message_id = sqs.put(DLQ, '{"requestContext": {}, "requestPayload": null}')
    result = replay(sqs, [message_id])
    assert result.kept == {message_id: "nothing in it is an event"}
    assert len(bodies(sqs, DLQ)) == 1


def test_a_message_whose_hold_has_ended_meanwhile_is_received_anew_before_it_is_sent() -> None:
    """A laptop that slept: by then it may be in somebody else's hands."""
    sqs, ids = world(2)

    def sleep(result: Result) -> None:
        sqs.now += 3600 if result.reached == 1 else 0

    result = replay(sqs, ids, told=sleep)
    assert sorted(result.replayed) == ids
    assert sqs.queues[DLQ] == []
    assert len(bodies(sqs, QUEUE)) == 2


def test_the_pace_is_kept_and_a_pause_makes_no_burst() -> None:
    """One each interval; what is late is not caught up with."""
    now, waits = [100.0], []

    class _Stop(Flag):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout)
            now[0] += timeout or 0
            return False

    pace = Pace(2.0, _Stop(), lambda: now[0])
    assert [pace.turn() for _ in range(3)] == [True] * 3
    now[0] += 60
    assert [pace.turn() for _ in range(2)] == [True] * 2
    assert waits == [2.0, 2.0, 2.0]


def test_a_stop_breaks_the_wait_off() -> None:
    """Ctrl-C is not kept waiting for a slow pace."""
    stop = Flag()
    pace = Pace(3600.0, stop)
    assert pace.turn()
    stop.set()
    assert not pace.turn()


@pytest.mark.parametrize(
    ("result", "code", "said"),
    [
        (Result(replayed=["a", "b"]), 0, "replayed"),
        (Result(replayed=["a"]), 1, "not found any more"),
        (Result(replayed=["a"], kept={"b": "why"}), 1, "why"),
        (Result(replayed=["a"], in_both=["b"]), 1, "still in the dead-letter queue"),
    ],
)
def test_the_summary_tells_all_and_the_exit_code_whether_all_was_done(
    result: Result, code: int, said: str
) -> None:
    """0 only where all was replayed that was wanted."""
    out = StringIO()
    assert summary(Console(file=out, width=120), result, 2, interrupted=False) == code
    assert said in out.getvalue()


def test_without_a_terminal_there_is_no_bar() -> None:
    """Plain lines, and few of them."""
    out = StringIO()
    with progress(Console(file=out), "replaying", 5) as advance:
        advance(1)
    assert out.getvalue() == ""

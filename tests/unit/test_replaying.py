"""The replay: in an order that loses nothing, at a limited rate, and safe to interrupt."""

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
from relayctl.deadletters.replaying import Pace, Replayer, ReplayResult
from relayctl.deadletters.reporting import print_result, progress

DLQ, QUEUE = "https://sqs/dead", "https://sqs/queue"


class Killed(BaseException):
    """Stands for SIGKILL: no handler of the code under test catches it."""


def dead_letters(number: int) -> tuple[FakeSqs, list[str]]:
    """Return queues with a number of dead letters, and their message ids."""
    sqs = FakeSqs()
    return sqs, [sqs.put(DLQ, f'{{"number": {n}}}', error_code="crashed") for n in range(number)]


def replay(
    sqs: FakeSqs,
    wanted: list[str],
    stop: Flag | None = None,
    on_progress: Callable[[ReplayResult], None] = lambda _result: None,
) -> ReplayResult:
    """Replay without a limit of the rate."""
    flag = stop or Flag()
    replayer = Replayer(sqs, QUEUE, Pace(0.0, flag), flag, sqs.time)
    return replayer.replay(DeadLetterQueue(sqs, DLQ, now=sqs.time), wanted, on_progress)


def bodies(sqs: FakeSqs, url: str) -> list[str]:
    """Return the bodies of a queue's messages."""
    return [message.body for message in sqs.queues.get(url, [])]


def fail(operation: str, error: BaseException, times: int = 1_000) -> Callable[[str, dict[str, Any]], None]:
    """Return a hook that makes an operation raise an error a number of times."""
    left = [times]

    def before(called: str, _arguments: dict[str, Any]) -> None:
        if called == operation and left[0]:
            left[0] -= 1
            raise error

    return before


def test_a_wanted_message_is_sent_and_then_deleted_and_the_others_stay_visible() -> None:
    """If the order were reversed, a message would be lost when the program is killed in between."""
    sqs, ids = dead_letters(30)
    result = replay(sqs, ids[5:25])
    assert sorted(result.replayed) == ids[5:25]
    assert len(bodies(sqs, QUEUE)) == 20
    assert [message.message_id for message in sqs.queues[DLQ]] == ids[:5] + ids[25:]
    assert all(message.visible_at <= sqs.now for message in sqs.queues[DLQ])
    sends = [call for call in sqs.calls if call in ("send_message", "delete_message")][30:]
    assert sends == ["send_message", "delete_message"] * 20


def test_a_second_run_replays_what_an_interrupted_run_has_not_reached() -> None:
    """Ctrl-C comes after the third message, so nine are still dead."""
    sqs, ids = dead_letters(12)
    stop = Flag()
    first = replay(sqs, ids, stop, lambda result: stop.set() if result.reached == 3 else None)
    assert len(first.replayed) == 3
    assert len(bodies(sqs, DLQ)) == 9
    assert all(message.visible_at <= sqs.now for message in sqs.queues[DLQ])
    replay(sqs, ids)
    assert sorted(bodies(sqs, QUEUE)) == sorted(f'{{"number": {n}}}' for n in range(12))
    assert bodies(sqs, DLQ) == []


def test_a_message_is_in_both_queues_if_the_replay_is_killed_between_send_and_delete() -> None:
    """Both copies have the same origin, so they are the same event, and the ledger makes one push of them."""
    sqs, ids = dead_letters(3)
    sqs.before = fail("delete_message", Killed())
    with pytest.raises(Killed):
        replay(sqs, ids)
    sqs.before = lambda *_: None
    assert len(bodies(sqs, DLQ)) == 3
    replay(sqs, ids)
    origins = [m.attributes["push-relay-origin-id"]["StringValue"] for m in sqs.queues[QUEUE]]
    assert sorted(origins) == sorted([ids[0], *ids])


def test_every_message_of_a_run_has_the_runs_replay_id() -> None:
    """The ledger lets each run overrule a failed push once, so a second run must have another id."""
    sqs = FakeSqs()
    packed = pack(Event("bakery", "e-1", "baked", {}, 1.0, "i", only=("k",), replay_id="an older one"))
    for _ in range(2):
        replay(sqs, [sqs.put(DLQ, packed.body, **packed.attributes) for _ in range(2)])
    bodies_sent = [json.loads(body) for body in bodies(sqs, QUEUE)]
    first, same, second, same_again = (body["replay_id"] for body in bodies_sent)
    assert (first, second) == (same, same_again)
    assert len({first, second, "", "an older one"}) == 4


def test_the_replay_ends_after_three_failures_in_a_row() -> None:
    """The queue refuses every message, so there is no point in trying the others."""
    sqs, ids = dead_letters(10)
    sqs.before = fail("send_message", refused("SendMessage"))
    result = replay(sqs, ids)
    assert set(result.not_replayed.values()) == {"the queue refused it (AccessDenied)"}
    assert len(result.not_replayed) == 3
    assert len(bodies(sqs, DLQ)) == 10


def test_one_message_that_the_queue_refuses_stays_dead_and_the_others_are_replayed() -> None:
    """A short disturbance must not end the whole replay."""
    sqs, ids = dead_letters(10)
    sqs.before = fail("send_message", refused("SendMessage"), times=1)
    result = replay(sqs, ids)
    assert (len(result.replayed), len(result.not_replayed), len(bodies(sqs, DLQ))) == (9, 1, 1)


def test_a_message_that_was_sent_and_not_deleted_is_reported() -> None:
    """The person must know that another replay will find it again."""
    sqs, ids = dead_letters(2)
    sqs.before = fail("delete_message", refused("DeleteMessage"), times=1)
    result = replay(sqs, ids)
    assert (result.in_both, result.replayed) == ([ids[0]], [ids[1]])


def test_a_message_without_an_event_stays_dead() -> None:
    """It cannot be replayed, but it may still show a person what went wrong."""
    sqs = FakeSqs()
    message_id = sqs.put(DLQ, '{"requestContext": {}, "requestPayload": null}')
    result = replay(sqs, [message_id])
    assert result.not_replayed == {message_id: "it contains no event"}
    assert len(bodies(sqs, DLQ)) == 1


def test_a_message_that_has_become_visible_is_received_again_before_it_is_sent() -> None:
    """If the computer was asleep, another reader may have the message by now."""
    sqs, ids = dead_letters(2)

    def sleep(result: ReplayResult) -> None:
        sqs.now += 3600 if result.reached == 1 else 0

    result = replay(sqs, ids, on_progress=sleep)
    assert sorted(result.replayed) == ids
    assert sqs.queues[DLQ] == []
    assert len(bodies(sqs, QUEUE)) == 2


def test_the_rate_is_limited_also_after_a_pause() -> None:
    """A burst that makes up for the pause would be faster than the person has allowed."""
    now, waits = [100.0], []

    class _Stop(Flag):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout)
            now[0] += timeout or 0
            return False

    pace = Pace(2.0, _Stop(), lambda: now[0])
    assert [pace.wait() for _ in range(3)] == [True] * 3
    now[0] += 60
    assert [pace.wait() for _ in range(2)] == [True] * 2
    assert waits == [2.0, 2.0, 2.0]


def test_a_stop_ends_the_wait_for_the_next_message() -> None:
    """With an interval of an hour, Ctrl-C would seem to have no effect."""
    stop = Flag()
    pace = Pace(3600.0, stop)
    assert pace.wait()
    stop.set()
    assert not pace.wait()


@pytest.mark.parametrize(
    ("result", "code", "text"),
    [
        (ReplayResult(replayed=["a", "b"]), 0, "replayed"),
        (ReplayResult(replayed=["a"]), 1, "no longer found"),
        (ReplayResult(replayed=["a"], not_replayed={"b": "why"}), 1, "why"),
        (ReplayResult(replayed=["a"], in_both=["b"]), 1, "still in the dead-letter queue"),
    ],
)
def test_the_exit_code_is_0_only_if_every_wanted_message_was_replayed(
    result: ReplayResult, code: int, text: str
) -> None:
    """Two messages were wanted. The printed result names what happened to the others."""
    out = StringIO()
    assert print_result(Console(file=out, width=120), result, 2, interrupted=False) == code
    assert text in out.getvalue()


def test_no_progress_bar_is_printed_if_the_output_is_not_a_terminal() -> None:
    """A log file gets a line every few seconds only."""
    out = StringIO()
    with progress(Console(file=out), "replaying", 5) as advance:
        advance(1)
    assert out.getvalue() == ""

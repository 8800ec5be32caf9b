"""`relayctl why` explains one event, and `relayctl tail` shows the lines of all events."""

import time
from collections.abc import Callable
from threading import Event as Flag
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from fake_logs import FakeLogs
from following import lines
from push_relay.core.event import safe_id
from relayctl.__main__ import main
from relayctl.receipts import dead, following
from relayctl.receipts.log_reader import ReceiptLog
from stack_in_memory import StackInMemory, use

type Run = Callable[..., tuple[int, str, str]]
NOW = 1_800_000_000.0


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> StackInMemory:
    """Return the local stack."""
    return use(StackInMemory(), monkeypatch)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command."""

    def command(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        out, err = capsys.readouterr()
        return code, out, err

    return command


def receipt(stack: StackInMemory, age: float = 60, function: str = "deliver", **keys: Any) -> None:
    """Write a receipt of the event e-1."""
    ids = {"event_id": "e-1", "correlation_id": "c-1", "source": "github"}
    stack.logs.write(function, time.time() - age, **{"message": "receipt", **ids, **keys})


def dead_letter(message_id: str, event_id: str) -> dict[str, Any]:
    """Return a message of the dead-letter queue."""
    texts = {"error_code": "vendor_rejected", "event_id": event_id, "failed_at": "2027-01-15T08:00:00+00:00"}
    return {
        "MessageId": message_id,
        "ReceiptHandle": f"r-{message_id}",
        "Body": "{}",
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": text} for name, text in texts.items()
        },
        "Attributes": {"SentTimestamp": "1800000000000"},
    }


@pytest.mark.parametrize("wanted", ["e-1", "c-1"])
def test_the_story_of_an_event_is_shown_in_order(wanted: str, stack: StackInMemory, run: Run) -> None:
    """With what each push waited for, and the text of the route that leads to its recipient."""
    push = {"account": "default", "route": "route[1].to[1]"}
    receipt(stack, 50, outcome="delivered", attempt=2, latency_ms=12.4, **push)
    receipt(stack, 55, outcome="parked", error_code="circuit_open", detail="it fails", attempt=1, **push)
    receipt(stack, 60, "receive", message="accepted")
    receipt(stack, 40, outcome="failed", event_id="another", correlation_id="another")
    code, out, _ = run("why", wanted)
    assert code == 0
    heading, ids, accepted, parked, delivered, verdict = out.splitlines()
    assert heading == "github  e-1"
    assert ids.strip() == "correlation id c-1"
    assert accepted.endswith("receive  accepted     accepted and queued")
    assert "parked       waits for the vendor, because calls are stopped (it fails)" in parked
    assert delivered.endswith("[route[1].to[1] = external:4711, attempt 2, 12 ms]")
    assert verdict == "  => delivered: the vendor accepted the push"


def test_the_story_for_programs_is_one_object_a_line(stack: StackInMemory, run: Run) -> None:
    """The last one is the verdict. Nothing else is on standard output."""
    receipt(stack, 60, "receive", message="accepted")
    receipt(stack, outcome="filtered", detail="no route leads to anybody", left_out=["route[2].to[1] blank"])
    code, out, _ = run("why", "e-1", "--json")
    accepted, filtered, verdict = lines(out)
    assert (code, accepted["kind"], filtered["outcome"], verdict["verdict"]) == (
        0,
        "accepted",
        "filtered",
        "filtered",
    )
    assert filtered["left_out"] == [{"route": "route[2].to[1]", "reason": "is empty for this event"}]
    assert verdict["dead_letters"] is None
    assert verdict["stack"] == "local"


def test_the_rules_that_did_not_hold_are_shown(stack: StackInMemory, run: Run) -> None:
    """From the files of this machine, because the log has no rule."""
    receipt(stack, outcome="filtered", detail="no message rule holds for it")
    _, out, _ = run("why", "e-1")
    assert "message[1].when does not hold: " in out
    receipt(stack, outcome="filtered", detail="message[2] skips it: noise")
    _, out, _ = run("why", "e-1")
    assert "=> filtered: message[2] skips it: noise" in out
    assert "does not hold" not in out


def test_a_dead_letter_is_found(stack: StackInMemory, run: Run) -> None:
    """Its id is what `relayctl dead --show` takes."""
    push = {"account": "default", "route": "route[1].to[1]"}
    receipt(stack, outcome="failed", error_code="vendor_rejected", detail="no", **push)
    stack.dead_letters = [dead_letter("m-1", "another"), dead_letter("m-2", "e-1")]
    _, out, _ = run("why", "e-1")
    assert "dead letter m-2 (vendor_rejected), since 2027-01-15 08:00:00Z: relayctl dead --show m-2" in out
    assert "m-1" not in out
    stack.dead_letters = [dead_letter("m-2", "e-1")]
    _, out, _ = run("why", "e-1", "--json")
    assert lines(out)[-1]["dead_letters"] == ["m-2"]


def test_an_event_without_a_receipt_may_be_a_dead_letter(stack: StackInMemory, run: Run) -> None:
    """The function died each time before it could write one."""
    receipt(stack, 60, "receive", message="accepted")
    stack.dead_letters = [dead_letter("m-2", "e-1")]
    _, out, _ = run("why", "e-1")
    assert "=> queued: " in out
    assert "relayctl dead --show m-2" in out


def test_a_dead_letter_without_a_line_in_the_log_is_a_story_too(stack: StackInMemory, run: Run) -> None:
    """The function died before it could write one, or the log is deleted already."""
    stack.dead_letters = [dead_letter("m-2", "e-1")]
    code, out, _ = run("why", "e-1")
    assert code == 0
    assert "=> unknown: the log has no line that shows how it ended" in out
    assert "relayctl dead --show m-2" in out


def test_a_large_dead_letter_queue_is_not_read(
    stack: StackInMemory, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading hides the messages from others for a moment."""
    monkeypatch.setattr(dead, "MOST_MESSAGES", 1)
    stack.dead_letters = [dead_letter(f"m-{number}", "e-1") for number in range(2)]
    receipt(stack, outcome="failed", error_code="crashed", detail="it died")
    _, out, _ = run("why", "e-1", "--json")
    assert lines(out)[-1]["dead_letters"] is None
    assert len(stack.dead_letters) == 2


def test_a_delivered_event_is_not_looked_for_among_dead_letters(stack: StackInMemory, run: Run) -> None:
    """The command stays quick, and needs fewer rights."""
    stack.dead_letters = [dead_letter("m-2", "e-1")]
    receipt(stack, outcome="delivered", account="default")
    run("why", "e-1")
    assert stack.dead_letters


def test_an_id_without_a_story_is_an_error(stack: StackInMemory, run: Run) -> None:
    """The reasons are given: it is older, or it was refused and not logged."""
    receipt(stack, age=2 * 86_400, outcome="delivered")
    code, out, err = run("why", "e-1")
    assert (code, out) == (1, "")
    assert "the log of local has no line about e-1. To look further back: --since 7d" in err
    assert run("why", "e-1", "--since", "3d")[0] == 0


def test_the_id_may_be_written_as_its_sender_writes_it(stack: StackInMemory, run: Run) -> None:
    """An id that is not plain is logged as its hash."""
    receipt(stack, event_id=safe_id("order 7 of ada@example.com", "-"), outcome="delivered")
    assert run("why", "order 7 of ada@example.com")[0] == 0


def test_a_stack_in_aws_is_read_by_its_name(
    stack: StackInMemory, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RELAY_STACK names it too: nothing is sent."""
    use(stack, monkeypatch, local=False)
    receipt(stack, outcome="delivered", account="default")
    monkeypatch.setenv("RELAY_STACK", "push-relay")
    assert run("why", "e-1")[0] == 0
    assert run("tail", "--no-follow", "--since", "2m")[0] == 0
    assert run("why", "e-1", "--stack", "nosuch")[0] == 1
    monkeypatch.delenv("RELAY_STACK")
    code, _, err = run("why", "e-1")
    assert code == 1
    assert "no stack is chosen" in err
    assert "or start the local stack with `make run`" in err


# --- tail ----------------------------------------------------------------------------------------------


def test_the_lines_that_exist_are_shown(stack: StackInMemory, run: Run) -> None:
    """In the order of time, those of one source or of all, and no older ones."""
    receipt(stack, 20, outcome="filtered", detail="skipped", left_out=["route[1].when false"])
    receipt(stack, 30, "receive", message="accepted", source="push", event_ids=["a", "b"], event_id=None)
    receipt(stack, 10, message="a message was kept", source=None, error_code="queue_unavailable")
    receipt(stack, 400, outcome="delivered")
    code, out, err = run("tail", "--since", "5m", "--no-follow")
    assert (code, err) == (0, "")
    accepted, filtered, left_out, trouble = out.splitlines()
    assert accepted.endswith("accepted     push  a and 1 more  2 events accepted and queued")
    assert filtered.endswith("filtered     github  e-1  skipped")
    assert left_out.strip() == "route[1].when does not hold"
    assert trouble.endswith("trouble      -  e-1  a message was kept: queue_unavailable")
    _, out, _ = run("tail", "--since", "5m", "--no-follow", "--source", "push", "--json")
    (only,) = lines(out)
    assert (only["source"], only["event_ids"]) == ("push", ["a", "b"])
    assert run("tail", "--no-follow")[1] == ""


def test_new_lines_are_shown_until_ctrl_c() -> None:
    """Each once, while the network fails for a moment."""
    logs, stop = FakeLogs(), Flag()
    shown: list[str] = []

    class Flaky(ReceiptLog):
        def new_lines(self, *arguments: Any) -> Any:
            if not shown and not stop.is_set() and len(logs.calls) == 0:
                logs.calls.append({})
                raise EndpointConnectionError(endpoint_url="https://logs")
            return super().new_lines(*arguments)

    def note(new: Any) -> None:
        shown.extend(line.text for line in new)
        if len(shown) == 1:
            logs.write("deliver", NOW + 1, message="receipt", event_id="e-1")
        elif len(shown) == 2:
            stop.set()

    logs.write("receive", NOW, message="accepted", event_id="e-1")
    following.follow(Flaky(logs, "bakery"), NOW - 1, stop, 0.001, note)
    assert shown == ["accepted", "receipt"]


def test_a_log_that_cannot_be_read_ends_the_command(stack: StackInMemory, run: Run) -> None:
    """A network fails for a moment only."""
    logs = FakeLogs()
    logs.refuses = True
    with pytest.raises(Exception, match="does not exist"):
        following.follow(ReceiptLog(logs, "bakery"), NOW, Flag(), 0.001, lambda _: None)
    assert len(logs.calls) == following.MOST_FAILURES
    stack.logs.refuses = True
    code, _, err = run("tail", "--no-follow")
    assert code == 1
    assert "AWS error" in err

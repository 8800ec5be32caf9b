"""`relayctl replay` on a local AWS: real queues, a real ledger and the real handler."""

import json
import os
import signal
import subprocess
import sys
import time
from threading import Event as Flag

import boto3
import pytest

import boto_clients
from push_relay.core.errors import VendorRejected
from relayctl.__main__ import main
from relayctl.deadletters.queue import DeadLetterQueue
from relayctl.deadletters.replaying import Pace, Replayer
from relayctl.project import ROOT
from replay_stack import ReplayStack, new_event, visible_messages

pytestmark = pytest.mark.timeout(240)


def dead_count(capsys: pytest.CaptureFixture[str], stack: ReplayStack) -> int:
    """Return the number of dead letters that `relayctl dead` lists."""
    capsys.readouterr()
    assert main(["dead", *stack.resource_options, "--json"]) == 0
    count: int = json.loads(capsys.readouterr().out)["count"]
    return count


def test_a_failed_push_is_delivered_by_a_replay_after_its_mapping_was_corrected(
    replay_stack: ReplayStack, capsys: pytest.CaptureFixture[str]
) -> None:
    """The dry run shows the failure before the correction and the push after it, and changes nothing."""
    dry_run = ["replay", *replay_stack.resource_options, *replay_stack.checkout_options, "--dry-run"]
    replay_stack.queue(new_event(kind="broken"))
    assert replay_stack.deliver_all() == ["failed"]
    assert main(["dead", *replay_stack.resource_options, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["by_error_code"] == {"mapping_failed": 1}

    assert main(dry_run) == 0
    assert "would become: 1 failed" in capsys.readouterr().out
    replay_stack.correct_mapping()
    assert main([*dry_run, "--show-titles"]) == 0
    output = capsys.readouterr().out
    assert "would be pushed to 1" in output
    assert "Mended" in output
    assert dead_count(capsys, replay_stack) == 1

    assert main(["replay", *replay_stack.resource_options, "--yes"]) == 0
    assert replay_stack.deliver_all() == ["delivered"]
    assert [sent.push.wording.title for sent in replay_stack.world.vendor.calls] == ["Mended"]
    assert dead_count(capsys, replay_stack) == 0


def test_a_replay_goes_to_the_recipients_of_the_current_routes(replay_stack: ReplayStack) -> None:
    """One of three recipients was unknown to the vendor. After a correction, only the new one gets a push."""
    replay_stack.world.vendor.judge = lambda push, _credentials: (
        VendorRejected("unknown user") if push.recipient.value == "two" else None
    )
    replay_stack.queue(new_event(kind="everybody"))
    assert sorted(replay_stack.deliver_all()) == ["delivered", "delivered", "failed"]
    routes = replay_stack.directory / "relay.toml"
    routes.write_text(routes.read_text().replace("user:two", "user:zwei"))
    replay_stack.deploy()
    replay_stack.world.vendor.calls.clear()
    assert main(["replay", *replay_stack.resource_options, "--yes"]) == 0
    assert sorted(replay_stack.deliver_all()) == ["delivered", "duplicate", "duplicate"]
    assert [sent.push.recipient.value for sent in replay_stack.world.vendor.calls] == ["zwei"]


def test_a_delivered_push_is_a_duplicate_unless_forced(
    replay_stack: ReplayStack, capsys: pytest.CaptureFixture[str]
) -> None:
    """The ledger decides that, and the dry run asks the ledger too."""
    replay = ["replay", *replay_stack.resource_options]
    replay_stack.queue(new_event())
    assert replay_stack.deliver_all() == ["delivered"]
    replay_stack.dead_letter(new_event())
    assert main([*replay, *replay_stack.checkout_options, "--dry-run"]) == 0
    assert "would become: 1 duplicate" in capsys.readouterr().out
    assert main([*replay, "--yes"]) == 0
    assert replay_stack.deliver_all() == ["duplicate"]
    replay_stack.dead_letter(new_event())
    assert main([*replay, "--yes", "--force"]) == 0
    assert replay_stack.deliver_all() == ["delivered"]
    assert len(replay_stack.world.vendor.calls) == 2


def test_another_senders_message_that_was_replayed_twice_is_one_push(replay_stack: ReplayStack) -> None:
    """Two replays are killed between sending and deleting, so the queue has the message under two new ids."""
    text = {"source": {"DataType": "String", "StringValue": "ovens"}}
    boto_clients.sqs().send_message(
        QueueUrl=replay_stack.dead_letter_url, MessageBody='{"degrees": 451}', MessageAttributes=text
    )
    messages = boto_clients.sqs().receive_message(QueueUrl=replay_stack.dead_letter_url, VisibilityTimeout=0)
    for _ in range(2):
        with pytest.raises(SystemExit):
            _replay_and_die(replay_stack, [messages["Messages"][0]["MessageId"]])
    assert sorted(replay_stack.deliver_all()) == ["delivered", "duplicate"]


def _replay_and_die(stack: ReplayStack, wanted_ids: list[str]) -> None:
    class _DyingQueue(DeadLetterQueue):
        def delete(self, dead_letter: object) -> None:
            raise SystemExit(str(dead_letter))

    stop = Flag()
    sqs = boto3.client("sqs")
    replayer = Replayer(sqs, stack.queue_url, Pace(0, stop), stop)
    replayer.replay(_DyingQueue(sqs, stack.dead_letter_url), wanted_ids, lambda _result: None)


def test_an_interrupted_replay_loses_nothing_and_sends_nothing_twice(
    replay_stack: ReplayStack, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command runs in its own process and gets a real Ctrl-C in the middle."""
    replay_stack.dead_letter(*map(new_event, range(60)))
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tools'}"}
    command = [sys.executable, "-m", "relayctl", "replay", *replay_stack.resource_options, "--yes"]
    command += ["--rate", "20/s"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as running:  # noqa: S603
        deadline = time.monotonic() + 60
        while visible_messages(replay_stack.queue_url) < 5:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        output = running.communicate(timeout=20)[0]
    assert running.returncode == 1
    assert "interrupted" in output
    left, sent = dead_count(capsys, replay_stack), visible_messages(replay_stack.queue_url)
    assert 0 < left < 60
    assert left + sent == 60
    assert main(["replay", *replay_stack.resource_options, "--yes", "--rate", "1000/s"]) == 0
    assert replay_stack.deliver_all() == ["delivered"] * 60
    assert len({sent.push.key for sent in replay_stack.world.vendor.calls}) == 60


def test_the_dry_run_ignores_expired_items_of_the_ledger(
    replay_stack: ReplayStack, capsys: pytest.CaptureFixture[str]
) -> None:
    """DynamoDB has not deleted the item yet. The relay would ignore it too, and push."""
    replay_stack.queue(new_event())
    assert replay_stack.deliver_all() == ["delivered"]
    dynamodb = boto3.client("dynamodb")
    dynamodb.update_item(
        TableName=replay_stack.table,
        Key={"pk": dynamodb.scan(TableName=replay_stack.table)["Items"][0]["pk"]},
        UpdateExpression="SET expires_at = :now",
        ExpressionAttributeValues={":now": {"N": str(int(time.time()) - 1)}},
    )
    replay_stack.dead_letter(new_event())
    dry_run = ["replay", *replay_stack.resource_options, *replay_stack.checkout_options, "--dry-run"]
    assert main(dry_run) == 0
    assert "would become: 1 pushed" in capsys.readouterr().out


def test_a_thousand_dead_letters_are_listed_and_replayed(
    replay_stack: ReplayStack, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is listed once, and the replay finds all of them, because the list leaves them in the queue."""
    replay_stack.dead_letter(*map(new_event, range(1000)))
    assert main(["dead", *replay_stack.resource_options, "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)["entries"]
    assert len({entry["id"] for entry in entries}) == 1000
    assert main(["replay", *replay_stack.resource_options, "--yes", "--rate", "10000/s"]) == 0
    assert dead_count(capsys, replay_stack) == 0
    assert visible_messages(replay_stack.queue_url) == 1000


def test_a_replay_without_a_terminal_needs_the_option_yes(
    replay_stack: ReplayStack, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody can confirm it, and a script must not replay by mistake."""
    replay_stack.dead_letter(new_event())
    assert main(["replay", *replay_stack.resource_options]) == 2
    assert "--yes" in capsys.readouterr().err
    assert dead_count(capsys, replay_stack) == 1

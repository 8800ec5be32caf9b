"""`relayctl dead` and `relayctl replay` on a local AWS: real SQS calls, a real ledger, the real handler."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import batched
from pathlib import Path
from threading import Event as Flag
from typing import Any

import boto3
import pytest

from fakes import SAMPLES, World
from push_relay.adapters import aws
from push_relay.adapters.dynamodb.ledger import DynamoDbLedger
from push_relay.adapters.dynamodb.table import LedgerTable
from push_relay.adapters.queue import SqsQueue
from push_relay.core.errors import VendorRejected, VendorUnavailable
from push_relay.core.event import Event
from push_relay.core.queue_format import pack
from push_relay.entrypoints.batch_consumer import BatchConsumer
from relayctl import ministack
from relayctl.__main__ import main
from relayctl.deadletters.aws_time import AwsClock
from relayctl.deadletters.dead_letter import record
from relayctl.deadletters.queue import DeadLetterQueue
from relayctl.deadletters.replaying import Pace, Replayer
from relayctl.processes import Processes
from relayctl.project import ROOT

pytestmark = pytest.mark.timeout(240)
_MENDED = "it says: {{ data.words }}"


@pytest.fixture(scope="module")
def local_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a MiniStack for this module, and point boto3 at it."""
    with Processes() as processes, pytest.MonkeyPatch.context() as patch:
        started = ministack.start(processes, tmp_path_factory.mktemp("ministack"))
        patch.setenv("AWS_ENDPOINT_URL", started.address)
        patch.setenv("AWS_DEFAULT_REGION", ministack.REGION)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "local")
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
            patch.delenv(name, raising=False)
        aws._clients.clear()
        yield started.address
        aws._clients.clear()


@dataclass
class Stack:
    """Queues and a ledger of one test's own, and the relay that works on them."""

    directory: Path
    queue_url: str
    dead_letter_url: str
    table: str
    world: World

    @property
    def where(self) -> list[str]:
        """The command line's arguments."""
        addresses = ["--queue-url", self.queue_url, "--dead-letter-url", self.dead_letter_url]
        return [*addresses, "--table", self.table]

    @property
    def checkout(self) -> list[str]:
        """Where the dry run finds sources and routes."""
        return ["--sources", str(self.directory / "sources"), "--config", str(self.directory / "relay.toml")]

    def rewire(self) -> None:
        """Deploy: the relay reads sources and routes anew, and keeps its vendor."""
        vendor = self.world.vendor
        self.world = World(sources=self.directory / "sources", routes=self.directory / "relay.toml")
        self.world.vendor, self.world.clock.time = vendor, time.time()
        ledger = DynamoDbLedger(LedgerTable(self.table), time.time)
        self.world.change_sender(ledger=ledger, push_api=vendor)

    def mend(self) -> None:
        """Correct the mapping, and deploy it."""
        file = self.directory / "sources/bakery/source.toml"
        file.write_text(file.read_text().replace("an object cannot be put into a text", _MENDED))
        file.write_text(file.read_text().replace('title = "{{ data }}"', 'title = "Mended"'))
        self.rewire()

    def deliver_all(self) -> list[str]:
        """Be Lambda until the queue is empty; return the outcomes."""
        while self.deliver_once(SqsQueue(self.queue_url, self.dead_letter_url, time.time)):
            pass
        return self.outcomes()

    def deliver_once(self, queue: SqsQueue) -> bool:
        """Be Lambda for a batch; tell whether there was one."""
        asked = {"QueueUrl": self.queue_url, "MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"]}
        received = aws.sqs().receive_message(**asked).get("Messages", [])
        records = [
            record(m["MessageId"], m["Body"], m.get("MessageAttributes", {}), time.time())
            | {"eventSource": "aws:sqs"}
            for m in received
        ]
        world = self.world
        consumer = BatchConsumer(world.recogniser, world.relay, queue, world.telemetry, world.clock)
        kept = consumer.handle({"Records": records}, world.context)
        assert kept == {"batchItemFailures": []}
        for message in received:
            aws.sqs().delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return bool(received)

    def outcomes(self) -> list[str]:
        """Return the outcomes since they were asked for last."""
        outcomes = [str(outcome) for outcome in self.world.witness.outcomes]
        self.world.witness.receipts.clear()
        return outcomes

    def queue(self, *events: Event) -> None:
        """Queue events, as `receive` does."""
        for event in events:
            SqsQueue(self.queue_url, self.dead_letter_url, time.time).put(event)

    def dead_letter(self, *events: Event, error_code: str = "vendor_rejected") -> None:
        """Lay events aside, as `deliver` does."""
        for batch in batched(events, 10, strict=False):
            entries = [_entry(number, event, error_code) for number, event in enumerate(batch)]
            answer = boto3.client("sqs").send_message_batch(QueueUrl=self.dead_letter_url, Entries=entries)
            assert len(answer["Successful"]) == len(batch)


def _entry(number: int, event: Event, error_code: str) -> dict[str, Any]:
    packed, now = pack(event), datetime.now(UTC).isoformat(timespec="seconds")
    texts = {**packed.attributes, "error_code": error_code, "event_id": event.id, "failed_at": now}
    attributes = {name: {"DataType": "String", "StringValue": text} for name, text in texts.items()}
    return {"Id": str(number), "MessageBody": packed.body, "MessageAttributes": attributes}


@pytest.fixture
def stack(local_aws: str, tmp_path: Path) -> Stack:
    """Make queues and a ledger."""
    assert local_aws
    name = uuid.uuid4().hex
    shutil.copytree(SAMPLES / "sources", tmp_path / "sources")
    shutil.copy(SAMPLES / "relay.toml", tmp_path / "relay.toml")
    urls = [aws.sqs().create_queue(QueueName=f"{name}-{kind}")["QueueUrl"] for kind in ("queue", "dead")]
    aws.dynamodb().create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    made = Stack(tmp_path, *urls, name, World())
    made.rewire()
    return made


def event(number: int = 0, kind: str = "baked", source: str = "bakery") -> Event:
    """Return an event of its own."""
    data = {"kind": kind, "words": f"loaf {number}"}
    return Event(source, f"e-{number}", kind, data, time.time() - 60, f"identity-{kind}-{number}")


def listed(capsys: pytest.CaptureFixture[str], stack: Stack, *arguments: str) -> dict[str, Any]:
    """Return what `dead --json` says."""
    capsys.readouterr()
    assert main(["dead", *stack.where, "--json", *arguments]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_a_failed_push_is_delivered_when_it_is_replayed_after_the_mapping_was_mended(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    """Dead with its code; the dry run tells before and after; then it arrives, once."""
    stack.queue(event(kind="broken"))
    assert stack.deliver_all() == ["failed"]
    assert listed(capsys, stack)["by_error_code"] == {"mapping_failed": 1}

    assert main(["replay", *stack.where, *stack.checkout, "--dry-run"]) == 0
    assert "would become: 1 failed" in capsys.readouterr().out
    stack.mend()
    assert main(["replay", *stack.where, *stack.checkout, "--dry-run", "--show-titles"]) == 0
    said = capsys.readouterr().out
    assert "would be pushed to 1" in said
    assert "Mended" in said
    assert listed(capsys, stack)["count"] == 1  # a dry run takes nothing

    assert main(["replay", *stack.where, "--yes"]) == 0
    assert stack.deliver_all() == ["delivered"]
    assert [sent.push.wording.title for sent in stack.world.vendor.calls] == ["Mended"]
    assert listed(capsys, stack)["count"] == 0


def test_a_push_that_the_vendor_refused_goes_to_whom_the_routes_name_today(stack: Stack) -> None:
    """Of three recipients one was unknown: mended in the routes, only the new one is told."""
    stack.world.vendor.judge = lambda push, _c: (
        VendorRejected("unknown user") if push.recipient.value == "two" else None
    )
    stack.queue(event(kind="everybody"))
    assert sorted(stack.deliver_all()) == ["delivered", "delivered", "failed"]
    routes = stack.directory / "relay.toml"
    routes.write_text(routes.read_text().replace("user:two", "user:zwei"))
    stack.rewire()
    stack.world.vendor.calls.clear()
    assert main(["replay", *stack.where, "--yes"]) == 0
    assert sorted(stack.deliver_all()) == ["delivered", "duplicate", "duplicate"]
    assert [sent.push.recipient.value for sent in stack.world.vendor.calls] == ["zwei"]


def test_what_was_delivered_is_a_duplicate_unless_forced(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    """The ledger decides, and the dry run knows."""
    stack.queue(event())
    assert stack.deliver_all() == ["delivered"]
    stack.dead_letter(event())
    assert main(["replay", *stack.where, *stack.checkout, "--dry-run"]) == 0
    assert "would become: 1 duplicate" in capsys.readouterr().out
    assert main(["replay", *stack.where, "--yes"]) == 0
    assert stack.deliver_all() == ["duplicate"]
    stack.dead_letter(event())
    assert main(["replay", *stack.where, "--yes", "--force"]) == 0
    assert stack.deliver_all() == ["delivered"]
    assert len(stack.world.vendor.calls) == 2


def test_a_strangers_message_that_was_replayed_twice_is_one_push(stack: Stack) -> None:
    """Killed between send and delete: the message is in both queues, under two ids of SQS's."""
    text = {"source": {"DataType": "String", "StringValue": "ovens"}}
    aws.sqs().send_message(
        QueueUrl=stack.dead_letter_url, MessageBody='{"degrees": 451}', MessageAttributes=text
    )
    before = aws.sqs().receive_message(QueueUrl=stack.dead_letter_url, VisibilityTimeout=0)["Messages"]
    for _ in range(2):
        with pytest.raises(SystemExit):
            _replay_and_die(stack, [before[0]["MessageId"]])
    assert sorted(stack.deliver_all()) == ["delivered", "duplicate"]


def _replay_and_die(stack: Stack, wanted: list[str]) -> None:
    class _Dying(DeadLetterQueue):
        def delete(self, letter: object) -> None:
            raise SystemExit(str(letter))

    stop = Flag()
    sqs = boto3.client("sqs")
    replayer = Replayer(sqs, stack.queue_url, Pace(0, stop), stop)
    replayer.replay(_Dying(sqs, stack.dead_letter_url), wanted, lambda _result: None)


def test_an_interrupted_replay_loses_nothing_and_sends_nothing_twice(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command itself, with a real Ctrl-C in its middle; what is left is visible at once."""
    stack.dead_letter(*map(event, range(60)))
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tools'}"}
    command = [sys.executable, "-m", "relayctl", "replay", *stack.where, "--yes", "--rate", "20/s"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as running:  # noqa: S603
        deadline = time.monotonic() + 60
        while _visible(stack.queue_url) < 5:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        said = running.communicate(timeout=20)[0]
    assert running.returncode == 1
    assert "interrupted" in said
    left, sent = listed(capsys, stack)["count"], _visible(stack.queue_url)
    assert 0 < left < 60
    assert left + sent == 60
    assert main(["replay", *stack.where, "--yes", "--rate", "1000/s"]) == 0
    assert stack.deliver_all() == ["delivered"] * 60
    assert len({sent.push.key for sent in stack.world.vendor.calls}) == 60


def _visible(url: str) -> int:
    told = aws.sqs().get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    return int(told["Attributes"]["ApproximateNumberOfMessages"])


def test_filters_and_the_limit_choose_what_is_listed_and_replayed(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    """By code, by source, by age; the others stay dead."""
    stack.dead_letter(*map(event, range(3)), error_code="vendor_rejected")
    stack.dead_letter(*map(event, range(3, 7)), error_code="mapping_failed")
    stack.dead_letter(event(7, source="ovens"), error_code="mapping_failed")
    assert listed(capsys, stack, "--error-code", "mapping_failed")["count"] == 5
    assert listed(capsys, stack, "--source", "ovens")["count"] == 1
    assert listed(capsys, stack, "--older-than", "1h")["count"] == 0
    chosen = ["--error-code", "mapping_failed", "--source", "bakery", "--limit", "2"]
    assert main(["replay", *stack.where, "--yes", *chosen]) == 0
    assert listed(capsys, stack)["by_error_code"] == {"vendor_rejected": 3, "mapping_failed": 3}


@pytest.mark.parametrize("ahead", [-90, 90])
def test_a_clock_that_is_wrong_hides_nothing(
    stack: Stack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    """Ages are counted from the time of AWS's own answers."""
    monkeypatch.setattr(AwsClock.__init__, "__defaults__", (lambda: time.time() + ahead,))
    stack.dead_letter(event(1))
    assert main(["dead", "--json", *stack.where]) == 0
    (entry,) = json.loads(capsys.readouterr().out)["entries"]
    assert entry["age_secs"] < 60
    assert main(["dead", "--json", "--older-than", "80s", *stack.where]) == 0
    assert json.loads(capsys.readouterr().out)["entries"] == []


def test_one_message_is_shown_on_request(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """By the beginning of its id; its body on standard output, for jq."""
    stack.dead_letter(event())
    (entry,) = listed(capsys, stack)["entries"]
    assert main(["dead", *stack.where, "--show", entry["id"][:8]]) == 0
    assert json.loads(capsys.readouterr().out)["data"]["words"] == "loaf 0"
    assert main(["dead", *stack.where, "--show", "nosuch"]) == 1


def test_parked_pushes_are_listed_from_the_ledger(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """With what they wait for; those that were delivered are not."""
    stack.queue(event(1))
    assert stack.deliver_all() == ["delivered"]
    stack.world.vendor.judge = lambda *_: VendorUnavailable("down", retry_after=900)
    stack.queue(event(2))
    stack.deliver_all()
    document = listed(capsys, stack, "--parked")
    assert (document["kind"], document["count"]) == ("parked", 1)
    (entry,) = document["entries"]
    told = (entry["error_code"], entry["source"], entry["event_id"], entry["size_bytes"])
    assert told == ("vendor_unavailable", "bakery", "e-2", None)


def test_what_expired_or_was_forgotten_is_not_parked(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    """The ledger's item is there still: DynamoDB deletes it within days."""
    stack.world.vendor.judge = lambda *_: VendorUnavailable("down", retry_after=1)
    stack.queue(event(1))
    sqs = SqsQueue(stack.queue_url, stack.dead_letter_url, lambda: time.time() + 60)  # nothing is delayed
    stack.deliver_once(sqs)
    assert listed(capsys, stack, "--parked")["count"] == 1
    stack.world.clock.time += 8 * 86_400
    stack.deliver_once(sqs)
    document = listed(capsys, stack, "--parked")
    assert stack.outcomes() == ["parked", "expired"]
    assert (document["count"], document["queue"]) == (0, {"visible": 0, "delayed": 0, "in_hand": 0})
    items = boto3.client("dynamodb").scan(TableName=stack.table)["Items"]
    assert [item["status"]["S"] for item in items] == ["parked"]


def test_the_dry_run_knows_what_the_ledger_has_forgotten(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    """Past its time, and not deleted yet: the relay would push it."""
    stack.queue(event())
    assert stack.deliver_all() == ["delivered"]
    boto3.client("dynamodb").update_item(
        TableName=stack.table,
        Key={"pk": boto3.client("dynamodb").scan(TableName=stack.table)["Items"][0]["pk"]},
        UpdateExpression="SET expires_at = :now",
        ExpressionAttributeValues={":now": {"N": str(int(time.time()) - 1)}},
    )
    stack.dead_letter(event())
    assert main(["replay", *stack.where, *stack.checkout, "--dry-run"]) == 0
    assert "would become: 1 pushed" in capsys.readouterr().out


def test_a_thousand_dead_messages_are_listed_and_replayed(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each once; the replay finds them all again, because looking takes nothing."""
    stack.dead_letter(*map(event, range(1000)))
    assert len({entry["id"] for entry in listed(capsys, stack)["entries"]}) == 1000
    assert main(["replay", *stack.where, "--yes", "--rate", "10000/s"]) == 0
    assert listed(capsys, stack)["count"] == 0
    assert _visible(stack.queue_url) == 1000


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["dead", "--stack", "nosuch"], 1),
        (["dead", "--table", "nosuch", "--parked"], 1),
        (["dead", "--table", "nosuch"], 1),
        (["replay", "--stack", "nosuch", "--yes"], 1),
        (["replay", "--dead-letter-url", "http://127.0.0.1:1/nosuch", "--yes"], 1),
    ],
)
def test_what_is_not_there_is_told_in_a_line(
    local_aws: str, arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback at three in the morning."""
    assert local_aws
    assert main(arguments) == code
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith(f"{arguments[0]}: ")


def test_nobody_to_ask_is_a_wrong_use(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """A script has to say --yes."""
    stack.dead_letter(event())
    assert main(["replay", *stack.where]) == 2
    assert "--yes" in capsys.readouterr().err
    assert listed(capsys, stack)["count"] == 1

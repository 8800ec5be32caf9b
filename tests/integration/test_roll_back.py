"""The version before and this one, each in a process of its own, on one DynamoDB and SQS.

They run side by side while an update replaces the functions, and the version before runs alone after a
roll-back. Its code comes from the repository's history.
"""

import io
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local_aws import LocalAws
from push_relay.core.delivery.backlog import Waiting
from relayctl.__main__ import main
from relayctl.project import ROOT
from waiting import wait_until
from worker_fleet import THIS_VERSION, SlowVendor, Stack, Worker, ends

LIMIT = 3
#: The last commit of the version before.
COMMIT = "a002be5faa239cb7ee2205933a1a68de8e8507b9"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def version_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with the package of the version before."""
    found = subprocess.run(  # noqa: S603 (our own repository)
        ["git", "archive", COMMIT, "src"],  # noqa: S607 (as the developer's shell finds it)
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if found.returncode:
        pytest.skip(f"the history has no commit {COMMIT[:8]}: this is a shallow clone, or no clone at all")
    directory = tmp_path_factory.mktemp("before")
    with tarfile.open(fileobj=io.BytesIO(found.stdout)) as archive:
        archive.extractall(directory, filter="data")
    return directory / "src"


@contextmanager
def fleet(
    local: LocalAws, directory: Path, before: Path, *, latency: float = 0.0, account: str = ""
) -> Iterator[tuple[Stack, Worker, Worker]]:
    """Run a vendor, a worker of the version before and one of this version."""
    vendor = SlowVendor(latency)
    try:
        stack = Stack(local, vendor, directory, account)
        with stack.workers(before, THIS_VERSION) as (old, new):
            yield stack, old, new
    finally:
        vendor.close()


def test_both_versions_at_once_send_each_push_once_and_share_the_connections(
    local_stores: LocalAws, tmp_path: Path, version_before: Path
) -> None:
    """Each has events of its own, and one that the other one has too."""
    with fleet(local_stores, tmp_path, version_before, latency=0.3) as (stack, old, new):
        for _ in range(2):
            batches = [stack.received(stack.send(9, title)) for title in ("before", "after")]
            shared = stack.received(stack.send(1, "both"))
            for worker, batch in zip((old, new), batches, strict=True):
                worker.invoke([*batch, *shared])
            both = [worker.finished() for worker in (old, new)]
            assert ends(*both)["delivered"] > 9
            deadline = time.monotonic() + 60
            while len(stack.waiting()) or len(stack.vendor.calls) % 19 != 2:
                stack.drain(new)
                assert time.monotonic() < deadline, stack.vendor.shown
        assert len(stack.vendor.calls) == 2 * 19 + 2
        assert set(stack.vendor.shown.values()) == {1}
        assert stack.vendor.most_at_a_time == LIMIT
        assert len(stack.vendor.of("before")) == len(stack.vendor.of("after")) == 18


def test_both_versions_at_once_never_exceed_the_day(
    local_stores: LocalAws, tmp_path: Path, version_before: Path
) -> None:
    """They use all of its calls."""
    account = "daily_calls = 14\nreserved_percent = 0"
    with fleet(local_stores, tmp_path, version_before, account=account) as (stack, old, new):
        for _ in range(3):
            for worker, title in ((old, "before"), (new, "after")):
                worker.invoke(stack.received(stack.send(4, title)))
            for worker in (old, new):
                worker.finished()
        # A drain that finds the connections leased leaves the rest to the next one.
        deadline = time.monotonic() + 60
        while len(stack.vendor.calls) < 14:
            stack.drain(new)
            assert time.monotonic() < deadline, stack.vendor.shown
        stack.drain(new)
        assert len(stack.vendor.calls) == 14
        assert {call.title for call in stack.vendor.calls} >= {"before", "after"}


def test_messages_that_the_version_before_has_parked_are_sent_after_an_update(
    local_stores: LocalAws, tmp_path: Path, version_before: Path
) -> None:
    """This version also respects the day and the connections of the items that it finds."""
    with fleet(local_stores, tmp_path, version_before) as (stack, old, new):
        stack.vendor.status = 500
        old.invoke(stack.received(stack.send(2, "parked")))
        assert old.finished().ends == {"vendor_unavailable": 2}
        stack.vendor.status = 200
        # The version before waits up to 10 seconds until the second attempt.
        new.invoke(stack.received(2))
        assert new.finished().ends == {"delivered": 2}
        assert len(stack.vendor.of("parked")) == 4
        assert stack.waiting() == []


def test_a_wake_up_does_nothing_in_the_version_before(
    local_stores: LocalAws, tmp_path: Path, version_before: Path
) -> None:
    """It is acknowledged, so it is never received again and never dead-lettered."""
    with fleet(local_stores, tmp_path, version_before) as (stack, old, _):
        stack.queue.wake("default", time.time())
        old.invoke(stack.received(1))
        finished = old.finished()
        assert (finished.ends, finished.kept) == ({"filtered": 1}, [])
        assert len(stack.vendor.calls) == 2  # to warm up
        assert local_stores.received(stack.dead_letter_url) == []


def test_after_a_roll_back_the_version_before_sends_what_waits_once(
    local_stores: LocalAws, tmp_path: Path, version_before: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An event that this version has in its backlog too is a duplicate there."""
    with fleet(local_stores, tmp_path, version_before) as (stack, old, new):
        stack.vendor.status = 500
        new.invoke(stack.received(stack.send(2, "waits")))
        assert new.finished().ends == {"vendor_unavailable": 2}
        waits = [each for each in stack.waiting() if isinstance(each, Waiting)]
        assert [each.attempt for each in waits] == [2, 2]
        stack.vendor.status = 200
        options = ["--backlog-table", stack.backlog_table.name, "--queue-url", stack.queue_url]
        assert main(["waiting", *options, "--requeue", "--yes"]) == 0
        assert "requeued 2" in " ".join(capsys.readouterr().out.split())
        sent: list[str] = []

        def play_the_version_before() -> bool:
            found = stack.messages()
            if found:
                old.invoke(found)
                finished = old.finished()
                assert finished.kept == []
                sent.extend(finished.ends)
            return len(stack.vendor.of("waits")) == 4

        wait_until(play_the_version_before)
        # The wake-ups of this version are among the messages.
        assert set(sent) <= {"delivered", "filtered"}
        # A worker of this version that was not replaced yet had put them into the backlog once more.
        stack.put_back(waits)
        time.sleep(1)
        assert ends(*stack.drain(new)) == {"duplicate": 2}
        assert stack.waiting() == []
        assert len(stack.vendor.of("waits")) == 4

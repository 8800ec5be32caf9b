"""`relayctl send`, `why` and `tail` with the deployed stack: its secrets, endpoint, queue and logs."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from fakes import SHIPPED, SHIPPED_ROUTES
from relayctl.project import ROOT
from relayctl.running import Running, announce
from relayctl.stack import LocalStack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
#: A function's cold start takes this long on a busy machine.
_WAIT = "120s"
_TIMEOUT_SECS = 300.0


@pytest.fixture
def local(fresh_stack: LocalStack) -> Iterator[str]:
    """Return the name of the stack, which is found as that of `make run` is. Other tests have stacks too."""
    sandbox_port = urlsplit(fresh_stack.sandbox.address).port or 0
    announce(
        fresh_stack.directory,
        Running(os.getpid(), fresh_stack.aws.port, sandbox_port, str(SHIPPED), str(SHIPPED_ROUTES)),
    )
    yield f"local:{fresh_stack.aws.port}"
    (fresh_stack.directory / "running.json").unlink()


def relayctl(*arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    """Run a command as a person does; return its exit code, the JSON objects and standard error."""
    done = subprocess.run(  # noqa: S603 (the project's own command)
        [sys.executable, "-m", "relayctl", *arguments, "--json"],
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_SECS,
        check=False,
        cwd=ROOT,
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_an_example_is_followed_to_the_phone_and_explained_afterwards(
    local: str, fresh_stack: LocalStack
) -> None:
    """It is sent twice, and is two events. The log has the ids of both."""
    events = []
    for _ in range(2):
        code, lines, errors = relayctl("send", "github", "issues-opened", "--stack", local, "--wait", _WAIT)
        assert code == 0, errors
        assert [line["kind"] for line in lines] == ["sent", "accepted", "receipt", "verdict"]
        events.append(lines[-1]["event_id"])
    assert fresh_stack.sandbox.record.counts.accepted == 2
    assert len(set(events)) == 2
    code, lines, errors = relayctl("why", events[0], "--stack", local)
    assert code == 0, errors
    assert [line.get("outcome") for line in lines[:-1]] == [None, "delivered"]
    assert (lines[-1]["verdict"], lines[1]["route"]) == ("delivered", "route[1].to[1]")
    code, lines, errors = relayctl("tail", "--since", "1h", "--no-follow", "--stack", local)
    assert code == 0, errors
    assert {name for line in lines for name in line["event_ids"]} >= set(events)


def test_a_person_who_is_left_out_is_explained_by_place(local: str, fresh_stack: LocalStack) -> None:
    """The deployed function logs the place, and not the person."""
    change = "data.assignee.login=planted-person"
    code, lines, errors = relayctl(
        "send", "github", "issues-assigned", "--set", change, "--stack", local, "--wait", _WAIT
    )
    assert code == 1, errors
    assert lines[-1]["verdict"] == "filtered"
    (receipt,) = [line for line in lines if line["kind"] == "receipt"]
    reasons = {part["reason"] for part in receipt["left_out"]}
    assert reasons == {"names a person who is not in [people]", "does not hold"}
    assert "planted-person" not in fresh_stack.log()


def test_an_example_of_aws_goes_through_the_queue(local: str, fresh_stack: LocalStack) -> None:
    """Its event has the id of the message."""
    code, lines, errors = relayctl("send", "cloudwatch-alarm", "alarm", "--stack", local, "--wait", _WAIT)
    assert code == 0, errors
    assert (lines[0]["through"], lines[-1]["verdict"]) == ("queue", "delivered")
    assert lines[0]["correlation_id"] == lines[-1]["event_id"]
    assert fresh_stack.sandbox.record.counts.accepted == 1

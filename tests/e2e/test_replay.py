"""Dead letters of the deployed stack, by the command line that `make run` prints."""

import json
import subprocess
import time

import pytest

from relayctl import pasting
from relayctl.deploy import queue_client
from relayctl.stack import LocalStack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
_SECS = 120.0  # a cold start on a machine that does other things besides


def test_the_printed_command_lists_and_replays_what_is_dead(fresh_stack: LocalStack) -> None:
    """Found by the stack's name; a crashed message is replayed, and its push arrives."""
    text = {"source": {"DataType": "String", "StringValue": "push"}}
    body = json.dumps({"UserExternalId": "4711", "Title": "Back again", "Body": "from the dead"})
    queue_client(fresh_stack.aws).send_message(
        QueueUrl=fresh_stack.outputs["DeadLetterQueueUrl"], MessageBody=body, MessageAttributes=text
    )
    deadline = time.monotonic() + _SECS
    while json.loads(_run(fresh_stack, "--error-code crashed --json"))["count"] != 1:
        assert time.monotonic() < deadline, fresh_stack.dead_letters()
    printed = pasting.command_line(fresh_stack)
    said = _shell(printed.replace("relayctl dead", "relayctl replay") + " --error-code crashed --yes")
    try:
        fresh_stack.sandbox.record.wait_until(lambda counts: counts.accepted == 1, _SECS)
    except TimeoutError:
        pytest.fail(f"no push of the replayed message; relayctl said {said}, the log\n{fresh_stack.log()}")
    assert [push["Title"] for push in fresh_stack.sandbox.record.pushes()] == ["Back again"]


def _run(stack: LocalStack, arguments: str) -> str:
    return _shell(f"{pasting.command_line(stack)} {arguments}")


def _shell(script: str) -> str:
    done = subprocess.run(  # noqa: S603 - the line that a person pastes
        ["/bin/bash", "-c", script], capture_output=True, text=True, timeout=_SECS, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout

"""Dead letters of the deployed stack, with the commands that `make run` prints."""

import json
import subprocess
import time

import pytest

from relayctl import shell_commands
from relayctl.deploy import queue_client
from relayctl.stack import LocalStack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
#: A function's cold start takes this long on a busy machine.
_TIMEOUT_SECS = 120.0


def test_the_printed_commands_list_and_replay_dead_letters(fresh_stack: LocalStack) -> None:
    """They name the stack, and relayctl reads the queues from it.

    The push of the replayed message arrives.
    """
    text = {"source": {"DataType": "String", "StringValue": "push"}}
    body = json.dumps({"UserExternalId": "4711", "Title": "Back again", "Body": "from the dead"})
    queue_client(fresh_stack.aws).send_message(
        QueueUrl=fresh_stack.outputs["DeadLetterQueueUrl"], MessageBody=body, MessageAttributes=text
    )
    deadline = time.monotonic() + _TIMEOUT_SECS
    while json.loads(_run(fresh_stack, "--error-code crashed --json"))["count"] != 1:
        assert time.monotonic() < deadline, fresh_stack.dead_letters()
    printed = shell_commands.relayctl_commands(fresh_stack)
    output = _shell(printed.replace("relayctl dead", "relayctl replay") + " --error-code crashed --yes")
    try:
        fresh_stack.sandbox.record.wait_until(lambda counts: counts.accepted == 1, _TIMEOUT_SECS)
    except TimeoutError:
        pytest.fail(f"no push arrived; relayctl printed {output}, the log ends with\n{fresh_stack.log()}")
    assert [push["Title"] for push in fresh_stack.sandbox.record.pushes()] == ["Back again"]


def _run(stack: LocalStack, arguments: str) -> str:
    return _shell(f"{shell_commands.relayctl_commands(stack)} {arguments}")


def _shell(script: str) -> str:
    done = subprocess.run(  # noqa: S603 - the commands that a person pastes
        ["/bin/bash", "-c", script], capture_output=True, text=True, timeout=_TIMEOUT_SECS, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout

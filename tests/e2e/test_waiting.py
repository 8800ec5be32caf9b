"""On the deployed stack an event waits while the vendor is down, and is sent after it has recovered."""

import json
import subprocess
from typing import Any

import pytest

from relayctl import shell_commands
from relayctl.deploy import queue_client
from relayctl.stack import LocalStack
from waiting import wait_for_stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


def waiting(stack: LocalStack) -> dict[str, Any]:
    """Return the output of `relayctl waiting --json`."""
    commands = shell_commands.relayctl_commands(stack).replace("relayctl dead", "relayctl waiting")
    done = subprocess.run(  # noqa: S603 (the commands that a person pastes)
        ["/bin/bash", "-c", f"{commands} --json"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_an_event_that_waits_is_listed_and_is_sent_when_the_vendor_has_recovered(
    fresh_stack: LocalStack,
) -> None:
    """Its wake-up starts the second attempt, within ten seconds, or else the tick does."""
    sandbox = fresh_stack.sandbox
    sandbox.faults.order("status", status=500)
    try:
        text = {"source": {"DataType": "String", "StringValue": "push"}}
        body = json.dumps({"UserExternalId": "4711", "Title": "Patience", "Body": "it waits"})
        queue_client(fresh_stack.aws).send_message(
            QueueUrl=fresh_stack.outputs["QueueUrl"], MessageBody=body, MessageAttributes=text
        )
        wait_for_stack(lambda: waiting(fresh_stack)["count"] == 1, fresh_stack)
        (entry,) = waiting(fresh_stack)["entries"]
        assert (entry["source"], entry["account"]) == ("push", "default")
        assert entry["reason"] in {"vendor_unavailable", "circuit_open"}
        assert sandbox.record.counts.accepted == 0
    finally:
        sandbox.faults.clear()
    wait_for_stack(lambda: sandbox.record.counts.accepted == 1, fresh_stack)
    assert [push["Title"] for push in sandbox.record.pushes()][-1] == "Patience"
    wait_for_stack(lambda: waiting(fresh_stack)["count"] == 0, fresh_stack)

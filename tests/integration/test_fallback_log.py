"""`relayctl fallback` reads the log of a local AWS, of several log streams and pages."""

import json
import time

import boto3
import pytest

from fakes import captured
from local_aws import LocalAws
from push_relay.core.event import Event
from relayctl.__main__ import main

GROUP = "/aws/lambda/fallbacks-deliver"


def test_the_log_of_a_stack_is_counted(
    local_stores: LocalAws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Other lines of the function are passed over, and older ones too."""
    assert local_stores
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    logs, now = boto3.client("logs"), int(time.time() * 1000)
    with captured() as output:
        event = Event("aws-event", "e-1", "", {"planted": 1}, 1.0, "i")
        output.telemetry.fell_back(event, {"topic": "ops"})
        output.telemetry.accepted(event)
        output.telemetry.flush()
    lines = [json.dumps(line) for line in output.lines]
    logs.create_log_group(logGroupName=GROUP)
    for stream, moments in {"a": (now - 5000, now - 4000), "b": (now - 7_200_000, now - 3000)}.items():
        logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
        events = [{"timestamp": moment, "message": line} for moment in moments for line in lines]
        logs.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=events)
    assert main(["fallback", "--stack", "fallbacks", "--since", "1h", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [(kind["source"], kind["topic"], kind["count"]) for kind in document["kinds"]] == [
        ("aws-event", "ops", 3)
    ]
    assert document["complete"]


def test_a_stack_without_a_log_is_an_error(
    local_stores: LocalAws, capsys: pytest.CaptureFixture[str]
) -> None:
    """The text names the log group, because the stack's name is probably wrong."""
    assert local_stores
    assert main(["fallback", "--stack", "nosuch"]) == 1
    assert "AWS error" in capsys.readouterr().err

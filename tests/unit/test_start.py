"""The AWS clients that the function's settings require are made before the first event, and no others."""

from collections.abc import Mapping
from typing import Any

import pytest
from tests.handler_process import probe_handler

from push_relay.settings import DeliveryMode

_PROBE = """
import json, socket, sys
def refuse(*arguments, **options):
    raise AssertionError("a connection was opened")
socket.socket.connect = refuse
import importlib
importlib.import_module(f"push_relay.{sys.argv[1]}")
from push_relay.adapters import aws
loaded = ["boto3", "botocore", "cryptography", "urllib3"]
print(json.dumps({"clients": sorted(aws._clients), "modules": [m for m in loaded if m in sys.modules]}))
"""
_COLLECTED = """
import gc, importlib, json, sys
from push_relay.adapters import aws
made = aws._client
counts = {"during": 0}
def client(service):
    counts["before"] = sum(each["collections"] for each in gc.get_stats())
    client = made(service)
    counts["during"] += sum(each["collections"] for each in gc.get_stats()) - counts["before"]
    return client
aws._client = client
importlib.import_module(f"push_relay.{sys.argv[1]}")
print(json.dumps([counts["during"], gc.isenabled(), gc.get_freeze_count() > 10_000]))
"""
_ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:planted-AbC123"
_QUEUE = {"QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/123456789012/planted"}
_RECEIVE = {**_QUEUE, "SIGNING_SECRETS_ARN": _ARN}
_DELIVER = {
    **_QUEUE,
    "PUSH_CREDENTIALS_ARN": _ARN,
    "PUSH_BASE_URL": "https://push.example.com",
    "LEDGER_TABLE": "planted",
    "BACKLOG_TABLE": "planted",
}
_REGION = {"AWS_DEFAULT_REGION": "eu-west-1"}


def started(function: str, variables: Mapping[str, str]) -> dict[str, Any]:
    """Import a function's handler in a separate process, and return what was loaded."""
    loaded: dict[str, Any] = probe_handler(_PROBE, function, **variables)
    return loaded


@pytest.mark.parametrize(
    ("function", "variables", "clients"),
    [
        ("receive", _RECEIVE, ["secretsmanager", "sqs"]),
        ("deliver", _DELIVER, ["dynamodb", "secretsmanager", "sqs"]),
        (
            "receive",
            {**_RECEIVE, **_DELIVER, "DELIVERY_MODE": DeliveryMode.DIRECT},
            ["dynamodb", "secretsmanager", "sqs"],
        ),
    ],
    ids=["receive", "deliver", "receive in direct mode"],
)
def test_the_clients_of_a_function_are_made_before_its_first_event(
    function: str, variables: dict[str, str], clients: list[str]
) -> None:
    """No call is made. The first request waits for nothing else: Slack's limit, for example, is 3 seconds."""
    loaded = started(function, {**_REGION, **variables})
    assert loaded["clients"] == clients
    assert loaded["modules"] == []


@pytest.mark.parametrize("function", ["receive", "deliver"])
def test_modules_that_no_setting_requires_are_not_loaded(function: str) -> None:
    """A module that is imported costs time in each cold start."""
    assert started(function, _REGION) == {"clients": [], "modules": []}


def test_a_function_starts_even_if_a_client_cannot_be_made() -> None:
    """The first event is answered with the error, which is logged. A failed start would hide the cause."""
    assert started("deliver", _DELIVER)["clients"] == []


@pytest.mark.parametrize("function", ["receive", "deliver"])
def test_the_garbage_collector_ignores_what_the_start_makes(function: str) -> None:
    """It would take a fifth of the start, and find nothing. After the start it works as usual."""
    variables = {**_REGION, **(_RECEIVE if function == "receive" else _DELIVER)}
    assert probe_handler(_COLLECTED, function, **variables) == [0, True, True]

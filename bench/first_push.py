"""The time from the start of the process to the first push, as a ratio to `python -c pass`.

The built artifact runs under the real runtime client: it imports, builds the relay, reads the secret, claims
and sends the push, over real HTTP to a local AWS and to the sandbox of the Push API. The emulator starts the
process with the first invocation. Both sides are measured alternately, each in a new process.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import boto3

from figures import Figure, summary
from push_relay.core.event import Event
from push_relay.core.queue_format import pack
from relayctl import artifact, ministack
from relayctl.deploy import host_architecture
from relayctl.local_aws import REGION, create_backlog_table
from relayctl.processes import Processes
from rie import lambda_function
from sandbox.account import Account
from sandbox.server import SandboxServer

ROUNDS: Final = 11
_COMPANY_ID: Final = 4711
_KEY: Final = "bench"
PLATFORMS: Final = {"x86_64": "x86_64-manylinux_2_28", "arm64": "aarch64-manylinux_2_28"}
_EXAMPLE: Final = (
    Path(__file__).resolve().parents[1] / "src/sources/github/examples/issues-opened.request.json"
)


def measure(report: Callable[[str], None]) -> list[Figure]:
    """Return the ratio. `report` is called with the progress after each round."""
    ratios: list[float] = []
    floors: list[float] = []
    with ExitStack() as cleanup:
        directory = Path(cleanup.enter_context(tempfile.TemporaryDirectory()))
        built = directory / "artifact"
        artifact.build(PLATFORMS[host_architecture()], built)
        aws = ministack.start(cleanup.enter_context(Processes()), directory)
        sandbox = cleanup.enter_context(SandboxServer(Account(_COMPANY_ID, _KEY)))
        environment = _provision(aws.address) | {"PUSH_BASE_URL": sandbox.address}
        _first_push_secs(built, environment, directory, sandbox, 0)  # this fills the disk's caches
        for number in range(1, ROUNDS + 1):
            floor_secs = _bare_start_secs()
            push_secs = _first_push_secs(built, environment, directory, sandbox, number)
            floors.append(floor_secs * 1e6)
            ratios.append(push_secs / floor_secs)
            report(f"first_push: round {number} of {ROUNDS}: {ratios[-1]:.1f}")
    return [summary("first_push", "process start to first push / python -c pass", ratios, floors)]


def _provision(endpoint: str) -> dict[str, str]:
    """Create the AWS resources that the function needs, and return its environment."""
    options: dict[str, Any] = {
        "endpoint_url": endpoint,
        "region_name": REGION,
        "aws_access_key_id": "local",
        "aws_secret_access_key": "local",
    }
    credentials = json.dumps({"CompanyId": _COMPANY_ID, "IntegrationKey": _KEY})
    secret = boto3.client("secretsmanager", **options).create_secret(Name="bench", SecretString=credentials)
    boto3.client("dynamodb", **options).create_table(
        TableName="bench",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    create_backlog_table(boto3.client("dynamodb", **options), "bench-backlog")
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "DELIVERY_MODE": "queue",
        "PUSH_CREDENTIALS_ARN": secret["ARN"],
        "LEDGER_TABLE": "bench",
        "BACKLOG_TABLE": "bench-backlog",
        "QUEUE_URL": f"{endpoint}/000000000000/bench",
        "DEAD_LETTER_QUEUE_URL": f"{endpoint}/000000000000/bench-dead",
    }


def _first_push_secs(
    built: Path, environment: Mapping[str, str], directory: Path, sandbox: SandboxServer, number: int
) -> float:
    """Start a new function that delivers one event, and return the seconds from its start to the push."""
    with lambda_function(built, "push_relay.deliver.handler", environment, directory) as function:
        began = time.time()
        answer = function.invoke(batch(number))
        if answer != {"batchItemFailures": []}:
            raise SystemExit(f"bench: the event was not delivered: {answer}\n{function.log()}")
        return sandbox.record.calls()[-1].time.timestamp() - began


def batch(number: int) -> dict[str, Any]:
    """Return an SQS batch with one GitHub event, which is a new event each time."""
    example = json.loads(_EXAMPLE.read_text("utf-8"))
    event = Event(
        source="github",
        id=f"bench-{number}",
        type="issues",
        data=example["body"],
        received_at=time.time(),
        identity=f"bench-{number}-{time.time_ns()}",
    )
    packed = pack(event)
    attributes = {
        name: {"stringValue": value, "dataType": "String"} for name, value in packed.attributes.items()
    }
    record = {
        "messageId": f"bench-{number}",
        "receiptHandle": "bench",
        "body": packed.body,
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": str(int(time.time() * 1000))},
        "messageAttributes": attributes,
        "eventSource": "aws:sqs",
    }
    return {"Records": [record]}


def _bare_start_secs() -> float:
    """Return the seconds in which an interpreter without a program starts and ends."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.perf_counter() - began

"""The AWS of a pace measurement: MiniStack with the tables and settings that template.yaml declares."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from chaos.run_clock import RunClock
from push_relay.settings import Settings
from relayctl import ministack
from relayctl.deploy import LOCAL_ENVIRONMENT, client, queue_client, secrets_client
from relayctl.ministack import LocalAws
from relayctl.processes import Processes
from relayctl.project import ROOT
from template_reader import DOCUMENT, RESOURCES, properties

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

COMPANY_ID: Final = 4711
KEY: Final = "bench"
_FUNCTION: Final = properties("DeliverFunction")
_EVENTS: Final[dict[str, dict[str, Any]]] = _FUNCTION["Events"]
_STORED: Final = _EVENTS["Stored"]["Properties"]
BATCH_SIZE: Final[int] = _STORED["BatchSize"]
MAXIMUM_WORKERS: Final[int] = _STORED["ScalingConfig"]["MaximumConcurrency"]
FUNCTION_SECS: Final[float] = _FUNCTION["Timeout"]
#: The inputs of the scheduled invocations. A version without a backlog has none.
TICKS: Final = [
    json.loads(event["Properties"]["Input"]) for event in _EVENTS.values() if event["Type"] == "Schedule"
]


@dataclass(frozen=True, slots=True)
class Aws:
    """The services, while they run. `run_clock`: the clock of the workers and of the driver."""

    local: LocalAws
    sqs: "SQSClient"
    settings: Settings
    clock_file: Path
    run_clock: RunClock


@contextmanager
def started_aws(directory: Path, config: Path, vendor: str, clock_file: Path) -> Iterator[Aws]:
    """Start MiniStack with everything that `deliver` needs, and stop it at the end of the block.

    config  the relay's configuration
    vendor  the vendor's base URL

    Raises StepFailedError.
    """
    with Processes() as processes:
        local = ministack.start(processes, directory)
        os.environ.update(_environment(local))
        settings = Settings.read(_variables(local, vendor) | _files(config))
        yield Aws(local, queue_client(local), settings, clock_file, RunClock(clock_file))


def _environment(local: LocalAws) -> dict[str, str]:
    """Return what the worker processes inherit."""
    return {
        "AWS_ENDPOINT_URL": local.address,
        **LOCAL_ENVIRONMENT,
        "POWERTOOLS_SERVICE_NAME": "push-relay",
        "POWERTOOLS_METRICS_NAMESPACE": "PushRelay",
        "NO_PROXY": "127.0.0.1",
    }


def _files(config: Path) -> dict[str, str]:
    return {"RELAY_CONFIG": str(config), "RELAY_SOURCES": str(ROOT / "src/sources")}


def _variables(local: LocalAws, vendor: str) -> dict[str, str]:
    """Return the variables of the function, with this stack's resources and the parameters' defaults."""
    known = {name: str(each["Default"]) for name, each in DOCUMENT["Parameters"].items() if "Default" in each}
    known |= {"PushBaseUrl": vendor, "PushCredentialsArn": _secret(local)}
    known |= {name: _queue(local, name) for name in ("Queue", "DeadLetterQueue")}
    known |= {name: _table(local, name) for name, each in RESOURCES.items() if _is_table(each)}
    variables = _FUNCTION["Environment"]["Variables"]
    return {
        name: known[value["Ref"]] if isinstance(value, dict) else str(value)
        for name, value in variables.items()
    }


def _is_table(resource: Any) -> bool:
    """Return whether a resource is a table. A loop over resources is a list."""
    return isinstance(resource, dict) and resource["Type"] == "AWS::DynamoDB::Table"


#: The properties of a table that MiniStack acts on.
_TABLE_PROPERTIES: Final = frozenset(
    {"KeySchema", "AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "LocalSecondaryIndexes"}
)


def _table(local: LocalAws, name: str) -> str:
    """Create a table of the template, and return its name."""
    described = {key: value for key, value in properties(name).items() if key in _TABLE_PROPERTIES}
    client(local, "dynamodb").create_table(TableName=name, **described)
    return name


def _queue(local: LocalAws, name: str) -> str:
    return queue_client(local).create_queue(QueueName=name)["QueueUrl"]


def _secret(local: LocalAws) -> str:
    content = json.dumps({"CompanyId": COMPANY_ID, "IntegrationKey": KEY})
    return secrets_client(local).create_secret(Name="push-credentials", SecretString=content)["ARN"]

"""The services of a run: the local AWS with queues, ledger and secrets, and the sandbox."""

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from chaos.plan import FAN, STORM
from chaos.run_clock import RunClock
from chaos.split_sources import SPLIT_SOURCES, write_split_sources
from push_relay.settings import DeliveryMode, Settings
from relayctl import ministack
from relayctl.deploy import ACCESS_KEY, SECRET_KEY, client, queue_client, secrets_client
from relayctl.local_aws import REGION, create_backlog_table
from relayctl.ministack import LocalAws
from relayctl.processes import Processes
from relayctl.project import ROOT
from sandbox import Account, Faults, Record, SandboxServer
from sandbox.account import Limits

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

COMPANY_ID: Final = 4711
TIME_ZONE: Final = ZoneInfo("Europe/Berlin")
#: The configuration of the workers that read the FIFO queue. They have the policy `hold`.
HOLD_CONFIG: Final = "hold.toml"
#: The redrive policy's maxReceiveCount, as in template.yaml.
MAX_RECEIVES: Final = 5
#: A run begins so long before midnight.
_BEFORE_MIDNIGHT_SECS: Final = 12.0
_ROUTES: Final = """
[account.default]
connections = 3
connect_timeout_secs = 2
read_timeout_secs = 1
daily_calls = {daily_calls}
time_zone = "{time_zone}"
max_age = "13d"
delivery_unknown = "{delivery_unknown}"
body_limit = 50000

[source.push]
daily_calls = {push_calls}

[[route]]
source = "github"
when = "type == 'issues'"
to = ["external:4711"]
"""
#: The routes of each source whose events have the field names of the Push API.
_PUSH_ROUTES: Final = """
[[route]]
source = "{source}"
when = "ends_with(data.Title, ' fan')"
to = {fan}

[[route]]
source = "{source}"
when = "ends_with(data.Title, ' urgent')"
to = ["user:{{{{ data.UserId }}}}"]
priority = "high"

[[route]]
source = "{source}"
when = "ends_with(data.Title, ' brief')"
to = ["user:{{{{ data.UserId }}}}"]
max_age = "1h"

[[route]]
source = "{source}"
when = "ends_with(data.Title, ' storm')"
to = ["{storm}"]
batch = "5m"

[[route]]
source = "{source}"
when = "ends_with(data.Title, ' plain') || ends_with(data.Title, ' poison') || ends_with(data.Title, ' fan')"
to = ["user:{{{{ data.UserId }}}}"]
"""


@dataclass(frozen=True, slots=True)
class Services:
    """The services of a run, while it lasts."""

    seed: int
    directory: Path
    run_clock: RunClock
    aws: LocalAws
    sqs: "SQSClient"
    sandbox: SandboxServer
    settings: Settings
    signing_secrets: Mapping[str, str]
    daily_calls: int
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def clock_file(self) -> Path:
        """The file of the run's clock."""
        return self.directory / "clock"

    @property
    def journals(self) -> Path:
        """The directory of the workers' journals."""
        return self.directory / "journals"

    def settings_of(self, handler: str) -> Settings:
        """Return the settings of a handler's workers."""
        match handler:
            case "direct":
                return replace(self.settings, mode=DeliveryMode.DIRECT)
            case "fifo":
                return replace(self.settings, config_file=self.directory / HOLD_CONFIG)
            case _:
                return self.settings

    def rotate_at_vendor(self) -> str:
        """Let the vendor accept only a new key from now on, and return the key."""
        key = secrets.token_urlsafe(24)
        self.sandbox.account.change_credentials(COMPANY_ID, key)
        return key

    def rotate_secret(self, key: str) -> None:
        """Store a key in Secrets Manager."""
        content = json.dumps({"CompanyId": COMPANY_ID, "IntegrationKey": key})
        secrets_client(self.aws).put_secret_value(
            SecretId=self.settings.push_credentials_arn, SecretString=content
        )


@contextmanager
def started_services(directory: Path, seed: int, daily_calls: int, slots: int) -> Iterator[Services]:
    """Start the services, and stop them at the end of the block. `slots`: the number of workers.

    Raises StepFailedError.
    """
    (directory / "journals").mkdir()
    run_clock = RunClock.create(directory / "clock", slots, _just_before_midnight())
    key = secrets.token_urlsafe(24)
    account = Account(
        COMPANY_ID,
        key,
        limits=Limits(daily_calls=daily_calls),
        time_zone=TIME_ZONE,
        clock=lambda: datetime.fromtimestamp(run_clock.now(), UTC),
    )
    sandbox = SandboxServer(account, record=Record(keep=None), faults=Faults(seed=seed))
    with Processes() as processes, sandbox:
        aws = ministack.start(processes, directory)
        signing = {name: secrets.token_urlsafe(24) for name in ("github", "each", "lines")}
        signing |= dict.fromkeys(("push", "list"), "whsec_" + "c2VjcmV0" * 4)
        _write_config(directory / "relay.toml", daily_calls, "resend")
        _write_config(directory / HOLD_CONFIG, daily_calls, "hold")
        settings = _settings(aws, sandbox.address, directory, signing, key)
        with _environment(aws):
            yield Services(
                seed, directory, run_clock, aws, queue_client(aws), sandbox, settings, signing, daily_calls
            )


def _just_before_midnight() -> float:
    """Return the time at which a run begins, so that the next day begins in the middle of its burst."""
    now = datetime.now(TIME_ZONE)
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight.timestamp() - _BEFORE_MIDNIGHT_SECS


def _write_config(file: Path, daily_calls: int, delivery_unknown: str) -> None:
    text = _ROUTES.format(
        delivery_unknown=delivery_unknown,
        daily_calls=daily_calls,
        # Most events are of this source. In short runs, its budget is used up on some days.
        push_calls=daily_calls * 4 // 5,
        time_zone=TIME_ZONE.key,
    )
    for source in ("push", *SPLIT_SOURCES):
        text += _PUSH_ROUTES.format(source=source, fan=json.dumps(FAN), storm=STORM)
    file.write_text(text, encoding="utf-8")


def _sources(directory: Path) -> Path:
    """Create a directory with the run's sources only: a deployer's own source could match its events."""
    sources = directory / "sources"
    sources.mkdir()
    for name in ("push", "github"):
        (sources / name).symlink_to(ROOT / "src/sources" / name)
    write_split_sources(sources)
    return sources


def _settings(aws: LocalAws, vendor: str, directory: Path, signing: Mapping[str, str], key: str) -> Settings:
    sqs = queue_client(aws)
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVES}
    queue = sqs.create_queue(QueueName="events", Attributes={"RedrivePolicy": json.dumps(policy)})
    client(aws, "dynamodb").create_table(
        TableName="ledger",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    create_backlog_table(client(aws, "dynamodb"), "backlog")
    credentials = {"CompanyId": COMPANY_ID, "IntegrationKey": key}
    return Settings(
        mode=DeliveryMode.QUEUE,
        queue_url=queue["QueueUrl"],
        dead_letter_queue_url=dead,
        signing_secrets_arn=_secret(aws, "signing-secrets", signing),
        push_base_url=vendor,
        push_credentials_arn=_secret(aws, "push-credentials", credentials),
        ledger_table="ledger",
        config_file=directory / "relay.toml",
        sources_directory=_sources(directory),
        backlog_table="backlog",
    )


def _secret(aws: LocalAws, name: str, content: object) -> str:
    return secrets_client(aws).create_secret(Name=name, SecretString=json.dumps(content))["ARN"]


@contextmanager
def _environment(aws: LocalAws) -> Iterator[None]:
    """Set the environment for the local AWS. The workers inherit it."""
    variables = {
        "AWS_ENDPOINT_URL": aws.address,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "POWERTOOLS_SERVICE_NAME": "chaos",
        "POWERTOOLS_METRICS_NAMESPACE": "Chaos",
        "NO_PROXY": "127.0.0.1",
    }
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

"""The services of a run: the local AWS with queues, ledger and secrets, and the sandbox."""

import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from chaos.local_queries import hook_queries
from chaos.organisation import Organisation, make_organisation
from chaos.plan import SECOND
from chaos.relay_config import write_config
from chaos.run_calendar import Calendar
from chaos.run_clock import RunClock
from chaos.split_sources import write_split_sources
from push_relay.core.push import DEFAULT_ACCOUNT
from push_relay.settings import DeliveryMode, LedgerWrites, Settings
from relayctl import ministack
from relayctl.deploy import LOCAL_ENVIRONMENT, client, queue_client, secrets_client
from relayctl.local_aws import create_backlog_table
from relayctl.ministack import LocalAws
from relayctl.processes import Processes
from relayctl.project import ROOT

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

#: The redrive policy's maxReceiveCount, as in template.yaml.
MAX_RECEIVES: Final = 5


@dataclass(frozen=True, slots=True)
class Services:
    """The services of a run, while it lasts."""

    seed: int
    directory: Path
    run_clock: RunClock
    aws: LocalAws
    sqs: "SQSClient"
    dynamodb: Any
    organisations: tuple[Organisation, ...]
    settings: Settings
    signing_secrets: Mapping[str, str]

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
            case _:
                return self.settings

    @property
    def calls(self) -> int:
        """How many calls the organisations' vendors have got."""
        return sum(each.sandbox.record.last for each in self.organisations)

    def organisation(self, account: str) -> Organisation:
        """Return the organisation of an account."""
        return next(each for each in self.organisations if each.account == account)


@contextmanager
def started_services(
    directory: Path, seed: int, calendar: Calendar, daily_calls: Mapping[str, int], slots: int
) -> Iterator[Services]:
    """Start the services, and stop them at the end of the block.

    daily_calls  the vendor's limit for each account
    slots        the number of workers

    Raises StepFailedError.
    """
    (directory / "journals").mkdir()
    run_clock = RunClock.create(directory / "clock", slots, calendar.begins)
    organisations = tuple(
        make_organisation(account, number, calls, seed, run_clock)
        for number, (account, calls) in enumerate(daily_calls.items())
    )
    with Processes() as processes, ExitStack() as sandboxes:
        for organisation in organisations:
            sandboxes.enter_context(organisation.sandbox)
        aws = ministack.start(processes, directory)
        signing = {name: secrets.token_urlsafe(24) for name in ("github", "each", "lines")}
        signing |= dict.fromkeys(("push", "list"), "whsec_" + "c2VjcmV0" * 4)
        settings = _settings(aws, directory, seed, signing, organisations)
        _write_configs(directory, organisations)
        dynamodb = client(aws, "dynamodb")
        hook_queries(dynamodb)
        with _environment(aws):
            yield Services(
                seed,
                directory,
                run_clock,
                aws,
                queue_client(aws),
                dynamodb,
                organisations,
                settings,
                signing,
            )


def _write_configs(directory: Path, organisations: Sequence[Organisation]) -> None:
    accounts = {
        each.account: {
            "base_url": each.sandbox.address,
            "credentials_secret": each.secret if each.account != DEFAULT_ACCOUNT else None,
            "daily_calls": each.daily_calls,
            "delivery_unknown": "hold" if each.account == SECOND else "resend",
        }
        for each in organisations
    }
    # Most events are of the source `push`. In short runs, its budget is used up on some days.
    push_calls = max(each.daily_calls for each in organisations) * 4 // 5
    write_config(directory / "relay.toml", accounts, push_calls)


def _sources(directory: Path) -> Path:
    """Create a directory with the run's sources only: a deployer's own source could match its events."""
    sources = directory / "sources"
    sources.mkdir()
    for name in ("push", "github"):
        (sources / name).symlink_to(ROOT / "src/sources" / name)
    write_split_sources(sources)
    return sources


def _settings(
    aws: LocalAws,
    directory: Path,
    seed: int,
    signing: Mapping[str, str],
    organisations: Sequence[Organisation],
) -> Settings:
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
    credentials = {each.account: each.create_secret(aws) for each in organisations}
    return Settings(
        mode=DeliveryMode.QUEUE,
        queue_url=queue["QueueUrl"],
        dead_letter_queue_url=dead,
        signing_secrets_arn=secrets_client(aws).create_secret(
            Name="signing-secrets", SecretString=json.dumps(signing)
        )["ARN"],
        push_base_url=organisations[0].sandbox.address,
        push_credentials_arn=credentials[DEFAULT_ACCOUNT],
        ledger_table="ledger",
        config_file=directory / "relay.toml",
        sources_directory=_sources(directory),
        backlog_table="backlog",
        # Both ways to write groups must hold.
        ledger_writes=list(LedgerWrites)[seed % len(LedgerWrites)],
    )


@contextmanager
def _environment(aws: LocalAws) -> Iterator[None]:
    """Set the environment for the local AWS. The workers inherit it."""
    variables = {
        "AWS_ENDPOINT_URL": aws.address,
        **LOCAL_ENVIRONMENT,
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

"""Put the whole relay up on this machine: the local AWS, the Push API sandbox, the deployed template."""

import json
import os
import shutil
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from relayctl import ministack
from relayctl.artifact import CONFIG_VARIABLE, SOURCES_VARIABLE
from relayctl.deploy import Sam, client, host_architecture, queue_client, secrets_client
from relayctl.kept import Kept
from relayctl.ministack import LocalAws
from relayctl.processes import Processes
from relayctl.progress import Progress, StepFailedError
from relayctl.project import ROOT, RUNS
from relayctl.senders import has_form, needs_secret, new_secret
from sandbox.account import Account
from sandbox.server import SandboxServer

COMPANY_ID: Final = 4711
_LOG_LINES: Final = 20


@dataclass(frozen=True, slots=True)
class LocalStack:
    """The relay, up and running. What it holds of secrets lives as long as it does."""

    directory: Path
    aws: LocalAws
    sandbox: SandboxServer
    outputs: dict[str, str]
    signing_secrets: dict[str, str]

    def webhook_url(self, source: str) -> str:
        """Name the address that the source's webhooks go to."""
        return self.outputs["WebhookUrl"].replace("{source}", source)

    def dead_letters(self) -> list[str]:
        """Tell why events were laid aside: the error code of each dead letter. They stay where they are."""
        received = queue_client(self.aws).receive_message(
            QueueUrl=self.outputs["DeadLetterQueueUrl"],
            MaxNumberOfMessages=10,
            VisibilityTimeout=0,
            MessageAttributeNames=["All"],
        )
        attributes = [message.get("MessageAttributes", {}) for message in received.get("Messages", [])]
        return [
            each["error_code"].get("StringValue", "") if "error_code" in each else "no error code"
            for each in attributes
        ]

    def log(self) -> str:
        """Return the last lines that the functions logged, oldest first."""
        logs = client(self.aws, "logs")
        events = []
        for group in logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/")["logGroups"]:
            events += logs.filter_log_events(logGroupName=group["logGroupName"])["events"]
        events.sort(key=lambda event: event["timestamp"])
        return "\n".join(event["message"].rstrip() for event in events[-_LOG_LINES:])


@dataclass(frozen=True, slots=True)
class Ports:
    """Where to listen; 0 takes a free port."""

    aws: int = 0
    sandbox: int = 0


@dataclass(frozen=True, slots=True)
class Choices:
    """What a local stack is made of.

    topics  SNS topics, by name, that are made first and that the relay subscribes to
    more_topics  further ones, whose names differ from those in signs alone
    alarm_topic  the SNS topic, by name, that is made first and that alarms are published to
    kept    secrets of an earlier run, which are used again
    """

    ports: Ports = Ports()
    topics: Sequence[str] = ()
    kept: Kept = field(default_factory=Kept)
    sources: Path = ROOT / "src/sources"
    config: Path = ROOT / "config/relay.toml"
    more_topics: Sequence[str] = ()
    alarm_topic: str = ""


@contextmanager
def local_stack(progress: Progress, choices: Choices) -> Iterator[LocalStack]:
    """Put everything up, each step as soon as what it needs is there; take everything down afterwards.

    Raises StepFailedError.
    """
    with ExitStack() as cleanup:
        directory = _run_directory(cleanup)
        # Taken down in the opposite order: programs end first, so that no thread waits for one.
        threads = cleanup.enter_context(ThreadPoolExecutor(max_workers=2))
        processes = cleanup.enter_context(Processes())
        built_with = {CONFIG_VARIABLE: str(choices.config), SOURCES_VARIABLE: str(choices.sources)}
        sam = Sam(processes, directory, built_with)
        architecture = host_architecture()

        building = threads.submit(_build, progress, sam, architecture)
        starting = threads.submit(_start_aws, progress, processes, directory, choices.ports.aws)
        integration_key = choices.kept.integration_key
        with progress.step("sandbox", "starting the Push API sandbox") as step:
            sandbox = cleanup.enter_context(_sandbox(choices.ports.sandbox, integration_key))
            step.result = f"up at {sandbox.address}"
        aws = starting.result()
        with progress.step("secrets", "putting random credentials into Secrets Manager"):
            signing_secrets = _signing_secrets(choices.sources, choices.kept)
            credentials = {"CompanyId": COMPANY_ID, "IntegrationKey": integration_key}
            parameters = {
                "PushBaseUrl": sandbox.address,
                "PushCredentialsArn": _put_secret(aws, "push-credentials", credentials),
                "SigningSecretsArn": _put_secret(aws, "signing-secrets", signing_secrets),
                "Architecture": architecture,
            }
        if choices.topics:
            parameters["SnsTopicArns"] = ",".join(_make_topics(aws, choices.topics))
        if choices.more_topics:
            parameters["MoreSnsTopicArns"] = ",".join(_make_topics(aws, choices.more_topics))
        if choices.alarm_topic:
            (parameters["AlarmTopicArn"],) = _make_topics(aws, [choices.alarm_topic])
        built = building.result()
        with progress.step("sam deploy", "deploying template.yaml to MiniStack") as step:
            outputs = sam.deploy(aws, built, parameters)
            step.result = f"the endpoint is {outputs['WebhookUrl']}"
        yield LocalStack(directory, aws, sandbox, outputs, signing_secrets)


def _run_directory(cleanup: ExitStack) -> Path:
    """Make the run's own directory, readable by nobody else."""
    RUNS.mkdir(exist_ok=True)
    directory = Path(tempfile.mkdtemp(dir=RUNS, prefix=f"stack-{os.getpid()}-"))
    cleanup.callback(shutil.rmtree, directory, ignore_errors=True)
    return directory


def _build(progress: Progress, sam: Sam, architecture: str) -> Path:
    with progress.step("sam build", f"building both functions for {architecture}") as step:
        built = sam.build(architecture)
        step.result = "built"
        return built


def _start_aws(progress: Progress, processes: Processes, directory: Path, port: int) -> LocalAws:
    with progress.step("MiniStack", "starting the local AWS") as step:
        aws = ministack.start(processes, directory, port)
        step.result = f"up at {aws.address}"
        return aws


def _sandbox(port: int, integration_key: str) -> SandboxServer:
    try:
        return SandboxServer(Account(COMPANY_ID, integration_key), port=port)
    except OSError as exc:
        raise StepFailedError(
            f"the sandbox can't listen on port {port} ({os.strerror(exc.errno or 0)}); "
            "choose another, or leave it out for a free one"
        ) from exc


def _signing_secrets(sources: Path, kept: Kept) -> dict[str, str]:
    """Return a secret for every source that needs one: the kept one, unless its form does not fit."""
    found = {}
    for file in sorted(sources.glob("*/source.toml")):
        name, verify = file.parent.name, tomllib.loads(file.read_text("utf-8")).get("verify", {})
        if verify and needs_secret(verify):
            known = kept.signing_secrets.get(name, "")
            found[name] = known if has_form(known, verify) else new_secret(verify)
    return found


def _make_topics(aws: LocalAws, names: Sequence[str]) -> list[str]:
    """Make SNS topics, and return their ARNs."""
    return [client(aws, "sns").create_topic(Name=name)["TopicArn"] for name in names]


def _put_secret(aws: LocalAws, name: str, content: object) -> str:
    """Store the content as JSON, and return the secret's ARN."""
    made = secrets_client(aws).create_secret(Name=name, SecretString=json.dumps(content))
    return made["ARN"]

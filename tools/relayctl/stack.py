"""Start the whole relay on this machine: a local AWS, the Push API's sandbox, and the deployed template."""

import json
import os
import shutil
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from push_relay.core.queue_format import REASON_ATTRIBUTE
from relayctl import ministack
from relayctl.artifact import CONFIG_VARIABLE, SOURCES_VARIABLE
from relayctl.deploy import Sam, client, host_architecture, queue_client, secrets_client
from relayctl.local_state import LocalState
from relayctl.ministack import LocalAws
from relayctl.processes import Processes
from relayctl.progress import Progress, StepFailedError
from relayctl.project import ROOT, RUNS
from relayctl.senders import is_valid_secret, needs_secret, new_secret
from sandbox.account import Account
from sandbox.server import SandboxServer

COMPANY_ID: Final = 4711
#: The name of the secret in Secrets Manager that holds the signing secrets.
SIGNING_SECRETS: Final = "signing-secrets"
#: The number of the functions' log lines that an error message shows.
_LOG_LINES: Final = 20


@dataclass(frozen=True, slots=True)
class LocalStack:
    """The running relay.

    directory        the run's temporary directory, which is deleted at the end
    outputs          the outputs of the CloudFormation stack
    signing_secrets  by source name
    integration_key  the vendor's secret key, which the sandbox demands
    """

    directory: Path
    aws: LocalAws
    sandbox: SandboxServer
    outputs: dict[str, str]
    signing_secrets: dict[str, str]
    integration_key: str

    def webhook_url(self, source: str) -> str:
        """Return the URL that the source's webhooks are sent to."""
        return self.outputs["WebhookUrl"].replace("{source}", source)

    def dead_letters(self) -> list[str]:
        """Return the error codes of at most ten dead letters. The messages stay in the queue."""
        received = queue_client(self.aws).receive_message(
            QueueUrl=self.outputs["DeadLetterQueueUrl"],
            MaxNumberOfMessages=10,
            VisibilityTimeout=0,
            MessageAttributeNames=["All"],
        )
        attributes = [message.get("MessageAttributes", {}) for message in received.get("Messages", [])]
        return [
            each[REASON_ATTRIBUTE].get("StringValue", "") if REASON_ATTRIBUTE in each else "no error code"
            for each in attributes
        ]

    def log(self) -> str:
        """Return the last log lines of the functions, oldest first."""
        logs = client(self.aws, "logs")
        events = []
        for group in logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/")["logGroups"]:
            events += logs.filter_log_events(logGroupName=group["logGroupName"])["events"]
        events.sort(key=lambda event: event["timestamp"])
        return "\n".join(event["message"].rstrip() for event in events[-_LOG_LINES:])


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports to listen on. 0 means any free port."""

    aws: int = 0
    sandbox: int = 0


@dataclass(frozen=True, slots=True)
class StackOptions:
    """The options of a local stack.

    topics       names of SNS topics to create; the relay subscribes to them with the parameter SnsTopicArns
    more_topics  the same with the parameter MoreSnsTopicArns, for names that differ only in punctuation
    alarm_topic  the name of an SNS topic to create; alarms are published to it
    state        the ports and secrets of an earlier run; the secrets are used again
    """

    ports: Ports = Ports()
    topics: Sequence[str] = ()
    state: LocalState = field(default_factory=LocalState)
    sources: Path = ROOT / "src/sources"
    config: Path = ROOT / "config/relay.toml"
    more_topics: Sequence[str] = ()
    alarm_topic: str = ""


@contextmanager
def local_stack(progress: Progress, options: StackOptions) -> Iterator[LocalStack]:
    """Start the stack, and stop it at the end of the block. Independent steps run in parallel.

    Raises StepFailedError.
    """
    with ExitStack() as cleanup:
        directory = _run_directory(cleanup)
        # These are left in reverse order: the programs end first, so that no thread waits for one.
        threads = cleanup.enter_context(ThreadPoolExecutor(max_workers=2))
        processes = cleanup.enter_context(Processes())
        built_with = {CONFIG_VARIABLE: str(options.config), SOURCES_VARIABLE: str(options.sources)}
        sam = Sam(processes, directory, built_with)
        architecture = host_architecture()

        building = threads.submit(_build, progress, sam, architecture)
        starting = threads.submit(_start_aws, progress, processes, directory, options.ports.aws)
        integration_key = options.state.integration_key
        with progress.step("sandbox", "starting the Push API sandbox") as step:
            sandbox = cleanup.enter_context(_sandbox(options.ports.sandbox, integration_key))
            step.result = f"up at {sandbox.address}"
        aws = starting.result()
        with progress.step("secrets", "storing random credentials in Secrets Manager"):
            signing_secrets = make_signing_secrets(options.sources, options.state.signing_secrets)
            credentials = {"CompanyId": COMPANY_ID, "IntegrationKey": integration_key}
            parameters = {
                "PushBaseUrl": sandbox.address,
                "PushCredentialsArn": _put_secret(aws, "push-credentials", credentials),
                "SigningSecretsArn": _put_secret(aws, SIGNING_SECRETS, signing_secrets),
                "Architecture": architecture,
            }
        if options.topics:
            parameters["SnsTopicArns"] = ",".join(_create_topics(aws, options.topics))
        if options.more_topics:
            parameters["MoreSnsTopicArns"] = ",".join(_create_topics(aws, options.more_topics))
        if options.alarm_topic:
            (parameters["AlarmTopicArn"],) = _create_topics(aws, [options.alarm_topic])
        built = building.result()
        with progress.step("sam deploy", "deploying template.yaml to the local AWS") as step:
            outputs = sam.deploy(aws, built, parameters)
            step.result = f"the endpoint is {outputs['WebhookUrl']}"
        yield LocalStack(directory, aws, sandbox, outputs, signing_secrets, integration_key)


def _run_directory(cleanup: ExitStack) -> Path:
    """Create a temporary directory for the run, readable by its owner only."""
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
            f"the sandbox cannot listen on port {port} ({os.strerror(exc.errno or 0)}); "
            "choose another port, or omit the option to use a free one"
        ) from exc


def make_signing_secrets(sources: Path, stored: Mapping[str, str]) -> dict[str, str]:
    """Return a secret for every source that needs one: the stored one if it is valid, else a new one."""
    signing_secrets = {}
    for file in sorted(sources.glob("*/source.toml")):
        document = tomllib.loads(file.read_text("utf-8"))
        name, verify, event = file.parent.name, document.get("verify", {}), document.get("event", {})
        if verify and needs_secret(verify):
            secret = stored.get(name, "")
            is_valid = is_valid_secret(secret, verify, event)
            signing_secrets[name] = secret if is_valid else new_secret(verify, event)
    return signing_secrets


def _create_topics(aws: LocalAws, names: Sequence[str]) -> list[str]:
    """Create SNS topics, and return their ARNs."""
    return [client(aws, "sns").create_topic(Name=name)["TopicArn"] for name in names]


def _put_secret(aws: LocalAws, name: str, content: object) -> str:
    """Create a secret with the content as JSON, and return its ARN."""
    response = secrets_client(aws).create_secret(Name=name, SecretString=json.dumps(content))
    return response["ARN"]

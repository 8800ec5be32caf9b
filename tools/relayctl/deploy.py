"""Build the project with `sam build`, and deploy it to a local AWS with `sam deploy`."""

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from relayctl.local_aws import REGION
from relayctl.ministack import LocalAws
from relayctl.processes import Processes
from relayctl.progress import StepFailedError, StepStoppedError
from relayctl.project import ROOT, SAM, TEMPLATE

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

STACK: Final = "push-relay"
ACCESS_KEY: Final = "local"
SECRET_KEY: Final = "local"  # noqa: S105 - the local AWS accepts any key
#: The environment of a program that calls the local AWS, and cannot reach a real account.
LOCAL_ENVIRONMENT: Final = {
    "AWS_ACCESS_KEY_ID": ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
#: The bucket of the functions' code.
ARTIFACTS: Final = "push-relay-artifacts"
_BUILD_TIMEOUT_SECS: Final = 300.0
_DEPLOY_TIMEOUT_SECS: Final = 180.0
#: Lambda's architectures by the processor's name in `platform.machine()`.
_ARCHITECTURES: Final = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


def host_architecture() -> str:
    """Return this machine's architecture as the template's parameter names it.

    The local AWS runs the functions on this machine. Raises StepFailedError if Lambda does not have the
    architecture.
    """
    machine = platform.machine().lower()
    if machine not in _ARCHITECTURES:
        raise StepFailedError(f"Lambda functions cannot run on this processor: {machine}")
    return _ARCHITECTURES[machine]


@dataclass(frozen=True, slots=True)
class Sam:
    """The sam command. Its output goes to files in the run's directory."""

    processes: Processes
    directory: Path
    build_environment: Mapping[str, str] = field(default_factory=dict)

    def build(self, architecture: str) -> Path:
        """Build both functions, and return the directory that contains the built template.

        Raises StepFailedError.
        """
        built = self.directory / "build"
        arguments: list[str | Path] = ["--template", TEMPLATE, "--build-dir", built]
        arguments += ["--parameter-overrides", f"Architecture={architecture}"]
        self._run("build", arguments, self.build_environment, _BUILD_TIMEOUT_SECS)
        return built

    def deploy(self, aws: LocalAws, built: Path, parameters: Mapping[str, str]) -> dict[str, str]:
        """Deploy a built template to the local AWS, and return the stack's outputs.

        Raises StepFailedError.
        """
        client(aws, "s3").create_bucket(
            Bucket=ARTIFACTS, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        arguments: list[str | Path] = [
            "--template",
            built / "template.yaml",
            "--stack-name",
            STACK,
            "--s3-bucket",
            ARTIFACTS,
        ]
        arguments += ["--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
        arguments += ["--no-confirm-changeset", "--no-progressbar"]
        arguments += ["--parameter-overrides", *(f"{name}={value}" for name, value in parameters.items())]
        self._run("deploy", arguments, {"AWS_ENDPOINT_URL": aws.address}, _DEPLOY_TIMEOUT_SECS)
        stack = client(aws, "cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def _run(
        self, name: str, arguments: Sequence[str | Path], environment: Mapping[str, str], timeout_secs: float
    ) -> None:
        log = self.directory / f"sam-{name}.log"
        command: list[str | Path] = [SAM, name, "--config-file", ROOT / "samconfig.toml", *arguments]
        try:
            program = self.processes.start(command, {**self._environment(), **environment}, log, ROOT)
            code = program.wait(timeout_secs)
        except FileNotFoundError as exc:
            raise StepFailedError("sam is not installed in this checkout; run `make setup` first") from exc
        except subprocess.TimeoutExpired as exc:
            raise StepFailedError(
                f"sam {name} took longer than {timeout_secs:.0f} s. Its last output:\n{program.tail()}"
            ) from exc
        if code and self.processes.have_ended:
            raise StepStoppedError(f"sam {name} was stopped")
        if code:
            raise StepFailedError(f"sam {name} failed. Its last output:\n{program.tail()}")

    def _environment(self) -> dict[str, str]:
        """Return this process's environment without what could lead sam to a real AWS account."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
        own = {
            "SAM_CLI_TELEMETRY": "0",
            "__SAM_CLI_APP_DIR": str(self.directory / "sam"),
            "NO_PROXY": "127.0.0.1,localhost",
        }
        return kept | LOCAL_ENVIRONMENT | own


def client(aws: LocalAws, service: str) -> Any:
    """Return a boto3 client of the local AWS. The environment's AWS configuration is not used."""
    return local_client(aws.address, service)


def local_client(url: str, service: str) -> Any:
    """Return a boto3 client of the local AWS at a URL. The environment's AWS configuration is not used."""
    import boto3

    session = boto3.Session(
        aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY, region_name=REGION
    )
    return session.client(service, endpoint_url=url)


def secrets_client(aws: LocalAws) -> "SecretsManagerClient":
    """Return a Secrets Manager client of the local AWS."""
    typed: SecretsManagerClient = client(aws, "secretsmanager")
    return typed


def queue_client(aws: LocalAws) -> "SQSClient":
    """Return an SQS client of the local AWS."""
    typed: SQSClient = client(aws, "sqs")
    return typed

"""Build the project with `sam build` and deploy its template with `sam deploy`, to a local AWS."""

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from relayctl.ministack import REGION, LocalAws
from relayctl.processes import Processes
from relayctl.progress import StepFailedError, StepStoppedError
from relayctl.project import ROOT, SAM, TEMPLATE

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

STACK: Final = "push-relay"
ACCESS_KEY: Final = "local"
SECRET_KEY: Final = "local"  # noqa: S105 - the local AWS takes any
_BUCKET: Final = "push-relay-artifacts"
_BUILD_SECS: Final = 300.0
_DEPLOY_SECS: Final = 180.0
_MACHINES: Final = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


def host_architecture() -> str:
    """Name this machine's processor as the template's parameter does; the local AWS runs functions on it.

    Raises StepFailedError.
    """
    machine = platform.machine().lower()
    if machine not in _MACHINES:
        raise StepFailedError(f"functions can't run on this processor: {machine}")
    return _MACHINES[machine]


@dataclass(frozen=True, slots=True)
class Sam:
    """The sam command, its output in files of the run's directory."""

    processes: Processes
    directory: Path
    build_environment: Mapping[str, str] = field(default_factory=dict)

    def build(self, architecture: str) -> Path:
        """Build both functions, and return the directory of the built template.

        Raises StepFailedError.
        """
        built = self.directory / "build"
        arguments: list[str | Path] = ["--template", TEMPLATE, "--build-dir", built]
        arguments += ["--parameter-overrides", f"Architecture={architecture}"]
        self._run("build", arguments, self.build_environment, _BUILD_SECS)
        return built

    def deploy(self, aws: LocalAws, built: Path, parameters: Mapping[str, str]) -> dict[str, str]:
        """Deploy what was built to the local AWS, and return the stack's outputs.

        Raises StepFailedError.
        """
        client(aws, "s3").create_bucket(
            Bucket=_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        arguments: list[str | Path] = [
            "--template",
            built / "template.yaml",
            "--stack-name",
            STACK,
            "--s3-bucket",
            _BUCKET,
        ]
        arguments += ["--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
        arguments += ["--no-confirm-changeset", "--no-progressbar"]
        arguments += ["--parameter-overrides", *(f"{name}={value}" for name, value in parameters.items())]
        self._run("deploy", arguments, {"AWS_ENDPOINT_URL": aws.address}, _DEPLOY_SECS)
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
            raise StepFailedError("sam is not installed here; run 'make setup' first") from exc
        except subprocess.TimeoutExpired as exc:
            raise StepFailedError(
                f"sam {name} took longer than {timeout_secs:.0f} s; it said:\n{program.tail()}"
            ) from exc
        if code and self.processes.have_ended:
            raise StepStoppedError(f"sam {name} was stopped")
        if code:
            raise StepFailedError(f"sam {name} failed; it said:\n{program.tail()}")

    def _environment(self) -> dict[str, str]:
        """Take the person's environment (proxies, caches), without what points at a real AWS account."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
        return kept | {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "SAM_CLI_TELEMETRY": "0",
            "__SAM_CLI_APP_DIR": str(self.directory / "sam"),
            "NO_PROXY": "127.0.0.1,localhost",
        }


def client(aws: LocalAws, service: str) -> Any:
    """Make a boto3 client of the local AWS, whatever the environment says."""
    import boto3  # noqa: PLC0415 - slow to import, and a build needs none

    session = boto3.Session(
        aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY, region_name=REGION
    )
    return session.client(service, endpoint_url=aws.address)


def secrets_client(aws: LocalAws) -> "SecretsManagerClient":
    """Make a Secrets Manager client of the local AWS."""
    made: SecretsManagerClient = client(aws, "secretsmanager")
    return made


def queue_client(aws: LocalAws) -> "SQSClient":
    """Make an SQS client of the local AWS."""
    made: SQSClient = client(aws, "sqs")
    return made

"""Where a stack's queues and its ledger are: named by hand, or told by CloudFormation."""

import tomllib
from dataclasses import dataclass
from typing import Any, Final

from relayctl.project import ROOT

_OUTPUTS: Final = {"queue_url": "QueueUrl", "dead_letter_url": "DeadLetterQueueUrl", "table": "LedgerTable"}
_SAMCONFIG: Final = ROOT / "samconfig.toml"
_ENVIRONMENTS: Final = ("default", "prod")


class DeadLettersError(Exception):
    """Why nothing can be listed or replayed; the text says it to a person, and quotes no message."""


@dataclass(frozen=True, slots=True)
class Place:
    """A stack's queues and ledger; what is not known is empty."""

    name: str
    queue_url: str = ""
    dead_letter_url: str = ""
    table: str = ""

    def needs(self, *fields: str) -> "Place":
        """Return itself. Raises DeadLettersError where one of the fields is not known."""
        for field in fields:
            if not getattr(self, field):
                option = "--" + field.replace("_", "-")
                raise DeadLettersError(f"{option} is missing (or name the stack with --stack)")
        return self


def default_stack() -> str:
    """Return the stack that samconfig.toml deploys where nothing else is said: its default's, else prod's."""
    document = tomllib.loads(_SAMCONFIG.read_text("utf-8")) if _SAMCONFIG.is_file() else {}
    for environment in _ENVIRONMENTS:
        for command in ("global", "deploy"):
            name = document.get(environment, {}).get(command, {}).get("parameters", {}).get("stack_name")
            if isinstance(name, str):
                return name
    return "push-relay"


def of_stack(cloudformation: Any, name: str) -> Place:
    """Read a stack's outputs. Raises DeadLettersError."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 (loaded with the client)

    try:
        (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except (BotoCoreError, ClientError) as exc:
        raise DeadLettersError(f"the stack {name} cannot be read: {exc}") from exc
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
    missing = sorted(set(_OUTPUTS.values()) - outputs.keys())
    if missing:
        raise DeadLettersError(f"the stack {name} is no Push Relay: it has no output {', '.join(missing)}")
    return Place(name, **{field: outputs[key] for field, key in _OUTPUTS.items()})


def client(service: str) -> Any:
    """Make a client as boto3 does: credentials, region and AWS_ENDPOINT_URL of the environment.

    Raises DeadLettersError.
    """
    import boto3  # noqa: PLC0415 (slow to import: only where it is used)
    from botocore.config import Config  # noqa: PLC0415 (the same)
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415 (the same)

    config = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 4})
    try:
        return boto3.client(service, config=config)
    except (BotoCoreError, ValueError) as exc:
        raise DeadLettersError(f"AWS cannot be reached: {exc}") from exc

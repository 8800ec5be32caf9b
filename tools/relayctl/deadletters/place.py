"""Where a stack's queues and its ledger are: named by hand, or told by CloudFormation."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from relayctl.project import ROOT

_OUTPUTS: Final = {"queue_url": "QueueUrl", "dead_letter_url": "DeadLetterQueueUrl", "table": "LedgerTable"}
_SAMCONFIG: Final = ROOT / "samconfig.toml"
STACK_VARIABLE: Final = "RELAY_STACK"
"""The environment variable that names the stack for a whole session."""


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


def default_stack(environment: Mapping[str, str] = os.environ, samconfig: Path = _SAMCONFIG) -> str:
    """Return the stack that is chosen in RELAY_STACK, or in samconfig.toml's `default` environment.

    Raises DeadLettersError with the stacks that samconfig.toml names. None of them is chosen for a person,
    since a replay in the wrong one would send real pushes.
    """
    document = tomllib.loads(samconfig.read_text("utf-8")) if samconfig.is_file() else {}
    stacks = {name: _stack_name(table) for name, table in document.items() if isinstance(table, dict)}
    chosen = environment.get(STACK_VARIABLE) or stacks.get("default")
    if chosen:
        return chosen
    known = ", ".join(f"{stack} ({name})" for name, stack in stacks.items() if stack)
    raise DeadLettersError(
        f"which stack? Name it with --stack or in {STACK_VARIABLE}"
        + (f"; samconfig.toml has {known}" if known else "")
    )


def _stack_name(environment: Mapping[str, Any]) -> str | None:
    """Return the stack that an environment of samconfig.toml deploys."""
    for command in ("deploy", "global"):
        name = environment.get(command, {}).get("parameters", {}).get("stack_name")
        if isinstance(name, str):
            return name
    return None


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

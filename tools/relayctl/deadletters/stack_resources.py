"""The queues and the tables of a stack: read from its CloudFormation outputs, or given as options."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from relayctl.project import ROOT

_OUTPUTS: Final = {"queue_url": "QueueUrl", "dead_letter_url": "DeadLetterQueueUrl", "table": "LedgerTable"}
#: The outputs that a stack of the version before does not have.
_NEW_OUTPUTS: Final = {"backlog_table": "BacklogTable"}
_SAMCONFIG: Final = ROOT / "samconfig.toml"
STACK_VARIABLE: Final = "RELAY_STACK"
"""The environment variable that names the stack for a shell session."""


class StackError(Exception):
    """A command cannot use a stack.

    The text is for the person who ran the command; it quotes no message.
    """


@dataclass(frozen=True, slots=True)
class StackResources:
    """A stack's queue URLs and the names of its tables. An unknown one is an empty text."""

    name: str
    queue_url: str = ""
    dead_letter_url: str = ""
    table: str = ""
    backlog_table: str = ""

    def require(self, *fields: str) -> "StackResources":
        """Return itself. Raises StackError if one of the fields is unknown."""
        for field in fields:
            if not getattr(self, field):
                option = "--" + field.replace("_", "-")
                raise StackError(f"{option} is missing (or name the stack with --stack)")
        return self


def default_stack(environment: Mapping[str, str] = os.environ, samconfig: Path = _SAMCONFIG) -> str:
    """Return the stack that RELAY_STACK names, or samconfig.toml's `default` environment.

    Raises StackError if neither does; its text lists the stacks of samconfig.toml's other environments.
    None of those is used without being asked for, because a replay in the wrong stack would send real pushes.
    """
    document = tomllib.loads(samconfig.read_text("utf-8")) if samconfig.is_file() else {}
    stacks = {name: _stack_name(table) for name, table in document.items() if isinstance(table, dict)}
    chosen = environment.get(STACK_VARIABLE) or stacks.get("default")
    if chosen:
        return chosen
    known = ", ".join(f"{stack} ({name})" for name, stack in stacks.items() if stack)
    raise StackError(
        f"no stack is chosen; use --stack or set {STACK_VARIABLE}"
        + (f"; samconfig.toml has {known}" if known else "")
    )


def _stack_name(environment: Mapping[str, Any]) -> str | None:
    """Return the stack that an environment of samconfig.toml deploys, or None if it names none."""
    for command in ("deploy", "global"):
        name = environment.get(command, {}).get("parameters", {}).get("stack_name")
        if isinstance(name, str):
            return name
    return None


def read_stack(cloudformation: Any, name: str) -> StackResources:
    """Read a stack's outputs. Raises StackError if it cannot be read or is not a Push Relay."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except (BotoCoreError, ClientError) as exc:
        raise StackError(f"the stack {name} cannot be read: {exc}") from exc
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
    missing = sorted(set(_OUTPUTS.values()) - outputs.keys())
    if missing:
        raise StackError(
            f"the stack {name} is not a Push Relay: these outputs are missing: {', '.join(missing)}"
        )
    fields = _OUTPUTS | _NEW_OUTPUTS
    return StackResources(name, **{field: outputs.get(key, "") for field, key in fields.items()})


def client(service: str) -> Any:
    """Return a boto3 client that uses the environment's credentials, region and AWS_ENDPOINT_URL.

    Raises StackError if boto3 is not configured.
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    config = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 4})
    try:
        return boto3.client(service, config=config)
    except (BotoCoreError, ValueError) as exc:
        raise StackError(f"AWS cannot be reached: {exc}") from exc

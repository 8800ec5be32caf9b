"""The stack that a command is about: a stack in AWS by its name, or `local`, the one that `make run` runs."""

import argparse
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from relayctl.deadletters import stack_resources
from relayctl.deadletters.stack_resources import StackError, default_stack
from relayctl.deploy import ACCESS_KEY, SECRET_KEY, STACK, local_client
from relayctl.local_aws import REGION
from relayctl.project import ROOT, RUNS
from relayctl.running import Running, running_stacks

#: The name of the local stack. With a port (`local:4566`) it is one of several.
LOCAL: Final = "local"
SOURCES: Final = ROOT / "src/sources"
CONFIG: Final = ROOT / "config/relay.toml"


@dataclass(frozen=True)
class Target:
    """A stack.

    name      as it was chosen
    stack     its name in CloudFormation
    client    makes a boto3 client of a service
    local     the running local stack; None for a stack in AWS
    sources, config  the files of this machine from which it was built, or may have been built
    """

    name: str
    stack: str
    client: Callable[[str], Any]
    sources: Path
    config: Path
    local: Running | None = None

    @property
    def is_on_this_machine(self) -> bool:
        """Whether it is in a local AWS: the one of `make run`, or another at AWS_ENDPOINT_URL."""
        host = urlsplit(self.client("cloudformation").meta.endpoint_url).hostname or ""
        is_loopback = host in ("127.0.0.1", "::1", "localhost") or host.endswith(".localhost")
        return self.local is not None or is_loopback

    @cached_property
    def description(self) -> Mapping[str, str]:
        """Its outputs and parameters, by name. Raises StackError."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            (stack,) = self.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"]
        except (BotoCoreError, ClientError) as exc:
            raise StackError(f"the stack {self.stack} cannot be read: {exc}") from exc
        outputs = {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}
        parameters = {each["ParameterKey"]: each["ParameterValue"] for each in stack.get("Parameters", [])}
        return {**parameters, **outputs, **(self.local.outputs if self.local else {})}

    def fact(self, name: str) -> str:
        """Return an output or a parameter. Raises StackError if it does not have it."""
        value = self.description.get(name)
        if not value:
            raise StackError(f"the stack {self.stack} is not a Push Relay: `{name}` is missing")
        return value


def chosen(arguments: argparse.Namespace) -> Target:
    """Return the stack that `--stack` names, or the local one. Raises StackError."""
    return _named(arguments.stack or LOCAL, arguments)


def chosen_to_read(arguments: argparse.Namespace) -> Target:
    """Return the stack for a command that only reads.

    It is that of `--stack`, else that of RELAY_STACK or samconfig.toml, else the local one.
    Raises StackError.
    """
    if arguments.stack:
        return _named(arguments.stack, arguments)
    try:
        name = default_stack()
    except StackError as exc:
        if not running_stacks(RUNS):
            raise StackError(f"{exc}; or start the local stack with `make run`") from None
        name = LOCAL
    return _named(name, arguments)


def is_local(name: str | None) -> bool:
    """Return whether a name is that of the local stack, or of one of several."""
    return name == LOCAL or (name or "").startswith(f"{LOCAL}:")


def enter_local(name: str) -> str:
    """Make the boto3 clients of this process those of the local AWS, and return the name of its stack.

    For commands that know a stack in AWS only. Raises StackError.
    """
    os.environ |= {
        "AWS_ENDPOINT_URL": running_stack(name).aws_url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    }
    return STACK


def _named(name: str, arguments: argparse.Namespace) -> Target:
    sources, config = getattr(arguments, "sources", None), getattr(arguments, "config", None)
    if not is_local(name):
        return Target(name, name, stack_resources.client, sources or SOURCES, config or CONFIG)
    local = running_stack(name)
    return Target(
        name,
        STACK,
        lambda service: local_client(local.aws_url, service),
        sources or Path(local.sources),
        config or Path(local.config),
        local,
    )


def running_stack(name: str) -> Running:
    """Return the local stack of a name: `local`, or `local:PORT` if several run. Raises StackError."""
    running = running_stacks(RUNS)
    _, _, port = name.partition(":")
    found = [each for each in running if port in ("", str(each.aws_port))]
    if not found:
        others = "".join(f"; `{LOCAL}:{each.aws_port}` runs" for each in running)
        raise StackError(
            f"no local stack runs{f' on port {port}' if port else ''}: start it with `make run` in another "
            f"terminal, or name a stack in AWS with --stack{others}"
        )
    if len(found) > 1:
        names = ", ".join(f"{LOCAL}:{each.aws_port}" for each in found)
        raise StackError(f"several local stacks run: choose one with --stack, of: {names}")
    return found[0]

"""The stack that a command is about: a stack in AWS by its name, or `local`, the one that `make run` runs."""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from relayctl.deadletters import stack_resources
from relayctl.deadletters.stack_resources import StackError, default_stack
from relayctl.deploy import STACK, local_client
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
        return {**parameters, **outputs}

    def fact(self, name: str) -> str:
        """Return an output or a parameter. Raises StackError if it does not have it."""
        value = self.description.get(name)
        if not value:
            raise StackError(f"the stack {self.stack} is not a Push Relay: `{name}` is missing")
        return value


def add_options(parser: argparse.ArgumentParser, default: str) -> None:
    """Declare the options that choose the stack and the files. `default` describes the default stack."""
    group = parser.add_argument_group("stack", "AWS is configured as for boto3: profile, region")
    group.add_argument(
        "--stack",
        metavar="NAME",
        help=f"the stack's name, or `local` for the stack of `make run` (default: {default})",
    )
    group.add_argument("--sources", type=Path, help="the source folders (default: those of the stack)")
    group.add_argument("--config", type=Path, help="the relay.toml (default: that of the stack)")


def chosen(arguments: argparse.Namespace, runs: Path = RUNS) -> Target:
    """Return the stack that `--stack` names, or the local one. Raises StackError."""
    name = arguments.stack or LOCAL
    if name == LOCAL or name.startswith(f"{LOCAL}:"):
        return _local(name, arguments, runs)
    return Target(
        name,
        name,
        stack_resources.client,
        arguments.sources or SOURCES,
        arguments.config or CONFIG,
    )


def chosen_to_read(arguments: argparse.Namespace, runs: Path = RUNS) -> Target:
    """Return the stack for a command that only reads.

    It is that of `--stack`, else that of RELAY_STACK or samconfig.toml, else the local one.
    Raises StackError.
    """
    if not arguments.stack:
        try:
            arguments.stack = default_stack()
        except StackError as exc:
            if not running_stacks(runs):
                raise StackError(f"{exc}; or start the local stack with `make run`") from None
    return chosen(arguments, runs)


def _local(name: str, arguments: argparse.Namespace, runs: Path) -> Target:
    running = running_stacks(runs)
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
    (local,) = found
    return Target(
        LOCAL,
        STACK,
        lambda service: local_client(local.aws_url, service),
        arguments.sources or Path(local.sources),
        arguments.config or Path(local.config),
        local,
    )

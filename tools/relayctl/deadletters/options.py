"""The options that several commands share: the stack, the filter of dead letters, and kinds of values."""

import argparse
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from relayctl.deadletters.dead_letter import Filter
from relayctl.deadletters.stack_resources import (
    StackError,
    StackResources,
    client,
    default_stack,
    read_stack,
)

if TYPE_CHECKING:
    from rich.console import Console

_RATE: Final = re.compile(r"([1-9][0-9]{0,4})/([sm])")
_SECONDS: Final = {"s": 1.0, "m": 60.0}


def add_resource_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options that choose the stack, or its queues and its ledger one by one."""
    resources = parser.add_argument_group(
        "stack", "AWS is configured as for boto3: profile, region, AWS_ENDPOINT_URL"
    )
    resources.add_argument(
        "--stack", help="the stack's name, or `local` for the stack of `make run` (default: $RELAY_STACK)"
    )
    resources.add_argument("--queue-url", help="the URL of the relay's queue, if it belongs to no stack")
    resources.add_argument("--dead-letter-url", help="the URL of the dead-letter queue")
    resources.add_argument("--table", help="the name of the ledger's table")


def add_backlog_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options that choose the stack, or its backlog and its queue."""
    resources = parser.add_argument_group(
        "stack", "AWS is configured as for boto3: profile, region, AWS_ENDPOINT_URL"
    )
    resources.add_argument(
        "--stack", help="the stack's name, or `local` for the stack of `make run` (default: $RELAY_STACK)"
    )
    resources.add_argument(
        "--backlog-table", help="the name of the backlog's table, if it belongs to no stack"
    )
    resources.add_argument("--queue-url", help="the URL of the relay's queue, for --requeue")


def add_stack_options(parser: argparse.ArgumentParser, default: str, *, files: bool = True) -> None:
    """Declare the options that choose a stack, and the files of this machine that belong to it.

    default  describes the default stack
    """
    group = parser.add_argument_group("stack", "AWS is configured as for boto3: profile, region")
    group.add_argument(
        "--stack",
        metavar="NAME",
        help=f"the stack's name, or `local` for the stack of `make run` (default: {default})",
    )
    if files:
        own = "of `make run`, else of this checkout"
        group.add_argument(
            "--sources", metavar="DIR", type=Path, help=f"the source folders (default: those {own})"
        )
        group.add_argument(
            "--config", metavar="FILE", type=Path, help=f"the relay.toml (default: that {own})"
        )


def add_filter(parser: argparse.ArgumentParser) -> None:
    """Declare the options that select dead letters or parked pushes."""
    conditions = parser.add_argument_group(
        "filter", "all given conditions must hold; by default, all are selected"
    )
    conditions.add_argument(
        "--error-code", metavar="CODE", type=_code, help="a code of docs/errors.md, or invocation_failed"
    )
    conditions.add_argument("--source", help="the source's name")
    conditions.add_argument(
        "--older-than", metavar="AGE", type=duration, default=0.0, help="the minimum age: 90s, 15m, 2h or 3d"
    )


def add_since(parser: argparse.ArgumentParser, default: str) -> None:
    """Declare the option that limits how far a log is read back."""
    parser.add_argument(
        "--since",
        metavar="AGE",
        type=duration,
        default=duration(default),
        help=f"how far to look back: 90s, 15m, 2h or 3d (default: {default})",
    )


def chosen_resources(arguments: argparse.Namespace) -> StackResources:
    """Return the queues and the tables that the options name. Raises StackError.

    If no stack is named, only the given ones are known, and CloudFormation is not called.
    """
    names = ("queue_url", "dead_letter_url", "table", "backlog_table")
    given = {name: value for name in names if (value := getattr(arguments, name, None))}
    if given and not arguments.stack:
        return StackResources("no stack", **given)
    from relayctl.targets import enter_local, is_local

    name = arguments.stack or default_stack()
    in_aws = enter_local(name) if is_local(name) else name
    stack = read_stack(client("cloudformation"), in_aws)
    return replace(stack, name=name, **given)


def chosen_filter(arguments: argparse.Namespace) -> Filter:
    """Return the filter that the options describe."""
    return Filter(arguments.error_code, arguments.source, arguments.older_than)


def rate(text: str) -> float:
    """Read a rate such as `10/s` or `30/m`, and return the seconds between two messages."""
    found = _RATE.fullmatch(text)
    if not found:
        raise argparse.ArgumentTypeError(f"`{text}` is not a rate; write a number and /s or /m, such as 10/s")
    return _SECONDS[found[2]] / int(found[1])


def count(text: str) -> int:
    """Read an integer of at least 1."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is not an integer of at least 1")
    return int(text)


def _code(text: str) -> str:
    """Read an error code.

    A code that does not exist is an error: it would match nothing and look like good news.
    """
    from difflib import get_close_matches

    from push_relay.core.errors import CODES
    from push_relay.core.trust.handshakes.setup import WAITING_CODE
    from relayctl.deadletters.dead_letter import INVOCATION_FAILED

    code = text.strip().lower().replace(" ", "_").replace("-", "_")
    known = {*CODES, INVOCATION_FAILED, WAITING_CODE}
    if code in known:
        return code
    near = get_close_matches(code, sorted(known))
    near += sorted(name for name in known if code and code in name and name not in near)
    suggestion = f" Did you mean: {', '.join(near)}?" if near else ""
    raise argparse.ArgumentTypeError(f"`{text}` is not an error code.{suggestion} docs/errors.md lists all")


def duration(text: str) -> float:
    """Read a duration such as `90s` or `3d`, and return its seconds."""
    from push_relay.core.duration import seconds
    from push_relay.core.errors import ConfigurationInvalid

    try:
        return seconds(text)
    except ConfigurationInvalid as exc:
        raise argparse.ArgumentTypeError(exc.detail) from exc


def confirmed(console: "Console", command: str, question: str) -> int:
    """Ask a question. Return 0 if the answer is yes, else the exit code of the command."""
    if not sys.stdin.isatty():
        print(f"{command}: the input is not a terminal, so nobody can confirm; use --yes", file=sys.stderr)
        return 2
    try:
        agreed = console.input(f"{question} [y/N] ", markup=False).strip().lower() in ("y", "yes")
    except (EOFError, KeyboardInterrupt):
        agreed = False
    if not agreed:
        console.print("nothing was done")
    return 0 if agreed else 1


def reported(command: str, run: Callable[[], int]) -> int:
    """Return the exit code of a command's function. Its errors are printed."""
    from push_relay.core.errors import RelayError

    try:
        return run()
    except StackError as exc:
        print(f"{command}: {exc}", file=sys.stderr)
    except RelayError as exc:
        print(f"{command}: {exc.detail}", file=sys.stderr)
    except aws_errors() as exc:
        print(f"{command}: {describe_aws_error(exc)}", file=sys.stderr)
    return 1


def aws_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that boto3 raises if AWS refuses a call or cannot be reached."""
    from botocore.exceptions import BotoCoreError, ClientError

    return (BotoCoreError, ClientError)


def describe_aws_error(error: Any) -> str:
    """Return the text to print for an exception of boto3. It never quotes a queue message."""
    return f"AWS error: {error}"

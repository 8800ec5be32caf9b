"""Send an example of a source to a stack, and follow it to its receipts.

The example is signed as its sender signs, with the secret of the stack, and posted to the stack's webhook. An
example that AWS delivers is put into the stack's queue. Each sending is a new event (--as-is: the same event
again). The stack is the local one of `make run`, unless --stack names one in AWS: its pushes reach people.
Exit codes: 0 if all events were delivered (or a question was answered), 1 if not, 2 if nothing was sent, 3 if
it is not known yet: no receipt within --wait, or a push waits.
"""

import argparse
import sys
from typing import TYPE_CHECKING, Final

from relayctl.deadletters import options
from relayctl.sending import CannotSendError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from relayctl.examples import Example
    from relayctl.sending.changes import Change
    from relayctl.sending.preparing import Prepared
    from relayctl.targets import Target

_NOTHING_SENT: Final = 2
_WAIT: Final = "60s"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("source", metavar="SOURCE", help="the source's name")
    parser.add_argument(
        "example",
        metavar="EXAMPLE",
        nargs="?",
        default="",
        help="the example's file name without .request.json",
    )
    parser.add_argument(
        "--set",
        dest="changes",
        metavar="FIELD=VALUE",
        type=_change,
        action="append",
        default=[],
        help="change a field: data.PATH=JSON or text, headers.NAME=text, query.NAME=text; may be repeated",
    )
    parser.add_argument(
        "--as-is",
        action="store_true",
        help="do not make it a new event: what was delivered before is a duplicate",
    )
    parser.add_argument(
        "--wait",
        metavar="TIME",
        type=options.duration,
        default=options.duration(_WAIT),
        help=f"how long to follow it: 90s or 5m (default: {_WAIT})",
    )
    parser.add_argument("--yes", action="store_true", help="do not ask before sending to a stack in AWS")
    parser.add_argument("--json", action="store_true", help="print JSON objects, one a line")
    options.add_stack_options(parser, "local")


def _change(text: str) -> "Change":
    """Read a change of a field."""
    from relayctl.sending.changes import change

    return change(text)


def run(arguments: argparse.Namespace) -> int:
    """Send the example, and return the exit code."""
    from relayctl.deadletters.stack_resources import StackError

    errors: tuple[type[Exception], ...] = (CannotSendError, StackError)
    try:
        return _send(arguments)
    except errors as exc:
        print(f"send: {exc}", file=sys.stderr)
        return _NOTHING_SENT


def _send(arguments: argparse.Namespace) -> int:
    from rich.console import Console

    from relayctl.progress import Progress
    from relayctl.sending.following import Following
    from relayctl.sending.posting import post
    from relayctl.sending.preparing import prepare
    from relayctl.targets import chosen

    target = chosen(arguments)
    example = _example(arguments, target)
    progress = Progress(Console(highlight=False, soft_wrap=True, stderr=arguments.json))
    with progress.step("prepare", f"{example.label}{_signing(example)}") as step:
        prepared = prepare(target, example, arguments.changes, as_is=arguments.as_is)
        step.result = f"made new: {', '.join(prepared.made_new)}" if prepared.made_new else "ready"
    for note in _notes(prepared, arguments):
        print(f"send: note: {note}", file=sys.stderr)
    if not _agreed(arguments, target, example):
        return _NOTHING_SENT
    with progress.step("send", f"to {prepared.url or 'the queue'} ({target.name})") as step:
        sent = post(target, prepared)
        step.result = f"the endpoint answered {sent.status}" if sent.status else "SQS accepted it"
    following = Following(
        target,
        example,
        prepared,
        sent,
        progress,
        wait_secs=arguments.wait,
        as_json=arguments.json,
        as_is=arguments.as_is,
    )
    return following.run()


def _example(arguments: argparse.Namespace, target: "Target") -> "Example":
    """Return the example that the arguments name. Raises CannotSendError."""
    from relayctl.examples import NoExampleError, examples_of, find

    name = arguments.example.removesuffix(".json").removesuffix(".request")
    try:
        if name or not examples_of(target.sources, arguments.source):
            return find(target.sources, arguments.source, name or "-")
    except NoExampleError as exc:
        raise CannotSendError(str(exc)) from exc
    names = ", ".join(example.name for example in examples_of(target.sources, arguments.source))
    raise CannotSendError(f"name an example of {arguments.source}: {names}")


def _signing(example: "Example") -> str:
    if example.through_aws:
        return " as AWS delivers it"
    return f", signed as its sender signs (scheme {example.verify.get('scheme')})"


def _notes(prepared: "Prepared", arguments: argparse.Namespace) -> "Sequence[str]":
    from relayctl.sending.report import duplicate_advice

    if prepared.is_new:
        return prepared.notes
    may_be = "if the same example was sent before, it is a duplicate"
    return [*prepared.notes, f"{may_be}: {next(duplicate_advice(prepared, as_is=arguments.as_is))}"]


def _agreed(arguments: argparse.Namespace, target: "Target", example: "Example") -> bool:
    """Return whether the example may be sent: to a stack in AWS only if somebody agrees.

    Raises CannotSendError if there is nobody to ask.
    """
    if target.is_on_this_machine or arguments.yes:
        return True
    question = f"Send {example.label} to the stack {target.stack} in AWS? Its pushes reach people. [y/N] "
    if not sys.stdin.isatty():
        raise CannotSendError(
            f"{target.stack} is a stack in AWS, and the input is not a terminal, so nobody can confirm: "
            "use --yes"
        )
    print(question, end="", file=sys.stderr, flush=True)
    try:
        agreed = input().strip().lower() in ("y", "yes")
    except (EOFError, KeyboardInterrupt):
        agreed = False
    if not agreed:
        print("send: nothing was sent", file=sys.stderr)
    return agreed

"""Run the relay on this machine and relay an example of a source through it.

Starts the local AWS and the Push API sandbox, builds and deploys the project's own template, and sends the
example that --source and --example name; by default, the first one that a route of config/relay.toml leads
to. The stack stays up until Ctrl-C. With --once the command ends after the push: with 0 if it arrived, else
with 1 and the cause. Ports and secrets are the same in every run from this checkout, unless a port is taken.
"""

import argparse
import signal
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final, NoReturn
from urllib.parse import urlsplit

from relayctl.project import ROOT

if TYPE_CHECKING:
    from push_relay.core.push import Push
    from relayctl.examples import Example
    from relayctl.progress import Progress

_INTERRUPTED: Final = 130


class InterruptedRunError(BaseException):
    """Ctrl-C or SIGTERM: take everything down and go."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--source", default="", help="the source whose example is sent")
    parser.add_argument("--example", default="", help="the example: its file's name before .request.json")
    parser.add_argument("--once", action="store_true", help="end after the first push")
    parser.add_argument("--aws-port", type=int, default=0, help="port of the local AWS (the last run's)")
    parser.add_argument("--sandbox-port", type=int, default=0, help="port of the sandbox (the last run's)")
    parser.add_argument("--sources", type=Path, default=ROOT / "src/sources", help="the source folders")
    parser.add_argument("--config", type=Path, default=ROOT / "config/relay.toml", help="the deployer's file")


def run(arguments: argparse.Namespace) -> int:
    """Run, and return the exit code."""
    from relayctl.progress import Progress, StepFailedError  # noqa: PLC0415 - only what runs is imported

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    progress = Progress()
    try:
        _run(arguments, progress)
    except StepFailedError as exc:
        progress.failure(str(exc))
        return 1
    except InterruptedRunError:
        progress.say("\nstopped, and nothing is left behind")
        return _INTERRUPTED if arguments.once else 0
    return 0


def _run(arguments: argparse.Namespace, progress: "Progress") -> None:
    from relayctl import demonstration, kept  # noqa: PLC0415 - only what runs is imported
    from relayctl.stack import Choices, Ports, local_stack  # noqa: PLC0415

    example, push = _chosen(arguments)
    before = kept.read()
    ports = Ports(
        arguments.aws_port or kept.free(before.aws_port),
        arguments.sandbox_port or kept.free(before.sandbox_port),
    )
    choices = Choices(ports, (), before, arguments.sources.resolve(), arguments.config.resolve())
    with local_stack(progress, choices) as stack:
        kept.write(
            before.after(stack.aws.port, urlsplit(stack.sandbox.address).port or 0, stack.signing_secrets)
        )
        demonstration.relay_one(progress, stack, example, push)
        if not arguments.once:
            demonstration.stay_up(progress, stack, example, push)


def _chosen(arguments: argparse.Namespace) -> "tuple[Example, Push]":
    """Return the example to send and the push that the relay makes of it.

    Raises StepFailedError, before anything is started.
    """
    from push_relay.core.errors import ConfigurationInvalid  # noqa: PLC0415 - only what runs is imported
    from relayctl import demonstration, examples  # noqa: PLC0415
    from relayctl.deadletters.preview import translator_of  # noqa: PLC0415
    from relayctl.progress import StepFailedError  # noqa: PLC0415

    try:
        relay = translator_of(arguments.sources, arguments.config)
        example = examples.choose(relay, arguments.sources, arguments.source, arguments.example)
    except (ConfigurationInvalid, examples.NoExampleError) as exc:
        raise StepFailedError(str(exc)) from exc
    return example, demonstration.foretell(example, examples.becomes(relay, example))


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    """Leave by the way that cleans up; a second Ctrl-C must not break that off."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise InterruptedRunError

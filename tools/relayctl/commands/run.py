"""Run the relay on this machine and relay a real GitHub webhook through it.

Starts the local AWS and the Push API sandbox, builds and deploys the project's own template, and sends the
webhook. Stays up until Ctrl-C; with --once it ends after the first push: 0 if it arrived, 1 with the cause
if not.
"""

import argparse
import signal
from types import FrameType
from typing import Final, NoReturn

_INTERRUPTED: Final = 130


class InterruptedRunError(BaseException):
    """Ctrl-C or SIGTERM: take everything down and go."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--once", action="store_true", help="end after the first push")
    parser.add_argument("--aws-port", type=int, default=0, help="port of the local AWS (a free one)")
    parser.add_argument("--sandbox-port", type=int, default=0, help="port of the sandbox (a free one)")


def run(arguments: argparse.Namespace) -> int:
    """Run, and return the exit code."""
    from relayctl import demonstration  # noqa: PLC0415 - only what runs is imported
    from relayctl.progress import Progress, StepFailedError  # noqa: PLC0415
    from relayctl.stack import Ports, local_stack  # noqa: PLC0415

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    progress = Progress()
    try:
        with local_stack(progress, Ports(arguments.aws_port, arguments.sandbox_port)) as stack:
            demonstration.relay_one(progress, stack)
            if not arguments.once:
                demonstration.stay_up(progress, stack)
    except StepFailedError as exc:
        progress.failure(str(exc))
        return 1
    except InterruptedRunError:
        progress.say("\nstopped, and nothing is left behind")
        return _INTERRUPTED if arguments.once else 0
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    """Leave by the way that cleans up; a second Ctrl-C must not break that off."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise InterruptedRunError

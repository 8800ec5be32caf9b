"""Run the relay on this machine, and send an example of a source through it.

The command starts a local AWS and the sandbox of the Push API, builds and deploys template.yaml, and sends
the example that --source and --example choose. The default is the first example that a route of
config/relay.toml matches. The stack stays up until Ctrl-C, its page shows every event, and changed source
folders are used without a deployment. With --once, the command ends after the push: with exit code 0 if it
arrived, else with 1 and the cause. Every run from this checkout uses the same ports and secrets, except for a
port that is in use.
"""

import argparse
import os
import signal
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final, NoReturn

from relayctl.project import ROOT

if TYPE_CHECKING:
    from push_relay.core.push import Push
    from relayctl.examples import Example
    from relayctl.progress import Progress

_INTERRUPTED: Final = 130


class InterruptedRunError(BaseException):
    """Ctrl-C or SIGTERM was received.

    It must end the run, so it is not an `Exception` that a step could handle.
    """


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--source", default="", help="the source whose example is sent")
    parser.add_argument("--example", default="", help="the example's file name without .request.json")
    parser.add_argument("--once", action="store_true", help="end after the first push")
    parser.add_argument(
        "--aws-port", type=int, default=0, help="the local AWS's port (default: as in the last run)"
    )
    parser.add_argument(
        "--sandbox-port", type=int, default=0, help="the sandbox's port (default: as in the last run)"
    )
    parser.add_argument(
        "--webhook-port",
        type=int,
        default=0,
        help="the port of the address for webhooks (default: as in the last run)",
    )
    parser.add_argument("--sources", type=Path, default=ROOT / "src/sources", help="the source folders")
    parser.add_argument(
        "--config", type=Path, default=ROOT / "config/relay.toml", help="the relay.toml to use"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the local stack, and return the exit code."""
    from relayctl.progress import Progress, StepFailedError

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    progress = Progress()
    try:
        _run(arguments, progress)
    except StepFailedError as exc:
        progress.failure(str(exc))
        return 1
    except InterruptedRunError:
        progress.print_text("\nstopped; nothing is left running")
        return _INTERRUPTED if arguments.once else 0
    return 0


def _run(arguments: argparse.Namespace, progress: "Progress") -> None:
    from relayctl import demonstration, local_state, running
    from relayctl.page.explainer import Files
    from relayctl.page.running import running_page
    from relayctl.stack import Ports, StackOptions, local_stack

    example, push = _choose_example(arguments)
    state = local_state.read()
    ports = Ports(
        arguments.aws_port or local_state.port_if_free(state.aws_port),
        arguments.sandbox_port or local_state.port_if_free(state.sandbox_port),
    )
    options = StackOptions(
        ports=ports,
        state=state,
        sources=arguments.sources.resolve(),
        config=arguments.config.resolve(),
    )
    files = Files(options.sources, options.config)
    webhook_port = arguments.webhook_port or local_state.port_if_free(state.webhook_port)
    with (
        local_stack(progress, options) as stack,
        running_page(
            stack,
            files,
            state.page_key,
            port=webhook_port,
            keep_secrets=lambda secrets: local_state.write(local_state.read().after_run(0, 0, 0, secrets)),
        ) as page,
    ):
        webhook_port = page.recorder.server.port
        running.announce(
            stack.directory,
            running.Running(
                os.getpid(),
                stack.aws.port,
                stack.sandbox.port,
                str(options.sources),
                str(options.config),
                webhook_port,
            ),
        )
        local_state.write(
            state.after_run(stack.aws.port, stack.sandbox.port, webhook_port, stack.signing_secrets)
        )
        demonstration.relay_example(progress, stack, example, push, page)
        if not arguments.once:
            demonstration.stay_up(progress, stack, example, push, page)


def _choose_example(arguments: argparse.Namespace) -> "tuple[Example, Push]":
    """Return the example to send, and the push that the relay makes of it.

    This is done before anything is started, so that a wrong choice fails at once. Raises StepFailedError.
    """
    from push_relay.core.errors import ConfigurationInvalid
    from relayctl import demonstration, examples
    from relayctl.deadletters.preview import translator_of
    from relayctl.progress import StepFailedError

    try:
        translator = translator_of(arguments.sources, arguments.config)
        example = examples.choose(translator, arguments.sources, arguments.source, arguments.example)
    except (ConfigurationInvalid, examples.NoExampleError) as exc:
        raise StepFailedError(str(exc)) from exc
    return example, demonstration.expected_push(example, examples.translate(translator, example))


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    """Raise InterruptedRunError, which cleans up.

    Further signals are ignored, so that they do not stop that.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise InterruptedRunError

"""The demonstration of `make run`: send one example, show its push, and print what to try next."""

import http.client
import time
from contextlib import suppress
from typing import Final

from push_relay.core.push import Push, Receipt
from relayctl import senders, shell_commands, webhook
from relayctl.deploy import queue_client
from relayctl.examples import Example
from relayctl.progress import Progress, StepFailedError
from relayctl.stack import LocalStack
from sandbox.record import Call, Record

#: How long a push may take. A function's cold start takes this long on a slow or busy machine.
_DELIVERY_TIMEOUT_SECS: Final = 90.0
#: How often it is checked whether the local AWS still runs, while waiting for further pushes.
_CHECK_INTERVAL_SECS: Final = 1.0


def expected_push(example: Example, results: list[Push | Receipt]) -> Push:
    """Return the first push among the results of translating an example.

    Raises StepFailedError, with the reasons, if the example becomes no push.
    """
    push = next((result for result in results if isinstance(result, Push)), None)
    if push is None:
        reasons = [
            f"{result.outcome}: {': '.join(filter(None, (result.error_code, result.detail)))}"
            for result in results
            if isinstance(result, Receipt)
        ]
        raise StepFailedError(
            f"the example {example.label} becomes no push: {'; '.join(reasons)}\n"
            "Add a route for it to config/relay.toml, or choose another example with SOURCE=... and"
            " EXAMPLE=..."
        )
    return push


def relay_example(progress: Progress, stack: LocalStack, example: Example, push: Push) -> None:
    """Send an example, wait for its push, and print the push.

    Raises StepFailedError.
    """
    if example.through_aws:
        with progress.step("queue", f"sending {example.label} as AWS delivers it") as step:
            queue = stack.outputs["QueueUrl"]
            queue_client(stack.aws).send_message(QueueUrl=queue, MessageBody=example.queue_message())
            step.result = "SQS accepted it"
    else:
        with progress.step("webhook", f"sending {example.label} with a valid signature") as step:
            answer = _send(stack, example)
            step.result = f"the endpoint answered {answer.status}"
    window_secs = push.batch_secs or 0.0
    until = f", until its batch window of {window_secs:.0f} s ends" if window_secs else ""
    with progress.step("push", f"waiting for the push at the sandbox{until}") as step:
        call = first_call(stack, _DELIVERY_TIMEOUT_SECS + window_secs)
        step.result = "arrived"
    progress.heading("The push that arrived")
    _show(progress, call)


def stay_up(progress: Progress, stack: LocalStack, example: Example, push: Push) -> None:
    """Print what to try next, and print every further push when it arrives, until the run is interrupted.

    Raises StepFailedError if the local AWS ends.
    """
    progress.heading("The sandbox's phone")
    progress.print_text(f"  {stack.sandbox.address}")
    progress.heading("Signing secrets of this stack (random; the same in every run from this checkout)")
    for line in shell_commands.secret_lines(stack):
        progress.print_text(line)
    if not example.through_aws and (command := shell_commands.curl_command(stack, example, push)):
        progress.heading(f"Try next: send {example.label} from another terminal, signed when you paste this")
        progress.print_text(command)
    progress.heading("Send examples and see what happens to them (docs/following-events.md)")
    progress.print_text(shell_commands.following_commands(example))
    progress.heading("List and replay dead letters (docs/operations.md) from another terminal")
    progress.print_text(shell_commands.relayctl_commands(stack))
    progress.heading("The stack stays up until Ctrl-C. Further pushes are printed when they arrive")
    seen = stack.sandbox.record.last
    while stack.aws.program.is_running:
        for call in _calls(stack.sandbox.record, seen):
            seen = call.number
            progress.print_text(f"\n  push {call.number}: {'shown' if call.accepted else _refusal(call)}")
            _show(progress, call)
    raise StepFailedError(f"MiniStack has ended. Its last output:\n{stack.aws.program.tail()}")


def signed(stack: LocalStack, example: Example) -> webhook.Webhook:
    """Return an example's request, signed for its source.

    Raises StepFailedError.
    """
    secret = stack.signing_secrets.get(example.source, "")
    try:
        return senders.sign(
            example.request,
            example.verify,
            secret,
            time.time(),
            event=example.event,
            # The function takes a request for one by TLS unless a header of a proxy differs.
            url=stack.webhook_url(example.source).replace("http://", "https://", 1),
        )
    except senders.CannotSignError as exc:
        raise StepFailedError(f"{example.label}: {exc}; choose another example") from exc


def _send(stack: LocalStack, example: Example) -> webhook.Answer:
    try:
        answer = webhook.send(signed(stack, example), stack.webhook_url(example.source))
    except (OSError, http.client.HTTPException) as exc:
        raise StepFailedError(f"the endpoint did not answer: {exc}\n{stack.log()}") from exc
    if not answer.is_accepted:
        raise StepFailedError(f"the endpoint answered {answer.status}: {answer.body}\n{stack.log()}")
    return answer


def first_call(stack: LocalStack, timeout_secs: float = _DELIVERY_TIMEOUT_SECS) -> Call:
    """Wait for the first call of the sandbox's API, and return it.

    Raises StepFailedError, with the cause, if no call arrives in time or if the sandbox has refused it.
    """
    try:
        stack.sandbox.record.wait_until(lambda counts: counts.calls > 0, timeout_secs)
    except TimeoutError as exc:
        dead_letters = ", ".join(stack.dead_letters())
        cause = f"no push arrived within {timeout_secs:.0f} s"
        if dead_letters:
            cause = f"the event was dead-lettered: {dead_letters}"
        raise StepFailedError(f"{cause}\nThe functions' logs end with:\n{stack.log()}") from exc
    call = stack.sandbox.record.calls()[0]
    if not call.accepted:
        raise StepFailedError(f"the sandbox refused the push: {_refusal(call)}\n{stack.log()}")
    return call


def _calls(record: Record, after: int) -> list[Call]:
    """Wait for at most a second, and return the calls with a number greater than `after`."""
    with suppress(TimeoutError):
        record.wait_until(lambda _: record.last > after, _CHECK_INTERVAL_SECS)
    return record.calls(after)


def _refusal(call: Call) -> str:
    violations = "; ".join(violation.message for violation in call.violations)
    return violations or (f"answered {call.status}" if call.status else "the connection was reset")


def _show(progress: Progress, call: Call) -> None:
    for name, value in (call.push or {}).items():
        # The lines of a body are below each other.
        text = str(value).replace("\n", "\n" + " " * 19)
        progress.print_text(f"  {name:<16} {text}")

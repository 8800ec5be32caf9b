"""The demonstration of `make run`: send one example, show its push, and print what to try next."""

import http.client
import time
from typing import Final

from push_relay.core.push import Push, Receipt
from relayctl import senders, shell_commands, webhook
from relayctl.deploy import queue_client
from relayctl.examples import Example
from relayctl.page.event_lines import EventLines
from relayctl.page.running import RunningPage
from relayctl.progress import Progress, StepFailedError
from relayctl.stack import LocalStack
from sandbox.record import Call

#: How long a push may take. A function's cold start takes this long on a slow or busy machine.
_DELIVERY_TIMEOUT_SECS: Final = 90.0
#: How often it is checked whether the local AWS still runs, while waiting for further events.
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


def relay_example(
    progress: Progress, stack: LocalStack, example: Example, push: Push, page: RunningPage | None = None
) -> None:
    """Send an example, wait for its push, and print the push.

    page  the page that shows the event, if there is one

    Raises StepFailedError.
    """
    if example.through_aws:
        with progress.step("queue", f"sending {example.label} as AWS delivers it") as step:
            if page:
                page.send_message(example)
            else:
                queue = stack.outputs["QueueUrl"]
                queue_client(stack.aws).send_message(QueueUrl=queue, MessageBody=example.queue_message())
            step.result = "SQS accepted it"
    else:
        with progress.step("webhook", f"sending {example.label} with a valid signature") as step:
            answer = _send(stack, example, page)
            step.result = f"the endpoint answered {answer.status}"
    window_secs = push.batch_secs or 0.0
    until = f", until its batch window of {window_secs:.0f} s ends" if window_secs else ""
    with progress.step("push", f"waiting for the push at the sandbox{until}") as step:
        call = first_call(stack, _DELIVERY_TIMEOUT_SECS + window_secs)
        step.result = "arrived"
    progress.heading("The push that arrived")
    _show(progress, call)


def stay_up(progress: Progress, stack: LocalStack, example: Example, push: Push, page: RunningPage) -> None:
    """Print what to try next, and print a line for each event, until the run is interrupted.

    Raises StepFailedError if the local AWS ends.
    """
    progress.heading("The page: the phone, every event with its story, and the wording of each source")
    progress.print_text(f"  {page.address}")
    progress.heading("Webhooks (the page shows each request that is sent here)")
    progress.print_text(f"  {page.recorder.url('{source}')}")
    progress.heading("Signing secrets of this stack (random; the same in every run from this checkout)")
    for line in shell_commands.secret_lines(stack, example.source):
        progress.print_text(line)
    url = page.recorder.url(example.source)
    if not example.through_aws and (command := shell_commands.curl_command(stack, example, push, url)):
        progress.heading(f"Try next: send {example.label} from another terminal, signed when you paste this")
        progress.print_text(command)
    progress.heading("Send examples and see what happens to them (docs/following-events.md)")
    progress.print_text(shell_commands.following_commands(example))
    progress.heading("List and replay dead letters (docs/operations.md) from another terminal")
    progress.print_text(shell_commands.relayctl_commands(stack))
    progress.heading(
        "The stack stays up until Ctrl-C, and uses each change of a source folder and of relay.toml. Events:"
    )
    lines = EventLines(progress, page.history)
    while stack.aws.program.is_running:
        lines.print_new(_CHECK_INTERVAL_SECS)
    raise StepFailedError(f"MiniStack has ended. Its last output:\n{stack.aws.program.tail()}")


def signed(stack: LocalStack, example: Example, url: str) -> webhook.Webhook:
    """Return an example's request, signed for its source.

    url  the URL that it is sent to

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
            url=senders.called_url(url),
        )
    except senders.CannotSignError as exc:
        raise StepFailedError(f"{example.label}: {exc}; choose another example") from exc


def _send(stack: LocalStack, example: Example, page: RunningPage | None) -> webhook.Answer:
    url = page.recorder.url(example.source) if page else stack.webhook_url(example.source)
    try:
        answer = webhook.send(signed(stack, example, url), url)
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


def _refusal(call: Call) -> str:
    violations = "; ".join(violation.message for violation in call.violations)
    return violations or (f"answered {call.status}" if call.status else "the connection was reset")


def _show(progress: Progress, call: Call) -> None:
    for name, value in (call.push or {}).items():
        # The lines of a body are below each other.
        text = str(value).replace("\n", "\n" + " " * 19)
        progress.print_text(f"  {name:<16} {text}")

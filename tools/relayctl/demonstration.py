"""Show the relay at work on a local stack: one example of a source, its push, and how to go on from there."""

import http.client
import time
from contextlib import suppress
from typing import Final

from push_relay.core.push import Push, Receipt
from relayctl import pasting, senders, webhook
from relayctl.deploy import queue_client
from relayctl.examples import Example
from relayctl.progress import Progress, StepFailedError
from relayctl.stack import LocalStack
from sandbox.record import Call, Record

_DELIVERY_SECS: Final = 90.0  # a cold start on a slow or busy machine
_GLANCE_SECS: Final = 1.0


def foretell(example: Example, made: list[Push | Receipt]) -> Push:
    """Return the first push that the relay makes of an example.

    Raises StepFailedError, with the reason, if it makes none.
    """
    push = next((each for each in made if isinstance(each, Push)), None)
    if push is None:
        reasons = [
            f"{each.outcome}: {': '.join(filter(None, (each.error_code, each.detail)))}"
            for each in made
            if isinstance(each, Receipt)
        ]
        raise StepFailedError(
            f"the example {example.label} becomes no push: {'; '.join(reasons)}\n"
            "Add a route for it to config/relay.toml, or choose another one with SOURCE=... and EXAMPLE=..."
        )
    return push


def relay_one(progress: Progress, stack: LocalStack, example: Example, push: Push) -> None:
    """Send an example, wait for its push, and show it.

    Raises StepFailedError.
    """
    if example.through_aws:
        with progress.step("queue", f"sending {example.label} as AWS delivers it") as step:
            queue = stack.outputs["QueueUrl"]
            queue_client(stack.aws).send_message(QueueUrl=queue, MessageBody=example.queue_message())
            step.result = "SQS took it"
    else:
        with progress.step("webhook", f"sending {example.label} with a valid signature") as step:
            answer = _send(stack, example)
            step.result = f"the endpoint answered {answer.status}"
    window = push.batch_secs or 0.0
    until = f" until its batch window of {window:.0f} s ends" if window else ""
    with progress.step("push", f"waiting for it at the sandbox{until}") as step:
        call = first_call(stack, _DELIVERY_SECS + window)
        step.result = "arrived"
    progress.heading("The push that arrived")
    _show(progress, call)


def stay_up(progress: Progress, stack: LocalStack, example: Example, push: Push) -> None:
    """Print how to go on, and show each further push as it arrives, until the run is interrupted.

    Raises StepFailedError when the local AWS ends.
    """
    progress.heading("The phone's page")
    progress.say(f"  {stack.sandbox.address}")
    progress.heading("Signing secrets of this stack (random; the same in every run from this checkout)")
    for line in pasting.secrets_of(stack):
        progress.say(line)
    if not example.through_aws and (command := pasting.curl(stack, example, push)):
        progress.heading(f"Try next: {example.label} by hand, signed when you paste it")
        progress.say(command)
    progress.heading("Dead letters and their replay (docs/operations.md), from another terminal")
    progress.say(pasting.command_line(stack))
    progress.heading("The stack stays up until Ctrl-C. Further pushes are shown when they arrive")
    seen = stack.sandbox.record.last
    while stack.aws.program.is_running:
        for call in _calls(stack.sandbox.record, seen):
            seen = call.number
            progress.say(f"\n  push {call.number}: {'shown' if call.accepted else _refusal(call)}")
            _show(progress, call)
    raise StepFailedError(f"MiniStack ended; its last lines:\n{stack.aws.program.tail()}")


def signed(stack: LocalStack, example: Example) -> webhook.Webhook:
    """Return an example's request with the proof that its source asks for.

    Raises StepFailedError.
    """
    secret = stack.signing_secrets.get(example.source, "")
    try:
        return senders.sign(example.request, example.verify, secret, time.time())
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


def first_call(stack: LocalStack, timeout_secs: float = _DELIVERY_SECS) -> Call:
    """Wait for the sandbox's first call, and return it.

    Raises StepFailedError, with the cause, when none comes or the sandbox refused it.
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
    """Wait a moment for calls that are newer."""
    with suppress(TimeoutError):
        record.wait_until(lambda _: record.last > after, _GLANCE_SECS)
    return record.calls(after)


def _refusal(call: Call) -> str:
    violations = "; ".join(violation.message for violation in call.violations)
    return violations or f"answered {call.status or 'with a reset'}"


def _show(progress: Progress, call: Call) -> None:
    for name, value in (call.push or {}).items():
        progress.say(f"  {name:<16} {value}")

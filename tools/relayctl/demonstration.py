"""Show the relay at work on a local stack: one real webhook, its push, and how to go on from there."""

import http.client
import json
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from relayctl import webhook
from relayctl.deploy import ACCESS_KEY, SECRET_KEY, STACK
from relayctl.ministack import HOST, REGION
from relayctl.progress import Progress, StepFailedError
from relayctl.project import ROOT
from relayctl.stack import LocalStack
from sandbox.record import Call, Record

SOURCE: Final = "github"
EXAMPLE: Final = ROOT / "src/sources/github/examples/issues-opened.request.json"
_TITLE: Final = "@TITLE@"
_DELIVERY_SECS: Final = 90.0  # a cold start on a slow or busy machine
_GLANCE_SECS: Final = 1.0


def relay_one(progress: Progress, stack: LocalStack) -> None:
    """Send GitHub's webhook, wait for its push, and show it.

    Raises StepFailedError.
    """
    example = webhook.read_example(EXAMPLE)
    with progress.step("webhook", "sending GitHub's issues/opened with a valid signature") as step:
        answer = _send(stack, webhook.sign(example, stack.signing_secrets[SOURCE]))
        step.result = f"the endpoint answered {answer.status}"
    with progress.step("push", "waiting for it at the sandbox") as step:
        call = first_call(stack)
        step.result = "arrived"
    progress.heading("The push that arrived")
    _show(progress, call)


def stay_up(progress: Progress, stack: LocalStack) -> None:
    """Tell how to go on, and show each further push as it arrives, until the run is interrupted.

    Raises StepFailedError when the local AWS ends.
    """
    progress.heading("The phone's page")
    progress.say(f"  {stack.sandbox.address}")
    progress.heading(
        "Try next: GitHub's webhook by hand, signed as you paste it (the title is yours to change)"
    )
    progress.say(curl(stack))
    progress.heading("What is dead, and its replay (docs/operations.md), from another terminal")
    progress.say(command_line(stack))
    progress.heading("Up till Ctrl-C; further pushes are shown as they arrive")
    seen = stack.sandbox.record.last
    while stack.aws.program.is_running:
        for call in _calls(stack.sandbox.record, seen):
            seen = call.number
            progress.say(f"\n  push {call.number}: {'shown' if call.accepted else _refusal(call)}")
            _show(progress, call)
    raise StepFailedError(f"MiniStack ended; it said:\n{stack.aws.program.tail()}")


def _send(stack: LocalStack, signed: webhook.Webhook) -> webhook.Answer:
    try:
        answer = webhook.send(signed, stack.webhook_url(SOURCE))
    except (OSError, http.client.HTTPException) as exc:
        raise StepFailedError(f"the endpoint did not answer: {exc}\n{stack.log()}") from exc
    if not answer.is_accepted:
        raise StepFailedError(f"the endpoint answered {answer.status}: {answer.body}\n{stack.log()}")
    return answer


def first_call(stack: LocalStack) -> Call:
    """Wait for the sandbox's first call, and return it.

    Raises StepFailedError, with the cause, when none comes or the sandbox refused it.
    """
    try:
        stack.sandbox.record.wait_until(lambda counts: counts.calls > 0, _DELIVERY_SECS)
    except TimeoutError as exc:
        dead_letters = ", ".join(stack.dead_letters())
        cause = f"no push arrived within {_DELIVERY_SECS:.0f} s"
        if dead_letters:
            cause = f"the event was laid aside: {dead_letters}"
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


def command_line(stack: LocalStack) -> str:
    """Write what makes relayctl speak to this stack."""
    return "\n".join(
        (
            f"  export AWS_ENDPOINT_URL={stack.aws.address} AWS_DEFAULT_REGION={REGION}",
            f"  export AWS_ACCESS_KEY_ID={ACCESS_KEY} AWS_SECRET_ACCESS_KEY={SECRET_KEY}",
            f"  export PYTHONPATH='{ROOT}/src:{ROOT}/tools'",
            f"  '{ROOT}/.venv/bin/python' -m relayctl dead --stack {STACK}",
        )
    )


def curl(stack: LocalStack) -> str:
    """Write the command that sends a webhook with another title.

    The same signed body again would be a duplicate, whatever its delivery id says. The secret is this run's
    own, random, and stays in a file that only its owner can read.
    """
    example = webhook.read_example(EXAMPLE)
    content = json.loads(example.body)
    content["issue"]["title"] = _TITLE
    secret, form, body = (stack.directory / name for name in ("signing-secret", "form.json", "webhook.json"))
    _write_private(secret, stack.signing_secrets[SOURCE].encode())
    _write_private(form, json.dumps(content, ensure_ascii=False).encode())
    endpoint = urlsplit(stack.webhook_url(SOURCE))
    signature = f"""$(openssl dgst -sha256 -hmac "$(cat '{secret}')" < '{body}' | sed 's/.* //')"""
    curl = " \\\n".join(
        (
            f"  curl -sSi 'http://{HOST}:{endpoint.port}{endpoint.path}'",
            f"    -H 'Host: {endpoint.netloc}'",
            "    -H 'Content-Type: application/json'",
            f"    -H 'X-GitHub-Event: {example.headers['x-github-event']}'",
            '    -H "X-GitHub-Delivery: $(date +%s)"',
            f'    -H "X-Hub-Signature-256: sha256={signature}"',
            f"    --data-binary '@{body}'",
        )
    )
    return f"""  sed "s|{_TITLE}|It is $(date +%T)|" '{form}' > '{body}'\n{curl}"""


def _write_private(file: Path, content: bytes) -> None:
    file.touch(mode=0o600)
    file.write_bytes(content)

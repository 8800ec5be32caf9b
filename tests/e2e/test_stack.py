"""The deployed relay from the webhook to the push, and `relayctl run`, which demonstrates it."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from fakes import SHIPPED, SHIPPED_ROUTES
from push_relay.core.push import Push
from relayctl import demonstration, senders, shell_commands, webhook
from relayctl.deadletters.preview import translator_of
from relayctl.deploy import client, queue_client
from relayctl.examples import Example, examples_of, translate
from relayctl.processes import Processes, Program
from relayctl.progress import Progress, StepFailedError
from relayctl.project import ROOT, RUNS
from relayctl.stack import LocalStack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
#: A function's cold start takes this long on a busy machine.
_DELIVERY_TIMEOUT_SECS = 120.0
_RUN = [sys.executable, "-m", "relayctl", "run", "--once", "--sources", SHIPPED, "--config", SHIPPED_ROUTES]
_PROC = Path("/proc")
#: SIGKILL's bit in the masks of pending signals, see proc_pid_status(5).
_KILLED = 1 << (signal.SIGKILL - 1)
#: PF_EXITING in the flags of proc_pid_stat(5).
_EXITING = 0x4


def _progress(output: StringIO) -> Progress:
    return Progress(Console(file=output, soft_wrap=True))


def _github(stack: LocalStack, title: str) -> webhook.Webhook:
    example = _example("github", "issues-opened")
    content = json.loads(example.request.body)
    content["issue"]["title"] = title
    changed = replace(example.request, body=json.dumps(content).encode())
    return senders.sign(changed, example.verify, stack.signing_secrets["github"], time.time())


def _example(source: str, name: str) -> Example:
    return next(example for example in examples_of(SHIPPED, source) if example.name == name)


def _push(example: Example) -> Push:
    results = translate(translator_of(SHIPPED, SHIPPED_ROUTES), example)
    (push,) = (result for result in results if isinstance(result, Push))
    return push


def test_a_webhook_becomes_exactly_one_valid_push(fresh_stack: LocalStack) -> None:
    """It goes through the API, `receive`, the queue and `deliver` to the vendor, as in `make run`."""
    output, example = StringIO(), _example("github", "issues-opened")
    demonstration.relay_example(_progress(output), fresh_stack, example, _push(example))
    counts = fresh_stack.sandbox.record.counts
    assert (counts.calls, counts.valid, counts.accepted) == (1, 1, 1)
    assert "New issue: octo-org/bakery #42" in output.getvalue()


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("cloudwatch-alarm", "alarm"),
        ("push", "from-eventbridge"),
        ("push", "full"),
        ("cloudevents", "structured"),
        ("grafana", "firing"),
    ],
)
def test_an_example_of_any_source_arrives(source: str, name: str, fresh_stack: LocalStack) -> None:
    """`make run` accepts SOURCE= and EXAMPLE= also for a source whose events AWS delivers."""
    output, example = StringIO(), _example(source, name)
    push = _push(example)
    demonstration.relay_example(_progress(output), fresh_stack, example, push)
    assert push.wording.title in output.getvalue()


@pytest.mark.parametrize(
    ("source", "name"),
    [("github", "issues-opened"), ("grafana", "firing"), ("cloudevents", "structured"), ("push", "full")],
)
def test_the_printed_curl_command_works_when_pasted(
    source: str, name: str, fresh_stack: LocalStack, tmp_path: Path
) -> None:
    """The shell computes the signature with the stack's own secret, which it reads from a file."""
    if missing := [name for name in ("curl", "openssl") if shutil.which(name) is None]:
        pytest.skip(f"{' and '.join(missing)} not found: the command that `make run` prints needs both")
    example = _example(source, name)
    command = shell_commands.curl_command(fresh_stack, example, _push(example))
    assert command
    assert fresh_stack.signing_secrets[source] not in command
    answer = _run("/bin/bash", "-c", command, directory=tmp_path)
    assert answer.stdout.startswith("HTTP/1.1 202"), answer.stderr
    fresh_stack.sandbox.record.wait_until(lambda counts: counts.accepted == 1, _DELIVERY_TIMEOUT_SECS)


def test_a_forged_webhook_is_refused_and_becomes_no_push(fresh_stack: LocalStack) -> None:
    """The deployed function has the right secret, and compares the signature with it."""
    example = _example("github", "issues-opened")
    forged = senders.sign(example.request, example.verify, "not the secret", time.time())
    assert webhook.send(forged, fresh_stack.webhook_url("github")).status == 401
    assert fresh_stack.sandbox.record.counts.calls == 0


@pytest.mark.parametrize("name", ["oven-alarms", "oven_alarms"])
def test_an_alarm_on_a_subscribed_topic_becomes_a_push(name: str, fresh_stack: LocalStack) -> None:
    """The template's Fn::ForEach makes the subscription, and the queue's policy allows the topic to send."""
    sns = client(fresh_stack.aws, "sns")
    topics = [found["TopicArn"] for found in sns.list_topics()["Topics"]]
    (topic,) = (arn for arn in topics if arn.endswith(f":{name}"))
    alarm = _example("cloudwatch-alarm", "alarm").request.body.decode()
    sns.publish(TopicArn=topic, Message=alarm, Subject="ALARM")
    fresh_stack.sandbox.record.wait_until(lambda counts: counts.accepted == 1, _DELIVERY_TIMEOUT_SECS)
    (push,) = fresh_stack.sandbox.record.pushes()
    assert push["Title"] == "ALARM: oven-too-hot"


def test_an_event_that_cannot_be_delivered_is_dead_lettered_with_its_error(fresh_stack: LocalStack) -> None:
    """The deployed `deliver` knows the dead-letter queue's URL and has the right to send to it."""
    queue_client(fresh_stack.aws).send_message(
        QueueUrl=fresh_stack.outputs["QueueUrl"], MessageBody="{no JSON"
    )
    deadline = time.monotonic() + _DELIVERY_TIMEOUT_SECS
    while not fresh_stack.dead_letters():
        assert time.monotonic() < deadline, fresh_stack.log()
        time.sleep(0.2)
    assert "no error code" not in fresh_stack.dead_letters()
    assert fresh_stack.sandbox.record.counts.calls == 0


def test_the_log_contains_the_outcome_and_no_personal_data(fresh_stack: LocalStack) -> None:
    """Both functions write to the log groups of the template."""
    answer = webhook.send(_github(fresh_stack, "Unmentionable"), fresh_stack.webhook_url("github"))
    assert answer.status == 202
    fresh_stack.sandbox.record.wait_until(lambda counts: counts.accepted == 1, _DELIVERY_TIMEOUT_SECS)
    deadline = time.monotonic() + _DELIVERY_TIMEOUT_SECS
    while '"delivered"' not in (log := fresh_stack.log()):
        assert time.monotonic() < deadline, log
        time.sleep(0.2)
    assert "Unmentionable" not in log
    assert fresh_stack.signing_secrets["github"] not in log


def test_run_once_ends_with_0_and_leaves_no_process_and_no_file_behind(tmp_path: Path) -> None:
    """The command runs in its own process, while the stack of the other tests is up."""
    with Processes() as processes:
        program = processes.start(_RUN, _environment(), tmp_path / "run.log", ROOT)
        code = program.wait(240)
        left = _left_behind(program)  # the end of the block would stop every process
    assert code == 0, program.tail()
    assert "New issue: octo-org/bakery #42" in program.tail()
    assert left == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_no_process_and_no_file_behind(
    number: signal.Signals, tmp_path: Path
) -> None:
    """The signal comes in the middle of the build, when the local AWS is up."""
    with Processes() as processes:
        program = processes.start(_RUN, _environment(), tmp_path / "run.log", ROOT)
        deadline = time.monotonic() + 60
        while not (up := re.search(r"MiniStack +up at http://127\.0\.0\.1:(\d+)", program.tail())):
            assert time.monotonic() < deadline, program.tail()
            time.sleep(0.05)
        assert list(_directories(program))
        running = list(_processes(program))
        assert running
        assert not _PROC.exists() or [command for command in running if "ministack" in command]
        program.popen.send_signal(number)
        program.wait(20)
        left = _left_behind(program)  # the end of the block would stop every process
    assert "nothing is left running" in program.tail()
    assert left == []
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(up[1]))) != 0


@pytest.mark.parametrize("option", ["--aws-port", "--sandbox-port"])
def test_a_port_in_use_is_reported_clearly(option: str) -> None:
    """This can happen only if the person has chosen the port. By default, free ports are used."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = _run(*_RUN, option, str(port))
    assert done.returncode == 1
    assert re.search(rf"port {port}\b.*choose another", done.stdout), done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_refused_push_fails_the_run_with_its_cause(fresh_stack: LocalStack) -> None:
    """`make run ONCE=1` must not report success if the vendor has refused the push."""
    account, limits = fresh_stack.sandbox.account, fresh_stack.sandbox.account.limits
    account.limits = replace(limits, daily_calls=0)
    try:
        answer = webhook.send(_github(fresh_stack, "Once more"), fresh_stack.webhook_url("github"))
        assert answer.status == 202
        with pytest.raises(StepFailedError, match="refused the push"):
            demonstration.first_call(fresh_stack)
    finally:
        account.limits = limits


def _left_behind(program: Program) -> list[object]:
    return [*_directories(program), *_processes(program)]


def _directories(program: Program) -> Iterator[Path]:
    return RUNS.glob(f"stack-{program.popen.pid}-*")


def _processes(program: Program) -> Iterator[str]:
    """Yield the commands of a run's processes that are alive.

    The run's own processes are in its session. Each program that it starts leads a new session; it is found
    by the run's directory in its environment, its working directory or its arguments.
    """
    if not _PROC.exists():
        with suppress(ProcessLookupError, PermissionError):  # every process of the group has ended
            os.killpg(program.popen.pid, 0)
            yield f"the process group {program.popen.pid}"
        return
    directory = f"{RUNS}/stack-{program.popen.pid}-".encode()
    for process in _PROC.glob("[0-9]*"):
        with suppress(OSError):  # the process has just ended, or belongs to another user
            if _has_ended(process):
                continue
            session = int(_stat(process)[3])
            command = (process / "cmdline").read_bytes()
            about = command + (process / "environ").read_bytes() + os.fsencode((process / "cwd").readlink())
            if session == program.popen.pid or directory in about:
                yield command.replace(b"\0", b" ").decode(errors="replace")


def _has_ended(process: Path) -> bool:
    """Return whether a process has ended, is exiting, or has a pending SIGKILL: it does nothing any more."""
    state, *_, flags = _stat(process)[:7]
    status = (process / "status").read_bytes()
    pending = re.findall(rb"^(?:Sig|Shd)Pnd:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return state in b"ZX" or bool(int(flags) & _EXITING) or any(int(mask, 16) & _KILLED for mask in pending)


def _stat(process: Path) -> list[bytes]:
    """Return the fields after the command's name, which may contain spaces: state, parent, group, ..."""
    return (process / "stat").read_bytes().rpartition(b")")[2].split()


def _run(*command: str | Path, directory: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - the project's own commands
        command, cwd=directory, env=_environment(), capture_output=True, text=True, timeout=240, check=False
    )


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tools'}", "NO_COLOR": "1"}

"""The deployed relay from the webhook to the phone, and the command that shows it."""

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
from relayctl import demonstration, pasting, senders, webhook
from relayctl.deadletters.preview import translator_of
from relayctl.deploy import client, queue_client
from relayctl.examples import Example, becomes, examples_of
from relayctl.processes import Processes, Program
from relayctl.progress import Progress, StepFailedError
from relayctl.project import ROOT, RUNS
from relayctl.stack import LocalStack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
_DELIVERY_SECS = 120.0  # a cold start on a machine that does other things besides
_RUN = [sys.executable, "-m", "relayctl", "run", "--once", "--sources", SHIPPED, "--config", SHIPPED_ROUTES]
_PROC = Path("/proc")
_KILLED = 1 << (signal.SIGKILL - 1)  # in the masks of proc_pid_status(5)
_EXITING = 0x4  # PF_EXITING, in the flags of proc_pid_stat(5)


def _said(console: StringIO) -> Progress:
    return Progress(Console(file=console, soft_wrap=True))


def _github(stack: LocalStack, title: str) -> webhook.Webhook:
    example = _example("github", "issues-opened")
    content = json.loads(example.request.body)
    content["issue"]["title"] = title
    changed = replace(example.request, body=json.dumps(content).encode())
    return senders.sign(changed, example.verify, stack.signing_secrets["github"], time.time())


def _example(source: str, name: str) -> Example:
    return next(example for example in examples_of(SHIPPED, source) if example.name == name)


def _push(example: Example) -> Push:
    (push,) = (
        made for made in becomes(translator_of(SHIPPED, SHIPPED_ROUTES), example) if isinstance(made, Push)
    )
    return push


def test_a_webhook_becomes_exactly_one_valid_push(fresh_stack: LocalStack) -> None:
    """API -> receive -> queue -> deliver -> vendor, as `make run` does it."""
    output, example = StringIO(), _example("github", "issues-opened")
    demonstration.relay_one(_said(output), fresh_stack, example, _push(example))
    counts = fresh_stack.sandbox.record.counts
    assert (counts.calls, counts.valid, counts.accepted) == (1, 1, 1)
    assert "octo-org/bakery: new issue" in output.getvalue()


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
    """`make run` takes SOURCE= and EXAMPLE=, also for a source that AWS delivers."""
    output, example = StringIO(), _example(source, name)
    push = _push(example)
    demonstration.relay_one(_said(output), fresh_stack, example, push)
    assert push.wording.title in output.getvalue()


@pytest.mark.parametrize(
    ("source", "name"),
    [("github", "issues-opened"), ("grafana", "firing"), ("cloudevents", "structured"), ("push", "full")],
)
def test_the_curl_to_try_next_works_when_pasted(
    source: str, name: str, fresh_stack: LocalStack, tmp_path: Path
) -> None:
    """The shell computes the signature, from a file that holds the stack's own secret."""
    if missing := [name for name in ("curl", "openssl") if shutil.which(name) is None]:
        pytest.skip(f"no {' and no '.join(missing)} on PATH: what `make run` prints to paste needs both")
    example = _example(source, name)
    command = pasting.curl(fresh_stack, example, _push(example))
    assert command
    assert fresh_stack.signing_secrets[source] not in command
    answer = _run("/bin/bash", "-c", command, directory=tmp_path)
    assert answer.stdout.startswith("HTTP/1.1 202"), answer.stderr
    fresh_stack.sandbox.record.wait_until(lambda counts: counts.accepted == 1, _DELIVERY_SECS)


def test_a_forged_webhook_is_refused_and_tells_nobody(fresh_stack: LocalStack) -> None:
    """The function that holds the endpoint has the right secret, and compares with it."""
    example = _example("github", "issues-opened")
    forged = senders.sign(example.request, example.verify, "not the secret", time.time())
    assert webhook.send(forged, fresh_stack.webhook_url("github")).status == 401
    assert fresh_stack.sandbox.record.counts.calls == 0


@pytest.mark.parametrize("name", ["oven-alarms", "oven_alarms"])
def test_an_alarm_on_a_subscribed_topic_becomes_a_push(name: str, fresh_stack: LocalStack) -> None:
    """Fn::ForEach made the subscription, and the queue's policy lets the topic in."""
    sns = client(fresh_stack.aws, "sns")
    topics = [found["TopicArn"] for found in sns.list_topics()["Topics"]]
    (topic,) = (arn for arn in topics if arn.endswith(f":{name}"))
    alarm = _example("cloudwatch-alarm", "alarm").request.body.decode()
    sns.publish(TopicArn=topic, Message=alarm, Subject="ALARM")
    fresh_stack.sandbox.record.wait_until(lambda counts: counts.accepted == 1, _DELIVERY_SECS)
    (push,) = fresh_stack.sandbox.record.pushes()
    assert push["Title"] == "ALARM: oven-too-hot"


def test_what_cannot_be_delivered_is_laid_aside_with_its_error(fresh_stack: LocalStack) -> None:
    """Deliver has the dead-letter queue's address and may send to it."""
    queue_client(fresh_stack.aws).send_message(
        QueueUrl=fresh_stack.outputs["QueueUrl"], MessageBody="no JSON"
    )
    deadline = time.monotonic() + _DELIVERY_SECS
    while not fresh_stack.dead_letters():
        assert time.monotonic() < deadline, fresh_stack.log()
        time.sleep(0.2)
    assert "no error code" not in fresh_stack.dead_letters()
    assert fresh_stack.sandbox.record.counts.calls == 0


def test_the_log_tells_what_became_of_the_event_and_nothing_personal(fresh_stack: LocalStack) -> None:
    """Both functions write to the log groups that the template declares."""
    answer = webhook.send(_github(fresh_stack, "Unmentionable"), fresh_stack.webhook_url("github"))
    assert answer.status == 202
    fresh_stack.sandbox.record.wait_until(lambda counts: counts.accepted == 1, _DELIVERY_SECS)
    deadline = time.monotonic() + _DELIVERY_SECS
    while '"delivered"' not in (log := fresh_stack.log()):
        assert time.monotonic() < deadline, log
        time.sleep(0.2)
    assert "Unmentionable" not in log
    assert fresh_stack.signing_secrets["github"] not in log


def test_run_once_ends_with_0_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """The command itself, in a process of its own, beside the stack of the other tests."""
    with Processes() as processes:
        program = processes.start(_RUN, _environment(), tmp_path / "run.log", ROOT)
        code = program.wait(240)
        left = _left_behind(program)  # before the block kills what is left
    assert code == 0, program.tail()
    assert "octo-org/bakery: new issue" in program.tail()
    assert left == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing_behind(number: signal.Signals, tmp_path: Path) -> None:
    """Also in the middle of a build, with the local AWS up."""
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
        left = _left_behind(program)  # before the block kills what is left
    assert "nothing is left behind" in program.tail()
    assert left == []
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(up[1]))) != 0


@pytest.mark.parametrize("option", ["--aws-port", "--sandbox-port"])
def test_a_taken_port_is_told_clearly(option: str) -> None:
    """Only an order for a certain port can meet a taken one; by default both are free ones."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = _run(*_RUN, option, str(port))
    assert done.returncode == 1
    assert re.search(rf"port {port}\b.*choose another", done.stdout), done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_refused_push_fails_the_run_with_its_cause(fresh_stack: LocalStack) -> None:
    """`make run ONCE=1` must not call it a success when the vendor says no."""
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
    """List the commands of a run's processes that live.

    They are of its session, or, since each program that it starts leads a session of its own, they have its
    directory in the environment, as a working directory or among the arguments.
    """
    if not _PROC.exists():
        with suppress(ProcessLookupError, PermissionError):  # all of them have ended
            os.killpg(program.popen.pid, 0)
            yield f"the process group {program.popen.pid}"
        return
    directory = f"{RUNS}/stack-{program.popen.pid}-".encode()
    for process in _PROC.glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile, or is another person's
            if _has_ended(process):
                continue
            session = int(_stat(process)[3])
            command = (process / "cmdline").read_bytes()
            about = command + (process / "environ").read_bytes() + os.fsencode((process / "cwd").readlink())
            if session == program.popen.pid or directory in about:
                yield command.replace(b"\0", b" ").decode(errors="replace")


def _has_ended(process: Path) -> bool:
    """Tell whether a process is dead, dying or killed: however long it takes to go, it does nothing more."""
    state, *_, flags = _stat(process)[:7]
    status = (process / "status").read_bytes()
    pending = re.findall(rb"^(?:Sig|Shd)Pnd:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return state in b"ZX" or bool(int(flags) & _EXITING) or any(int(mask, 16) & _KILLED for mask in pending)


def _stat(process: Path) -> list[bytes]:
    """Return its fields behind the name, which may hold anything: state, parent, group, session, ..."""
    return (process / "stat").read_bytes().rpartition(b")")[2].split()


def _run(*command: str | Path, directory: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - the project's own commands
        command, cwd=directory, env=_environment(), capture_output=True, text=True, timeout=240, check=False
    )


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tools'}", "NO_COLOR": "1"}

"""The CPU time from the start of a process to the answer to its first event, with few and with many sources.

The built artifact runs without an emulator: a process imports the handler, calls it once and ends. AWS and
the vendor are the loopback server. Unlike `first_push`, this does not see the time for which the process
waits; it sees each millisecond that a source costs, however busy the machine is.

Each ratio compares sides that are measured alternately, each in a new process.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import event_cpu
import first_push
import source_folders
from figures import Figure, summary
from invocations import notification, sns_invocation
from loopback import PUSH_CREDENTIALS, SIGNING_SECRETS, loopback
from relayctl import artifact
from relayctl.deploy import host_architecture
from relayctl.prepared_sources import write_prepared

ROUNDS: Final = 15
FEW, MANY = source_folders.SHIPPED, 110
_ROOT: Final = Path(__file__).resolve().parents[1]
_ALARM: Final = _ROOT / "src/sources/cloudwatch-alarm/examples/alarm.request.json"
_PROGRAM: Final = """
import importlib, json, sys
sys.path.insert(0, sys.argv[1])
handler = importlib.import_module(f"push_relay.{sys.argv[2]}").handler
class Context:
    def get_remaining_time_in_millis(self):
        return 20_000
answer = handler(json.load(sys.stdin), Context())
print(json.dumps({"answer": answer}))
"""


def measure(report: Callable[[str], None]) -> list[Figure]:
    """Return the ratios. `report` is called with the progress."""
    report(f"start_cpu: {ROUNDS} rounds with {FEW} and with {MANY} sources")
    with loopback() as port, tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        artifact.build(first_push.PLATFORMS[host_architecture()], work / "artifact")
        environments = {number: _environment(port, _sources(work, number)) for number in (FEW, MANY)}
        return [
            figure
            for name, (function, event) in _starts().items()
            for figure in _figures(name, work / "artifact", function, event, environments)
        ]


def _starts() -> dict[str, tuple[str, Any]]:
    """Return the measured starts by name: the function and its first event."""
    alarm = json.loads(_ALARM.read_text("utf-8"))["body"]
    return {
        "receive_webhook": ("receive", event_cpu.webhook()),
        "deliver_queued": ("deliver", first_push.batch(0)),
        "deliver_aws": ("deliver", sns_invocation(notification(alarm))),
    }


def _sources(work: Path, number: int) -> Path:
    """Return the directory of a number of sources, as the build writes them."""
    folders, prepared = work / f"folders-{number}", work / f"prepared-{number}"
    folders.mkdir()
    source_folders.write(folders, number)
    write_prepared(folders, prepared)
    return prepared


def _environment(port: int, sources: Path) -> dict[str, str]:
    address = f"http://127.0.0.1:{port}"
    return {
        "POWERTOOLS_SERVICE_NAME": "push-relay",
        "POWERTOOLS_METRICS_NAMESPACE": "PushRelay",
        "PUSH_BASE_URL": address,
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "LEDGER_TABLE": "bench",
        "BACKLOG_TABLE": "bench",
        "QUEUE_URL": f"{address}/000000000000/bench",
        "DEAD_LETTER_QUEUE_URL": f"{address}/000000000000/bench-dead",
        "SIGNING_SECRETS_ARN": SIGNING_SECRETS,
        "PUSH_CREDENTIALS_ARN": PUSH_CREDENTIALS,
        "RELAY_CONFIG": str(_ROOT / "tests/samples/shipped-routes.toml"),
        "RELAY_SOURCES": str(sources),
    }


def _figures(
    name: str, built: Path, function: str, event: object, environments: Mapping[int, Mapping[str, str]]
) -> list[Figure]:
    """Measure one start with few and with many sources, against the floor and against each other."""
    command = [sys.executable, "-I", "-S", "-c", _PROGRAM, str(built), function]
    body = json.dumps(event)
    floors, few, many = [], [], []
    for number in range(ROUNDS + 1):
        floor_secs = _cpu_secs([sys.executable, "-I", "-S", "-c", "pass"], {}, "")
        few_secs, many_secs = (_start_secs(command, environments[each], body) for each in (FEW, MANY))
        if number:  # the first round fills the disk's caches
            floors.append(floor_secs * 1e6)
            few.append(few_secs)
            many.append(many_secs)
    return [
        summary(
            f"start_{name}",
            f"CPU time to the first answer with {FEW} sources / python -c pass",
            [secs * 1e6 / floor for secs, floor in zip(few, floors, strict=True)],
            floors,
        ),
        summary(
            f"start_{name}_{MANY}",
            f"the same with {MANY} sources / with {FEW}",
            [secs / base for secs, base in zip(many, few, strict=True)],
            [secs * 1e6 for secs in few],
        ),
    ]


def _start_secs(command: list[str], environment: Mapping[str, str], body: str) -> float:
    output: list[str] = []
    secs = _cpu_secs(command, environment, body, output.append)
    if '"statusCode": 202' not in output[0] and '"delivered"' not in output[0]:
        raise SystemExit(f"bench: the event was not taken: {output[0]}")
    return secs


def _cpu_secs(
    command: list[str], environment: Mapping[str, str], body: str, output: Callable[[str], object] = len
) -> float:
    """Run a program to its end, and return its CPU time."""
    process = subprocess.Popen(
        command, env=dict(environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin and process.stdout  # noqa: S101, PT018 (both are pipes)
    process.stdin.write(body)
    process.stdin.close()
    output(process.stdout.read())
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit("bench: the function failed")
    return usage.ru_utime + usage.ru_stime

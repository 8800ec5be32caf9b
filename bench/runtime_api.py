"""Run a function of the built artifact under the real runtime client, with a Lambda runtime API of our own.

The runtime client asks this API for each invocation, so the moments between start, first invocation and its
end are seen from outside: the function runs no code of the benchmark. CPU time and memory are read from the
kernel while the client waits for an invocation. Linux only.

The API: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final

from process_cpu import cpu_secs_of
from rie import function_variables

_TIMEOUT_SECS: Final = 60
_LIMIT_SECS: Final = 90.0
_NEXT: Final = "/2018-06-01/runtime/invocation/next"
#: The Python that the environments were made from, which has no packages of the project.
PYTHON: Final = Path(sys.base_prefix) / "bin/python3.13"
#: The handlers of the relay.
HANDLERS: Final = {name: f"push_relay.{name}.handler" for name in ("receive", "deliver")}


class _Failed(str):
    """The error that the runtime client has reported instead of an answer."""

    __slots__ = ()


class _Handler(BaseHTTPRequestHandler):
    """Hands an invocation over when it is asked for, and takes its answer."""

    protocol_version = "HTTP/1.1"
    #: The runtime client ends each request before the next one, so headers and body may be two packets.
    disable_nagle_algorithm = True
    server: "_Api"

    def do_GET(self) -> None:
        """Answer the question for the next invocation, when there is one."""
        self.server.reports.put(None)
        body = self.server.invocations.get()
        if body is None:
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Lambda-Runtime-Aws-Request-Id", "bench")
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + _TIMEOUT_SECS) * 1000)))
        self.send_header(
            "Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:000000000000:function:bench"
        )
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        """Take an answer or an error."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.answers.put(json.loads(body) if self.path.endswith("/response") else _Failed(body))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Write nothing."""


class _Api(ThreadingHTTPServer):
    """The runtime API of one process.

    reports      has an item for each time at which the runtime client asks for an invocation
    invocations  the invocations; None ends the process's connection
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reports: SimpleQueue[None] = SimpleQueue()
        self.invocations: SimpleQueue[bytes | None] = SimpleQueue()
        self.answers: SimpleQueue[Any] = SimpleQueue()


@dataclass(frozen=True, slots=True)
class Function:
    """A function whose runtime client waits for an invocation."""

    process: "subprocess.Popen[bytes]"
    api: _Api
    log: Path

    def invoke(self, event: object) -> Any:
        """Invoke the function, wait until its client asks for the next event, and return the answer."""
        self.api.invocations.put(json.dumps(event).encode())
        answer = _taken(self, self.api.answers)
        if isinstance(answer, _Failed):
            raise SystemExit(f"bench: the function failed: {answer}")
        self.wait_until_idle()
        return answer

    def wait_until_idle(self) -> None:
        """Wait until the runtime client asks for an invocation."""
        _taken(self, self.api.reports)

    @property
    def cpu_secs(self) -> float:
        """The CPU time of all threads since the start of the process."""
        return cpu_secs_of(self.process.pid)

    @property
    def resident_mb(self) -> float:
        """The resident memory now, in MB of 1024 KB, as Lambda counts them."""
        return self._memory_mb("VmRSS")

    @property
    def peak_mb(self) -> float:
        """The most memory that was resident so far."""
        return self._memory_mb("VmHWM")

    def _memory_mb(self, name: str) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text("utf-8")
        (line,) = (line for line in status.splitlines() if line.startswith(f"{name}:"))
        return int(line.split()[1]) / 1024


def _taken(function: Function, queue: "SimpleQueue[Any]") -> Any:
    """Return the next item, as long as the process runs."""
    deadline = time.monotonic() + _LIMIT_SECS
    while time.monotonic() < deadline and function.process.poll() is None:
        try:
            return queue.get(timeout=0.5)
        except Empty:
            continue
    text = function.log.read_text("utf-8", "replace")[-2_000:]
    raise SystemExit(f"bench: the function did not answer, or has ended:\n{text}")


@contextmanager
def function(
    artifact: Path, handler: str, environment: Mapping[str, str], directory: Path
) -> Iterator[Function]:
    """Start a function and wait until it is initialised; end it at the end of the block.

    handler    its module and function, as in HANDLERS
    directory  for the log and for links to the runtime client
    """
    api = _Api()
    threading.Thread(target=api.serve_forever, daemon=True).start()
    variables = function_variables(artifact, handler, directory, _TIMEOUT_SECS) | dict(environment)
    variables["AWS_LAMBDA_RUNTIME_API"] = f"127.0.0.1:{api.server_port}"
    log = directory / f"{handler}-{api.server_port}.log"
    # -S disables site-packages. -B writes no compiled files, because Lambda's disk is read-only.
    command: list[str | Path] = [PYTHON, "-S", "-B", "-m", "awslambdaric", handler]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=artifact, env=variables, stdout=output, stderr=output)
    try:
        started = Function(process, api, log)
        started.wait_until_idle()
        yield started
    finally:
        process.kill()
        process.wait()
        api.invocations.put(None)
        api.shutdown()
        api.server_close()

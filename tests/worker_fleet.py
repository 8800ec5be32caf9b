"""Worker processes that share one account, and a slow vendor that counts its calls."""

import json
import multiprocessing
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

from fakes import SHIPPED
from local_aws import LocalAws
from push_relay.adapters import aws
from push_relay.bootstrap.common import Common
from push_relay.bootstrap.deliver import build_relay
from push_relay.core.event import Event
from push_relay.settings import DeliveryMode, Settings

_ROUTES: Final = """
[account.default]
{account}

[[route]]
source = "push"
to = ["user:{{{{ data.UserId }}}}"]
"""
_START_SECS: Final = 100.0
_INVOCATION_SECS: Final = 60.0


@dataclass
class VendorCall:
    """One call as the vendor saw it. Its times are those of the machine's monotonic clock."""

    worker: str
    began: float
    ended: float | None = None


class SlowVendor:
    """A vendor that answers after `latency` seconds. It finishes a call even if the client has gone."""

    def __init__(self, latency: float) -> None:
        """Listen."""
        self.latency = latency
        self.calls: list[VendorCall] = []
        self.most_at_a_time = 0
        self._now = 0
        self._lock = threading.Lock()
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                push = json.loads(self.rfile.read(length))
                vendor.work(push["Title"])
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Write no log."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                """Ignore clients that have gone, because some tests cause that."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def work(self, worker: str) -> None:
        """Take the time of a call."""
        call = VendorCall(worker, time.monotonic())
        with self._lock:
            self.calls.append(call)
            self._now += 1
            self.most_at_a_time = max(self.most_at_a_time, self._now)
        time.sleep(self.latency)
        with self._lock:
            call.ended = time.monotonic()
            self._now -= 1

    def of(self, worker: str) -> list[VendorCall]:
        """Return the calls of a worker, in order."""
        with self._lock:
            return [call for call in self.calls if call.worker == worker]

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@dataclass
class Finished:
    """The result of a worker's job: its times, and the outcomes of its pushes."""

    began: float
    ended: float
    outcomes: Counter[str] = field(default_factory=Counter)


@dataclass
class Worker:
    """A process that delivers one batch after the other."""

    name: str
    process: BaseProcess
    jobs: Connection

    def deliver(self, pushes: int, *, repeat: bool = False) -> None:
        """Start delivering a batch. With `repeat`, deliver further batches until the next job comes."""
        self.jobs.send((pushes, repeat))

    def finished(self) -> Finished:
        """Wait until the job has ended."""
        assert self.jobs.poll(_START_SECS), f"{self.name} does not answer"
        finished: Finished = self.jobs.recv()
        return finished


def work(name: str, settings: Settings, environment: Mapping[str, str], jobs: Connection) -> None:
    """Deliver batches of pushes until the pipe is closed."""
    os.environ.update(environment)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    relay = build_relay(Common.of(settings))
    jobs.send("ready")
    number = 0
    while True:
        try:
            pushes, repeat = jobs.recv()
        except EOFError:
            return
        done = Finished(time.monotonic(), 0.0)
        while repeat or not done.outcomes:
            events = [_event(name, number + i) for i in range(pushes)]
            number += pushes
            for receipts in relay.deliver(events, _time_left()):
                done.outcomes.update(receipt.error_code or str(receipt.outcome) for receipt in receipts)
            repeat = repeat and not jobs.poll()
        done.ended = time.monotonic()
        jobs.send(done)


def _time_left() -> Callable[[], float]:
    deadline = time.monotonic() + _INVOCATION_SECS
    return lambda: deadline - time.monotonic()


def _event(name: str, number: int) -> Event:
    identity = f"{name}-{number}"
    data = {"UserId": identity, "Title": name, "Body": identity}
    return Event("push", identity, "", data, time.time(), identity)


@contextmanager
def workers(
    local: LocalAws, vendor: SlowVendor, directory: Path, names: str, account: str = ""
) -> Iterator[list[Worker]]:
    """Run a worker process for each name. All of them share one table."""
    config = directory / "relay.toml"
    config.write_text(_ROUTES.format(account=account))
    secret = aws.secretsmanager().create_secret(
        Name=f"credentials-{local.table().name}", SecretString='{"CompanyId": 1, "IntegrationKey": "planted"}'
    )
    settings = Settings(
        mode=DeliveryMode.QUEUE,
        queue_url=local.queue(),
        dead_letter_queue_url=local.queue(),
        signing_secrets_arn="",
        push_base_url=vendor.address,
        push_credentials_arn=secret["ARN"],
        ledger_table=local.table().name,
        config_file=config,
        sources_directory=SHIPPED,
        backlog_table=local.backlog_table().name,
    )
    context = multiprocessing.get_context("spawn")
    running: list[Worker] = []
    try:
        for name in names.split():
            ours, theirs = context.Pipe()
            process = context.Process(target=work, args=(name, settings, local.environment, theirs))
            process.start()
            theirs.close()
            running.append(Worker(name, process, ours))
        for worker in running:
            assert worker.jobs.poll(_START_SECS), f"{worker.name} did not start"
            assert worker.jobs.recv() == "ready"
        for worker in running:  # one after the other, so that no worker waits for a connection
            worker.deliver(1)
            assert worker.finished().outcomes == {"delivered": 1}
        yield running
    finally:
        for worker in running:
            worker.jobs.close()
            worker.process.kill()
            worker.process.join(10)

"""Workers in processes of their own that share one account, and a slow vendor that counts its calls."""

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import boto_clients
from fakes import SHIPPED
from local_aws import LocalAws
from push_relay.adapters.dynamodb.backlog import DynamoDbBacklog
from push_relay.adapters.dynamodb.backlog_table import BacklogTable
from push_relay.adapters.dynamodb.permits import DynamoDbPermits
from push_relay.adapters.dynamodb.table import LedgerTable
from push_relay.adapters.queue import SqsQueue
from push_relay.core.delivery.backlog import Unreadable, Waiting
from push_relay.core.delivery.permits import Permits
from push_relay.core.delivery.wake_up import ALL, wake_up
from push_relay.core.event import Event
from push_relay.core.queue_format import pack
from relayctl.project import ROOT

_ROUTES: Final = """
[account.default]
{account}

[[route]]
source = "push"
when = "data.Title != 'urgent'"
to = ["user:{{{{ data.UserId }}}}"]

[[route]]
source = "push"
when = "data.Title == 'urgent'"
to = ["user:{{{{ data.UserId }}}}"]
priority = "high"
"""
_INVOCATION_SECS: Final = 60.0
_PROGRAM: Final = Path(__file__).parent / "worker_process.py"


@dataclass
class VendorCall:
    """One call as the vendor saw it. Its times are those of the machine's monotonic clock."""

    title: str
    body: str
    began: float
    ended: float | None = None


class SlowVendor:
    """A vendor that answers with `status` after `latency` seconds, even if the client has gone."""

    def __init__(self, latency: float) -> None:
        """Listen."""
        self.latency = latency
        self.status = 200
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
                vendor.work(push)
                self.send_response(vendor.status)
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

    def work(self, push: dict[str, Any]) -> None:
        """Take the time of a call."""
        call = VendorCall(push["Title"], push["Body"], time.monotonic())
        with self._lock:
            self.calls.append(call)
            self._now += 1
            self.most_at_a_time = max(self.most_at_a_time, self._now)
        time.sleep(self.latency)
        with self._lock:
            call.ended = time.monotonic()
            self._now -= 1

    def of(self, title: str) -> list[VendorCall]:
        """Return the calls whose pushes have a title, in order."""
        with self._lock:
            return [call for call in self.calls if call.title == title]

    @property
    def shown(self) -> Counter[str]:
        """How often each push was shown, by its body."""
        with self._lock:
            return Counter(call.body for call in self.calls)

    @property
    def calls_now(self) -> int:
        """The number of calls in progress."""
        return self._now

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@dataclass(frozen=True)
class Finished:
    """The end of an invocation: its times, the ends of its pushes by their codes, and the kept messages."""

    began: float
    ended: float
    ends: dict[str, int]
    kept: list[str]

    @property
    def secs(self) -> float:
        """The seconds that it took."""
        return self.ended - self.began


@dataclass
class Worker:
    """A process with the handler `deliver`."""

    process: subprocess.Popen[str]
    queue_url: str
    records: Sequence[dict[str, Any]] = ()

    def invoke(self, records: Sequence[dict[str, Any]], seconds: float = _INVOCATION_SECS) -> None:
        """Begin an invocation."""
        assert self.process.stdin
        self.records = records
        print(json.dumps({"records": records, "seconds": seconds}), file=self.process.stdin, flush=True)

    def finished(self) -> Finished:
        """Wait until the invocation has ended, and delete what it did not keep, as Lambda does."""
        finished = Finished(**self._answer())
        handles: Any = [
            {"Id": str(number), "ReceiptHandle": record["receiptHandle"]}
            for number, record in enumerate(self.records)
            if "receiptHandle" in record and record["messageId"] not in finished.kept
        ]
        if handles:
            # Those that the worker has deleted before a drain are refused here.
            boto_clients.sqs().delete_message_batch(QueueUrl=self.queue_url, Entries=handles)
        return finished

    def ready(self) -> None:
        """Wait until the handler is imported."""
        assert self._answer() == "ready"

    def _answer(self) -> Any:
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, "the worker has ended"
        return json.loads(line)

    def kill(self) -> None:
        """End the process with SIGKILL."""
        self.process.kill()
        self.process.wait(10)


class Stack:
    """The queues, the tables and the account that the workers share."""

    def __init__(self, local: LocalAws, vendor: SlowVendor, directory: Path, account: str = "") -> None:
        """Create all of them. `account` has lines of the account's table in relay.toml."""
        self._local, self._directory = local, directory
        self.vendor = vendor
        self.queue_url, self.dead_letter_url = local.queue(), local.queue("-dead")
        self.queue = SqsQueue(self.queue_url, self.dead_letter_url, time.time)
        self.table, self.backlog_table = local.table(), local.backlog_table()
        self._numbers = 0
        config = directory / "relay.toml"
        config.write_text(_ROUTES.format(account=account))
        secret = boto_clients.secretsmanager().create_secret(
            Name=f"credentials-{self.table.name}",
            SecretString='{"CompanyId": 1, "IntegrationKey": "planted"}',
        )
        self._environment = {
            **local.environment,
            "QUEUE_URL": self.queue_url,
            "DEAD_LETTER_QUEUE_URL": self.dead_letter_url,
            "PUSH_BASE_URL": vendor.address,
            "PUSH_CREDENTIALS_ARN": secret["ARN"],
            "LEDGER_TABLE": self.table.name,
            "BACKLOG_TABLE": self.backlog_table.name,
            "RELAY_CONFIG": str(config),
            "RELAY_SOURCES": str(SHIPPED),
        }

    @contextmanager
    def workers(self, *sources: Path) -> Iterator[list[Worker]]:
        """Start a worker for each folder with the package `push_relay`, and warm each up with one push."""
        with ExitStack() as running:
            workers = [self._started(running, source) for source in sources]
            for number, worker in enumerate(workers):
                worker.ready()
                worker.invoke(self.received(self.send(1, f"warm-up {number}")))
                assert worker.finished().ends == {"delivered": 1}
            yield workers

    def _started(self, running: ExitStack, source: Path) -> Worker:
        process = subprocess.Popen(  # noqa: S603 (our own interpreter)
            [sys.executable, str(_PROGRAM)],
            env={**os.environ, **self._environment, "PYTHONPATH": str(source)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        running.enter_context(process)
        running.callback(process.kill)
        return Worker(process, self.queue_url)

    # --- the queue --------------------------------------------------------------------------------------

    def send(self, pushes: int, title: str) -> int:
        """Queue events whose pushes have a title, as `receive` does; return their number."""
        for _ in range(pushes):
            self._numbers += 1
            self.queue.put(self._event(title, self._numbers))
        return pushes

    def _event(self, title: str, number: int) -> Event:
        identity = f"{title} {number}"
        data = {"UserId": f"user-{number}", "Title": title, "Body": identity}
        return Event("push", f"e-{number}", "", data, time.time(), identity)

    def received(self, count: int, secs: float = 20.0) -> list[dict[str, Any]]:
        """Receive so many messages, as soon as they are visible."""
        found: list[dict[str, Any]] = []
        deadline = time.monotonic() + secs
        while len(found) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count} messages were received"
            found += self._local.received(self.queue_url)
            time.sleep(0.05)
        assert len(found) == count
        return found

    def messages(self) -> list[dict[str, Any]]:
        """Receive the visible messages."""
        return self._local.received(self.queue_url)

    def tick(self) -> list[dict[str, Any]]:
        """Return the records with which the schedule invokes the function."""
        packed = pack(wake_up(ALL, 0.0))
        attributes = {name: {"dataType": "String", "stringValue": v} for name, v in packed.attributes.items()}
        return [
            {
                "eventSource": "aws:sqs",
                "messageId": "tick",
                "body": packed.body,
                "messageAttributes": attributes,
            }
        ]

    def drain(self, worker: Worker) -> list[Finished]:
        """Let a worker have a tick, and then each message of the queue."""
        worker.invoke(self.tick())
        finished = [worker.finished()]
        while found := self.messages():
            worker.invoke(found)
            finished.append(worker.finished())
        return finished

    # --- the tables -------------------------------------------------------------------------------------

    def waiting(self) -> list[Waiting | Unreadable]:
        """Return the events of the backlog that are due at some time."""
        backlog = DynamoDbBacklog(BacklogTable(self.backlog_table.name), time.time)
        later = time.time() + 30 * 86_400
        return [each for shelf in backlog.shelves() for each in backlog.due(shelf, 100, later)]

    def put_back(self, waiting: Sequence[Waiting]) -> None:
        """Put events into the backlog that were there before."""
        results = DynamoDbBacklog(BacklogTable(self.backlog_table.name), time.time).put(waiting)
        assert [*results] == [None] * len(waiting)

    def permits(self) -> Permits:
        """Return the account's permits."""
        return DynamoDbPermits(LedgerTable(self.table.name), "default", time.time).read()


#: The folder with the package of this version.
THIS_VERSION: Final = ROOT / "src"


def ends(*finished: Finished) -> Counter[str]:
    """Return the ends of the pushes of several invocations, by their codes."""
    total: Counter[str] = Counter()
    for each in finished:
        total.update(each.ends)
    return total

"""A local stack without an AWS: the relay's core in this process, behind the interfaces that the page uses.

It answers the HTTP API, writes the functions' log lines, and calls the sandbox, as the deployed functions do.
The tests of the page thus need no deployment; tests/e2e/test_stack.py has those with one.
"""

import http.client
import json
import threading
import time
import uuid
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request as IncomingRequest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from fake_logs import FakeLogs
from push_relay.core.delivery.encoding import Credentials, encode
from push_relay.core.push import Receipt
from push_relay.core.push_format import PushFormat
from relayctl.deploy import STACK
from relayctl.ministack import LocalAws
from relayctl.page.explainer import Explainer, Files
from relayctl.page.reloader import copy_files
from relayctl.page.requests import Request
from relayctl.page.running import SERVICES, RunningPage, running_page
from relayctl.preview.result import PreviewedFile
from relayctl.receipts.line import DELIVER, RECEIVE
from relayctl.stack import COMPANY_ID, LocalStack
from sandbox.account import Account
from sandbox.loopback import LoopbackServer
from sandbox.server import SandboxServer

KEY = "planted-integration-key"
PAGE_KEY = "the-key-of-the-page"
API_ID = "0123abcd"
QUEUE_URL = "http://localhost/000000000000/queue"


@dataclass
class LocalRelay:
    """The functions: `receive` behind an HTTP API, `deliver` behind a queue, and their log."""

    explainer: Explainer
    sandbox: SandboxServer
    files: Files
    directory: Path
    secrets: dict[str, str]
    uploads: list[tuple[str, list[str]]] = field(default_factory=list)
    logs: FakeLogs = field(default_factory=lambda: FakeLogs(STACK, with_ids=False))
    updates: list[Mapping[str, Any]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    seen: set[str] = field(default_factory=set)

    # --- receive ---------------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request to the HTTP API (ASGI)."""
        incoming = IncomingRequest(scope, receive)
        body = await incoming.body()
        target = scope["raw_path"].decode().partition("$default")[2]
        if scope["query_string"]:
            target += f"?{scope['query_string'].decode()}"
        headers = tuple((name.decode(), value.decode()) for name, value in scope["headers"])
        request = Request(time.time(), incoming.method, target, headers, body)
        response = await run_in_threadpool(self._receive, request)
        await response(scope, receive, send)

    def _receive(self, request: Request) -> Response:
        correlation_id = str(uuid.uuid4())
        explained = self.explainer.request(request, correlation_id)
        if explained is None or explained.answer is None:
            return Response(b'{"message":"Internal Server Error"}', 500)
        answer = explained.answer
        headers = {**answer["headers"], "X-Correlation-Id": correlation_id}
        self._settle(explained, correlation_id)
        return Response(answer["body"], answer["statusCode"], headers)

    def _settle(self, explained: PreviewedFile, correlation_id: str) -> None:
        for previewed in explained.events:
            if previewed.event is None:
                self.log(RECEIVE, _receipt(previewed.receipt, correlation_id))
                continue
            about = {"source": previewed.event.source, "event_id": previewed.event.id}
            self.log(RECEIVE, {"message": "accepted", "level": "INFO", **about}, correlation_id)
            for receipt in previewed.receipts:
                if receipt.push is None:
                    self.log(DELIVER, _receipt(receipt, correlation_id))
                elif receipt.push.key in self.seen:
                    line = {**_receipt(receipt, correlation_id), "outcome": "duplicate"}
                    self.log(DELIVER, line)
                else:
                    self.seen.add(receipt.push.key)
                    self.log(DELIVER, self._deliver(receipt, correlation_id))

    def _deliver(self, receipt: Receipt, correlation_id: str) -> dict[str, Any]:
        """Call the sandbox, and return the log line of the push."""
        assert receipt.push is not None
        body = encode(receipt.push, Credentials(COMPANY_ID, KEY), PushFormat.JSON)
        connection = http.client.HTTPConnection(urlsplit(self.sandbox.address).netloc, timeout=10)
        headers = {"Content-Type": "application/json", "X-Correlation-Id": correlation_id}
        try:
            connection.request("POST", "/api/v2/push?format=json", body, headers)
            status = connection.getresponse().status
        finally:
            connection.close()
        line = _receipt(receipt, correlation_id)
        if status != 200:
            line |= {"outcome": "failed", "error_code": "vendor_rejected", "detail": f"answered {status}"}
        return {**line, "account": receipt.push.account, "latency_ms": 12.5}

    def log(self, function: str, line: Mapping[str, Any], correlation_id: str = "") -> None:
        """Write a line of a function."""
        now = datetime.now(UTC)
        written = {"timestamp": now.isoformat(timespec="milliseconds"), "service": "push-relay", **line}
        if correlation_id:
            written["correlation_id"] = correlation_id
        with self.lock:
            self.logs.write_text(function, now.timestamp(), json.dumps(written))

    # --- the clients of AWS ------------------------------------------------------------------------------

    def clients(self) -> Mapping[str, Any]:
        """Return the clients that the page uses."""
        return dict.fromkeys(SERVICES, self)

    def filter_log_events(self, **wanted: Any) -> dict[str, Any]:
        """Return the lines of a group (CloudWatch Logs)."""
        with self.lock:
            return self.logs.filter_log_events(**wanted)

    def send_message(self, *, QueueUrl: str, MessageBody: str) -> dict[str, str]:  # noqa: N803 (boto3's names)
        """Deliver a message at once (SQS)."""
        assert QueueUrl == QUEUE_URL
        message_id = str(uuid.uuid4())
        explained = self.explainer.message(MessageBody, message_id, time.time())
        assert explained is not None
        event = explained.events[0].event
        self._settle(explained, event.correlation_id if event else message_id)
        return {"MessageId": message_id}

    def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: Sequence[str]) -> dict[str, Any]:  # noqa: N803
        """Return that nothing is under way (SQS)."""
        assert QueueUrl == QUEUE_URL
        return {"Attributes": dict.fromkeys(AttributeNames, "0")}

    def put_secret_value(self, **wanted: Any) -> None:
        """Store the signing secrets, with which requests are verified from now on (Secrets Manager)."""
        self.secrets.update(json.loads(wanted["SecretString"]))

    def upload_file(self, file: str, bucket: str, key: str) -> None:
        """Read the names of an uploaded zip file (S3)."""
        with zipfile.ZipFile(file) as archive:
            self.uploads.append((f"{bucket}/{key}", archive.namelist()))

    def update_function_code(self, **wanted: Any) -> None:
        """Use the deployer's files from now on (Lambda)."""
        self.updates.append(wanted)
        self.explainer.use(copy_files(self.files, self.directory / f"deployed-{len(self.updates)}"))

    def invoke(self, **wanted: Any) -> None:
        """Note an invocation (Lambda)."""
        self.updates.append(wanted)


def _receipt(receipt: Receipt, correlation_id: str) -> dict[str, Any]:
    fields = {
        "message": "receipt",
        "level": "INFO",
        "source": receipt.source,
        "event_id": receipt.event_id,
        "outcome": receipt.outcome.value,
        "error_code": receipt.error_code,
        "detail": receipt.detail,
        "correlation_id": correlation_id,
        "attempt": 1,
    }
    return {name: value for name, value in fields.items() if value is not None}


@dataclass(frozen=True, slots=True)
class World:
    """A running page with everything behind it. `kept`: the secrets that are stored for the next run."""

    relay: LocalRelay
    stack: LocalStack
    page: RunningPage
    files: Files
    kept: dict[str, str]

    @property
    def address(self) -> str:
        """The page's URL, with its key."""
        return self.page.address


@contextmanager
def running_world(
    directory: Path, files: Files, secrets: Mapping[str, str], port: int = 0
) -> Iterator[World]:
    """Run the page in front of a local relay.

    directory  an empty directory, in which an artifact is made up
    port       the sandbox's
    """
    artifact = directory / "build/ReceiveFunction"
    artifact.mkdir(parents=True)
    (artifact / "code.py").write_text("# the relay\n")
    stored = dict(secrets)
    explainer = Explainer(copy_files(files, directory / "deployed-0"), stored)
    with SandboxServer(Account(COMPANY_ID, KEY), port=port) as sandbox:
        relay = LocalRelay(explainer, sandbox, files, directory, stored)
        with LoopbackServer(relay, name="local API") as api:
            outputs = {
                "ApiId": API_ID,
                "QueueUrl": QUEUE_URL,
                "ReceiveFunctionArn": "arn:aws:lambda:eu-west-1:000000000000:function:receive",
                "DeliverFunctionArn": "arn:aws:lambda:eu-west-1:000000000000:function:deliver",
            }
            program: Any = None
            stack = LocalStack(directory, LocalAws(api.port, program), sandbox, outputs, dict(secrets), KEY)
            kept: dict[str, str] = {}
            with running_page(
                stack, files, PAGE_KEY, clients=relay.clients(), keep_secrets=kept.update
            ) as page:
                yield World(relay, stack, page, files, kept)

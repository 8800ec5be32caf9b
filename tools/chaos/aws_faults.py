"""Faults of the AWS services, injected with botocore's hooks, below the relay's adapters.

A call is throttled, its connection is lost before the request is sent, or the call succeeds and its answer is
lost. Of the messages of a batch call some are refused, and a worker may be killed between two such calls. The
reactions (botocore's retries, the adapters' errors) are the real ones. Another hook takes over SQS's delays,
because SQS would measure them with the machine's clock and not with the run's.
"""

import threading
from dataclasses import dataclass, field
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError

from chaos.fault_injector import FaultInjector
from push_relay.adapters import aws
from push_relay.adapters.queue import MAX_DELAY
from push_relay.core.queue_format import DUE_ATTRIBUTE

#: The message attribute with the time (seconds since the epoch) from which the driver may hand the message
#: out.
VISIBLE_AT = "chaos-visible-at"
#: The longest delay that is played. SQS's own limit is 15 minutes.
MAX_DELAY_SECS = 12 * 3600.0
_THROTTLED = {
    "dynamodb": "ProvisionedThroughputExceededException",
    "sqs": "RequestThrottled",
    "secretsmanager": "ThrottlingException",
}
_BROKEN = "InternalServerError"
#: There are few batch calls, so their own faults are this many times as probable as those of other calls.
_BATCH_FAULTS = 40
#: The same for BatchWriteItem, which is called whenever the backlog changes.
_BATCH_WRITE_FAULTS = 5


@dataclass(frozen=True, slots=True)
class _Service:
    name: str
    client: Any
    injector: FaultInjector

    def register_hooks(self) -> None:
        """Register the faults with the client."""
        events = self.client.meta.events
        events.register(f"before-call.{self.name}", self._before_call)
        events.register(f"before-send.{self.name}", self._before_send)

    def _before_call(self, **_: Any) -> Any:
        """Let a call fail in the way in which it fails after its last retry."""
        if not self.injector.fails(self.name):
            return None
        throttled = self.injector.chance(0.5)
        code = _THROTTLED[self.name] if throttled else _BROKEN
        status = 400 if throttled else 500
        self.injector.note("aws_failed", service=self.name, code=code)
        answer = AWSResponse("", status, {}, None)
        return answer, {
            "Error": {"Code": code, "Message": ""},
            "ResponseMetadata": {"HTTPStatusCode": status},
        }

    def _before_send(self, request: Any, **_: Any) -> Any:
        """Let the connection of one attempt be lost, before or after the request is sent.

        botocore retries it.
        """
        if not self.injector.chance(self.injector.fail_probability / 2):
            return
        if self.injector.chance(0.5):
            self.injector.note("aws_answer_lost", service=self.name)
            self.client._endpoint.http_session.send(request)  # noqa: SLF001 - botocore offers no other way
        raise ConnectionClosedError(endpoint_url=request.url)


@dataclass(slots=True)
class _BatchCalls:
    """The faults of SendMessageBatch. `_refused`: the entries of the present call that SQS refuses."""

    injector: FaultInjector
    _refused: list[dict[str, Any]] = field(default_factory=list)

    def register_hooks(self) -> None:
        """Register the faults with the client. A worker makes one such call at a time."""
        events = aws.sqs().meta.events
        events.register("before-parameter-build.sqs.SendMessageBatch", self._refuse)
        events.register("after-call.sqs.SendMessageBatch", self._report)

    def _refuse(self, params: Any, **_: Any) -> None:
        """Refuse some entries of a call, but not all. Sometimes one is queued nevertheless."""
        self._refused = []
        entries = params["Entries"]
        count = min(1 + self.injector.chance(0.5), len(entries) - 1)
        if not count or not self._happens(self.injector.fail_probability):
            return
        self._refused = self.injector.sample(entries, count)
        self.injector.note("aws_refused_entries", count=count)
        if self.injector.chance(0.8):
            params["Entries"] = [entry for entry in entries if entry not in self._refused]

    def _report(self, parsed: Any, **_: Any) -> None:
        """Report the refused entries in the answer, then kill the worker in the middle of its request."""
        if self._refused and "Error" not in parsed:
            ids = {entry["Id"] for entry in self._refused}
            kept = [entry for entry in parsed.get("Successful", ()) if entry["Id"] not in ids]
            failed = [{"Id": each, "SenderFault": False, "Code": _BROKEN, "Message": ""} for each in ids]
            parsed.update(Successful=kept, Failed=failed)
        self.injector.at("after_batch_call", always=self._happens(self.injector.kill_probability))

    def _happens(self, probability: float) -> bool:
        return self.injector.chance(min(0.5, probability * _BATCH_FAULTS))


@dataclass(slots=True)
class _BatchWrites:
    """The faults of BatchWriteItem. `_left`: the requests of a call that DynamoDB leaves unprocessed.

    A worker may make several such calls at a time, so the thread distinguishes them.
    """

    injector: FaultInjector
    _left: threading.local = field(default_factory=threading.local)

    def register_hooks(self) -> None:
        """Register the faults with the client."""
        events = aws.dynamodb().meta.events
        events.register("before-parameter-build.dynamodb.BatchWriteItem", self._leave)
        events.register("after-call.dynamodb.BatchWriteItem", self._report)

    def _leave(self, params: Any, **_: Any) -> None:
        """Leave some requests of a call unprocessed, but not all, as DynamoDB does if it throttles."""
        self._left.requests = {}
        ((table, requests),) = params["RequestItems"].items()
        count = min(1 + self.injector.chance(0.5), len(requests) - 1)
        if not count or not self._happens(self.injector.fail_probability):
            return
        left = self.injector.sample(requests, count)
        self._left.requests = {table: left}
        self.injector.note("aws_left_unprocessed", count=count)
        # The caller's list must stay as it is: it is repeated from there.
        params["RequestItems"] = {table: [request for request in requests if request not in left]}

    def _report(self, parsed: Any, **_: Any) -> None:
        """Report what was left, then kill the worker in the middle of its write."""
        if self._left.requests and "Error" not in parsed:
            parsed["UnprocessedItems"] = {**parsed.get("UnprocessedItems", {}), **self._left.requests}
        self.injector.at("after_batch_write", always=self._happens(self.injector.kill_probability))

    def _happens(self, probability: float) -> bool:
        return self.injector.chance(min(0.5, probability * _BATCH_WRITE_FAULTS))


def hook_faults(injector: FaultInjector) -> None:
    """Let the AWS clients of this process fail at random, by the injector's dice."""
    _BatchCalls(injector).register_hooks()
    _BatchWrites(injector).register_hooks()
    clients = {"sqs": aws.sqs(), "dynamodb": aws.dynamodb(), "secretsmanager": aws.secretsmanager()}
    for name, client in clients.items():
        _Service(name, client, injector).register_hooks()


def hook_delays(injector: FaultInjector) -> None:
    """Replace SQS's delay of a message by an attribute with the time from which the driver hands it out.

    SQS delays a message by at most 15 minutes, so a message that waits for midnight would be requeued a
    hundred times. Here, a wait of more than 15 minutes takes at most MAX_DELAY_SECS at once: a few rounds
    prove the same.
    """

    def replace_delay(params: Any, **_: Any) -> None:
        delay = params.pop("DelaySeconds", 0)
        if not delay:
            return
        now = injector.clock.run_clock.now()
        attributes = params.setdefault("MessageAttributes", {})
        if delay == MAX_DELAY and DUE_ATTRIBUTE in attributes:
            due = float(attributes[DUE_ATTRIBUTE]["StringValue"])
            delay = min(MAX_DELAY_SECS, due - injector.clock.now())
        attributes[VISIBLE_AT] = {"DataType": "String", "StringValue": f"{now + delay:.3f}"}

    events = aws.sqs().meta.events
    events.register("before-parameter-build.sqs.SendMessage", replace_delay)

"""Faults of the AWS services, injected around the relay's client, below its adapters.

A call is throttled, its connection is lost before the request is sent, or the call succeeds and its answer is
lost. Of the messages of a batch call some are refused, and a worker may be killed between two such calls.
The reactions (the client's retries, the adapters' errors) are the real ones. Another hook takes over SQS's
delays, because SQS would measure them with the machine's clock and not with the run's.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chaos.fault_injector import FaultInjector
from chaos.hooked_client import EVERY, HookedClient, hooked
from push_relay.adapters.aws import AwsError
from push_relay.adapters.http_call import NoAnswer, NotConnected
from push_relay.adapters.queue import MAX_DELAY
from push_relay.core.queue_format import DUE_ATTRIBUTE

if TYPE_CHECKING:
    from push_relay.adapters.aws_http import Post
    from push_relay.adapters.http_call import Answer

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
    client: HookedClient
    injector: FaultInjector

    def register_hooks(self) -> None:
        """Register the faults with the client."""
        self.client.before(EVERY, self._fail)
        real = self.client.client
        real.post = self._losing(real.post)

    def _fail(self, _arguments: Any) -> None:
        """Let a call fail in the way in which it fails after its last retry."""
        if self.injector.fails(self.name):
            code = _THROTTLED[self.name] if self.injector.chance(0.5) else _BROKEN
            self.injector.note("aws_failed", service=self.name, code=code)
            raise AwsError(code, is_repeated=True)

    def _losing(self, post: "Post") -> "Post":
        """Let the connection of an attempt be lost, before or after the request is sent. It is repeated."""

        def attempt(
            target: str, headers: Mapping[str, str], body: bytes, limit: int
        ) -> "Callable[[], Answer]":
            if not self.injector.chance(self.injector.fail_probability / 2):
                return post(target, headers, body, limit)
            if not self.injector.chance(0.5):
                raise NotConnected("lost before it was sent")
            self.injector.note("aws_answer_lost", service=self.name)
            end = post(target, headers, body, limit)

            def lost() -> "Answer":
                end()
                raise NoAnswer(ConnectionResetError())

            return lost

        return attempt


@dataclass(slots=True)
class _BatchCalls:
    """The faults of SendMessageBatch. `_refused`: the entries of the present call that SQS refuses."""

    injector: FaultInjector
    _refused: list[dict[str, Any]] = field(default_factory=list)

    def register_hooks(self) -> None:
        """Register the faults with the client. A worker makes one such call at a time."""
        client = hooked("sqs")
        client.before("SendMessageBatch", self._refuse)
        client.after("SendMessageBatch", self._report)

    def _refuse(self, params: dict[str, Any]) -> None:
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

    def _report(self, parsed: dict[str, Any] | None) -> None:
        """Report the refused entries in the answer, then kill the worker in the middle of its request."""
        if self._refused and parsed is not None:
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
        client = hooked("dynamodb")
        client.before("BatchWriteItem", self._leave)
        client.after("BatchWriteItem", self._report)

    def _leave(self, params: dict[str, Any]) -> None:
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

    def _report(self, parsed: dict[str, Any] | None) -> None:
        """Report what was left, then kill the worker in the middle of its write."""
        if self._left.requests and parsed is not None:
            parsed["UnprocessedItems"] = {**parsed.get("UnprocessedItems", {}), **self._left.requests}
        self.injector.at("after_batch_write", always=self._happens(self.injector.kill_probability))

    def _happens(self, probability: float) -> bool:
        return self.injector.chance(min(0.5, probability * _BATCH_WRITE_FAULTS))


def hook_faults(injector: FaultInjector) -> None:
    """Let the AWS clients of this process fail at random, by the injector's dice."""
    _BatchCalls(injector).register_hooks()
    _BatchWrites(injector).register_hooks()
    for name in _THROTTLED:
        _Service(name, hooked(name), injector).register_hooks()


def hook_delays(injector: FaultInjector) -> None:
    """Replace SQS's delay of a message by an attribute with the time from which the driver hands it out.

    SQS delays a message by at most 15 minutes, so a message that waits for midnight would be requeued a
    hundred times. Here, a wait of more than 15 minutes takes at most MAX_DELAY_SECS at once: a few rounds
    prove the same.
    """

    def replace_delay(params: dict[str, Any]) -> None:
        delay = params.pop("DelaySeconds", 0)
        if not delay:
            return
        now = injector.clock.run_clock.now()
        attributes = params.setdefault("MessageAttributes", {})
        if delay == MAX_DELAY and DUE_ATTRIBUTE in attributes:
            due = float(attributes[DUE_ATTRIBUTE]["StringValue"])
            delay = min(MAX_DELAY_SECS, due - injector.clock.now())
        attributes[VISIBLE_AT] = {"DataType": "String", "StringValue": f"{now + delay:.3f}"}

    hooked("sqs").before("SendMessage", replace_delay)

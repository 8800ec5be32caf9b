"""Faults of the AWS services, below the relay's adapters, at botocore's own hooks.

Throttled, broken off before the request is sent, or done and its answer lost: what follows (botocore's
retries, the adapters' translation) is the real thing. The same hooks tell the driver for how long SQS is to
keep a message back: SQS's own delay would take the machine's time, and not the run's.
"""

from dataclasses import dataclass
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError

from chaos.fault_injector import FaultInjector
from push_relay.adapters import aws
from push_relay.adapters.queue import MAX_DELAY
from push_relay.core.queue_format import DUE_ATTRIBUTE

#: The attribute of a message that tells when it is to be seen (seconds since the epoch).
VISIBLE_AT = "chaos-visible-at"
LONGEST_DELAY = 12 * 3600.0
_THROTTLED = {
    "dynamodb": "ProvisionedThroughputExceededException",
    "sqs": "RequestThrottled",
    "secretsmanager": "ThrottlingException",
}
_BROKEN = "InternalServerError"


@dataclass(frozen=True, slots=True)
class _Service:
    name: str
    client: Any
    injector: FaultInjector

    def hook(self) -> None:
        """Register the faults."""
        events = self.client.meta.events
        events.register(f"before-call.{self.name}", self._before_call)
        events.register(f"before-send.{self.name}", self._before_send)

    def _before_call(self, **_: Any) -> Any:
        """Fail as a call does whose retries are used up."""
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
        """Break one attempt of a call, which botocore tries again: before it is sent, or when it is done."""
        if not self.injector.chance(self.injector.fail / 2):
            return
        if self.injector.chance(0.5):
            self.injector.note("aws_answer_lost", service=self.name)
            self.client._endpoint.http_session.send(request)  # noqa: SLF001 - botocore offers no other way
        raise ConnectionClosedError(endpoint_url=request.url)


def hook_faults(injector: FaultInjector) -> None:
    """Let the AWS clients of this process fail as the knife's dice say."""
    clients = {"sqs": aws.sqs(), "dynamodb": aws.dynamodb(), "secretsmanager": aws.secretsmanager()}
    for name, client in clients.items():
        _Service(name, client, injector).hook()


def hook_delays(injector: FaultInjector) -> None:
    """Let no message be kept back by SQS; say on it until when the driver has to.

    SQS keeps back for 15 minutes at most, so a message that waits for midnight goes round a hundred times;
    here for at most LONGEST_DELAY: a few rounds prove the same.
    """

    def keep_back(params: Any, **_: Any) -> None:
        delay = params.pop("DelaySeconds", 0)
        if not delay:
            return
        now = injector.clock.world.now()
        attributes = params.setdefault("MessageAttributes", {})
        if delay == MAX_DELAY:
            due = float(attributes[DUE_ATTRIBUTE]["StringValue"])
            delay = min(LONGEST_DELAY, due - injector.clock.now())
        attributes[VISIBLE_AT] = {"DataType": "String", "StringValue": f"{now + delay:.3f}"}

    events = aws.sqs().meta.events
    events.register("before-parameter-build.sqs.SendMessage", keep_back)

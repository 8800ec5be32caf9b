"""Faults of the AWS services, injected with botocore's hooks, below the relay's adapters.

A call is throttled, its connection is lost before the request is sent, or the call succeeds and its answer is
lost. The reactions (botocore's retries, the adapters' errors) are the real ones. Another hook takes over
SQS's delays, because SQS would measure them with the machine's clock and not with the run's.
"""

from dataclasses import dataclass
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


def hook_faults(injector: FaultInjector) -> None:
    """Let the AWS clients of this process fail at random, by the injector's dice."""
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
        if delay == MAX_DELAY:
            due = float(attributes[DUE_ATTRIBUTE]["StringValue"])
            delay = min(MAX_DELAY_SECS, due - injector.clock.now())
        attributes[VISIBLE_AT] = {"DataType": "String", "StringValue": f"{now + delay:.3f}"}

    events = aws.sqs().meta.events
    events.register("before-parameter-build.sqs.SendMessage", replace_delay)

"""A deployed stack in memory: the real relay behind an endpoint and a queue, and the APIs of AWS.

Each request and message is handled at once. The lines that the relay logs are in the log groups then.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest

from fake_logs import FakeLogs
from fakes import SHIPPED, SHIPPED_ROUTES, World, captured
from invocations import sqs_batch, sqs_queued, sqs_record
from relayctl import targets, webhook
from relayctl.deadletters import stack_resources
from relayctl.examples import examples_of
from relayctl.preview.invocations import http_invocation
from relayctl.running import Running
from relayctl.senders import needs_secret, new_secret
from relayctl.sending import following

# The logger keeps the stream that it is made with. That of a single test is closed when the test ends.
with captured():
    pass

_ARN = "arn:aws:secretsmanager:eu-west-1:1:secret:signing-AbCdEf"


@cache
def new_secrets() -> Mapping[str, str]:
    """Return a signing secret of each shipped source that needs one."""
    return {
        example.source: new_secret(example.verify, example.event)
        for folder in sorted(SHIPPED.iterdir())
        for example in examples_of(SHIPPED, folder.name)[:1]
        if example.verify and needs_secret(example.verify)
    }


class StackInMemory:
    """A stack with the shipped sources. `sent` are the requests, and `messages` those of its queue.

    secrets        by source; None: nobody may read them
    dead_letters   the messages of the dead-letter queue, as ReceiveMessage returns them
    """

    def __init__(self, name: str = "push-relay", *, is_local: bool = True, **options: Any) -> None:
        self.world = World(sources=SHIPPED, routes=options.pop("routes", SHIPPED_ROUTES), **options)
        self.name = name
        self.logs = FakeLogs(name)
        self.sent: list[webhook.Webhook] = []
        self.messages: list[dict[str, Any]] = []
        self.secrets: dict[str, str] | None = dict(new_secrets())
        self.world.secrets.by_source = {name: (text.encode(),) for name, text in new_secrets().items()}
        self.dead_letters: list[dict[str, Any]] = []
        self.delivers = True
        host = "http://127.0.0.1:1" if is_local else "https://api.eu-west-1.amazonaws.com"
        events = SimpleNamespace(register=lambda *_: None)
        self.meta = SimpleNamespace(endpoint_url=host, events=events)
        self.url = f"{'http' if is_local else 'https'}://api.example/webhooks/{{source}}"

    def client(self, service: str) -> Any:
        """Return the client of a service."""
        return self.logs if service == "logs" else self

    # --- the endpoint and the queue ---------------------------------------------------------------------

    def post(self, request: webhook.Webhook, url: str) -> webhook.Answer:
        """Answer a request, and deliver its events."""
        self.sent.append(request)
        called = replace(request, url=url.replace("http://", "https://"), path="")
        invocation = http_invocation(called, url.rpartition("/")[2], "192.0.2.1")
        invocation["requestContext"]["requestId"] = f"r-{len(self.sent)}"
        with captured() as output:
            self._begin(output.telemetry)
            answer = self.world.receive(invocation)
        self._log("receive", output.out.getvalue())
        queued, self.world.messages.queued = self.world.messages.queued, []
        for number, (event, _) in enumerate(queued):
            self._deliver(sqs_queued(event, message_id=f"m-{number}"))
        headers = {name.lower(): value for name, value in answer["headers"].items()}
        return webhook.Answer(answer["statusCode"], answer["body"], headers)

    def send_message(self, **message: Any) -> dict[str, Any]:
        """Deliver a message of the queue."""
        self.messages.append(message)
        message_id = f"q-{len(self.messages)}"
        record = sqs_record(message["MessageBody"], message_id=message_id)
        attributes = message["MessageAttributes"]
        named = {
            name: {"stringValue": value["StringValue"], "dataType": "String"}
            for name, value in attributes.items()
        }
        arn = "arn:aws:sqs:eu-west-1:1:push-relay"
        sent = {**record["attributes"], "SentTimestamp": str(round(time.time() * 1000))}
        self._deliver({**record, "messageAttributes": named, "eventSourceARN": arn, "attributes": sent})
        return {"MessageId": message_id}

    def _deliver(self, record: dict[str, Any]) -> None:
        if not self.delivers:
            return
        with captured() as output:
            self._begin(output.telemetry)
            self.world.deliver(sqs_batch(record))
        self._log("deliver", output.out.getvalue())

    def _begin(self, telemetry: Any) -> None:
        self.world.telemetry = telemetry
        self.world.clock.time = time.time()

    def _log(self, function: str, text: str) -> None:
        for line in text.splitlines():
            self.logs.write_text(function, time.time(), line)

    # --- what relayctl reads ----------------------------------------------------------------------------

    def describe_stacks(self, **arguments: Any) -> dict[str, Any]:
        """Return outputs and parameters."""
        assert arguments["StackName"] == self.name
        outputs = {
            "WebhookUrl": self.url,
            "QueueUrl": "queue",
            "DeadLetterQueueUrl": "dead",
            "LedgerTable": "ledger",
        }
        return {
            "Stacks": [
                {
                    "Outputs": [{"OutputKey": k, "OutputValue": v} for k, v in outputs.items()],
                    "Parameters": [{"ParameterKey": "SigningSecretsArn", "ParameterValue": _ARN}],
                }
            ]
        }

    def get_secret_value(self, **arguments: Any) -> dict[str, Any]:
        """Return the signing secrets."""
        from botocore.exceptions import ClientError  # noqa: PLC0415 (most tests need none)

        assert arguments["SecretId"] == _ARN
        if self.secrets is None:
            error = {"Code": "AccessDeniedException", "Message": "denied"}
            raise ClientError({"Error": error}, "GetSecretValue")
        return {"SecretString": json.dumps(self.secrets)}

    def get_queue_attributes(self, **_: Any) -> dict[str, Any]:
        """Return the number of dead letters."""
        return {"Attributes": {"ApproximateNumberOfMessages": str(len(self.dead_letters))}}

    def receive_message(self, **_: Any) -> dict[str, Any]:
        """Return the dead letters, once."""
        messages, self.dead_letters = self.dead_letters, []
        return {"Messages": messages}

    def change_message_visibility_batch(self, **_: Any) -> dict[str, Any]:
        """Make messages visible again."""
        return {}


def use(stack: StackInMemory, patch: pytest.MonkeyPatch, *, local: bool = True) -> StackInMemory:
    """Make relayctl find a stack: as the local one, or in AWS by its name."""
    running = [Running(1, 1, 2, str(SHIPPED), str(SHIPPED_ROUTES))] if local else []
    patch.setattr(targets, "running_stacks", lambda _runs: running)
    patch.setattr(targets, "local_client", lambda _url, service: stack.client(service))
    patch.setattr(stack_resources, "client", stack.client)
    patch.setattr(webhook, "send", stack.post)
    patch.setattr(following, "_LOCAL_INTERVAL_SECS", 0.01)
    patch.setattr(following, "_INTERVAL_SECS", 0.01)
    patch.delenv("RELAY_STACK", raising=False)
    return stack

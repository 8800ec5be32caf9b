"""The Lambda handlers. The only module that wires anything when it is imported."""

from typing import Any

from push_relay import bootstrap
from push_relay.entrypoints import deliver as back_door
from push_relay.entrypoints import receive as front_door
from push_relay.entrypoints.ports import LambdaContext
from push_relay.settings import Settings

_settings = Settings.read()
_application = bootstrap.build(_settings)
bootstrap.warm_up(_settings)


def receive(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer an HTTP request (API Gateway 1.0 and 2.0, function URL)."""
    return front_door.handle(event, context, _application.relay, _application.queue, _application.telemetry)


def deliver(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Deliver the events of an SQS batch, an SNS notification or an EventBridge event."""
    return back_door.handle(event, context, _application.relay, _application.queue, _application.telemetry)

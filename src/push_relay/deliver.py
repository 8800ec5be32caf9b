"""The Lambda handler of the function `deliver`: events in, pushes out."""

from typing import Any

from push_relay.adapters.process import starting
from push_relay.bootstrap.common import Common
from push_relay.bootstrap.deliver import build, warm_up
from push_relay.entrypoints.ports import LambdaContext
from push_relay.settings import Settings

with starting():
    _settings = Settings.read()
    _consumer = build(Common.of(_settings))
    warm_up(_settings)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Deliver the events of an SQS batch, an SNS notification or an EventBridge event."""
    return _consumer.handle(event, context)

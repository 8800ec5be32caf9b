"""The Lambda handler of the function `receive`: an HTTP request in, an answer out."""

from typing import Any

from push_relay.adapters.process import starting
from push_relay.bootstrap.common import Common
from push_relay.bootstrap.receive import build, warm_up
from push_relay.entrypoints.ports import LambdaContext
from push_relay.settings import Settings

with starting():
    _settings = Settings.read()
    _endpoint = build(Common.of(_settings))
    warm_up(_settings)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer an HTTP request (API Gateway 1.0 and 2.0, function URL)."""
    return _endpoint.handle(event, context)

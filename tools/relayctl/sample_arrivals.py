"""The arrivals of a source's examples through AWS, as `deliver` reads them before it knows their source."""

from collections.abc import Iterator
from copy import replace
from datetime import UTC, datetime
from pathlib import Path

from push_relay.core.errors import RelayError
from push_relay.core.event import Arrival
from push_relay.core.inbound.envelope import unwrap_sqs
from relayctl.examples import aws_message, examples_of
from relayctl.preview.invocations import sqs_invocation
from relayctl.webhook import Webhook


def sample_arrivals(sources: Path, name: str) -> list[Arrival]:
    """Return the arrivals of the examples of a source that AWS delivers.

    An EventBridge event is there twice: as it is, and published to an SNS topic. An example that cannot be
    read is left out, because other checks report it.
    """
    found = []
    for example in examples_of(sources, name):
        try:
            found += list(_arrivals(example.request)) if example.through_aws else []
        except (OSError, ValueError, RelayError):
            continue
    return found


def _arrivals(request: Webhook) -> Iterator[Arrival]:
    yield from _unwrapped(request)
    if "eventbridge-source" in request.headers and "sns-topic" not in request.headers:
        message = aws_message(request, "m-1", datetime.fromtimestamp(0, UTC))
        yield from _unwrapped(replace(request, headers={"sns-topic": ""}, body=message.encode()))


def _unwrapped(request: Webhook) -> Iterator[Arrival]:
    (record,) = sqs_invocation(request, 0.0)["Records"]
    arrival = unwrap_sqs(record)
    if isinstance(arrival, Arrival):
        yield arrival

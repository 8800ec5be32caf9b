"""A source's examples: which one a route leads to, what it becomes, and how it is sent to the local stack."""

import json
import time
import tomllib
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from push_relay.core.event import Arrival, Event
from push_relay.core.inbound.body import read_body
from push_relay.core.push import Push, Receipt
from push_relay.core.rules.route import Route
from push_relay.core.rules.source import Source
from push_relay.core.translator import Translator
from relayctl import webhook
from relayctl.ministack import ACCOUNT, REGION

_SUFFIX: Final = ".request.json"
_TOPIC: Final = "sns-topic"
_BUS: Final = "eventbridge-source"
_LOCAL_TOPIC: Final = f"arn:aws:sns:{REGION}:{ACCOUNT}:example"


class NoExampleError(Exception):
    """There is no such example; the text says which there are."""


@dataclass(frozen=True, slots=True)
class Example:
    """One example of a source folder, `examples/<name>.request.json`.

    through_aws  whether SNS or EventBridge would bring it; if not, it is a webhook
    """

    source: str
    name: str
    file: Path

    @property
    def label(self) -> str:
        """The example's name for people: SOURCE/EXAMPLE."""
        return f"{self.source}/{self.name}"

    @property
    def request(self) -> webhook.Webhook:
        """The request, not yet signed."""
        return webhook.read_example(self.file)

    @property
    def through_aws(self) -> bool:
        """Whether the example has the headers of an AWS envelope."""
        return not {_TOPIC, _BUS}.isdisjoint(self.request.headers)

    @property
    def verify(self) -> Mapping[str, Any]:
        """The `[verify]` table of the example's source; empty if it takes no webhooks."""
        document = tomllib.loads((self.file.parents[1] / "source.toml").read_text("utf-8"))
        table: Mapping[str, Any] = document.get("verify", {})
        return table

    def queue_message(self) -> str:
        """Write the message that SNS or EventBridge would put into the relay's queue."""
        headers, body = self.request.headers, json.loads(self.request.body or b"{}")
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if _TOPIC in headers:
            notification = {
                "Type": "Notification",
                "MessageId": str(uuid.uuid4()),
                "TopicArn": headers[_TOPIC] or _LOCAL_TOPIC,
                "Subject": headers.get("sns-subject", ""),
                "Message": json.dumps(body),
                "Timestamp": now,
            }
            return json.dumps({name: value for name, value in notification.items() if value})
        event = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "source": headers[_BUS],
            "detail-type": headers.get("eventbridge-detail-type", ""),
            "account": headers.get("eventbridge-account", ACCOUNT),
            "region": headers.get("eventbridge-region", REGION),
            "time": now,
            "resources": [],
            "detail": body,
        }
        return json.dumps(event)


def examples_of(sources: Path, name: str) -> list[Example]:
    """Return a source's examples, by name."""
    files = sorted((sources / name / "examples").glob(f"*{_SUFFIX}"))
    return [Example(name, file.name.removesuffix(_SUFFIX), file) for file in files]


def becomes(relay: Translator, example: Example) -> list[Push | Receipt]:
    """Return what the relay makes of an example: pushes, or the receipt that says why there is none.

    Nothing is sent. An example that its source refuses gives the receipt of the error.
    """
    try:
        return list(relay.translate(_event(relay, example)))
    except Exception as exc:  # noqa: BLE001 (it is the answer)
        return [Receipt.failure(exc, source=example.source)]


def choose(relay: Translator, sources: Path, source: str = "", name: str = "") -> Example:
    """Return the example that the arguments name, or the first one that a route leads to.

    Raises NoExampleError.
    """
    if name:
        return _named(sources, source, name)
    found = next(_routed(relay, sources, source), None)
    if found:
        return found
    if source:
        examples = examples_of(sources, source)
        if not examples:
            raise NoExampleError(_no_example(sources, source))
        return examples[0]
    raise NoExampleError(
        "no route of config/relay.toml leads from an example to a recipient; choose one with "
        "SOURCE=... and EXAMPLE=..., or add a route"
    )


def _routed(relay: Translator, sources: Path, only: str) -> Iterator[Example]:
    """Yield the examples that a route leads to, in the order of the routes."""
    for route in relay.routing.routes:
        if only in ("", route.source):
            for example in examples_of(sources, route.source):
                if _takes(relay, route, example):
                    yield example


def _takes(relay: Translator, route: Route, example: Example) -> bool:
    if not any(isinstance(made, Push) for made in becomes(relay, example)):
        return False
    return route.when is None or route.when.holds(_event(relay, example).scope())


def _named(sources: Path, source: str, name: str) -> Example:
    if not source:
        raise NoExampleError(f"EXAMPLE={name} needs SOURCE=, the name of the source's folder")
    found = next((example for example in examples_of(sources, source) if example.name == name), None)
    if found is None:
        raise NoExampleError(_no_example(sources, source))
    return found


def _no_example(sources: Path, source: str) -> str:
    if not (sources / source / "source.toml").is_file():
        known = ", ".join(sorted(path.parent.name for path in sources.glob("*/source.toml")))
        return f"there is no source `{source}`; there are: {known}"
    there = ", ".join(example.name for example in examples_of(sources, source))
    if not there:
        return f"the source `{source}` has no examples (src/sources/{source}/examples/*{_SUFFIX})"
    return f"the source `{source}` has no such example; it has: {there}"


def _event(relay: Translator, example: Example) -> Event:
    source = relay.sources.named(example.source)
    return source.event(_arrival(source, example), relay.routing.reads(source.name))


def _arrival(source: Source, example: Example) -> Arrival:
    request = example.request
    if example.through_aws:
        data = json.loads(request.body or b"{}")
    else:
        data = read_body(request.body, request.headers, source.body_format)
    return Arrival(
        source=source.name,
        data=data,
        headers=request.headers,
        query=request.query,
        received_at=time.time(),
        fallback_id="example",
        identity="example",
    )

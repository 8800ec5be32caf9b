"""The examples of the sources: choose one, translate it into pushes, and write it as AWS would send it."""

import json
import time
import tomllib
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from push_relay.adapters.catalog import Catalog
from push_relay.core.event import Arrival, Event
from push_relay.core.inbound import envelope
from push_relay.core.inbound.body import read_body
from push_relay.core.inbound.items import Items, Unreadable, as_document
from push_relay.core.push import Push, Receipt
from push_relay.core.rules.findings import choices
from push_relay.core.rules.routes import Route
from push_relay.core.rules.source import Source
from push_relay.core.split import items_of
from push_relay.core.translator import Translator
from relayctl import webhook
from relayctl.example_files import EXAMPLE_SUFFIX, example_files
from relayctl.local_aws import ACCOUNT, REGION

_TOPIC: Final = "sns-topic"
_BUS: Final = "eventbridge-source"
_QUEUE: Final = "sqs-queue"
_LOCAL_TOPIC: Final = f"arn:aws:sns:{REGION}:{ACCOUNT}:example"


class NoExampleError(Exception):
    """There is no such example. The text lists the existing ones."""


@dataclass(frozen=True, slots=True)
class Example:
    """One example of a source folder, `examples/<name>.request.json`."""

    source: str
    name: str
    file: Path

    @property
    def label(self) -> str:
        """The example's name in output: SOURCE/EXAMPLE."""
        return f"{self.source}/{self.name}"

    @property
    def request(self) -> webhook.Webhook:
        """The request, not yet signed."""
        return webhook.read_example(self.file)

    @property
    def through_aws(self) -> bool:
        """Whether AWS would deliver the example. If not, it is a webhook."""
        return is_from_aws(self.request)

    @property
    def verify(self) -> Mapping[str, Any]:
        """The `[verify]` table of the example's source. It is empty if the source accepts no webhooks."""
        return self._table("verify")

    @property
    def event(self) -> Mapping[str, Any]:
        """The `[event]` table of the example's source."""
        return self._table("event")

    def _table(self, name: str) -> Mapping[str, Any]:
        document = tomllib.loads((self.file.parents[1] / "source.toml").read_text("utf-8"))
        table: Mapping[str, Any] = document.get(name, {})
        return table

    def queue_message(self) -> str:
        """Return the body of the message that SNS or EventBridge would send to the relay's queue."""
        return aws_message(self.request, str(uuid.uuid4()), datetime.now(UTC))


def is_from_aws(request: webhook.Webhook) -> bool:
    """Return whether AWS would deliver an example, because its headers are fields of an envelope."""
    return not {_TOPIC, _BUS, _QUEUE}.isdisjoint(request.headers)


def aws_message(request: webhook.Webhook, message_id: str, sent_at: datetime) -> str:
    """Return the body of the message that AWS would send to the relay's queue for an example.

    An SNS notification holds the example's body as it is, and an EventBridge event holds it as its `detail`.
    A message without an envelope is the body.
    """
    headers, text = request.headers, request.body.decode()
    now = sent_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if _TOPIC in headers:
        notification = {
            "Type": "Notification",
            "MessageId": message_id,
            "TopicArn": headers[_TOPIC] or _LOCAL_TOPIC,
            "Subject": headers.get("sns-subject", ""),
            "Message": text or "{}",
            "Timestamp": now,
        }
        return json.dumps({name: value for name, value in notification.items() if value})
    if _BUS not in headers:
        return text
    event = {
        "version": "0",
        "id": message_id,
        "source": headers[_BUS],
        "detail-type": headers.get("eventbridge-detail-type", ""),
        "account": headers.get("eventbridge-account", ACCOUNT),
        "region": headers.get("eventbridge-region", REGION),
        "time": headers.get("eventbridge-time", now),
        "resources": [arn for arn in headers.get("eventbridge-resources", "").split(", ") if arn],
        "detail": json.loads(text or "{}"),
    }
    return json.dumps(event)


def examples_of(sources: Path, name: str) -> list[Example]:
    """Return a source's examples in the order of their names."""
    files = example_files(sources / name)
    return [Example(name, file.name.removesuffix(EXAMPLE_SUFFIX), file) for file in files]


def translate(translator: Translator, example: Example) -> list[Push | Receipt]:
    """Return the pushes that the relay makes of an example, and receipts for what becomes no push.

    Nothing is sent. If the source refuses the example, the result is the receipt of the error.
    """
    try:
        events = _events(translator, example)
        return [made for event in events for made in translator.translate(event)]
    except Exception as exc:  # noqa: BLE001 - the exception becomes a receipt
        return [Receipt.failure(exc, source=example.source)]


def choose(translator: Translator, sources: Path, source: str = "", name: str = "") -> Example:
    """Return the example that the arguments name, or the first one that a route matches.

    If only a source is given and no route matches any of its examples, the first of them is returned.
    Raises NoExampleError.
    """
    if name:
        return find(sources, source, name)
    found = next(_routed(translator, sources, source), None)
    if found:
        return found
    if source:
        examples = examples_of(sources, source)
        if not examples:
            raise NoExampleError(_no_example(sources, source))
        return examples[0]
    raise NoExampleError(
        "no route of config/relay.toml matches an example; add a route, or choose an example with "
        "SOURCE=... and EXAMPLE=..."
    )


def _routed(translator: Translator, sources: Path, only: str) -> Iterator[Example]:
    """Yield the examples that a route matches, in the order of the routes.

    `only`: a source's name, or empty.
    """
    for route in translator.routing.routes:
        if only in ("", route.source):
            for example in examples_of(sources, route.source):
                if _matches(translator, route, example):
                    yield example


def _matches(translator: Translator, route: Route, example: Example) -> bool:
    if not any(isinstance(result, Push) for result in translate(translator, example)):
        return False
    return route.when is None or any(
        route.when.holds(event.scope()) for event in _events(translator, example)
    )


def find(sources: Path, source: str, name: str) -> Example:
    """Return an example of a source. Raises NoExampleError, which lists the existing ones."""
    if not source:
        raise NoExampleError(f"EXAMPLE={name} needs SOURCE=... too, the name of the source's folder")
    found = next((example for example in examples_of(sources, source) if example.name == name), None)
    if found is None:
        raise NoExampleError(_no_example(sources, source, name))
    return found


def _no_example(sources: Path, source: str, name: str = "") -> str:
    if not (sources / source / "source.toml").is_file():
        return f"there is no source `{source}`; {choices(source, Catalog(sources).names())}"
    names = [example.name for example in examples_of(sources, source)]
    if not names:
        return f"the source `{source}` has no examples (src/sources/{source}/examples/*{EXAMPLE_SUFFIX})"
    return f"the source `{source}` has no example `{name}`; {choices(name, names)}"


def document_through_aws(body: Any, headers: Mapping[str, str]) -> Any:
    """Return the document of an example that AWS delivers, whose body is JSON or the text of a message."""
    text = body if isinstance(body, str) else json.dumps(body)
    return envelope.read(text, headers.get("sns-subject", "")).document


def _events(translator: Translator, example: Example) -> list[Event]:
    """Return the events of an example; a request may have several."""
    source = translator.sources.named(example.source)
    reads = translator.routing.reads(source.name)
    return [source.event(arrival, reads) for arrival in arrivals(source, example)]


def arrivals(source: Source, example: Example) -> list[Arrival]:
    """Return the arrivals of an example's events, as they are before the schema checks them."""
    return arrivals_of(source, example.request)


def arrivals_of(source: Source, request: webhook.Webhook) -> list[Arrival]:
    """Return the arrivals of a request's events.

    Raises RelayError, and ValueError for what AWS cannot deliver.
    """
    arrival = Arrival(
        source=source.name,
        data={},
        headers=request.headers,
        query=request.query,
        received_at=time.time(),
        fallback_id="example",
        identity="example",
    )
    if is_from_aws(request):
        return [replace(arrival, data=document_through_aws(request.body.decode() or "{}", request.headers))]
    content = read_body(request.body, request.headers, source.body_format)
    if not isinstance(content, Items):
        arrival = replace(arrival, data=content)
    return [
        replace(arrival, data=as_document(item))
        for item in items_of(source, content, arrival).values
        if not isinstance(item, Unreadable)
    ]

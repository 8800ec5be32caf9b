"""Run an input through the relay's own core, without network, queue, ledger or vendor."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from push_relay.core.delivery.encoding import Credentials, encode
from push_relay.core.errors import ConfigurationInvalid, RelayError
from push_relay.core.event import Arrival, Event
from push_relay.core.inbound import envelope
from push_relay.core.inbound.request import unwrap
from push_relay.core.intake import Intake, QueueForward
from push_relay.core.outcomes import Outcome
from push_relay.core.push import Push, Receipt
from push_relay.core.rules.recogniser import Recogniser
from push_relay.core.rules.routing import Routing
from push_relay.core.rules.source import Source
from push_relay.core.translator import Translator
from push_relay.entrypoints.batch_consumer import Unwrap, records_of
from push_relay.entrypoints.http_endpoint import HttpEndpoint
from relayctl.examples import is_from_aws
from relayctl.preview.explanation import Explanation, explain
from relayctl.preview.inputs import Input, InputError
from relayctl.preview.invocations import http_invocation, sqs_invocation
from relayctl.preview.layered_sources import LayeredSources
from relayctl.preview.result import PreviewedEvent, PreviewedFile, PreviewedMessage, PreviewedPush, worst
from relayctl.preview.stand_ins import (
    ADDRESS,
    Journal,
    KeepingQueue,
    MakeDoor,
    NoDeadLetters,
    NoSubscriptions,
    PreviewClock,
    PreviewContext,
    PreviewTelemetry,
)
from relayctl.webhook import Webhook

#: The credentials of the vendor with which a push is encoded, to find out whether it can be.
_CREDENTIALS = Credentials(0, "preview")


@dataclass(frozen=True, slots=True)
class Previewer:
    """Previews files.

    source  the source of examples, and of invocations that name none; empty if it is not given
    """

    sources: LayeredSources
    routing: Routing
    make_door: MakeDoor
    clock: PreviewClock
    source: str = ""

    def with_routing(self, routing: Routing) -> "Previewer":
        """Return a previewer with other routes."""
        return replace(self, routing=routing)

    def preview(self, given: Input) -> PreviewedFile:
        """Preview one file. Raises InputError if it needs a source that is unusable or not known."""
        journal = Journal()
        try:
            if isinstance(given.content, Webhook):
                return self._example(given, given.content, journal)
            if "requestContext" in given.content:
                return self._http(given.file, self._with_source(given.content), journal)
            return self._from_aws(given.file, given.content)
        except ConfigurationInvalid as exc:
            raise InputError(exc.detail) from None

    def _example(self, given: Input, webhook: Webhook, journal: Journal) -> PreviewedFile:
        if is_from_aws(webhook):
            try:
                invocation = sqs_invocation(webhook, self.clock.now())
            except ValueError:
                raise InputError(f"{given.file}: `body` is not what AWS could deliver") from None
            return self._from_aws(given.file, invocation, given.folder or "")
        name = self.source or given.folder
        if not name:
            raise InputError(
                f"{given.file}: names no source: give --source NAME, or put it into NAME/examples/"
            )
        if name not in self.sources.names():
            raise InputError(
                f"{given.file}: there is no source `{name}`: add its folder with --sources, or give --source"
            )
        return self._http(given.file, http_invocation(webhook, name, self._caller(name, journal)), journal)

    def _caller(self, source: str, journal: Journal) -> str:
        """Return the address of an example's sender: one that the deployer allows, because it has none."""
        addresses = self.routing.policy(source).addresses
        if not addresses:
            return "192.0.2.1"
        journal.skip(ADDRESS)
        return str(addresses[0].network_address)

    def _with_source(self, invocation: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return an HTTP invocation that names a source, if one is given and it names none."""
        try:
            if not self.source or unwrap(invocation).source is not None:
                return invocation
        except RelayError:
            return invocation
        return {**invocation, "pathParameters": {"source": self.source}}

    # --- receive ------------------------------------------------------------------------------------------

    def _http(self, file: str, invocation: Mapping[str, Any], journal: Journal) -> PreviewedFile:
        if (name := _source_of(invocation)) in self.sources.names():
            self.sources.check(name)
        intake = Intake(
            sources=self.sources,
            routing=self.routing,
            door=self.make_door(journal),
            subscriptions=NoSubscriptions(journal),
            forward=QueueForward(KeepingQueue(journal)),
            clock=self.clock,
            dead_letters=NoDeadLetters(journal),
        )
        answer = HttpEndpoint(intake, PreviewTelemetry(journal)).handle(invocation, PreviewContext())
        events = [
            PreviewedEvent(entry) if isinstance(entry, Receipt) else self._delivered(entry)
            for entry in journal.entries
        ]
        if not events and answer["statusCode"] >= HTTPStatus.BAD_REQUEST:
            events = [PreviewedEvent(_refused(answer, name))]
        return PreviewedFile(
            file=file,
            answer=answer,
            events=events,
            is_handshake=journal.handshake,
            verified=journal.verified,
            skipped=journal.skipped,
        )

    # --- deliver ------------------------------------------------------------------------------------------

    def _from_aws(self, file: str, invocation: Mapping[str, Any], folder: str = "") -> PreviewedFile:
        """Preview an invocation of `deliver`.

        folder  the name of an example's source folder: its match rules count without a route too, so that its
                author sees its words
        """
        events = [self._recognised(unwrap, message, folder) for unwrap, message in _messages(invocation)]
        return PreviewedFile(file=file, events=events)

    def _recognised(self, unwrap: Unwrap, message: Mapping[str, Any], folder: str) -> PreviewedEvent:
        fallen_back: list[Mapping[str, str]] = []
        recogniser = Recogniser(
            self.sources,
            self.routing,
            self.clock.now,
            lambda _event, names: fallen_back.append(names),
            as_routed=frozenset({folder}),
        )
        arrival: Arrival | Event | None = None
        try:
            arrival = unwrap(message)
            if isinstance(arrival, Event):
                return self._delivered(arrival)
            if self.source and not recogniser.has_source(arrival.source):
                arrival = replace(arrival, source=self.source)
            event = recogniser.recognise(arrival)
        except ConfigurationInvalid:
            raise
        except Exception as exc:  # noqa: BLE001 - the exception becomes the event's outcome
            named = arrival.source if arrival and recogniser.has_source(arrival.source) else None
            about = arrival.fallback_id if isinstance(arrival, Arrival) else "-"
            return PreviewedEvent(Receipt.failure(exc, source=named, event_id=about))
        unrouted = next((names.get("unrouted", "") for names in fallen_back), None)
        return replace(self._delivered(event), is_fallback=unrouted is not None, unrouted=unrouted or "")

    # --- from an event to its pushes ------------------------------------------------------------------------

    def _delivered(self, event: Event) -> PreviewedEvent:
        if event.source in self.sources.names():
            self.sources.check(event.source)
        made = list(Translator(self.sources, self.routing).translate(event))
        receipts = [part if isinstance(part, Receipt) else self._sent(event, part) for part in made]
        explanation = self._explained(event)
        return PreviewedEvent(
            receipt=worst(receipts),
            event=event,
            receipts=receipts,
            messages=self._messages_of(event, explanation),
            pushes=self._pushes_of(event, receipts),
            explanation=explanation,
        )

    def _sent(self, event: Event, push: Push) -> Receipt:
        """Return the receipt of a push for which the vendor is up and answers well."""
        account = self.routing.accounts[push.account]
        if push.is_expired(event, self.clock.now()):
            detail = f"it is older than its max_age of {push.max_age or 0:g} seconds"
            return replace(Receipt.of(event, Outcome.EXPIRED, detail=detail), push=push)
        try:
            encode(push, _CREDENTIALS, account.format, xml_root=account.xml_root)
        except RelayError as exc:
            return Receipt.of_error(event, exc, push)
        return replace(Receipt.of(event, Outcome.DELIVERED), push=push)

    def _explained(self, event: Event) -> Explanation | None:
        source = self._source(event)
        return explain(event, source, self.routing) if source and event.type is not None else None

    def _messages_of(self, event: Event, explanation: Explanation | None) -> Sequence[PreviewedMessage]:
        """Return the words of the rule that applies, whether a route leads to anybody or not."""
        source = self._source(event)
        if source is None or explanation is None or explanation.writing_rule is None:
            return []
        try:
            written = source.wording(event).wording
        except RelayError:
            return []
        return [PreviewedMessage(explanation.writing_rule, written)] if written else []

    def _pushes_of(self, event: Event, receipts: Sequence[Receipt]) -> Sequence[PreviewedPush]:
        sent = [each.push for each in receipts if each.push and each.outcome is Outcome.DELIVERED]
        if not sent:
            return []
        leading = self.routing.route(event).recipients
        return [PreviewedPush(push, self._number(leading[push.account, push.recipient])) for push in sent]

    def _number(self, route: object) -> int:
        return next(number for number, each in enumerate(self.routing.routes, start=1) if each is route)

    def _source(self, event: Event) -> Source | None:
        return self.sources.named(event.source) if event.source in self.sources.names() else None


def _messages(invocation: Mapping[str, Any]) -> Iterator[tuple[Unwrap, Mapping[str, Any]]]:
    """Yield the messages of an invocation of `deliver`, each with what removes its envelopes."""
    kinds: tuple[tuple[str, str, Callable[[Mapping[str, Any]], Event | Arrival]], ...] = (
        ("eventSource", "aws:sqs", envelope.unwrap_sqs),
        ("EventSource", "aws:sns", envelope.unwrap_sns),
    )
    for key, service, unwrap_message in kinds:
        if (records := records_of(invocation, key, service)) is not None:
            yield from ((unwrap_message, message) for message in records)
            return
    yield envelope.unwrap_eventbridge, invocation


def _source_of(invocation: Mapping[str, Any]) -> str:
    try:
        return unwrap(invocation).source or ""
    except RelayError:
        return ""


def _refused(answer: Mapping[str, Any], source: str) -> Receipt:
    """Return the receipt of a request that the endpoint refuses and the relay does not count."""
    problem = json.loads(answer["body"])
    return Receipt(
        source=source or "unknown",
        event_id="-",
        outcome=Outcome.REJECTED,
        error_code=problem["code"],
        detail=problem["title"],
    )

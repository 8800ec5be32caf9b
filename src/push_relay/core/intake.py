"""The front half: a request becomes an event, and the event is queued (or delivered, in direct mode).

    receive -> verify -> parse -> validate -> forward

`entrypoints/http_endpoint.py` turns results and errors into HTTP answers. The back half takes the event from
the queue (`entrypoints/batch_consumer.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from push_relay.core.clock import Clock, TimeLeft
from push_relay.core.errors import QueueUnavailable, RelayError
from push_relay.core.event import Arrival, Event, sha256_hex
from push_relay.core.inbound.body import read_body
from push_relay.core.inbound.request import MAX_BODY, MAX_OPEN_BODY, HttpRequest
from push_relay.core.push import Receipt
from push_relay.core.rules.recognition import Sources, reading_for
from push_relay.core.rules.route import Routing
from push_relay.core.rules.source import Source
from push_relay.core.trust.door import Admitted, Door
from push_relay.core.trust.handshakes.base import Notice, Reply, Subscription, no_preflight
from push_relay.core.trust.schemes.proof import Verified


class Queue(Protocol):
    """The queue between the two halves."""

    def put(self, event: Event) -> None:
        """Queue an event. Raises QueueUnavailable, PayloadTooLarge."""
        ...


class Subscriptions(Protocol):
    """SNS subscriptions over HTTP, which their subscriber has to confirm."""

    def confirm(self, url: str) -> bool:
        """Confirm one; return whether only its owners can end it. Raises CredentialsUnavailable."""
        ...


class Forwarded(NamedTuple):
    """The result of forwarding an accepted event.

    receipts  the receipts of its pushes; none if the event is queued
    lost      the error if pushes had to be kept in a queue and could not be: the sender has to retry
    """

    receipts: Sequence[Receipt] = ()
    lost: QueueUnavailable | None = None


class Forward(Protocol):
    """Takes accepted events."""

    def __call__(self, event: Event, time_left: TimeLeft) -> Forwarded:
        """Forward an event. Raises QueueUnavailable, and PayloadTooLarge if no message can hold it."""
        ...


@dataclass(frozen=True, slots=True)
class QueueForward:
    """Forwards events to the queue, from which `deliver` takes them."""

    queue: Queue

    def __call__(self, event: Event, time_left: TimeLeft) -> Forwarded:
        """Queue an event. Raises QueueUnavailable, PayloadTooLarge."""
        del time_left
        self.queue.put(event)
        return Forwarded()


@dataclass(frozen=True, slots=True)
class Received:
    """An accepted event, and the result of forwarding it."""

    event: Event
    forwarded: Forwarded


@dataclass(frozen=True, slots=True)
class Intake:
    """The front half, wired."""

    sources: Sources
    routing: Routing
    door: Door
    subscriptions: Subscriptions
    forward: Forward
    clock: Clock

    def receive(self, request: HttpRequest, time_left: TimeLeft) -> Received | Reply:
        """Accept a webhook: verify, parse and validate it, then forward its event.

        A handshake carries no event and is answered instead. Raises RelayError for a request that is refused.
        Its `sender_is_proven` is True if the sender has proven its origin.
        """
        source = self.sources.named(request.source or "")
        now = self.clock.now()
        admitted = self.door.verify(source, self.routing.policy(source.name), request, now)
        try:
            event = self._admit(source, request, admitted, now)
            if isinstance(event, Reply):
                return event
            return Received(event, self.forward(event, time_left))
        except RelayError as exc:
            exc.sender_is_proven = not source.open_to_all
            raise

    def preflight(self, request: HttpRequest) -> Reply | None:
        """Answer a sender that asks by OPTIONS whether it may send; None if it is refused.

        Raises UnknownSource and AddressNotAllowed, as the sender's events would.
        """
        source = self.sources.named(request.source or "")
        if source.preflight is no_preflight:
            return None
        policy = self.routing.policy(source.name)
        self.door.approach(source, policy, request)
        return source.preflight(request, policy.origins)

    def _admit(self, source: Source, request: HttpRequest, admitted: Admitted, now: float) -> Event | Reply:
        answer = source.answer_handshake(request, admitted.secret)
        if isinstance(answer, Subscription):
            is_protected = self.subscriptions.confirm(answer.url)
            notice = None if is_protected else Notice.UNPROTECTED
            return Reply("", "text/plain; charset=utf-8", notice=notice)
        if answer:
            return answer
        arrival = self._arrival(source, request, admitted.verified, now)
        return source.event(arrival, self.routing.reads(source.name))

    def _arrival(self, source: Source, request: HttpRequest, verified: Verified, now: float) -> Arrival:
        """Parse a verified request. Its identity is what the proof covers: an id only if it is signed.

        If the proof covers nothing but the sender, the event's own content identifies it.
        """
        signed = sha256_hex(verified.signed)
        data = read_body(
            request.body,
            request.headers,
            source.body_format,
            proven=verified.content,
            most_bytes=MAX_OPEN_BODY if source.open_to_all else MAX_BODY,
        )
        if source.verify and source.verify.secret_places:
            from push_relay.core.trust.secret_places import remove_secrets  # noqa: PLC0415 (few need it)

            remove_secrets(data, source.verify.secret_places)
        arrival = Arrival(
            source=source.name,
            data=data,
            headers=request.headers,
            query=request.query,
            received_at=now,
            fallback_id=signed[:32],
            identity=signed if verified.event_id is None else f"id:{verified.event_id}",
            correlation_id=request.correlation_id,
        )
        if not verified.content:
            arrival = replace(arrival, identity=source.identify(arrival))
        unwrapped = source.body_format.format.unwrap(arrival)
        return reading_for(source, unwrapped, self.routing.eventbridge_topics)

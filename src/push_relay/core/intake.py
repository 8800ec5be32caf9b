"""The front half: a request becomes an event, and the event is queued (or delivered, in direct mode).

    receive -> verify -> parse -> validate -> forward

`entrypoints/http_endpoint.py` turns results and errors into HTTP answers. The back half takes the event from
the queue (`entrypoints/batch_consumer.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

from push_relay.core.clock import Clock, TimeLeft
from push_relay.core.errors import QueueUnavailable, RelayError, SignatureInvalid
from push_relay.core.event import Arrival, Event, sha256_hex
from push_relay.core.inbound.body import read_body
from push_relay.core.inbound.request import MAX_BODY, MAX_OPEN_BODY, HttpRequest
from push_relay.core.push import Receipt
from push_relay.core.rules.recognition import Sources, reading_for
from push_relay.core.rules.route import Routing
from push_relay.core.rules.source import Source
from push_relay.core.trust.door import Admitted, Door
from push_relay.core.trust.handshakes.base import Notice, Reply, Subscription
from push_relay.core.trust.handshakes.front import Front
from push_relay.core.trust.schemes.proof import Verified

if TYPE_CHECKING:
    from push_relay.core.trust.handshakes.setup import DeadLetters


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
    dead_letters: "DeadLetters | None" = None

    def receive(self, request: HttpRequest, time_left: TimeLeft) -> Received | Reply:
        """Accept a webhook: verify, parse and validate it, then forward its event.

        A handshake carries no event and is answered instead. Raises RelayError for a request that is refused.
        Its `sender_is_proven` is True if the sender has proven its origin.
        """
        source = self.sources.named(request.source or "")
        now = self.clock.now()
        policy = self.routing.policy(source.name)
        if reply := self._front.answer(source, policy, request, now):
            return reply
        admitted = self.door.verify(source, policy, request, now)
        try:
            event = self._admit(source, request, admitted, now)
            if isinstance(event, Reply):
                return event
            return Received(event, self.forward(event, time_left))
        except RelayError as exc:
            exc.sender_is_proven = not source.open_to_all
            raise

    def answer_question(self, request: HttpRequest) -> Reply | None:
        """Answer a sender that asks by GET, HEAD or OPTIONS; None if the source has no such handshake.

        Raises RelayError for a question that gets no answer.
        """
        source = self.sources.named(request.source or "")
        return self._front.answer(source, self.routing.policy(source.name), request, self.clock.now())

    def methods(self, name: str) -> Sequence[str]:
        """Return the methods that a source accepts."""
        try:
            return self.sources.named(name).handshake_rules.methods
        except RelayError:
            return ("POST",)

    @property
    def _front(self) -> Front:
        return Front(self.door, self.dead_letters)

    def _admit(self, source: Source, request: HttpRequest, admitted: Admitted, now: float) -> Event | Reply:
        answer = source.handshake_rules.answer(request, admitted.secret)
        if isinstance(answer, Subscription):
            is_protected = self.subscriptions.confirm(answer.url)
            notice = None if is_protected else Notice.UNPROTECTED
            return Reply("", "text/plain; charset=utf-8", notice=notice)
        if answer:
            return answer
        if source.handshake_rules.is_signed_for_anybody(request.body):
            # The handshake signs such a text for strangers, so a proof over it proves nothing.
            raise SignatureInvalid("the signature does not fit the request")
        arrival = self._arrival(source, request, admitted.verified, now)
        return source.event(arrival, self.routing.reads(source.name))

    def _arrival(self, source: Source, request: HttpRequest, verified: Verified, now: float) -> Arrival:
        """Parse a verified request. Its identity is what the proof covers: an id only if it is signed.

        If the proof covers nothing but the sender, the event's own content identifies it.
        """
        signed = sha256_hex(verified.signed)
        arrival = Arrival(
            source=source.name,
            data=read_body(
                request.body,
                request.headers,
                source.body_format,
                proven=verified.content,
                most_bytes=MAX_OPEN_BODY if source.open_to_all else MAX_BODY,
            ),
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

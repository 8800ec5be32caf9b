"""The front half: a request becomes events, and each event is queued (or delivered, in direct mode).

    receive -> verify -> parse -> split -> validate -> forward

Most requests carry one event. `split.py` is for the others, and is imported when one of them arrives.

`entrypoints/http_endpoint.py` turns results and errors into HTTP answers. The back half takes the event from
the queue (`entrypoints/batch_consumer.py`).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from push_relay.core.clock import Clock, TimeLeft
from push_relay.core.errors import RelayError
from push_relay.core.event import Arrival, Event, sha256_hex
from push_relay.core.inbound.body import read_body
from push_relay.core.inbound.items import Items
from push_relay.core.inbound.request import MAX_BODY, MAX_OPEN_BODY, HttpRequest
from push_relay.core.outcomes import Outcome, verdict
from push_relay.core.push import Receipt
from push_relay.core.queue_format import RejectedItem
from push_relay.core.quick_dataclass import dataclass, replace
from push_relay.core.rules.answer import NO_ANSWER, FixedAnswer
from push_relay.core.rules.recognition import Sources, reading_for
from push_relay.core.rules.routing import Routing
from push_relay.core.rules.source import Source
from push_relay.core.strict_json import JsonObject
from push_relay.core.trust.door import Admitted, Door
from push_relay.core.trust.handshakes.base import Notice, Reply, Subscription
from push_relay.core.trust.handshakes.unproven import UnprovenQuestions
from push_relay.core.trust.schemes.proof import Verified

if TYPE_CHECKING:
    from push_relay.core.trust.handshakes.setup import DeadLetters


class Queue(Protocol):
    """The queue between the two halves."""

    def put(self, event: Event) -> None:
        """Queue an event. Raises QueueUnavailable, PayloadTooLarge."""
        ...

    def put_all(
        self, contents: Sequence[Event | RejectedItem], time_left: TimeLeft
    ) -> Sequence[RelayError | None]:
        """Queue each of them as a message; return for each why it is not queued, or None if it is.

        QueueUnavailable: a later attempt may succeed. PayloadTooLarge: none will.
        """
        ...


class Subscriptions(Protocol):
    """SNS subscriptions over HTTP, which their subscriber has to confirm."""

    def confirm(self, url: str) -> bool:
        """Confirm one; return whether only its owners can end it. Raises CredentialsUnavailable."""
        ...


class Forwarded(NamedTuple):
    """The result of forwarding an accepted event, or of keeping an item that is not valid.

    receipts  the receipts of its pushes; none if it is queued
    lost      without receipts: why it was not queued. With receipts: why pushes that had to be kept in a
              queue could not be, so that the sender has to retry
    """

    receipts: Sequence[Receipt] = ()
    lost: RelayError | None = None


class Forward(Protocol):
    """Takes accepted events. It never raises because of one of them."""

    def __call__(self, events: Sequence[Event], time_left: TimeLeft) -> Sequence[Forwarded]:
        """Forward events; return the result of each."""
        ...

    def keep(self, items: Sequence[RejectedItem], time_left: TimeLeft) -> Sequence[Forwarded]:
        """Keep items that are not valid where a person finds and can replay them; return the result of each.

        One without receipts has its outcome later, when `deliver` has rejected it.
        """
        ...


@dataclass(frozen=True, slots=True)
class QueueForward:
    """Forwards events to the queue, from which `deliver` takes them."""

    queue: Queue

    def __call__(self, events: Sequence[Event], time_left: TimeLeft) -> Sequence[Forwarded]:
        """Queue events."""
        if len(events) != 1:
            return [Forwarded(lost=error) for error in self.queue.put_all(events, time_left)]
        try:
            self.queue.put(events[0])
        except RelayError as exc:
            return [Forwarded(lost=exc)]
        return [Forwarded()]

    def keep(self, items: Sequence[RejectedItem], time_left: TimeLeft) -> Sequence[Forwarded]:
        """Queue items that are not valid, so that `deliver` rejects and dead-letters them."""
        return [Forwarded(lost=error) for error in self.queue.put_all(items, time_left)]


class Part(NamedTuple):
    """One event of a request, or one of its items that became no event.

    id         the event's id; of an item that is not valid one made of the request and the item's position
    event      the event; None if the item is not valid
    error      why the item is not valid; None if there is an event
    forwarded  the result of forwarding the event, or of keeping the item; None if the item was only refused
    """

    id: str
    event: Event | None
    error: Exception | None = None
    forwarded: Forwarded | None = None

    @property
    def receipts(self) -> Sequence[Receipt]:
        """The receipts of its pushes, or of the item; none if it is queued or refused."""
        return self.forwarded.receipts if self.forwarded else ()

    @property
    def cause(self) -> Exception | None:
        """Why it is not accepted, or has to be sent again; None if it is queued or delivered."""
        lost = self.forwarded.lost if self.forwarded else None
        return lost if lost and (self.error is None or _is_temporary(lost)) else self.error

    @property
    def must_be_sent_again(self) -> bool:
        """Whether its sender has to retry: nothing is wrong with it, and it is not stored."""
        return self.cause is not None and _is_temporary(self.cause)

    @property
    def is_refused(self) -> bool:
        """Whether it is stored nowhere."""
        is_lost = self.forwarded is None or self.forwarded.lost is not None
        return is_lost and not self.receipts and self.cause is not None

    @property
    def is_queued(self) -> bool:
        """Whether it is in the queue, where it has its outcome later."""
        return self.forwarded is not None and not (self.forwarded.receipts or self.forwarded.lost)


def _is_temporary(error: Exception) -> bool:
    return verdict(error).outcome is Outcome.PARKED


@dataclass(frozen=True, slots=True)
class Received:
    """The result of a verified request.

    parts    its events, in their order; none if the request is a list without items
    is_list  whether it is answered as a list: also a list of one item is
    answer   how its source wants an accepted request to be answered
    is_open  whether its source is open to everybody, so that refusals are logged in samples
    """

    source: str
    correlation_id: str
    parts: tuple[Part, ...]
    is_list: bool = False
    answer: FixedAnswer = NO_ANSWER
    is_open: bool = False

    @property
    def single(self) -> tuple[Event, Forwarded]:
        """The event of a request that is not answered as a list, and the result of forwarding it."""
        (part,) = self.parts
        if part.event is None or part.forwarded is None:
            raise part.error or RelayError("the request has no event")
        return part.event, part.forwarded


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
        """Accept a webhook: verify, parse and validate it, then forward its events.

        A handshake carries no event and is answered instead. Raises RelayError for a request that is refused
        as a whole. Its `sender_is_proven` is True if the sender has proven its origin.
        """
        source = self.sources.named(request.source or "")
        now = self.clock.now()
        policy = self.routing.policy(source.name)
        if reply := self._unproven.answer(source, policy, request, now):
            return reply
        admitted = self.door.verify(source, policy, request, now)
        try:
            reply = self._answer_handshake(source, request, admitted)
            return reply or self._take(source, request, admitted.verified, now, time_left)
        except RelayError as exc:
            exc.sender_is_proven = not source.open_to_all
            exc.answered_with = source.answer.rejected_status
            raise

    def answer_question(self, request: HttpRequest) -> Reply | None:
        """Answer a sender that asks by GET, HEAD or OPTIONS; None if the source has no such handshake.

        Raises RelayError for a question that gets no answer.
        """
        source = self.sources.named(request.source or "")
        return self._unproven.answer(source, self.routing.policy(source.name), request, self.clock.now())

    def methods(self, name: str) -> Sequence[str]:
        """Return the methods that a source accepts."""
        try:
            return self.sources.named(name).handshake_rules.methods
        except RelayError:
            return ("POST",)

    @property
    def _unproven(self) -> UnprovenQuestions:
        return UnprovenQuestions(self.door, self.dead_letters)

    def _answer_handshake(self, source: Source, request: HttpRequest, admitted: Admitted) -> Reply | None:
        answer = source.handshake_rules.answer(request, admitted.secret)
        if isinstance(answer, Subscription):
            is_protected = self.subscriptions.confirm(answer.url)
            notice = None if is_protected else Notice.UNPROTECTED
            return Reply("", "text/plain; charset=utf-8", notice=notice)
        return answer

    def _take(
        self, source: Source, request: HttpRequest, verified: Verified, now: float, time_left: TimeLeft
    ) -> Received:
        """Make events of a verified request, and forward them."""
        content = self._content(source, request, verified)
        arrival = _arrival(source, request, verified, now, {} if isinstance(content, Items) else content)
        if not isinstance(content, Items):
            arrival = self._reading(source, arrival, verified)
        if isinstance(content, Items) or source.each:
            return self._take_several(source, content, arrival, verified, time_left)
        event = source.event(arrival, self.routing.reads(source.name))
        (forwarded,) = self.forward([event], time_left)
        if forwarded.lost and not forwarded.receipts:
            raise forwarded.lost
        part = Part(event.id, event, forwarded=forwarded)
        return Received(source.name, request.correlation_id, (part,), answer=source.answer)

    def _take_several(
        self,
        source: Source,
        content: JsonObject | Items,
        outer: Arrival,
        verified: Verified,
        time_left: TimeLeft,
    ) -> Received:
        from push_relay.core import split  # noqa: PLC0415 (most requests carry one event)

        items = split.items_of(source, content, outer)
        splitter = split.Splitter(source, outer, verified, self.routing.reads(source.name))
        parts = split.forwarded(splitter.parts(items), self.forward, time_left, keep=not source.open_to_all)
        return Received(
            source.name,
            outer.correlation_id,
            parts,
            is_list=True,
            answer=source.answer,
            is_open=source.open_to_all,
        )

    def _content(self, source: Source, request: HttpRequest, verified: Verified) -> JsonObject | Items:
        """Return the document that a request holds, or its items, without the sender's secret."""
        content = read_body(
            request.body,
            request.headers,
            source.body_format,
            proven=verified.content,
            covered=verified.signed,
            most_bytes=MAX_OPEN_BODY if source.open_to_all else MAX_BODY,
        )
        if source.verify and source.verify.secret_places:
            from push_relay.core.trust.secret_places import remove_secrets  # noqa: PLC0415 (few need it)

            document = list(content.values) if isinstance(content, Items) else content
            remove_secrets(document, source.verify.secret_places, source.body_format.format.moved)
        return content

    def _reading(self, source: Source, arrival: Arrival, verified: Verified) -> Arrival:
        """Return the arrival of a document, identified and without an envelope of its sender's service."""
        if not verified.content:
            arrival = replace(arrival, identity=source.identify(arrival))
        unwrapped = source.body_format.format.unwrap(arrival)
        return reading_for(source, unwrapped, self.routing.eventbridge_topics)


def _arrival(
    source: Source, request: HttpRequest, verified: Verified, now: float, document: JsonObject
) -> Arrival:
    """Return the arrival of a request with a document.

    Its identity is what the proof covers: an id only if it is signed. If the proof covers nothing but the
    sender, the event's own content identifies it.
    """
    signed = sha256_hex(verified.signed)
    return Arrival(
        source=source.name,
        data=document,
        headers=request.headers,
        query=request.query,
        received_at=now,
        fallback_id=signed[:32],
        identity=signed if verified.event_id is None else f"id:{verified.event_id}",
        correlation_id=request.correlation_id,
    )

"""How an event becomes a push: the use case, and what it needs of the world.

    receive -> verify -> parse -> validate -> (queue) -> route -> translate -> claim -> deliver -> acknowledge

`receive` is the front half, behind HTTP; `deliver` the back half, behind the queue. With the delivery mode
`direct` both run inside one HTTP call. Each push is claimed, sent and settled in `delivery/sender.py`; a
push of a route with a batch window goes through `delivery/batching.py` first. The entrypoints decide what
happens to the message that carried an event.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from push_relay.core.delivery.batching import SOURCE as DIGEST
from push_relay.core.delivery.batching import (
    TRIALS,
    Batcher,
    SinglePush,
    can_be_batched,
    notice,
    receipts_of_batch,
    split_refused_batch,
)
from push_relay.core.delivery.connections import Share
from push_relay.core.delivery.sender import Clock, Sender, TimeLeft, failure
from push_relay.core.errors import ConfigurationInvalid, RelayError, SchemaViolation, VendorRejected
from push_relay.core.event import Arrival, Event, sha256_hex
from push_relay.core.inbound.body import read_body
from push_relay.core.inbound.envelope import pack
from push_relay.core.inbound.request import MAX_BODY, MAX_OPEN_BODY, HttpRequest
from push_relay.core.outcomes import Outcome
from push_relay.core.phone_text import fit
from push_relay.core.push import Push, Receipt, Recipient, Wording
from push_relay.core.rules.recognition import Sources, hint, known, reading_for, recognised
from push_relay.core.rules.route import Route, Routing
from push_relay.core.rules.source import Source
from push_relay.core.trust.door import Admitted, Door
from push_relay.core.trust.handshakes.base import Notice, Reply, Subscription, no_preflight
from push_relay.core.trust.schemes.proof import Verified


class DeliveryMode(StrEnum):
    """Whether `receive` queues an event, or delivers it inside the call."""

    QUEUE = "queue"
    DIRECT = "direct"


class Queue(Protocol):
    """Where events wait between the halves."""

    def put(self, event: Event) -> None: ...  # raises QueueUnavailable, PayloadTooLarge


class Subscriptions(Protocol):
    """SNS subscriptions over HTTP, which their subscriber has to confirm."""

    def confirm(self, url: str) -> bool:
        """Confirm one; return whether only its owners can end it. Raises CredentialsUnavailable."""
        ...


class Connections(Protocol):
    """The account's connections, counted over the whole fleet."""

    def held(self, pushes: int, time_left: TimeLeft) -> AbstractContextManager[Share]:
        """Share the connections for so many pushes. None is leased before the first push asks for one."""
        ...


class ParallelMap(Protocol):
    """Call a function with each item, so many at a time; results in the items' order."""

    def __call__[T, R](
        self, function: Callable[[T], R], items: Sequence[T], at_a_time: int
    ) -> Sequence[R]: ...


@dataclass(frozen=True, slots=True)
class Received:
    """An event that was let in, with the receipts of its pushes in direct mode."""

    event: Event
    receipts: Sequence[Receipt] = ()


@dataclass(frozen=True, slots=True)
class Relay:
    """The relay, wired."""

    mode: DeliveryMode
    sources: Sources
    routing: Routing
    door: Door
    subscriptions: Subscriptions
    queue: Queue
    sender: Sender
    batcher: Batcher
    connections: Connections
    clock: Clock
    parallel_map: ParallelMap

    # --- the front half ----------------------------------------------------------------------------

    def receive(self, request: HttpRequest, time_left: TimeLeft) -> Received | Reply:
        """Let a webhook in: verify, parse, validate, then queue it, or deliver it in direct mode.

        What is no event but the sender's handshake is answered. Raises RelayError for what is not let in, and
        PayloadTooLarge in both modes for an event that no queue message can hold.
        """
        source = self.sources.named(request.source or "")
        now = self.clock.now()
        admitted = self.door.verify(source, self.routing.policy(source.name), request, now)
        try:
            event = self._admit(source, request, admitted, now)
            if isinstance(event, Reply):
                return event
            if self.mode is DeliveryMode.DIRECT:
                # It may have to be parked or dead-lettered, so it has to fit into a queue message here too.
                pack(event)
                return Received(event, self.deliver([event], time_left)[0])
            self.queue.put(event)
        except RelayError as exc:
            exc.sender_is_proven = not source.open_to_all
            raise
        return Received(event)

    def preflight(self, request: HttpRequest) -> Reply | None:
        """Answer a sender's question by OPTIONS whether it may send; None where it may not.

        Raises UnknownSource and AddressNotAllowed, as its events would be met with.
        """
        source = self.sources.named(request.source or "")
        if source.preflight is no_preflight:
            return None
        policy = self.routing.policy(source.name)
        self.door.approach(source, policy, request)
        return source.preflight(request, policy.origins)

    def _admit(self, source: Source, request: HttpRequest, admitted: Admitted, now: float) -> Event | Reply:
        asked = source.answer_handshake(request, admitted.secret)
        if isinstance(asked, Subscription):
            is_protected = self.subscriptions.confirm(asked.url)
            notice = None if is_protected else Notice.UNPROTECTED
            return Reply("", "text/plain; charset=utf-8", notice=notice)
        return asked or self._event(source, self._arrival(source, request, admitted.verified, now))

    def _arrival(self, source: Source, request: HttpRequest, verified: Verified, now: float) -> Arrival:
        """Parse a verified request. Its identity is what the proof covers: an id only if it is signed.

        Where the proof covers nothing but the sender, it is what the event says of itself.
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

    # --- between the halves: what did not come through `receive` -------------------------------------

    def recognise(self, arrival: Arrival) -> Event:
        """Make the event of what AWS delivered; `recognition.py` finds its source.

        An event of unknown age counts from now, so that it is not too old. Raises UnknownSource,
        AmbiguousSource, SchemaViolation.
        """
        source, reading = recognised(arrival, self.sources, self.routing.eventbridge_topics)
        try:
            return self._event(source, replace(reading, received_at=reading.received_at or self.clock.now()))
        except SchemaViolation as exc:
            exc.detail += hint(reading)
            raise

    def has_source(self, name: str | None) -> bool:
        """Return whether a source has a name. Never raises: the folder of one that is wrong exists too."""
        try:
            return known(name, self.sources) is not None
        except ConfigurationInvalid:
            return True

    def _event(self, source: Source, arrival: Arrival) -> Event:
        return source.event(arrival, self.routing.reads(source.name))

    # --- the back half ------------------------------------------------------------------------------

    def deliver(self, events: Sequence[Event], time_left: TimeLeft) -> Sequence[Sequence[Receipt]]:
        """Deliver events: for each its receipts, at least one. Never raises for an event's sake.

        The pushes of all events go out together, what is urgent first, as many at a time as connections of
        the account are free. Then those of refused digests go out, each alone.
        """
        settled: list[list[Receipt]] = [[] for _ in events]
        ended: list[tuple[int, Receipt]] = []
        pushes: list[tuple[int, Push]] = []
        alone: defaultdict[int, list[SinglePush]] = defaultdict(list)
        for number, event in enumerate(events):
            for task in self._pushes(event):
                if isinstance(task, Receipt):
                    settled[number].append(task)
                elif isinstance(task, SinglePush):
                    alone[number].append(task)
                elif unsent := self._unsent(event, task, time_left):
                    ended.append((number, unsent))
                else:
                    pushes.append((number, task))
        pushes.sort(key=lambda task: not task[1].high)
        receipts = self._send(events, pushes, time_left)
        ended += [(number, receipt) for (number, _), receipt in zip(pushes, receipts, strict=True)]
        for number, answer in ended:
            receipt = self._confirmed(events[number], answer)
            if lone := split_refused_batch(events[number], receipt):
                alone[number] += lone
            else:
                settled[number] += receipts_of_batch(receipt)
        for number, parts in alone.items():
            settled[number] += self.send_alone(events[number], parts, time_left)
        for event, receipts in zip(events, settled, strict=True):
            self.sender.clear_dropped(event, receipts)
        return settled

    def _pushes(self, event: Event) -> Iterable[Push | Receipt]:
        """Write an event's pushes; where it is a digest's end, the one of all that was gathered."""
        if event.source == DIGEST:
            return self.batcher.end(event, self.routing.account)
        return self.translate(event)

    def translate(self, event: Event) -> Iterator[Push | Receipt]:
        """Write an event's pushes, and a receipt for each part of it that fails. Sends nothing, never raises.

        If it becomes no push and nothing fails, the one receipt has the reason.
        """
        try:
            source = self.sources.named(event.source)
            routed = self.routing.route(event)
            if not routed.recipients and not routed.failures:
                yield Receipt.of(event, Outcome.FILTERED, detail="no route leads to anybody")
                return
            written = source.wording(event)
            if written.wording is None:
                yield Receipt.of(event, Outcome.FILTERED, detail="no message rule holds for it")
                return
            account = self.routing.account
            fitted = fit(written.wording, account.title_limit, account.body_limit)
            pushes = [self._push(event, source, fitted, *pair) for pair in routed.recipients.items()]
        except Exception as exc:  # noqa: BLE001 (nothing is swallowed: it is the event's outcome)
            yield failure(event, exc)
            return
        left = [push for push in pushes if event.is_for(push.key)]
        if not event.only:
            failures = (*routed.failures, *written.errors)
        else:
            # The failures were reported when the event was first handled, unless it waited for a recipient
            # that could be made then.
            is_missing = not {push.key for push in pushes}.issuperset(event.only)
            failures = routed.failures if is_missing else ()
        yield from (failure(event, error) for error in failures)
        if not left and not failures:
            yield Receipt.of(event, Outcome.FILTERED, detail="the routes no longer lead to whom it was for")
        yield from left

    def _push(
        self, event: Event, source: Source, message: Wording, recipient: Recipient, route: Route
    ) -> Push:
        ages = (route.max_age, source.max_age, self.routing.account.max_age)
        max_age = next(age for age in ages if age is not None)
        return Push(
            recipient,
            message,
            _key(event, recipient),
            high=route.high,
            max_age=max_age,
            batch_secs=route.batch_secs if can_be_batched(message) else None,
            sources=(event.source,),
            remember=source.remembers(event),
        )

    def _unsent(self, event: Event, push: Push, time_left: TimeLeft) -> Receipt | None:
        """Return the receipt of a push that is gathered or cannot be sent now; None if it can be tried."""
        if push.batch_secs is not None:
            return self.batcher.add(event, push, time_left)
        return self.sender.waiting(event, push, time_left)

    def _confirmed(self, event: Event, receipt: Receipt) -> Receipt:
        """Let a refused digest wait if the ledger does not have its refusal."""
        return self.sender.confirmed(event, receipt) if split_refused_batch(event, receipt) else receipt

    def send_alone(self, event: Event, pushes: Sequence[SinglePush], time_left: TimeLeft) -> list[Receipt]:
        """Send a refused digest's pushes. If the first are all refused, a notice decides about the others.

        The notice's words are the relay's own. If the vendor refuses it too, it refuses the recipient.
        """
        first, others = pushes[:TRIALS], pushes[TRIALS:]
        receipts = [*self._send([event], [(0, push) for push in first], time_left)]
        if others and all(receipt.error_code == VendorRejected.code for receipt in receipts):
            (answer,) = self._send([event], [(0, notice(event, pushes))], time_left)
            receipts += [answer, *self._after(answer, event, others, time_left)]
        else:
            receipts += self._send([event], [(0, push) for push in others], time_left)
        return [each for receipt in receipts for each in receipts_of_batch(receipt)]

    def _after(
        self, answer: Receipt, event: Event, pushes: Sequence[SinglePush], time_left: TimeLeft
    ) -> Sequence[Receipt]:
        """Send pushes if the vendor took the notice. If it waits, they wait; if it is refused, they fail."""
        if answer.outcome is Outcome.PARKED:
            return [replace(answer, push=push) for push in pushes]
        if answer.error_code != VendorRejected.code:
            return self._send([event], [(0, push) for push in pushes], time_left)
        refusal = VendorRejected("not sent: the vendor refuses whatever is sent to this recipient")
        return [self._refused(event, push, refusal, time_left) for push in pushes]

    def _refused(self, event: Event, push: Push, refusal: VendorRejected, time_left: TimeLeft) -> Receipt:
        """Settle a push as refused without a call, unless it has expired or is settled."""
        claimed = self.sender.claim(event, push, time_left)
        return claimed or self.sender.recorded(push, failure(event, refusal, push))

    def _send(
        self, events: Sequence[Event], pushes: Sequence[tuple[int, Push]], time_left: TimeLeft
    ) -> Sequence[Receipt]:
        """Send pushes, each on a connection of the account."""
        if not pushes:
            return []
        at_a_time = min(len(pushes), self.routing.account.connections)
        try:
            with self.connections.held(len(pushes), time_left) as share:
                return self.parallel_map(
                    lambda task: self._send_one(events[task[0]], task[1], share, time_left), pushes, at_a_time
                )
        except Exception as exc:  # noqa: BLE001 (what was sent is settled: it is a duplicate when it comes again)
            trouble = exc
        return [failure(events[number], trouble, push) for number, push in pushes]

    def _send_one(self, event: Event, push: Push, share: Share, time_left: TimeLeft) -> Receipt:
        # Another push of the batch may have met what stops this one as well.
        if waiting := self.sender.waiting(event, push, time_left):
            return waiting
        try:
            with share.connection(urgent=push.high) as connection:
                return self.sender.send(event, push, time_left, connection)
        except Exception as exc:  # noqa: BLE001 (nothing was sent; it is the push's outcome)
            return self.sender.paced(failure(event, exc, push))


def _key(event: Event, recipient: Recipient) -> str:
    """Name a push by what cannot be forged: its event's identity and whom it tells."""
    parts = (event.source, event.identity, recipient.kind, recipient.value)
    return sha256_hex("\0".join(parts).encode("utf-8", "surrogatepass"))

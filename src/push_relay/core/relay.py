"""How an event becomes a push: the use case, and what it needs of the world.

    receive -> verify -> parse -> validate -> (queue) -> route -> translate -> claim -> deliver -> acknowledge

`receive` is the front half, behind HTTP; `deliver` the back half, behind the queue. With the delivery mode
`direct` both run inside one HTTP call. What invokes the functions, and what is done with a message in the
end, is the entrypoints' business.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby
from typing import Protocol

from push_relay.core.account import Account
from push_relay.core.body import read_body
from push_relay.core.door import Door
from push_relay.core.encoding import Credentials
from push_relay.core.envelope import unwrap_http_sns
from push_relay.core.errors import (
    VENDOR_CODES,
    AmbiguousSource,
    ClaimHeld,
    MappingFailed,
    OutOfTime,
    UnknownSource,
    VendorUnauthorized,
)
from push_relay.core.event import Arrival, Event, digest
from push_relay.core.graphemes import cut
from push_relay.core.handshake import Reply, Subscription, preflight
from push_relay.core.outcomes import Outcome, code_of, told
from push_relay.core.push import Message, Push, Receipt, Recipient
from push_relay.core.request import HttpRequest
from push_relay.core.route import Routing
from push_relay.core.schemes.proof import Verified
from push_relay.core.source import Source

#: Seconds that an invocation keeps for settling, acknowledging and logging.
RESERVE = 1.5

type TimeLeft = Callable[[], float]  # seconds until the invocation is ended


class DeliveryMode(StrEnum):
    """Whether `receive` queues an event, or delivers it inside the call."""

    QUEUE = "queue"
    DIRECT = "direct"


class Sources(Protocol):
    """The source folders."""

    def named(self, name: str) -> Source: ...  # raises UnknownSource
    def all(self) -> Iterable[Source]: ...


class Queue(Protocol):
    """Where events wait between the halves."""

    def put(self, event: Event) -> None: ...  # raises QueueUnavailable, PayloadTooLarge


class Subscriptions(Protocol):
    """SNS subscriptions over HTTP, which their subscriber has to confirm."""

    def confirm(self, url: str) -> None: ...  # raises CredentialsUnavailable


class PushCredentials(Protocol):
    """The organisation's credentials at the vendor."""

    def current(self) -> Credentials: ...  # raises CredentialsUnavailable
    def refreshed(self) -> Credentials: ...  # raises CredentialsUnavailable


class PushApi(Protocol):
    """The vendor. Sending spends quota, and nobody can take a push back."""

    def send(self, push: Push, credentials: Credentials, correlation_id: str, timeout: float) -> None: ...


class Claim(StrEnum):
    """What the ledger says to a worker who wants to send a push."""

    GRANTED = "granted"
    HELD = "held"  # by another worker, until its lease ends
    SETTLED = "settled"  # delivered, or failed for good


class Ledger(Protocol):
    """The record that a push was claimed and settled. Every method raises LedgerUnavailable."""

    def claim(self, key: str, lease: float) -> Claim: ...
    def settle(self, key: str, outcome: Outcome) -> None: ...
    def release(self, key: str) -> None: ...


class Clock(Protocol):
    """The time: of day in seconds since the epoch, and one that never steps back."""

    def now(self) -> float: ...
    def monotonic(self) -> float: ...


class Concurrently(Protocol):
    """Call a function with each item, several at a time; results in the items' order."""

    def __call__[T, R](self, function: Callable[[T], R], items: Sequence[T]) -> Sequence[R]: ...


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
    ledger: Ledger
    push_credentials: PushCredentials
    push_api: PushApi
    clock: Clock
    concurrently: Concurrently

    # --- the front half ----------------------------------------------------------------------------

    def receive(self, request: HttpRequest, time_left: TimeLeft) -> Received | Reply:
        """Let a webhook in: verify, parse, validate, then queue it, or deliver it in direct mode.

        What is no event but the sender's handshake is answered. Raises RelayError for what is not let in.
        """
        event = self._admit(request)
        if isinstance(event, Reply):
            return event
        if self.mode is DeliveryMode.DIRECT:
            return Received(event, self.deliver([event], time_left)[0])
        self.queue.put(event)
        return Received(event)

    def preflight(self, request: HttpRequest) -> Reply | None:
        """Answer a sender's question by OPTIONS whether it may send; None where it may not."""
        source = self.sources.named(request.source or "")
        if source.handshake != "cloudevents" or source.verify is None:
            return None
        return preflight(request, self.routing.policy(source.name).origins)

    def _admit(self, request: HttpRequest) -> Event | Reply:
        source = self.sources.named(request.source or "")
        now = self.clock.now()
        verified, secrets = self.door.verify(source, self.routing.policy(source.name), request, now)
        asked = source.shake_hands(request, secrets)
        if isinstance(asked, Subscription):
            self.subscriptions.confirm(asked.url)
            return Reply("", "text/plain; charset=utf-8")
        return asked or self._event(source, self._arrival(source, request, verified, now))

    def _arrival(self, source: Source, request: HttpRequest, verified: Verified, now: float) -> Arrival:
        """Parse a verified request. Its identity is what the proof covers: an id only if it is signed."""
        signed = digest(verified.signed)
        arrival = Arrival(
            source=source.name,
            data=read_body(request.body, request.headers, source.body_format),
            headers=request.headers,
            query=request.query,
            received_at=now,
            fallback_id=signed[:32],
            identity=signed if verified.event_id is None else f"id:{verified.event_id}",
            correlation_id=request.correlation_id,
        )
        return unwrap_http_sns(arrival) if source.body_format.name == "sns" else arrival

    # --- between the halves: what did not come through `receive` -------------------------------------

    def recognise(self, arrival: Arrival) -> Event:
        """Validate what AWS delivered: the source is the one named, else the only one that matches.

        Raises UnknownSource, AmbiguousSource (the relay never guesses), SchemaViolation.
        """
        if arrival.source is not None:
            return self._event(self.sources.named(arrival.source), arrival)
        fitting = [source for source in self.sources.all() if any(m.fits(arrival) for m in source.matches)]
        match fitting:
            case [source]:
                return self._event(source, arrival)
            case []:
                raise UnknownSource("the message names no source, and no source's match rules fit it")
            case _:
                names = ", ".join(source.name for source in fitting)
                raise AmbiguousSource(f"the match rules of several sources fit the message: {names}")

    def _event(self, source: Source, arrival: Arrival) -> Event:
        return source.event(arrival, self.routing.reads(source.name))

    # --- the back half ------------------------------------------------------------------------------

    def deliver(self, events: Sequence[Event], time_left: TimeLeft) -> Sequence[Sequence[Receipt]]:
        """Deliver events: for each its receipts, at least one. Never raises for an event's sake.

        The pushes of all events go out together, as many at a time as the account has connections.
        """
        tasks = [(index, task) for index, event in enumerate(events) for task in self._translate(event)]
        receipts = self.concurrently(lambda task: self._settle(events[task[0]], task[1], time_left), tasks)
        done = zip(tasks, receipts, strict=True)
        return [[receipt for _, receipt in group] for _, group in groupby(done, key=lambda pair: pair[0][0])]

    def _translate(self, event: Event) -> Iterator[Push | Receipt]:
        """Write an event's pushes; one receipt instead where it becomes none."""
        try:
            message = self.sources.named(event.source).message(event)
            recipients = self.routing.recipients(event) if message else ()
            if message is None or not recipients:
                detail = "no message speaks of it" if message is None else "no route leads to anybody"
                yield Receipt.of(event, Outcome.FILTERED, detail=detail)
                return
            fitted = _fitted(message, self.routing.account)
        except Exception as exc:  # noqa: BLE001 (nothing is swallowed: it is the event's outcome)
            yield _failure(event, exc)
            return
        yield from (Push(recipient, fitted, _key(event, recipient)) for recipient in recipients)

    def _settle(self, event: Event, task: Push | Receipt, time_left: TimeLeft) -> Receipt:
        """Claim a push, send it, and record in the ledger what became of it."""
        if isinstance(task, Receipt):
            return task
        try:
            if self._claim(task, time_left) is Claim.SETTLED:
                return Receipt.of(event, Outcome.DUPLICATE)
        except Exception as exc:  # noqa: BLE001 (nothing was sent; it is the push's outcome)
            return _failure(event, exc)
        started, latency = self.clock.monotonic(), None
        try:
            self._send(task, event.correlation_id, time_left)
            receipt = Receipt.of(event, Outcome.DELIVERED)
        except Exception as exc:  # noqa: BLE001 (nothing is swallowed: it is the push's outcome)
            receipt = _failure(event, exc)
        if receipt.outcome is Outcome.DELIVERED or receipt.error_code in VENDOR_CODES:
            latency = (self.clock.monotonic() - started) * 1000
        trouble = self._record(task, receipt.outcome)
        detail = "; ".join(text for text in (receipt.detail, trouble) if text) or None
        return replace(receipt, latency_ms=latency, detail=detail)

    def _claim(self, push: Push, time_left: TimeLeft) -> Claim:
        """Claim a push for as long as this invocation can live. Raises ClaimHeld, OutOfTime."""
        left = time_left()
        if left <= RESERVE:
            raise OutOfTime("the invocation ends before the push could be sent")
        claim = self.ledger.claim(push.key, left)
        if claim is Claim.HELD:
            raise ClaimHeld("another worker has claimed this push and has not settled it yet")
        return claim

    def _send(self, push: Push, correlation_id: str, time_left: TimeLeft) -> None:
        """Send a push; where the vendor refuses the credentials, once more with changed ones."""
        credentials = self.push_credentials.current()
        try:
            self.push_api.send(push, credentials, correlation_id, time_left() - RESERVE)
        except VendorUnauthorized:
            fresh = self.push_credentials.refreshed()
            # The same credentials would be refused again, and every attempt spends quota.
            if fresh == credentials:
                raise
            self.push_api.send(push, fresh, correlation_id, time_left() - RESERVE)

    def _record(self, push: Push, outcome: Outcome) -> str | None:
        """Settle or release the claim; return what went wrong: the push's outcome stands all the same.

        Where the ledger fails, the claim's lease ends by itself.
        """
        try:
            if outcome is Outcome.PARKED:
                self.ledger.release(push.key)
            else:
                self.ledger.settle(push.key, outcome)
        except Exception as exc:  # noqa: BLE001 (it may not take down the batch's other pushes; it is told)
            return f"not recorded: {told(exc) or code_of(exc)}"
        return None


def _failure(event: Event, error: Exception) -> Receipt:
    return Receipt.failure(error, source=event.source, event_id=event.id, correlation_id=event.correlation_id)


def _fitted(message: Message, account: Account) -> Message:
    """Cut a message to the account's limits. Raises MappingFailed where there is nothing to say."""
    title, body = message.title.strip(), message.body.strip()
    if not title or not body:
        raise MappingFailed(f"the message's {'body' if title else 'title'} came out empty")
    return replace(message, title=cut(title, account.title_limit), body=cut(body, account.body_limit))


def _key(event: Event, recipient: Recipient) -> str:
    """Name a push by what cannot be forged: its event's identity and whom it tells."""
    parts = (event.source, event.identity, recipient.kind, recipient.value)
    return digest("\0".join(parts).encode("utf-8", "surrogatepass"))

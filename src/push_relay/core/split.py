"""One request, several events: each item of it has an id, a type, an identity and an outcome of its own.

An item that is not valid does not affect its neighbours. If one of them is accepted, the item is kept as a
message of its own, because its sender does not send it again; if none is, the request is refused.
"""

import json
from collections.abc import Sequence

from push_relay.core.clock import TimeLeft
from push_relay.core.errors import MalformedRequest, MappingFailed, SchemaViolation, Violation
from push_relay.core.event import Arrival, sha256_hex
from push_relay.core.inbound.items import Item, Items, Unreadable, as_document
from push_relay.core.intake import Forward, Forwarded, Part
from push_relay.core.queue_format import RejectedItem
from push_relay.core.quick_dataclass import dataclass, replace
from push_relay.core.rules.expression import RequestFields
from push_relay.core.rules.source import Source
from push_relay.core.strict_json import JsonObject
from push_relay.core.trust.schemes.proof import Verified

#: How gzip begins.
_GZIP = b"\x1f\x8b"


def items_of(source: Source, content: JsonObject | Items, outer: Arrival) -> Items:
    """Return the items of a request: those of `[event] each`, or else those of its body.

    Raises MalformedRequest if the expression gives no list, and PayloadTooLarge for too many items.
    """
    if source.each is None:
        return content if isinstance(content, Items) else Items((content,))
    data = list(content.values) if isinstance(content, Items) else outer.data
    try:
        found = source.each({**outer.scope(), "data": data})
    except MappingFailed:
        found = None
    if not isinstance(found, list):
        raise MalformedRequest("the source's `each` gives no list on this request")
    return Items.of(found)


@dataclass(frozen=True, slots=True)
class Splitter:
    """Makes an event of each item of a verified request.

    outer  the arrival of the request; its document is not used
    reads  the headers and query parameters that routes read
    """

    source: Source
    outer: Arrival
    verified: Verified
    reads: RequestFields

    def parts(self, items: Items) -> list[tuple[Part, RejectedItem | None]]:
        """Return the part of each item. An invalid one also has the message in which it can be kept."""
        by_id = _has_one_reading(self.verified.signed)
        return [self._part(position, item, by_id=by_id) for position, item in enumerate(items.values)]

    def _part(self, position: int, item: Item, *, by_id: bool) -> tuple[Part, RejectedItem | None]:
        fallback_id = f"{self.outer.fallback_id}-{position}"
        if isinstance(item, Unreadable):
            return self._rejected(fallback_id, item.text, item.error)
        document = as_document(item)
        arrival = replace(self.outer, data=document, fallback_id=fallback_id, enclosed=None)
        try:
            event = self.source.event(self._identified(arrival, position, by_id=by_id), self.reads)
        except Exception as exc:  # noqa: BLE001 (it is the item's outcome, and no neighbour's)
            return self._rejected(
                fallback_id, json.dumps(document, separators=(",", ":")), _at(position, exc)
            )
        return Part(event.id, event), None

    def _rejected(self, item_id: str, text: str, error: Exception) -> tuple[Part, RejectedItem]:
        outer = self.outer
        kept = RejectedItem(self.source.name, text, item_id, outer.received_at, outer.correlation_id, error)
        return Part(item_id, None, error), kept

    def _identified(self, arrival: Arrival, position: int, *, by_id: bool) -> Arrival:
        """Return an item's arrival with its identity, which is made of what the proof covers.

        by_id  whether an item may be identified by its own id and content

        Two equal items are one event only if they have the same id. Without a proof of the content there is
        no more than the item's own content, as for a request with one event.
        """
        verified = self.verified
        if not verified.content:
            return replace(arrival, identity=self.source.identify(arrival))
        own_id = self.source.own_id(arrival) if by_id else None
        # The content counts too: senders give one id to a thing that happens and to its end.
        own_hash = None if own_id is None else _hash([own_id, arrival.data])
        if verified.event_id is not None:
            identity = f"id:{verified.event_id}:{f'#{position}' if own_hash is None else f'={own_hash}'}"
        else:
            identity = own_hash or _hash([sha256_hex(verified.signed), position])
        return replace(arrival, identity=identity)


def forwarded(
    parts: Sequence[tuple[Part, RejectedItem | None]], forward: Forward, time_left: TimeLeft, *, keep: bool
) -> tuple[Part, ...]:
    """Forward the events, then keep the items that are not valid if an event was accepted.

    If an event has to be sent again, the whole request is, with the items that are not valid: they are kept
    only by the attempt that succeeds, so that no attempt makes a second dead letter.

    keep  whether such items are kept at all: strangers must not be able to fill the dead-letter queue
    """
    done = [part for part, _ in parts]
    valid = [(number, part.event) for number, part in enumerate(done) if part.event]
    events = [event for _, event in valid]
    if events:
        _note(done, [number for number, _ in valid], forward(events, time_left))
    if any(part.must_be_sent_again for part in done) or all(part.cause for part in done):
        return tuple(done)
    rejected = [(number, item) for number, (_, item) in enumerate(parts) if item] if keep else []
    if rejected:
        results = forward.keep([item for _, item in rejected], time_left)
        _note(done, [number for number, _ in rejected], results)
    return tuple(done)


def _note(parts: list[Part], numbers: Sequence[int], results: Sequence[Forwarded]) -> None:
    for number, result in zip(numbers, results, strict=True):
        parts[number] = parts[number]._replace(forwarded=result)


def _at(position: int, error: Exception) -> Exception:
    """Return an item's error; the pointers of a schema violation begin with the item's position."""
    if not isinstance(error, SchemaViolation):
        return error
    violations = tuple(Violation(f"/{position}{v.pointer}", v.rule) for v in error.violations)
    return SchemaViolation(violations)


def _has_one_reading(signed: bytes) -> bool:
    """Return whether no header has a part in how a signed body is read, so that its content identifies items.

    How bytes that are not UTF-8 are read depends on the charset in the content type, which is not signed. A
    captured request would be relayed again under each charset. A compressed body is taken to be UTF-8.
    """
    if signed.startswith(_GZIP):
        return True
    try:
        signed.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _hash(value: object) -> str:
    return sha256_hex(json.dumps(value, sort_keys=True).encode())

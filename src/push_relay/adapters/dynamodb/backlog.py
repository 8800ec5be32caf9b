"""The backlog in DynamoDB, in a table of its own with the keys `shelf` and `position`.

| `shelf`                | `position`                | item                                            |
|------------------------|---------------------------|-------------------------------------------------|
| `<account>#0`          | `<time>#<arrival>#<mark>` | an urgent event that waits                      |
| `<account>#1`          | the same                  | a normal event that waits                       |
| `<account>#1#<source>` | the same                  | the same, for the budget of a source            |
| `#part#<id>`           | `<number>`, three digits  | a part of an event that does not fit an item    |
| `#shelves`             | `#`                       | the shelves that have ever had an event         |

A name of an account or a source has no `#`. `<time>` is when the event is due, in seconds since the epoch, or
when it arrived; `<arrival>` is in milliseconds. Both have leading zeros. `<mark>` is a hash
that tells the event from its neighbours (`place` in `core/delivery/backlog.py`).

| attribute    | items       | read | meaning                                                                |
|--------------|-------------|------|------------------------------------------------------------------------|
| `account`    | event       |      | the account whose pushes wait                                          |
| `priority`   | event       |      | `urgent` or `normal`                                                   |
| `source`     | event       |      | the event's source                                                     |
| `event_id`   | event       |      | the event's id                                                         |
| `stored_at`  | event       |      | when it was stored, seconds since the epoch                            |
| `stamp`      | event       | yes  | differs with each write that stores the event                          |
| `reason`     | event       | yes  | the error code for which it waits                                      |
| `due`        | event       | yes  | not to be sent before it, seconds since the epoch; 0: no time          |
| `expected`   | event       | yes  | when it is probably sent; 0: when it is due                            |
| `attempt`    | event       | yes  | the number of its next attempt, from 1                                 |
| `tries`      | event       | yes  | how often a worker has taken it and did not finish it                  |
| `version`    | event       | yes  | of the packed event: the message attribute `push-relay-event`          |
| `packed`     | event, part | yes  | the event as a message's body, or a part of it, compressed by zlib     |
| `part_id`    | event       | yes  | the id of its parts, if it has any; then it has no `packed`            |
| `parts`      | event       | yes  | their number                                                           |
| `names`      | `#shelves`  | yes  | the shelves, a set                                                     |
| `expires_at` | part        |      | TTL, for parts whose event was never stored                            |

Attributes that are not read are for people. An event has no TTL: it must not vanish, and `max_age` ends its
waiting. Parts are written before their event's item and deleted after it. So parts without an item are
garbage, and an item without parts has been deleted in the meantime. Each write makes new parts, so the
deletion of one item never takes the parts of another.
"""

import math
import secrets
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress

from push_relay.adapters.dynamodb.backlog_table import BacklogTable, Key
from push_relay.adapters.dynamodb.table import ConditionFailed, Item, binary, bytes_of, number, text
from push_relay.core.delivery.backlog import Shelf, Unreadable, Waiting, after_due, ceil_secs, place
from push_relay.core.errors import LedgerUnavailable, MalformedRequest, PayloadTooLarge, RelayError
from push_relay.core.event import safe_id
from push_relay.core.queue_format import COMPRESSED, EVENT_ATTRIBUTE, MAX_MESSAGE, PLAIN, Packed, pack, unpack

#: Bytes of a packed event in one item. DynamoDB's limit is 400 KB, with the other attributes.
PART_BYTES = 390_000
#: Bytes of events, as JSON, that one call returns, so that large ones do not fill the function's memory. One
#: whose message is compressed too may have far more, and is returned alone.
READ_BYTES = 2 * 1024 * 1024
#: Seconds after which a part is deleted that may have no event: longer than any event waits.
PART_SECS = 60 * 86_400
_REGISTRY = Key("#shelves", "#")
_PART = "#part#"
#: Digits of a part's number.
_PART_DIGITS = 3
_URGENT, _NORMAL = "0", "1"
#: The versions of packed events that this version reads.
_KNOWN = {version: version for version in (PLAIN, COMPRESSED)}


class DynamoDbBacklog:
    """The backlog, as one worker uses it."""

    def __init__(self, table: BacklogTable, now: Callable[[], float]) -> None:
        self._table = table
        self._now = now
        self._known: set[str] = set()  # shelves that are in the registry, as far as this worker knows
        self._parts: dict[Key, Sequence[Key]] = {}  # of the events that this worker has read, by their keys

    # --- writing ------------------------------------------------------------------------------------

    def put(self, waiting: Sequence[Waiting]) -> Sequence[RelayError | None]:
        """Store events: their shelves, then their parts, then the events."""
        packed = [_pack(each) for each in waiting]
        stored = [each for each, content in zip(waiting, packed, strict=True) if isinstance(content, Packed)]
        try:
            self._register({shelf_name(each.shelf) for each in stored})
        except LedgerUnavailable as exc:
            return [c if isinstance(c, RelayError) else LedgerUnavailable(exc.detail) for c in packed]
        results: list[RelayError | None] = []
        items: dict[int, Item] = {}
        for index, (each, content) in enumerate(zip(waiting, packed, strict=True)):
            if isinstance(content, RelayError):
                results.append(content)
                continue
            items[index], parts = self._items(each, content)
            failed = self._table.put_all(parts)
            results.append(next(iter(failed.values()), None))
        ready = {index: item for index, item in items.items() if results[index] is None}
        failed = self._table.put_all([*ready.values()])
        for index, item in ready.items():
            results[index] = failed.get(Key.of(item))
        return results

    def _register(self, names: set[str]) -> None:
        """Note shelves in the registry, once for each worker and before an event is on them."""
        if new := names - self._known:
            self._table.update(
                _REGISTRY,
                UpdateExpression="ADD #names :new",
                ExpressionAttributeNames={"#names": "names"},
                ExpressionAttributeValues={":new": {"SS": sorted(new)}},
            )
            self._known |= new

    def _items(self, waiting: Waiting, content: Packed) -> tuple[Item, Sequence[Item]]:
        """Return an event's item and its parts."""
        packed = zlib.compress(content.body.encode("ascii"))
        item: Item = {
            **Key(shelf_name(waiting.shelf), place(waiting)).item(),
            "account": text(waiting.shelf.account),
            "priority": text("urgent" if waiting.shelf.high else "normal"),
            # Any program that may send to the queue writes any name, and DynamoDB refuses all items of a call
            # if one of them is too large.
            "source": text(safe_id(waiting.event.source, "-")),
            "event_id": text(safe_id(waiting.event.id, "-")),
            "reason": text(waiting.reason),
            "due": number(ceil_secs(waiting.due)),
            "expected": number(ceil_secs(waiting.expected)),
            "attempt": number(waiting.attempt),
            "tries": number(waiting.tries),
            "stored_at": number(math.floor(self._now())),
            "stamp": text(secrets.token_hex(8)),
            "version": text(content.attributes[EVENT_ATTRIBUTE]),
        }
        if len(packed) <= PART_BYTES:
            return {**item, "packed": binary(packed)}, []
        part_id = secrets.token_hex(16)
        pieces = [packed[start : start + PART_BYTES] for start in range(0, len(packed), PART_BYTES)]
        expires = number(math.ceil(max(self._now(), waiting.due)) + PART_SECS)
        parts: list[Item] = [
            {**key.item(), "packed": binary(piece), "expires_at": expires}
            for key, piece in zip(_part_keys(part_id, len(pieces)), pieces, strict=True)
        ]
        return {**item, "part_id": text(part_id), "parts": number(len(pieces))}, parts

    def remove(self, waiting: Sequence[Waiting | Unreadable]) -> None:
        """Delete events, then their parts."""
        keys = [Key(shelf_name(each.shelf), each.position) for each in waiting]
        self._table.delete_all(keys)
        self._table.delete_all([part for key in keys for part in self._parts.pop(key, ())])

    def remove_unchanged(self, waiting: Sequence[Waiting]) -> None:
        """Delete events that have the stamps with which they were read, one by one, then their parts."""
        for each in waiting:
            key = Key(shelf_name(each.shelf), each.position)
            with suppress(ConditionFailed):
                self._table.delete(
                    key,
                    ConditionExpression="stamp = :stamp",
                    ExpressionAttributeValues={":stamp": text(each.stamp)},
                )
            # An event that was stored again has parts of its own.
            self._table.delete_all(self._parts.pop(key, ()))

    def tried(self, waiting: Waiting) -> None:
        """Count a try, unless the event is gone."""
        with suppress(ConditionFailed):
            self._table.update(
                Key(shelf_name(waiting.shelf), waiting.position),
                UpdateExpression="ADD tries :one",
                ConditionExpression="attribute_exists(shelf)",
                ExpressionAttributeValues={":one": number(1)},
            )

    # --- reading ------------------------------------------------------------------------------------

    def due(self, shelf: Shelf, count: int, now: float, after: str = "") -> Sequence[Waiting | Unreadable]:
        """Return the first events of a shelf that are due."""
        found: list[Waiting | Unreadable] = []
        size = 0
        if count < 1:
            return found  # DynamoDB would take a limit of 0 for none
        for page in self._table.query(shelf_name(shelf), after=after, before=after_due(now), limit=count):
            for item in page:
                packed = self._packed(item)
                if packed is None:
                    continue
                body = _decompressed(packed)
                size += READ_BYTES if _text(item, "version") == COMPRESSED else len(body)
                if found and size > READ_BYTES:
                    return found
                found.append(_read(shelf, item, body))
                if len(found) == count or size >= READ_BYTES:
                    return found
        return found

    def _packed(self, item: Item) -> bytes | None:
        """Return an item's packed event, also from its parts; None if the event was removed meanwhile.

        The bytes are empty if they cannot be found.
        """
        if "part_id" not in item:
            return _bytes(item)
        key, part_id = Key.of(item), item["part_id"].get("S", "")
        keys = _part_keys(part_id, _part_count(item))
        self._parts[key] = keys
        parts = [part for page in self._table.query(_PART + part_id) for part in page]
        if [Key.of(part) for part in parts] == keys:
            return b"".join(map(_bytes, parts))
        still = next(self._table.query(key.shelf, position=key.position), ())
        if [each.get("part_id") for each in still] == [item["part_id"]]:
            return b""
        return None

    def shelves(self) -> Sequence[Shelf]:
        """Return the shelves of the registry. A name that a later version has written is left out."""
        pages = self._table.query(_REGISTRY.shelf, position=_REGISTRY.position)
        names = [name for page in pages for item in page for name in item.get("names", {}).get("SS", ())]
        found = [shelf for name in sorted(names) if (shelf := shelf_of(name))]
        return sorted(found, key=lambda shelf: not shelf.high)


def shelf_name(shelf: Shelf) -> str:
    """Return the key of a shelf. The names in it have no `#`."""
    name = f"{shelf.account}#{_URGENT if shelf.high else _NORMAL}"
    return f"{name}#{shelf.source}" if shelf.source else name


def shelf_of(name: str) -> Shelf | None:
    """Return the shelf of a key; None if no shelf has it."""
    account, _, rest = name.partition("#")
    priority, _, source = rest.partition("#")
    if not account or priority not in (_URGENT, _NORMAL) or "#" in source:
        return None
    return Shelf(account, priority == _URGENT, source)


def _pack(waiting: Waiting) -> Packed | PayloadTooLarge:
    try:
        return pack(waiting.event)
    except PayloadTooLarge as exc:
        return exc


def _part_keys(part_id: str, count: int) -> Sequence[Key]:
    return [Key(_PART + part_id, f"{part:0{_PART_DIGITS}}") for part in range(count)]


def _part_count(item: Item) -> int:
    """Return the number of an item's parts; 0 if it cannot be read."""
    count = str(item.get("parts", {}).get("N"))
    return int(count) if count.isdecimal() and len(count) <= _PART_DIGITS else 0


def _bytes(item: Item) -> bytes:
    return bytes_of(item.get("packed", {}))


def _read(shelf: Shelf, item: Item, body: bytes) -> Waiting | Unreadable:
    """Return the event of an item, or what can be read of it."""
    try:
        return Waiting(
            shelf=shelf,
            event=unpack(body, _KNOWN[item["version"]["S"]]),
            reason=item["reason"]["S"],
            due=float(item["due"]["N"]),
            expected=float(item["expected"]["N"]),
            attempt=int(item["attempt"]["N"]),
            tries=int(item["tries"]["N"]),
            position=item["position"]["S"],
            stamp=_text(item, "stamp"),
        )
    except (MalformedRequest, KeyError, ValueError):
        return Unreadable(
            shelf,
            item["position"]["S"],
            _text(item, "reason"),
            body.decode("ascii", "replace"),
            _text(item, "version"),
            _text(item, "source"),
            _text(item, "event_id"),
        )


def _decompressed(packed: bytes) -> bytes:
    """Return the body of a packed event; empty if it is damaged."""
    try:
        return zlib.decompressobj().decompress(packed, MAX_MESSAGE)
    except zlib.error:
        return b""


def _text(item: Item, name: str) -> str:
    return item.get(name, {}).get("S", "")

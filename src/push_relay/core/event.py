"""The event: one inbound JSON document, from any sender and by any transport."""

import hashlib
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from push_relay.core.quick_dataclass import dataclass
from push_relay.core.strict_json import JsonObject

_NO_VALUES: Final[Mapping[str, str]] = {}
_SAFE = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")


class Replay(StrEnum):
    """The ledger records that a person's replay of an event overrules."""

    NO = "no"
    FAILED = "failed"  # what failed is tried again; what was delivered is a duplicate
    ALL = "all"  # what was delivered is sent again too


@dataclass(frozen=True, slots=True)
class Arrival:
    """A document as received, before it is known to be a valid event of a source.

    source       the name in the path or in a message attribute; on a queue there may be no such source
    headers      HTTP headers, or fields of the AWS envelope (`sns-topic`, `eventbridge-source`, ...)
    fallback_id  the event's id if the document has none
    identity     what makes two arrivals the same event; from authenticated content only
    enclosed     of an SNS message that looks like an EventBridge event: the same with that envelope removed.
                 The author of the message's text wrote it, so it counts only if the deployer allows it
    malformed    of a message from AWS that is not a JSON object (text, or a list): the reason for which it is
                 refused if no source takes it
    """

    source: str | None
    data: JsonObject
    headers: Mapping[str, str]
    query: Mapping[str, str]
    received_at: float
    fallback_id: str
    identity: str
    correlation_id: str = "-"
    enclosed: "Arrival | None" = None
    malformed: str = ""

    def scope(self) -> JsonObject:
        """Return the scope of the expressions that determine the event's id and type."""
        return {"data": self.data, "headers": self.headers, "query": self.query}


@dataclass(frozen=True, slots=True)
class Event:
    """One inbound JSON document with its origin.

    source          name of the source's folder
    id              the sender's id of this event; safe to log (see `safe_id`)
    type            the sender's name for this kind of event; may be empty; None if the source's expression
                    for it fails on this event
    data            the document
    headers, query  only those that expressions of the source and its routes read; lower-case header names
    received_at     seconds since the epoch, UTC
    identity        what makes two arrivals the same event; from authenticated content only.
                    `<service>:<id>` is an id that no other event has; without a colon it is a hash of the
                    event's content
    correlation_id  follows the event from its sender to the push
    only            keys of the pushes that are still to be settled; empty: all
    skip            keys of the pushes that this message is not for: they are settled, or in another message
    replay          whether a person replayed it, and which of the ledger's records that overrules
    replay_id       the replay's id: each replay overrules the record of a push once
    """

    source: str
    id: str
    type: str | None
    data: JsonObject
    received_at: float
    identity: str
    correlation_id: str = "-"
    headers: Mapping[str, str] = _NO_VALUES
    query: Mapping[str, str] = _NO_VALUES
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    replay: Replay = Replay.NO
    replay_id: str = ""

    @property
    def has_unique_id(self) -> bool:
        """Whether its identity is an id that a service or its sender's signature vouches for."""
        return ":" in self.identity

    def is_for(self, key: str) -> bool:
        """Return whether this message is for the push of a key."""
        return (not self.only or key in self.only) and key not in self.skip

    def scope(self) -> JsonObject:
        """Return the scope of the source's and the routes' expressions."""
        return {
            "source": self.source,
            "id": self.id,
            "type": self.type,
            "data": self.data,
            "headers": self.headers,
            "query": self.query,
        }


def safe_id(given: object, fallback: str) -> str:
    """Return an id that is safe to log: the given one if it looks like an id, else its hash.

    Senders write anything into ids (an order's email address, a line break). A text that does not look like
    an id is identified by its hash and never shown. If none is given, the id is `fallback`.
    """
    if isinstance(given, bool) or not isinstance(given, str | int) or given == "":
        return fallback
    text = str(given)
    return text if _SAFE.fullmatch(text) else f"sha256:{sha256_hex(text.encode('utf-8', 'replace'))[:32]}"


def sha256_hex(content: bytes) -> str:
    """Return the SHA-256 of bytes in hex."""
    return hashlib.sha256(content).hexdigest()

"""The event: one inbound JSON document, whoever sent it and however it came."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from push_relay.core.strict_json import JsonObject

_SAFE = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")


class Replay(StrEnum):
    """What a person's wish to have an event again overrules in the ledger."""

    NO = "no"
    FAILED = "failed"  # what failed is tried again; what was delivered is a duplicate
    ALL = "all"  # what was delivered is sent again too


@dataclass(frozen=True, slots=True)
class Arrival:
    """A document as it came, before it is known to be a good event of a source.

    source       the name that the path or a message attribute gives; on a queue it may be no source's
    headers      HTTP headers, or what the AWS envelope says (`sns-topic`, `eventbridge-source`, ...)
    fallback_id  the id of the event where the document brings none
    identity     what makes two arrivals the same event; from authenticated material alone
    enclosed     of an SNS message that looks like an EventBridge event: the same with that envelope removed.
                 The author of the message's text wrote this, so it counts only if the deployer says so
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

    def scope(self) -> JsonObject:
        """Return what expressions see before the source has said what id and type are."""
        return {"data": self.data, "headers": self.headers, "query": self.query}


@dataclass(frozen=True, slots=True)
class Event:
    """One inbound JSON document with where it came from.

    source          name of the source's folder
    id              what the sender calls this event; safe to log (see `safe_id`)
    type            what kind of event it is, in the sender's words; may be empty; None where the source's
                    expression for it fails on this event
    data            the document
    headers, query  only those that the source's expressions name; lower-case header names
    received_at     seconds since the epoch, UTC
    identity        what makes two arrivals the same event; from authenticated material alone.
                    `<service>:<id>` is an id that no other event has; without a colon it is a digest of what
                    the event holds
    correlation_id  follows the event from its sender to the push
    only            keys of the pushes that are still to be settled; empty: all
    skip            keys of the pushes that this message is not for: they have ended, or wait in another one
    replay          whether a person asked for it again, and how much is to be forgotten
    replay_id       which asking that was: it overrules what the ledger says of a push once
    """

    source: str
    id: str
    type: str | None
    data: JsonObject
    received_at: float
    identity: str
    correlation_id: str = "-"
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    replay: Replay = Replay.NO
    replay_id: str = ""

    @property
    def has_unique_id(self) -> bool:
        """Whether its identity is an id that a service or its sender's signature vouches for."""
        return ":" in self.identity

    def is_for(self, key: str) -> bool:
        """Tell whether a push of this key is to be made of it."""
        return (not self.only or key in self.only) and key not in self.skip

    def scope(self) -> JsonObject:
        """Return what the source's and the routes' expressions see."""
        return {
            "source": self.source,
            "id": self.id,
            "type": self.type,
            "data": self.data,
            "headers": self.headers,
            "query": self.query,
        }


def safe_id(given: object, fallback: str) -> str:
    """Return an id that is safe to log: the given one if it looks like an id, else a digest of it.

    Senders put what they like into ids (an order's email address, a line break): what does not look
    like an id is told apart by its digest and never shown. Where none is given, `fallback` is it.
    """
    if isinstance(given, bool) or not isinstance(given, str | int) or given == "":
        return fallback
    text = str(given)
    return text if _SAFE.fullmatch(text) else f"sha256:{sha256_hex(text.encode('utf-8', 'replace'))[:32]}"


def sha256_hex(content: bytes) -> str:
    """Return the SHA-256 of bytes in hex."""
    return hashlib.sha256(content).hexdigest()

"""A source: what a kind of sender says. Read from its folder; knows no person, holds no code.

It has three parts, each compiled when it is first used, so that a function compiles only what it needs:

    admission    `receive`  scheme, handshake, body format
    event rules  both       schema, id, type, match rules, what an event keeps
    wording      `deliver`  message rules

docs/writing-a-source.md describes the folder's format.
"""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from push_relay.core.errors import MappingFailed
from push_relay.core.event import Arrival, Event
from push_relay.core.rules.configuration import Place, TomlTable, nowhere
from push_relay.core.rules.event_rules import EventRules, Match
from push_relay.core.rules.expression import NO_FIELDS, RequestFields
from push_relay.core.strict_json import JsonObject
from push_relay.core.trust.proofs import OPEN, WITHOUT_SECRET, read_proof

if TYPE_CHECKING:
    from push_relay.core.inbound.body import BodyFormat
    from push_relay.core.rules.admission import Admission
    from push_relay.core.rules.schema import Schema
    from push_relay.core.rules.wording import MessageRule, WordingResult
    from push_relay.core.trust.handshakes.base import Answer, Preflight
    from push_relay.core.trust.schemes.proof import Scheme


class Source:
    """One kind of sender. Any access may raise ConfigurationInvalid if `compile_all` has not been called.

    scheme     the name of its scheme; None if it takes no webhooks, because AWS delivers its events
    handshake  what the sender asks before it sends events, if it asks
    rules      what its events are
    """

    def __init__(self, name: str, table: TomlTable, schema: Callable[[], "Schema"]) -> None:
        """Read what costs nothing. `schema` compiles the source's schema when it is first used."""
        self.name = name
        self.title = table.text("title")
        self.docs = table.text("docs")
        self.handshake = table.text("handshake") if "handshake" in table else None
        self._table = table
        self._proof = read_proof(table.table("verify")) if "verify" in table else None
        self.scheme = self._proof.scheme if self._proof else None
        self.rules = EventRules(name, table, self._proof, schema)
        table.allow("handshake", "verify", "event", "message", "match")
        table.refuse_unknown_keys()

    def compile_all(self) -> None:
        """Compile every part. Raises ConfigurationInvalid."""
        rules = self.rules
        _ = self.admission, self.messages, rules.matches, rules.reads, rules.schema

    # --- the front half ----------------------------------------------------------------------------

    @cached_property
    def admission(self) -> "Admission":
        """How its webhooks are admitted."""
        # Imported here: `deliver` loads no scheme.
        from push_relay.core.rules.admission import read_admission  # noqa: PLC0415

        return read_admission(self._table, self._proof)

    @property
    def verify(self) -> "Scheme | None":
        """Its scheme; None if it takes no webhooks."""
        return self.admission.verify

    @property
    def answer_handshake(self) -> "Answer":
        """Answers its handshake."""
        return self.admission.handshake.answer

    @property
    def preflight(self) -> "Preflight":
        """Answers a request by OPTIONS."""
        return self.admission.handshake.preflight

    @property
    def body_format(self) -> "BodyFormat":
        """How its bodies are read."""
        return self.admission.body_format

    @property
    def needs_secret(self) -> bool:
        """Whether a secret of the deployer's takes part in the verification."""
        return self.scheme not in WITHOUT_SECRET

    @property
    def open_to_all(self) -> bool:
        """Whether its scheme accepts every request."""
        return self.scheme == OPEN

    def identify(self, arrival: Arrival) -> str:
        """Return the identity of an event whose content is not signed."""
        own_identity = self.body_format.format.own_identity(arrival.data)
        return self.rules.identify(arrival, own_identity)

    # --- both halves -------------------------------------------------------------------------------

    @property
    def schema(self) -> "Schema":
        """The schema of its events."""
        return self.rules.schema

    @property
    def matches(self) -> tuple[Match, ...]:
        """Its match rules."""
        return self.rules.matches

    @property
    def reads(self) -> RequestFields:
        """The only headers and query parameters that its events keep, beside those that routes read."""
        return self.rules.reads

    @property
    def proof(self) -> RequestFields:
        """Those that carry its sender's proof, which its events never keep."""
        return self.rules.proof

    def event(self, arrival: Arrival, also: RequestFields = NO_FIELDS) -> Event:
        """Make the event of an arrival. Raises SchemaViolation."""
        return self.rules.event(arrival, also)

    # --- the back half -----------------------------------------------------------------------------

    @cached_property
    def messages(self) -> "tuple[MessageRule, ...]":
        """Its message rules."""
        # Imported here: `receive` writes no wording.
        from push_relay.core.rules.wording import read_message_rule  # noqa: PLC0415

        return tuple(read_message_rule(rule, self.proof) for rule in self._table.tables("message"))

    @property
    def max_age(self) -> float | None:
        """Seconds after which its events are not worth a push; None: the route's or the account's."""
        return self.rules.max_age

    def remembers(self, event: Event) -> float | None:
        """Return the seconds for which an arrival with an event's content is the same event."""
        return self.rules.remembers(event)

    def wording(self, event: Event) -> "WordingResult":
        """Write an event's wording by the first message rule that holds.

        Raises MappingFailed, also if the type is not known: every condition may depend on it.
        """
        from push_relay.core.rules.wording import write  # noqa: PLC0415 (as above)

        if event.type is None:
            raise MappingFailed("the source's event.type cannot be evaluated on this event")
        return write(self.messages, event.scope(), self.name)


def read_source(name: str, document: JsonObject, schema: JsonObject, place: Place = nowhere) -> Source:
    """Compile every part of a source. Raises ConfigurationInvalid."""
    from push_relay.core.rules.schema import Schema  # noqa: PLC0415 (not every function needs it)

    source = Source(name, TomlTable(document, place=place), lambda: Schema.compile(schema))
    source.compile_all()
    return source

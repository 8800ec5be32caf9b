"""A source: a kind of sender. It is read from its folder, names no person and holds no code.

It has three parts, each compiled when it is first used, so that a function compiles only what it needs:

    admission    `receive`  scheme, handshake, body format
    event rules  both       schema, id, type, match rules, what an event keeps
    wording      `deliver`  message rules

docs/writing-a-source.md describes the folder's format.
"""

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING

from push_relay.core.errors import MappingFailed
from push_relay.core.event import Arrival, Event
from push_relay.core.rules.event_rules import EventRules, Match
from push_relay.core.rules.expression import NO_FIELDS, RequestFields, Scope
from push_relay.core.rules.findings import WARNING, Finding, Locate, Mistakes, Report, nowhere
from push_relay.core.rules.source_file import SourceFile
from push_relay.core.strict_json import JsonObject
from push_relay.core.trust.verify_table import OPEN

if TYPE_CHECKING:
    from push_relay.core.inbound.body import BodyFormat
    from push_relay.core.rules.admission import Admission
    from push_relay.core.rules.answer import FixedAnswer
    from push_relay.core.rules.expression import Expression
    from push_relay.core.rules.schema import Schema
    from push_relay.core.rules.wording import MessageRule, WordingResult
    from push_relay.core.trust.handshakes.base import Handshake
    from push_relay.core.trust.schemes.proof import Scheme


class Source:
    """One kind of sender. A part that is wrong raises ConfigurationInvalid when it is first used.

    scheme     the name of its scheme; None if it takes no webhooks, because AWS delivers its events
    preset     the preset that its `[verify]` names, or empty
    handshake  the name of what the sender asks before it sends events, if it asks
    max_age    seconds after which its events are not worth a push; None: the route's or the account's
    rules      what its events are
    """

    def __init__(self, name: str, file: SourceFile, schema: Callable[[], "Schema"]) -> None:
        """Compile nothing yet. `schema` compiles the source's schema when it is first used."""
        self.name = name
        self.title = file.title
        self.docs = file.docs
        self.scheme = file.verify.scheme if file.verify else None
        self.preset = file.preset
        self.handshake = file.handshake_name
        self.max_age = file.event.max_age
        self.rules = EventRules(name, file, schema)
        self._file = file

    @property
    def file(self) -> SourceFile:
        """The keys of its source.toml."""
        return self._file

    def raise_mistakes(self) -> None:
        """Raise ConfigurationInvalid if a key of source.toml is wrong, without compiling anything."""
        self._file.report.raise_mistakes()

    def mistakes(self) -> tuple[Finding, ...]:
        """Compile every part, and return the mistakes of all of them."""
        rules = self.rules
        parts: list[Callable[[], object]] = [
            self.raise_mistakes,
            lambda: self.admission,
            lambda: rules.event_id,
            lambda: rules.event_type,
            *(partial(getattr, match, "when") for match in rules.matches),
            lambda: rules.reads,
            *(partial(self.named_values.__getitem__, name) for name in self.named_values),
            *(partial(getattr, rule, part) for rule in self.messages for part in rule.PARTS),
            lambda: rules.schema,
        ]
        found: list[Finding] = []
        for part in parts:
            try:
                part()
            except Mistakes as exc:
                found += exc.findings
        return tuple(dict.fromkeys(found))

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The warnings about its file."""
        return self._file.report.warnings

    def match_warning(self, index: int, message: str, code: str) -> Finding:
        """Return a warning about a match rule, for a check that knows all sources."""
        table = self._file.match[index]
        return table.report.finding(table.path, message, code, WARNING)

    # --- the front half ----------------------------------------------------------------------------

    @cached_property
    def admission(self) -> "Admission":
        """How its webhooks are admitted."""
        # Imported here: `deliver` loads no scheme.
        from push_relay.core.rules.admission import read_admission  # noqa: PLC0415

        with self._file.report.part():
            return read_admission(self._file)

    @property
    def verify(self) -> "Scheme | None":
        """Its scheme; None if it takes no webhooks."""
        return self.admission.verify

    @property
    def handshake_rules(self) -> "Handshake":
        """How it answers what its sender asks."""
        return self.admission.handshake

    @property
    def proven_by_url(self) -> bool:
        """Whether its URL holds a token, which proves every request."""
        return self._file.verify is not None and self._file.verify.is_proven_by_url

    @property
    def body_format(self) -> "BodyFormat":
        """How its bodies are read."""
        return self.admission.body_format

    @property
    def each(self) -> "Expression | None":
        """The expression for the items of a request with several events."""
        return self.admission.each

    @property
    def answer(self) -> "FixedAnswer":
        """How accepted requests are answered."""
        return self.admission.answer

    @property
    def needs_secret(self) -> bool:
        """Whether a secret of the deployer's takes part in the verification."""
        return self._file.verify is None or self._file.verify.needs_secret

    @property
    def signs_url(self) -> bool:
        """Whether its sender signs the URL that it calls."""
        return self._file.verify is not None and self._file.verify.signs_url

    @property
    def signs_content(self) -> bool:
        """Whether its scheme proves the content of a request, and not only the sender."""
        return self._file.verify is not None and self._file.verify.signs_content

    @property
    def open_to_all(self) -> bool:
        """Whether its scheme accepts every request."""
        return self.scheme == OPEN

    def identify(self, arrival: Arrival) -> str:
        """Return the identity of an event whose content is not signed."""
        own_identity = self.body_format.format.own_identity(arrival.data)
        return self.rules.identify(arrival, own_identity)

    def own_id(self, arrival: Arrival) -> object:
        """Return the id that an item's document has, signed as the document is; None if it has none."""
        own_identity = self.body_format.format.own_identity(arrival.data)
        return own_identity if own_identity is not None else self.rules.own_id(arrival.scope())

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
        from push_relay.core.rules.wording import MessageRule  # noqa: PLC0415

        return tuple(MessageRule(table, self.proof) for table in self._file.message)

    @cached_property
    def named_values(self) -> "Mapping[str, Expression]":
        """The values that its message rules read by name."""
        from push_relay.core.rules.wording import NamedExpressions  # noqa: PLC0415 (as above)

        return NamedExpressions(self._file, self.proof)

    def scope(self, event: Event) -> Scope:
        """Return the scope of its message rules for an event."""
        from push_relay.core.rules.wording import NamedValues  # noqa: PLC0415 (as above)

        return NamedValues(self.named_values, event.scope())

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
        return write(self.messages, self.scope(event), self.name)


def read_source(name: str, document: JsonObject, schema: JsonObject, locate: Locate = nowhere) -> Source:
    """Return a source of which every part is compiled. Raises ConfigurationInvalid with all mistakes."""
    from push_relay.core.rules.schema import Schema  # noqa: PLC0415 (not every function needs it)

    source = Source(name, SourceFile(document, Report(locate)), lambda: Schema.compile(schema))
    if mistakes := source.mistakes():
        raise Mistakes(mistakes)
    return source

"""A source: what a kind of sender says. Read from its folder; knows no person, holds no code.

The folder's format is told in docs/writing-a-source.md.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from push_relay.core.duration import seconds
from push_relay.core.errors import ConfigurationInvalid, MappingFailed
from push_relay.core.event import Arrival, Event, safe_id, sha256_hex
from push_relay.core.inbound.body import BodyFormat
from push_relay.core.inbound.formats.registry import DEFAULT_FORMAT, FORMATS
from push_relay.core.inbound.request import CORRELATION_HEADERS
from push_relay.core.rules.configuration import TomlTable, WrongKey
from push_relay.core.rules.expression import NO_FIELDS, Expression, RequestFields, Scope
from push_relay.core.rules.schema import Schema
from push_relay.core.rules.wording import (
    MessageRule,
    WordingResult,
    read_expression,
    read_message_rule,
    write,
)
from push_relay.core.strict_json import JsonObject
from push_relay.core.trust.handshakes.base import Answer, Handshake, Preflight
from push_relay.core.trust.handshakes.registry import HANDSHAKES, NO_HANDSHAKE
from push_relay.core.trust.schemes.proof import Scheme
from push_relay.core.trust.schemes.registry import WITHOUT_SECRET, read_scheme

#: The envelope's headers that a match rule may name, by the key that it uses for each.
MATCH_KEYS = {
    "sns_topic": "sns-topic",
    "sqs_queue": "sqs-queue",
    "eventbridge_source": "eventbridge-source",
    "eventbridge_detail_type": "eventbridge-detail-type",
}

#: Seconds that `[event] remember` may be at least: senders that get no answer try again within seconds.
LEAST_REMEMBER_SECS = 60.0


@dataclass(frozen=True, slots=True)
class Match:
    """When an event that names no source is this source's: every pattern (`*`, `?`) and the condition fit."""

    patterns: tuple[tuple[str, str], ...]
    when: Expression | None

    def fits(self, arrival: Arrival) -> bool:
        """Tell whether the rule fits what came and how."""
        told = arrival.headers
        # `*` is any topic, and no topic is none.
        return all(name in told and fnmatchcase(told[name], glob) for name, glob in self.patterns) and (
            self.when is None or self.when.holds(arrival.scope())
        )

    @property
    def takes_aws_events_in_sns(self) -> bool:
        """Whether it accepts AWS's own events from a topic whose publishers are unknown (`recognition.py`).

        A pattern's first characters are literal, so what it fits begins with them.
        """
        named = dict(self.patterns)
        from_aws = named.get(MATCH_KEYS["eventbridge_source"], "").startswith("aws.")
        return from_aws and MATCH_KEYS["sns_topic"] in named


@dataclass(frozen=True, slots=True)
class Source:
    """One kind of sender, compiled.

    scheme, verify  None where the source takes no webhooks, because AWS delivers its events
    handshake       what the sender asks before it sends events, where it asks; `shake_hands` answers
    max_age         seconds after which its events are not worth a push; None: the route's or the account's
    remember        seconds for which the same content is the same event; None: `remembers` has the default
    reads           the only headers and query parameters that its events keep, beside what routes read
    proof           those that carry its sender's proof, which its events never keep
    """

    name: str
    title: str
    docs: str
    scheme: str | None
    verify: Scheme | None
    handshake: str | None
    answer_handshake: Answer
    preflight: Preflight
    body_format: BodyFormat
    event_id: Expression | None
    event_type: Expression | None
    messages: tuple[MessageRule, ...]
    matches: tuple[Match, ...]
    schema: Schema
    reads: RequestFields
    proof: RequestFields
    max_age: float | None
    remember: float | None

    @property
    def needs_secret(self) -> bool:
        """Whether a secret of the deployer's takes part in the verification."""
        return self.scheme not in WITHOUT_SECRET

    @property
    def open_to_all(self) -> bool:
        """Whether its scheme lets everybody in."""
        return self.scheme == "none"

    def identify(self, arrival: Arrival) -> str:
        """Name an event whose sender has proven who they are, and not what they say.

        Nothing in it is signed, so its headers are as good as its body: a CloudEvent is its source and id
        (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#id), another event its id, where
        it has one, and its document.
        """
        data = arrival.data
        named = self.body_format.format.own_identity(data)
        if named is None:
            named = [_evaluate_or_none(self.event_id, arrival.scope()), data]
        return sha256_hex(json.dumps(named, sort_keys=True).encode())

    def remembers(self, event: Event) -> float | None:
        """Return seconds for which what arrives with an event's content is that event.

        None: as long as the ledger remembers. That is so for an event whose identity is an id, and by default
        also for one whose document brings an id (`[event] id`), and for one whose sender signs the content
        without a timestamp.
        """
        if event.has_unique_id or self.body_format.format.own_ids:
            return None
        if self.remember is not None:
            return self.remember
        if self.verify is None or self._brings_id(event):
            return None
        return self.verify.remember

    def _brings_id(self, event: Event) -> bool:
        """Tell whether an event's document has an id. One in a header may not be covered by the proof."""
        named = self.event_id
        if named is None or named.names("headers") or named.names("query"):
            return False
        return safe_id(_evaluate_or_none(named, event.scope()), "") != ""

    def event(self, arrival: Arrival, also: RequestFields = NO_FIELDS) -> Event:
        """Make the event of what came; of headers and query it keeps what the source and its routes read.

        Raises SchemaViolation.

        An id that cannot be told is the fallback; a type that cannot be told is None, and fails when the
        event is delivered: the sender could not help it.
        """
        self.schema.check(arrival.data)
        scope = arrival.scope()
        return Event(
            source=self.name,
            id=safe_id(_evaluate_or_none(self.event_id, scope), arrival.fallback_id),
            type=_type(self.event_type, scope),
            data=arrival.data,
            received_at=arrival.received_at,
            identity=arrival.identity,
            correlation_id=arrival.correlation_id,
            headers=_kept(arrival.headers, (self.reads.headers | also.headers) - self.proof.headers),
            query=_kept(arrival.query, (self.reads.query | also.query) - self.proof.query),
        )

    def wording(self, event: Event) -> WordingResult:
        """Write an event's message by the first rule that holds.

        Raises MappingFailed, also if the type is not known: every condition may depend on it.
        """
        if event.type is None:
            raise MappingFailed("the source's event.type cannot be evaluated on this event")
        return write(self.messages, event.scope(), self.name)


def read_source(name: str, document: JsonObject, schema: JsonObject) -> Source:
    """Compile a source folder's source.toml and schema.json. Raises ConfigurationInvalid."""
    table = TomlTable(document)
    event = table.table("event")
    body_format = _body_format(event)
    verify = _scheme(table.table("verify"), body_format) if "verify" in table else None
    scheme = table.table("verify").text("scheme") if verify else None
    handshake_name, handshake = _handshake(table, scheme)
    proof = _proof(verify)
    event_id, event_type = read_expression(event, "id", proof), read_expression(event, "type", proof)
    rules = tuple(read_message_rule(rule, proof) for rule in table.tables("message"))
    read = [e for e in (event_id, event_type) if e] + [e for rule in rules for e in rule.expressions]
    source = Source(
        name=name,
        title=table.text("title"),
        docs=table.text("docs"),
        scheme=scheme,
        verify=verify,
        handshake=handshake_name,
        answer_handshake=handshake.answer,
        preflight=handshake.preflight,
        body_format=body_format,
        event_id=event_id,
        event_type=event_type,
        messages=rules,
        matches=tuple(_match(rule) for rule in table.tables("match")),
        schema=Schema.compile(schema),
        reads=RequestFields.of(read),
        proof=proof,
        max_age=event.compiled("max_age", seconds) if "max_age" in event else None,
        remember=event.compiled("remember", _remember) if "remember" in event else None,
    )
    event.refuse_unknown_keys()
    table.refuse_unknown_keys()
    return source


def _remember(text: str) -> float:
    remember = seconds(text)
    if remember < LEAST_REMEMBER_SECS:
        raise ConfigurationInvalid(
            f"`{text}` is less than a minute: a sender's second attempt would be another event"
        )
    return remember


def _body_format(event: TomlTable) -> BodyFormat:
    name = event.text("format", DEFAULT_FORMAT)
    if name not in FORMATS:
        raise event.wrong("format", f"is not one of: {', '.join(FORMATS)}")
    return BodyFormat(name, event.text("form") if "form" in event else None)


def _scheme(verify: TomlTable, body_format: BodyFormat) -> Scheme:
    scheme = read_scheme(verify)
    if scheme.header in CORRELATION_HEADERS:
        raise verify.wrong("header", f"`{scheme.header}` would be logged, and given back: name another")
    if body_format.format.becomes_data(scheme.header or ""):
        raise verify.wrong("header", f"`{scheme.header}` would become a part of the event: name another")
    return (
        replace(scheme, verify=scheme.form_verify)
        if body_format.form_field and scheme.form_verify
        else scheme
    )


def _proof(scheme: Scheme | None) -> RequestFields:
    if scheme is None:
        return NO_FIELDS
    return RequestFields(frozenset({scheme.header or ""} - {""}), frozenset({scheme.query or ""} - {""}))


def _handshake(table: TomlTable, scheme: str | None) -> tuple[str | None, Handshake]:
    if "handshake" not in table:
        return None, NO_HANDSHAKE
    name = table.text("handshake")
    if name not in HANDSHAKES:
        raise table.wrong("handshake", f"is not one of: {', '.join(HANDSHAKES)}")
    handshake = HANDSHAKES[name]
    if handshake.scheme not in (None, scheme):
        raise table.wrong("handshake", f"`{name}` is only safe with the scheme `{handshake.scheme}`")
    return name, handshake


def _match(rule: TomlTable) -> Match:
    patterns = tuple((header, rule.text(key)) for key, header in MATCH_KEYS.items() if key in rule)
    match = Match(patterns, rule.compiled("when", Expression.compile) if "when" in rule else None)
    if not patterns:
        raise WrongKey(rule.path, f"names none of: {', '.join(MATCH_KEYS)}")
    for key in MATCH_KEYS:
        rule.raw(key)
    rule.refuse_unknown_keys()
    return match


def _kept(values: Mapping[str, str], names: frozenset[str]) -> Mapping[str, str]:
    return {name: values[name] for name in names & values.keys()}


def _evaluate_or_none(expression: Expression | None, scope: Scope) -> object:
    try:
        return expression(scope) if expression else None
    except MappingFailed:
        return None


def _type(expression: Expression | None, scope: Scope) -> str | None:
    try:
        value = expression(scope) if expression else ""
    except MappingFailed:
        return None
    return value if isinstance(value, str) else ""

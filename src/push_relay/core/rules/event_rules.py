"""The events of a source: schema, id and type, match rules, and the parts of a request that an event keeps.

Both halves need it: `receive` for webhooks, `deliver` for what AWS delivers. Each part is compiled when it is
first used, because an event that `receive` has queued needs neither the schema nor the match rules again.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from push_relay.core.errors import ConfigurationInvalid, MappingFailed, SchemaViolation
from push_relay.core.event import Arrival, Event, safe_id, sha256_hex
from push_relay.core.inbound.formats import WITH_OWN_IDS
from push_relay.core.rules.expression import (
    NO_FIELDS,
    Expression,
    RequestFields,
    Scope,
    read_expression,
)
from push_relay.core.rules.source_file import MATCH_KEYS, MatchTable, SourceFile
from push_relay.core.rules.template import read_template

if TYPE_CHECKING:
    from push_relay.core.rules.schema import Schema

#: An expression that reads a header or a query parameter has one of these in its text. A quoted name may be
#: written with escapes.
_SIGNS_OF_A_REQUEST = ("headers", "query", "\\")


#: The parts of a pattern that stand for other characters.
_WILDCARDS = r"[*?]|\[[^\]]*\]?"


class Rank(NamedTuple):
    """How specific a match rule is. Of the rules that fit a message, the one with the highest rank counts.

    The parts are compared one after the other: a rule that is not a fallback goes before one that is, then
    the one with more exact patterns (without wildcards), then with more keys (patterns and condition), then
    with more characters that are not wildcards in its other patterns.
    """

    is_no_fallback: bool
    exact_patterns: int
    keys: int
    literal_chars: int


class Match:
    """When an event that names no source is this source's: every pattern (`*`, `?`) and the condition fit.

    patterns  each with the header that it is about
    fallback  whether it counts only if no other rule fits and a route is for the source
    """

    def __init__(self, table: MatchTable) -> None:
        """Compile nothing yet: an event is compared with the rules of all sources, and few patterns fit."""
        patterns = tuple((header, table.values[name]) for name, header in MATCH_KEYS.items() if name in table)
        # A condition alone describes a document, and nobody vouches for one in an envelope that others wrote.
        self.patterns: tuple[tuple[str, str], ...] = patterns or ((MATCH_KEYS["sqs_queue"], "*"),)
        self.fallback = table.fallback
        self._table = table

    @cached_property
    def when(self) -> Expression | None:
        """The condition. Raises Mistakes."""
        with self._table.report.part():
            return self._table.compiled("when", Expression.compile, None)

    @property
    def rank(self) -> Rank:
        """How specific the rule is."""
        literals = [(glob, re.sub(_WILDCARDS, "", glob)) for _, glob in self.patterns]
        inexact = [literal for glob, literal in literals if literal != glob]
        return Rank(
            is_no_fallback=not self.fallback,
            exact_patterns=len(self.patterns) - len(inexact),
            keys=len(self.patterns) + ("when" in self._table),
            literal_chars=sum(map(len, inexact)),
        )

    def fits(self, arrival: Arrival) -> bool:
        """Return whether the rule fits an arrival. A pattern never matches a missing header, not even `*`."""
        headers = arrival.headers
        return all(name in headers and fnmatchcase(headers[name], glob) for name, glob in self.patterns) and (
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


class EventRules:
    """The events of one source.

    A part that is wrong raises ConfigurationInvalid when it is first used.
    """

    def __init__(self, name: str, file: SourceFile, schema: Callable[[], "Schema"]) -> None:
        self._name = name
        self._file = file
        self._schema = schema
        #: The headers and query parameters that carry the sender's proof, which its events never keep.
        self.proof = file.verify.proof if file.verify else NO_FIELDS

    @cached_property
    def schema(self) -> "Schema":
        """The compiled schema."""
        return self._schema()

    @cached_property
    def event_id(self) -> Expression | None:
        """The expression for an event's id."""
        with self._file.report.part():
            return read_expression(self._file.event, "id", self.proof)

    @cached_property
    def event_type(self) -> Expression | None:
        """The expression for an event's type."""
        with self._file.report.part():
            return read_expression(self._file.event, "type", self.proof)

    @cached_property
    def matches(self) -> tuple[Match, ...]:
        """The match rules."""
        return tuple(map(Match, self._file.match))

    @cached_property
    def reads(self) -> RequestFields:
        """The only headers and query parameters that events keep, beside those that routes read."""
        own = [expression for expression in (self.event_id, self.event_type) if expression]
        with self._file.report.part():
            read_by_messages = list(self._message_expressions())
        return RequestFields.of([*own, *read_by_messages])

    def _message_expressions(self) -> Iterator[Expression]:
        """Yield the message rules' expressions that may read the request.

        The others are not compiled here: most rules read the document only, and `receive` needs no wording.
        """
        for text in self._file.value.values():
            if any(sign in text for sign in _SIGNS_OF_A_REQUEST):
                # The wording reports a mistake in it.
                with suppress(ConfigurationInvalid):
                    yield Expression.compile(text)
        for rule in self._file.message:
            for name, text in rule.values.items():
                if not isinstance(text, str) or not any(sign in text for sign in _SIGNS_OF_A_REQUEST):
                    continue
                if name != "when":
                    yield from read_template(rule, name, self.proof).expressions
                elif expression := read_expression(rule, name, self.proof):
                    yield expression

    def event(self, arrival: Arrival, also: RequestFields = NO_FIELDS) -> Event:
        """Make the event of an arrival. It keeps the headers and parameters that the source and routes read.

        If the id cannot be evaluated, the fallback is used. If the type cannot be evaluated, it is None, and
        the event fails when it is delivered, because that is not the sender's mistake.
        Raises SchemaViolation.
        """
        try:
            self.schema.check(arrival.data)
        except SchemaViolation as exc:
            exc.source = self._name
            raise
        scope = arrival.scope()
        return Event(
            source=self._name,
            id=safe_id(_evaluate_or_none(self.event_id, scope), arrival.fallback_id),
            type=_type(self.event_type, scope),
            data=arrival.data,
            received_at=arrival.received_at,
            identity=arrival.identity,
            correlation_id=arrival.correlation_id,
            headers=_kept(arrival.headers, (self.reads.headers | also.headers) - self.proof.headers),
            query=_kept(arrival.query, (self.reads.query | also.query) - self.proof.query),
        )

    def identify(self, arrival: Arrival, own_identity: list[object] | None) -> str:
        """Return the identity of an event whose sender has proven who they are, but not the content.

        own_identity  the values by which an event of the body's format identifies itself; None if it has none

        Nothing in it is signed, so its headers are as good as its body: an event is its id, if it has one,
        and its document.
        """
        named = own_identity
        if named is None:
            named = [_evaluate_or_none(self.event_id, arrival.scope()), arrival.data]
        return sha256_hex(json.dumps(named, sort_keys=True).encode())

    def remembers(self, event: Event) -> float | None:
        """Return the seconds for which an arrival with an event's content is the same event.

        None: as long as the ledger remembers. That holds for an event whose identity is an id. By default it
        also holds for one whose document has an id (`[event] id`), and for one whose sender signs the content
        without a timestamp.
        """
        table, verify = self._file.event, self._file.verify
        if event.has_unique_id or table.format in WITH_OWN_IDS:
            return None
        if table.remember is not None:
            return table.remember
        return None if verify is None or self.own_id(event.scope()) is not None else verify.remember_secs

    def own_id(self, scope: Scope) -> object:
        """Return the id that a document itself has; None if it has none.

        The proof does not always cover one in a header.
        """
        named = self.event_id
        if named is None or named.names("headers") or named.names("query"):
            return None
        own_id = _evaluate_or_none(named, scope)
        return own_id if safe_id(own_id, "") else None


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

"""The keys of source.toml and relay.toml that hold an expression or a template."""

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Final, NamedTuple

from push_relay.core.rules.configuration import Table
from push_relay.core.rules.expression import Expression
from push_relay.core.rules.findings import Finding, Path, Report
from push_relay.core.rules.relay_file import RouteTable
from push_relay.core.rules.source_file import SourceFile
from push_relay.core.rules.template import Template
from push_relay.core.rules.wording import MessageRule
from relayctl.checks.problems import Problem
from relayctl.checks.values import BOOLEAN, NUMBER, Field, Value

_REQUEST: Final[Mapping[str, Value]] = {name: Field((name,)) for name in ("data", "headers", "query")}
_EVENT: Final[Mapping[str, Value]] = {
    **_REQUEST, **{name: Field((name,)) for name in ("type", "id", "source")},
}  # fmt: skip


class Kind(Enum):
    """The kind of a key's text."""

    EXPRESSION = "an expression"
    VALUE = "an expression that rules use by its name, often beside others"
    CONDITION = "an expression that holds or does not"
    TEMPLATE = "a text with expressions"
    RECIPIENT = "a text with expressions that names a recipient"
    SOUND = "one expression that comes to true or false"
    EXPIRY = "one expression that comes to a number"

    @property
    def wanted_type(self) -> str:
        """The type of the constant that the text stands for; empty for a text."""
        return {Kind.SOUND: BOOLEAN, Kind.EXPIRY: NUMBER}.get(self, "")


class Key(NamedTuple):
    """A key of a file, and its text.

    names     what expressions can read there, by name
    compiled  the text, if the core has compiled it already
    """

    report: Report
    path: Path
    text: str
    kind: Kind
    names: Mapping[str, Value]
    compiled: Expression | Template | None = None

    def finding(self, problem: Problem) -> Finding:
        """Return a problem with its place."""
        return self.report.finding(self.path, problem.message, problem.code, problem.severity)


def expressions_of_events(file: SourceFile) -> Iterator[Key]:
    """Yield the keys that make an event of a request or a message."""
    for name in ("each", "id", "type"):
        yield from _key(file.event, name, Kind.EXPRESSION, _REQUEST)
    for rule in file.match:
        yield from _key(rule, "when", Kind.CONDITION, _REQUEST)


def value_keys(file: SourceFile) -> Iterator[tuple[str, Key]]:
    """Yield the named values. A value can read those that are before it, which are added to `names` then."""
    for name, text in file.value.items():
        yield name, Key(file.report, ("value", name), text, Kind.VALUE, _EVENT)


def message_keys(
    table: Table, names: Mapping[str, Value], compiled: MessageRule | None = None
) -> Iterator[Key]:
    """Yield the keys of a message rule."""
    kinds = {
        "when": Kind.CONDITION,
        "title": Kind.TEMPLATE,
        "body": Kind.TEMPLATE,
        "sound": Kind.SOUND,
        "expiry_secs": Kind.EXPIRY,
    }
    for name, kind in kinds.items():
        for key in _key(table, name, kind, names):
            yield key._replace(compiled=getattr(compiled, name, None))


def route_keys(table: RouteTable) -> Iterator[Key]:
    """Yield the keys of a route."""
    yield from _key(table, "when", Kind.CONDITION, _EVENT)
    for text in table.to:
        yield Key(table.report, (*table.path, "to"), text, Kind.RECIPIENT, _EVENT)


def event_names() -> Mapping[str, Value]:
    """Return what message rules and routes can read of an event."""
    return _EVENT


def _key(table: Table, name: str, kind: Kind, names: Mapping[str, Value]) -> Iterator[Key]:
    text = table.values[name]
    if name in table and isinstance(text, str) and text:
        yield Key(table.report, (*table.path, name), text, kind, names)

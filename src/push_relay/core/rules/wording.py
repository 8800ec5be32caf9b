"""The words of an event: the message rules of its source, and the wording that one of them writes.

`deliver` alone compiles them, and each part when an event first needs it: a source may have sixty rules, and
an event needs the conditions up to the first one that holds, and the templates of one rule.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

from push_relay.core.errors import ConfigurationInvalid, MappingFailed
from push_relay.core.phone_text import is_blank
from push_relay.core.push import Wording
from push_relay.core.rules.expression import Expression, RequestFields, Scope, read_expression
from push_relay.core.rules.source_file import MessageTable, SourceFile
from push_relay.core.rules.template import Template, read_template


class NamedExpressions(Mapping[str, Expression]):
    """The expressions of `[value]`, each compiled when it is first read. A mistake raises Mistakes."""

    def __init__(self, file: SourceFile, proof: RequestFields) -> None:
        self._file = file
        self._proof = proof
        self._compiled: dict[str, Expression] = {}

    def __getitem__(self, name: str) -> Expression:
        if name not in self._compiled:
            with self._file.report.part():
                self._compile(name, self._file.value[name])
        return self._compiled[name]

    def _compile(self, name: str, text: str) -> None:
        try:
            expression = Expression.compile(text)
            expression.forbid(self._proof)
        except ConfigurationInvalid as exc:
            self._file.report.add(("value", name), exc.detail)
        else:
            self._compiled[name] = expression

    def __contains__(self, name: object) -> bool:
        return name in self._file.value

    def __iter__(self) -> Iterator[str]:
        return iter(self._file.value)

    def __len__(self) -> int:
        return len(self._file.value)


_UNKNOWN = object()


class NamedValues(Mapping[str, Any]):
    """The scope of message rules: an event's scope and the values that its source names (`[value]`).

    A value is evaluated when a rule first reads it, and kept for the other rules.
    """

    def __init__(self, expressions: Mapping[str, Expression], scope: Scope) -> None:
        self._expressions = expressions
        self._known = dict(scope)

    def __getitem__(self, name: str) -> Any:
        """Return a value. Raises KeyError for an unknown name, and MappingFailed."""
        if name not in self._known and name in self._expressions:
            # A value that reads itself is null. `relayctl check` refuses it.
            self._known[name] = None
            try:
                self._known[name] = self._expressions[name](self)
            except Exception:
                # It fails for each rule that reads it, not only for the first.
                del self._known[name]
                raise
        return self._known[name]

    def get(self, name: str, default: Any = None) -> Any:
        """Return a value, or the default for an unknown name. Raises MappingFailed."""
        # `Mapping` has the same, at ten times the cost: each expression begins with it.
        found = self._known.get(name, _UNKNOWN)
        if found is _UNKNOWN:
            return self[name] if name in self._expressions else default
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._known.keys() | self._expressions.keys())

    def __len__(self) -> int:
        return len(self._known.keys() | self._expressions.keys())


class MessageRule:
    """The wording of an event for which a condition holds. A part with a mistake raises Mistakes.

    skip  why nobody wants a push about the event; empty if the rule writes one
    """

    #: The parts, each compiled when it is first used.
    PARTS: ClassVar = ("when", "title", "body", "sound", "expiry_secs")

    def __init__(self, table: MessageTable, proof: RequestFields) -> None:
        self.skip = table.skip or ""
        self._table = table
        self._proof = proof

    @cached_property
    def when(self) -> Expression | None:
        """The condition."""
        with self._table.report.part():
            return read_expression(self._table, "when", self._proof)

    @cached_property
    def title(self) -> Template:
        """The title."""
        return self._template("title")

    @cached_property
    def body(self) -> Template:
        """The body."""
        return self._template("body")

    @cached_property
    def sound(self) -> Template | int | None:
        """Whether the phone plays a sound."""
        return self._constant_or_template("sound", self._table.sound)

    @cached_property
    def expiry_secs(self) -> Template | int | None:
        """Seconds after which the push disappears from the phone."""
        return self._constant_or_template("expiry_secs", self._table.expiry_secs)

    def wording(self, scope: Scope) -> Wording:
        """Write the wording. Raises MappingFailed for a blank title or body, or a value of the wrong type."""
        wording = Wording(
            title=self.title(scope),
            body=self.body(scope),
            sound=_checked("sound", _value(self.sound, scope), bool),
            expiry_secs=_checked("expiry_secs", _value(self.expiry_secs, scope), int),
        )
        for name, text in (("title", wording.title), ("body", wording.body)):
            if is_blank(text):
                raise MappingFailed(f"the {name} is blank")
        return wording

    def _template(self, name: str) -> Template:
        with self._table.report.part():
            return read_template(self._table, name, self._proof)

    def _constant_or_template(self, name: str, value: int | str | None) -> Template | int | None:
        return self._template(name) if isinstance(value, str) else value


class WordingResult(NamedTuple):
    """The wording that a source's message rules write for an event.

    wording  by the first rule that holds; None if there is no such rule, or if it skips the event
    errors   one for each rule before it whose condition cannot be evaluated on this event
    reason   why there is no wording
    """

    wording: Wording | None
    errors: tuple[MappingFailed, ...] = ()
    reason: str = ""


def write(rules: Sequence[MessageRule], scope: Scope, source: str) -> WordingResult:
    """Write the wording by the first rule that holds.

    A rule whose condition fails on this event is passed over. Less exact words are better than no push, and
    the error is reported beside the push.

    Raises MappingFailed if the rule that holds cannot write its message, and if a condition fails and no rule
    holds.
    """
    errors: list[MappingFailed] = []
    for number, rule in enumerate(rules, start=1):
        place = f"message[{number}] of {source}"
        try:
            holds = rule.when is None or rule.when.holds(scope)
        except MappingFailed as exc:
            errors.append(MappingFailed(f"{place}, when: {exc.detail}"))
            continue
        if holds and rule.skip:
            return WordingResult(None, tuple(errors), f"message[{number}] skips it: {rule.skip}")
        if holds:
            try:
                return WordingResult(rule.wording(scope), tuple(errors))
            except MappingFailed as exc:
                raise MappingFailed(f"{place}: {exc.detail}") from None
    if errors:
        raise errors[0]
    return WordingResult(None, reason="no message rule holds for it")


def _value(part: Template | int | None, scope: Scope) -> object:
    return part.value(scope) if isinstance(part, Template) else part


def _checked[T](name: str, value: object, kind: type[T]) -> T | None:
    if value is None or type(value) is kind:
        return value
    raise MappingFailed(f"{name} came out as something else than {kind.__name__}")

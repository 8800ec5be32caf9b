"""The words of an event: the message rules of its source, and the wording that one of them writes.

`deliver` alone compiles them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from push_relay.core.errors import ConfigurationInvalid, MappingFailed
from push_relay.core.phone_text import is_blank
from push_relay.core.push import Wording
from push_relay.core.rules.expression import Expression, RequestFields, Scope, read_expression
from push_relay.core.rules.source_file import MessageTable, SourceFile
from push_relay.core.rules.template import Template, read_template


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
            self._known[name] = self._expressions[name](self)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known.keys() | self._expressions.keys())

    def __len__(self) -> int:
        return len(self._known.keys() | self._expressions.keys())


class MessageRule(NamedTuple):
    """The wording of an event for which a condition holds.

    skip  why nobody wants a push about the event; empty if the rule writes one
    """

    when: Expression | None
    title: Template
    body: Template
    sound: Template | int | None
    expiry_secs: Template | int | None
    skip: str = ""

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


def read_message_rule(table: MessageTable, proof: RequestFields) -> MessageRule:
    """Compile a `[[message]]` table. Mistakes are added to the table's report."""
    return MessageRule(
        when=read_expression(table, "when", proof),
        title=read_template(table, "title", proof),
        body=read_template(table, "body", proof),
        sound=_constant_or_template(table, "sound", table.sound, proof),
        expiry_secs=_constant_or_template(table, "expiry_secs", table.expiry_secs, proof),
        skip=table.skip or "",
    )


def read_named_values(file: SourceFile, proof: RequestFields) -> dict[str, Expression]:
    """Compile the `[value]` table. Mistakes are added to the file's report."""
    compiled = {}
    for name, text in file.value.items():
        try:
            compiled[name] = Expression.compile(text)
            compiled[name].forbid(proof)
        except ConfigurationInvalid as exc:
            file.report.add(("value", name), exc.detail)
    return compiled


def _constant_or_template(
    table: MessageTable, name: str, value: int | str | None, proof: RequestFields
) -> Template | int | None:
    return read_template(table, name, proof) if isinstance(value, str) else value


def _value(part: Template | int | None, scope: Scope) -> object:
    return part.value(scope) if isinstance(part, Template) else part


def _checked[T](name: str, value: object, kind: type[T]) -> T | None:
    if value is None or type(value) is kind:
        return value
    raise MappingFailed(f"{name} came out as something else than {kind.__name__}")

"""The words of an event: the message rules of its source, and the wording that one of them writes.

`deliver` alone compiles them.
"""

from collections.abc import Sequence
from typing import NamedTuple

from push_relay.core.errors import MappingFailed
from push_relay.core.phone_text import is_blank
from push_relay.core.push import Wording
from push_relay.core.rules.expression import (
    Expression,
    RequestFields,
    Scope,
    Template,
    read_expression,
    read_template,
)
from push_relay.core.rules.source_file import MessageTable


class MessageRule(NamedTuple):
    """The wording of an event for which a condition holds."""

    when: Expression | None
    title: Template
    body: Template
    sound: Template | int | None
    expiry_secs: Template | int | None

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

    wording  by the first rule that holds; None if there is no such rule
    errors   one for each rule before it whose condition cannot be evaluated on this event
    """

    wording: Wording | None
    errors: tuple[MappingFailed, ...] = ()


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
        if holds:
            try:
                return WordingResult(rule.wording(scope), tuple(errors))
            except MappingFailed as exc:
                raise MappingFailed(f"{place}: {exc.detail}") from None
    if errors:
        raise errors[0]
    return WordingResult(None)


def read_message_rule(table: MessageTable, proof: RequestFields) -> MessageRule:
    """Compile a `[[message]]` table. Mistakes are added to the table's report."""
    return MessageRule(
        when=read_expression(table, "when", proof),
        title=read_template(table, "title", proof),
        body=read_template(table, "body", proof),
        sound=_constant_or_template(table, "sound", table.sound, proof),
        expiry_secs=_constant_or_template(table, "expiry_secs", table.expiry_secs, proof),
    )


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

"""The words of an event: the message rules of its source, and the wording that one of them writes.

`deliver` alone compiles them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from push_relay.core.errors import MappingFailed
from push_relay.core.phone_text import is_blank
from push_relay.core.push import Wording
from push_relay.core.rules.configuration import TomlTable
from push_relay.core.rules.expression import (
    Expression,
    RequestFields,
    Scope,
    Template,
    read_expression,
    read_template,
)


@dataclass(frozen=True, slots=True)
class MessageRule:
    """The message of an event for which a condition holds."""

    when: Expression | None
    title: Template
    body: Template
    sound: Template | bool | None
    expiry_secs: Template | int | None

    def wording(self, scope: Scope) -> Wording:
        """Write the message. Raises MappingFailed for a blank title or body, or a value of the wrong type."""
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


@dataclass(frozen=True, slots=True)
class WordingResult:
    """What a source's message rules write for an event.

    message  by the first rule that holds; None if there is no such rule
    errors   one for each rule before it whose condition cannot be evaluated on this event
    """

    wording: Wording | None
    errors: tuple[MappingFailed, ...] = ()


def write(rules: Sequence[MessageRule], scope: Scope, source: str) -> WordingResult:
    """Write a message by the first rule that holds.

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


def read_message_rule(rule: TomlTable, proof: RequestFields) -> MessageRule:
    """Compile a `[[message]]` table. Raises ConfigurationInvalid."""
    made = MessageRule(
        when=read_expression(rule, "when", proof),
        title=read_template(rule, "title", proof),
        body=read_template(rule, "body", proof),
        sound=_constant_or_template(rule, "sound", bool, proof),
        expiry_secs=_constant_or_template(rule, "expiry_secs", int, proof),
    )
    rule.refuse_unknown_keys()
    return made


def _constant_or_template[T](
    table: TomlTable, key: str, kind: type[T], proof: RequestFields
) -> Template | T | None:
    value = table.raw(key)
    if value is None or type(value) is kind:
        return value
    if not isinstance(value, str):
        raise table.wrong(key, f"is neither {kind.__name__} nor an expression in {{{{ }}}}")
    return read_template(table, key, proof)


def _value(part: Template | int | None, scope: Scope) -> object:
    return part.value(scope) if isinstance(part, Template) else part


def _checked[T](name: str, value: object, kind: type[T]) -> T | None:
    if value is None or type(value) is kind:
        return value
    raise MappingFailed(f"{name} came out as something else than {kind.__name__}")

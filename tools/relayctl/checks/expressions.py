"""Check the text of one key: its syntax, what its expressions do, and the text around them."""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from push_relay.core.errors import ConfigurationInvalid
from push_relay.core.rules.expression import Expression
from push_relay.core.rules.findings import INVALID_VALUE
from push_relay.core.rules.template import OptionalPart, Part, Template
from relayctl.checks import calls, comparisons, conditions, names, templates
from relayctl.checks.conditions import Condition
from relayctl.checks.context import Context
from relayctl.checks.declared import Declared
from relayctl.checks.examples import Examples
from relayctl.checks.field_values import ValueCheck
from relayctl.checks.fields import FieldCheck
from relayctl.checks.functions import FOREIGN
from relayctl.checks.functions import names as function_names
from relayctl.checks.interpreter import (
    Analysis,
    Call,
    Comparison,
    Node,
    Note,
    Piped,
    Read,
    StrayReference,
    analyse,
)
from relayctl.checks.keys import Key, Kind
from relayctl.checks.problems import Problem
from relayctl.checks.spelling import meant_by
from relayctl.checks.syntax import hint_for
from relayctl.checks.values import UNKNOWN, Value

_INSIDE: Final = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_UNKNOWN_FUNCTION: Final = re.compile(r"calls (\w+)\(\), which does not exist$")


class Evidence(NamedTuple):
    """The evidence with which a source's expressions are compared.

    examples  None if the source has no example that can be read
    has_type  whether the source determines the type of its events
    values    the names of the source's named values
    """

    examples: Examples | None
    declared: Declared
    has_type: bool = True
    values: tuple[str, ...] = ()

    def context(self, text: str) -> Context:
        """Return the context of an expression."""
        return Context(text, self.examples, self.has_type, self.values)


class Checked(NamedTuple):
    """The result of a check of one key.

    value  what its expression comes to, if it is an expression
    node   the tree of its expression; None if it cannot be compiled or is a template
    """

    problems: tuple[Problem, ...]
    value: Value = UNKNOWN
    node: Node | None = None


def check(key: Key, evidence: Evidence) -> Checked:
    """Check the text of a key."""
    if key.kind in (Kind.EXPRESSION, Kind.VALUE, Kind.CONDITION):
        return _check_expression(key, evidence)
    return Checked(tuple(dict.fromkeys(_template_problems(key, evidence))))


def _check_expression(key: Key, evidence: Evidence) -> Checked:
    try:
        expression = key.compiled if isinstance(key.compiled, Expression) else Expression.compile(key.text)
    except ConfigurationInvalid as exc:
        return Checked((_not_compiled(exc, key.text),))
    analysis = analyse(expression.tree, key.names, optional=key.kind is Kind.VALUE)
    found = list(_problems(expression.text, analysis, evidence))
    if key.kind is Kind.CONDITION:
        found += conditions.constant_condition(Condition(expression.tree, analysis, bool(found)))
    return Checked(tuple(dict.fromkeys(found)), analysis.value, expression.tree)


def _template_problems(key: Key, evidence: Evidence) -> Iterator[Problem]:
    try:
        compiled = key.compiled if isinstance(key.compiled, Template) else Template.compile(key.text)
    except ConfigurationInvalid as exc:
        yield from _broken_template(key, evidence, exc)
        return
    parts, wanted = compiled.parts, key.kind.wanted_type
    if wanted:
        yield from templates.constant_or_expression(key.text, parts, wanted)
    else:
        yield from templates.foreign_signs(parts, tuple(key.names), evidence.context(key.text))
    if key.kind is Kind.RECIPIENT:
        yield from templates.recipient_texts(parts)
    for part in parts:
        yield from _part_problems(part, key, evidence)


def _part_problems(part: Part, key: Key, evidence: Evidence, *, optional: bool = False) -> Iterator[Problem]:
    match part:
        case OptionalPart(parts=inner):
            for each in inner:
                yield from _part_problems(each, key, evidence, optional=True)
        case Expression():
            analysis = analyse(part.tree, key.names, optional=optional)
            found = list(_problems(part.text, analysis, evidence))
            yield from found
            if found:
                return
            if key.kind.wanted_type:
                yield from templates.wrong_constant_type(
                    analysis, evidence.context(part.text), key.kind.wanted_type
                )
            else:
                in_recipient = key.kind is Kind.RECIPIENT
                yield from templates.value_in_text(
                    analysis, evidence.context(part.text), in_recipient=in_recipient
                )


def _broken_template(key: Key, evidence: Evidence, error: ConfigurationInvalid) -> Iterator[Problem]:
    """Yield the problems of every expression of a template that does not compile."""
    broken = False
    for found in _INSIDE.finditer(key.text):
        text = found[1].strip()
        try:
            part = Expression.compile(text)
        except ConfigurationInvalid as exc:
            broken = True
            yield _not_compiled(exc, text)
        else:
            yield from _part_problems(part, key, evidence)
    if not broken:
        yield Problem(INVALID_VALUE, error.detail)


def _not_compiled(error: ConfigurationInvalid, text: str) -> Problem:
    unknown = _UNKNOWN_FUNCTION.search(error.detail)
    hint = _meant_function(unknown[1]) if unknown else hint_for(text)
    return Problem(INVALID_VALUE, f"{without_hint(error.detail)}; {hint}" if hint else error.detail)


def without_hint(detail: str) -> str:
    """Return an error of the core without its hint, which knows only the sign at which the parser stopped."""
    return re.sub(r" \(a (?:comparison|name with)[^()]*\)$", "", detail)


def _meant_function(name: str) -> str:
    if name in FOREIGN:
        return f"write `{FOREIGN[name]}`"
    if meant := meant_by(name, function_names()):
        return f"did you mean `{meant}`?"
    return "docs/writing-a-source.md lists the functions"


def _problems(text: str, analysis: Analysis, evidence: Evidence) -> Iterator[Problem]:
    context = evidence.context(text)
    for note in analysis.notes:
        yield from _judged(note, context)
    if evidence.examples:
        yield from FieldCheck(text, evidence.examples, evidence.declared, evidence.values).problems(
            analysis.notes
        )
        yield from ValueCheck(evidence.examples, evidence.declared).problems(analysis.notes)


def _judged(note: Note, context: Context) -> Iterable[Problem]:
    match note:
        case Read(path, _):
            return names.problems(note, context) if path[0] == "headers" else ()
        case Call() | Piped() | StrayReference():
            return calls.problems(note, context)
        case Comparison():
            return comparisons.problems(note, context)
        case _:
            return names.problems(note, context)

"""Templates: text with expressions in `{{ }}`, compiled once.

    {{ where }}: issue assigned[[ to {{ data.assignee.login }}]]

A part in `[[ ]]` is left out if the value of one of its expressions is missing.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from push_relay.core.errors import ConfigurationInvalid, MappingFailed
from push_relay.core.phone_text import is_blank
from push_relay.core.rules.configuration import Table
from push_relay.core.rules.expression import Expression, RequestFields, Scope


class OptionalPart(NamedTuple):
    """A part of a template that is left out if the value of one of its expressions is missing."""

    text: str
    parts: tuple[str | Expression, ...]

    def __call__(self, scope: Scope) -> str:
        """Return the text, or an empty one if a value is null, false, blank, an object or a list."""
        written = []
        for part in self.parts:
            if isinstance(part, str):
                written.append(part)
                continue
            value = part(scope)
            # An object or a list in place of a text is as good as a missing one.
            if value is None or value is False or isinstance(value, dict | list):
                return ""
            text = _as_text(value, self.text)
            if is_blank(text):
                return ""
            written.append(text)
        return "".join(written)


#: A part of a template.
type Part = str | Expression | OptionalPart


class Template(NamedTuple):
    """Text with expressions in `{{ }}`, or a constant. Call it with a scope."""

    text: str
    parts: tuple[Part, ...]

    @classmethod
    def compile(cls, text: str) -> "Template":
        """Compile a template. Raises ConfigurationInvalid for an expression that is wrong or not closed."""
        return cls(text, tuple(_parts(text)))

    def __call__(self, scope: Scope) -> str:
        """Return the text with each expression's value in its place; null is nothing.

        A value can only ever become text: it cannot open another expression. Raises MappingFailed for a
        value that is not a text, a number or a boolean.
        """
        return "".join(self._written(part, scope) for part in self.parts)

    def value(self, scope: Scope) -> object:
        """Return a single expression's value with its JSON type, or else the text."""
        match self.parts:
            case (Expression() as single,):
                return single(scope)
            case _:
                return self(scope)

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """The expressions in it, in order."""
        return tuple(
            inner
            for part in self.parts
            for inner in (part.parts if isinstance(part, OptionalPart) else (part,))
            if isinstance(inner, Expression)
        )

    def _written(self, part: Part, scope: Scope) -> str:
        match part:
            case str():
                return part
            case OptionalPart():
                return part(scope)
            case _:
                return _as_text(part(scope), self.text)


def _as_text(value: object, template: str) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str() | int() | float():
            return str(value)
        case _:
            raise MappingFailed(f"`{template}` puts an object or a list into a text")


_OPENING = re.compile(r"\{\{|\[\[")
_INSIDE = re.compile(r"\{\{|\]\]")


def _parts(text: str) -> Iterator[Part]:
    position = 0
    while opening := _OPENING.search(text, position):
        if opening.start() > position:
            yield text[position : opening.start()]
        part: Part
        if opening[0] == "{{":
            part, position = _expression_at(text, opening.start())
        else:
            part, position = _optional_part_at(text, opening.start())
        yield part
    if position < len(text):
        yield text[position:]


def _optional_part_at(text: str, start: int) -> tuple[OptionalPart, int]:
    """Read the optional part that opens at `start`, and return the position after it."""
    parts: list[str | Expression] = []
    position = start + 2
    while found := _INSIDE.search(text, position):
        if found.start() > position:
            parts.append(text[position : found.start()])
        if found[0] == "]]":
            inner = text[start : found.end()]
            if not any(isinstance(part, Expression) for part in parts):
                raise ConfigurationInvalid(
                    f"`{inner}` is an optional part without an expression in {{{{ }}}}: nothing decides "
                    "whether it is left out"
                )
            return OptionalPart(inner, tuple(parts)), found.end()
        expression, position = _expression_at(text, found.start())
        parts.append(expression)
    raise ConfigurationInvalid(f"`{text}` opens `[[` and never closes it")


def _expression_at(text: str, start: int) -> tuple[Expression, int]:
    """Read the expression that opens at `start`: it ends at the first `}}` that leaves it well-formed."""
    error: ConfigurationInvalid | None = None
    # Looked ahead for, not consumed: the first two of `}}}` may be an object's end and half of this one.
    for end in re.finditer(r"(?=\}\})", text[start:]):
        inner = text[start + 2 : start + end.start()].strip()
        try:
            return Expression.compile(inner), start + end.start() + 2
        except ConfigurationInvalid as exc:
            error = error or exc
    raise error or ConfigurationInvalid(f"`{text}` opens `{{{{` and never closes it")


def read_template(table: Table, name: str, proof: RequestFields) -> Template:
    """Compile a key's template, which must not read the sender's proof.

    A mistake is added to the table's report, and the result is an empty template then.
    """
    return table.compiled(name, lambda text: compile_template(text, proof), _EMPTY)


def compile_template(text: str, proof: RequestFields) -> Template:
    """Compile a template that must not read the sender's proof. Raises ConfigurationInvalid."""
    template = Template.compile(text)
    for expression in template.expressions:
        expression.forbid(proof)
    return template


_EMPTY = Template("", ())

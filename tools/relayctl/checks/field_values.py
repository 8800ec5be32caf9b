"""Find comparisons of a field with a value that it does not have in any example of the source.

These are warnings, because examples show a part of what a sender can send.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from push_relay.core.rules.findings import WARNING
from relayctl.checks.declared import Declared
from relayctl.checks.examples import Examples
from relayctl.checks.interpreter import Call, Comparison, Note
from relayctl.checks.problems import UNKNOWN_VALUE, Problem
from relayctl.checks.spelling import similar_values
from relayctl.checks.values import (
    ARRAY,
    BOOLEAN,
    NULL,
    NUMBER,
    STRING,
    Constant,
    Field,
    ListOf,
    Types,
    Value,
    alternatives,
    described,
    shown,
    type_of,
    types_of,
)


class ValueCheck(NamedTuple):
    """Compares the constants of one expression with examples and a schema."""

    examples: Examples
    declared: Declared

    def problems(self, notes: Sequence[Note]) -> Iterator[Problem]:
        """Yield the problems of the expression."""
        pairs = [pair for note in notes for pair in compared(note)]
        for field, constant in pairs:
            beside = {other.value for at, other in pairs if at == field and isinstance(other.value, str)}
            yield from self._compared(field, constant, beside)
        for note in notes:
            match note:
                case Call("contains", (Constant(str()), Field() as field)) if self._types(field) == {ARRAY}:
                    message = (
                        f"looks for a list in a text: the list comes first, contains({shown(field)}, 'x')"
                    )
                    yield Problem(UNKNOWN_VALUE, message, WARNING)

    def _types(self, field: Field) -> Types:
        return self.examples.types(field.path) - {NULL}

    def _compared(self, field: Field, constant: Constant, beside: set[str]) -> Iterator[Problem]:
        types, given = self._types(field), type_of(constant.value)
        # A type that no event can have is an error, which another check reports.
        if not types or given == NULL or given not in types_of(field):
            return
        place = shown(field)
        if given not in types:
            message = (
                f"compares `{place}`, which is {described(types)} in the examples, with {shown(constant)}"
                f"{_of_type(constant, types, place)}"
            )
            yield Problem(UNKNOWN_VALUE, message, WARNING)
        elif isinstance(constant.value, str) and not self.declared.allows(field.path, constant.value):
            words = self.examples.words(field.path)
            # An author who compares both words knows both.
            meant = set() if constant.value in words else {*similar_values(constant.value, words)} - beside
            if meant:
                message = (
                    f"compares `{place}` with '{constant.value}', which no example has; did you mean "
                    f"'{min(meant)}'?"
                )
                yield Problem(UNKNOWN_VALUE, message, WARNING)


def compared(note: Note) -> Iterator[tuple[Field, Constant]]:
    """Yield the fields that a note compares with constants."""
    match note:
        case Comparison(_, Field() as field, Constant() as constant):
            yield field, constant
        case Comparison(_, Constant() as constant, Field() as field):
            yield field, constant
        case Call("contains", (listed, Field() as field)):
            yield from ((field, constant) for constant in _constants(listed))


def _constants(listed: Value) -> Iterator[Constant]:
    match listed:
        case Constant(list() as values):
            yield from map(Constant, values)
        case ListOf(item):
            yield from (each for each in alternatives(item) if isinstance(each, Constant))


def _of_type(constant: Constant, types: Types, place: str) -> str:
    """Return how to write a constant of the field's type."""
    value = constant.value
    if isinstance(value, str) and types == {NUMBER} and value.replace(".", "", 1).lstrip("-").isdigit():
        return f": write `{value}` with the backticks"
    if isinstance(value, str) and types == {BOOLEAN} and value.lower() in ("true", "false"):
        return f": write `{value.lower()}` with the backticks"
    if types == {STRING} and not isinstance(value, list | dict):
        return f": write '{str(value).lower()}' in single quotes"
    if types == {ARRAY}:
        return f": write `contains({place}, {shown(constant)})`"
    return ""

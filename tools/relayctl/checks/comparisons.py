"""Comparisons that come to the same for every event."""

from collections.abc import Iterator
from typing import Final

from relayctl.checks.context import Context
from relayctl.checks.interpreter import Comparison
from relayctl.checks.problems import INVALID_COMPARISON, Problem
from relayctl.checks.values import (
    ARRAY,
    NULL,
    NUMBER,
    STRING,
    Constant,
    Field,
    ListOf,
    Value,
    described,
    shown,
    types_of,
)

_SIGNS: Final = {"eq": "==", "ne": "!=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}


def problems(note: Comparison, context: Context) -> Iterator[Problem]:
    """Yield the problems of a note."""
    if not context.has_type and Field(("type",)) in (note.left, note.right):
        yield Problem(
            INVALID_COMPARISON,
            "compares `type`, which is always empty: the source has no `type` in `[event]`",
        )
        return
    left, right = types_of(note.left), types_of(note.right)
    sign = _SIGNS[note.operator]
    written = f"`{shown(note.left)} {sign} {shown(note.right)}`"
    if isinstance(note.left, Constant) and isinstance(note.right, Constant):
        yield Problem(INVALID_COMPARISON, f"{written} compares two constants")
    elif sign in ("==", "!="):
        if not left & right:
            outcome = "never" if sign == "==" else "always"
            yield Problem(
                INVALID_COMPARISON,
                f"{written} compares {described(left)} with {described(right)}, and {outcome} holds"
                f"{_hint(note.left, note.right)}",
            )
    elif not left & right & {NUMBER, STRING}:
        yield Problem(
            INVALID_COMPARISON,
            f"{written} never holds: `{sign}` compares numbers with numbers, and texts with texts"
            f"{_hint(note.left, note.right)}",
        )


def _hint(left: Value, right: Value) -> str:
    for value, other in ((left, right), (right, left)):
        match value:
            case Constant(int() | float() as number) if STRING in types_of(other) and not isinstance(
                number, bool
            ):
                return f": write '{number}' in single quotes"
            case Constant(str()) if NUMBER in types_of(other):
                return _number(value)
            case ListOf() | Constant(list()) if ARRAY not in types_of(other):
                return f": write `contains(['a', 'b'], {shown(other)})`"
            case Constant(bool()) if types_of(other) <= {STRING, NULL}:
                return f": write '{str(value.value).lower()}' in single quotes"
    return ""


def _number(value: Value) -> str:
    match value:
        case Constant(str() as text) if text.replace(".", "", 1).isdigit():
            return f": write `{text}` with the backticks"
        case Constant(str()):
            return ""
        case _ if STRING in types_of(value):
            return f": write `to_number({shown(value)})`"
        case _:
            return ""

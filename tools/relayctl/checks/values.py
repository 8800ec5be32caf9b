"""The value of an expression, as far as it is known before there is an event.

Checks evaluate expressions on these values (`interpreter.py`). A value is a field of the event, of which only
the path is known; a constant; or something of which at least the types are known.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any, Final, NamedTuple

NULL, BOOLEAN, NUMBER, STRING, ARRAY, OBJECT = "null", "boolean", "number", "string", "array", "object"
type Types = frozenset[str]
ALL: Final[Types] = frozenset({NULL, BOOLEAN, NUMBER, STRING, ARRAY, OBJECT})
#: How people call the types.
_NAMES: Final = {
    NULL: "null",
    BOOLEAN: "true or false",
    NUMBER: "a number",
    STRING: "a text",
    ARRAY: "a list",
    OBJECT: "an object",
}


class Step(Enum):
    """A step of a path that names no member."""

    ITEM = "each item of a list"
    FLAT = "each item of a list, or the value itself if it is not a list"
    ANY = "each member of an object"


#: The way from the scope to a value: `("data", "alerts", Step.ITEM, "labels")`.
type Path = tuple[str | Step, ...]


class Scope(NamedTuple):
    """The names that an expression can read."""

    names: Mapping[str, "Value"]


class Field(NamedTuple):
    """A value of the event."""

    path: Path


class Constant(NamedTuple):
    """A JSON value that is in the expression."""

    value: Any


class ListOf(NamedTuple):
    """A list. `is_filled`: whether it has an item in any case."""

    item: "Value"
    is_filled: bool = False


class Record(NamedTuple):
    """An object with exactly these members: `{name: data.x}`."""

    members: Mapping[str, "Value"]


class Result(NamedTuple):
    """A value of which only the possible types are known, such as a function's result."""

    types: Types


class Either(NamedTuple):
    """One of several values. `verdict`: whether it counts as true; None if that depends on the event."""

    values: "tuple[Value, ...]"
    types: Types
    verdict: bool | None = None


type Value = Scope | Field | Constant | ListOf | Record | Result | Either

UNKNOWN: Final = Result(ALL)
_TEXTS: Final = frozenset({STRING})
_TEXT_OR_NULL: Final = frozenset({STRING, NULL})
_OBJECTS: Final = frozenset({OBJECT})


def types_of(value: Value) -> Types:
    """Return the types that a value can have."""
    match value:
        case Field(path):
            return _types_of_field(path)
        case Constant(constant):
            return frozenset({type_of(constant)})
        case ListOf():
            return frozenset({ARRAY})
        case Result(types) | Either(types=types):
            return types
        case _:
            return _OBJECTS


def _types_of_field(path: Path) -> Types:
    root, depth = path[0], len(path)
    if root in ("type", "id", "source"):
        return _TEXTS
    if depth == 1:
        return _OBJECTS
    return _TEXT_OR_NULL if root in ("headers", "query") else ALL


def type_of(value: object) -> str:
    """Return the type of a JSON value."""
    match value:
        case None:
            return NULL
        case bool():
            return BOOLEAN
        case int() | float():
            return NUMBER
        case str():
            return STRING
        case list():
            return ARRAY
        case _:
            return OBJECT


def verdict_of(value: Value) -> bool | None:
    """Return whether a value counts as true in JMESPath, or None if that depends on the event."""
    match value:
        case Constant(constant):
            return is_true(constant)
        case Either(verdict=verdict):
            return verdict
        case ListOf(is_filled=True) | Record():
            return True
        case Result(types) if types == {NULL}:
            return False
        case Result(types) if types == {NUMBER}:
            return True
        case _:
            return None


def is_true(value: object) -> bool:
    """Return whether a JSON value counts as true in JMESPath."""
    # Not by `in`: to Python 0 is False, and in JMESPath it is true.
    return value is not None and value is not False and value not in ("", [], {})


def one_of(values: "Iterable[Value]") -> Value:
    """Return a value that is one of several."""
    listed = tuple(values)
    if len(listed) == 1:
        return listed[0]
    return Either(listed, frozenset().union(*map(types_of, listed)))


def alternatives(value: Value) -> "Iterator[Value]":
    """Yield the values that a value can be."""
    if isinstance(value, Either):
        for inner in value.values:
            yield from alternatives(inner)
    else:
        yield value


def shown(value: Value) -> str:
    """Return a value as an expression would have it."""
    match value:
        case Field(path):
            return shown_path(path)
        case Constant(str() as text):
            return f"'{text}'"
        case Constant(constant):
            return f"`{json.dumps(constant, ensure_ascii=False)}`"
        case _:
            return "(...)"


def shown_path(path: Path) -> str:
    """Return a path as an expression would have it: `data.alerts[].labels."alert-name"`."""
    text = ""
    for step in path:
        match step:
            case Step.ITEM:
                text += "[]"
            case Step.ANY:
                text += ".*"
            case str():
                text += ("." if text else "") + identifier(step)
    return text


def identifier(name: str) -> str:
    """Return the name of a member as an expression has it, in double quotes if it needs them."""
    plain = name.isascii() and name.replace("_", "a").isalnum() and not name[0].isdigit()
    return name if plain else json.dumps(name, ensure_ascii=False)


def described(types: Types) -> str:
    """Return types as people call them: `a text or null`."""
    return " or ".join(_NAMES[name] for name in _NAMES if name in types)

"""The functions that expressions can call: their arguments, and the types of their results."""

import inspect
from collections.abc import Sequence
from functools import cache
from types import NoneType
from typing import Any, Final, NamedTuple, Union, get_args, get_origin, get_type_hints

from push_relay.core.rules.functions import Functions
from relayctl.checks.values import (
    ALL,
    ARRAY,
    BOOLEAN,
    NULL,
    NUMBER,
    OBJECT,
    STRING,
    UNKNOWN,
    Constant,
    ListOf,
    Result,
    Types,
    Value,
    one_of,
    type_of,
)

#: Functions that evaluate an expression (`&name`) on the items of a list.
BY_REFERENCE: Final = frozenset({"sort_by", "max_by", "min_by", "map"})
#: The types of the results of JMESPath's own functions. Each is null for a value that it does not take.
_OWN_RESULTS: Final = {
    **dict.fromkeys(("abs", "avg", "ceil", "floor", "length", "sum", "to_number"), NUMBER),
    **dict.fromkeys(("contains", "starts_with", "ends_with"), BOOLEAN),
    **dict.fromkeys(("join", "to_string"), STRING),
    **dict.fromkeys(("keys", "values", "sort", "sort_by", "map", "to_array"), ARRAY),
    "merge": OBJECT,
}
#: Filters and methods of other languages, and what does the same here.
FOREIGN: Final = {
    "default": "first_text(data.x, 'other')",
    "d": "first_text(data.x, 'other')",
    "coalesce": "first_text(data.x, data.y)",
    "ifNull": "first_text(data.x, 'other')",
    "concat": "join_text(' ', data.x, data.y)",
    "format": "join_text(' ', data.x, data.y)",
    "str": "to_string(data.x)",
    "string": "to_string(data.x)",
    "toString": "to_string(data.x)",
    "tojson": "to_string(data.x)",
    "toJSON": "to_string(data.x)",
    "int": "to_number(data.x)",
    "Number": "to_number(data.x)",
    "parseInt": "to_number(data.x)",
    "len": "length(data.x)",
    "count": "length(data.x)",
    "size": "length(data.x)",
    "toUpperCase": "upper(data.x)",
    "toLowerCase": "lower(data.x)",
    "title": "capitalize(data.x)",
    "substring": "truncate(data.x, `80`)",
    "substr": "truncate(data.x, `80`)",
    "slice": "truncate(data.x, `80`)",
    "split": "part(data.x, ',', `0`)",
    "trim": "first_text(data.x)",
    "strip": "first_text(data.x)",
    "includes": "contains(data.x, 'y')",
    "indexOf": "contains(data.x, 'y')",
    "has": "contains(data.x, 'y')",
    "startsWith": "starts_with(data.x, 'y')",
    "startswith": "starts_with(data.x, 'y')",
    "endsWith": "ends_with(data.x, 'y')",
    "endswith": "ends_with(data.x, 'y')",
    "filter": "data.list[?name == 'x']",
    "first": "data.list[0]",
    "last": "data.list[-1]",
    "get": "data.x",
    "strftime": "date(data.x, '%d %b %H:%M')",
    "datetime": "date(data.x, '%d %b %H:%M')",
    "striptags": "plain_text(data.x)",
    "escape": "data.x",
    "e": "data.x",
    "safe": "data.x",
    "if": "data.x && 'then' || 'else'",
}
#: Names to which a value is piped by people who mean a function: `data.x | upper`.
FILTERS: Final = frozenset({*Functions.FUNCTION_TABLE, *FOREIGN})
_JSON_TYPES: Final[dict[Any, str]] = {
    str: STRING, bool: BOOLEAN, int: NUMBER, float: NUMBER, NoneType: NULL, dict: OBJECT, list: ARRAY,
}  # fmt: skip


class Signature(NamedTuple):
    """The signature of a function.

    takes     the types of each argument; empty for any
    variadic  whether the last argument can be repeated
    names     the names of the arguments
    """

    takes: tuple[frozenset[str], ...]
    variadic: bool
    names: tuple[str, ...]

    def accepts(self, count: int) -> bool:
        """Return whether the function can be called with a number of arguments."""
        return count >= len(self.takes) if self.variadic else count == len(self.takes)

    def types_of(self, index: int) -> frozenset[str]:
        """Return the types that an argument can have. All if the function does not restrict it."""
        # JMESPath checks only the first of repeated arguments.
        return self.takes[index] if index < len(self.takes) else frozenset()


@cache
def names() -> tuple[str, ...]:
    """Return the names of all functions."""
    return tuple(Functions.FUNCTION_TABLE)


@cache
def signature_of(name: str) -> Signature:
    """Return what a function takes. Raises KeyError if there is no such function."""
    entry = Functions.FUNCTION_TABLE[name]
    arguments = entry["signature"]
    _, *parameters = inspect.signature(entry["function"]).parameters
    return Signature(
        tuple(frozenset(kind.split("-")[0] for kind in argument["types"]) for argument in arguments),
        bool(arguments and arguments[-1].get("variadic")),
        tuple(parameters),
    )


def usage(name: str) -> str:
    """Return how a function is called: `truncate(text, limit)`."""
    signature = signature_of(name)
    more = ", ..." if signature.variadic else ""
    return f"{name}({', '.join(signature.names[: len(signature.takes)])}{more})"


def result_of(name: str, arguments: Sequence[Value], items: Value) -> Value:
    """Return the value of a call.

    items  the items of the list to which a function by reference applies
    """
    match name, arguments:
        case "not_null", _:
            return one_of(arguments) if arguments else UNKNOWN
        case (("sort_by" | "sort" | "reverse" | "to_array"), [first, *_]):
            return first if isinstance(first, ListOf) else _result(name)
        case (("max_by" | "min_by"), _):
            return items
        case "map", [mapped, _]:
            return ListOf(mapped)
        case "lookup", [Constant(dict() as table), *_]:
            return Result(frozenset({NULL, *map(type_of, table.values())}))
        case _:
            return _result(name)


@cache
def _result(name: str) -> Result:
    if name in _OWN_RESULTS:
        return Result(frozenset({_OWN_RESULTS[name], NULL}))
    if name == "type":
        return Result(frozenset({STRING}))
    method = vars(Functions).get(f"_func_{name}")
    hint = get_type_hints(method).get("return", object) if method else object
    return Result(_types_of_hint(hint) | {NULL})


def _types_of_hint(hint: Any) -> Types:
    members = get_args(hint) if get_origin(hint) is Union or isinstance(hint, type(int | str)) else (hint,)
    known = [_JSON_TYPES.get(get_origin(member) or member) for member in members]
    return frozenset(name for name in known if name) if all(known) else ALL

"""The evaluation of expressions: functions made of syntax trees, much faster than JMESPath's interpreter.

An event needs some twenty expressions, and they were the largest part of its cost. The common nodes become
functions; the interpreter evaluates the others, and is what tests compare the functions with.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import jmespath
from jmespath import visitor
from jmespath.functions import REVERSE_TYPES_MAP

from push_relay.core.rules.functions import Functions

#: Returns an expression's value for a document. Raises what JMESPath's interpreter raises.
type Evaluate = Callable[[Any], Any]
type _Node = Any  # what JMESPath's parser makes: a mapping of `type`, `value` and `children`


class _Interpreter(visitor.TreeInterpreter):
    """JMESPath's interpreter, for which two values that have no order compare as null."""

    def visit_comparator(self, node: Any, value: object) -> object:
        """Compare two values. The specification orders numbers only, and the library tries others too."""
        try:
            compared: object = super().visit_comparator(node, value)
        except TypeError:
            return None
        return compared


_FUNCTIONS = Functions()
#: It keeps no part of a document. One serves all expressions, because it remembers its own methods.
INTERPRETER = _Interpreter(jmespath.Options(custom_functions=_FUNCTIONS))
_EQUALS = visitor.TreeInterpreter.COMPARATOR_FUNC["eq"]


def evaluation(node: _Node) -> Evaluate:
    """Return the function of a syntax tree, as JMESPath's parser makes it."""
    make = _MAKERS.get(node["type"])
    return make(node) if make else lambda value: INTERPRETER.visit(node, value)


def is_false(value: object) -> bool:
    """Return whether a value is false, null or empty, as JMESPath means it: 0 is not."""
    kind = type(value)
    if kind is str or kind is list or kind is dict:
        return not value
    # Not by `in`: to Python 0 is False.
    return value is None or value is False or value == "" or value == [] or value == {}  # noqa: PLR1714


def value_at(path: Sequence[str], value: Any) -> Any:
    """Return the value to which the names of members lead from a value; None if there is none."""
    for name in path:
        try:
            value = value.get(name)
        except AttributeError:
            return None
    return value


def _field(node: _Node) -> Evaluate:
    return partial(value_at, (node["value"],))


def _names(node: _Node) -> tuple[str, ...] | None:
    """Return the names of `a.b.c`; None for any other node."""
    if node["type"] == "field":
        return (node["value"],)
    if node["type"] != "subexpression":
        return None
    parts = [_names(child) for child in node["children"]]
    return None if None in parts else tuple(name for part in parts for name in part or ())


def _sequence(node: _Node) -> Evaluate:
    names = _names(node)
    if names:
        return partial(value_at, names)
    steps = [evaluation(child) for child in node["children"]]

    def evaluate(value: Any) -> Any:
        for step in steps:
            value = step(value)
        return value

    return evaluate


def _literal(node: _Node) -> Evaluate:
    literal = node["value"]
    return lambda _value: literal


def _itself(_node: _Node) -> Evaluate:
    return lambda value: value


def _index(node: _Node) -> Evaluate:
    index = node["value"]

    def evaluate(value: Any) -> Any:
        try:
            return value[index] if isinstance(value, list) else None
        except IndexError:
            return None

    return evaluate


def _or(node: _Node) -> Evaluate:
    first, second = map(evaluation, node["children"])

    def evaluate(value: Any) -> Any:
        found = first(value)
        return second(value) if is_false(found) else found

    return evaluate


def _and(node: _Node) -> Evaluate:
    first, second = map(evaluation, node["children"])

    def evaluate(value: Any) -> Any:
        found = first(value)
        return found if is_false(found) else second(value)

    return evaluate


def _not(node: _Node) -> Evaluate:
    inner = evaluation(node["children"][0])

    def evaluate(value: Any) -> Any:
        found = inner(value)
        # 0 is true.
        return not found and (type(found) is bool or found != 0)

    return evaluate


def _list(node: _Node) -> Evaluate:
    parts = [evaluation(child) for child in node["children"]]
    return lambda value: None if value is None else [part(value) for part in parts]


def _comparator(node: _Node) -> Evaluate:
    is_equality = node["value"] == "eq"
    if not is_equality and node["value"] != "ne":
        return lambda value: INTERPRETER.visit(node, value)
    first, second = map(evaluation, node["children"])

    def evaluate(value: Any) -> Any:
        left, right = first(value), second(value)
        # To JMESPath, unlike Python, 1 is not true and 0 is not false.
        equal = left == right if type(left) is str else _EQUALS(left, right)
        return equal if is_equality else not equal

    return evaluate


def _projection(node: _Node) -> Evaluate:
    base, each = map(evaluation, node["children"])

    def evaluate(value: Any) -> Any:
        items = base(value)
        if not isinstance(items, list):
            return None
        return [found for item in items if (found := each(item)) is not None]

    return evaluate


def _filter(node: _Node) -> Evaluate:
    base, each, condition = map(evaluation, node["children"])

    def evaluate(value: Any) -> Any:
        items = base(value)
        if not isinstance(items, list):
            return None
        held = (each(item) for item in items if not is_false(condition(item)))
        return [found for found in held if found is not None]

    return evaluate


def _call(node: _Node) -> Evaluate:
    name = node["value"]
    arguments = [evaluation(child) for child in node["children"]]
    takes = _takes(name, len(arguments))
    if takes is None:
        return lambda value: _FUNCTIONS.call_function(name, [argument(value) for argument in arguments])
    function = Functions.FUNCTION_TABLE[name]["function"]

    def evaluate(value: Any) -> Any:
        given = [argument(value) for argument in arguments]
        for number, kinds in takes:
            if type(given[number]).__name__ not in kinds:
                return None
        try:
            return function(_FUNCTIONS, *given)
        except (TypeError, ValueError, ArithmeticError):  # as `Functions.call_function` does
            return None

    return evaluate


def _takes(name: str, count: int) -> list[tuple[int, frozenset[str]]] | None:
    """Return the names of Python's types that a function takes, by the numbers of arguments; without: all.

    Returns None if the arguments are checked in another way, or if their number is wrong.
    """
    signature = Functions.FUNCTION_TABLE.get(name, {}).get("signature")
    if not signature or any("-" in kind for argument in signature for kind in argument["types"]):
        return None
    is_variadic = signature[-1].get("variadic")
    if count < len(signature) or (count > len(signature) and not is_variadic):
        return None
    return [
        (number, frozenset(python for kind in argument["types"] for python in REVERSE_TYPES_MAP[kind]))
        for number, argument in enumerate(signature)
        if argument["types"]
    ]


_MAKERS: Mapping[str, Callable[[_Node], Evaluate]] = {
    "field": _field,
    "subexpression": _sequence,
    "index_expression": _sequence,
    "pipe": _sequence,
    "literal": _literal,
    "current": _itself,
    "identity": _itself,
    "index": _index,
    "or_expression": _or,
    "and_expression": _and,
    "not_expression": _not,
    "multi_select_list": _list,
    "comparator": _comparator,
    "projection": _projection,
    "filter_projection": _filter,
    "function_expression": _call,
}

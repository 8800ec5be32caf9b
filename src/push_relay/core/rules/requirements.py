"""Find the requirements of a condition in its syntax tree: without them it is false.

`type == 'issues' && data.repository.full_name == 'a/b'` requires that `type` has one value, and
`data.repository.full_name` another. If a scope does not meet one of a condition's requirements, the condition
is false there, **and evaluating it raises no error**. So a condition need not be evaluated then.

The second half of that promise is why few forms are understood. JMESPath evaluates `a && b` from left to
right, so `b` requires nothing if `a` may raise an error.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from push_relay.core.errors import ConfigurationInvalid
from push_relay.core.rules.event_rules import Match
from push_relay.core.rules.expression import Expression
from push_relay.core.rules.index import MEMBERS, TAIL, VALUE, key_of, tail_of

type Tree = Mapping[str, Any]
#: A kind of looking at a scope, and the member names that lead to the value that is looked at.
type Aspect = tuple[str, tuple[str, ...]]

#: Deeper trees have no requirements: Python's limit of nested calls may end their evaluation with an error.
_MOST_DEPTH = 40
#: Requirements of one aspect that are kept. `(a || b) && (c || d)` joined by `||` would multiply.
_MOST_ALTERNATIVES = 4

_PATHS = frozenset({"field", "index", "index_expression", "subexpression"})
#: Nodes that raise no error unless a node in them does. A slice may: its step may be 0.
_CALM = _PATHS | {
    *("literal", "current", "identity", "pipe", "flatten", "projection", "value_projection"),
    *("filter_projection", "and_expression", "or_expression", "not_expression", "multi_select_list"),
}
#: Functions that return null for every value that they cannot use (`Functions.call_function`).
_CALM_FUNCTIONS = frozenset({"contains", "ends_with", "length", "lower", "starts_with", "type", "upper"})
#: Functions that return null if their first value is missing.
_OF_A_TEXT = frozenset({"contains", "ends_with", "starts_with"})


class Requirement(NamedTuple):
    """An aspect of a scope that has to have at least one of some keys."""

    aspect: Aspect
    keys: frozenset[str]


def required_by(condition: Expression | None) -> list[Requirement]:
    """Return what a condition requires. No condition, or one that is not understood, requires nothing."""
    if condition is None or _depth(condition.tree) > _MOST_DEPTH:
        return []
    return _required(condition.tree)


def required_by_rule(rule: Match) -> list[Requirement]:
    """Return what a match rule requires of a reading's scope."""
    found = []
    for header, pattern in rule.patterns:
        found.append(Requirement((MEMBERS, ("headers",)), frozenset({header})))
        path = ("headers", header)
        if not re.search(r"[*?\[]", pattern):
            found.append(Requirement((VALUE, path), frozenset({f"={pattern}"})))
        elif "[" not in pattern and not re.search(r"[*?]", tail_of(pattern)):
            found.append(Requirement((TAIL, path), frozenset({tail_of(pattern)})))
    try:
        # A rule's patterns raise nothing, and its condition is evaluated if all of them fit.
        return found + required_by(rule.when)
    except ConfigurationInvalid:
        return found  # the rule itself reports the mistake


def _required(node: Tree) -> list[Requirement]:
    children = node["children"]
    match node["type"]:
        case "and_expression":
            left, right = children
            return _required(left) + (_required(right) if _is_calm(left) else [])
        case "or_expression":
            return list(_of_either(*map(_required, children)))
        case "comparator" if node["value"] != "ne":
            return list(_of_comparison(node["value"], *children))
        case "function_expression":
            return list(_of_function(node["value"], children))
        case _:
            return list(_of_presence(node))


def _of_either(left: list[Requirement], right: list[Requirement]) -> Iterator[Requirement]:
    """Yield what `a || b` requires: one key of `a` or one of `b`, if both require something of an aspect."""
    for aspect in dict.fromkeys(each.aspect for each in left):
        keys = [
            one.keys | other.keys for one in left for other in right if one.aspect == aspect == other.aspect
        ]
        yield from (Requirement(aspect, each) for each in list(dict.fromkeys(keys))[:_MOST_ALTERNATIVES])


def _of_comparison(operator: str, left: Tree, right: Tree) -> Iterator[Requirement]:
    value, literal = (left, right) if right["type"] == "literal" else (right, left)
    # Null equals a missing value. A list or an object may be compared part by part, to any depth.
    if literal["type"] != "literal" or not isinstance(literal["value"], str | int | float):
        return
    key = key_of(literal["value"])
    if operator == "eq" and key is not None and _is_whole(value):
        yield Requirement((VALUE, tuple(_names(value))), frozenset({key}))
    # A missing value is unequal to the literal, and has no order.
    yield from _of_presence(value)


def _of_function(name: str, arguments: list[Tree]) -> Iterator[Requirement]:
    if name not in _OF_A_TEXT or len(arguments) != 2:  # noqa: PLR2004 (a text and what is looked for)
        return
    first, second = arguments
    if name == "contains" and (texts := _texts(first)) and _is_whole(second):
        yield Requirement((VALUE, tuple(_names(second))), frozenset(f"={text}" for text in texts))
        yield from _of_presence(second)
    elif second["type"] == "literal" and isinstance(second["value"], str):
        yield from _of_presence(first)


def _of_presence(node: Tree) -> Iterator[Requirement]:
    """Yield the members that have to exist if the value at a path is to be neither null nor missing."""
    if not _is_path(node):
        return
    names = list(_names(node))
    # The members of the scope itself always exist.
    for depth in range(1, len(names)):
        yield Requirement((MEMBERS, tuple(names[:depth])), frozenset({names[depth]}))


def _texts(node: Tree) -> list[str]:
    """Return the texts of a list that consists of nothing else; empty for all other nodes."""
    values: list[Any] = []
    if node["type"] == "multi_select_list":
        values = [child["value"] if child["type"] == "literal" else None for child in node["children"]]
    elif node["type"] == "literal" and isinstance(node["value"], list):
        values = node["value"]
    return values if all(isinstance(value, str) for value in values) else []


def _is_path(node: Tree) -> bool:
    """Return whether a node only goes from member to member and from item to item: null stays null."""
    return node["type"] in _PATHS and all(map(_is_path, node["children"]))


def _is_whole(node: Tree) -> bool:
    """Return whether `_names` of a path leads to its value: it has no index."""
    return node["type"] == "field" or (
        node["type"] == "subexpression" and all(map(_is_whole, node["children"]))
    )


def _names(path: Tree) -> Iterator[str]:
    """Yield the names of a path up to its first index."""
    if path["type"] == "field":
        yield path["value"]
    for child in path["children"]:
        yield from _names(child)
        if not _is_whole(child):
            return


def _is_calm(node: Tree) -> bool:
    """Return whether evaluating a node raises no error, for any document."""
    children = node["children"]
    match node["type"]:
        case "comparator" if node["value"] in ("eq", "ne"):
            # Two deep values would be compared part by part, to any depth.
            calm = any(_is_scalar(child) for child in children)
        case "comparator":
            calm = True
        case "function_expression":
            # `contains` compares with each item of a list.
            is_shallow = any(_texts(child) or _is_scalar(child) for child in children)
            calm = node["value"] in _CALM_FUNCTIONS and (node["value"] != "contains" or is_shallow)
        case kind:
            calm = kind in _CALM
    return calm and all(map(_is_calm, children))


def _is_scalar(node: Tree) -> bool:
    return node["type"] == "literal" and not isinstance(node["value"], list | dict)


def _depth(tree: Tree) -> int:
    level, depth = [tree], 0
    while level and depth <= _MOST_DEPTH:
        # The children of a slice are numbers.
        level = [child for node in level for child in node["children"] if isinstance(child, dict)]
        depth += 1
    return depth

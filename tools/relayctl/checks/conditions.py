"""Conditions that are the same for every event, and rules that no event reaches."""

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from push_relay.core.rules.expression import Expression
from push_relay.core.rules.findings import ERROR, WARNING
from relayctl.checks.functions import names as function_names
from relayctl.checks.functions import result_of
from relayctl.checks.interpreter import Analysis, Node
from relayctl.checks.problems import CONSTANT_CONDITION, UNREACHABLE_RULE, Problem
from relayctl.checks.values import NULL, NUMBER, UNKNOWN, Constant, is_true, shown, types_of, verdict_of

#: The demands of a condition that holds: the values that each part can have, by the part's text.
#: None: any value that counts as true.
type Demands = dict[str, frozenset[str] | None]


class Condition(NamedTuple):
    """A compiled condition. `has_problems`: whether another check has found a mistake in it."""

    node: Node
    analysis: Analysis
    has_problems: bool


def constant_condition(condition: Condition) -> Iterator[Problem]:
    """Yield a problem if a condition does not depend on the event, or a part of it does not."""
    if condition.has_problems:
        return
    node, verdict = condition.node, verdict_of(condition.analysis.value)
    part = next(_constant_parts(node), None)
    if part is not None:
        yield part
    elif demands(node) is None:
        yield Problem(
            CONSTANT_CONDITION, "never holds: a value would have to be two things at once; `or` is `||`"
        )
    elif verdict is not None or _is_any_of_two(node):
        outcome = "never" if verdict is False else "always"
        yield Problem(CONSTANT_CONDITION, f"{outcome} holds, whatever the event is")


def _constant_parts(node: Node) -> Iterator[Problem]:
    kind, children = node["type"], node.get("children", ())
    if kind in ("and_expression", "or_expression", "not_expression"):
        for child in children:
            yield from _constant_parts(child)
    elif kind == "literal":
        constant = Constant(node["value"])
        outcome = "always true" if is_true(node["value"]) else "never true"
        hint = ""
        if isinstance(node["value"], str) and node["value"]:
            hint = (
                f": compare it too, `type == 'a' || type == {shown(constant)}`, or write "
                f"`contains(['a', {shown(constant)}], type)`"
            )
        severity = WARNING if node["value"] is True else ERROR
        message = f"has {shown(constant)} as a condition, which is {outcome}{hint}"
        yield Problem(CONSTANT_CONDITION, message, severity)
    elif kind == "multi_select_list":
        yield Problem(CONSTANT_CONDITION, "has a list as a condition, which is always true")
    elif kind == "function_expression" and node["value"] in function_names():
        # 0 counts as true in JMESPath.
        name = node["value"]
        if types_of(result_of(name, [UNKNOWN], UNKNOWN)) - {NULL} == {NUMBER}:
            message = (
                f"has a number as a condition, which is always true, 0 too: compare it, {name}(...) > `0`"
            )
            yield Problem(CONSTANT_CONDITION, message, WARNING)


def _is_any_of_two(node: Node) -> bool:
    """Return whether a condition is `x != 'a' || x != 'b'`, which holds for every x."""
    if node["type"] != "or_expression":
        return False
    different = [_equality(child, "ne") for child in node["children"]]
    match different:
        case [(first, one), (second, other)]:
            return first == second and one != other
        case _:
            return False


def demands(node: Node) -> Demands | None:
    """Return what has to be the case if a condition holds, or None if it can never hold."""
    if node["type"] == "and_expression":
        left, right = (demands(child) for child in node["children"])
        if left is None or right is None:
            return None
        return _both(left, right)
    if equality := _equality(node, "eq"):
        text, value = equality
        return {text: frozenset({value})}
    if listed := _listed(node):
        return listed
    if node["type"] == "or_expression":
        either = [demands(child) for child in node["children"]]
        match either:
            case [dict() as one, dict() as other] if len(one) == 1 and one.keys() == other.keys():
                (text,) = one
                first, second = one[text], other[text]
                if first is not None and second is not None:
                    return {text: first | second}
    return {repr(node): None}


def words(condition: Expression, name: str) -> frozenset[str]:
    """Return the texts of which a root has to be one if a condition holds. Empty: it can be any."""
    values = (demands(condition.tree) or {}).get(repr(Expression.compile(name).tree))
    return frozenset(word for word in map(json.loads, values or ()) if isinstance(word, str))


def _both(left: Demands, right: Demands) -> Demands | None:
    result = dict(left)
    for text, values in right.items():
        before = result.get(text)
        both = values if before is None else before if values is None else before & values
        if both is not None and not both:
            return None
        result[text] = both
    return result


def _equality(node: Node, operator: str) -> tuple[str, str] | None:
    """Return the part and the constant of a comparison `part == constant`, each as a text."""
    if node["type"] != "comparator" or node["value"] != operator:
        return None
    match node["children"]:
        case [{"type": "literal", "value": value}, other] if other["type"] != "literal":
            return repr(other), json.dumps(value)
        case [other, {"type": "literal", "value": value}] if other["type"] != "literal":
            return repr(other), json.dumps(value)
        case _:
            return None


def _listed(node: Node) -> Demands | None:
    """Return the demand of `contains([...], part)`."""
    if node["type"] != "function_expression" or node["value"] != "contains":
        return None
    match node["children"]:
        case [{"type": "literal", "value": list() as values}, part]:
            return {repr(part): frozenset(map(json.dumps, values))}
        case [{"type": "multi_select_list", "children": children}, part] if all(
            child["type"] == "literal" for child in children
        ):
            return {repr(part): frozenset(json.dumps(child["value"]) for child in children)}
        case _:
            return None


def _implies(later: Demands, earlier: Demands) -> bool:
    """Return whether a condition can hold only if an earlier one does."""
    for text, values in earlier.items():
        if text not in later:
            return False
        given = later[text]
        if values is None:
            if given is not None and not all(is_true(json.loads(value)) for value in given):
                return False
        elif given is None or not given <= values:
            return False
    return True


def unreachable_rules(conditions: Sequence[Node | bool | None]) -> Iterator[tuple[int, Problem]]:
    """Yield the index of each message rule that no event reaches, and the problem.

    conditions  of each rule the tree of its condition; None without a condition; False if it is not known
    """
    before: list[tuple[int, Demands]] = []
    for index, node in enumerate(conditions):
        if isinstance(node, bool):
            continue
        own: Demands | None = {} if node is None else demands(node)
        if own is None:
            continue
        earlier = next((number for number, other in before if _implies(own, other)), None)
        if earlier is None:
            before.append((index, own))
        elif conditions[earlier] is None:
            yield (
                index,
                Problem(
                    UNREACHABLE_RULE,
                    f"is never tried, because message[{earlier + 1}] has no `when` and so applies to every "
                    "event: move that one to the end",
                ),
            )
        else:
            yield (
                index,
                Problem(
                    UNREACHABLE_RULE,
                    f"is never tried, because message[{earlier + 1}] holds for all of its events: move the "
                    "more exact rule before the other",
                ),
            )

"""Evaluate an expression without an event, and note what it reads, calls and compares.

JMESPath has one scope for names: the current value. At first that is the event's scope (`data`, `type` and so
on); inside a projection, a filter and a function's `&`, and after a dot or a pipe, it is what the part before
came to. So only an evaluation finds out whether `type` is the event's type or a member of an item.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from relayctl.checks.functions import BY_REFERENCE, FILTERS, result_of
from relayctl.checks.values import (
    ARRAY,
    BOOLEAN,
    NULL,
    NUMBER,
    OBJECT,
    STRING,
    UNKNOWN,
    Constant,
    Either,
    Field,
    ListOf,
    Path,
    Record,
    Result,
    Scope,
    Step,
    Types,
    Value,
    alternatives,
    one_of,
    types_of,
    verdict_of,
)

type Node = Mapping[str, Any]


class Read(NamedTuple):
    """A field of the event is read. `optional`: whether something else is used if it is missing."""

    path: Path
    optional: bool


class UnknownRoot(NamedTuple):
    """A name is read that the scope does not have. `rest` has the members that are read of it."""

    name: str
    rest: tuple[str, ...]
    known: tuple[str, ...]


class UnknownMember(NamedTuple):
    """A member of `{...}` is read that it does not have."""

    name: str
    known: tuple[str, ...]


class NoMember(NamedTuple):
    """A member is read of a value that is not an object. `name` is empty for an item or the items."""

    name: str
    of: Value
    negated: bool


class Call(NamedTuple):
    """A function is called."""

    name: str
    arguments: tuple[Value, ...]


class Comparison(NamedTuple):
    """Two values are compared."""

    operator: str
    left: Value
    right: Value


class Piped(NamedTuple):
    """A value is piped into a name that is a function, or a filter in other template languages.

    `name` is empty for a pipe behind a comparison.
    """

    value: Value
    name: str


class StrayReference(NamedTuple):
    """`&` is used outside of a function's arguments."""


type Note = Read | UnknownRoot | UnknownMember | NoMember | Call | Comparison | Piped | StrayReference


class Analysis(NamedTuple):
    """The result of an evaluation."""

    value: Value
    notes: tuple[Note, ...]


_BOOLEANS: Final = Result(frozenset({BOOLEAN}))
#: The result of an ordering: null if the values have none.
_BOOLEAN_OR_NULL: Final = Result(frozenset({BOOLEAN, NULL}))
_NULL_VALUE: Final = Constant(None)
#: Functions that use another argument if one is missing.
_FALLBACKS: Final = frozenset({
    "first_text", "first_readable", "join_text", "list_texts", "enclose", "not_null",
})  # fmt: skip


def analyse(node: Node, names: Mapping[str, Value], *, optional: bool = False) -> Analysis:
    """Evaluate an expression's tree in a scope.

    optional  whether the text is left out if a field is missing
    """
    interpreter = _Interpreter(optional)
    value = interpreter.evaluate(node, Scope(names))
    return Analysis(value, tuple(interpreter.notes))


class _Interpreter:
    def __init__(self, optional: bool) -> None:  # noqa: FBT001 (private)
        self._optional = optional
        self.notes: list[Note] = []
        self._evaluators: Mapping[str, Callable[[Node, Value], Value]] = {
            "field": self._field,
            "subexpression": self._chain,
            "index_expression": self._chain,
            "pipe": self._pipe,
            "literal": lambda node, _current: Constant(node["value"]),
            "function_expression": self._call,
            "comparator": self._comparator,
            "or_expression": self._or,
            "and_expression": self._and,
            "not_expression": self._not,
            "identity": lambda _node, current: current,
            "current": lambda _node, current: current,
            "index": lambda _node, current: self._item(current),
            "slice": lambda _node, current: current,
            "flatten": self._flatten,
            "projection": self._projection,
            "filter_projection": self._filter_projection,
            "value_projection": self._value_projection,
            "multi_select_list": self._multi_select_list,
            "multi_select_dict": self._multi_select_dict,
            "expref": self._stray_reference,
        }

    def evaluate(self, node: Node, current: Value) -> Value:
        """Return the value of a node."""
        return self._evaluators[node["type"]](node, current)

    def _evaluate_optional(self, node: Node, current: Value) -> Value:
        """Return the value of a node that may be missing."""
        before, self._optional = self._optional, True
        value = self.evaluate(node, current)
        self._optional = before
        return value

    # --- members and items -----------------------------------------------------------------------------

    def _field(self, node: Node, current: Value) -> Value:
        return self._member(node["value"], current)

    def _chain(self, node: Node, current: Value) -> Value:
        first, *others = node["children"]
        if first["type"] == "field" and isinstance(current, Scope) and first["value"] not in current.names:
            names = (other["value"] for other in others if other["type"] == "field")
            self.notes.append(UnknownRoot(first["value"], tuple(names), tuple(current.names)))
            return UNKNOWN
        value = self.evaluate(first, current)
        negated = first["type"] == "not_expression"
        for other in others:
            if negated and other["type"] == "field" and OBJECT not in types_of(value):
                self.notes.append(NoMember(other["value"], value, negated=True))
                return UNKNOWN
            value = self.evaluate(other, value)
        return value

    def _member(self, name: str, of: Value) -> Value:
        match of:
            case Scope(names):
                if name not in names:
                    self.notes.append(UnknownRoot(name, (), tuple(names)))
                return names.get(name, UNKNOWN)
            case Field(path) if OBJECT in types_of(of):
                self.notes.append(Read((*path, name), self._optional))
                return Field((*path, name))
            case Record(members):
                if name not in members:
                    self.notes.append(UnknownMember(name, tuple(members)))
                return members.get(name, UNKNOWN)
            case Constant(dict() as members):
                return Constant(members.get(name))
            case Either():
                objects = [value for value in alternatives(of) if OBJECT in types_of(value)]
                if objects:
                    return self._of_each(objects, lambda value: self._member(name, value))
        if not types_of(of) & {OBJECT} and types_of(of) != {NULL}:
            self.notes.append(NoMember(name, of, negated=False))
        return UNKNOWN

    def _item(self, of: Value, step: Step = Step.ITEM) -> Value:
        """Return an item of a list, or a member of an object if the step is any."""
        match of:
            case Field(path):
                self.notes.append(Read((*path, step), self._optional))
                return Field((*path, step))
            case ListOf(item) if step is Step.ITEM:
                return item
            case Record(members) if step is Step.ANY and members:
                return one_of(members.values())
            case Constant([first, *others]) if step is Step.ITEM:
                return one_of([Constant(first), *map(Constant, others)])
            case Either():
                wanted = ARRAY if step is Step.ITEM else OBJECT
                lists = [value for value in alternatives(of) if wanted in types_of(value)]
                if lists:
                    return self._of_each(lists, lambda value: self._item(value, step))
        wanted = ARRAY if step is Step.ITEM else OBJECT
        if not types_of(of) & {wanted, NULL} and not isinstance(of, Scope):
            self.notes.append(NoMember("", of, negated=False))
        return UNKNOWN

    def _of_each(self, values: list[Value], evaluate: Callable[[Value], Value]) -> Value:
        """Return a part of one of several values. If there are several, one of them may have no such part."""
        before, self._optional = self._optional, self._optional or len(values) > 1
        result = one_of([evaluate(value) for value in values])
        self._optional = before
        return result

    def _flatten(self, node: Node, current: Value) -> Value:
        value = self.evaluate(node["children"][0], current)
        match value:
            case ListOf(item):
                return ListOf(one_of([_flat(inner) for inner in alternatives(item)]))
            case _:
                return ListOf(one_of([_flat(inner) for inner in alternatives(self._item(value))]))

    def _projection(self, node: Node, current: Value) -> Value:
        left, right = node["children"]
        item = self._item(self.evaluate(left, current))
        return ListOf(self.evaluate(right, item))

    def _value_projection(self, node: Node, current: Value) -> Value:
        left, right = node["children"]
        member = self._item(self.evaluate(left, current), Step.ANY)
        return ListOf(self.evaluate(right, member))

    def _filter_projection(self, node: Node, current: Value) -> Value:
        left, right, condition = node["children"]
        item = self._item(self.evaluate(left, current))
        self.evaluate(condition, item)
        return ListOf(self.evaluate(right, item))

    def _multi_select_list(self, node: Node, current: Value) -> Value:
        items = [self.evaluate(child, current) for child in node["children"]]
        return ListOf(one_of(items), is_filled=True)

    def _multi_select_dict(self, node: Node, current: Value) -> Value:
        pairs = node["children"]
        return Record({pair["value"]: self.evaluate(pair["children"][0], current) for pair in pairs})

    def _pipe(self, node: Node, current: Value) -> Value:
        left, right = node["children"]
        value = self.evaluate(left, current)
        if right["type"] == "field" and right["value"] in FILTERS and not isinstance(value, Record):
            self.notes.append(Piped(value, right["value"]))
            return UNKNOWN
        if types_of(value) <= {BOOLEAN, NULL} and not isinstance(value, Constant):
            self.notes.append(Piped(value, ""))
            return UNKNOWN
        return self.evaluate(right, value)

    # --- functions -------------------------------------------------------------------------------------

    def _call(self, node: Node, current: Value) -> Value:
        name, children = node["value"], node["children"]
        evaluate = self._evaluate_optional if name in _FALLBACKS and len(children) > 1 else self.evaluate
        arguments = [UNKNOWN if child["type"] == "expref" else evaluate(child, current) for child in children]
        items: Value = UNKNOWN
        if name in BY_REFERENCE:
            lists = [
                value for value, child in zip(arguments, children, strict=True) if child["type"] != "expref"
            ]
            items = self._item(lists[0]) if lists else UNKNOWN
        for index, child in enumerate(children):
            if child["type"] == "expref":
                if name not in BY_REFERENCE:
                    self.notes.append(StrayReference())
                    return UNKNOWN
                arguments[index] = self.evaluate(child["children"][0], items)
        self.notes.append(Call(name, tuple(arguments)))
        return result_of(name, arguments, items)

    def _stray_reference(self, node: Node, current: Value) -> Value:
        self.notes.append(StrayReference())
        return self.evaluate(node["children"][0], current)

    # --- conditions ------------------------------------------------------------------------------------

    def _comparator(self, node: Node, current: Value) -> Value:
        left, right = (self.evaluate(child, current) for child in node["children"])
        self.notes.append(Comparison(node["value"], left, right))
        return _compared(node["value"], left, right)

    def _or(self, node: Node, current: Value) -> Value:
        left, right = (self._evaluate_optional(child, current) for child in node["children"])
        verdicts = (verdict_of(left), verdict_of(right))
        if verdicts[0] is False:
            return right
        verdict = True if True in verdicts else False if verdicts == (False, False) else None
        return Either((left, right), (types_of(left) - {NULL}) | types_of(right), verdict)

    def _and(self, node: Node, current: Value) -> Value:
        left, right = (self.evaluate(child, current) for child in node["children"])
        verdicts = (verdict_of(left), verdict_of(right))
        if verdicts[0] is True:
            return right
        verdict = False if False in verdicts else True if verdicts == (True, True) else None
        # If the left value counts as false, it is the result: null, false, '' or nothing else that matters.
        falsy: Types = types_of(left) - {NUMBER}
        return Either((right, Result(falsy)), falsy | types_of(right), verdict)

    def _not(self, node: Node, current: Value) -> Value:
        verdict = verdict_of(self._evaluate_optional(node["children"][0], current))
        return _BOOLEANS if verdict is None else Constant(not verdict)


def _flat(value: Value) -> Value:
    match value:
        case Field(path):
            return Field((*path, Step.FLAT))
        case ListOf(item):
            return item
        case _:
            return value


def _compared(operator: str, left: Value, right: Value) -> Value:
    """Return what a comparison comes to."""
    if operator not in ("eq", "ne"):
        can_be_ordered = types_of(left) & types_of(right) & {NUMBER, STRING}
        return _BOOLEAN_OR_NULL if can_be_ordered else _NULL_VALUE
    if isinstance(left, Constant) and isinstance(right, Constant):
        return Constant((left.value == right.value) is (operator == "eq"))
    return _BOOLEANS if types_of(left) & types_of(right) else Constant(operator == "ne")

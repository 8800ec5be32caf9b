"""Expressions (JMESPath), compiled once.

https://jmespath.org/specification.html; `functions.py` adds functions.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import jmespath
from jmespath import exceptions
from jmespath.parser import ParsedResult

from push_relay.core.errors import ConfigurationInvalid, MappingFailed
from push_relay.core.rules.configuration import Table
from push_relay.core.rules.evaluation import Evaluate, evaluation, is_false
from push_relay.core.rules.functions import Functions

type Scope = Mapping[str, Any]

#: The signs of an expression that can read a part of the scope without its name: `@`, `*`, an index or a
#: list `[...]`, a name with escapes.
_CAN_READ_UNNAMED = re.compile(r"[@*\[\\]")


class Expression:
    """One compiled expression. Call it with a scope to get a JSON value."""

    __slots__ = ("_compiled", "_evaluate", "text")

    def __init__(self, text: str, compiled: ParsedResult) -> None:
        self.text = text
        self._compiled = compiled
        self._evaluate: Evaluate | None = None  # made by the first call, because most expressions have none

    @classmethod
    def compile(cls, text: str) -> "Expression":
        """Compile an expression. Raises ConfigurationInvalid with the place of the mistake."""
        try:
            compiled = jmespath.compile(text)
        except exceptions.JMESPathError as exc:
            raise ConfigurationInvalid(f"`{text}` is not a JMESPath expression: {_reason(exc)}") from exc
        if "(" in text:
            _check_functions(text, compiled.parsed)
        return cls(text, compiled)

    def __call__(self, scope: Scope) -> object:
        """Return the expression's value. Raises MappingFailed, which names the expression, not the values."""
        if self._evaluate is None:
            self._evaluate = evaluation(self._compiled.parsed)
        try:
            value: object = self._evaluate(scope)
        except ConfigurationInvalid:
            raise  # a mistake in a named value, which is compiled when it is first read
        except Exception:  # noqa: BLE001 (whatever an expression raises on a document is the mapping's failure)
            # These errors quote the values: break the chain.
            raise MappingFailed(f"`{self.text}` cannot be evaluated on this event") from None
        return value

    @property
    def tree(self) -> Mapping[str, Any]:
        """The syntax tree, as JMESPath's parser has it. It must not be changed."""
        tree: Mapping[str, Any] = self._compiled.parsed
        return tree

    def holds(self, scope: Scope) -> bool:
        """Tell whether the value is true in JMESPath's sense (not false, null or empty)."""
        return not is_false(self(scope))

    def names(self, root: str) -> frozenset[str]:
        """Return the members of `root` that the expression reads: `headers.a || data.headers.b` reads a.

        Raises ConfigurationInvalid if it takes `root` whole, because the ones to keep are not known then.
        """
        # Most expressions read the document alone, and their tree need not be walked.
        if root not in self.text and not _CAN_READ_UNNAMED.search(self.text):
            return frozenset()
        return frozenset(_members(self._compiled.parsed, root, self.text))

    def forbid(self, proof: "RequestFields") -> None:
        """Raise ConfigurationInvalid if the expression reads a field that carries the sender's proof."""
        for name in (*self.names("headers") & proof.headers, *self.names("query") & proof.query):
            raise ConfigurationInvalid(
                f"`{self.text}` reads `{name}`, which carries the sender's proof: it would be queued, "
                "and perhaps shown or logged; read another header or parameter, or a field of `data`"
            )


class RequestFields(NamedTuple):
    """Members of `headers` and `query`: those that expressions read, or those that they must not read."""

    headers: frozenset[str] = frozenset()
    query: frozenset[str] = frozenset()

    @classmethod
    def of(cls, expressions: Iterable[Expression]) -> "RequestFields":
        """Collect what expressions read. Raises ConfigurationInvalid if one takes either whole."""
        read = list(expressions)
        return cls(
            frozenset(name for expression in read for name in expression.names("headers")),
            frozenset(name for expression in read for name in expression.names("query")),
        )


#: No members of either.
NO_FIELDS = RequestFields()


def _check_functions(text: str, node: Mapping[str, Any]) -> None:
    left = [node]
    while left:
        inner = left.pop()
        if inner["type"] == "function_expression" and inner["value"] not in Functions.FUNCTION_TABLE:
            raise ConfigurationInvalid(f"`{text}` calls {inner['value']}(), which does not exist")
        # The children of a slice are numbers.
        left += [child for child in reversed(inner["children"]) if isinstance(child, dict)]


#: What to add to a reason of JMESPath's parser.
_HINTS = {
    "Unknown token '='": " (a comparison is `==`)",
    "Unknown token '-'": ' (a name with a hyphen is quoted: `data."order-id"`)',
}
#: Nodes of which the first child alone sees the scope; the rest sees what the first came to.
_LEFT_TO_RIGHT = frozenset(
    {"subexpression", "index_expression", "pipe", "projection", "value_projection", "filter_projection"}
)


def _members(node: Mapping[str, Any], root: str, text: str) -> Iterator[str]:
    children = [child for child in node["children"] if isinstance(child, dict)]
    if node["type"] == "subexpression" and _is_field(children[0], root):
        member = children[1]
        while member["type"] in _LEFT_TO_RIGHT:
            member = member["children"][0]
        if member["type"] != "field":
            raise ConfigurationInvalid(f"`{text}` takes {root} whole: name the one that it needs")
        yield member["value"]
        return
    # `identity` is the scope itself, which a wildcard takes apart: `*."x-token"`.
    if _is_field(node, root) or node["type"] in ("current", "identity"):
        raise ConfigurationInvalid(f"`{text}` takes {root} whole: name the one that it needs")
    if node["type"] == "expref":  # sees a list's items
        return
    for child in children[:1] if node["type"] in _LEFT_TO_RIGHT else children:
        yield from _members(child, root, text)


def _is_field(node: Mapping[str, Any], name: str) -> bool:
    return bool(node["type"] == "field" and node["value"] == name)


def _reason(exc: Exception) -> str:
    """Return a parser's message without the expression, which it repeats in the lines after the first."""
    first = next(iter(str(exc).splitlines()), type(exc).__name__).rstrip(":")
    reason = first.removeprefix("Bad jmespath expression: ").removesuffix(", for expression")
    return reason + _HINTS.get(reason, "")


def read_expression(table: Table, name: str, proof: RequestFields) -> Expression | None:
    """Compile a key's expression, which can read headers and query parameters, but not the sender's proof.

    A mistake is added to the table's report, and the result is None then.
    """
    return table.compiled(name, lambda text: _without(proof, Expression.compile(text)), None)


def _without(proof: RequestFields, expression: Expression) -> Expression:
    expression.forbid(proof)
    return expression

"""Expressions (JMESPath) and templates (text with expressions in `{{ }}`), compiled once.

https://jmespath.org/specification.html. The added functions (docs/writing-a-source.md) take null and
give null back, because a webhook's fields are null as often as not.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import jmespath
from jmespath import exceptions, functions
from jmespath.parser import ParsedResult

from push_relay.core.errors import ConfigurationInvalid, MappingFailed
from push_relay.core.graphemes import cut
from push_relay.core.phone_text import is_blank
from push_relay.core.rules.configuration import Table

type Scope = Mapping[str, Any]

#: Characters in which `first_line` looks for a line. Strangers write the text, and each blank line takes
#: microseconds.
_FIRST_LINE_CHARS = 20_000


class _Functions(functions.Functions):
    @functions.signature({"types": ["string", "null"]}, {"types": ["number"]})
    def _func_truncate(self, text: str | None, limit: float) -> str | None:
        return None if text is None else cut(text, int(limit))

    @functions.signature({"types": ["object"]}, {"types": ["string", "null"]})
    def _func_lookup(self, table: dict[str, Any], key: str | None) -> object:
        return None if key is None else table.get(key)

    @functions.signature({"types": ["string", "null"]})
    def _func_first_line(self, text: str | None) -> str | None:
        if text is None:
            return None
        lines = text[:_FIRST_LINE_CHARS].splitlines()
        return next((line.strip() for line in lines if not is_blank(line)), "")

    @functions.signature({"types": ["string", "null"]})
    def _func_upper(self, text: str | None) -> str | None:
        return None if text is None else text.upper()

    @functions.signature({"types": ["string", "number", "null"]}, {"types": ["string"]})
    def _func_date(self, moment: str | float | None, pattern: str) -> str | None:
        """Format an ISO 8601 text or seconds since the epoch, in UTC (strftime's pattern)."""
        if moment is None:
            return None
        if isinstance(moment, str):
            when = datetime.fromisoformat(moment)
            when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
        else:
            when = datetime.fromtimestamp(moment, UTC)
        return when.strftime(pattern)

    @functions.signature({"types": [], "variadic": True})
    def _func_first_text(self, *candidates: object) -> str | None:
        return next(_texts(candidates), None)

    @functions.signature({"types": ["string"]}, {"types": [], "variadic": True})
    def _func_join_text(self, separator: str, *parts: object) -> str | None:
        return separator.join(_texts(parts)) or None

    @functions.signature({"types": ["string"]}, {"types": []}, {"types": ["string"]})
    def _func_enclose(self, before: str, text: object, after: str) -> str | None:
        return next((f"{before}{inner}{after}" for inner in _texts([text])), None)

    @functions.signature({"types": []})
    def _func_name_of_arn(self, text: object) -> str | None:
        from push_relay.core.rules.readable import with_names  # noqa: PLC0415 (few sources use it)

        return with_names(text) if isinstance(text, str) else None

    @functions.signature({"types": [], "variadic": True})
    def _func_first_readable(self, *candidates: object) -> str | None:
        from push_relay.core.rules.readable import is_json, with_names  # noqa: PLC0415 (as above)

        return next((with_names(text) for text in _texts(candidates) if not is_json(text)), None)

    @functions.signature({"types": []})
    def _func_list_fields(self, fields: object) -> str | None:
        from push_relay.core.rules.readable import list_fields  # noqa: PLC0415 (as above)

        return list_fields(fields) if isinstance(fields, dict) else None


def _texts(values: Iterable[object]) -> Iterator[str]:
    """Yield numbers, and texts that are not blank without the space round them, also those in lists."""
    for value in values:
        match value:
            case bool():
                continue
            case int() | float():
                yield str(value)
            case str() if not is_blank(value):
                yield value.strip()
            case list():
                yield from _texts(value)


#: The functions added to JMESPath's own.
FUNCTIONS = tuple(name.removeprefix("_func_") for name in vars(_Functions) if name.startswith("_func_"))

_OPTIONS = jmespath.Options(custom_functions=_Functions())


class Expression:
    """One compiled expression. Call it with a scope to get a JSON value."""

    __slots__ = ("_compiled", "text")

    def __init__(self, text: str, compiled: ParsedResult) -> None:
        self.text = text
        self._compiled = compiled

    @classmethod
    def compile(cls, text: str) -> "Expression":
        """Compile an expression. Raises ConfigurationInvalid with the place of the mistake."""
        try:
            compiled = jmespath.compile(text)
        except exceptions.JMESPathError as exc:
            raise ConfigurationInvalid(f"`{text}` is not a JMESPath expression: {_reason(exc)}") from exc
        _check_functions(text, compiled.parsed)
        return cls(text, compiled)

    def __call__(self, scope: Scope) -> object:
        """Return the expression's value. Raises MappingFailed, which names the expression, not the values."""
        try:
            value: object = self._compiled.search(scope, options=_OPTIONS)
        except Exception:  # noqa: BLE001 (whatever an expression raises on a document is the mapping's failure)
            # These errors quote the values: break the chain.
            raise MappingFailed(f"`{self.text}` cannot be evaluated on this event") from None
        return value

    def holds(self, scope: Scope) -> bool:
        """Tell whether the value is true in JMESPath's sense (not false, null or empty)."""
        value = self(scope)
        # Not by `in`: to Python 0 is False, and in JMESPath it is true.
        return value is not None and value is not False and value not in ("", [], {})

    def names(self, root: str) -> frozenset[str]:
        """Return the members of `root` that the expression reads: `headers.a || data.headers.b` reads a.

        Raises ConfigurationInvalid if it takes `root` whole, because the ones to keep are not known then.
        """
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


class Template(NamedTuple):
    """Text with expressions in `{{ }}`, or a constant. Call it with a scope."""

    text: str
    parts: tuple[str | Expression, ...]

    @classmethod
    def compile(cls, text: str) -> "Template":
        """Compile a template. Raises ConfigurationInvalid for an expression that is wrong or not closed."""
        return cls(text, tuple(_parts(text)))

    def __call__(self, scope: Scope) -> str:
        """Return the text with each expression's value in its place; null is nothing.

        A value can only ever become text: it cannot open another expression. Raises MappingFailed for a
        value that is not a text, a number or a boolean.
        """
        return "".join(part if isinstance(part, str) else self._as_text(part(scope)) for part in self.parts)

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
        return tuple(part for part in self.parts if isinstance(part, Expression))

    def _as_text(self, value: object) -> str:
        match value:
            case None:
                return ""
            case bool():
                return "true" if value else "false"
            case str() | int() | float():
                return str(value)
            case _:
                raise MappingFailed(f"`{self.text}` puts an object or a list into a text")


def _parts(text: str) -> Iterator[str | Expression]:
    position = 0
    while (start := text.find("{{", position)) >= 0:
        if start > position:
            yield text[position:start]
        expression, position = _expression_at(text, start)
        yield expression
    if position < len(text):
        yield text[position:]


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


def _check_functions(text: str, node: Mapping[str, Any]) -> None:
    for inner in _walk(node):
        if inner["type"] == "function_expression" and not hasattr(_Functions, f"_func_{inner['value']}"):
            raise ConfigurationInvalid(f"`{text}` calls {inner['value']}(), which does not exist")


def _walk(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for child in node.get("children", ()):
        if isinstance(child, Mapping):
            yield from _walk(child)


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
    children = [child for child in node.get("children", ()) if isinstance(child, Mapping)]
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


def read_template(table: Table, name: str, proof: RequestFields) -> Template:
    """Compile a key's template, which must not read the sender's proof either.

    A mistake is added to the table's report, and the result is an empty template then.
    """
    return table.compiled(name, lambda text: compile_template(text, proof), _EMPTY)


def compile_template(text: str, proof: RequestFields) -> Template:
    """Compile a template that must not read the sender's proof. Raises ConfigurationInvalid."""
    template = Template.compile(text)
    for expression in template.expressions:
        _without(proof, expression)
    return template


def _without(proof: RequestFields, expression: Expression) -> Expression:
    expression.forbid(proof)
    return expression


_EMPTY = Template("", ())

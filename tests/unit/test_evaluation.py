"""The evaluation of expressions gives what JMESPath's interpreter gives, whatever the document has."""

import json
from collections.abc import Iterator
from typing import Any

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as st

import shipped
from push_relay.adapters.catalog import read_source_folder
from push_relay.core.rules.evaluation import INTERPRETER, evaluation, is_false
from push_relay.core.rules.expression import Expression
from push_relay.core.rules.functions import Functions
from push_relay.core.rules.source import Source
from push_relay.core.rules.template import Template

NAMES = ("a", "b", "items")
LITERALS = (
    "`0`",
    "`1`",
    "`1.0`",
    "`true`",
    "`false`",
    "`null`",
    "`[]`",
    "`{}`",
    "''",
    "'a'",
    '`""`',
    "`[1, 2]`",
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.sampled_from([0, 1, 2, 1.0, 0.0, "", "a", "b", "1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=8,
)


def _combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.tuples(inner, inner)
    calls = st.tuples(
        st.sampled_from(sorted(Functions.FUNCTION_TABLE)), st.lists(inner, min_size=1, max_size=3)
    )
    return st.one_of(
        pairs.map(lambda pair: f"{pair[0]} && {pair[1]}"),
        pairs.map(lambda pair: f"({pair[0]} || {pair[1]})"),
        st.tuples(inner, st.sampled_from(["==", "!=", "<", ">="]), inner).map(" ".join),
        inner.map(lambda each: f"!({each})"),
        inner.map(lambda each: f"({each}).a"),
        inner.map(lambda each: f"({each})[0]"),
        inner.map(lambda each: f"({each})[-1].b.a"),
        inner.map(lambda each: f"({each})[*].a"),
        inner.map(lambda each: f"({each})[].b"),
        inner.map(lambda each: f"({each})[1:]"),
        inner.map(lambda each: f"({each}).*"),
        pairs.map(lambda pair: f"({pair[0]})[?{pair[1]}].a"),
        pairs.map(lambda pair: f"[{pair[0]}, {pair[1]}]"),
        pairs.map(lambda pair: f"{{a: {pair[0]}, b: {pair[1]}}}"),
        pairs.map(lambda pair: f"{pair[0]} | {pair[1]}"),
        calls.map(lambda call: f"{call[0]}({', '.join(call[1])})"),
        inner.map(lambda each: f"sort_by({each}, &a)"),
        inner.map(lambda each: f"map(&a.b, {each})"),
    )


EXPRESSIONS = st.recursive(
    st.sampled_from([*NAMES, "@", "a.b", "a.items.b", *LITERALS]), _combined, max_leaves=6
)


def came_to(evaluate: Any, document: object) -> str:
    """Return what an evaluation has come to, with its types, or the kind of its error."""
    try:
        return repr(evaluate(document))
    except Exception as exc:  # noqa: BLE001 (it is compared)
        return type(exc).__name__


@given(EXPRESSIONS, VALUES)
def test_an_expression_comes_to_what_the_interpreter_returns(text: str, document: object) -> None:
    """The same value, of the same types, or the same error."""
    tree = jmespath.compile(text).parsed
    expected = came_to(lambda value: INTERPRETER.visit(tree, value), document)
    assert came_to(evaluation(tree), document) == expected


@given(VALUES)
def test_a_value_is_false_if_it_is_for_the_interpreter(value: object) -> None:
    """0 is not."""
    assert is_false(value) is bool(INTERPRETER._is_false(value))


@pytest.mark.parametrize("name", shipped.names())
def test_the_shipped_expressions_come_to_the_same(name: str) -> None:
    """For each example of the source, and for documents of other shapes."""
    source = read_source_folder(shipped.FOLDERS / name)
    examples = [
        json.loads(file.read_text("utf-8")) for file in (shipped.FOLDERS / name).glob("examples/*.json")
    ]
    documents = [{"data": _content(example), "type": "a"} for example in examples]
    expressions = [*_of_messages(source), *source.named_values.values()]
    for expression in expressions:
        for document in (*documents, {}, {"data": []}, {"data": {"action": 1}, "type": None}):
            expected = came_to(lambda value, tree=expression.tree: INTERPRETER.visit(tree, value), document)
            assert came_to(evaluation(expression.tree), document) == expected, expression.text


def _content(example: Any) -> Any:
    return example.get("body", example) if isinstance(example, dict) else example


def _of_messages(source: Source) -> Iterator[Expression]:
    for rule in source.messages:
        yield from (rule.when,) if rule.when else ()
        for part in () if rule.skip else (rule.title, rule.body, rule.sound, rule.expiry_secs):
            yield from part.expressions if isinstance(part, Template) else ()

"""The index leaves out routes whose conditions are false, and changes no result."""

import json
from typing import Any, Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from push_relay.core.event import Event
from push_relay.core.rules.expression import Expression
from push_relay.core.rules.index import Node, candidates
from push_relay.core.rules.index_building import build_index
from push_relay.core.rules.requirements import required_by
from push_relay.core.rules.routes import Routes
from push_relay.core.rules.routing import Routed, Routing
from push_relay.core.rules.routing_file import read_routing

#: A slice with the step 0 raises an error for a list, and only for a list.
RAISES: Final = "data.items[::0]"
NAMES: Final = ["a", "b", '"x y"']
LITERALS: Final = ["'x'", "'y'", "''", "'1'", "`1`", "`1.0`", "`0`", "`true`", "`null`", "`[1]`", "`2.5`"]
PATHS: Final = st.one_of(
    st.sampled_from(["data.a", "data.b"]),
    st.sampled_from(["data.a", "data.b"]),
    st.sampled_from(["type", "id", "source", "missing", "headers.h", "query.q"]),
    st.sampled_from(["data.items[0].a", "data.items[-1]", "data.items[*].a", "data.items[].a"]),
    st.sampled_from(["data.a.type(@)", "data.a | to_string(@)", "[data.a, data.b]", "data.*.a", RAISES]),
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(lambda names: ".".join(["data", *names])),
)
CONDITIONS: Final = st.recursive(
    st.one_of(
        PATHS,
        st.tuples(PATHS, st.sampled_from(["==", "!=", "<", ">="]), st.sampled_from(LITERALS)).map(" ".join),
        st.tuples(st.sampled_from(LITERALS), st.sampled_from(["==", "<="]), PATHS).map(" ".join),
        st.tuples(PATHS, st.just("=="), PATHS).map(" ".join),
        PATHS.map(lambda path: f"contains(['x', 'y'], {path})"),
        PATHS.map(lambda path: f'contains(`["x", 1]`, {path})'),
        PATHS.map(lambda path: f"contains({path}, 'x')"),
        PATHS.map(lambda path: f"contains({path}, data.b)"),
        PATHS.map(lambda path: f"starts_with({path}, 'x')"),
        PATHS.map(lambda path: f"lower({path}) == 'x'"),
        PATHS.map(lambda path: f"length({path}) > `0`"),
        PATHS.map(lambda path: f"data.items[?a == {path}]"),
    ),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(lambda parts: f"({' '.join(parts)})"),
        inner.map(lambda condition: f"!({condition})"),
    ),
    max_leaves=6,
)
SCALARS: Final = st.sampled_from(["x", "y", "", "1", 1, 1.0, 0, True, False, None, 2.5, 10**20])
VALUES: Final = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "x y"]), inner),
    max_leaves=5,
)
DATA: Final = st.fixed_dictionaries({}, optional={"a": VALUES, "b": VALUES, "x y": VALUES, "items": VALUES})
REQUEST: Final = st.dictionaries(st.sampled_from(["h", "q"]), st.sampled_from(["x", "y"]))
EVENTS: Final = st.builds(
    Event,
    source=st.sampled_from(["shop", "other"]),
    id=st.sampled_from(["x", "1"]),
    type=st.sampled_from(["x", "y", ""]),
    data=DATA,
    received_at=st.just(1.0),
    identity=st.just("i"),
    headers=REQUEST,
    query=REQUEST,
)
ROUTES: Final = st.lists(
    st.fixed_dictionaries(
        {
            "source": st.sampled_from(["shop", "shop", "other"]),
            "to": st.lists(
                st.sampled_from(["user:1", "user:2", "person:ada", "person:{{data.a}}", "user:{{data.b}}"]),
                min_size=1,
                max_size=2,
            ),
        },
        optional={"when": CONDITIONS, "priority": st.just("high"), "batch": st.sampled_from(["1m", "2m"])},
    ),
    max_size=40,
)


def routing_of(routes: list[dict[str, Any]]) -> Routing:
    """Return the routing of some routes."""
    return read_routing({"people": {"ada": {"user": "ada"}}, "route": routes})


def without_index(routing: Routing) -> Routing:
    """Return the same routing, which evaluates every condition."""
    entries = routing.routes.entries.items()
    plain = {name: {**entry, "index": list(range(len(entry["rows"])))} for name, entry in entries}
    return routing._replace(routes=Routes(plain))


def shown(routed: Routed) -> Any:
    """Return all that a result has, in its order, in a form that can be compared."""
    return (
        [(at, route.row(0)) for at, route in routed.recipients.items()],
        [error.detail for error in routed.failures],
        list(routed.numbers.items()),
        routed.left_out,
    )


@given(routes=ROUTES, events=st.lists(EVENTS, min_size=1, max_size=5))
@example(
    routes=[{"source": "shop", "to": ["user:1"], "when": f"{RAISES} && data.a == '{n}'"} for n in "xyz"],
    events=[Event("shop", "1", "", {"items": [1], "a": "x"}, 1.0, "i")],
)
def test_the_index_changes_no_result(routes: list[dict[str, Any]], events: list[Event]) -> None:
    """Recipients, failures, numbers and what is left out are the same as if every condition is evaluated."""
    indexed = routing_of(routes)
    # JSON has no tuples, and only texts as keys.
    from_json = indexed._replace(routes=Routes(json.loads(json.dumps(indexed.routes.entries))))
    plain = without_index(indexed)
    for event in events:
        expected = shown(plain.route(event))
        assert shown(indexed.route(event)) == expected
        assert shown(from_json.route(event)) == expected


@given(condition=CONDITIONS, event=EVENTS)
@settings(max_examples=500)
@example(condition="data.b == 'x' || data.a == 'x'", event=Event("shop", "1", "", {"a": "x"}, 1.0, "i"))
@example(condition="data.a >= 'x'", event=Event("shop", "1", "", {"a": "y"}, 1.0, "i"))
@example(condition="data.a != 'x'", event=Event("shop", "1", "", {}, 1.0, "i"))
def test_a_condition_is_false_if_a_requirement_is_not_met(condition: str, event: Event) -> None:
    """And evaluating it raises no error. The index relies on nothing else."""
    compiled = Expression.compile(condition)
    scope = event.scope()
    for (kind, path), keys in required_by(compiled):
        node: Node = {"kind": kind, "path": path, "nodes": {key: [0] for key in keys}, "rest": []}
        if candidates(node, scope) == []:
            assert not compiled.holds(scope)


def index_of(*conditions: str | None) -> Node:
    """Return the index of conditions."""
    return build_index(required_by(Expression.compile(each) if each else None) for each in conditions)


@pytest.mark.parametrize(
    "condition",
    [
        "data.name == '{}'",
        "'{}' == data.name",
        'data.name == `"{}"`',
        "data.\"name\" == '{}'",
        "type == 'sold' && data.name == '{}'",
        "(type == 'sold' && data.inner.name) && (data.count > `1` && data.name == '{}')",
        "data.name == '{}' && data.list[::0]",
        "data.name == '{}' || data.name == 'no-{}'",
        "data.name == 'no-{}' || data.name == '{}'",
        "contains(['{}', 'no-{}'], data.name)",
        'contains(`["{}"]`, data.name)',
        "contains(['sold', 'lost'], type) && data.name == '{}'",
        "lower(type) == 'sold' && data.name == '{}'",
        "!data.none && data.name == '{}'",
        "data.list[?@ == `2`] && data.name == '{}'",
        'data.by_name."{}"',
        'data.by_name."{}".deep || data.by_name."no-{}" > `1`',
        "starts_with(data.by_name.\"{}\", 'x')",
        "data.by_name.\"{}\"[0].x == 'y'",
    ],
)
def test_of_many_conditions_few_are_evaluated(condition: str) -> None:
    """The index understands these forms."""
    names = [f"name-{number}" for number in range(100)]
    index = index_of(None, *(condition.replace("{}", name) for name in names))
    data = {"name": "name-6", "by_name": {"name-6": 1}, "list": [2], "count": 2, "inner": {"name": 1}}
    assert candidates(index, {"type": "sold", "data": data}) == [0, 7]
    assert candidates(index, {"type": "sold", "data": {}}) == [0]


@pytest.mark.parametrize(
    "condition",
    [
        "data.list[::0] && data.name == '{}'",
        "data.list[::0] || data.name == '{}'",
        "data.one == data.other && data.name == '{}'",
        "contains(data.list, data.other) && data.name == '{}'",
        "data.name != '{}'",
        "!(data.name == '{}')",
        "data.name == '{}' || data.other == '{}'",
        "data.name.type(@) == '{}'",
        "data.name | @ == '{}'",
    ],
)
def test_a_condition_that_may_raise_an_error_or_is_not_understood_is_evaluated(condition: str) -> None:
    """`a && b` evaluates `a` first, and an error in it is a failure of the route."""
    index = index_of(*(condition.replace("{}", f"name-{number}") for number in range(10)))
    assert candidates(index, {"data": {"name": "name-1", "list": [1]}}) == list(range(10))


@pytest.mark.parametrize(
    ("literal", "value", "is_equal"),
    [
        ("`1`", 1, True),
        ("`1`", 1.0, True),
        ("`1.0`", 1, True),
        ("`1`", True, False),
        ("`1`", "1", False),
        ("'1'", 1, False),
        ("'1'", "1", True),
        ("`0`", False, False),
        ("`0`", -0.0, True),
        ("`9007199254740993`", 9007199254740992, False),
        ("`9007199254740993`", 9007199254740993, True),
        ("`null`", None, True),
        ("`true`", True, True),
    ],
)
def test_equal_is_what_jmespath_calls_equal(literal: str, value: object, is_equal: bool) -> None:  # noqa: FBT001
    """So a number is neither a boolean nor a text."""
    condition = f"data.n == {literal}"
    scope = {"data": {"n": value}}
    assert Expression.compile(condition).holds(scope) is is_equal
    found = candidates(index_of(condition, *(f"data.n == '{other}'" for other in "abc")), scope)
    assert found in ([[0]] if is_equal else [[], [0]])


def test_a_deep_condition_is_evaluated() -> None:
    """Python ends calls that are too deep with an error, and the route fails then."""
    condition = " && ".join(["type == 'x'"] * 2000)
    others = [f"type == '{other}'" for other in "abc"]
    assert candidates(index_of(condition, *others), {"type": "z"}) == [0]


def test_the_routes_that_are_left_out_are_listed_without_being_evaluated() -> None:
    """The first are listed and the others counted, as if each had been evaluated."""
    routes = [{"source": "shop", "to": "user:1", "when": f"data.n == `{n}`"} for n in range(1000)]
    routing = routing_of([{"source": "other", "to": "user:1"}, *routes])
    event = Event("shop", "1", "", {"n": -1}, 1.0, "i")
    assert list(routing.routes.of_source("shop").candidates(event.scope())) == []
    left_out = routing.route(event).left_out
    assert left_out == (*(f"route[{n}].when false" for n in range(2, 22)), "980 more")
    of_nobody = "person:{{ data.nobody }}"
    routing = routing_of([{"source": "shop", "to": of_nobody}, *routes])
    left_out = routing.route(event).left_out
    assert (left_out[0], left_out[1], left_out[-1]) == (
        "route[1].to[1] blank",
        "route[2].when false",
        "980 more",
    )


def test_a_condition_with_many_alternatives_does_not_multiply() -> None:
    """The index of one condition for each of a hundred keys, of each of two aspects, would be large."""
    lists = [", ".join(f"'{number}'" for number in range(at, at + 100)) for at in range(0, 5000, 50)]
    conditions = [f"contains([{texts}], data.a) && contains([{texts}], data.b)" for texts in lists]
    assert index_of(*conditions) == list(range(100))

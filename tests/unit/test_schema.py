"""An event is held against its source's schema: every breach told, no value shown, no pattern runs away."""

import json
import os
import subprocess
import sys
import time
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from push_relay.core.errors import ConfigurationInvalid, SchemaViolation, Violation
from push_relay.core.rules.schema import MAX_VIOLATIONS, Schema

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def violations(schema: dict[str, Any], event: dict[str, Any]) -> tuple[Violation, ...]:
    """Return every breach."""
    with pytest.raises(SchemaViolation) as broken:
        Schema.compile(schema).check(event)
    assert "planted" not in str(broken.value)
    return broken.value.violations


def test_ten_breaches_are_ten_told() -> None:
    """A sender mends all of them at once."""
    schema = {"properties": {f"p{i}": {"type": "integer"} for i in range(10)}}
    told = violations(schema, {f"p{i}": "planted" for i in range(10)})
    assert {(v.pointer, v.rule) for v in told} == {(f"/p{i}", "type") for i in range(10)}


def test_what_is_told_is_bounded() -> None:
    """A thousand breaches fill no log."""
    schema = {"properties": {"list": {"items": {"type": "integer"}}}}
    assert len(violations(schema, {"list": ["planted"] * 1_000})) == MAX_VIOLATIONS


@pytest.mark.parametrize("filler", [None, 0, "planted", {"planted": None}, ["planted"], {"a": {"b": [None]}}])
def test_of_a_large_event_the_first_breach_alone_is_told(filler: object) -> None:
    """Half a million of them, each with a copy of what it is about, would fill the function's memory."""
    schema = {
        "properties": {"list": {"items": {"type": "integer"}}},
        "required": ["list"],
        "minProperties": 3,
    }
    assert len(violations(schema, {"list": ["planted"], "more": filler})) == 2
    assert len(violations(schema, {"list": ["planted"], "more": [filler] * 40_000})) == 1


_LARGE = """
import json, resource, sys
from push_relay.core.errors import SchemaViolation
from push_relay.core.rules.schema import Schema
schema = Schema.compile({"properties": {"list": {"items": {"type": "string"}}}})
event = json.loads(sys.stdin.read())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    schema.check(event)
except SchemaViolation as exc:
    print(len(exc.violations), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_great_many_breaches_cost_no_memory() -> None:
    """A body of 1 MB that breaks half a million rules: the validator's own list of them takes 700 MB."""
    body = json.dumps({"list": [0] * 500_000}, separators=(",", ":"))
    done = subprocess.run(  # noqa: S603 - our own interpreter: the memory is not Python's to measure
        [sys.executable, "-c", _LARGE],
        input=body,
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    told, kibibytes = map(int, done.stdout.split())
    assert told == 1
    assert kibibytes < 50_000


def test_missing_fields_are_told_by_name() -> None:
    """Ten of them at one place would look alike; the names are the schema's."""
    schema = {"properties": {"a": {"required": ["b", "c/d"]}}, "required": ["e"]}
    told = violations(schema, {"a": {"planted": 1}})
    assert set(told) == {Violation(p, "required") for p in ("/a/b", "/a/c~1d", "/e")}


@pytest.mark.parametrize(
    ("schema", "rule"),
    [
        ({"type": "integer"}, "type"),
        ({"enum": ["a"]}, "enum"),
        ({"const": "a"}, "const"),
        ({"pattern": "^a"}, "pattern"),
        ({"format": "email"}, "format"),
        ({"maxLength": 1}, "maxLength"),
        ({"not": {"type": "string"}}, "not"),
        ({"oneOf": [{"type": "integer"}]}, "oneOf"),
        (False, "falseSchema"),
    ],
    ids=str,
)
def test_a_breach_is_a_pointer_and_a_rule(schema: Any, rule: str) -> None:
    """Never the value, whichever keyword it breaks."""
    assert violations({"properties": {"a": schema}}, {"a": "planted"}) == (Violation("/a", rule),)


def test_keys_that_the_sender_chose_are_not_shown() -> None:
    """A pointer is written in the schema's own names: a key may be a person's address."""
    schema = {
        "properties": {"a/b~c": {"additionalProperties": {"items": {"type": "integer"}}}},
        "required": ["mine"],
        "additionalProperties": False,
    }
    told = violations(schema, {"a/b~c": {"planted@example.com": [1, "planted"]}, "planted": 1})
    assert {v.pointer for v in told} == {"/a~1b~0c/*/1", "", "/mine"}


@pytest.mark.parametrize(
    "reference",
    [
        "https://example.com/schema.json",
        "file:///etc/passwd",
        "other.json",
        "http://127.0.0.1:1/x",
        "#/$defs/no",
    ],
)
def test_a_reference_to_elsewhere_is_refused(reference: str) -> None:
    """Nothing is fetched, neither at build time nor by an event."""
    with pytest.raises(ConfigurationInvalid):
        Schema.compile({"$schema": DRAFT, "properties": {"a": {"$ref": reference}}})


def test_a_reference_within_is_followed() -> None:
    """`$defs` are the schema's own."""
    schema = {"$defs": {"n": {"type": "integer"}}, "properties": {"a": {"$ref": "#/$defs/n"}}}
    assert violations(schema, {"a": "planted"}) == (Violation("/a", "type"),)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nosuch"},
        {"properties": []},
        {"pattern": "("},
        {"minimum": "planted"},
        {"required": "a"},
        {"$schema": "https://example.com/mine"},
    ],
    ids=str,
)
def test_a_wrong_schema_is_a_configuration_mistake(schema: dict[str, Any]) -> None:
    """In one line, so that it fits behind file and line."""
    with pytest.raises(ConfigurationInvalid) as wrong:
        Schema.compile(schema)
    assert "\n" not in wrong.value.detail


def test_no_pattern_runs_away() -> None:
    """The classic exponential pattern, against a text that takes a backtracking engine for ever."""
    schema = Schema.compile({"properties": {"a": {"pattern": "^(a+)+$"}}})
    started = time.process_time()
    with pytest.raises(SchemaViolation):
        schema.check({"a": "a" * 100_000 + "!"})
    assert time.process_time() - started < 1


@pytest.mark.parametrize("pattern", ["^(?=a)(a+)+$", "(a)\\1", "^(?<!b)a"])
def test_a_pattern_that_needs_backtracking_is_a_configuration_mistake(pattern: str) -> None:
    """Look-around and back references are what no linear engine can match."""
    with pytest.raises(ConfigurationInvalid):
        Schema.compile({"properties": {"a": {"pattern": pattern}}})


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("email", "ada@example.com", "planted"),
        ("date-time", "2026-11-20T08:30:00Z", "2026-11-20 planted"),
        ("date", "2026-11-20", "2026-13-20"),
        ("uri", "https://example.com/", "planted"),
        ("uuid", "72d3162e-cc78-11e3-81ab-4c9367dc0958", "planted"),
        ("ipv4", "127.0.0.1", "127.0.0.256"),
    ],
)
def test_formats_are_asserted(name: str, good: str, bad: str) -> None:
    """`format` is no mere annotation here."""
    schema = {"properties": {"a": {"format": name}}}
    Schema.compile(schema).check({"a": good})
    assert violations(schema, {"a": bad}) == (Violation("/a", "format"),)


@pytest.mark.parametrize(
    ("draft", "breaks"),
    [
        ("http://json-schema.org/draft-07/schema#", True),
        ("http://json-schema.org/draft-04/schema#", True),
        ("https://json-schema.org/draft/2019-09/schema", True),
        (DRAFT, False),
    ],
)
def test_the_draft_is_that_of_the_schema(draft: str, breaks: bool) -> None:  # noqa: FBT001
    """A list under `items` is a tuple in the older drafts; since 2020-12 that is `prefixItems`."""
    document = {"$schema": draft, "properties": {"a": {"items": [{"type": "integer"}]}}}
    if not breaks:
        with pytest.raises(ConfigurationInvalid):
            Schema.compile(document)
        return
    assert violations(document, {"a": ["planted"]}) == (Violation("/a/0", "type"),)


NAMES = st.sampled_from(["a", "b", "c"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text("ab", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
TYPES = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
SCHEMAS = st.recursive(
    st.one_of(
        st.booleans(),
        st.builds(lambda kind: {"type": kind}, TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True)),
        st.builds(lambda value: {"const": value}, VALUES),
        st.builds(lambda values: {"enum": values}, st.lists(VALUES, min_size=1, max_size=3)),
        st.builds(lambda n: {"minimum": n}, st.integers(-9, 9)),
        st.builds(lambda n: {"multipleOf": n}, st.integers(1, 4)),
        st.builds(lambda n: {"maxLength": n, "minItems": n}, st.integers(0, 3)),
        st.builds(lambda names: {"required": names}, st.lists(NAMES, max_size=2, unique=True)),
        st.just({"uniqueItems": True}),
    ),
    lambda inner: st.one_of(
        st.builds(
            lambda p, more: {"properties": p, "additionalProperties": more},
            st.dictionaries(NAMES, inner),
            inner,
        ),
        st.builds(lambda item, first: {"items": item, "prefixItems": [first]}, inner, inner),
        st.builds(
            lambda word, subs: {word: subs},
            st.sampled_from(["allOf", "anyOf", "oneOf"]),
            st.lists(inner, min_size=1, max_size=3),
        ),
        st.builds(lambda sub: {"not": sub}, inner),
        st.builds(lambda sub: {"contains": sub}, inner),
        st.builds(lambda i, t, e: {"if": i, "then": t, "else": e}, inner, inner, inner),
    ),
    max_leaves=6,
)


@settings(max_examples=300)
@given(SCHEMAS.filter(lambda schema: isinstance(schema, dict)), st.dictionaries(NAMES, VALUES, max_size=3))
def test_it_agrees_with_the_reference_implementation(schema: dict[str, Any], event: dict[str, Any]) -> None:
    """jsonschema-rs is the fast one and jsonschema the one that everybody checks against."""
    compiled = Schema.compile({"$schema": DRAFT, **schema})
    try:
        compiled.check(event)
        ours = True
    except SchemaViolation as exc:
        ours = False
        told = exc.violations
        assert told
    assert ours is jsonschema.Draft202012Validator(schema).is_valid(event)

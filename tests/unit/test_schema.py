"""An event is checked against the schema of its source.

The violations are reported without any value of the event, and no pattern takes long to match.
"""

import json
import os
import subprocess
import sys
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpu_cost import cost
from push_relay.core.errors import ConfigurationInvalid, SchemaViolation, Violation
from push_relay.core.rules.schema import MAX_VIOLATIONS, Schema

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def violations(schema: dict[str, Any], event: dict[str, Any]) -> tuple[Violation, ...]:
    """Return every violation."""
    with pytest.raises(SchemaViolation) as broken:
        Schema.compile(schema).check(event)
    assert "planted" not in str(broken.value)
    return broken.value.violations


def test_all_of_ten_violations_are_reported() -> None:
    """The sender's developer can correct all of them at once."""
    schema = {"properties": {f"p{i}": {"type": "integer"} for i in range(10)}}
    reported = violations(schema, {f"p{i}": "planted" for i in range(10)})
    assert {(v.pointer, v.rule) for v in reported} == {(f"/p{i}", "type") for i in range(10)}


def test_the_number_of_reported_violations_is_limited() -> None:
    """An event with a thousand violations must not fill the log."""
    schema = {"properties": {"list": {"items": {"type": "integer"}}}}
    assert len(violations(schema, {"list": ["planted"] * 1_000})) == MAX_VIOLATIONS


@pytest.mark.parametrize("filler", [None, 0, "planted", {"planted": None}, ["planted"], {"a": {"b": [None]}}])
def test_only_the_first_violation_of_a_large_event_is_reported(filler: object) -> None:
    """Half a million violations, each with a copy of its value, would fill the function's memory."""
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


def test_a_very_large_number_of_violations_uses_little_memory() -> None:
    """The body has 1 MB and breaks half a million rules: the validator's own list of these takes 700 MB."""
    body = json.dumps({"list": [0] * 500_000}, separators=(",", ":"))
    done = subprocess.run(  # noqa: S603 - our own interpreter: the memory is outside Python's own counting
        [sys.executable, "-c", _LARGE],
        input=body,
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    reported, kibibytes = map(int, done.stdout.split())
    assert reported == 1
    assert kibibytes < 50_000


def test_missing_fields_are_reported_by_name() -> None:
    """Without their names, ten violations at one place would look alike. The names are the schema's."""
    schema = {"properties": {"a": {"required": ["b", "c/d"]}}, "required": ["e"]}
    reported = violations(schema, {"a": {"planted": 1}})
    assert set(reported) == {Violation(p, "required") for p in ("/a/b", "/a/c~1d", "/e")}


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
def test_a_violation_is_a_pointer_and_a_rule(schema: Any, rule: str) -> None:
    """The value is never reported, for any keyword."""
    assert violations({"properties": {"a": schema}}, {"a": "planted"}) == (Violation("/a", rule),)


def test_keys_that_the_sender_chose_are_not_reported() -> None:
    """A key may be a person's address, so a pointer has only names that are in the schema."""
    schema = {
        "properties": {"a/b~c": {"additionalProperties": {"items": {"type": "integer"}}}},
        "required": ["mine"],
        "additionalProperties": False,
    }
    reported = violations(schema, {"a/b~c": {"planted@example.com": [1, "planted"]}, "planted": 1})
    assert {v.pointer for v in reported} == {"/a~1b~0c/*/1", "", "/mine"}


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
def test_a_reference_to_another_document_is_a_configuration_mistake(reference: str) -> None:
    """Nothing may be fetched, neither at build time nor because of an event."""
    with pytest.raises(ConfigurationInvalid):
        Schema.compile({"$schema": DRAFT, "properties": {"a": {"$ref": reference}}})


def test_a_reference_within_the_schema_is_followed() -> None:
    """`$defs` belong to the schema itself."""
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
def test_an_invalid_schema_is_a_configuration_mistake(schema: dict[str, Any]) -> None:
    """The error is one line, so that it can follow a file and a line number."""
    with pytest.raises(ConfigurationInvalid) as wrong:
        Schema.compile(schema)
    assert "\n" not in wrong.value.detail


def test_every_pattern_is_matched_in_linear_time() -> None:
    """A backtracking engine would take exponential time for this well-known pattern."""
    schema = Schema.compile({"properties": {"a": {"pattern": "^(a+)+$"}}})

    def check() -> None:
        with pytest.raises(SchemaViolation):
            schema.check({"a": "a" * 100_000 + "!"})

    assert cost(check) < 300


@pytest.mark.parametrize("pattern", ["^(?=a)(a+)+$", "(a)\\1", "^(?<!b)a"])
def test_a_pattern_that_needs_backtracking_is_a_configuration_mistake(pattern: str) -> None:
    """No linear engine can match look-around or back references."""
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
def test_formats_are_checked(name: str, good: str, bad: str) -> None:
    """In JSON Schema `format` is only an annotation by default."""
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
def test_the_draft_is_the_one_that_the_schema_names(draft: str, breaks: bool) -> None:  # noqa: FBT001
    """In older drafts a list under `items` is a tuple. Since 2020-12 it is an error: use `prefixItems`."""
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
def test_the_validator_agrees_with_the_reference_implementation(
    schema: dict[str, Any], event: dict[str, Any]
) -> None:
    """jsonschema-rs is fast, and jsonschema is the usual reference for correctness."""
    compiled = Schema.compile({"$schema": DRAFT, **schema})
    try:
        compiled.check(event)
        ours = True
    except SchemaViolation as exc:
        ours = False
        reported = exc.violations
        assert reported
    assert ours is jsonschema.Draft202012Validator(schema).is_valid(event)

"""The wording of message rules: named values, optional parts of templates, and events that are skipped."""

from typing import Any

import pytest

from push_relay.core.errors import ConfigurationInvalid, MappingFailed
from push_relay.core.event import Event
from push_relay.core.rules.source import Source, read_source
from push_relay.core.rules.template import Template


def source(**tables: Any) -> Source:
    """Return a source with message rules and named values."""
    return read_source("kiln", {"title": "Kiln", "docs": "x", **tables}, {})


def event(**data: Any) -> Event:
    """Return an event of the source."""
    return Event("kiln", "1", "hot", data, 1.0, "i", headers={"x-part": "lid"})


def title(made: Source, **data: Any) -> str:
    """Return the title that a source writes."""
    wording = made.wording(event(**data)).wording
    assert wording
    return wording.title


RULE = {"title": "{{ where }}: {{ note }}", "body": "b"}


def test_message_rules_read_named_values() -> None:
    """A value can read the values above it, the event's own parts and its headers."""
    made = source(
        value={
            "oven": "first_text(data.oven, 'an oven')",
            "where": "join_text(' of ', headers.\"x-part\", oven)",
            "note": "upper(type)",
        },
        message=[{**RULE, "when": "oven != 'an oven'"}, {**RULE, "title": "{{ oven }}"}],
    )
    assert title(made, oven="oven 4") == "lid of oven 4: HOT"
    assert title(made) == "an oven"
    assert made.reads.headers == {"x-part"}


def test_a_value_that_reads_itself_is_null() -> None:
    """It must not run for ever."""
    made = source(value={"where": "first_text(where, note)", "note": "where || 'x'"}, message=[RULE])
    assert title(made) == "x: x"


def test_a_value_that_fails_does_so_for_each_rule() -> None:
    """The second rule must not read null and write half of its message."""
    rules = [{**RULE, "when": "broken"}, {"title": "t{{ broken }}", "body": "b"}]
    made = source(value={"where": "'w'", "note": "'n'", "broken": "data.a[::0]"}, message=rules)
    with pytest.raises(MappingFailed, match=r"message\[2\]"):
        made.wording(event(a=[1]))


def test_a_value_is_evaluated_once_for_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long expression that ten rules read costs as much as one."""
    made = source(
        value={"where": "data.a", "note": "'n'"},
        message=[{**RULE, "when": "where == 'x'"}, {**RULE, "when": "where == 'y'"}, RULE],
    )
    calls: list[object] = []
    expression = made.named_values["where"]
    monkeypatch.setattr(
        made,
        "named_values",
        {"where": lambda scope: calls.append(1) or expression(scope), "note": expression},
    )
    assert title(made, a="z") == "z: z"
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"where": "data."}, "value.where"),
        ({"data": "query.a"}, "value.data"),
        ({"the-place": "data.a"}, "value"),
        ({"where": 7}, "value"),
        ("x", "value"),
    ],
)
def test_a_mistake_in_a_value_is_found_by_the_check(value: object, place: str) -> None:
    """It names the value."""
    with pytest.raises(ConfigurationInvalid, match=rf"^{place}: "):
        source(value=value, message=[{"title": "t", "body": "b"}])


def test_a_value_cannot_read_the_proof() -> None:
    """A token must not reach a push."""
    with pytest.raises(ConfigurationInvalid, match="carries the sender's proof"):
        source(
            verify={"scheme": "token", "header": "X-Token"},
            value={"where": 'headers."x-token"'},
            message=[{"title": "t", "body": "b"}],
        )


@pytest.mark.parametrize(
    ("template", "data", "text"),
    [
        ("a[[ to {{ data.b }}]].", {"b": "Mia"}, "a to Mia."),
        ("a[[ to {{ data.b }}]].", {"b": " \u200b"}, "a."),
        ("a[[ to {{ data.b }}]].", {"b": []}, "a."),
        ("a[[ ({{ data.b && 'draft' }})]]", {"b": False}, "a"),
        ("a[[ ({{ data.b }})]]", {"b": 0}, "a (0)"),
        ("a[[ {{ data.b }} of {{ data.c }}]]", {"b": 1}, "a"),
        ("[[{{ data.b }}]][[{{ data.c }}]]", {"c": "x"}, "x"),
        ("[[{{ `[[1]]`[0][0] }}!]]", {}, "1!"),
        ("{{ `[[1]]`[0][0] }}", {}, "1"),
        ("a ]] b", {}, "a ]] b"),
    ],
)
def test_an_optional_part_is_left_out_with_its_value(template: str, data: dict[str, Any], text: str) -> None:
    """So a missing value leaves no separator behind."""
    assert Template.compile(template)({"data": data}) == text


def test_an_optional_part_never_becomes_a_template() -> None:
    """A stranger's value is a value, whatever it contains."""
    assert Template.compile("[[{{ data.a }}]]")({"data": {"a": "[[{{ data.b }}]]"}}) == "[[{{ data.b }}]]"


@pytest.mark.parametrize("value", [[1], {"b": 1}])
def test_an_object_or_a_list_is_left_out_of_an_optional_part_only(value: object) -> None:
    """The text around the part remains, and a text without optional parts would have a gap."""
    assert Template.compile("a[[ to {{ data.a }}]]")({"data": {"a": value}}) == "a"
    with pytest.raises(MappingFailed):
        Template.compile("a to {{ data.a }}")({"data": {"a": value}})


@pytest.mark.parametrize(
    ("template", "mistake"),
    [
        ("a [[b]]", "without an expression"),
        ("a [[ {{ data.b }}", "never closes it"),
        ("a [[ {{ data. }} ]]", "is not a JMESPath expression"),
    ],
)
def test_a_wrong_optional_part_is_found_when_it_is_compiled(template: str, mistake: str) -> None:
    """The build reports it."""
    with pytest.raises(ConfigurationInvalid, match=mistake):
        Template.compile(template)


def test_a_rule_can_skip_an_event_with_a_reason() -> None:
    """Nobody wants a push about it, and the reason is shown to the person who asks why."""
    made = source(
        message=[{"when": "type == 'hot'", "skip": "the kiln is always hot"}, {"title": "t", "body": "b"}]
    )
    result = made.wording(event())
    assert result.wording is None
    assert result.reason == "message[1] skips it: the kiln is always hot"


@pytest.mark.parametrize(
    ("rule", "mistake"),
    [
        ({"skip": "x", "title": "t"}, "the rule has `title` too"),
        ({"skip": ""}, "is empty"),
        ({"title": "t"}, "`body` is missing"),
        ({}, "`title` is missing"),
    ],
)
def test_a_rule_either_skips_an_event_or_writes_a_push(rule: dict[str, Any], mistake: str) -> None:
    """Both or neither is a mistake."""
    with pytest.raises(ConfigurationInvalid, match=mistake):
        source(message=[rule])

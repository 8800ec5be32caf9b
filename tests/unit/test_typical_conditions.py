"""`relayctl check` finds the mistakes that people make in conditions, each with a hint."""

from pathlib import Path

import pytest

from kiln import LINES, check_kiln, only, place, toml
from push_relay.core.rules.findings import ERROR, WARNING

#: A condition as a person would write it, the code of the finding, and what the message has to contain.
CERTAIN = [
    # --- names that do not exist
    ("event.type == 'firing'", "unknown_name", "write `type`"),
    ("event.severity == 'high'", "unknown_name", "write `data.severity`"),
    ("payload.severity == 'high'", "unknown_name", "write `data.severity`"),
    ("body.severity == 'high'", "unknown_name", "write `data.severity`"),
    ("github.event.severity == 'high'", "unknown_name", "write `data.severity`"),
    ("severity == 'high'", "unknown_name", "did you mean `data.severity`?"),
    ("data.severity == high", "unknown_name", "a text is in single quotes, 'high'"),
    ('type == "firing"', "unknown_name", "write a text in single quotes: 'firing'"),
    ('contains(data.tags, "hot")', "unknown_name", "write a text in single quotes: 'hot'"),
    ("data.urgent == true", "unknown_name", "backticks around it, `true`"),
    ("wehre == 'House 2'", "unknown_name", "did you mean `where`?"),
    ("value.where == 'House 2'", "unknown_name", "write `where`"),
    ("headers.\"X-Kiln-Event\" == 'alarm'", "unknown_name", 'write `headers."x-kiln-event"`'),
    ("headers.x_kiln_event == 'alarm'", "unknown_name", 'write `headers."x-kiln-event"`'),
    ("header.\"x-kiln-event\" == 'alarm'", "unknown_name", "did you mean `headers`?"),
    # --- operators
    ("type == 'firing' &&& data.urgent", "invalid_call", "`and` is `&&`"),
    ("type == 'firing' & data.urgent", "invalid_value", "`and` is `&&`"),
    ("type == 'firing' and data.urgent", "invalid_value", "`and` is `&&`"),
    ("type == 'firing' OR data.urgent", "invalid_value", "`or` is `||`"),
    ("type == 'firing' | data.urgent", "invalid_call", "`or` is `||`"),
    ("not data.urgent", "invalid_value", "`not` is `!(...)`"),
    ("!data.severity == 'high'", "wrong_type", "write `!(data.severity ...)`, or `!=`"),
    ("type = 'firing'", "invalid_value", "a comparison is `==`"),
    ("type === 'firing'", "invalid_value", "a comparison is `==`"),
    ("type !== 'firing'", "invalid_value", "a comparison is `!=`"),
    ("type is 'firing'", "invalid_value", "a comparison is `==`"),
    ("'hot' in data.tags", "invalid_value", "write `contains("),
    ("data.severity =~ 'h.*'", "invalid_value", "there are no patterns"),
    ("data.severity ?? 'low' == 'low'", "invalid_value", "write `||`"),
    ("data.site?.name == 'House 2'", "invalid_value", "so write `.`"),
    ("data.urgent ? type : 'x'", "invalid_value", "a choice is `data.x && 'then' || 'else'`"),
    ("data.level + 1 > `3`", "invalid_value", "there is no `+`"),
    # --- members and items
    ("data['severity'] == 'high'", "invalid_value", "a member is read with a dot"),
    ("data.labels.0.name == 'hot'", "invalid_value", "`data.list[0]`"),
    ("data.@type == 'x'", "invalid_value", '`data."@type"`'),
    ("data.x-y == 'x'", "invalid_value", 'a name with a hyphen is quoted: `data."order-id"`'),
    ("data.labels.map(x => x.name)", "invalid_value", "`data.list[].name`"),
    # --- texts, numbers and constants
    ("data.level > 2", "invalid_value", "a number is in backticks"),
    ("length(data.labels) > '2'", "invalid_comparison", "write `2` with the backticks"),
    ("type > `5`", "invalid_comparison", "numbers with numbers, and texts with texts"),
    ("type == `5`", "invalid_comparison", "write '5' in single quotes"),
    ("length(data.labels) == '2'", "invalid_comparison", "write `2` with the backticks"),
    ("type == ['firing', 'resolved']", "invalid_comparison", "write `contains(['a', 'b'], type)`"),
    ("data.severity == “high”", "invalid_value", "write straight quotes"),
    ("data.severity == 'it's'", "invalid_value", "a text is not closed"),
    ("(data.severity == 'high'", "invalid_value", "a `)` is missing"),
    ("{{ type == 'firing' }}", "invalid_value", "without `{{ }}`"),
    # --- functions
    ("startswith(type, 'f')", "invalid_value", "write `starts_with(data.x, 'y')`"),
    ("type.startsWith('f')", "invalid_value", "write `starts_with(data.x, 'y')`"),
    ("starts_with(type)", "invalid_call", "it is `starts_with("),
    ("starts_with(type, `5`)", "invalid_call", "write '5' in single quotes"),
    ("contains(type, ['firing', 'resolved'])", "invalid_call", "contains(['a', 'b'], type)"),
    ("legnth(data.labels) > `1`", "invalid_value", "did you mean `length`?"),
    # --- the same for every event
    ("type == 'firing' || 'resolved'", "constant_condition", "`type == 'a' || type == 'resolved'`"),
    ("data.severity == 'a' && data.severity == 'b'", "constant_condition", "never holds"),
    ("data.severity != 'a' || data.severity != 'b'", "constant_condition", "always holds"),
]
#: The same for what works today, or for what an example makes probable.
PROBABLE = [
    ("`true`", "constant_condition", "always true"),
    ("length(data.labels)", "constant_condition", "length(...) > `0`"),
    ("data.note == None", "unknown_name", "backticks around it, `null`"),
    ("data.kiln.temprature > `5`", "unknown_field", "did you mean `data.kiln.temperature`?"),
    ("data.kilns.temperature > `5`", "unknown_field", "did you mean `data.kiln`?"),
    ("data.temperature > `5`", "unknown_field", "did you mean `data.kiln.temperature`?"),
    ("data.labels.name == 'hot'", "unknown_field", "write `data.labels[].name`"),
    ("data.labels.length > `1`", "unknown_field", "write `length(data.labels)`"),
    ("data.labels[?nmae == 'hot']", "unknown_field", "did you mean `data.labels[].name`?"),
    ('data.labels[?name == "hot"]', "unknown_field", "a text is in single quotes, 'hot'"),
    ("data.labels[?name == type]", "unknown_field", "the event's `type` cannot be read"),
    ("data.labels[?name == where]", "unknown_field", "the event's `where` cannot be read"),
    ("data.severity == 'hihg'", "unknown_value", "did you mean 'high'?"),
    ("data.severity == 'High'", "unknown_value", "did you mean 'high'?"),
    ("type == 'firng'", "unknown_value", "did you mean 'firing'?"),
    ("data.level > '2'", "unknown_value", "write `2` with the backticks"),
    ("data.level == '3'", "unknown_value", "write `3` with the backticks"),
    ("data.urgent == 'true'", "unknown_value", "write `true` with the backticks"),
    ("contains('a', data.tags)", "unknown_value", "contains(data.tags, 'x')"),
    ("data.tags == 'a'", "unknown_value", "write `contains(data.tags, 'a')`"),
]


@pytest.mark.parametrize(("text", "code", "hint"), CERTAIN)
def test_a_mistake_in_a_condition_is_an_error_with_a_hint(
    text: str, code: str, hint: str, tmp_path: Path
) -> None:
    """All of these would hold for no event, or for every event, or fail."""
    result = check_kiln(tmp_path, when=toml(text))
    found = only(result)
    assert (found.code, place(found), found.severity) == (code, ("source.toml", LINES["when"]), ERROR)
    assert hint in found.message
    assert not result.ok


@pytest.mark.parametrize(("text", "code", "hint"), PROBABLE)
def test_a_probable_mistake_is_a_warning_with_a_hint(text: str, code: str, hint: str, tmp_path: Path) -> None:
    """An example does not show everything that a sender sends, so the build goes on."""
    result = check_kiln(tmp_path, when=toml(text))
    found = only(result)
    assert (found.code, place(found), found.severity) == (code, ("source.toml", LINES["when"]), WARNING)
    assert hint in found.message
    assert result.ok


@pytest.mark.parametrize(
    "text",
    [
        "data.severity == 'high' && type != 'resolved'",
        "contains(['firing', 'resolved'], type) && data.level > `2`",
        "data.labels[?name == 'hot'] && !(data.urgent)",
        "length(data.labels[?name == 'hot' || name == 'cold']) > `0`",
        "sort_by(data.labels, &name)[0].name == 'hot' || max_by(data.labels, &name).name == 'night'",
        "{a: data.kiln.name, b: where} | a == 'Kiln 4' || b == 'House 2'",
        "data.started_at > '2026-01-01' && data.level >= `3` && type < 'g'",
        "data.note == `null` || data.site.*.name",
        "first_text(data.kiln.title, data.kiln.name) == 'Kiln 4'",
        "data.tags[0] == 'a' && data.tags[-1] != 'a'",
        "[data.labels][].name | contains(@, 'hot')",
        "headers.\"x-kiln-event\" == 'alarm' && query.token != 'x' && source == 'kiln'",
        "starts_with(data.severity, 'hi') && to_number(data.id) > `4` || id == 'k-17'",
    ],
)
def test_a_right_condition_has_no_finding(text: str, tmp_path: Path) -> None:
    """A check that is wrong too often is switched off."""
    assert check_kiln(tmp_path, when=toml(text)).findings == ()


def test_a_source_without_a_type_compares_none(tmp_path: Path) -> None:
    """The type is empty then, and no rule that compares it would ever hold."""
    source = 'title = "t"\ndocs = "d"\n[[message]]\nwhen = "type == \'x\'"\ntitle = "a"\nbody = "b"\n'
    found = only(check_kiln(tmp_path, source=source))
    assert (found.code, found.line) == ("invalid_comparison", 4)
    assert "the source has no `type` in `[event]`" in found.message


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("", "type == 'x'"),
        ("type == 'x'", "type == 'x'"),
        ("type == 'x'", "data.urgent && type == 'x'"),
        ("contains(['x', 'y'], type)", "type == 'y' && data.urgent"),
        ("type == 'x' || type == 'y'", "contains(['y'], type)"),
        ("data.action", "data.action == 'firing'"),
    ],
)
def test_a_rule_behind_a_more_general_one_is_never_tried(first: str, second: str, tmp_path: Path) -> None:
    """The first rule that holds writes the wording."""
    rules = [
        "[[message]]\n" + (f"when = {toml(when)}\n" if when else "") + 'title = "a"\nbody = "b"\n'
        for when in (first, second)
    ]
    more = check_kiln(tmp_path, more="\n".join(rules))
    found = only(more)
    assert (found.code, found.key, found.severity) == ("unreachable_rule", "message[3]", ERROR)
    assert "because message[2]" in found.message


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("type == 'x'", "type == 'y'"),
        ("type == 'x' && data.urgent", "type == 'x'"),
        ("contains(['x', 'y'], type)", "contains(['y', 'z'], type)"),
        ("type == 'x'", "type == 'x' || type == 'y'"),
        ("data.level > `3`", "data.level > `4`"),
    ],
)
def test_a_rule_that_can_be_reached_has_no_finding(first: str, second: str, tmp_path: Path) -> None:
    """A check that is wrong too often is switched off."""
    rules = [f'[[message]]\nwhen = {toml(when)}\ntitle = "a"\nbody = "b"\n' for when in (first, second)]
    assert check_kiln(tmp_path, more="\n".join(rules)).findings == ()

"""Expressions and templates are compiled once, accept null, and never evaluate the values they insert."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from push_relay.core.errors import ConfigurationInvalid, MappingFailed
from push_relay.core.rules.expression import Expression
from push_relay.core.rules.template import Template

SCOPE: dict[str, Any] = {
    "type": "issues",
    "data": {
        "text": "planted words\nsecond line",
        "null": None,
        "zero": 0,
        "empty": "",
        "blank": " \n\u200b\u2003",
        "padded": " a\n",
        "no": False,
        "list": [1],
        "none": [],
        "object": {"headers": {"a": 1}, "query": 2},
        "at": "2026-11-20T09:30:00+01:00",
        "blank_line": "\u200b\n \u2060\nplanted words \nsecond line",
        "naive": "2026-11-20T08:30:00",
        "seconds": 1_795_163_400,
        "huge": 10**300,
        "brace": "{{ data.text }} }} {{",
    },
    "headers": {"x-a": "1"},
    "query": {},
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("truncate(data.text, `7`)", "plante…"),
        ("truncate(data.text, `0`)", ""),
        ("lookup({a: 'x'}, 'a')", "x"),
        ("lookup({a: 'x'}, 'b')", None),
        ("first_line(data.text)", "planted words"),
        ("first_line(data.empty)", ""),
        ("first_line(data.blank_line)", "planted words"),
        ("upper('straße')", "STRASSE"),
        ("date(data.at, '%H:%M')", "08:30"),
        ("date(data.naive, '%H:%M')", "08:30"),
        ("date(data.seconds, '%Y-%m-%d %H:%M')", "2026-11-20 08:30"),
        ("length(data.list)", 1),
        ("first_text(data.empty, data.blank, data.null, data.text)", "planted words\nsecond line"),
        ("first_text(data.no, data.object, data.zero)", "0"),
        ("first_text(data.padded)", "a"),
        ("first_text([data.null, [data.padded]], 'b')", "a"),
        (
            "join_text(', ', data.null, 'a', data.blank, data.padded, data.zero, [data.empty, 'c'])",
            "a, a, 0, c",
        ),
        ("enclose('#', data.seconds, '!')", "#1795163400!"),
        ("enclose(' (', data.padded, ')')", " (a)"),
    ],
)
def test_the_added_functions(text: str, value: object) -> None:
    """The relay adds these functions to those of JMESPath."""
    assert Expression.compile(text)(SCOPE) == value


@pytest.mark.parametrize(
    "text",
    [
        "truncate(data.null, `3`)",
        "lookup({a: 'x'}, data.null)",
        "first_line(data.missing)",
        "upper(data.null)",
        "date(data.missing, '%Y')",
        "first_text(data.missing, data.empty, data.blank, data.none)",
        "join_text(', ', data.missing, data.blank)",
        "enclose('#', data.missing, '')",
        "enclose('#', data.blank, '')",
        "data.null.deeper[0].still",
    ],
)
def test_null_as_an_argument_results_in_null(text: str) -> None:
    """Many fields of webhooks are null, so a null value must not be an error."""
    assert Expression.compile(text)(SCOPE) is None


@pytest.mark.parametrize(
    "text",
    [
        "upper(data.list)",
        "truncate(data.text, 'x')",
        "date(data.text, '%Y')",
        "date(data.huge, '%Y')",
        "truncate(data.text, to_number('inf'))",
        "truncate(data.text, to_number('nan'))",
        "contains(data.text, `1`)",
        "contains(data.null, 'a')",
        "length(data.seconds)",
        "starts_with(data.object, 'a')",
        "lookup(data.text, 'a')",
        "sort(['a', `1`])",
        "ceil(to_number('inf'))",
        "join_text(data.zero, 'a')",
        "enclose('a', 'b', data.null)",
        "plural(data.text, 'alert')",
        "part(data.text, '', `0`)",
        "money(data.huge, 'EUR')",
        "duration(data.object)",
        "data.text > `1`",
        "data.seconds < 'a'",
        "data.null >= `0`",
    ],
)
def test_a_function_that_cannot_use_a_value_returns_null(text: str) -> None:
    """A sender that changes the type of a field must not stop a push."""
    assert Expression.compile(text)(SCOPE) is None


def test_a_failure_names_the_expression_and_quotes_no_value() -> None:
    """The errors of JMESPath quote the value that caused them, and this value must not be logged."""
    with pytest.raises(MappingFailed) as failed:
        Expression.compile("data.list[::0] || 'planted'")({"data": {"list": ["planted"]}})
    assert "data.list[::0]" in failed.value.detail
    assert "planted']" not in str(failed.value)
    assert failed.value.__suppress_context__


@pytest.mark.parametrize("text", ["", "data.", "data[", "a b", "'open", "nosuch(data)", "data.x.nosuch(@)"])
def test_a_wrong_expression_is_found_when_it_is_compiled(text: str) -> None:
    """A mistake is found at build time and not by the first event."""
    with pytest.raises(ConfigurationInvalid):
        Expression.compile(text)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("data.zero", True),
        ("data.list", True),
        ("data.text", True),
        ("`0.0`", True),
        ("data.no", False),
        ("data.null", False),
        ("data.missing", False),
        ("data.empty", False),
        ("data.none", False),
        ("`{}`", False),
        ("data.zero == `0`", True),
    ],
)
def test_a_condition_holds_if_jmespath_calls_its_value_true(text: str, holds: bool) -> None:  # noqa: FBT001
    """Zero is true in JMESPath. Otherwise `data.count` alone would differ from `data.count && x`."""
    assert Expression.compile(text).holds(SCOPE) is holds
    assert bool(Expression.compile(f"!({text})")(SCOPE)) is not holds


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('headers."x-a" || headers.b', {"x-a", "b"}),
        ("headers.a.b", {"a"}),
        ("data.headers.a", set()),
        ("data.deep.headers.a", set()),
        ("data.object.headers", set()),
        ("data.list[].headers", set()),
        ("data.list[?headers == 'x'].a", set()),
        ("data.list[*].headers.x", set()),
        ("data | headers", set()),
        ("data.{a: headers, b: query}", set()),
        ("map(&headers, data.list)", set()),
        ("upper(headers.a) && [headers.b, {c: headers.d}]", {"a", "b", "d"}),
        ("!(headers.a)", {"a"}),
        ("headers.a[0].b", {"a"}),
        ("headers.a[].b", {"a"}),
        ("not_null(headers.a, data.b) | headers", {"a"}),
        ("type", set()),
    ],
)
def test_the_headers_that_an_expression_reads_are_found(text: str, names: set[str]) -> None:
    """An event keeps only these headers. A field `headers` of the document is something else."""
    assert Expression.compile(text).names("headers") == names


@pytest.mark.parametrize(
    "text",
    [
        *("headers", "keys(headers)", "headers.*", "headers | a", "@", "@.headers.a"),
        *("*", '*."x-token"', "not_null(*.a)[0]", "*.*", "map(&@, *)", "type || *.a | [0]", "{a: *}"),
    ],
)
def test_an_expression_that_takes_all_headers_is_refused(text: str) -> None:
    """The event would have to keep every header, including signatures."""
    with pytest.raises(ConfigurationInvalid, match="whole"):
        Expression.compile(text).names("headers")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain", "plain"),
        ("", ""),
        ("{{ type }}!", "issues!"),
        ("{{type}}{{ data.zero }}", "issues0"),
        ("{{ data.null }}-{{ data.missing }}", "-"),
        ("{{ data.no }} {{ `true` }}", "false true"),
        ("{{ '}}' }}", "}}"),
        ("{{ 'a }} b' }} c {{ '{{' }}", "a }} b c {{"),
        ("""{{ lookup({a: '1'}, 'a') }}""", "1"),
        ("{{ {a: type}.a }}", "issues"),
        ('{{ lookup(`{"a": {"b": 1}}`, \'c\') }}', ""),
        ("{ {type} }", "{ {type} }"),
        ("}} {{ type }}", "}} issues"),
    ],
)
def test_a_template_is_a_text_with_expressions_in_double_braces(text: str, written: str) -> None:
    """Null becomes empty, booleans are written as in JSON, and braces inside a literal are plain text."""
    assert Template.compile(text)(SCOPE) == written


def test_braces_that_close_an_object_do_not_close_the_template_early() -> None:
    """`}}}` closes first an object and then the expression."""
    assert Template.compile("{{ {a: type}}}").value(SCOPE) == {"a": "issues"}


def test_a_value_cannot_open_another_expression() -> None:
    """A sender's text is inserted but never evaluated, so a sender cannot read other fields."""
    assert Template.compile("{{ data.brace }}")(SCOPE) == "{{ data.text }} }} {{"


@pytest.mark.parametrize("text", ["{{ data.object }}", "a {{ data.list }}", "{{ &data }}"])
def test_only_scalars_can_be_inserted_into_a_text(text: str) -> None:
    """An object or a list in a title is a mistake in the message rule."""
    with pytest.raises(MappingFailed):
        Template.compile(text)(SCOPE)


@pytest.mark.parametrize("text", ["{{ type", "{{}}", "{{ data. }}", "a {{ nosuch(data) }}", "{{ type }} {{"])
def test_a_wrong_template_is_found_when_it_is_compiled(text: str) -> None:
    """An unclosed brace or an invalid expression is found at build time and not by the first event."""
    with pytest.raises(ConfigurationInvalid):
        Template.compile(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [("{{ data.no }}", False), ("{{ data.zero }}", 0), ("{{ data.zero }}s", "0s"), ("x", "x")],
)
def test_a_single_expression_keeps_its_type(text: str, value: object) -> None:
    """`sound` must be a boolean and `expiry_secs` a number, although both are templates."""
    assert Template.compile(text).value(SCOPE) == value


@given(st.text())
def test_any_text_is_inserted_unchanged(value: str) -> None:
    """No text of a sender is evaluated, escaped or cut by a template."""
    assert Template.compile("<{{ data }}>")({"data": value}) == f"<{value}>"


@pytest.mark.filterwarnings("ignore:deprecated string literal:PendingDeprecationWarning")
@given(st.text(alphabet="{}ab.'`\"[]()@&|!? \\*:,01"))
def test_any_text_compiles_or_raises_a_configuration_error(text: str) -> None:
    """Neither the parser nor the search for braces raises any other exception."""
    for compiler in (Expression.compile, Template.compile):
        with suppress(ConfigurationInvalid):
            compiler(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("type = 'x'", "Unknown token '=' (a comparison is `==`)"),
        ("data.order-id", "Unknown token '-' (a name with a hyphen is quoted: `data.\"order-id\"`)"),
        ("type ==", "Invalid jmespath expression: Incomplete expression"),
        ("a # b", "Unknown token #"),
        ("data.", 'got: eof: Parse error at column 5, token "" (EOF)'),
    ],
)
def test_the_parser_s_message_is_whole(text: str, reason: str) -> None:
    """The parser's message ends with the expression in further lines, which one finding cannot show."""
    with pytest.raises(ConfigurationInvalid) as raised:
        Expression.compile(text)
    assert str(raised.value).endswith(reason)

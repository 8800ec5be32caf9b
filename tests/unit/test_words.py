"""The functions that make texts, quantities and moments readable on a phone."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from push_relay.core.rules.expression import Expression
from push_relay.core.rules.functions import FUNCTIONS, Functions


def value(text: str, given: object) -> object:
    """Return the value of an expression that reads `a`."""
    return Expression.compile(text)({"a": given})


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("**Disk** _full_ on `oven-1`", "Disk full on oven-1"),
        ("[Runbook](https://wiki.example/x) ![chart](https://x.example/c.png)", "Runbook chart"),
        ("# Alert\n\n> quoted\n* one\n- two\n---\n```\ncode\n```", "Alert\nquoted\n* one\n- two\ncode"),
        ("<p>Tom &lt;3 <i>Mia</i></p><script>x()</script><br>next", "Tom <3 Mia\nnext"),
        ("Fish &amp; chips", "Fish & chips"),
        (
            "<https://shop.example/1|Order 1> by <@U024BE7LH> <mailto:mia@example.com>",
            "Order 1 by mia@example.com",
        ),
        (
            "a < b, c > d, 2 * 3 * 4, snake_case_name",
            "a < b, c > d, 2 * 3 * 4, snake_case_name",
        ),
        ("~~old~~ ***new***", "old new"),
        ("  much \t space \n\n\n here ", "much space\nhere"),
        ("<br/>", None),
        ("", None),
    ],
)
def test_plain_text_is_what_a_person_reads(text: str, plain: str | None) -> None:
    """A phone shows no markup."""
    assert value("plain_text(a)", text) == plain


#: One of each kind.
MARKUP = (
    "*a*, **a**, _a_, ~~a~~, `a`, # a, > a, ---, ***, ```, ~~~, [a](b), ![a](b), "
    "<b>a</b>, <!--a-->b, a&amp;b, <https://a.example>, <@a|b>, <!here>"
)


@pytest.mark.parametrize("markup", MARKUP.split(", "))
def test_each_kind_of_markup_is_found_alone(markup: str) -> None:
    """None of them needs another beside it."""
    assert value("plain_text(a)", markup) != markup


@given(st.text('<>[]()*_`~#!-&|@:;/by \n"', max_size=200))
def test_plain_text_accepts_any_markup(text: str) -> None:
    """Half a tag is text."""
    assert value("plain_text(a)", text) is None or isinstance(value("plain_text(a)", text), str)


@pytest.mark.parametrize(
    ("expression", "given", "expected"),
    [
        ("plural(a, 'alert')", 1, "1 alert"),
        ("plural(a, 'alert')", 0, "0 alerts"),
        ("plural(a, 'alert')", [1, 2], "2 alerts"),
        ("plural(a, 'reply', 'replies')", "3", "3 replies"),
        ("duration(a)", 45, "45 s"),
        ("duration(a)", 7_500, "2 h 5 min"),
        ("duration(a)", 86_405, "1 d"),
        ("duration(a)", "0.4", "0 s"),
        ("duration(a)", -1, None),
        ("duration_between(a, '2026-11-26T10:00:00Z')", "2026-11-26T08:30:00+00:00", "1 h 30 min"),
        ("duration_between(a, `1795687200000`)", 1_795_683_600, "1 h"),
        ("duration_between(a, '2026-11-26T10:00:00Z')", "yesterday", None),
        ("date(a, '%d %b %H:%M')", "1795687200", "26 Nov 10:00"),
        ("date(a, '%d %b %H:%M')", 1_795_687_200_123, "26 Nov 10:00"),
        ("date(a, '%d %b')", "soon", None),
        ("money(a, 'eur')", 1999, "19.99 EUR"),
        ("money(a, 'jpy')", 500, "500 JPY"),
        ("money(a, 'kwd')", "1500", "1.500 KWD"),
        ("money(a, '')", 500, None),
        ("size(a)", 999, "999 bytes"),
        ("size(a)", 1_536_000_000, "1.5 GB"),
        ("size(a)", 10**20, "100000 PB"),
        ("round(a, `1`)", 93.4444, "93.4"),
        ("round(a, `2`)", "7.10", "7.1"),
        ("round(a, `0`)", 0.30000000000000004, "0"),
        ("round(a, `1`)", "n/a", None),
        ("list_texts(a, `2`)", ["x", "y", "x", "", None, "z"], "x, y and 1 more"),
        ("list_texts(a, `3`)", ["x", ["y"], 7], "x, y, 7"),
        ("list_texts(a, `3`)", [], None),
        ("words(a)", "pull_request.reviewComment", "pull request review comment"),
        ("words(a)", "EC2InstanceStateChange", "EC2 instance state change"),
        ("words(a)", "CREATE_FAILED", "create failed"),
        ("capitalize(a)", "iOS app", "IOS app"),
        ("lower(a)", "FIRING", "firing"),
        ("part(a, '/', `-1`)", "refs/heads/main", "main"),
        ("part(a, '/', `9`)", "refs/heads/main", None),
        ("replace(a, 'refs/heads/', '')", "refs/heads/fix/oven", "fix/oven"),
        ("host(a)", "https://www.Shop.example:8443/x?y", "shop.example"),
        ("host(a)", "https://bank.example@a:b@oven.example/@x", "oven.example"),
        ("host(a)", "//user@shop.example", "shop.example"),
        ("host(a)", "not a URL", None),
        ("contains_any(a, ['fail', 'error'])", "an error", True),
        ("contains_any(a, ['fail', `1`, data.x])", "1 succeeded", False),
        ("contains_any(a, `[]`)", "x", False),
        ("contains_any(a, ['x'])", ["x"], None),
        ("from_base64(a)", "w5ZmZW4", "Öfen"),
        ("from_base64(a)", "Pz8_Pw==", "????"),
        ("from_base64(a)", "no base64", None),
        ("from_base64(a)", "/w==", None),
        ("from_json(a).b[0]", '{"b": [1]}', 1),
        ("from_json(a)", "{'b': 1}", None),
        ("from_json(a)", "[" * 101 + "]" * 101, None),
        ('lookup(`{"1": "high", "true": "yes"}`, a)', 1, "high"),
        ('lookup(`{"1": "high", "true": "yes"}`, a)', True, "yes"),
    ],
)  # fmt: skip
def test_a_function_writes_what_a_person_reads(expression: str, given: object, expected: object) -> None:
    """The words are English, and the units are those of everyday life."""
    assert value(expression, given) == expected


@pytest.mark.parametrize("number", [10**29, "1234567890123456789012345"])
def test_a_number_with_too_many_digits_is_rounded_to_null(number: int | str) -> None:
    """The error of Decimal is not one of a value or a type, and must not stop a push either."""
    assert value("round(a, `10`)", number) is None


def test_texts_cannot_be_multiplied() -> None:
    """A megabyte from a stranger must not become a gigabyte."""
    half = "x" * 500_000
    assert value("replace(a, 'x', 'xxxxx')", half) is None
    assert value("replace(a, 'x', 'yy')", half) == "yy" * 500_000
    assert Expression.compile("join_text(a, b)")({"a": half, "b": ["x"] * 1_000}) is None


def test_the_first_values_of_a_list_are_read() -> None:
    """A megabyte has room for a quarter of a million texts that no phone shows."""
    assert value("first_text(a)", [["\u200d"] * 9_999, "shown"]) == "shown"
    assert value("first_text(a)", [["\u200d"] * 10_000, "too late"]) is None
    assert value("list_texts(a, `1`)", [*range(20_000)]) == "0 and 9999 more"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(ANYTHING)
def test_no_function_fails_for_any_value(given: Any) -> None:
    """A sender may send anything, and one field must not stop a push."""
    called = 0
    for name in FUNCTIONS:
        for arguments in ([given], [given, given], ["x", given], [given, "x"], [given, 1], [given, "x", "y"]):
            result = Functions().call_function(name, arguments)
            called += 1
            assert result is None or isinstance(result, (str, int, float, bool, list, dict))
    assert called > len(FUNCTIONS)

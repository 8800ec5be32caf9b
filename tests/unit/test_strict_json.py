"""JSON from strangers has one reading and limited size, and its errors do not quote it."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpu_cost import cost
from push_relay.core import strict_json
from push_relay.core.errors import MalformedRequest, PayloadTooLarge
from push_relay.core.inbound.request import MAX_BODY
from push_relay.core.strict_json import (
    MAX_DEPTH,
    MAX_DIGITS,
    MAX_PARTS,
    MAX_TEXT,
    Limits,
    parse,
    parse_object,
    parse_queued,
    replace_half_pairs,
)

NESTED = {"arrays": (b"[", b"]"), "objects": (b'{"a":', b"}")}


def nested(kind: str, depth: int, *, closed: bool = True) -> bytes:
    """Return this number of nested arrays or objects."""
    opening, closing = NESTED[kind]
    return opening * depth + (b"1" + closing * depth if closed else b"")


@pytest.mark.parametrize(
    ("raw", "detail_part"),
    [
        (b"", "not JSON"),
        (b" \n", "not JSON"),
        (b"planted", "not JSON: line 1, column 1"),
        (b'{"planted": ', "not JSON"),
        (b'{"planted": 1} 2', "not JSON"),
        (b"{'planted': 1}", "not JSON"),
        (b'{"planted": 01}', "not JSON"),
        (b'{"planted": "a\nb"}', "not JSON"),
        (b'{"planted": 1, "planted": 2}', "same key twice"),
        (b'{"a": {"planted": 1, "pl\\u0061nted": 2}}', "same key twice"),
        (b'{"planted": NaN}', "NaN or Infinity"),
        (b'{"planted": Infinity}', "NaN or Infinity"),
        (b'{"planted": -Infinity}', "NaN or Infinity"),
        (b'{"planted": 1e999}', "too large"),
        (b'{"planted": -1e999}', "too large"),
        (b'{"planted": 0.' + b"7" * 500 + b"}", "too large"),
        (b'{"planted": ' + b"7" * (MAX_DIGITS + 1) + b"}", "too large"),
        (b'{"planted": -' + b"7" * 5_000 + b"}", "too large"),
        (b'{"planted": "\xff"}', "not UTF-8: byte 13"),
        ('{"planted": "é"}'.encode("latin-1"), "not UTF-8"),
        ('{"planted": 1}'.encode("utf-16"), "not UTF-8"),
        ('{"planted": 1}'.encode("utf-16-le"), "not JSON"),
        ('{"planted": 1}'.encode("utf-32-be"), "not JSON"),
        (b'\xef\xbb\xbf\xef\xbb\xbf{"planted": 1}', "not JSON"),
        (b'{"planted": "\\ud83d"}', "surrogate"),
        (b'{"planted": "\\uDC00 planted"}', "surrogate"),
        (b'{"\\uD800planted": 1}', "surrogate"),
        (b'{"planted": "\xed\xa0\x80"}', "not UTF-8"),
    ],
    ids=str,
)
def test_a_body_without_exactly_one_reading_is_malformed_and_not_quoted(raw: bytes, detail_part: str) -> None:
    """Such a body has no reading as JSON or two of them, and the error must not show its content."""
    with pytest.raises(MalformedRequest) as refused:
        parse(raw)
    assert detail_part in refused.value.detail
    assert "planted" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@pytest.mark.parametrize("kind", NESTED)
@pytest.mark.parametrize("closed", [True, False], ids=["closed", "open"])
def test_ten_thousand_levels_are_malformed(kind: str, closed: bool) -> None:  # noqa: FBT001
    """Deep nesting can exhaust a stack. Either the depth or the missing end may be noticed first."""
    with pytest.raises(MalformedRequest):
        parse(nested(kind, 10_000, closed=closed))


@pytest.mark.parametrize("kind", NESTED)
def test_the_depth_limit_is_exact(kind: str) -> None:
    """The limit itself passes, one level more does not, and many shallow containers are not deep."""
    parse(nested(kind, MAX_DEPTH))
    with pytest.raises(MalformedRequest, match=f"more than {MAX_DEPTH} levels"):
        parse(nested(kind, MAX_DEPTH + 1))
    assert len(parse(b"[" + b",".join([b'{"a":[]}'] * 1_000) + b"]")) == 1_000  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ['"{}"', '{{"{}": 1}}', '[1, {{"a": ["b", "{}"]}}]'])
def test_the_length_limit_of_a_text_is_exact(form: str) -> None:
    """It applies to keys as well, in any place. Several texts together may be longer."""
    parse(form.format("é" * MAX_TEXT).encode())
    with pytest.raises(MalformedRequest, match=f"a text of more than {MAX_TEXT} characters"):
        parse(form.format("é" * (MAX_TEXT + 1)).encode())
    assert len(parse(b'["' + b'","'.join([b"x" * 1_000_000] * 3) + b'"]')) == 3  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b'{"a": "\\ud83d\\uDD25"}', {"a": "🔥"}),
        ('{"a": "🔥"}'.encode(), {"a": "🔥"}),
        (b'{"a": "\\\\ud800"}', {"a": "\\ud800"}),
        (b'{"a": "\\u0000"}', {"a": "\0"}),
        (b"7" * MAX_DIGITS, int("7" * MAX_DIGITS)),
        (b"1e308", 1e308),
        (b'{"": {"": 1}}', {"": {"": 1}}),
    ],
    ids=str,
)
def test_unusual_but_valid_json_is_read(raw: bytes, value: object) -> None:
    """A byte order mark, complete surrogate pairs, NUL and long numbers are allowed."""
    assert parse(raw) == value


@pytest.mark.parametrize("raw", [b"[]", b"null", b"1", b'"text"', b"true"])
def test_an_event_is_an_object(raw: bytes) -> None:
    """A body can be valid JSON and still not be an event."""
    with pytest.raises(MalformedRequest, match="not an object"):
        parse_object(raw)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_malformed(raw: bytes) -> None:
    """Only MalformedRequest may be raised, for any input."""
    with suppress(MalformedRequest):
        parse(raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)


@given(JSON, st.booleans())
def test_any_json_is_read_as_it_was_written(value: object, ascii_only: bool) -> None:  # noqa: FBT001
    """The strict reader agrees with the usual one on everything that has exactly one reading."""
    assert parse(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


# --- the lenient reading -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b'{"a": {"b": 1, "\\u0062": [2]}}', {"a": {"b": [2]}}),
        (b"[NaN, Infinity, -Infinity, 1e999, -1e999]", [None] * 5),
        (b"7" * (MAX_DIGITS + 1), None),
        (b"-" + b"7" * 5_000, None),
        (b"0." + b"7" * 500, 7 / 9),
        (b'"\\ud83d"', "\ufffd"),
        (b'"\\uDC00 \\ud83d\\ude00 \\ud83d"', "\ufffd 😀 \ufffd"),
        (b'"\\\\ud83d"', "\\ud83d"),
        (b'{"\\ud800": 1, "\\udfff": {"\\ud83d": "\\ud83d"}}', {"\ufffd": {"\ufffd": "\ufffd"}}),
        (b'"\xed\xa0\x80"', "\ufffd\ufffd\ufffd"),
        (b'"caf\xe9"', "caf\ufffd"),
        (b'\xef\xbb\xbf {"a": 1}', {"a": 1}),
        ('{"a": "é🔥"}'.encode("utf-16"), {"a": "é🔥"}),
        ('{"a": "é🔥"}'.encode("utf-16-le"), {"a": "é🔥"}),
        ('{"a": "é🔥"}'.encode("utf-16-be"), {"a": "é🔥"}),
        ('{"a": "é🔥"}'.encode("utf-32"), {"a": "é🔥"}),
        (b'{"a": 1.50, "b": [true, null]}', {"a": 1.5, "b": [True, None]}),
    ],
    ids=ascii,
)
def test_the_lenient_reading_matches_most_libraries(raw: bytes, value: object) -> None:
    """The last of equal keys wins, and null and U+FFFD replace what JSON and UTF-8 cannot represent."""
    found = parse(raw, lenient=True)
    assert found == value
    json.dumps(found, allow_nan=False, ensure_ascii=False).encode()


@pytest.mark.parametrize("charset", ["iso-8859-1", "latin1", "windows-1252", "iso-8859-15"])
def test_a_charset_is_used_only_for_bytes_that_are_not_utf8(charset: str) -> None:
    """Headers often specify latin-1 wrongly, so a body that is valid UTF-8 is read as UTF-8."""
    assert parse('"café"'.encode("latin-1"), lenient=True, charset=charset) == "café"
    assert parse('"café"'.encode(), lenient=True, charset=charset) == "café"


@pytest.mark.parametrize("charset", ["rot13", "utf-7", "hex", "utf-16", "idna", "\ufffd", ""])
def test_other_charsets_are_ignored(charset: str) -> None:
    """The header is a stranger's, and some of Python's codecs are not character sets."""
    assert parse(b'"+AGE-\xe9"', lenient=True, charset=charset) == "+AGE-\ufffd"


@pytest.mark.parametrize("raw", [b"", b"{", b"{'a': 1}", b'"a\nb"', b'{"a": 01}', b"[1,]", b"{} {}"])
def test_bytes_that_no_library_writes_are_malformed_in_the_lenient_reading_too(raw: bytes) -> None:
    """The lenient reader does not guess."""
    with pytest.raises(MalformedRequest, match="not JSON"):
        parse(raw, lenient=True)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_leniently_or_malformed(raw: bytes) -> None:
    """The result can be encoded in UTF-8 and is valid JSON."""
    with suppress(MalformedRequest):
        json.dumps(parse(raw, lenient=True), allow_nan=False, ensure_ascii=False).encode()


@given(JSON, st.booleans())
def test_json_with_one_reading_is_read_the_same_in_both_ways(value: object, ascii_only: bool) -> None:  # noqa: FBT001
    """The lenient reader differs only if the strict one raises an error."""
    raw = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert parse(raw, lenient=True) == parse(raw) == value


@given(st.text(st.characters(exclude_categories=())))
def test_only_half_pairs_are_replaced(text: str) -> None:
    """A text that can be encoded in UTF-8 is not changed."""
    cleaned = replace_half_pairs(text)
    cleaned.encode()
    if not any("\ud800" <= character <= "\udfff" for character in text):
        assert cleaned == text


# --- the cost of parsing ----------------------------------------------------------------------------------


def many(unit: bytes, joint: bytes = b",") -> bytes:
    """Return a list that contains a unit as often as a body can."""
    return b"[" + joint.join([unit] * ((MAX_BODY - 2) // len(unit + joint))) + b"]"


def members(count: int) -> dict[str, Any]:
    """Return an object with this number of members."""
    return {f"f:field-{number}": {} for number in range(count)}


COSTLY = {
    "brackets": b"[" * MAX_BODY,
    "nested lists": many(b"[" * 90 + b"]" * 90),
    "nested objects": b'{"a":' * (MAX_BODY // 5),
    "empty lists": many(b"[]"),
    "small objects": many(b'{"a":1}'),
    "digits": many(b"1"),
    "floats": many(b"1.5"),
    "exponents": many(b"1e5"),
    "constants": many(b"null"),
    "NaN": many(b"NaN"),
    "strings": many(b'"a"'),
    "empty strings": many(b'""'),
    "other keys": b"{" + b",".join(b'"%x":1' % number for number in range(400_000)) + b"}",
    "quotes": b'"' * MAX_BODY,
    "escaped quotes": b'["' + b'\\"' * (MAX_BODY // 2 - 2) + b'"]',
    "escaped quotes that never end": b'["' + b'\\"' * (MAX_BODY // 2 - 1),
    "backslashes": b"\\" * MAX_BODY,
    "escapes": b'["' + b"\\u0041" * (MAX_BODY // 6 - 1) + b'"]',
    "halves of pairs": b'["' + b"\\ud83d" * (MAX_BODY // 6 - 1) + b'"]',
    "commas in a text": b'["' + b"\\n," * (MAX_BODY // 3 - 2) + b'"]',
    "white space": b" " * (MAX_BODY - 2) + b"{}",
    "long numbers": many(b"7" * MAX_DIGITS),
    "a number": b"7" * MAX_BODY,
}


@pytest.mark.parametrize("name", COSTLY)
@pytest.mark.parametrize("lenient", [False, True], ids=["strict", "lenient"])
def test_a_body_of_the_maximum_size_costs_little_for_any_content(name: str, lenient: bool) -> None:  # noqa: FBT001
    """Without the limit on parts, some of these bodies cost more than a second and 400 MiB."""

    def read() -> None:
        with suppress(MalformedRequest):
            parse(COSTLY[name], lenient=lenient)

    assert cost(read) < 100


def test_too_many_parts_are_rejected_before_they_are_parsed() -> None:
    """The limit itself passes. Brackets and commas in texts are not parts, with or without escaped quotes."""
    limits = Limits(10, 1_000, MAX_TEXT)
    parse(b"[" + b",".join([b"1"] * 1_000) + b"]", limits=limits)
    with pytest.raises(PayloadTooLarge, match="more than 1000"):
        parse(b"[" + b",".join([b"1"] * 1_001) + b"]", limits=limits)
    text = r'{"a\\": ",[{", "\"[[": "\\\"' + "[{," * 1_000 + '"}'
    assert parse(text.encode(), limits=limits) == json.loads(text)
    with pytest.raises(PayloadTooLarge):
        parse(b'{"a": "[", "b": [' + b"[]," * 1_001 + b'"x', limits=limits)


@pytest.mark.parametrize(
    "document",
    [
        {"alerts": [{"labels": members(15), "annotations": members(6)} | members(12)] * 1_000},
        {
            "commits": [{"author": members(4), "committer": members(4), "added": [""] * 8} | members(9)]
            * 2_000
        },
        {"items": [{"managedFields": members(70_000)}]},
        {"table": "1,2,3\n" * 300_000},
        {"embedded": json.dumps([{"a": [1, 2]}] * 60_000)},
    ],
    ids=["Grafana", "GitHub", "Kubernetes", "a table in a text", "JSON in a text"],
)
def test_the_largest_real_payloads_are_far_below_the_limit(document: object) -> None:
    """They have 1,000 alerts, 2,000 commits, a megabyte of field names, or long texts of any content."""
    raw = json.dumps(document).encode()
    assert parse(raw) == parse(raw, lenient=True) == document
    assert MAX_PARTS >= 250_000


PIECES = (
    r"\ud83d",
    r"\uDe00",
    r"\uDBFF",
    r"\udc00",
    r"\\",
    r"\"",
    r"\n",
    r"\u0041",
    r"\ud7ff",
    "ud83d",
    "u",
    "a",
    "é",
)


@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_half_of_a_pair_is_found_and_a_whole_one_is_not(text: str) -> None:
    """Half of a pair becomes U+FFFD. A document with emoji alone is not walked through, which takes long."""
    value = json.loads(f'"{text}"')
    has_half = any("\ud800" <= character <= "\udfff" for character in value)
    assert strict_json._holds_half_pairs(f'"{text}"') is has_half
    read = parse_queued(f'{{"a": "{text}"}}')
    assert read == {"a": value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")}

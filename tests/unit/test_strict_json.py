"""JSON from strangers: one reading, bounded, no surprises, and nothing of it in an error's text."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from push_relay.core.errors import MalformedRequest
from push_relay.core.strict_json import MAX_DEPTH, MAX_DIGITS, MAX_TEXT, parse, parse_object

NESTED = {"arrays": (b"[", b"]"), "objects": (b'{"a":', b"}")}


def nested(kind: str, depth: int, *, closed: bool = True) -> bytes:
    """Write so many levels of arrays or objects."""
    opening, closing = NESTED[kind]
    return opening * depth + (b"1" + closing * depth if closed else b"")


@pytest.mark.parametrize(
    ("raw", "told"),
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
def test_what_is_not_one_plain_reading_is_refused_and_not_quoted(raw: bytes, told: str) -> None:
    """Each has either no reading as JSON or two, and no error may show what was in it."""
    with pytest.raises(MalformedRequest) as refused:
        parse(raw)
    assert told in refused.value.detail
    assert "planted" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@pytest.mark.parametrize("kind", NESTED)
@pytest.mark.parametrize("closed", [True, False], ids=["closed", "open"])
def test_ten_thousand_levels_are_refused(kind: str, closed: bool) -> None:  # noqa: FBT001
    """Deep nesting exhausts a stack somewhere: it is refused here, in whichever way the reader notices."""
    with pytest.raises(MalformedRequest):
        parse(nested(kind, 10_000, closed=closed))


@pytest.mark.parametrize("kind", NESTED)
def test_the_depth_limit_is_exact(kind: str) -> None:
    """The limit itself passes, one more does not, and many shallow containers are not deep."""
    parse(nested(kind, MAX_DEPTH))
    with pytest.raises(MalformedRequest, match=f"more than {MAX_DEPTH} levels"):
        parse(nested(kind, MAX_DEPTH + 1))
    assert len(parse(b"[" + b",".join([b'{"a":[]}'] * 1_000) + b"]")) == 1_000  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ['"{}"', '{{"{}": 1}}', '[1, {{"a": ["b", "{}"]}}]'])
def test_the_limit_of_a_text_is_exact(form: str) -> None:
    """Of a key as well, wherever it stands; together they may be longer."""
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
def test_what_json_allows_is_read(raw: bytes, value: object) -> None:
    """A byte order mark, whole surrogate pairs, NUL, long numbers: legal, if unusual."""
    assert parse(raw) == value


@pytest.mark.parametrize("raw", [b"[]", b"null", b"1", b'"text"', b"true"])
def test_an_event_is_an_object(raw: bytes) -> None:
    """A body may be good JSON and still no event."""
    with pytest.raises(MalformedRequest, match="not an object"):
        parse_object(raw)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    """Nothing but MalformedRequest comes out, whatever goes in."""
    with suppress(MalformedRequest):
        parse(raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)


@given(JSON, st.booleans())
def test_any_json_is_read_as_it_was_written(value: object, ascii_only: bool) -> None:  # noqa: FBT001
    """The strict reader agrees with the lax one on everything that has one reading."""
    assert parse(json.dumps(value, ensure_ascii=ascii_only).encode()) == value

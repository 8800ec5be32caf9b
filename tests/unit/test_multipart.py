"""A form as multipart/form-data has one reading, with and without a proof that covers it."""

import json
from contextlib import suppress
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from push_relay.core.errors import MalformedRequest, PayloadTooLarge, RelayError, UnsupportedMediaType
from push_relay.core.inbound.body import BodyFormat, read_body
from push_relay.core.inbound.multipart import MAX_HEADER_BYTES, MAX_HEADERS, MAX_NAME, MAX_PARTS
from push_relay.core.strict_json import MAX_TEXT

FORM = BodyFormat("multipart")
PLAIN = 'form-data; name="a"'


def part(disposition: str = PLAIN, content: bytes = b"1", *headers: str) -> bytes:
    """Return a part with its headers."""
    lines = [f"Content-Disposition: {disposition}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def body(*parts: bytes, boundary: bytes = b"x") -> bytes:
    """Return a body of parts."""
    return (
        b"".join(b"--" + boundary + b"\r\n" + each + b"\r\n" for each in parts) + b"--" + boundary + b"--\r\n"
    )


def headers(content_type: str = "multipart/form-data; boundary=x") -> dict[str, str]:
    """Return the header that describes a body."""
    return {"content-type": content_type}


def both(content: bytes, form: BodyFormat = FORM) -> Any:
    """Read a body with and without a proof, in the same way."""
    strict, lenient = read_body(content, headers(), form), read_body(content, {}, form, proven=True)
    assert strict == lenient
    return strict


def refused(content: bytes, *, named: str = "multipart/form-data; boundary=x") -> list[type[Exception]]:
    """Return the errors with which a body is refused without and with a proof."""
    found = []
    for proven in (False, True):
        with pytest.raises(MalformedRequest) as error:
            read_body(content, headers(named), FORM, proven=proven)
        assert "hello" not in str(error.value)
        found.append(type(error.value))
    return found


def test_a_body_with_bare_line_feeds_is_refused_with_the_reason() -> None:
    """An example that was written by hand often has them."""
    with pytest.raises(MalformedRequest, match="a line that ends with CR LF"):
        read_body(body(part()).replace(b"\r\n", b"\n"), headers(), FORM, proven=True)


def test_the_fields_are_the_document() -> None:
    """The values of a repeated field are a list, and an empty one is an empty text."""
    sent = body(
        part(),
        part(content=b""),
        part('form-data; name="b"', "é\r\n--y".encode()),
        part('form-data; name="a"'),
    )
    assert both(sent) == {"a": ["1", "", "1"], "b": "é\r\n--y"}


def test_a_named_field_holds_the_document() -> None:
    """A file cannot hold it, because its content is not kept. Of two fields one would be ignored."""
    event = BodyFormat("multipart", "event")
    assert both(body(part(), part('form-data; name="event"', b'{"b": [1]}')), event) == {"b": [1]}
    encoded = BodyFormat("multipart", "event", "base64")
    assert both(body(part('form-data; name="event"', b"eyJi\r\nIjogMX0=")), encoded) == {"b": 1}
    for parts in (
        [part()],
        [part('form-data; name="event"; filename="x"', b"{}")],
        [part('form-data; name="event"', b"{}")] * 2,
    ):
        with pytest.raises(MalformedRequest):
            both(body(*parts), event)


def test_the_same_fields_may_be_url_encoded() -> None:
    """A sender with files to send uses multipart, and the other form without them."""
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert read_body(b"a=1&a=2&b=", form, FORM) == {"a": ["1", "2"], "b": ""}
    assert read_body(b"a=1&a=2&b=", {}, FORM, proven=True) == {"a": ["1", "2"], "b": ""}
    with pytest.raises(UnsupportedMediaType):
        read_body(b"{}", {"content-type": "text/plain"}, FORM)


def test_the_same_fields_may_be_json_if_no_proof_covers_the_body() -> None:
    """After a signature there must be one reading, and JSON is never a form."""
    json_type = {"content-type": "application/json"}
    assert read_body(b'{"a": "1"}', json_type, FORM) == {"a": "1"}
    with pytest.raises(MalformedRequest):
        read_body(b'{"a": "1"}', json_type, FORM, proven=True)


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('form-data; name="a"; filename="cat.png"', "cat.png"),
        ("form-data; name=a; filename=cat.png", "cat.png"),
        ('form-data; name="a"; filename=""', ""),
        ('form-data; name="a"; filename="../../etc/passwd"', "passwd"),
        (r'form-data; name="a"; filename="C:\\dir\\cat.png"', "cat.png"),
        (r'form-data; name="a"; filename="C:\dir\cat.png"', "cat.png"),
        (r'form-data; name="a"; filename="a\"b"', 'a"b'),
        ('form-data; name="a"; filename="a;b=c"', "a;b=c"),
        ("form-data; name=\"a\"; filename*=UTF-8''%E2%82%AC.png", "€.png"),
        ("form-data; name=\"a\"; filename*=UTF-8''..%2F..%2Fpasswd", "passwd"),
        ("form-data; name=\"a\"; filename*=UTF-8''%ff", "\ufffd"),
        (f'form-data; name="a"; filename="{"n" * 999}"', "n" * MAX_NAME),
        ('FORM-DATA ; Name="a" ; FileName="cat.png" ;', "cat.png"),
    ],
)
def test_a_file_is_its_name_and_its_size(disposition: str, name: str) -> None:
    """Its content is dropped. The name has no path, and no file is opened by it."""
    sent = body(part(disposition, b"\xff\x00" * 500, "Content-Type: image/png"))
    assert both(sent) == {"a": {"filename": name, "size": 1000}}


@pytest.mark.parametrize(
    "boundary", [b"x" * 70, b"----WebKitFormBoundary7MA4YWxkTrZu0gW", b"a'()+_,-./:=?b", b"a b"]
)
def test_any_boundary_of_the_standard_is_read(boundary: bytes) -> None:
    """The header may name it in quotes."""
    named = f'multipart/form-data; charset=utf-8; boundary="{boundary.decode()}"'
    assert read_body(body(part(), boundary=boundary), headers(named), FORM) == {"a": "1"}


@pytest.mark.parametrize(
    "content",
    [
        b"--",
        b"--x",
        b"--\r\n" + part() + b"\r\n----\r\n",
        body(part(), boundary=b"x" * 71),
        body(part(), boundary=b"x" * 7000),
        body(part(), boundary=b"a "),
        body(part(), boundary=b"a--"),
        body(part(), boundary=b"\xe9"),
        body(part(), boundary=b'"'),
        b"--x--\r\n",
        b"\r\n" + body(part()),
        b"preamble\r\n" + body(part()),
        body(part()).removesuffix(b"--x--\r\n"),
        body(part()).removesuffix(b"--\r\n"),
        body(part()).replace(b"\r\n", b"\n"),
        body(part()) + b"hello",
        body(part()) + body(part('form-data; name="b"')),
        body(part(content=b"1\r\n--xy")),
        body(part(content=b"1\r\n--x-")),
        body(part(content=b'1\r\n--xContent-Disposition: form-data; name="b"\r\n\r\n2')),
        body(part(content=b"1\r\n--x--\r\n\r\n--x\r\n" + part('form-data; name="b"'))),
        body(b""),
        body(b"\r\nno headers"),
        body(b"Content-Disposition: " + PLAIN.encode()),
    ],
)
def test_a_body_without_clear_bounds_is_refused(content: bytes) -> None:
    """Its boundary is missing, too long, within a line or never closed, or there is more than the form."""
    assert refused(content)


@pytest.mark.parametrize(
    "each",
    [
        part("form-data"),
        part('attachment; name="a"'),
        part("form-data; name"),
        part('form-data; name="a'),
        part('form-data; name="a"; name="b"'),
        part('form-data; name="a"; NAME="b"'),
        part('form-data; filename="a"'),
        part("form-data; name*=UTF-8''a"),
        part("form-data; name=\"a\"; name*=UTF-8''b"),
        part('form-data; name="a"; filename="x"; filename="y"'),
        part('form-data; name="a" filename="x"'),
        part('form-data; name="a\r\nContent-Disposition: form-data; name=b"'),
        part('form-data; name="a\nb"'),
        part('form-data; name="a\rb"'),
        part('form-data; name="a\0b"'),
        part('form-data; name="a";\r\n filename="x"'),
        part(PLAIN, b"1", 'Content-Disposition: form-data; name="b"'),
        part(PLAIN, b"1", "Content-Type: text/plain", "content-type: text/html"),
        part(PLAIN, b"1", "Content-Type: multipart/mixed; boundary=y"),
        part(PLAIN, b"MQ==", "Content-Transfer-Encoding: base64"),
        part(PLAIN, b"1", "no colon"),
        part(PLAIN, b"1", "Bad Name: 1"),
        b"Content-Type: text/plain\r\n\r\nhello",
    ],
)
def test_a_part_that_two_parsers_could_understand_differently_is_refused(each: bytes) -> None:
    """Headers or parameters that are there twice, folded, injected, nested or encoded."""
    assert set(refused(body(each))) == {MalformedRequest}


def test_the_boundary_is_the_bodys_own() -> None:
    """The header is not signed: with another boundary, a text in a genuine body could become its fields."""
    inner = b"1\r\n--evil\r\n" + part('form-data; name="admin"') + b"\r\n--evil--"
    genuine = body(part(content=inner))
    forged = headers("multipart/form-data; boundary=evil")
    assert read_body(genuine, forged, FORM, proven=True) == {"a": inner.decode()}
    with pytest.raises(UnsupportedMediaType):
        read_body(genuine, forged, FORM)


@pytest.mark.parametrize(
    "named",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=X",
        "multipart/form-data; boundary=x; boundary=x",
        "multipart/form-data; boundary=x; boundary=y",
        "multipart/form-data; boundary=x, multipart/form-data; boundary=y",
        "multipart/mixed; boundary=x",
        "text/plain; boundary=x",
        "",
    ],
)
def test_without_a_proof_the_header_has_to_name_the_boundary_once(named: str) -> None:
    """Everything in front of the relay must see the same form."""
    with pytest.raises(UnsupportedMediaType):
        read_body(body(part()), headers(named), FORM)


def test_without_a_proof_the_text_has_to_be_utf8() -> None:
    """With one, other bytes are replaced, as in JSON."""
    sent = body(part(content=b"caf\xe9"))
    assert read_body(sent, {}, FORM, proven=True) == {"a": "caf\ufffd"}
    with pytest.raises(MalformedRequest):
        read_body(sent, headers(), FORM)


@pytest.mark.parametrize(
    "content",
    [
        body(*[part()] * (MAX_PARTS + 1)),
        body(part(PLAIN, b"1", *[f"X-{n}: 1" for n in range(MAX_HEADERS)])),
        body(part(PLAIN, b"1", "X: " + "h" * MAX_HEADER_BYTES)),
        body(part(content=b"t" * (MAX_TEXT + 1))),
        body(part(f'form-data; name="{"n" * (MAX_HEADER_BYTES + 1)}"')),
    ],
)
def test_parts_headers_and_texts_are_bounded(content: bytes) -> None:
    """Reading a form costs no more than reading JSON."""
    assert set(refused(content)) == {PayloadTooLarge}


def test_a_header_of_spaces_is_cheap_to_refuse() -> None:
    """Anybody may have a form read in which a token could be."""
    began = process_time()
    refused(body(part(PLAIN + " " * (MAX_HEADER_BYTES - 100) + "x")))
    assert process_time() - began < 0.1


def test_the_largest_form_is_read() -> None:
    """One part less, and it is accepted."""
    assert both(body(*[part()] * MAX_PARTS)) == {"a": ["1"] * MAX_PARTS}


PIECES = st.sampled_from(
    [
        b"--x",
        b"--x--",
        b"\r\n",
        b"\n",
        b"\r\n\r\n",
        b"Content-Disposition: ",
        b'form-data; name="a"',
        b"; filename=",
        b'"',
        b"\\",
        b"\xff",
        b"--",
    ]
)


@given(st.lists(PIECES | st.binary(max_size=5), max_size=20).map(b"".join), st.booleans())
def test_any_body_is_read_or_refused(content: bytes, proven: bool) -> None:  # noqa: FBT001
    """Only a `RelayError` may be raised, and the document must be serialisable as JSON."""
    with suppress(RelayError):
        json.dumps(read_body(b"--x\r\n" + content, headers(), FORM, proven=proven))

"""Bodies that are not JSON: XML, texts, the claims of a JWT, lines, and documents in the field of a form."""

import base64
import json
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from front_door import api_gateway_v2, request, world
from push_relay.core.errors import MalformedRequest, PayloadTooLarge, RelayError, UnsupportedMediaType
from push_relay.core.event import Event
from push_relay.core.inbound.body import BodyFormat, read_body
from push_relay.core.inbound.items import Items, Unreadable
from push_relay.core.inbound.xml_document import MAX_ELEMENTS, MAX_XML_DEPTH
from push_relay.core.queue_format import PLAIN, pack, unpack
from push_relay.core.strict_json import MAX_TEXT

XML, TEXT, LINES, JWT = BodyFormat("xml"), BodyFormat("text"), BodyFormat("ndjson"), BodyFormat("jwt")
FORM = {"content-type": "application/x-www-form-urlencoded"}


def both(body: bytes, form: BodyFormat, content_type: str) -> Any:
    """Read a body without a proof, and with one under any content type: in the same way."""
    strict = read_body(body, {"content-type": content_type}, form)
    for other in ("", "application/json", "image/png", content_type):
        assert read_body(body, {"content-type": other}, form, proven=True) == strict
    return strict


# --- XML --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "document"),
    [
        ("<a/>", {"#root": "a"}),
        ("<a>t</a>", {"#root": "a", "#text": "t"}),
        ("<a><b>1</b></a>", {"#root": "a", "b": "1"}),
        ("<a><b>1</b><c/><b>2</b><b/></a>", {"#root": "a", "b": ["1", "2", ""], "c": ""}),
        ('<a n="1"><b m="2"/><b>3</b></a>', {"#root": "a", "@n": "1", "b": [{"@m": "2"}, "3"]}),
        ('<a><b m="2"> t <c/></b></a>', {"#root": "a", "b": {"@m": "2", "#text": "t", "c": ""}}),
        ("<a>\n  x <b/> y\n</a>", {"#root": "a", "#text": "x  y", "b": ""}),
        (
            '<x:a xmlns:x="urn:x"><x:b x:n="1">2</x:b><b>3</b></x:a>',
            {"#root": "a", "b": [{"@n": "1", "#text": "2"}, "3"]},
        ),
        ('<a xmlns="urn:x"><b>1</b></a>', {"#root": "a", "b": "1"}),
        ("<a>&lt;b&gt; &amp; &#233; <![CDATA[<c/>]]></a>", {"#root": "a", "#text": "<b> & é <c/>"}),
        ('<?xml version="1.0" encoding="UTF-8"?><!-- c --><a><?p i?>t</a>', {"#root": "a", "#text": "t"}),
        ("\ufeff<a>é</a>", {"#root": "a", "#text": "é"}),
    ],
)
def test_xml_becomes_a_document(body: str, document: dict[str, Any]) -> None:
    """Children are members, repeated ones lists; attributes begin with `@`; prefixes are left out."""
    for content_type in ("application/xml", "text/xml; charset=utf-8", "application/atom+xml"):
        assert both(body.encode(), XML, content_type) == document


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"<a>",
        b"<a></b>",
        b"<a/><b/>",
        b"<a/>hello",
        b"<!DOCTYPE a><a/>",
        b'<!DOCTYPE a SYSTEM "http://planted.example/x.dtd"><a/>',
        b'<!DOCTYPE a PUBLIC "p" "file:///etc/passwd"><a/>',
        b'<!DOCTYPE a [<!ENTITY hello "b">]><a>&hello;</a>',
        b'<!DOCTYPE a [<!ENTITY hello SYSTEM "file:///etc/passwd">]><a>&hello;</a>',
        b'<!DOCTYPE a [<!ENTITY % p SYSTEM "http://planted.example/x">%p;]><a/>',
        b'<!DOCTYPE a [<!ENTITY a "'
        + b"x" * 100
        + b'">'
        + b"".join(b'<!ENTITY a%d "%s">' % (n, b"&a;" * 10) for n in range(9))
        + b"]><a>&a8;</a>",
        b'<!DOCTYPE a [<!ATTLIST a n CDATA "v">]><a/>',
        b"<a>&hello;</a>",
        b"<a>&#0;</a>",
        b"<a>&#xD800;</a>",
        b"<a>\x01</a>",
        b'<a n="1" n="2"/>',
        b'<a xmlns:x="1" xmlns:y="2" x:n="1" y:n="2"/>',
        b"<x:a/>",
        b"<a n=1/>",
        b"<a>" * (MAX_XML_DEPTH + 1) + b"</a>" * (MAX_XML_DEPTH + 1),
        b'<?xml version="1.0"?><?xml version="1.0"?><a/>',
    ],
)
def test_xml_with_entities_or_mistakes_is_refused(body: bytes) -> None:
    """No document type is read, so there is no entity to expand and no address to fetch."""
    for proven in (False, True):
        with pytest.raises(MalformedRequest) as refused:
            read_body(body, {"content-type": "application/xml"}, XML, proven=proven)
        assert not isinstance(refused.value, UnsupportedMediaType | PayloadTooLarge)
        assert "hello" not in str(refused.value)


@pytest.mark.parametrize(
    "body",
    [
        b"<a>" + b"<b/>" * MAX_ELEMENTS + b"</a>",
        b"<a " + b" ".join(b'n%d=""' % n for n in range(MAX_ELEMENTS)) + b"/>",
        b"<a>" + b"t" * (MAX_TEXT + 1) + b"</a>",
        b'<a n="' + b"t" * (MAX_TEXT + 1) + b'"/>',
        b"<a><" + b"t" * (MAX_TEXT + 1) + b"/></a>",
    ],
)
def test_the_size_of_xml_is_bounded(body: bytes) -> None:
    """Each element costs a call from the parser."""
    for proven in (False, True):
        with pytest.raises(PayloadTooLarge):
            read_body(body, {"content-type": "application/xml"}, XML, proven=proven)


def test_xml_is_read_to_its_limits() -> None:
    """One element less, and it is accepted."""
    body = b"<a>" + b"<b/>" * (MAX_ELEMENTS - 1) + b"</a>"
    assert len(read_body(body, {}, XML, proven=True)["b"]) == MAX_ELEMENTS - 1
    deep = read_body(b"<a><a/>" * (MAX_XML_DEPTH - 1) + b"</a>" * (MAX_XML_DEPTH - 1), {}, XML, proven=True)
    assert unpack(pack(Event("s", "1", "", deep, 1.0, "i")).body.encode(), PLAIN).data == deep


def test_only_proven_xml_may_have_another_encoding() -> None:
    """The encoding that the document declares is signed, and that of the header is not."""
    declared = '<?xml version="1.0" encoding="ISO-8859-1"?><a>é</a>'.encode("latin-1")
    document = {"#root": "a", "#text": "é"}
    assert read_body(declared, {"content-type": "text/xml; charset=utf-8"}, XML, proven=True) == document
    assert read_body("<a>é</a>".encode("utf-16"), {}, XML, proven=True) == document
    assert read_body(b"<a>\xff</a>", {}, XML, proven=True) == {"#root": "a", "#text": "\ufffd"}
    assert read_body(declared.replace(b"ISO-8859-1", b"utf-8"), {}, XML, proven=True)["#text"] == "\ufffd"
    for body in (declared, b"<a>\xff</a>", "<a>é</a>".encode("utf-16")):
        with pytest.raises(MalformedRequest):
            read_body(body, {"content-type": "application/xml"}, XML)


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/html", "text/plain", "", "application/xml; charset=latin1"]
)
def test_unproven_xml_has_its_media_type(content_type: str) -> None:
    """Without a proof a body is read only under a content type of its format."""
    with pytest.raises(UnsupportedMediaType):
        read_body(b"<a/>", {"content-type": content_type}, XML)


def test_xml_in_the_field_of_a_form() -> None:
    """Some senders put base64 around it, with line ends."""
    encoded = base64.encodebytes(b"<a><b>1</b></a>")
    form = BodyFormat("xml", "payload", "base64")
    body = b"signature=x&payload=" + quote(encoded, safe="").encode()
    for headers, proven in ((FORM, False), (FORM, True), ({}, True)):
        assert read_body(body, headers, form, proven=proven) == {"#root": "a", "b": "1"}
    assert read_body(b"payload=%3Ca/%3E", FORM, BodyFormat("xml", "payload")) == {"#root": "a"}
    assert read_body(b"<a/>", {}, form, proven=True) == {"#root": "a"}
    for wrong in (b"payload=%3Ca/%3E", b"payload=a", b"payload=PGEvPg==&payload=PGEvPg=="):
        with pytest.raises(MalformedRequest):
            read_body(wrong, FORM, form)


@pytest.mark.parametrize("name", ["json", "xml", "multipart", "text", "ndjson", "list"])
@pytest.mark.parametrize("begin", ['{"evil": "', '<evil a="', "--evil\r\n\r\na=", '[{"evil": "'])
def test_a_body_of_which_only_a_field_is_covered_is_read_as_a_form(name: str, begin: str) -> None:
    """The field was captured with its signature, and anybody can write another document around it."""
    field = "<p>1</p>" if name == "xml" else '[{"p": 1}]' if name == "list" else '{"p": 1}'
    body = f"{begin}=&payload={quote(field)}&signature=s&end=".encode()
    content = read_body(body, FORM, BodyFormat(name, "payload"), proven=True, covered=field.encode())
    assert "evil" not in str(content)
    assert "p" in str(content)


def test_nothing_else_than_a_form_is_read_if_its_fields_are_covered() -> None:
    """The scheme has read a form."""
    assert read_body(b"a=1&b=2", FORM, BodyFormat("json", "*"), proven=True, covered=b"a1b2") == {
        "a": "1",
        "b": "2",
    }
    with pytest.raises(MalformedRequest):
        read_body(b'{"payload": 1}', {}, BodyFormat("json", "payload"), proven=True, covered=b"x")


# --- text -------------------------------------------------------------------------------------------------


def test_a_text_is_the_member_text() -> None:
    """It is not changed, not even if it is JSON."""
    for text in ("The oven is hot.\nTwice.", '{"a": 1}', "a=1&b=2", "", "é"):
        assert both(text.encode(), TEXT, "text/plain; charset=utf-8") == {"text": text}


def test_only_a_proven_text_may_have_another_encoding() -> None:
    """Bytes that are not UTF-8 are replaced, or read in a charset of one byte."""
    assert read_body(b"caf\xe9", {"content-type": "text/plain; charset=latin1"}, TEXT, proven=True) == {
        "text": "café"
    }
    assert read_body(b"caf\xe9", {}, TEXT, proven=True) == {"text": "caf\ufffd"}
    for content_type in ("text/plain; charset=latin1", "application/json", "text/html", ""):
        with pytest.raises(UnsupportedMediaType):
            read_body(b"a", {"content-type": content_type}, TEXT)
    with pytest.raises(MalformedRequest):
        read_body(b"caf\xe9", {"content-type": "text/plain"}, TEXT)
    for proven in (False, True):
        with pytest.raises(PayloadTooLarge):
            read_body(b"t" * (MAX_TEXT + 1), {"content-type": "text/plain"}, TEXT, proven=proven)


def test_a_text_in_the_field_of_a_form() -> None:
    """Any text could be a form, so it is one if the source has a `form_field`."""
    form = BodyFormat("text", "message")
    assert read_body(b"to=x&message=hot+oven", FORM, form) == {"text": "hot oven"}
    assert read_body(b"to=x&message=%ff", {}, form, proven=True) == {"text": "\ufffd"}


# --- JWT --------------------------------------------------------------------------------------------------


def token(claims: Any = None, *, header: str = "eyJhbGciOiJIUzI1NiJ9", signature: str = "c2ln") -> bytes:
    """Return a JWT that nobody has signed."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims or {"a": 1}).encode()
    return f"{header}.{base64.urlsafe_b64encode(payload).decode().rstrip('=')}.{signature}".encode()


def test_the_claims_of_a_jwt_are_the_document() -> None:
    """The JWT is the body, or in a member of it, or in the field of a form.

    The proof covers its claims, as a scheme that verifies it does, or the whole body.
    """
    claims = b'{"a":{"b":1},"c":"\xc3\xa9"}'
    jwt, document = token(claims), {"a": {"b": 1}, "c": "é"}
    member = BodyFormat("jwt", "payload")
    body = json.dumps({"payload": jwt.decode(), "more": 1}).encode()
    for sent, form in ((jwt + b"\n", JWT), (body, member), (b"x=1&payload=" + jwt, member)):
        for covered in (claims, sent, b"v0:123:" + sent):
            assert read_body(sent, FORM, form, proven=True, covered=covered) == document


def test_a_jwt_that_is_not_what_the_proof_covers_is_refused() -> None:
    """Anybody can write claims. A proof of another JWT in the same request does not cover this one."""
    jwt = token(b'{"b":1}')
    member = BodyFormat("jwt", "payload")
    in_json = json.dumps({"payload": jwt.decode()}).encode()
    for covered in (b"", b'{"a":{"b":1}}', token({"a": 2}), jwt, b"signed"):
        for body, form in ((jwt + b" ", JWT), (in_json, member), (b"payload=" + jwt, member)):
            with pytest.raises(MalformedRequest):
                read_body(body, FORM, form, proven=True, covered=covered)
    for body, headers in ((jwt, {"content-type": "application/jwt"}), (b"payload=" + jwt, FORM)):
        with pytest.raises(MalformedRequest):
            read_body(body, headers, member, proven=False, covered=body)


@pytest.mark.parametrize(
    "jwt",
    [
        b"",
        b"a.b",
        b"a.b.c.d",
        b"a.b.c.d.e",
        b"a..c",
        b"a.!.c",
        token() + b"\n" + token(),
        token([1]),
        token(b"hello"),
        token(b"\xff"),
        token(b"[" * 500 + b"]" * 500),
        b'{"payload": 7}',
        b'{"other": "x"}',
        b"[]",
    ],
)
def test_anything_but_a_jwt_of_an_object_is_refused(jwt: bytes) -> None:
    """An encrypted JWT has five parts, and nobody here has its key."""
    with pytest.raises(MalformedRequest) as refused:
        read_body(
            jwt, {}, BodyFormat("jwt", "payload") if jwt[:1] in b"{[" else JWT, proven=True, covered=jwt
        )
    assert "hello" not in str(refused.value)


# --- lines ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content_type", ["application/x-ndjson", "application/jsonl; charset=utf-8"])
def test_each_line_is_an_item(content_type: str) -> None:
    """Blank lines are skipped. Other characters that end a line may be part of a text."""
    body = '{"a": "x\u2028y"}\r\n\n  \n7\n'.encode()
    assert both(body, LINES, content_type) == Items([{"a": "x\u2028y"}, 7])


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        (b'{"a": ', "line 3 of the body is not JSON: column 7"),
        (b'{"a": 1, "a": 2}', "line 3 of the body has an object with the same key twice"),
    ],
)
def test_the_error_of_a_line_has_its_number_in_the_body(line: bytes, detail: str) -> None:
    """Blank lines count, as in an editor."""
    items = read_body(b'{"a": 1}\n\n' + line + b"\n", {"content-type": "application/x-ndjson"}, LINES)
    assert isinstance(items, Items)
    broken = items.values[1]
    assert isinstance(broken, Unreadable)
    assert broken.error.detail == detail


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", ""])
def test_unproven_lines_have_their_media_type(content_type: str) -> None:
    """Without a proof a body is read only under a content type of its format."""
    with pytest.raises(UnsupportedMediaType):
        read_body(b"{}", {"content-type": content_type}, LINES)


# --- forms ------------------------------------------------------------------------------------------------


def test_the_values_of_a_repeated_field_are_a_list() -> None:
    """They keep their order, with and without a proof."""
    every = BodyFormat("json", "*")
    assert both(b"a=1&b=&a=2&a=1", every, "application/x-www-form-urlencoded") == {
        "a": ["1", "2", "1"],
        "b": "",
    }


def test_a_json_document_in_a_field_may_be_base64() -> None:
    """It may be a list too, each item of which is an event."""
    form = BodyFormat("json", "p", "base64")
    assert read_body(b"p=eyJhIjogMX0%3D", FORM, form) == {"a": 1}
    assert read_body(b"p=W3siYSI6MX1d", {}, form, proven=True) == Items([{"a": 1}])
    assert read_body(b"p=%5B7%5D", FORM, BodyFormat("list", "p")) == Items([7])
    assert read_body(b"p=7%0A8", FORM, BodyFormat("ndjson", "p")) == Items([7, 8])
    with pytest.raises(MalformedRequest):
        read_body(b"p=%7B%7D", FORM, BodyFormat("list", "p"))


# --- secrets in the document ------------------------------------------------------------------------------


def test_the_secret_is_removed_from_each_item(tmp_path: Path) -> None:
    """A list of items is a list for the pointer of the token, which would be queued and might be shown."""
    here = world(tmp_path, {"scheme": "token", "token": "json:/t", "each": "/*"})
    here.secrets.secrets = (b"planted-token",)
    sent = request([{"t": "planted-token", "a": 1}, {"t": "planted-token", "a": 2}])
    assert here.receive(api_gateway_v2(sent))["statusCode"] == 202
    assert [event.data for event, _ in here.messages.queued] == [{"a": 1}, {"a": 2}]


@given(
    st.lists(
        st.sampled_from(
            [b"<a", b"</a>", b"<b/>", b">", b"&x;", b"<!DOCTYPE a [", b"]>", b'n="1"', b"t", b"\xff"]
        ),
        max_size=12,
    ),
    st.sampled_from(["xml", "text", "jwt", "ndjson", "list"]),
    st.booleans(),
)
def test_any_body_is_read_or_refused(pieces: list[bytes], name: str, proven: bool) -> None:  # noqa: FBT001
    """Only a `RelayError` may be raised."""
    with suppress(RelayError):
        read_body(b"".join(pieces), {"content-type": "application/xml"}, BodyFormat(name), proven=proven)

"""A body is parsed into the event's document by its content type and the source's format."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from push_relay.core.errors import MalformedRequest, PayloadTooLarge, RelayError, UnsupportedMediaType
from push_relay.core.inbound.body import BodyFormat, read_body
from push_relay.core.inbound.formats.registry import FORMATS
from push_relay.core.strict_json import MAX_PARTS, MAX_TEXT

STRUCTURED = "application/cloudevents+json"
JSON, CLOUDEVENTS = BodyFormat("json"), BodyFormat("cloudevents")
BINARY = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/a", "ce-type": "t"}


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "application/json; charset=us-ascii; x=y",
        "application/json; Charset=UTF-8",
        "application/json; charset = utf-8",
        "application/json;",
        "application/vnd.github+json",
        "application/problem+json",
    ],
)
def test_json_in_utf8_is_read(content_type: str) -> None:
    """All media types of JSON are accepted, with or without a charset, if the charset is UTF-8."""
    assert read_body(b'{"a": "\xc3\xa9"}', {"content-type": content_type}, JSON) == {"a": "é"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": ""},
        {"content-type": "text/plain"},
        {"content-type": "text/json"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/xml"},
        {"content-type": "application/jsonp"},
        {"content-type": "application/json, application/json"},
        {"content-type": "application/json; charset=iso-8859-1"},
        {"content-type": "application/json; Charset=iso-8859-1"},
        {"content-type": "application/json; x=y; CHARSET=utf-16"},
        {"content-type": "application/cloudevents-batch+json"},
        {"content-type": "application/json", "content-encoding": "deflate"},
        {"content-type": "application/json", "content-encoding": "identity, br"},
    ],
    ids=str,
)
def test_another_media_type_charset_or_coding_is_refused(headers: dict[str, str]) -> None:
    """The relay does not guess at a body that it cannot read: the sender gets a 415."""
    with pytest.raises(UnsupportedMediaType):
        read_body(b"{}", headers, JSON)


def test_the_content_encoding_identity_is_accepted() -> None:
    """`identity` states explicitly that the body is not compressed."""
    headers = {"content-type": "application/json", "content-encoding": " Identity "}
    assert read_body(b"{}", headers, JSON) == {}


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "text/plain; charset=utf-8",
        "text/json",
        "application/x-json",
        "application/vnd.acme.v2+json",
        "application/json, application/json",
        "application/json; charset=utf-8, text/plain",
        'application/json; charset="iso-8859-1"',
        "application/json; charset='utf-8'",
        "application/json; charset=utf-16",
        "application/octet-stream",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "json",
        ";",
        "*/*",
    ],
)
def test_proven_json_is_read_under_any_content_type(content_type: str | None) -> None:
    """The proof covers the body but not the header, so the body alone decides."""
    headers = {} if content_type is None else {"content-type": content_type}
    body = '\ufeff \r\n\t{"a": "é"}'.encode()
    assert read_body(body, headers, JSON, proven=True) == {"a": "é"}
    assert read_body(body, headers, BodyFormat(form_field="payload"), proven=True) == {"a": "é"}


@pytest.mark.parametrize(
    ("content_type", "error"),
    [
        ("text/plain", UnsupportedMediaType),
        ("application/x-www-form-urlencoded", UnsupportedMediaType),
        (None, UnsupportedMediaType),
        ("application/json", MalformedRequest),
        ("text/json", MalformedRequest),
    ],
)
def test_a_proven_body_that_is_not_json_is_refused_by_its_type(
    content_type: str | None, error: type[RelayError]
) -> None:
    """The sender gets a 400 if it labels the body as JSON, and a 415 otherwise."""
    headers = {} if content_type is None else {"content-type": content_type}
    with pytest.raises(error) as refused:
        read_body(b"payload=%7B%7D", headers, JSON, proven=True)
    assert type(refused.value) is error


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "application/json", ""])
def test_a_proven_body_is_read_in_the_same_way_under_any_content_type(content_type: str) -> None:
    """The header is not signed. If it decided, part of a signed title could be read as the document."""
    headers, both = {"content-type": content_type}, BodyFormat(form_field="payload")
    signed = {"title": "x=1&payload=%7B%22forged%22:1%7D&y="}
    assert read_body(json.dumps(signed).encode(), headers, both, proven=True) == signed
    form = b"payload=%7B%22a%22%3A1%7D&x=%22%7D"
    assert read_body(form, headers, both, proven=True) == {"a": 1}


def test_a_proven_body_is_read_as_leniently_as_its_sender_s_library_would() -> None:
    """This also holds for JSON in a form's field. The limits on size still apply."""
    text = b'{"a": 1, "a": "\\ud83d", "b": NaN}'
    form = b"payload=%7B%22a%22:1,%22a%22:%22%5Cud83d%22,%22b%22:NaN%7D&odd"
    for body in (text, form):
        assert read_body(body, {}, BodyFormat(form_field="payload"), proven=True) == {
            "a": "\ufffd",
            "b": None,
        }
    with pytest.raises(PayloadTooLarge):
        read_body(b"[" * (MAX_PARTS + 1), {}, JSON, proven=True)


def test_a_form_field_has_the_same_length_limit_as_a_json_text() -> None:
    """The event is queued as JSON, so a longer field could not be read back from the queue."""
    headers, every = {"content-type": "application/x-www-form-urlencoded"}, BodyFormat(form_field="*")
    assert read_body(b"a=" + b"x" * MAX_TEXT, headers, every)
    for proven in (False, True):
        with pytest.raises(PayloadTooLarge):
            read_body(b"a=" + b"x" * (MAX_TEXT + 1), headers, every, proven=proven)


@pytest.mark.parametrize("body", [b"", b"1", b'"{}"', b"null", b"\xff", b"{"])
def test_a_body_that_is_neither_an_object_nor_a_list_is_malformed(body: bytes) -> None:
    """The media type is right, so the sender gets a 400 and not a 415."""
    with pytest.raises(MalformedRequest) as refused:
        read_body(body, {"content-type": "application/json"}, JSON)
    assert not isinstance(refused.value, UnsupportedMediaType)


def test_a_structured_cloudevent_is_the_body() -> None:
    """In the structured mode, the body is the whole event."""
    body = b'{"specversion": "1.0", "id": "1"}'
    headers = {"content-type": f"{STRUCTURED}; charset=utf-8"}
    assert read_body(body, headers, CLOUDEVENTS) == {"specversion": "1.0", "id": "1"}


@pytest.mark.parametrize("content_type", ["application/json", "application/cloudevents-batch+json", ""])
def test_a_request_that_is_not_one_cloudevent_is_refused(content_type: str) -> None:
    """It has neither `ce-` headers nor the structured media type, or it is a batch of several events."""
    with pytest.raises(UnsupportedMediaType):
        read_body(b"{}", {"content-type": content_type}, CLOUDEVENTS)


def test_a_binary_cloudevent_is_written_as_a_structured_one() -> None:
    """Its attributes are read from the percent-encoded `ce-` headers, and its body becomes `data`."""
    headers = {**BINARY, "ce-subject": "caf%C3%A9%20100%25", "content-type": "application/json", "host": "h"}
    assert read_body(b'{"a": [1]}', headers, CLOUDEVENTS) == {
        "specversion": "1.0",
        "id": "1",
        "source": "/a",
        "type": "t",
        "subject": "café 100%",
        "datacontenttype": "application/json",
        "data": {"a": [1]},
    }


def test_the_data_of_a_binary_cloudevent_is_optional_and_can_be_any_json() -> None:
    """An empty body means that `data` is absent. Other JSON than an object is accepted."""
    assert "data" not in read_body(b"", BINARY, CLOUDEVENTS)
    assert read_body(b"null", {**BINARY, "content-type": "application/json"}, CLOUDEVENTS)["data"] is None


def test_a_ce_header_cannot_forge_the_data() -> None:
    """The signature covers the body alone, so a header `ce-data` is not treated as an attribute."""
    headers = {**BINARY, "ce-data": "forged", "content-type": "application/json"}
    assert read_body(b'"signed"', headers, CLOUDEVENTS)["data"] == "signed"
    assert "data" not in read_body(b"", headers, CLOUDEVENTS)


@pytest.mark.parametrize(
    ("headers", "body", "error"),
    [
        ({**BINARY, "content-type": "application/json"}, b"{", MalformedRequest),
        ({**BINARY, "content-type": "application/json"}, b'{"hello": 1, "hello": 2}', MalformedRequest),
        ({**BINARY, "content-type": "text/plain"}, b"hello" * (MAX_TEXT // 5 + 1), PayloadTooLarge),
        ({**BINARY, "content-type": "image/png"}, b"\xff" * (MAX_TEXT * 3 // 4 + 3), PayloadTooLarge),
        (BINARY, b"[" * (MAX_PARTS + 1), PayloadTooLarge),
        ({**BINARY, "content-encoding": "br"}, b"", UnsupportedMediaType),
    ],
)
def test_an_unreadable_binary_cloudevent_is_refused(
    headers: dict[str, str], body: bytes, error: type[RelayError]
) -> None:
    """The error does not quote the data, because errors are logged."""
    with pytest.raises(error) as refused:
        read_body(body, headers, CLOUDEVENTS)
    assert "hello" not in str(refused.value)


HEADERS = st.dictionaries(
    st.sampled_from([*BINARY, "content-type", "content-encoding", "ce-data", "ce-"]),
    st.sampled_from(["application/json", STRUCTURED, "", "1.0", "%ff"]) | st.text(),
)


@given(
    st.binary(max_size=20) | st.sampled_from([b"{}", b"[]"]),
    HEADERS,
    st.builds(BodyFormat, st.sampled_from(sorted(FORMATS)), st.none() | st.sampled_from(["payload", "*"])),
)
def test_any_body_under_any_headers_is_read_or_refused(
    body: bytes, headers: dict[str, str], body_format: BodyFormat
) -> None:
    """Only a `RelayError` may be raised, and the parsed document must be serialisable as JSON."""
    with suppress(RelayError):
        json.dumps(read_body(body, headers, body_format))

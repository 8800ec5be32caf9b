"""A body becomes the event's document, by its content type and the source's format."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from push_relay.core.body import BODY_FORMATS, BodyFormat, read_body
from push_relay.core.errors import MalformedRequest, RelayError, UnsupportedMediaType

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
    """JSON's media types, with and without the one charset that JSON has."""
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
    """415: what the relay cannot read is not guessed at."""
    with pytest.raises(UnsupportedMediaType):
        read_body(b"{}", headers, JSON)


def test_identity_is_no_coding() -> None:
    """A sender may say that nothing was done."""
    headers = {"content-type": "application/json", "content-encoding": " Identity "}
    assert read_body(b"{}", headers, JSON) == {}


@pytest.mark.parametrize("body", [b"", b"[1]", b"\xff", b"{"])
def test_a_body_that_is_no_object_is_malformed(body: bytes) -> None:
    """400: the media type was right and the body was not."""
    with pytest.raises(MalformedRequest) as refused:
        read_body(body, {"content-type": "application/json"}, JSON)
    assert not isinstance(refused.value, UnsupportedMediaType)


def test_a_structured_cloudevent_is_the_body() -> None:
    """The structured mode's body is the event itself."""
    body = b'{"specversion": "1.0", "id": "1"}'
    headers = {"content-type": f"{STRUCTURED}; charset=utf-8"}
    assert read_body(body, headers, CLOUDEVENTS) == {"specversion": "1.0", "id": "1"}


@pytest.mark.parametrize("content_type", ["application/json", "application/cloudevents-batch+json", ""])
def test_what_is_no_cloudevent_is_refused(content_type: str) -> None:
    """Neither ce- headers nor the structured type; a batch is many events, which is not one."""
    with pytest.raises(UnsupportedMediaType):
        read_body(b"{}", {"content-type": content_type}, CLOUDEVENTS)


def test_a_binary_cloudevent_is_written_as_a_structured_one() -> None:
    """Attributes come from ce- headers, percent-decoded; the body is `data`."""
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


def test_a_binary_cloudevent_may_have_any_json_or_none_as_data() -> None:
    """`data` is absent without a body, and need not be an object."""
    assert "data" not in read_body(b"", BINARY, CLOUDEVENTS)
    assert read_body(b"null", {**BINARY, "content-type": "application/json"}, CLOUDEVENTS)["data"] is None


def test_a_ce_header_cannot_forge_the_data() -> None:
    """`ce-data` is no attribute: the signature covers the body."""
    headers = {**BINARY, "ce-data": "forged", "content-type": "application/json"}
    assert read_body(b'"signed"', headers, CLOUDEVENTS)["data"] == "signed"
    assert "data" not in read_body(b"", headers, CLOUDEVENTS)


@pytest.mark.parametrize(
    ("headers", "body", "error"),
    [
        ({**BINARY, "content-type": "text/plain"}, b"hello", UnsupportedMediaType),
        (BINARY, b"{}", UnsupportedMediaType),
        ({**BINARY, "content-type": "application/json"}, b"{", MalformedRequest),
        ({**BINARY, "ce-subject": "%ff"}, b"", MalformedRequest),
        ({**BINARY, "ce-subject": "\ud800"}, b"", MalformedRequest),
        ({**BINARY, "ce-\udfff": "x"}, b"", MalformedRequest),
        ({**BINARY, "content-type": "application/json; x=\ud800"}, b"", MalformedRequest),
        ({**BINARY, "content-encoding": "br"}, b"", UnsupportedMediaType),
    ],
)
def test_a_wrong_binary_cloudevent_is_refused(
    headers: dict[str, str], body: bytes, error: type[RelayError]
) -> None:
    """Data that is not JSON, and attributes that are not UTF-8."""
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
    st.builds(BodyFormat, st.sampled_from(BODY_FORMATS), st.none() | st.sampled_from(["payload", "*"])),
)
def test_any_body_under_any_headers_is_read_or_refused(
    body: bytes, headers: dict[str, str], body_format: BodyFormat
) -> None:
    """Nothing but RelayError comes out, and what is read is JSON."""
    with suppress(RelayError):
        json.dumps(read_body(body, headers, body_format))

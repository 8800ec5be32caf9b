"""The header `Content-Type` is parsed in all the forms that senders and proxies write."""

import pytest

from push_relay.core.inbound.media_type import looks_like_json, media_type


@pytest.mark.parametrize(
    ("header", "name", "charset"),
    [
        ("application/json", "application/json", ""),
        (" Application/JSON ; Charset=UTF-8", "application/json", "utf-8"),
        ('text/plain; charset="iso-8859-1"', "text/plain", "iso-8859-1"),
        ("text/plain; charset='latin1'; x=y", "text/plain", "latin1"),
        ("text/plain, text/plain", "text/plain", ""),
        ("text/plain; charset=utf-8,text/plain;charset=UTF-8", "text/plain", "utf-8"),
        ("text/plain; charset=utf-8, text/plain", "text/plain", "utf-8"),
        ("text/plain; charset=utf-8, text/plain; charset=latin1", "text/plain", ""),
        ("text/plain, application/json", "", ""),
        ('application/json; profile="a,b"', "application/json", ""),
        ('application/json; profile="a', "application/json", ""),
        ("", "", ""),
        (",", "", ""),
        (";", "", ""),
    ],
)
def test_a_header_has_one_media_type_or_none(header: str, name: str, charset: str) -> None:
    """Gateways join repeated headers. Equal values count as one, and different values count as none."""
    assert media_type({"content-type": header}) == (name, charset)


def test_without_a_header_there_is_no_media_type() -> None:
    """A missing media type means neither JSON nor text."""
    named = media_type({})
    assert named == ("", "")
    assert not named.is_json
    assert not named.is_text


@pytest.mark.parametrize(
    ("name", "is_json", "is_text"),
    [
        ("application/json", True, False),
        ("text/json", True, True),
        ("application/x-json", True, False),
        ("application/vnd.acme.v2+json", True, False),
        ("application/cloudevents-batch+json", False, False),
        ("application/jsonp", False, False),
        ("application/xml", False, True),
        ("image/svg+xml", False, True),
        ("text/csv", False, True),
        ("application/x-www-form-urlencoded", False, True),
        ("application/octet-stream", False, False),
        ("image/png", False, False),
    ],
)
def test_a_media_type_is_json_or_text_or_neither(name: str, is_json: bool, is_text: bool) -> None:  # noqa: FBT001
    """Some common types are not registered. A batch of CloudEvents is not JSON, as it is several events."""
    named = media_type({"content-type": name})
    assert (named.is_json, named.is_text) == (is_json, is_text)


@pytest.mark.parametrize("text", ["{", "[", " \r\n\t{}", "\ufeff[]", "{a=b&c=d"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-16"])
def test_a_body_that_begins_with_a_bracket_looks_like_json(text: str, encoding: str) -> None:
    """White space and byte order marks before the bracket are ignored, in each encoding of Unicode."""
    assert looks_like_json(text.encode(encoding))


@pytest.mark.parametrize("content", [b"", b"a=b", b"payload=%7B%7D", b'"a"', b"%7B", b"=", b" a={"])
def test_a_body_that_begins_otherwise_does_not_look_like_json(content: bytes) -> None:
    """A form escapes brackets, so it cannot be mistaken for JSON."""
    assert not looks_like_json(content)

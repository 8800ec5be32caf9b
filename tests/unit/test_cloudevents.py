"""CloudEvents over HTTP: what their data is, and how their attributes are escaped."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import SHIPPED, SHIPPED_ROUTES, World
from front_door import api_gateway_v2, request
from push_relay.core.errors import MalformedRequest, UnsupportedMediaType
from push_relay.core.inbound.body import BodyFormat, read_body
from push_relay.core.strict_json import JsonObject

CLOUDEVENTS = BodyFormat("cloudevents")
STRUCTURED = {"content-type": "application/cloudevents+json"}
BINARY = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/a", "ce-type": "t"}


def read(headers: dict[str, str], body: bytes = b"", *, proven: bool = False) -> JsonObject:
    """Return the document of a CloudEvent."""
    return read_body(body, headers, CLOUDEVENTS, proven=proven)


def attribute(name: str, header: str) -> object:
    """Return an attribute as it is read from its header."""
    return read({**BINARY, f"ce-{name}": header})[name]


@pytest.mark.parametrize(
    ("content_type", "body", "data"),
    [
        ("text/plain", b"kettle 3 is dry", "kettle 3 is dry"),
        ("text/plain; charset=iso-8859-1", "café".encode("latin-1"), "café"),
        ("text/plain; charset=utf-8", "café".encode(), "café"),
        ("text/html", b"<p>dry</p>", "<p>dry</p>"),
        ("application/xml", b"<dry/>", "<dry/>"),
        ("application/atom+xml", b"<dry/>", "<dry/>"),
        ("application/x-www-form-urlencoded", b"a=1", "a=1"),
        ("text/plain", b'{"a": 1}', '{"a": 1}'),
        ("text/json", b'{"a": 1}', {"a": 1}),
        ("application/vnd.acme+json", b"[1]", [1]),
        (None, b'{"a": 1}', {"a": 1}),
        (None, b"kettle 3 is dry", "kettle 3 is dry"),
    ],
)
def test_data_is_what_its_content_type_names(content_type: str | None, body: bytes, data: object) -> None:
    """In the binary mode, and in the structured mode as base64: JSON, a text, or what it looks like."""
    headers = BINARY if content_type is None else {**BINARY, "content-type": content_type}
    for proven in (False, True):
        assert read(headers, body, proven=proven)["data"] == data
    named = "" if content_type is None else f'"datacontenttype": "{content_type}",'
    structured = f'{{"specversion": "1.0", {named} "data_base64": "{base64.b64encode(body).decode()}"}}'
    event = read(STRUCTURED, structured.encode())
    assert event["data"] == data
    assert "data_base64" not in event


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("image/png", b"\x89PNG\r\n"), ("application/octet-stream", b"a"), (None, b"\xff\xfe\x00")],
)
def test_data_that_is_neither_json_nor_text_is_kept_as_base64(content_type: str | None, body: bytes) -> None:
    """As the JSON format has it: the event is accepted, and its other attributes are there for a push."""
    headers = BINARY if content_type is None else {**BINARY, "content-type": content_type}
    event = read(headers, body)
    assert base64.b64decode(event["data_base64"]) == body
    assert "data" not in event


@pytest.mark.parametrize(
    "event",
    [
        '{"specversion": "1.0", "data_base64": "!"}',
        '{"specversion": "1.0", "data_base64": 7}',
        '{"specversion": "1.0", "data_base64": "YQ==", "data": 1}',
        '{"specversion": "1.0", "data_base64": "ew==", "datacontenttype": "application/json"}',
    ],
)
def test_base64_that_is_wrong_is_left_to_the_schema(event: str) -> None:
    """Not base64, no text, beside `data`, or not the JSON that it is called."""
    assert "data_base64" in read(STRUCTURED, event.encode())


def test_what_is_in_a_header_never_becomes_the_data() -> None:
    """`ce-data_base64` is no more an attribute than `ce-data`."""
    forged = {"ce-data": "forged", "ce-data_base64": "Zm9yZ2Vk", "ce-datacontenttype": "text/forged"}
    event = read({**BINARY, **forged, "content-type": "text/plain"}, b"genuine")
    assert event["data"] == "genuine"
    assert event["datacontenttype"] == "text/plain"
    assert "forged" not in str(read({**BINARY, **forged}))


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", ""])
def test_a_proven_structured_event_is_known_by_its_version(content_type: str) -> None:
    """Under any content type if a proof covers the body; without one, under its own alone."""
    body, headers = b'{"specversion": "1.0", "id": "1"}', {"content-type": content_type}
    assert read(headers, body, proven=True)["id"] == "1"
    with pytest.raises(UnsupportedMediaType):
        read(headers, body)
    with pytest.raises(UnsupportedMediaType):
        read(headers, b'{"id": "1"}', proven=True)


@pytest.mark.parametrize("content_type", ["application/cloudevents-batch+json", "application/json"])
def test_a_batch_is_refused_after_a_proof_too(content_type: str) -> None:
    """Many events are not one."""
    with pytest.raises((UnsupportedMediaType, MalformedRequest)):
        read({"content-type": content_type}, b'[{"specversion": "1.0"}]', proven=True)


# --- escapes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "header", "value"),
    [
        # Escaped, as the binding asks for.
        ("subject", "caf%C3%A9%20100%25", "café 100%"),
        ("subject", "caf%c3%a9", "café"),
        ("subject", "%22a%22", '"a"'),
        ("subject", "line%0Abreak", "line\nbreak"),
        ("subject", "a%2520b", "a%20b"),
        ("source", "/a%2520b", "/a%20b"),
        ("source", "urn:x:%25C3%25BC", "urn:x:%C3%BC"),
        ("dataschema", "https://x.example/%2541", "https://x.example/%41"),
        # Not escaped, as many SDKs send it.
        ("source", "/a%20b", "/a%20b"),
        ("source", "urn:x:%C3%BC", "urn:x:%C3%BC"),
        ("source", "https://x.example/?q=1%2B1", "https://x.example/?q=1%2B1"),
        ("source", "/rate/5%25", "/rate/5%25"),
        ("source", "/100%", "/100%"),
        ("dataschema", "https://x.example/a%20b", "https://x.example/a%20b"),
        ("subject", "100%", "100%"),
        ("subject", "5% of 100%", "5% of 100%"),
        ("subject", "q=1%2B1", "q=1%2B1"),
        ("subject", "a%2Fb%20c", "a%2Fb%20c"),
        ("subject", "%ff", "%ff"),
        ("subject", "%zz", "%zz"),
        ("subject", "übér alles 🔥", "übér alles 🔥"),
        ("source", "/über", "/über"),
        # In quotes, which come off first.
        ("subject", '"say \\"no\\""', 'say "no"'),
        ("subject", '"caf%C3%A9"', "café"),
        ("subject", '"', '"'),
        ("subject", '"a" and "b"', '"a" and "b"'),
    ],
)
def test_an_attribute_is_what_its_sender_meant(name: str, header: str, value: str) -> None:
    """A value that holds what an escaping sender never sends was not escaped."""
    assert attribute(name, header) == value


PRINTABLE = st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='"%')


@given(st.sampled_from(["subject", "id", "type", "partitionkey"]), st.text(min_size=1))
def test_any_text_that_is_escaped_as_the_binding_asks_is_read_as_it_was(name: str, text: str) -> None:
    """Each character that is not printable ASCII, and space, quote and percent sign."""
    escaped = "".join(
        character
        if "!" <= character <= "~" and character not in '"%'
        else "".join(f"%{byte:02X}" for byte in character.encode())
        for character in text
    )
    assert attribute(name, escaped) == text


@given(st.lists(PRINTABLE | st.integers(0, 255).map("%{:02X}".format), min_size=1).map("".join))
def test_any_uri_that_is_escaped_as_the_binding_asks_is_read_as_it_was(uri: str) -> None:
    """A URI has only printable ASCII, so its percent signs alone are escaped."""
    assert attribute("source", uri.replace("%", "%25")) == uri


# --- the shipped source ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "body", "text"),
    [
        ({**BINARY, "content-type": "text/plain"}, b"The oven is cold", "The oven is cold"),
        ({**BINARY, "content-type": "application/json"}, b'"The oven is cold"', "The oven is cold"),
        ({**BINARY, "content-type": "application/json"}, b'{"message": " ", "title": "Cold"}', "Cold"),
        ({**BINARY, "content-type": "application/json"}, b'{"message": {"a": 1}}', "/a"),
        ({**BINARY, "content-type": "image/png"}, b"\x89PNG", "/a"),
        ({**BINARY, "ce-subject": "oven/3", "content-type": "text/plain"}, b" ", "oven/3"),
        (
            STRUCTURED,
            b'{"specversion": "1.0", "id": "1", "source": "/a", "type": "t", "data_base64": "Q29sZA=="}',
            "Cold",
        ),
        (
            STRUCTURED,
            b'{"specversion": "1.0", "id": "1", "source": "/a b", "type": "t", "data": "Cold", "time": "x"}',
            "Cold",
        ),
    ],
)
def test_the_shipped_source_pushes_the_text(headers: dict[str, str], body: bytes, text: str) -> None:
    """A text that is the data, a text in it, or else the subject or the source."""
    here = World(sources=SHIPPED, routes=SHIPPED_ROUTES)
    here.secrets.secrets = (b"token",)
    sent = request(body, {"authorization": "Bearer token", **headers}, source="cloudevents")
    answer = here.receive(api_gateway_v2(sent))
    assert answer["statusCode"] == 202, answer["body"]
    ((event, _),) = here.messages.queued
    (push,) = here.translator.translate(event)
    assert push.wording.body == text  # type: ignore[union-attr]

"""CloudEvents over HTTP: the format of their data, and the escaping of their attributes."""

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import SHIPPED, SHIPPED_ROUTES, World
from front_door import api_gateway_v2, request, world
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
def test_data_is_read_by_its_content_type(content_type: str | None, body: bytes, data: object) -> None:
    """This holds in the binary mode and for base64 in the structured mode. A missing type is guessed."""
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
    """The JSON format of CloudEvents requires this. A push can still be written from the other attributes."""
    headers = BINARY if content_type is None else {**BINARY, "content-type": content_type}
    event = read(headers, body)
    assert base64.b64decode(event["data_base64"]) == body
    assert "data" not in event


@pytest.mark.parametrize(
    "event",
    [
        '{"specversion": "1.0", "data_base64": "!"}',
        '{"specversion": "1.0", "data_base64": "\\u00e9"}',
        '{"specversion": "1.0", "data_base64": 7}',
        '{"specversion": "1.0", "data_base64": "YQ==", "data": 1}',
        '{"specversion": "1.0", "data_base64": "ew==", "datacontenttype": "application/json"}',
    ],
)
def test_an_invalid_data_base64_is_not_decoded(event: str) -> None:
    """The field stays in the document, so that the source's schema can refuse the event."""
    assert "data_base64" in read(STRUCTURED, event.encode())


def test_a_header_never_becomes_the_data() -> None:
    """Headers are not signed, so neither `ce-data` nor `ce-data_base64` is treated as an attribute."""
    forged = {"ce-data": "forged", "ce-data_base64": "Zm9yZ2Vk", "ce-datacontenttype": "text/forged"}
    event = read({**BINARY, **forged, "content-type": "text/plain"}, b"genuine")
    assert event["data"] == "genuine"
    assert event["datacontenttype"] == "text/plain"
    assert "forged" not in str(read({**BINARY, **forged}))


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", ""])
def test_a_proven_structured_event_is_recognised_by_its_version(content_type: str) -> None:
    """The content type matters only if no proof covers the body: then it must be that of CloudEvents."""
    body, headers = b'{"specversion": "1.0", "id": "1"}', {"content-type": content_type}
    assert read(headers, body, proven=True)["id"] == "1"
    with pytest.raises(UnsupportedMediaType):
        read(headers, body)
    with pytest.raises(UnsupportedMediaType):
        read(headers, b'{"id": "1"}', proven=True)


BATCH = "application/cloudevents-batch+json"


@pytest.mark.parametrize("content_type", [BATCH, "application/json"])
def test_a_batch_is_a_list_of_events(content_type: str) -> None:
    """If a proof covers it, the content type does not matter. Its `data_base64` is read as in one event."""
    given = [{"specversion": "1.0", "data_base64": "eyJhIjogMX0="}, {"specversion": "1.0", "id": "2"}]
    body = json.dumps(given).encode()
    expected = ([{"specversion": "1.0", "data": {"a": 1}}, given[1]],)
    assert read({"content-type": content_type}, body, proven=True) == expected
    assert read({"content-type": BATCH}, body) == expected


@pytest.mark.parametrize(
    ("content_type", "body", "proven"),
    [
        ("application/json", b'[{"specversion": "1.0"}]', False),
        ("application/cloudevents+json", b'[{"specversion": "1.0"}]', False),
        (BATCH, b'{"specversion": "1.0"}', False),
        ("application/json", b'[{"specversion": "1.0"}, {"a": 1}]', True),
    ],
)
def test_a_batch_has_its_own_media_type_or_nothing_but_events(
    content_type: str, body: bytes, *, proven: bool
) -> None:
    """Without a proof the media type decides, and with one the content does."""
    with pytest.raises((UnsupportedMediaType, MalformedRequest)):
        read({"content-type": content_type}, body, proven=proven)


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/octet-stream", ""])
def test_headers_do_not_make_another_event_of_a_signed_batch(content_type: str) -> None:
    """The signature covers the body alone, so a captured batch must not be relayed again as another event."""
    given = [{"specversion": "1.0", "id": "1"}, {"specversion": "1.0", "id": "2"}]
    headers = {**BINARY, "ce-type": "forged"} | ({"content-type": content_type} if content_type else {})
    assert read(headers, json.dumps(given).encode(), proven=True) == (given,)


@pytest.mark.parametrize("data", [[], [1], [{"a": 1}], [{"specversion": "1.0"}, 1]])
def test_a_list_may_be_the_data_of_a_signed_event(data: list[object]) -> None:
    """It is a batch only if each item is an event."""
    headers = {**BINARY, "content-type": "application/json"}
    assert read(headers, json.dumps(data).encode(), proven=True)["data"] == data


@pytest.mark.parametrize("named", [{}, {"id": "1"}, {"source": "/a"}, {"source": "/a", "id": 1}])
def test_an_event_without_its_names_is_not_the_same_as_all_others(
    named: dict[str, object], tmp_path: Path
) -> None:
    """Both are required. Events without them are identified by their content."""
    here = world(tmp_path, {"scheme": "token", "header": "x-token"}, event='format = "cloudevents"')
    here.secrets.secrets = (b"planted",)
    for number in (1, 2, 2):
        event = {"specversion": "1.0", "type": "t", **named, "data": number}
        here.receive(api_gateway_v2(request(event, {**STRUCTURED, "x-token": "planted"})))
    first, second, again = (event.identity for event, _ in here.messages.queued)
    assert first != second == again


# --- escapes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "header", "value"),
    [
        # Escaped, as the HTTP binding requires.
        ("subject", "caf%C3%A9%20100%25", "café 100%"),
        ("subject", "caf%c3%a9", "café"),
        ("subject", "%22a%22", '"a"'),
        ("subject", "line%0Abreak", "line\nbreak"),
        ("subject", "a%2520b", "a%20b"),
        ("source", "/a%2520b", "/a%20b"),
        ("source", "urn:x:%25C3%25BC", "urn:x:%C3%BC"),
        ("dataschema", "https://x.example/%2541", "https://x.example/%41"),
        # Not escaped, as many SDKs send them.
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
        # In quotes, which are removed first.
        ("subject", '"say \\"no\\""', 'say "no"'),
        ("subject", '"caf%C3%A9"', "café"),
        ("subject", '"', '"'),
        ("subject", '"a" and "b"', '"a" and "b"'),
    ],
)
def test_an_attribute_is_what_its_sender_meant(name: str, header: str, value: str) -> None:
    """Some senders do not escape. A value with a character that must be escaped was not escaped."""
    assert attribute(name, header) == value


PRINTABLE = st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='"%')


@given(st.sampled_from(["subject", "id", "type", "partitionkey"]), st.text(min_size=1))
def test_any_text_that_is_escaped_as_the_binding_requires_is_read_unchanged(name: str, text: str) -> None:
    """The binding escapes spaces, quotes, percent signs, and all characters outside printable ASCII."""
    escaped = "".join(
        character
        if "!" <= character <= "~" and character not in '"%'
        else "".join(f"%{byte:02X}" for byte in character.encode())
        for character in text
    )
    assert attribute(name, escaped) == text


@given(st.lists(PRINTABLE | st.integers(0, 255).map("%{:02X}".format), min_size=1).map("".join))
def test_any_uri_that_is_escaped_as_the_binding_requires_is_read_unchanged(uri: str) -> None:
    """A URI has only printable ASCII, so only its percent signs are escaped."""
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
        ({**BINARY, "ce-subject": "oven/3", "content-type": "text/plain"}, b" ", "3"),
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
    """The text is the data itself or a field of the data. The subject or the source is the fallback."""
    here = World(sources=SHIPPED, routes=SHIPPED_ROUTES)
    here.secrets.secrets = (b"token",)
    sent = request(body, {"authorization": "Bearer token", **headers}, source="cloudevents")
    answer = here.receive(api_gateway_v2(sent))
    assert answer["statusCode"] == 202, answer["body"]
    ((event, _),) = here.messages.queued
    (push,) = here.translator.translate(event)
    assert text in f"{push.wording.title}\n{push.wording.body}"  # type: ignore[union-attr]

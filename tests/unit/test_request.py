"""API Gateway's and a function URL's invocations become one HTTP request, or are refused."""

import base64
import itertools
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from push_relay.core.errors import MalformedRequest, PayloadTooLarge, RelayError
from push_relay.core.inbound.request import MAX_BODY, is_http, unwrap


def v1(**changes: Any) -> dict[str, Any]:
    """Return a REST API's invocation."""
    return {
        "resource": "/webhooks/{source}",
        "path": "/webhooks/github",
        "httpMethod": "POST",
        "headers": {"Content-Type": "application/json", "X-Twice": "b"},
        "multiValueHeaders": {"Content-Type": ["application/json"], "X-Twice": ["a", "b"]},
        "queryStringParameters": {"branch": "north"},
        "pathParameters": {"source": "github"},
        "requestContext": {"requestId": "gateway-1", "httpMethod": "POST"},
        "body": '{"a": 1}',
        "isBase64Encoded": False,
        **changes,
    }


def v2(**changes: Any) -> dict[str, Any]:
    """Return an HTTP API's invocation."""
    return {
        "version": "2.0",
        "rawPath": "/prod/webhooks/github",
        "headers": {"content-type": "application/json", "x-twice": "a, b"},
        "queryStringParameters": {"branch": "north"},
        "pathParameters": {"source": "github"},
        "requestContext": {
            "http": {"method": "POST", "path": "/prod/webhooks/github"},
            "requestId": "gateway-1",
        },
        "body": '{"a": 1}',
        "isBase64Encoded": False,
        **changes,
    }


def url(**changes: Any) -> dict[str, Any]:
    """Return a function URL's invocation."""
    given = v2(**changes)
    return {key: value for key, value in given.items() if key != "pathParameters"}


SHAPES = pytest.mark.parametrize("shape", [v1, v2, url])


@SHAPES
def test_every_shape_gives_the_same_request(shape: Any) -> None:
    """REST API 1.0, HTTP API 2.0 and function URL differ in nothing that the relay looks at."""
    assert is_http(shape())
    request = unwrap(shape())
    assert (request.method, request.source, request.body) == ("POST", "github", b'{"a": 1}')
    assert request.headers["content-type"] == "application/json"
    assert request.query == {"branch": "north"}
    assert request.correlation_id == "gateway-1"


@SHAPES
def test_a_repeated_header_is_joined(shape: Any) -> None:
    """1.0 lists repeated values apart, 2.0 has joined them: both are joined here."""
    assert unwrap(shape()).headers["x-twice"] == "a, b"


@SHAPES
def test_a_base64_body_is_decoded(shape: Any) -> None:
    """The bytes are those that were signed, whatever they are."""
    body = base64.b64encode(b"\x00\xff{").decode()
    assert unwrap(shape(body=body, isBase64Encoded=True)).body == b"\x00\xff{"


@SHAPES
@pytest.mark.parametrize("body", ["{}", "YQ", "YQ==YQ==", "é", "YQ==\n", "Y-_="])
def test_a_lying_base64_flag_is_malformed(shape: Any, body: str) -> None:
    """What is flagged as base64 and isn't has no bytes whose signature could be checked."""
    with pytest.raises(MalformedRequest, match="base64"):
        unwrap(shape(body=body, isBase64Encoded=True))


@SHAPES
@pytest.mark.parametrize("flag", ["true", 1, None, "false"])
def test_only_a_true_flag_means_base64(shape: Any, flag: object) -> None:
    """Anything else leaves the body as it is."""
    assert unwrap(shape(body="YQ==", isBase64Encoded=flag)).body == b"YQ=="


@pytest.mark.parametrize(("body", "error"), [(["a"], MalformedRequest), ("\ud800", MalformedRequest)])
def test_a_body_that_is_no_text_is_malformed(body: object, error: type[RelayError]) -> None:
    """An invocation by hand may hold anything."""
    with pytest.raises(error):
        unwrap(v2(body=body))


def test_no_body_is_an_empty_one() -> None:
    """A GET has none; API Gateway says null."""
    assert unwrap(v2(body=None)).body == b""


@pytest.mark.parametrize(
    ("body", "encoded"),
    [
        ("x" * (6 * 1024 * 1024), False),
        ("YWFh" * (1536 * 1024), True),
        ("x" * (MAX_BODY + 1), False),
        ("é" * (MAX_BODY // 2 + 1), False),
        (base64.b64encode(b"x" * (MAX_BODY + 1)).decode(), True),
    ],
    ids=["6 MB", "6 MB of base64", "one more", "one more in UTF-8", "one more in base64"],
)
def test_a_body_past_the_limit_is_refused(body: str, encoded: bool) -> None:  # noqa: FBT001
    """Lambda's own 6 MB are more than a queue message holds."""
    with pytest.raises(PayloadTooLarge):
        unwrap(v2(body=body, isBase64Encoded=encoded))


def test_a_body_at_the_limit_is_taken() -> None:
    """Exactly as many bytes as are allowed, in both spellings."""
    assert len(unwrap(v2(body="x" * MAX_BODY)).body) == MAX_BODY
    encoded = base64.b64encode(b"x" * MAX_BODY).decode()
    assert len(unwrap(v2(body=encoded, isBase64Encoded=True)).body) == MAX_BODY


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("/webhooks/github", "github"),
        ("/webhooks/github/", "github"),
        ("/prod/webhooks/github", "github"),
        ("/webhooks/..", ".."),
        ("/webhooks/..%2f..%2fetc", "..%2f..%2fetc"),
        ("/webhooks/a/b", None),
        ("/webhooks/", None),
        ("/mywebhooks/github", None),
        ("/", None),
        ("", None),
    ],
)
def test_a_function_urls_path_names_the_source(path: str, source: str | None) -> None:
    """A function URL has no path parameters; a name with tricks in it stays one name, to be refused."""
    context = {"http": {"method": "POST", "path": path}}
    assert unwrap(url(requestContext=context, rawPath=path)).source == source


@pytest.mark.parametrize(
    ("headers", "gateway", "correlation_id"),
    [
        ({"X-Correlation-Id": "abc-1"}, "gw", "abc-1"),
        ({"X-Request-Id": "abc-2"}, "gw", "abc-2"),
        ({"X-Correlation-Id": "ada@example.com", "X-Request-Id": "abc-3"}, "gw", "abc-3"),
        ({"X-Correlation-Id": "a\nb"}, "gw", "gw"),
        ({"X-Correlation-Id": "a" * 129}, "gw", "gw"),
        ({"X-Correlation-Id": ""}, "gw", "gw"),
        ({"X-Correlation-Id": "a b"}, "g w", "-"),
    ],
)
def test_a_correlation_id_is_taken_where_it_is_safe_to_log(
    headers: dict[str, str], gateway: str, correlation_id: str
) -> None:
    """A sender's id is used unless it could carry a person or break a log line."""
    request = unwrap(v2(headers=headers, requestContext={"http": {"method": "POST"}, "requestId": gateway}))
    assert request.correlation_id == correlation_id


@pytest.mark.parametrize("invocation", [None, [], "x", {}, {"requestContext": {}}, {"requestContext": None}])
def test_what_is_no_http_invocation_is_told_apart(invocation: object) -> None:
    """The front door is invoked by HTTP alone."""
    assert not is_http(invocation)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from([v1, v2, url]), st.data())
def test_any_junk_in_any_field_is_read_or_refused(shape: Any, data: st.DataObject) -> None:
    """Nothing but RelayError comes out, whatever stands in an envelope's fields."""
    names = st.sampled_from(sorted(shape()))
    invocation = shape(**data.draw(st.dictionaries(names, JUNK, max_size=4)))
    with suppress(RelayError):
        unwrap(invocation)


def test_half_of_a_surrogate_pair_is_replaced_wherever_it_is() -> None:
    """An invocation is JSON and can hold one; an event's headers and query are queued as UTF-8."""
    half = "a\ud800"
    request = unwrap(
        {
            "rawPath": f"/{half}",
            "rawQueryString": half,
            "headers": {"host": half, f"X-{half}": half},
            "queryStringParameters": {half: half},
            "requestContext": {"http": {"method": "POST"}, "domainName": half},
        }
    )
    mended = "a\ufffd"
    assert request.path == f"/{mended}"
    assert request.url == f"https://{mended}/{mended}?{mended}"
    assert request.headers == {"host": mended, f"x-{mended}": mended}
    assert request.query == {mended: mended}


def test_headers_that_differ_in_case_are_joined_in_time_that_grows_with_their_number() -> None:
    """The values of one name are joined once, not once for each."""
    names = ["".join(pair) for pair in itertools.product(*(((c, c.upper())) for c in "abcdefghijklmno"))]
    invocation = {"multiValueHeaders": {name: ["x" * 80] for name in names}, "requestContext": {}}
    began = time.process_time()
    headers = unwrap(invocation).headers
    assert time.process_time() - began < 0.5
    assert len(headers["abcdefghijklmno"]) == len(names) * 82 - 2

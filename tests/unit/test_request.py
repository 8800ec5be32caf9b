"""Invocations of API Gateway and function URLs become one HTTP request, or are rejected."""

import base64
import itertools
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpu_cost import cost
from push_relay.core.errors import MalformedRequest, PayloadTooLarge, RelayError
from push_relay.core.inbound.request import MAX_BODY, is_http, unwrap


def v1(**changes: Any) -> dict[str, Any]:
    """Return an invocation by a REST API."""
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
    """Return an invocation by an HTTP API."""
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
    """Return an invocation by a function URL."""
    given = v2(**changes)
    return {key: value for key, value in given.items() if key != "pathParameters"}


EACH_KIND = pytest.mark.parametrize("invocation_of", [v1, v2, url])


@EACH_KIND
def test_every_kind_of_invocation_gives_the_same_request(invocation_of: Any) -> None:
    """A REST API (1.0), an HTTP API (2.0) and a function URL differ in nothing that the relay uses."""
    assert is_http(invocation_of())
    request = unwrap(invocation_of())
    assert (request.method, request.source, request.body) == ("POST", "github", b'{"a": 1}')
    assert request.headers["content-type"] == "application/json"
    assert request.query == {"branch": "north"}
    assert request.correlation_id == "gateway-1"


@EACH_KIND
def test_a_repeated_header_is_joined(invocation_of: Any) -> None:
    """Version 1.0 lists repeated values separately and 2.0 joins them. The relay joins both."""
    assert unwrap(invocation_of()).headers["x-twice"] == "a, b"


@EACH_KIND
def test_a_base64_body_is_decoded(invocation_of: Any) -> None:
    """The signature covers the decoded bytes, which need not be text."""
    body = base64.b64encode(b"\x00\xff{").decode()
    assert unwrap(invocation_of(body=body, isBase64Encoded=True)).body == b"\x00\xff{"


@EACH_KIND
@pytest.mark.parametrize("body", ["{}", "YQ", "YQ==YQ==", "é", "YQ==\n", "Y-_="])
def test_a_body_that_is_wrongly_flagged_as_base64_is_malformed(invocation_of: Any, body: str) -> None:
    """If the flag is set for another body, there are no bytes whose signature could be checked."""
    with pytest.raises(MalformedRequest, match="base64"):
        unwrap(invocation_of(body=body, isBase64Encoded=True))


@EACH_KIND
@pytest.mark.parametrize("flag", ["true", 1, None, "false"])
def test_only_a_true_flag_means_base64(invocation_of: Any, flag: object) -> None:
    """Any other value leaves the body unchanged."""
    assert unwrap(invocation_of(body="YQ==", isBase64Encoded=flag)).body == b"YQ=="


@pytest.mark.parametrize(("body", "error"), [(["a"], MalformedRequest), ("\ud800", MalformedRequest)])
def test_a_body_that_is_not_text_is_malformed(body: object, error: type[RelayError]) -> None:
    """A person who invokes the function directly can send anything."""
    with pytest.raises(error):
        unwrap(v2(body=body))


def test_a_missing_body_is_empty() -> None:
    """A GET request has no body, and API Gateway sends null for it."""
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
    ids=["6 MB", "6 MB of base64", "one byte over", "one byte over in UTF-8", "one byte over in base64"],
)
def test_a_body_over_the_limit_is_rejected(body: str, encoded: bool) -> None:  # noqa: FBT001
    """Lambda itself accepts 6 MB, which is more than a queue message can contain."""
    with pytest.raises(PayloadTooLarge):
        unwrap(v2(body=body, isBase64Encoded=encoded))


def test_a_body_at_the_limit_is_accepted() -> None:
    """Exactly the limit is allowed, both as text and as base64."""
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
    """A function URL has no path parameters. A name with path tricks stays one name and is rejected."""
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
def test_a_correlation_id_is_used_if_it_is_safe_to_log(
    headers: dict[str, str], gateway: str, correlation_id: str
) -> None:
    """A sender's id is used unless it could identify a person or break a log line."""
    request = unwrap(v2(headers=headers, requestContext={"http": {"method": "POST"}, "requestId": gateway}))
    assert request.correlation_id == correlation_id


@pytest.mark.parametrize("invocation", [None, [], "x", {}, {"requestContext": {}}, {"requestContext": None}])
def test_an_invocation_that_is_not_http_is_recognised(invocation: object) -> None:
    """`receive` must be invoked by HTTP only."""
    assert not is_http(invocation)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from([v1, v2, url]), st.data())
def test_any_junk_in_any_field_is_read_or_rejected(invocation_of: Any, data: st.DataObject) -> None:
    """Only a RelayError may be raised, for any values in an invocation's fields."""
    names = st.sampled_from(sorted(invocation_of()))
    invocation = invocation_of(**data.draw(st.dictionaries(names, JUNK, max_size=4)))
    with suppress(RelayError):
        unwrap(invocation)


def test_half_a_surrogate_pair_is_replaced_in_every_field() -> None:
    """An invocation is JSON and can contain one, but an event's headers and query are queued as UTF-8."""
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
    cleaned = "a\ufffd"
    assert request.path == f"/{cleaned}"
    assert request.url == f"https://{cleaned}/{cleaned}?{cleaned}"
    assert request.headers == {"host": cleaned, f"x-{cleaned}": cleaned}
    assert request.query == {cleaned: cleaned}


def test_headers_that_differ_in_case_are_joined_in_linear_time() -> None:
    """The values of one name are joined once, and not once for each of them."""
    names = ["".join(pair) for pair in itertools.product(*(((c, c.upper())) for c in "abcdefghijklmno"))]
    invocation = {"multiValueHeaders": {name: ["x" * 80] for name in names}, "requestContext": {}}
    assert cost(lambda: unwrap(invocation)) < 150
    headers = unwrap(invocation).headers
    assert len(headers["abcdefghijklmno"]) == len(names) * 82 - 2

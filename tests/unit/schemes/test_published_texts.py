"""Signed texts that providers publish without a key: the placeholders of single providers write them."""

import hashlib

from push_relay.core.trust.schemes.signed_text import compile_text
from push_relay.core.trust.schemes.values import Values
from sns_sender import Request

FORM = {"content-type": "application/x-www-form-urlencoded"}


def text(template: str, request: Request) -> str:
    """Return the signed text of a request."""
    return compile_text(template, None).fill(Values(request, {})).decode()


def test_plivo_s_base_string() -> None:
    """https://www.plivo.com/docs/voice/concepts/signature-validation."""
    body = b"From=%2B15551111111&To=%2B15555555555&CallUuid=4vbcpem8-0u46-x1ha-9af1-438vc92bf374&Digits=1234"
    request = Request(body, FORM, {"foo": "bar"}, "https://example.com/abcd?foo=bar")
    assert text("{url|plivo}", request) == (
        "https://example.com/abcd?foo=bar.CallUuid4vbcpem8-0u46-x1ha-9af1-438vc92bf374Digits1234"
        "From+15551111111To+15555555555"
    )


def test_atlassian_s_query_string_hash() -> None:
    """https://developer.atlassian.com/cloud/bitbucket/query-string-hash/."""
    request = Request(b"", {}, {}, "https://api.bitbucket.org/test?param=value", "GET")
    canonical = text("{method}&{path|atlassian}&{query|atlassian}", request)
    expected = "be16910858a41fd19ea5c1b4e9decca9a784d1024cb00b2158defe2f29dc86dd"
    assert hashlib.sha256(canonical.encode()).hexdigest() == expected


def test_atlassian_s_canonical_request() -> None:
    """https://developer.atlassian.com/cloud/jira/platform/understanding-jwt-for-connect-apps/."""
    query = "zee_last=param&repeated=parameter%201&first=param&repeated=parameter%202"
    request = Request(b"", {}, {}, f"https://site.atlassian.net/path/to/service?{query}", "GET")
    assert text("{method}&{path|atlassian}&{query|atlassian}", request) == (
        "GET&/path/to/service&first=param&repeated=parameter%201,parameter%202&zee_last=param"
    )

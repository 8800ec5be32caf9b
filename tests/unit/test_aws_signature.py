"""Signatures of calls of AWS: botocore makes the same ones."""

import datetime as dt
from typing import Any

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from push_relay.adapters.aws_signature import Credentials, Signer

NOW = 1_800_000_000.75
HEADERS = {"Host": "dynamodb.eu-west-1.amazonaws.com", "Content-Type": "application/x-amz-json-1.0"}
TEXTS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=40)


def signed_by_botocore(request: AWSRequest, credentials: Credentials, *place: str) -> dict[str, str]:
    """Return the headers that botocore would send."""
    keys = ReadOnlyCredentials(credentials.access_key, credentials.secret_key, credentials.token or None)
    auth.SigV4Auth(keys, *place).add_auth(request)
    return dict(request.headers)


@pytest.fixture(autouse=True)
def _one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let botocore sign at the moment of the tests."""
    moment = dt.datetime.fromtimestamp(NOW, dt.UTC).replace(tzinfo=None)
    monkeypatch.setattr(auth, "get_current_datetime", lambda **_: moment)


@given(
    credentials=st.builds(Credentials, TEXTS, TEXTS, st.just("") | TEXTS),
    more=st.dictionaries(st.from_regex(r"X-[A-Z][a-z-]{0,10}[a-z]", fullmatch=True), VALUES, max_size=3),
    body=st.binary(max_size=200),
    path=st.sampled_from(["/", "/prefix/", "/a b~c/", "/ü/%41"]),
    place=st.sampled_from([("dynamodb", "eu-west-1"), ("secretsmanager", "cn-north-1")]),
)
def test_a_signature_is_the_one_of_botocore(
    credentials: Credentials, more: dict[str, str], body: bytes, path: str, place: tuple[str, str]
) -> None:
    """All headers are signed, also those with several spaces, and names in any order."""
    headers: dict[str, Any] = {**more, **HEADERS}
    signed = Signer(*place).signed(credentials, path, headers, body, NOW)
    request = AWSRequest("POST", f"https://{HEADERS['Host']}{path}", headers=headers, data=body)
    expected = signed_by_botocore(request, credentials, *place)
    assert signed["Authorization"] == expected["Authorization"]
    assert signed["X-Amz-Date"] == expected["X-Amz-Date"]
    assert signed.get("X-Amz-Security-Token") == expected.get("X-Amz-Security-Token")


def test_the_key_of_a_day_is_made_again_for_another_day_or_secret() -> None:
    """Credentials are renewed within a day, and a worker lives beyond midnight."""
    signer = Signer("dynamodb", "eu-west-1")
    first, second = Credentials("a", "first"), Credentials("a", "second")
    moments = [(first, NOW), (first, NOW + 86_400), (second, NOW + 86_400), (first, NOW)]
    kept = [signer.signed(credentials, "/", HEADERS, b"{}", now) for credentials, now in moments]
    fresh = [
        Signer("dynamodb", "eu-west-1").signed(credentials, "/", HEADERS, b"{}", now)
        for credentials, now in moments
    ]
    assert kept == fresh
    assert len({headers["Authorization"] for headers in kept}) == 3

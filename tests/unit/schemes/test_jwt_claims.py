"""The claims of signed tokens, and their times."""

from collections.abc import Mapping
from typing import Any

import pytest

from jwt_senders import (
    BODY,
    NOW,
    Request,
    body_hash,
    token,
)
from jwt_verifier import CLAIMS, HASH, PLAIN, SECRET, verify
from push_relay.core.errors import (
    CredentialsUnavailable,
    SignatureInvalid,
    Stale,
)
from push_relay.core.trust.schemes.proof import Verified

# --- claims -----------------------------------------------------------------------------------------


OPEN: Mapping[str, Any] = {"token": "header:X-Token", "content": "unsigned"}


@pytest.mark.parametrize(
    ("wanted", "good", "bad"),
    [
        ({"aud": "{url}"}, {"aud": Request().url}, {"aud": "https://relay.example.com/"}),
        ({"aud": "x"}, {"aud": ["y", "x"]}, {"aud": ["y"]}),
        ({"aud": "x"}, {"aud": ["x"]}, {"aud": [["x"]]}),
        ({"iss": "x"}, {"iss": "x"}, {"iss": ["x"]}),
        ({"iss": ["x", "y"]}, {"iss": "y"}, {"iss": "z"}),
        ({"verified": True}, {"verified": True}, {"verified": "true"}),
        ({"verified": True}, {"verified": True}, {"verified": 1}),
        ({"version": 1}, {"version": 1}, {"version": True}),
        ({"version": 1}, {"version": 1}, {"version": 1.5}),
        ({"email": "{setting:email}"}, {"email": "a@example.com"}, {"email": "b@example.com"}),
        ({"email": "{setting:email}"}, {"email": "a@example.com"}, {"email": None}),
        ({"/data/id": "x"}, {"data": {"id": "x"}}, {"/data/id": "x"}),
        ({"/data/id": "x"}, {"data": {"id": "x"}}, {"data": "x"}),
        ({"appid|azp": "x"}, {"azp": "x"}, {"azp": "x", "appid": "y"}),
        ({"appid|azp": "x"}, {"appid": "x"}, {}),
        ({"jti?": "x"}, {}, {"jti": "y"}),
        ({"hash": {"text": "{url}", "hash": "sha256-hex"}}, {"hash": body_hash(Request().url.encode())}, {}),
    ],
)
def test_claims_are_compared_with_what_is_configured(
    wanted: Mapping[str, Any], good: Mapping[str, Any], bad: Mapping[str, Any]
) -> None:
    """A claim of another type never fits."""
    table, settings = {**OPEN, "claims": wanted}, {"email": "a@example.com"}
    assert verify(table, token(good, SECRET), settings=settings) == Verified(BODY, None, content=False)
    with pytest.raises(SignatureInvalid):
        verify(table, token(bad, SECRET), settings=settings)


def test_the_hash_of_the_body_may_be_missing_only_if_there_is_no_body() -> None:
    """Otherwise a token of an empty request would fit any body."""
    table = {"token": "header:X-Token", "claims": {"hash?": HASH}}
    assert verify(table, token({}, SECRET), body=b"").content
    with pytest.raises(SignatureInvalid):
        verify(table, token({}, SECRET))


def test_a_missing_setting_refuses_every_request() -> None:
    """A claim must never be compared with nothing."""
    table = {**OPEN, "claims": {"aud": "{setting:audience}"}, "settings": ["audience"]}
    for settings in ({}, {"audience": ""}):
        with pytest.raises(CredentialsUnavailable, match="audience"):
            verify(table, token({"aud": ""}, SECRET), settings=settings)


def test_a_setting_is_never_a_key() -> None:
    """It is shown in addresses and on the provider's pages."""
    table = {**OPEN, "claims": {"aud": "{setting:audience}"}}
    with pytest.raises(SignatureInvalid):
        verify(table, token({"aud": "shown"}, b"shown"), settings={"audience": "shown"})


def test_members_of_the_jose_header_are_compared_too() -> None:
    """For a sender that fixes the type of its tokens."""
    table = {**OPEN, "jose": {"typ": "event+jwt"}}
    assert verify(table, token({}, SECRET, {"typ": "event+jwt"})).content is False
    with pytest.raises(SignatureInvalid):
        verify(table, token({}, SECRET))


def test_an_id_is_taken_from_the_claim_that_is_named() -> None:
    """It has to be a text."""
    table = {**PLAIN, "id": "claim:jti"}
    assert verify(table, token({**CLAIMS, "jti": "e-1"}, SECRET)).event_id == "e-1"
    assert verify(PLAIN, token({**CLAIMS, "jti": "e-1"}, SECRET)).event_id is None
    for jti in (None, 1, "", "x" * 300):
        with pytest.raises(SignatureInvalid):
            verify(table, token({**CLAIMS, "jti": jti}, SECRET))


# --- time -------------------------------------------------------------------------------------------

TIMED = {
    **PLAIN,
    "time": {
        "expires": "exp",
        "not_before": "nbf",
        "issued": "iat",
        "leeway_secs": 60,
        "tolerance_secs": 300,
    },
}
TIMES = {"exp": NOW + 60, "nbf": NOW - 60, "iat": NOW}


@pytest.mark.parametrize(
    ("times", "now"),
    [
        ({}, NOW + 119.5),
        ({}, NOW - 119.5),
        ({"exp": NOW + 9999}, NOW + 300),
        ({"exp": NOW + 0.5, "iat": NOW - 0.25}, NOW),
    ],
)
def test_a_token_is_accepted_while_it_is_valid(times: Mapping[str, float], now: float) -> None:
    """With the leeway of clocks. Fractions are numbers as well."""
    assert verify(TIMED, token({**CLAIMS, **TIMES, **times}, SECRET), now=now).content


@pytest.mark.parametrize(
    ("times", "now"),
    [
        ({}, NOW + 120),
        ({}, NOW - 121),
        ({"exp": NOW + 9999}, NOW + 301),
        ({"nbf": 0}, NOW - 301),
        ({"iat": 0}, NOW),
    ],
)
def test_a_token_is_stale_outside_of_its_times(times: Mapping[str, float], now: float) -> None:
    """Only the sender of a genuine token learns of it."""
    with pytest.raises(Stale):
        verify(TIMED, token({**CLAIMS, **TIMES, **times}, SECRET), now=now)
    with pytest.raises(SignatureInvalid):
        verify(TIMED, token({**CLAIMS, **TIMES, **times}, b"another"), now=now)


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    "value", [str(NOW), "", None, True, False, -1, -0.5, 10**12, 10**300, [NOW], {"t": NOW}]
)
def test_a_time_is_a_number_of_seconds(name: str, value: object) -> None:
    """Another type, a negative number and one that is far too large are refused, although they are signed."""
    with pytest.raises(SignatureInvalid):
        verify(TIMED, token({**CLAIMS, **TIMES, name: value}, SECRET))


def test_times_may_be_missing_only_if_the_configuration_allows_it() -> None:
    """And one that is present is still judged."""
    table = {**PLAIN, "time": {"expires": "exp", "required": False}}
    assert verify(table, token(CLAIMS, SECRET)).content
    with pytest.raises(Stale):
        verify(table, token({**CLAIMS, "exp": 1}, SECRET))
    with pytest.raises(SignatureInvalid):
        verify({**PLAIN, "time": {"expires": "exp"}}, token(CLAIMS, SECRET))

"""Whoever signs with the source's secret is let in, and nobody else."""

import hashlib
import hmac
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from push_relay.core.errors import ConfigurationInvalid, SignatureInvalid, SignatureMissing, Unauthenticated
from push_relay.core.signature import MAX_PROOF, SCHEMES, scheme

BODY, KEY, OLD = b'{"planted": 1}', b"key", b"old key"
HEADER = {"github": ("x-hub-signature-256", "sha256="), "grafana": ("x-grafana-alerting-signature", "")}
EVERY = pytest.mark.parametrize("name", sorted(SCHEMES))


@dataclass
class Request:
    """What a scheme may look at."""

    body: bytes = BODY
    headers: dict[str, str] = field(default_factory=dict)


def proof(name: str, body: bytes = BODY, key: bytes = KEY) -> str:
    """Write a right proof."""
    return HEADER[name][1] + hmac.digest(key, body, hashlib.sha256).hex()


def signed(name: str, value: str, body: bytes = BODY) -> Request:
    """Return a request that bears a proof."""
    return Request(body, {HEADER[name][0]: value})


def verify(name: str, request: Request, *keys: bytes) -> bytes:
    """Verify with a scheme."""
    return scheme(name, {})(request, keys or (KEY,), 0.0)


def test_githubs_own_example_verifies() -> None:
    """The values of GitHub's documentation, so that the test does not share the code's mistakes."""
    request = Request(
        b"Hello, World!",
        {"x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
    )
    assert verify("github", request, b"It's a Secret to Everybody") == b"Hello, World!"


@EVERY
def test_a_signed_request_is_let_in_and_tells_what_was_signed(name: str) -> None:
    """The bytes that the proof covers are what an event's identity is made of."""
    assert verify(name, signed(name, proof(name))) == BODY


@EVERY
@pytest.mark.parametrize("keys", [(OLD, KEY), (KEY, OLD)])
def test_any_of_several_secrets_fits(name: str, keys: tuple[bytes, ...]) -> None:
    """While a secret is changed there are two."""
    assert verify(name, signed(name, proof(name)), *keys) == BODY


@EVERY
def test_a_missing_header_is_told_apart(name: str) -> None:
    """Not signed at all: most likely not configured."""
    with pytest.raises(SignatureMissing):
        verify(name, Request())


@EVERY
def test_no_secret_lets_nobody_in(name: str) -> None:
    """It fails closed."""
    with pytest.raises(SignatureInvalid):
        scheme(name, {})(signed(name, proof(name)), (), 0.0)


@EVERY
@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: "",
        lambda p: p[:-1],
        lambda p: p + "0",
        lambda p: " " + p,
        lambda p: p.upper(),
        lambda p: f"{p}, {p}",
        lambda p: p[:-1] + "é",
        lambda p: p * MAX_PROOF,
        lambda p: "sha1=" + p,
        lambda p: "sha256=" * 2 + p,
        lambda p: p[:-64] + "0" * 64,
    ],
)
def test_a_spoilt_proof_is_refused(name: str, spoil: object) -> None:
    """Cut, repeated, respelt, not ASCII, too long."""
    with pytest.raises(SignatureInvalid) as refused:
        verify(name, signed(name, spoil(proof(name))))  # type: ignore[operator]
    assert str(refused.value) == "the signature does not fit the request"


@EVERY
def test_another_body_or_key_is_refused(name: str) -> None:
    """The proof covers every byte, and needs the key."""
    with pytest.raises(SignatureInvalid):
        verify(name, signed(name, proof(name), BODY + b" "))
    with pytest.raises(SignatureInvalid):
        verify(name, signed(name, proof(name, key=OLD)))


def test_one_schemes_header_is_not_anothers() -> None:
    """A proof counts in its own scheme's header alone."""
    with pytest.raises(SignatureMissing):
        verify("grafana", signed("github", proof("github")))


@pytest.mark.parametrize(("name", "options"), [("nosuch", {}), ("", {}), ("github", {"header": "x"})])
def test_an_unknown_scheme_or_option_is_a_configuration_mistake(name: str, options: dict[str, str]) -> None:
    """Found at build time: there is no scheme that lets everybody in."""
    with pytest.raises(ConfigurationInvalid):
        scheme(name, options)


TEXTS = st.text() | st.text(alphabet="0123456789abcdefsha=, ", max_size=80) | st.just("x" * 10_000)


@given(
    st.sampled_from(sorted(SCHEMES)), st.dictionaries(st.sampled_from([h for h, _ in HEADER.values()]), TEXTS)
)
def test_any_header_is_accepted_or_unauthenticated(name: str, headers: dict[str, str]) -> None:
    """401 for whatever a stranger writes, never another error."""
    with pytest.raises(Unauthenticated):
        verify(name, Request(headers=headers))


@given(st.binary(), st.binary(min_size=1), st.sampled_from(sorted(SCHEMES)))
def test_any_body_under_any_key_verifies_when_signed(body: bytes, key: bytes, name: str) -> None:
    """Bytes are bytes: nothing is decoded before the proof."""
    assert verify(name, signed(name, proof(name, body, key), body), key) == body

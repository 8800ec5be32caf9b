"""Stored secrets are read tolerantly: every plausible reading is tried, but none that can be guessed."""

import base64
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from push_relay.core.trust.presets import FAMILIES
from push_relay.core.trust.schemes.proof import MAX_PROOF
from push_relay.core.trust.schemes.registry import SCHEMES, read_scheme
from push_relay.core.trust.schemes.secret_form import visible
from push_relay.core.trust.verify_table import WITHOUT_SECRET
from signers import ALL_CASES as CASES
from signers import Case, ed25519_pairs, whsec
from sns_sender import NOW

KEYED = [case for case in CASES if case.verify["scheme"] not in WITHOUT_SECRET]
EVERY = pytest.mark.parametrize("case", KEYED, ids=lambda case: case.name)

#: Characters that tools add around a secret, as patterns for `str.format`.
ROUND = (
    "{}\n",
    "{}\r\n",
    "\n{}",
    " {}",
    "{} ",
    "\t{}\t",
    "{}\u00a0",
    "\ufeff{}",
    "\ufeff{}\r\n",
    "{}\u200b",
    "{}\x00",
    '"{}"',
    "'{}'",
    '"{}"\n',
    " ' {} ' ",
)


def readings(case: Case, stored: str | bytes) -> list[bytes]:
    """Return the possible readings of a stored secret for a case's scheme."""
    given = stored.encode() if isinstance(stored, str) else stored
    return read_scheme(dict(case.verify)).secret.readings(given)


def of_scheme(name: str, **verify: str) -> Case:
    """Return the first case of a scheme with these options."""
    wanted = {"scheme": name, **verify}
    return next(case for case in KEYED if wanted.items() <= case.verify.items())


@EVERY
def test_the_first_reading_of_a_clean_secret_is_the_secret(case: Case) -> None:
    """It is tried first, so the normal case needs one comparison."""
    assert readings(case, case.secret)[0] == case.secret


@EVERY
@pytest.mark.parametrize("form", ROUND, ids=ascii)
def test_one_reading_ignores_characters_around_a_secret(case: Case, form: str) -> None:
    """White space or quotes are often added by mistake. The sender signs without them, and is accepted."""
    found = readings(case, form.format(case.secret.decode()))
    assert case.secret in found
    assert read_scheme(dict(case.verify))(case.genuine(), case.evidence(NOW, *found))


@pytest.mark.parametrize("secret", [b" spaced ", b'"quoted"', b"line\n", b"'"])
def test_one_reading_keeps_characters_around_a_secret(secret: bytes) -> None:
    """White space or quotes may belong to the secret, and the sender then signs with them."""
    github = of_scheme("github")
    found = readings(github, secret)
    verify = read_scheme(dict(github.verify))
    assert verify(github.genuine(secret=secret), github.evidence(NOW, *found))


@EVERY
@pytest.mark.parametrize("blank", ["", " ", "\n", "\ufeff", "\u00a0\r\n\t", '""', "''", '" "', "\x00"])
def test_a_blank_secret_has_no_reading(case: Case, blank: str) -> None:
    """A forger could guess the empty key, and any key without visible characters."""
    assert readings(case, blank) == []


@given(st.text(max_size=20))
@pytest.mark.parametrize("case", KEYED, ids=lambda case: case.name)
def test_any_text_has_few_readings_and_none_is_blank(case: Case, stored: str) -> None:
    """Each reading costs a comparison for every request."""
    found = readings(case, stored)
    assert all(visible(reading.decode()) for reading in found)
    assert len(found) == len(set(found)) <= 8


@EVERY
def test_a_secret_outside_utf8_has_no_reading(case: Case) -> None:
    """Secrets are stored in JSON, which cannot contain such bytes."""
    assert readings(case, b"\xff" + case.secret) == []


@pytest.mark.parametrize("name", [*SCHEMES, *FAMILIES["first"]])
def test_every_scheme_generates_an_example_that_it_accepts(name: str) -> None:
    """The local stack and people who need a new secret use the example."""
    more = {
        "hmac": {"header": "X-S"},
        "token": {"header": "X-T", "prefix": "Bearer "},
        "signed": {"signature": "header:X-S"},
        "public-key": {"signature": "header:X-S", "algorithm": "ed25519", "key": "hex"},
        "jwt": {"token": "body"},
        "any-of": {"alternative": [{"scheme": "signed", "signature": "header:X-S"}, {"scheme": "basic"}]},
    }.get(name, {})
    form = read_scheme({"scheme": name, **more}).secret
    example = form.example(secrets.token_bytes(24))
    assert form.readings(example.encode())[0] == example.encode()
    assert len(example) >= 32
    assert form.needs


# --- Standard Webhooks -------------------------------------------------------------------------------------

STANDARD = of_scheme("standard-webhooks")
PUBLIC = next(iter(ed25519_pairs()))


@pytest.mark.parametrize(
    "stored",
    [
        whsec(1)[6:],
        b"v1," + whsec(1),
        b"v1, " + whsec(1) + b"\n",
        b"whsec_ " + whsec(1)[6:],
        whsec(1).rstrip(b"="),
    ],
)
def test_the_prefix_may_be_missing_or_have_a_version_before_it(stored: bytes) -> None:
    """The standard's libraries accept a missing prefix, and Supabase shows secrets with `v1,` before it."""
    assert readings(STANDARD, stored) == [whsec(1)]


def test_every_variant_of_base64_has_one_reading() -> None:
    """Variants are the URL-safe alphabet, missing padding, and unused bits that are set."""
    key = bytes(range(0xF0, 0x100)) * 2 + b"\xfb"
    standard, other = base64.b64encode(key).decode(), base64.urlsafe_b64encode(key).decode()
    assert standard != other
    for stored in (standard, standard.rstrip("="), other, other.rstrip("=")):
        assert readings(STANDARD, f"whsec_{stored}") == [f"whsec_{standard}".encode()]
    assert readings(STANDARD, "whsec_QR==") == [b"whsec_QQ=="]


def test_a_public_key_is_never_read_as_a_key_of_hmac() -> None:
    """It is not a secret. A public key has 32 bytes, so a secret of this length must have its prefix."""
    assert readings(STANDARD, PUBLIC) == [PUBLIC]
    assert readings(STANDARD, PUBLIC.removeprefix(b"whpk_")) == []
    assert readings(STANDARD, b"v1a," + PUBLIC) == [PUBLIC]
    assert readings(STANDARD, b"whpk_" + base64.b64encode(b"x" * 31)) == []
    assert readings(STANDARD, b"whsec_" + base64.b64encode(b"x" * 32)) == [
        b"whsec_" + base64.b64encode(b"x" * 32)
    ]


@pytest.mark.parametrize(
    "verify",
    [
        {"scheme": "signed", "signature": "header:x-s"},
        {"scheme": "signed", "signature": "header:x-s", "key_begins": "v0"},
        {"scheme": "token", "token": "header:x-s"},
        {"scheme": "basic"},
        {"scheme": "twilio"},
    ],
)
def test_a_web_key_is_never_a_secret(verify: dict[str, str]) -> None:
    """It is often public, and everybody who knows it could then sign with its text."""
    for key in ('{"kty": "RSA", "n": "AQAB"}', ' {"keys": [{"kid": "a", "kty":"RSA"}]}\n'):
        assert read_scheme(verify).secret.readings(key.encode()) == []


@pytest.mark.parametrize(
    "stored",
    [
        "whsec_",
        "whsec_!",
        "whsk_" + whsec(1)[6:].decode(),
        "WHSEC_AAAA",
        "my secret",
        "s3cret-with-dash",
        "v1,",
    ],
)
def test_a_secret_that_is_not_base64_has_no_reading(stored: str) -> None:
    """Examples are a private key, a secret with an unknown prefix, and a password."""
    assert readings(STANDARD, stored) == []


# --- other schemes -----------------------------------------------------------------------------------------


def test_stripe_s_prefix_is_added_if_it_is_missing() -> None:
    """The prefix belongs to the key, unlike in Standard Webhooks. The stored form is tried first."""
    assert readings(of_scheme("stripe"), "abc") == [b"abc", b"whsec_abc"]
    assert readings(of_scheme("stripe"), "whsec_abc") == [b"whsec_abc"]
    assert readings(of_scheme("stripe"), "whsec_") == []


def test_a_token_may_be_stored_with_its_header_s_prefix() -> None:
    """Both readings are tried, because a token itself can begin with the same word."""
    bearer = of_scheme("token", prefix="Bearer ")
    assert readings(bearer, "Bearer abc") == [b"Bearer abc", b"abc"]
    assert readings(bearer, "Bearer ") == []
    assert readings(bearer, "abc") == [b"abc"]


@pytest.mark.parametrize("stored", ["tok\u00e9n", "x" * (MAX_PROOF + 1)])
def test_a_token_that_no_header_can_contain_has_no_reading(stored: str) -> None:
    """No request could ever match it, so it is reported as unusable."""
    assert readings(of_scheme("token", header="X-Gitlab-Token"), stored) == []


def test_a_password_needs_a_user() -> None:
    """Basic authentication sends both, separated by a colon."""
    assert readings(of_scheme("basic"), "planted") == []
    assert readings(of_scheme("basic"), "user:pass word\n")[0] == b"user:pass word"

"""A secret as people store it: each unambiguous reading is tried, and none that could be anybody's."""

import base64
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from push_relay.core.trust.schemes.proof import MAX_PROOF
from push_relay.core.trust.schemes.registry import SCHEMES, read_scheme
from push_relay.core.trust.schemes.secret_form import visible
from push_relay.core.trust.verify_table import WITHOUT_SECRET
from signers import CASES, Case, ed25519_pairs, whsec
from sns_sender import NOW

KEYED = [case for case in CASES if case.verify["scheme"] not in WITHOUT_SECRET]
EVERY = pytest.mark.parametrize("case", KEYED, ids=lambda case: case.name)

#: What people's tools put round a secret, as a pattern for `str.format`.
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
    """Return the secrets that a stored one can mean to a case's scheme."""
    given = stored.encode() if isinstance(stored, str) else stored
    return read_scheme(dict(case.verify)).secret.readings(given)


def of_scheme(name: str, **verify: str) -> Case:
    """Return a case of a scheme."""
    wanted = {"scheme": name, **verify}
    return next(case for case in KEYED if wanted.items() <= case.verify.items())


@EVERY
def test_a_clean_secret_is_what_it_is(case: Case) -> None:
    """First of all, so that it is the one that is tried."""
    assert readings(case, case.secret)[0] == case.secret


@EVERY
@pytest.mark.parametrize("form", ROUND, ids=ascii)
def test_what_is_round_a_secret_is_not_a_part_of_it(case: Case, form: str) -> None:
    """The secret itself is among the readings, and lets its sender in."""
    found = readings(case, form.format(case.secret.decode()))
    assert case.secret in found
    assert read_scheme(dict(case.verify))(case.genuine(), case.evidence(NOW, *found))


@pytest.mark.parametrize("secret", [b" spaced ", b'"quoted"', b"line\n", b"'"])
def test_what_is_round_a_secret_may_be_a_part_of_it(secret: bytes) -> None:
    """A sender may use what the deployer has stored to the letter."""
    github = of_scheme("github")
    found = readings(github, secret)
    verify = read_scheme(dict(github.verify))
    assert verify(github.genuine(secret=secret), github.evidence(NOW, *found))


@EVERY
@pytest.mark.parametrize("blank", ["", " ", "\n", "\ufeff", "\u00a0\r\n\t", '""', "''", '" "', "\x00"])
def test_a_blank_secret_is_none(case: Case, blank: str) -> None:
    """Not even the empty key, which is anybody's, and no key that is invisible."""
    assert readings(case, blank) == []


@given(st.text(max_size=20))
@pytest.mark.parametrize("case", KEYED, ids=lambda case: case.name)
def test_no_reading_of_any_text_is_blank(case: Case, stored: str) -> None:
    """And there are few, because each costs a comparison."""
    found = readings(case, stored)
    assert all(visible(reading.decode()) for reading in found)
    assert len(found) == len(set(found)) <= 8


@EVERY
def test_what_is_not_utf8_has_no_reading(case: Case) -> None:
    """JSON holds only what is."""
    assert readings(case, b"\xff" + case.secret) == []


@pytest.mark.parametrize("name", SCHEMES)
def test_every_scheme_makes_an_example_that_it_takes(name: str) -> None:
    """For the local stack, and for people who need a new secret."""
    more = {"hmac": {"header": "X-S"}, "token": {"header": "X-T", "prefix": "Bearer "}}.get(name, {})
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
def test_a_prefix_may_be_missing_or_doubled(stored: bytes) -> None:
    """As the standard's libraries take it, and as Supabase shows it."""
    assert readings(STANDARD, stored) == [whsec(1)]


def test_other_alphabet_missing_padding_and_set_bits_are_read() -> None:
    """Each has one reading."""
    key = bytes(range(0xF0, 0x100)) * 2 + b"\xfb"
    standard, other = base64.b64encode(key).decode(), base64.urlsafe_b64encode(key).decode()
    assert standard != other
    for stored in (standard, standard.rstrip("="), other, other.rstrip("=")):
        assert readings(STANDARD, f"whsec_{stored}") == [f"whsec_{standard}".encode()]
    assert readings(STANDARD, "whsec_QR==") == [b"whsec_QQ=="]


def test_a_public_key_is_never_a_key_of_hmac() -> None:
    """Anybody may know it. So 32 bytes need a prefix, and a public key has 32."""
    assert readings(STANDARD, PUBLIC) == [PUBLIC]
    assert readings(STANDARD, PUBLIC.removeprefix(b"whpk_")) == []
    assert readings(STANDARD, b"v1a," + PUBLIC) == [PUBLIC]
    assert readings(STANDARD, b"whpk_" + base64.b64encode(b"x" * 31)) == []
    assert readings(STANDARD, b"whsec_" + base64.b64encode(b"x" * 32)) == [
        b"whsec_" + base64.b64encode(b"x" * 32)
    ]


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
def test_what_is_no_base64_has_no_reading(stored: str) -> None:
    """A private key, another prefix, a password."""
    assert readings(STANDARD, stored) == []


# --- the others --------------------------------------------------------------------------------------------


def test_stripe_s_prefix_is_added_if_it_is_missing() -> None:
    """The key is the whole secret. As it is stored comes first."""
    assert readings(of_scheme("stripe"), "abc") == [b"abc", b"whsec_abc"]
    assert readings(of_scheme("stripe"), "whsec_abc") == [b"whsec_abc"]
    assert readings(of_scheme("stripe"), "whsec_") == []


def test_a_token_may_be_stored_with_the_prefix_that_it_is_sent_with() -> None:
    """Both readings are tried, because a token may begin like that."""
    bearer = of_scheme("token", prefix="Bearer ")
    assert readings(bearer, "Bearer abc") == [b"Bearer abc", b"abc"]
    assert readings(bearer, "Bearer ") == []
    assert readings(bearer, "abc") == [b"abc"]


@pytest.mark.parametrize("stored", ["tok\u00e9n", "x" * (MAX_PROOF + 1)])
def test_a_token_that_no_header_can_carry_has_no_reading(stored: str) -> None:
    """It would be refused for ever."""
    assert readings(of_scheme("token", header="X-Gitlab-Token"), stored) == []


def test_a_password_needs_its_user() -> None:
    """Without a colon nothing that a sender offers can fit."""
    assert readings(of_scheme("basic"), "planted") == []
    assert readings(of_scheme("basic"), "user:pass word\n")[0] == b"user:pass word"

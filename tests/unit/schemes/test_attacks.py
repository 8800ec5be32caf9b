"""Whoever holds the secret is let in, and no forger is: every scheme under every attack."""

import pytest

from attacks import ATTACKS, Attack
from push_relay.core.errors import SignatureInvalid, Stale, Unauthenticated
from push_relay.core.trust.schemes.proof import Scheme
from push_relay.core.trust.schemes.registry import SCHEMES, read_scheme
from push_relay.core.trust.verify_table import WITHOUT_SECRET
from signers import CASES, WORD, Case
from sns_sender import NOW

EVERY = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
TIMESTAMPED = pytest.mark.parametrize(
    "case", [case for case in CASES if case.stamp], ids=lambda case: case.name
)
KEYED = pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.verify["scheme"] not in WITHOUT_SECRET],
    ids=lambda case: case.name,
)
#: SNS repeats its message to the letter.
SIGNED_ANEW = pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.stamp and case.verify["scheme"] != "sns-http"],
    ids=lambda case: case.name,
)


def scheme(case: Case) -> Scheme:
    """Return the scheme that the case's source folder asks for."""
    return read_scheme(case.verify)


@EVERY
def test_a_genuine_request_is_let_in(case: Case) -> None:
    """The signer and the scheme agree, so that a refused forgery means something."""
    verified = scheme(case)(case.genuine(), case.evidence())
    assert WORD in verified.signed
    assert verified.event_id == case.event_id


@EVERY
def test_an_empty_body_is_let_in_and_bytes_are_any(case: Case) -> None:
    """What is signed is bytes; that they are JSON is asked later. Twilio's form has at least one field."""
    if case.name == "twilio form":
        return
    for body in (b"",) if case.covers == "fields" else (b"", b"\xff\x00", "é".encode()):
        scheme(case)(case.genuine(body=body), case.evidence())


@EVERY
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_is_refused(case: Case, attack: Attack) -> None:
    """Each forged request meets the refusal that the table names, and it tells nothing."""
    verify = scheme(case)
    for request in attack.forge(case):
        with pytest.raises(attack.refusal) as refused:
            verify(request, case.evidence())
        assert refused.value.detail in {
            "the request is not signed",
            "the signature does not fit the request",
            "the request was signed too long ago, or in the future",
        }


def test_every_attack_means_something_to_some_scheme() -> None:
    """An attack that never makes a request proves nothing."""
    assert all(any([*attack.forge(case)] for case in CASES) for attack in ATTACKS)


def test_every_scheme_has_a_case() -> None:
    """A new scheme joins the suite; `none` has nothing to attack."""
    assert {case.verify["scheme"] for case in CASES} == set(SCHEMES) - {"none"}


@KEYED
@pytest.mark.parametrize("secrets", [(b"",), (b"", b"")], ids=["empty", "two empty"])
def test_an_empty_secret_lets_nobody_in(case: Case, secrets: tuple[bytes, ...]) -> None:
    """A secret that was never filled in is no secret; not even its empty signature fits."""
    forged = [*next(a for a in ATTACKS if a.name == "signed with the empty key").forge(case)]
    for request in [case.genuine(), *forged]:
        with pytest.raises(SignatureInvalid):
            scheme(case)(request, case.evidence(NOW, *secrets))


@KEYED
def test_without_any_secret_nobody_is_let_in(case: Case) -> None:
    """No secret, no entry."""
    evidence = type(case.evidence())([], NOW)
    with pytest.raises(SignatureInvalid):
        scheme(case)(case.genuine(), evidence)


@KEYED
def test_old_and_new_secret_are_both_let_in_while_they_are_rotated(case: Case) -> None:
    """Whichever comes first, both fit; a third does not; an empty one between them hurts nobody."""
    old, new = case.secret, case.other
    for secrets in ((old, new), (new, old), (b"", new, old)):
        for signing in (old, new):
            scheme(case)(case.genuine(secret=signing), case.evidence(NOW, *secrets))
    with pytest.raises(SignatureInvalid):
        scheme(case)(case.genuine(secret=old), case.evidence(NOW, new))


@TIMESTAMPED
def test_the_window_is_as_wide_as_it_says(case: Case) -> None:
    """The last second of it is inside, on both sides."""
    for away in (-case.past + 1, case.future - 1):
        scheme(case)(case.genuine(NOW + away), case.evidence())


@TIMESTAMPED
def test_only_a_genuine_sender_learns_that_a_request_is_stale(case: Case) -> None:
    """A forger with an old timestamp hears what every forger hears; SNS alone asks for the age first."""
    old = NOW - case.past - 10
    refusal = Stale if case.verify["scheme"] == "sns-http" else SignatureInvalid
    with pytest.raises(Unauthenticated) as refused:
        scheme(case)(case.genuine(old, secret=case.other), case.evidence())
    assert type(refused.value) is refusal


@SIGNED_ANEW
def test_the_sender_s_second_attempt_is_the_same_event(case: Case) -> None:
    """Senders sign each attempt anew: the time of signing is no part of what is signed for the ledger."""
    first, second = (scheme(case)(case.genuine(moment), case.evidence()) for moment in (NOW - 60 + 1, NOW))
    assert first == second

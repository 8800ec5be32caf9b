"""Every scheme accepts a sender that has the secret, and rejects every attack of a forger."""

import pytest

from attacks import ATTACKS, Attack
from push_relay.core.errors import SignatureInvalid, Stale, Unauthenticated
from push_relay.core.trust.presets import FAMILIES
from push_relay.core.trust.schemes.proof import Scheme
from push_relay.core.trust.schemes.registry import SCHEMES, read_scheme
from push_relay.core.trust.verify_table import WITHOUT_SECRET
from signers import ALL_CASES as CASES
from signers import WORD, Case
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
#: SNS is excluded, because it repeats a message without a new signature. So are senders that write the time
#: into the body, because then the body is another one.
SIGNED_AGAIN = pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.stamp and case.stamp.kind != "json"],
    ids=lambda case: case.name,
)


def scheme(case: Case) -> Scheme:
    """Return the scheme that the case's source folder configures."""
    return read_scheme(case.verify)


@EVERY
def test_a_genuine_request_is_accepted(case: Case) -> None:
    """If the signer and the scheme did not agree, the refusal of a forgery would prove nothing."""
    verified = scheme(case)(case.genuine(), case.evidence())
    assert WORD in verified.signed
    assert verified.event_id == case.event_id


@EVERY
def test_a_genuine_request_with_any_body_is_accepted(case: Case) -> None:
    """Schemes verify bytes, and JSON is parsed later. A form of Twilio has at least one field."""
    if case.name in {"twilio form", "signed, pairs of a form"}:
        return
    for body in (b"",) if case.covers == "fields" else (b"", b"\xff\x00", "é".encode()):
        scheme(case)(case.genuine(body=body), case.evidence())


@EVERY
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_is_refused(case: Case, attack: Attack) -> None:
    """The error is the one in the table of attacks, and its text does not depend on the request."""
    verify = scheme(case)
    for request in attack.forge(case):
        with pytest.raises(attack.refusal) as refused:
            verify(request, case.evidence())
        assert refused.value.detail in {
            "the request is not signed",
            "the signature does not fit the request",
            "the request was signed too long ago, or in the future",
        }


def test_every_attack_applies_to_some_scheme() -> None:
    """An attack that never yields a request would prove nothing."""
    assert all(any([*attack.forge(case)] for case in CASES) for attack in ATTACKS)


def test_every_scheme_has_a_case() -> None:
    """A new scheme has to be added to the cases.

    The scheme `none` has nothing to attack, and `test_alternatives.py` attacks what `any-of` adds to others.
    """
    named = {case.verify["scheme"] for case in CASES}
    assert named >= {*SCHEMES, *FAMILIES["first"]} - {"none", "any-of"}


@KEYED
@pytest.mark.parametrize("secrets", [(b"",), (b"", b"")], ids=["empty", "two-empty"])
def test_an_empty_secret_accepts_nothing(case: Case, secrets: tuple[bytes, ...]) -> None:
    """A secret that was never filled in must not accept a signature with the empty key."""
    forged = [*next(a for a in ATTACKS if a.name == "signed with the empty key").forge(case)]
    for request in [case.genuine(), *forged]:
        with pytest.raises(SignatureInvalid):
            scheme(case)(request, case.evidence(NOW, *secrets))


@KEYED
def test_nothing_is_accepted_without_a_secret(case: Case) -> None:
    """A missing secret must never disable the verification."""
    evidence = type(case.evidence())([], NOW)
    with pytest.raises(SignatureInvalid):
        scheme(case)(case.genuine(), evidence)


@KEYED
def test_old_and_new_secret_are_both_accepted_during_a_rotation(case: Case) -> None:
    """Their order does not matter, and neither does an empty secret beside them. A third is rejected."""
    old, new = case.secret, case.other
    for secrets in ((old, new), (new, old), (b"", new, old)):
        for signing in (old, new):
            scheme(case)(case.genuine(secret=signing), case.evidence(NOW, *secrets))
    with pytest.raises(SignatureInvalid):
        scheme(case)(case.genuine(secret=old), case.evidence(NOW, new))


@TIMESTAMPED
def test_a_timestamp_within_the_tolerance_is_accepted(case: Case) -> None:
    """The last second before each limit is still valid."""
    for away in (-case.past + 1, case.future - 1):
        scheme(case)(case.genuine(NOW + away), case.evidence())


@TIMESTAMPED
def test_only_a_genuine_sender_learns_that_a_request_is_stale(case: Case) -> None:
    """A forger with an old timestamp gets the same error as any forger. Only SNS checks the age first."""
    old = NOW - case.past - 10
    refusal = Stale if case.verify["scheme"] == "sns-http" else SignatureInvalid
    with pytest.raises(Unauthenticated) as refused:
        scheme(case)(case.genuine(old, secret=case.other), case.evidence())
    assert type(refused.value) is refusal


@SIGNED_AGAIN
def test_a_sender_s_second_attempt_is_the_same_event(case: Case) -> None:
    """Senders sign each attempt again, so the timestamp must not be part of the event's identity."""
    first, second = (scheme(case)(case.genuine(moment), case.evidence()) for moment in (NOW - 60 + 1, NOW))
    assert first == second

"""Several proofs, of which one has to fit: a token at one of several places, or a signature.

Each kind of proof has secrets of its own. A token is sent to the relay and may be seen in logs, so it must
never be able to sign, and a key that signs is never compared.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence

from push_relay.core.errors import CredentialsUnavailable, RelayError, SignatureInvalid, SignatureMissing
from push_relay.core.event import sha256_hex
from push_relay.core.quick_dataclass import replace
from push_relay.core.trust.schemes.proof import (
    SECRET,
    SIGNING_KEY,
    Evidence,
    Scheme,
    SignedRequest,
    Verified,
    no_fit,
)
from push_relay.core.trust.schemes.secret_form import readings_of
from push_relay.core.trust.verify_base import WITH_KEY, Verify

#: The secrets of each kind.
type Stored = Mapping[str, Sequence[bytes]]
#: The errors of an alternative that does not fit, the weightiest first. Any other error is the request's.
_PASSED = (CredentialsUnavailable, SignatureInvalid, SignatureMissing)


def any_of(made: Sequence[tuple[Verify, Scheme]]) -> Scheme:
    """Make a scheme of others, by their tables."""
    alternatives = tuple(
        replace(scheme, kind=SIGNING_KEY if table.scheme in WITH_KEY else SECRET) for table, scheme in made
    )
    first = next((scheme for scheme in alternatives if scheme.kind == SECRET), alternatives[0])
    return Scheme(
        _refuse,
        secret=first.secret,
        challenge=next((scheme.challenge for scheme in alternatives if scheme.challenge), None),
        secret_places=tuple(itertools.chain.from_iterable(scheme.secret_places for scheme in alternatives)),
        alternatives=alternatives,
    )


def _refuse(_request: SignedRequest, _evidence: Evidence) -> Verified:
    """Refuse a request: the alternatives have to be tried one by one, each with its own secrets."""
    raise no_fit()


def stored_of(scheme: Scheme, read: Callable[[str], Sequence[bytes]]) -> Stored:
    """Return the secrets of each kind that alternatives use. Raises CredentialsUnavailable if there are none.

    read  returns the secrets of a kind, or raises CredentialsUnavailable
    """
    found: dict[str, Sequence[bytes]] = {}
    missing: list[CredentialsUnavailable] = []
    for kind in dict.fromkeys(alternative.kind for alternative in scheme.alternatives):
        try:
            found[kind] = read(kind)
        except CredentialsUnavailable as exc:
            missing.append(exc)
    if not found:
        raise missing[0]
    return found


def first_fitting[T](scheme: Scheme, stored: Stored, fitting: Callable[[Scheme, Sequence[bytes]], T]) -> T:
    """Return the result of the first alternative that a request fits. Raises the weightiest error.

    fitting  returns the result of a scheme and its secrets, or raises
    """
    errors: list[RelayError] = []
    for alternative in scheme.alternatives:
        try:
            return fitting(alternative, stored.get(alternative.kind, ()))
        except _PASSED as exc:
            errors.append(exc)
    raise next(error for kind in _PASSED for error in errors if isinstance(error, kind))


def require_separate_kinds(source: str, scheme: Scheme, stored: Stored) -> None:
    """Refuse a token that is a key too. Raises CredentialsUnavailable."""
    readings: dict[str, set[bytes]] = {SECRET: set(), SIGNING_KEY: set()}
    for alternative in scheme.alternatives:
        for secret in stored.get(alternative.kind, ()):
            readings[alternative.kind].update(readings_of(alternative.secret, secret))
    if readings[SECRET] & readings[SIGNING_KEY]:
        raise CredentialsUnavailable(
            f"the members `{SECRET}` and `{SIGNING_KEY}` of `{source}` have the same value: anyone who "
            "sees the token could sign with it"
        )


def with_lasting_identity(verified: Verified) -> Verified:
    """Return what a proof covers, identified by the content if the proof covers it.

    An event after a token may arrive again with the same content, and is another event after some hours. One
    that is signed is the same event as long as the ledger remembers, because it may have been captured. The
    source alone does not show which of the two an event was, so its identity does.
    """
    if not verified.content or verified.event_id is not None:
        return verified
    return replace(verified, event_id=sha256_hex(verified.signed))

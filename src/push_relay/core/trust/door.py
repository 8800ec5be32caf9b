"""The verification of webhooks: accept a sender that has the source's secret, and no other."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Protocol

from push_relay.core.errors import CredentialsUnavailable, SignatureInvalid, Unauthenticated, UnknownSource
from push_relay.core.quick_dataclass import dataclass, replace
from push_relay.core.secret_text import visible
from push_relay.core.trust.schemes.proof import SECRET, Evidence, Keys, Scheme, Verified, no_fit
from push_relay.core.trust.schemes.secret_form import readings_of

if TYPE_CHECKING:
    from push_relay.core.inbound.request import HttpRequest
    from push_relay.core.rules.source import Source
    from push_relay.core.trust.policy import Policy


class SigningSecrets(Protocol):
    """The secrets that senders sign with. The first two methods raise CredentialsUnavailable."""

    def of(self, source: str, kind: str = SECRET) -> Sequence[bytes]: ...
    def refreshed(
        self, source: str, kind: str = SECRET
    ) -> Sequence[bytes]: ...  # read again, at most once in some seconds
    def settings(self, source: str) -> Mapping[str, str]: ...  # what is stored beside the secret
    def has(self, source: str) -> bool: ...  # raises CredentialsUnavailable if no secret can be read


class Certificates(Protocol):
    """The certificates that SNS signs with, by address. Raises CredentialsUnavailable."""

    def __call__(self, url: str) -> bytes: ...


@dataclass(frozen=True, slots=True, repr=False)
class Admitted:
    """A verified request. It has no repr, so that it cannot be logged.

    verified  the content that its proof covers
    secret    the secret that it fits, which its sender knows; empty if the scheme has no secret
    """

    verified: Verified
    secret: bytes = b""


@dataclass(frozen=True, slots=True)
class Door:
    """Verifies webhooks by their source's scheme and the deployer's policy."""

    secrets: SigningSecrets
    certificates: Certificates
    keys: Keys | None = None

    def approach(self, source: "Source", policy: "Policy", request: "HttpRequest") -> Scheme:
        """Return the scheme by which a source's callers prove themselves.

        Raises UnknownSource if it accepts no webhooks, and AddressNotAllowed.
        """
        if source.verify is None or (source.open_to_all and not policy.unverified):
            raise UnknownSource("the source takes no webhooks")
        policy.check_address(request.caller)
        return source.verify

    def verify(self, source: "Source", policy: "Policy", request: "HttpRequest", now: float) -> Admitted:
        """Accept a request that proves its origin.

        Raises Unauthenticated, and CredentialsUnavailable if there is no secret that it could fit. If no
        known secret fits, they are read again, because somebody may have changed them just now.
        """
        scheme = self.approach(source, policy, request)
        if policy.url is not None:
            request = replace(request, url=policy.url_of(request.url))
        handshake = source.handshake_rules
        evidence = Evidence(
            secrets=(),
            now=now,
            certificate=self.certificates,
            topics=policy.topics,
            settings=self.settings(source.name, policy) if source.needs_secret else {},
            is_signed_for_anybody=handshake.is_signed_for_anybody if handshake.signs else None,
            keys=self.keys,
        )
        try:
            # A deployer who stores the sender's public key has chosen it: then nothing is fetched.
            if not source.needs_secret or (scheme.fetches and not self.secrets.has(source.name)):
                return Admitted(scheme(request, evidence))
            return self._verify(source.name, scheme, request, evidence)
        except Unauthenticated as refused:
            refused.challenge = scheme.challenge
            raise

    def settings(self, source: str, policy: "Policy") -> Mapping[str, str]:
        """Return a source's settings: those of relay.toml, and before them those beside its secret."""
        return {**policy.settings, **self.secrets.settings(source)}

    def _verify(self, source: str, scheme: Scheme, request: "HttpRequest", evidence: Evidence) -> Admitted:
        if scheme.alternatives:
            return self._verify_any(source, scheme, request, evidence)
        known = self.secrets.of(source)
        try:
            return _fitting(source, scheme, request, evidence, known)
        except (SignatureInvalid, CredentialsUnavailable):
            fresh = self.secrets.refreshed(source)
            if list(fresh) == list(known):
                raise
        return _fitting(source, scheme, request, evidence, fresh)

    def _verify_any(
        self, source: str, scheme: Scheme, request: "HttpRequest", evidence: Evidence
    ) -> Admitted:
        # Imported here: few sources take several proofs.
        from push_relay.core.trust.schemes import alternatives  # noqa: PLC0415

        def admitted(stored: alternatives.Stored) -> Admitted:
            alternatives.require_separate_kinds(source, scheme, stored)

            def fitting(alternative: Scheme, secrets: Sequence[bytes]) -> Admitted:
                if not secrets:
                    # Without a secret nothing fits. The error shows whether the request has such a proof.
                    alternative(request, evidence)
                    raise no_fit()
                return _fitting(source, alternative, request, evidence, secrets)

            found = alternatives.first_fitting(scheme, stored, fitting)
            return replace(found, verified=alternatives.with_lasting_identity(found.verified))

        known = alternatives.stored_of(scheme, partial(self.secrets.of, source))
        try:
            return admitted(known)
        except (SignatureInvalid, CredentialsUnavailable):
            fresh = alternatives.stored_of(scheme, partial(self.secrets.refreshed, source))
            if fresh == known:
                raise
        return admitted(fresh)


def _fitting(
    source: str, scheme: Scheme, request: "HttpRequest", evidence: Evidence, stored: Sequence[bytes]
) -> Admitted:
    """Compare a request with each secret; return the one that it fits, which may sign an answer.

    Only a signature that does not fit is a reason to try another secret: a stale one has fitted. If a stored
    secret cannot fit any request, a request that fits none of the others may be signed by it. It may be
    genuine, so its sender is asked to send again.
    """
    readings = [readings_of(scheme.secret, secret) for secret in stored]
    tried = tuple(dict.fromkeys(itertools.chain.from_iterable(readings)))
    require_separate(source, tried, evidence.settings)
    if tried:
        with suppress(SignatureInvalid):
            verified = scheme(request, replace(evidence, secrets=tried))
            return Admitted(verified, verified.secret)
    if stored and all(readings):
        raise no_fit()
    places = [f"number {place}" for place, found in enumerate(readings, 1) if not found]
    which = f" ({', '.join(places)} of {len(stored)})" if len(stored) > 1 else ""
    raise CredentialsUnavailable(
        f"the signing secret of `{source}`{which} can fit no request: it must be {scheme.secret.needs}"
    )


def require_separate(source: str, tried: Iterable[bytes], settings: Mapping[str, str]) -> None:
    """Refuse a secret that is a setting too: a provider shows settings, and compares or signs with secrets.

    Raises CredentialsUnavailable.
    """
    if not settings:
        return
    values = {visible(text).encode("utf-8", "replace"): name for name, text in settings.items()}
    if shared := sorted(values[each] for each in values.keys() & set(tried)):
        raise CredentialsUnavailable(
            f"the setting `{shared[0]}` of `{source}` has the same value as its signing secret: anyone who "
            "is shown the one could sign with the other"
        )

"""The door: let in whoever holds the source's secret, and no one else."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from push_relay.core.errors import SignatureInvalid, UnknownSource
from push_relay.core.schemes.proof import Evidence, Scheme, Verified

if TYPE_CHECKING:
    from push_relay.core.policy import Policy
    from push_relay.core.request import HttpRequest
    from push_relay.core.source import Source


class SigningSecrets(Protocol):
    """The secrets that senders sign with. Both methods raise CredentialsUnavailable."""

    def of(self, source: str) -> Sequence[bytes]: ...
    def refreshed(self, source: str) -> Sequence[bytes]: ...  # read again, at most once a minute


class Certificates(Protocol):
    """The certificates that SNS signs with, by address. Raises CredentialsUnavailable."""

    def __call__(self, url: str) -> bytes: ...


@dataclass(frozen=True, slots=True, repr=False)
class Admitted:
    """A request that was let in. Has no repr that could be logged.

    verified  what its proof covers
    secret    the one that it fits, which is the one that its sender knows; empty where none takes part
    """

    verified: Verified
    secret: bytes = b""


@dataclass(frozen=True, slots=True)
class Door:
    """Verifies webhooks by their source's scheme and the deployer's policy."""

    secrets: SigningSecrets
    certificates: Certificates

    def approach(self, source: "Source", policy: "Policy", request: "HttpRequest") -> Scheme:
        """Return the scheme by which a source's callers prove themselves.

        Raises UnknownSource where it takes no webhooks, and AddressNotAllowed.
        """
        if source.verify is None or (source.open_to_all and not policy.unverified):
            raise UnknownSource("the source takes no webhooks")
        policy.check_address(request.caller)
        return source.verify

    def verify(self, source: "Source", policy: "Policy", request: "HttpRequest", now: float) -> Admitted:
        """Let a request in that proves itself.

        Raises Unauthenticated, and CredentialsUnavailable where there is no secret to hold it against.
        Where no known secret fits, they are read again: somebody may have rotated them just now.
        """
        verify = self.approach(source, policy, request)
        request = replace(request, url=policy.address_of(request.url))
        evidence = Evidence((), now, self.certificates, policy.topics)
        if not source.needs_secret:
            return Admitted(verify(request, evidence))
        known = self.secrets.of(source.name)
        try:
            return _fitting(verify, request, evidence, known)
        except SignatureInvalid:
            fresh = self.secrets.refreshed(source.name)
            if list(fresh) == list(known):
                raise
        return _fitting(verify, request, evidence, fresh)


def _fitting(
    verify: Scheme, request: "HttpRequest", evidence: Evidence, secrets: Sequence[bytes]
) -> Admitted:
    """Hold a request against each secret in turn: which one fits matters to an answer that is signed.

    Only a signature that does not fit is another secret's concern: a stale one has fitted.
    """
    *others, last = secrets or (b"",)  # an empty one is none, and fits nothing
    for secret in others:
        with suppress(SignatureInvalid):
            return Admitted(verify(request, replace(evidence, secrets=(secret,))), secret)
    return Admitted(verify(request, replace(evidence, secrets=(last,))), last)

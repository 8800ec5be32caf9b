"""The door: let in whoever holds the source's secret, and no one else."""

from collections.abc import Sequence
from dataclasses import dataclass
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

    def verify(
        self, source: "Source", policy: "Policy", request: "HttpRequest", now: float
    ) -> tuple[Verified, Sequence[bytes]]:
        """Return what the request's proof covers, and the source's secrets.

        Raises Unauthenticated, and CredentialsUnavailable where there is no secret to hold it against.
        Where no known secret fits, they are read again: somebody may have rotated them just now.
        """
        verify = self.approach(source, policy, request)
        known = self.secrets.of(source.name) if source.needs_secret else ()
        try:
            return verify(request, self._evidence(known, policy, now)), known
        except SignatureInvalid:
            fresh = self.secrets.refreshed(source.name) if source.needs_secret else ()
            if list(fresh) == list(known):
                raise
        return verify(request, self._evidence(fresh, policy, now)), fresh

    def _evidence(self, secrets: Sequence[bytes], policy: "Policy", now: float) -> Evidence:
        return Evidence(secrets, now, self.certificates, policy.topics)

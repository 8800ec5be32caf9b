"""The commonest kind of scheme: one header holds one HMAC of the body, perhaps with a timestamp's header."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from push_relay.core.trust.schemes.moment import require_fresh
from push_relay.core.trust.schemes.proof import (
    Encoding,
    Evidence,
    Scheme,
    SignedRequest,
    Verified,
    fits,
    header,
    hexadecimal,
    keys,
    require,
)


@dataclass(frozen=True, slots=True)
class Timestamp:
    """A header that tells when a request was signed, and the seconds that it may differ from the clock."""

    header: str
    read: Callable[[str], float]
    tolerance: float


@dataclass(frozen=True, slots=True)
class HeaderHmac:
    """Verifies that the header is `prefix` and the encoded HMAC of what `before` + the body + `after` say.

    `{timestamp}` in `before` and `after` stands for the timestamp as it was sent. The HMAC is compared as
    written, so another case, padding, alphabet or a second value cannot fit.
    """

    header: str
    prefix: str = ""
    digest: str = "sha256"
    encode: Encoding = hexadecimal
    before: str = ""
    after: str = ""
    timestamp: Timestamp | None = None

    def scheme(self) -> Scheme:
        """Return it as a scheme."""
        return Scheme(self)

    def __call__(self, request: SignedRequest, evidence: Evidence) -> Verified:
        """Verify a request. Raises SignatureMissing, SignatureInvalid, Stale."""
        offered = header(request, self.header)
        stamp = header(request, self.timestamp.header) if self.timestamp else ""
        moment = self.timestamp.read(stamp) if self.timestamp else evidence.now
        before, after = (part.replace("{timestamp}", stamp).encode() for part in (self.before, self.after))
        signed = before + request.body + after
        expected = (
            self.prefix.encode() + self.encode(hmac.digest(key, signed, self.digest))
            for key in keys(evidence)
        )
        require(fits([offered], expected))
        if self.timestamp:
            require_fresh(moment, evidence.now, self.timestamp.tolerance)
        return Verified(request.body)

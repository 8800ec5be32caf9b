"""What every scheme works with: the request as received, the evidence to hold it against, the result."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from push_relay.core.errors import SignatureInvalid, SignatureMissing

#: Characters of a header that carries a proof; no provider's is longer.
MAX_PROOF = 4096
#: Seconds by which a timestamp may differ from the clock, in either direction.
TOLERANCE = 300.0


class SignedRequest(Protocol):
    """What a scheme may look at.

    url     as the sender called it, with its query string
    headers, query  header names are lower-case; a repeated header's values are joined with `, `
    body    as it was received, byte for byte
    """

    @property
    def url(self) -> str: ...  # noqa: D102
    @property
    def headers(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def query(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def body(self) -> bytes: ...  # noqa: D102


@dataclass(frozen=True, slots=True, repr=False)
class Evidence:
    """What a request is held against. Has no repr that could be logged.

    secrets      of which any may fit: the old and the new one while they are rotated
    now          seconds since the epoch
    certificate  fetches a PEM certificate by its address; only called for an address that a scheme has pinned
    topics       the SNS topics that the deployer has allow-listed for the source
    """

    secrets: Sequence[bytes]
    now: float
    certificate: Callable[[str], bytes] | None = None
    topics: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Verified:
    """What a proof covers: the bytes, and the sender's id of the event where it is among them."""

    signed: bytes
    event_id: str | None = None


#: A scheme returns what the proof covers, or raises SignatureMissing, SignatureInvalid or Stale.
type Scheme = Callable[[SignedRequest, Evidence], Verified]


def header(request: SignedRequest, name: str) -> str:
    """Return a header that carries a proof. Raises SignatureMissing, or SignatureInvalid for nonsense."""
    value = request.headers.get(name)
    if value is None:
        raise SignatureMissing("the request is not signed")
    require(0 < len(value) <= MAX_PROOF and value.isascii())
    return value


def require(genuine: bool) -> None:  # noqa: FBT001
    """Raise SignatureInvalid unless genuine: one sentence for every cause, so no answer helps a forger."""
    if not genuine:
        raise SignatureInvalid("the signature does not fit the request")

"""What every scheme works with: the request as received, the evidence to hold it against, the result."""

import base64
import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from push_relay.core.errors import SignatureInvalid, SignatureMissing
from push_relay.core.trust.schemes.secret_form import SecretForm, text_form

#: Characters of a header that carries a proof; no provider's is longer.
MAX_PROOF = 4096


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
    certificate  fetches a PEM certificate by its address; only called for an address that a scheme has
                 pinned, and what it raises passes through the scheme
    topics       the SNS topics that the deployer has allow-listed for the source
    """

    secrets: Sequence[bytes]
    now: float
    certificate: Callable[[str], bytes] | None = None
    topics: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Verified:
    """What a proof covers: the event itself, and the sender's id of it where that is covered too.

    signed  what is the same each time that the sender tries to deliver one event: the body in most schemes.
            The time of signing is covered as well and is not in here: senders sign every attempt anew, and
            the second one would be another event
    content whether the content is covered at all: a shared token proves the sender alone
    """

    signed: bytes
    event_id: str | None = None
    content: bool = True


#: Returns what the proof covers, or raises SignatureMissing, SignatureInvalid or Stale.
type Verify = Callable[[SignedRequest, Evidence], Verified]


@dataclass(frozen=True, slots=True)
class Scheme:
    """How the genuine sender's requests are told from a forger's. Call it as its `verify`.

    `trust/proofs.py` has the rest of what is known about a scheme: where its proof is.

    secret       the form of the deployer's secret, if one takes part
    form_verify  instead of `verify` for a source that takes forms, if the scheme signs forms in another way
    challenge    what `WWW-Authenticate` asks for if a request is refused; None for a scheme
                 that is not HTTP's
    """

    verify: Verify
    secret: SecretForm = text_form()  # noqa: RUF009 (immutable)
    form_verify: Verify | None = None
    challenge: str | None = None

    def __call__(self, request: SignedRequest, evidence: Evidence) -> Verified:
        """Verify a request. Raises SignatureMissing, SignatureInvalid, Stale."""
        return self.verify(request, evidence)


#: Writes a digest as its header has it. Proofs are compared as written, so that each has one spelling.
type Encoding = Callable[[bytes], bytes]


def header(request: SignedRequest, name: str) -> str:
    """Return a header that carries a proof. Raises SignatureMissing, or SignatureInvalid for nonsense."""
    return proof(request.headers, name)


def proof(values: Mapping[str, str], name: str) -> str:
    """Return what carries a proof: present, not empty, bounded, ASCII. Raises like `header`."""
    value = values.get(name)
    if value is None:
        raise SignatureMissing("the request is not signed")
    require(0 < len(value) <= MAX_PROOF and value.isascii())
    return value


def keys(evidence: Evidence) -> Sequence[bytes]:
    """Return the secrets. An empty one is none: an HMAC with an empty key is anybody's."""
    return [secret for secret in evidence.secrets if secret]


def fits(offered: Iterable[str], expected: Iterable[bytes]) -> bool:
    """Tell whether any proof offered (ASCII) is any of those expected, each compared in constant time."""
    wanted = list(expected)
    return any(hmac.compare_digest(text.encode("ascii"), right) for text in offered for right in wanted)


def hexadecimal(digest: bytes) -> bytes:
    """Write a digest as lower-case hexadecimal digits."""
    return digest.hex().encode("ascii")


def base64_text(digest: bytes) -> bytes:
    """Write a digest as base64 with padding (RFC 4648, 4)."""
    return base64.b64encode(digest)


def from_base64(text: str) -> bytes | None:
    """Return what canonical base64 (ASCII) holds; None for any other spelling of it."""
    try:
        value = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    # The decoder passes over bits after the last byte; an encoder never sets them.
    return value if base64.b64encode(value).decode("ascii") == text else None


def require(genuine: bool) -> None:  # noqa: FBT001
    """Raise SignatureInvalid unless genuine: one sentence for every cause, so that none helps a forger."""
    if not genuine:
        raise no_fit()


def no_fit() -> SignatureInvalid:
    """Return the refusal of a proof that does not fit."""
    return SignatureInvalid("the signature does not fit the request")

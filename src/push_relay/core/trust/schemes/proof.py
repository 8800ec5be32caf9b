"""The types that every scheme uses: the request as received, the evidence to compare it with, the result."""

import base64
import hmac
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol

from push_relay.core.errors import CredentialsUnavailable, SignatureInvalid, SignatureMissing
from push_relay.core.quick_dataclass import dataclass
from push_relay.core.trust.schemes.secret_form import SecretForm, text_form

#: The members of a stored object that hold secrets: what a scheme has by its nature, and, for a source that
#: takes several proofs, the keys that sign.
SECRET, SIGNING_KEY = "secret", "signing-key"
NO_SETTINGS: Mapping[str, str] = MappingProxyType({})
#: Characters of a header that carries a proof; no provider's is longer.
MAX_PROOF = 4096
# `re` compiles it, and keeps it, when a token first needs it: few sources have one.
_BASE64URL = r"[A-Za-z0-9_-]*"


class SignedRequest(Protocol):
    """The parts of a request that a scheme may read.

    method, url  as the sender called it; the URL has its query string
    headers, query  header names are lower-case; a repeated header's values are joined with `, `
    body    as it was received, byte for byte
    """

    @property
    def method(self) -> str: ...  # noqa: D102
    @property
    def url(self) -> str: ...  # noqa: D102
    @property
    def headers(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def query(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def body(self) -> bytes: ...  # noqa: D102


class Keys(Protocol):
    """The keys that senders publish, by addresses that a scheme has pinned. Raises CredentialsUnavailable.

    named    the document of an address that names its content; empty if there is none
    current  the document of an address whose content changes
    renewed  the same, fetched again because a request fits none of its keys
    """

    def named(self, host: str, url: str) -> bytes: ...  # noqa: D102
    def current(self, url: str, is_usable: Callable[[bytes], bool]) -> bytes: ...  # noqa: D102
    def renewed(self, url: str, is_usable: Callable[[bytes], bool]) -> bytes: ...  # noqa: D102


@dataclass(frozen=True, slots=True, repr=False)
class Evidence:
    """The values that a request is compared with. It has no repr, so that it cannot be logged.

    secrets      any of them may fit: during a rotation there are an old and a new one
    now          seconds since the epoch
    certificate  fetches a PEM certificate by its URL. It is called only for a URL that a scheme has
                 pinned, and its errors pass through the scheme
    topics       the SNS topics that the deployer has allow-listed for the source
    settings     what the deployer configured for the source beside the secret. It never signs
    is_signed_for_anybody  whether a text is one that the source's handshake signs for strangers, so that an
                 HMAC over it proves nothing; None if the handshake signs none
    keys         the keys that senders publish
    """

    secrets: Sequence[bytes]
    now: float
    certificate: Callable[[str], bytes] | None = None
    topics: frozenset[str] = frozenset()
    settings: Mapping[str, str] = NO_SETTINGS
    is_signed_for_anybody: Callable[[bytes], bool] | None = None
    keys: Keys | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Verified:
    """The content that a proof covers, and the sender's id of the event if that is covered too.

    signed  the bytes that are the same in each attempt to deliver one event: the body in most schemes. The
            time of signing is covered too and is not part of it, because senders sign every attempt again,
            and the second attempt would be another event
    content whether the content is covered at all: a shared token proves only the sender
    secret  the secret that the request fits, of those in the evidence; empty if none takes part

    It has no repr, so that the secret cannot be logged.
    """

    signed: bytes
    event_id: str | None = None
    content: bool = True
    secret: bytes = b""


#: Returns what the proof covers, or raises SignatureMissing, SignatureInvalid or Stale.
type Verify = Callable[[SignedRequest, Evidence], Verified]


class SecretPlace(NamedTuple):
    """A place in the body that holds the secret itself, so that the event must not keep it.

    kind  `form` or `json`
    name  the form's field, or a JSON pointer in which `*` is every item of a list
    """

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Scheme:
    """How a genuine sender's requests are distinguished from forged ones. Call it like its `verify`.

    `trust/verify_table.py` has the rest of what is known about a scheme, such as where its proof is.

    secret       the form of the deployer's secret, if the scheme has one
    form_verify  used instead of `verify` for a source that accepts forms, if forms are signed differently
    secret_places  where the body holds the secret itself, which has to be removed from the event's document
    challenge    the value of `WWW-Authenticate` if a request is refused; None for a scheme that is not HTTP's
    fetches      whether a request is compared with fetched keys if the deployer has stored no secret
    kind         the member of a stored object that holds its secret
    alternatives  the schemes of which one has to fit; empty: the scheme itself has to
    """

    verify: Verify
    secret: SecretForm = text_form()
    form_verify: Verify | None = None
    challenge: str | None = None
    secret_places: tuple[SecretPlace, ...] = ()
    fetches: bool = False
    kind: str = SECRET
    alternatives: tuple["Scheme", ...] = ()

    def __call__(self, request: SignedRequest, evidence: Evidence) -> Verified:
        """Verify a request. Raises SignatureMissing, SignatureInvalid, Stale."""
        return self.verify(request, evidence)


#: Writes a hash in the form of its header. Proofs are compared as written, so that each has one spelling.
type Encoding = Callable[[bytes], bytes]


def header(request: SignedRequest, name: str) -> str:
    """Return a header that carries a proof. Raises SignatureMissing, or SignatureInvalid for nonsense."""
    return proof(request.headers, name)


def proof(values: Mapping[str, str], name: str) -> str:
    """Return a value that carries a proof: present, not empty, bounded, ASCII. Raises like `header`."""
    value = values.get(name)
    if value is None:
        raise SignatureMissing("the request is not signed")
    require(0 < len(value) <= MAX_PROOF and value.isascii())
    return value


def keys(evidence: Evidence) -> Sequence[bytes]:
    """Return the secrets except empty ones, because anybody can make an HMAC with an empty key."""
    return [secret for secret in evidence.secrets if secret]


def require_settings(evidence: Evidence, names: Iterable[str]) -> None:
    """Raise CredentialsUnavailable if the deployer has not given one of these settings."""
    for name in names:
        if not evidence.settings.get(name):
            raise CredentialsUnavailable(f"the source's setting `{name}` is missing")


def fits(offered: Iterable[str], expected: Iterable[bytes]) -> bool:
    """Return whether any offered proof (ASCII) is an expected one; each is compared in constant time."""
    wanted = list(expected)
    found = [hmac.compare_digest(text.encode("ascii"), right) for text in offered for right in wanted]
    return True in found


def hexadecimal(content: bytes) -> bytes:
    """Write a hash as lower-case hexadecimal digits."""
    return content.hex().encode("ascii")


def base64_text(content: bytes) -> bytes:
    """Write a hash as base64 with padding (RFC 4648, 4)."""
    return base64.b64encode(content)


def from_base64(text: str) -> bytes | None:
    """Return the content of canonical base64 (ASCII); None for any other spelling of it."""
    try:
        value = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    # The decoder ignores bits after the last byte; an encoder never sets them.
    return value if base64.b64encode(value).decode("ascii") == text else None


def from_base64url(text: str) -> bytes | None:
    """Return the content of canonical base64url without padding (RFC 7515, 2); None for other spellings."""
    if re.fullmatch(_BASE64URL, text) is None:
        return None
    return from_base64(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4))


def require(genuine: bool) -> None:  # noqa: FBT001
    """Raise SignatureInvalid unless genuine: one sentence for every cause, so that none helps a forger."""
    if not genuine:
        raise no_fit()


def no_fit() -> SignatureInvalid:
    """Return the refusal of a proof that does not fit."""
    return SignatureInvalid("the signature does not fit the request")

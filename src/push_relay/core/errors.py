"""Every way in which relaying an event can go wrong.

    RelayError
    ├── ConfigurationInvalid          a source folder or relay.toml is wrong (found at build time)
    ├── MalformedRequest              not JSON, wrong charset, unknown envelope
    │   ├── UnsupportedMediaType
    │   └── PayloadTooLarge
    ├── Unauthenticated               the sender did not prove that it has the secret
    │   ├── SignatureMissing
    │   ├── SignatureInvalid
    │   ├── Stale
    │   ├── AddressNotAllowed
    │   └── HandshakeRefused          a question without a proof, and not the one that the source expects
    │       └── HandshakeNotFound     the same, for senders that expect another status
    ├── UnknownAccount                relay.toml no longer has the account of a batch window
    ├── UnknownSource                 no such source, or not reachable this way
    │   └── AmbiguousSource           match rules of several sources fit the event
    ├── SchemaViolation               the event breaks its source's schema
    ├── MappingFailed                 a wording, recipient or push cannot be made of the event
    ├── NotNow                        nothing is wrong with the event: it is tried again later
    │   ├── CredentialsUnavailable
    │   ├── QueueUnavailable
    │   ├── LedgerUnavailable
    │   ├── ClaimHeld                 another worker is sending this very push
    │   ├── OutOfTime                 the invocation ends before a push could be sent
    │   ├── ConnectionsBusy           the account's connections are all in use
    │   ├── QuotaExhausted            the account's calls of the day are used up
    │   ├── BudgetExhausted           the calls of the day that one source may use are used up
    │   ├── CircuitOpen               the vendor fails or throttles: nothing is sent but a probe
    │   ├── VendorUnauthorized
    │   ├── VendorThrottled
    │   └── VendorUnavailable
    ├── DeliveryUnknown               the connection was lost after the request was sent
    │   └── DeliveryHeld              the same, and a person has to decide
    ├── VendorRejected                the vendor refused the push permanently
    └── Crashed                       the function died each time that it had the message

An error's text is written by the relay alone and is safe to log and to answer with: it never quotes a
payload, a header, an address or a secret. The table in `outcomes.py` maps each type of error to its meaning
for the sender, the queue and the metrics.
"""

from collections.abc import Iterator
from typing import ClassVar

from push_relay.core.quick_dataclass import dataclass


class RelayError(Exception):
    """Root of the tree; `code` is stable and documented, `detail` is one sentence safe to show.

    `sender_is_proven` is whether the sender of a webhook had proven its origin when this was raised. Anybody
    can cause errors before that, so these are logged in samples. `answered_with` is the status that such a
    sender's source is answered with if it is refused, instead of the error's own.
    """

    code: ClassVar[str] = "internal_error"
    #: Whether a call to the vendor may still be in progress there, so that its connection is still in use.
    unfinished: bool = False

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.sender_is_proven = False
        self.answered_with: int | None = None


class ConfigurationInvalid(RelayError):
    """A source folder or relay.toml is wrong; the text has the file, the line and the cause.

    Unlike the other errors it may quote, because it quotes the deployer's own file.
    """

    code = "configuration_invalid"


class MalformedRequest(RelayError):
    """The request or message cannot be read at all."""

    code = "malformed_request"


class UnsupportedMediaType(MalformedRequest):
    """The content type, charset or encoding is not one that the relay reads."""

    code = "unsupported_media_type"


class PayloadTooLarge(MalformedRequest):
    """The body is larger than the relay accepts or than a queue message can hold."""

    code = "payload_too_large"


class Unauthenticated(RelayError):
    """The sender did not prove that it has the source's secret.

    `challenge` is what HTTP's `WWW-Authenticate` asks the sender for, or None.
    """

    code = "unauthenticated"
    challenge: str | None = None


class SignatureMissing(Unauthenticated):
    """The header that carries the proof is absent."""

    code = "signature_missing"


class SignatureInvalid(Unauthenticated):
    """The proof does not fit the request."""

    code = "signature_invalid"


class Stale(Unauthenticated):
    """The proof's timestamp is too old, or in the future."""

    code = "stale"


class AddressNotAllowed(Unauthenticated):
    """The caller's address is not in the source's allow-list."""

    code = "address_not_allowed"


class HandshakeRefused(Unauthenticated):
    """A question without a proof does not have what the source expects, such as the right token."""

    code = "handshake_refused"


class HandshakeNotFound(HandshakeRefused):
    """The same, for a sender that requires the status 404."""

    code = "handshake_not_found"


class UnknownSource(RelayError):
    """There is no source of that name, or it does not accept events this way."""

    code = "unknown_source"


class UnknownAccount(RelayError):
    """relay.toml no longer has the account of a batch window that has ended."""

    code = "unknown_account"


class AmbiguousSource(UnknownSource):
    """Several sources' match rules fit the event; the relay never guesses."""

    code = "ambiguous_source"


@dataclass(frozen=True, slots=True)
class Violation:
    """One breach of a schema: where (JSON pointer, RFC 6901) and which keyword."""

    pointer: str
    rule: str


class SchemaViolation(RelayError):
    """The event breaks its source's schema; `violations` lists the first places.

    `source` is the source's name, if an event of a source was checked: match rules may have found it.
    """

    code = "schema_violation"
    source: str | None = None

    def __init__(self, violations: tuple[Violation, ...], *, total: int | None = None) -> None:
        count = len(violations) if total is None else total
        super().__init__(f"the body breaks the source's schema in {count} place{'s' if count != 1 else ''}")
        self.violations = violations


class MappingFailed(RelayError):
    """A wording, a recipient or a push cannot be made of the event: the mapping is wrong, not the sender."""

    code = "mapping_failed"


class NotNow(RelayError):
    """Nothing is wrong with the event; `retry_after` (seconds) is how long to wait, if that is known.

    is_paced  whether `retry_after` is when the account may call again, whatever the push's own attempts
    """

    code = "not_now"
    is_paced: bool = False

    def __init__(self, detail: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class CredentialsUnavailable(NotNow):
    """A secret cannot be read, or does not have its documented shape."""

    code = "credentials_unavailable"


class QueueUnavailable(NotNow):
    """The queue did not accept the event."""

    code = "queue_unavailable"


class LedgerUnavailable(NotNow):
    """The ledger did not answer, so nothing was sent."""

    code = "ledger_unavailable"


class ClaimHeld(NotNow):
    """Another worker has claimed this very push and has not settled it yet."""

    code = "claim_held"


class OutOfTime(NotNow):
    """The invocation ends before a push could be sent and answered."""

    code = "out_of_time"


class ConnectionsBusy(NotNow):
    """The account's connections are all in use, by this worker or by others."""

    code = "connections_busy"


class QuotaExhausted(NotNow):
    """The account's calls of the day are used up, or the rest is reserved for urgent pushes."""

    code = "quota_exhausted"
    is_paced = True


class BudgetExhausted(NotNow):
    """The calls of the day that the push's source may use are used up; other sources may still call."""

    code = "budget_exhausted"
    is_paced = True


class CircuitOpen(NotNow):
    """The vendor fails or throttles: nothing is sent but one probe at a time, until one is answered."""

    code = "circuit_open"
    is_paced = True


class VendorUnauthorized(NotNow):
    """The vendor refused the credentials (401, 403), also after they were read again.

    It is paced if the push was not sent, because others with the same credentials were refused before.
    """

    code = "vendor_unauthorized"


class VendorThrottled(NotNow):
    """The vendor asked for fewer calls (429)."""

    code = "vendor_throttled"


class VendorUnavailable(NotNow):
    """The vendor cannot be reached, or answers 408 or 5xx.

    It is `unfinished` if a gateway gave up waiting for the vendor.
    """

    code = "vendor_unavailable"

    def __init__(
        self, detail: str = "", *, retry_after: float | None = None, unfinished: bool = False
    ) -> None:
        super().__init__(detail, retry_after=retry_after)
        self.unfinished = unfinished


class DeliveryUnknown(RelayError):
    """The connection was lost after the request was sent: nobody can know whether the push was shown.

    It is `unfinished` unless it is known that the vendor has ended the call.
    """

    code = "delivery_unknown"

    def __init__(self, detail: str = "", *, unfinished: bool = True) -> None:
        super().__init__(detail)
        self.unfinished = unfinished


class DeliveryHeld(DeliveryUnknown):
    """A push of unknown fate that is not sent again: a person has to decide."""

    code = "delivery_held"


class VendorRejected(RelayError):
    """The vendor refused the push permanently; `vendor_code` is its error code, made safe to log."""

    code = "vendor_rejected"

    def __init__(self, detail: str = "", *, vendor_code: str | None = None) -> None:
        super().__init__(detail)
        self.vendor_code = vendor_code


class Crashed(RelayError):
    """The function died, ran out of time or could not finish, each time that it had the message."""

    code = "crashed"


#: Codes of the errors that a call to the vendor ended with.
VENDOR_CODES = frozenset(
    error.code
    for error in (
        VendorUnauthorized,
        VendorThrottled,
        VendorUnavailable,
        DeliveryUnknown,
        DeliveryHeld,
        VendorRejected,
    )
)


def _tree(root: type[RelayError]) -> Iterator[type[RelayError]]:
    yield root
    for child in root.__subclasses__():
        yield from _tree(child)


#: Every error by its code.
CODES: dict[str, type[RelayError]] = {error.code: error for error in _tree(RelayError)}

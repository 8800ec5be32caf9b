"""The meaning of every error: the one table from an error's type to outcome, HTTP status and title.

Errors become outcomes here, by type, and nowhere else.
"""

from enum import StrEnum
from pathlib import PurePath

from push_relay.core import errors
from push_relay.core.errors import RelayError
from push_relay.core.quick_dataclass import dataclass


class Outcome(StrEnum):
    """How one push ended, or an event that never became a push. Each has exactly one outcome.

    The invariant: received = delivered + duplicate + filtered + rejected + expired + failed + parked.
    """

    DELIVERED = "delivered"
    DUPLICATE = "duplicate"
    FILTERED = "filtered"
    REJECTED = "rejected"
    EXPIRED = "expired"
    FAILED = "failed"
    PARKED = "parked"


class Disposition(StrEnum):
    """How the message that carried the event is ended."""

    ACKNOWLEDGE = "acknowledge"
    DEAD_LETTER = "dead_letter"
    PARK = "park"


#: How the message that carried a push of this outcome is ended.
DISPOSITIONS: dict[Outcome, Disposition] = {
    Outcome.DELIVERED: Disposition.ACKNOWLEDGE,
    Outcome.DUPLICATE: Disposition.ACKNOWLEDGE,
    Outcome.FILTERED: Disposition.ACKNOWLEDGE,
    Outcome.EXPIRED: Disposition.ACKNOWLEDGE,
    Outcome.REJECTED: Disposition.DEAD_LETTER,
    Outcome.FAILED: Disposition.DEAD_LETTER,
    Outcome.PARKED: Disposition.PARK,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The meaning of one type of error: the outcome, and the status and title that an HTTP sender gets."""

    outcome: Outcome
    status: int
    title: str


#: An error's verdict is that of its nearest ancestor in this table.
VERDICTS: dict[type[RelayError], Verdict] = {
    RelayError: Verdict(Outcome.PARKED, 500, "Internal error"),
    errors.MalformedRequest: Verdict(Outcome.REJECTED, 400, "Malformed request"),
    errors.UnsupportedMediaType: Verdict(Outcome.REJECTED, 415, "Unsupported media type"),
    errors.PayloadTooLarge: Verdict(Outcome.REJECTED, 413, "Payload too large"),
    errors.Unauthenticated: Verdict(Outcome.REJECTED, 401, "Unauthorized"),
    errors.AddressNotAllowed: Verdict(Outcome.REJECTED, 403, "Forbidden"),
    errors.HandshakeRefused: Verdict(Outcome.REJECTED, 403, "Handshake refused"),
    errors.HandshakeNotFound: Verdict(Outcome.REJECTED, 404, "Handshake refused"),
    errors.UnknownSource: Verdict(Outcome.REJECTED, 404, "Unknown source"),
    errors.UnknownAccount: Verdict(Outcome.FAILED, 202, "Unknown account"),
    errors.SchemaViolation: Verdict(Outcome.REJECTED, 422, "Schema violation"),
    errors.MappingFailed: Verdict(Outcome.FAILED, 202, "Accepted, but not mapped"),
    errors.NotNow: Verdict(Outcome.PARKED, 503, "Try again later"),
    errors.VendorUnauthorized: Verdict(Outcome.PARKED, 502, "The vendor refused the credentials"),
    errors.DeliveryUnknown: Verdict(Outcome.PARKED, 504, "Delivery unknown"),
    errors.DeliveryHeld: Verdict(Outcome.FAILED, 504, "Delivery unknown"),
    errors.VendorRejected: Verdict(Outcome.FAILED, 502, "The vendor refused the push"),
    errors.Crashed: Verdict(Outcome.FAILED, 500, "The function died"),
}


def verdict(error: BaseException | type[BaseException]) -> Verdict:
    """Return the meaning of an error. An unknown error is parked and alarmed, never acknowledged."""
    kind = error if isinstance(error, type) else type(error)
    for ancestor in kind.__mro__:
        if ancestor in VERDICTS:
            return VERDICTS[ancestor]
    return VERDICTS[RelayError]


def verdict_of_code(code: str) -> Verdict:
    """Return the meaning of the error with a code."""
    return verdict(errors.CODES.get(code, RelayError))


def code_of(error: BaseException) -> str:
    """Return an error's stable code; `internal_error` if it is not the relay's own."""
    return error.code if isinstance(error, RelayError) else RelayError.code


def safe_detail(error: BaseException) -> str:
    """Return a text about an error that is safe to log: our own sentence, else its type and place.

    The text of a foreign error is never used, because it may quote the payload.
    """
    if isinstance(error, RelayError):
        return error.detail
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    place = f"{PurePath(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "unknown"
    return f"{type(error).__name__} at {place}"

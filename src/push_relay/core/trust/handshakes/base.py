"""The handshakes: how a kind of sender asks whether this endpoint wants its events.

A source's folder names its handshake. Most questions by POST are answered only after the source's
verification, so that only a sender that knows the secret gets an answer. Other questions come without a
proof: by GET, HEAD and OPTIONS, and a few by POST, which are recognised by their exact form (`unproven.py`).
"""

import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Final, Protocol

from push_relay.core.errors import MalformedRequest
from push_relay.core.quick_dataclass import dataclass
from push_relay.core.strict_json import JsonObject, parse

if TYPE_CHECKING:
    from push_relay.core.trust.handshakes.row import Row

#: The parameter of a confirmation that protects the subscription: without it, anybody who has seen a
#: message's UnsubscribeURL can end it. AWS accepts it only in a signed call.
#: https://docs.aws.amazon.com/sns/latest/api/API_ConfirmSubscription.html
PROTECTED = "&AuthenticateOnUnsubscribe=true"
_NO_HEADERS: Final[Mapping[str, str]] = {}
#: A text that may be sent back unchanged: printable ASCII, bounded.
_TOKEN = re.compile(r"[\x20-\x7e]{1,1024}")


class Notice(Enum):
    """A report of a handshake to the deployer."""

    UNSUBSCRIBED = "SNS has ended a subscription"
    UNPROTECTED = "a subscription was confirmed, and anybody who sees one of its messages can end it"


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a handshake, and the notice that it causes."""

    body: str
    content_type: str = "application/json"
    headers: Mapping[str, str] = _NO_HEADERS
    notice: Notice | None = None
    status: int = 200


@dataclass(frozen=True, slots=True)
class Subscription:
    """An SNS subscription that waits for its confirmation.

    url  the URL of the confirmation, which ends with PROTECTED: SNS's own host and what SNS has signed
    """

    url: str


class HandshakeRequest(Protocol):
    """The parts of a request that a handshake reads: lower-case header names, the body as received."""

    @property
    def headers(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def query(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def body(self) -> bytes: ...  # noqa: D102


#: (verified request, the secret that it fits) -> the answer, or None if the request carries an event.
type Answer = Callable[[HandshakeRequest, bytes], Reply | Subscription | None]
#: (request by OPTIONS, allowed origins or none for all) -> the answer, or None if it is refused.
type Preflight = Callable[[HandshakeRequest, frozenset[str]], Reply | None]


def no_answer(_request: HandshakeRequest, _secret: bytes) -> None:
    """Take every request for an event."""


def no_text(_text: bytes) -> bool:
    """Sign no text for strangers."""
    return False


def no_preflight(_request: HandshakeRequest, _origins: frozenset[str]) -> None:
    """Refuse every preflight."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """How one kind of sender asks.

    answer     answers a verified request
    preflight  answers a request by OPTIONS, which carries no proof
    scheme     the only verification scheme with which it is safe; None if any is
    unproven   the questions that come without a proof, by GET, HEAD or POST
    is_signed_for_anybody  whether a text could be a challenge that is signed for a stranger. It is never
                           accepted as the content of an event
    """

    answer: Answer = no_answer
    preflight: Preflight = no_preflight
    scheme: str | None = None
    unproven: tuple["Row", ...] = ()
    is_signed_for_anybody: Callable[[bytes], bool] = no_text

    @property
    def signs(self) -> bool:
        """Whether it signs answers with the source's key."""
        return self.is_signed_for_anybody is not no_text

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that a source accepts with it, as the header `Allow` lists them."""
        asked = {row.method for row in self.unproven}
        options = () if self.preflight is no_preflight else ("OPTIONS",)
        return (*(name for name in ("GET", "HEAD") if name in asked), "POST", *options)


def json_object(request: HandshakeRequest) -> JsonObject:
    """Return the body if it is a JSON object, else an empty one: such a request is not a handshake."""
    try:
        document = parse(request.body)
    except MalformedRequest:
        return {}
    return document if isinstance(document, dict) else {}


def printable_token(value: object) -> str:
    """Return a token that is safe to send back. Raises MalformedRequest."""
    if not is_token(value):
        raise MalformedRequest("the handshake's token is not a short text of printable ASCII")
    return str(value)


def is_token(value: object) -> bool:
    """Return whether a value is a short text of printable ASCII."""
    return isinstance(value, str) and _TOKEN.fullmatch(value) is not None

"""Calls of SNS over HTTPS: fetch a certificate that a message names, and confirm a subscription.

A stranger may have written the message that names the address. A scheme or a handshake has made sure that it
is on SNS's host in the topic's region, and no redirect is followed from there.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING

from push_relay.adapters.bounded_get import TOTAL_SECS, BoundedGet
from push_relay.core.errors import CredentialsUnavailable
from push_relay.core.trust.handshakes.base import PROTECTED

if TYPE_CHECKING:
    from urllib3 import PoolManager

#: Bytes of an answer that are read. A certificate has about 2,000.
MAX_ANSWER_BYTES = 64 * 1024
#: Returns the headers that sign a GET of an address as the function's role; empty without credentials.
type Sign = Callable[[str], Mapping[str, str]]

_NO_SUCH_CERTIFICATE = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
#: AWS's answers to a signed call for which the role has no permission.
_REFUSALS = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class SnsEndpoint:
    """SNS's own endpoint."""

    def __init__(self, pool: "PoolManager | None" = None, sign: Sign | None = None) -> None:
        self._bounded_get = BoundedGet(pool)
        self._sign = sign or (lambda _url: {})

    def certificate(self, url: str) -> bytes | None:
        """Fetch a certificate (PEM); return None if SNS has none of that name.

        Raises CredentialsUnavailable.
        """
        trouble = "SNS's certificate cannot be read"
        status, body = self._get(url, trouble)
        if status in _NO_SUCH_CERTIFICATE:
            return None
        _require_ok(status, trouble)
        return body

    def confirm(self, url: str) -> bool:
        """Confirm a subscription by a call that ends with PROTECTED; return whether it is protected.

        AWS accepts that parameter only from a role that may call sns:ConfirmSubscription. For another role
        the subscription is confirmed without it, because an unprotected subscription is better than lost
        events. Raises CredentialsUnavailable; then SNS asks for the confirmation again.
        """
        trouble = "SNS did not take the confirmation"
        if headers := self._sign(url):
            status, _ = self._get(url, trouble, headers)
            if status == HTTPStatus.OK:
                return True
            if status not in _REFUSALS:
                _require_ok(status, trouble)
        status, _ = self._get(url.removesuffix(PROTECTED), trouble)
        _require_ok(status, trouble)
        return False

    def _get(self, url: str, trouble: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        return self._bounded_get(url, trouble, limit=MAX_ANSWER_BYTES, secs=TOTAL_SECS, headers=headers)


def _require_ok(status: int, trouble: str) -> None:
    if status != HTTPStatus.OK:
        raise CredentialsUnavailable(f"{trouble} ({status})")

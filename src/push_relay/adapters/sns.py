"""Calls of SNS over HTTPS: fetch a certificate that a message names, and confirm a subscription.

A stranger may have written the message that names the address. A scheme or a handshake has made sure that it
is on SNS's host in the topic's region, and no redirect is followed from there.
"""

import time
from collections.abc import Callable, Mapping
from http import HTTPStatus

import urllib3
from urllib3.exceptions import HTTPError

from push_relay.core.errors import CredentialsUnavailable
from push_relay.core.trust.handshakes.sns import PROTECTED

#: Bytes of an answer that are read. A certificate has about 2,000.
MAX_ANSWER_BYTES = 64 * 1024
#: Seconds that SNS may take to accept a connection, to send something, and to send the whole answer.
CONNECT_SECS, READ_SECS, TOTAL_SECS = 2.0, 3.0, 4.0
#: Returns the headers that sign a GET of an address as the function's role; empty without credentials.
type Sign = Callable[[str], Mapping[str, str]]

_NO_SUCH_CERTIFICATE = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
#: AWS's answers to a signed call for which the role has no permission.
_REFUSALS = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class SnsEndpoint:
    """SNS's own endpoint."""

    def __init__(self, pool: urllib3.PoolManager | None = None, sign: Sign | None = None) -> None:
        timeout = urllib3.Timeout(connect=CONNECT_SECS, read=READ_SECS, total=TOTAL_SECS)
        self._pool = pool or urllib3.PoolManager(
            num_pools=4, maxsize=1, timeout=timeout, cert_reqs="CERT_REQUIRED"
        )
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
        deadline, body = time.monotonic() + TOTAL_SECS, b""
        try:
            response = self._pool.request(
                "GET",
                url,
                headers=headers,
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
            )
            try:
                while chunk := response.read1(MAX_ANSWER_BYTES + 1 - len(body)):
                    body += chunk
                    if len(body) > MAX_ANSWER_BYTES or time.monotonic() > deadline:
                        raise CredentialsUnavailable(f"{trouble} (too long an answer)")
            finally:
                response.close()
                # Calls are months apart, and by then SNS has closed any connection that was kept.
                self._pool.clear()
        except HTTPError as exc:
            raise CredentialsUnavailable(f"{trouble} ({type(exc).__name__})") from None
        return response.status, body


def _require_ok(status: int, trouble: str) -> None:
    if status != HTTPStatus.OK:
        raise CredentialsUnavailable(f"{trouble} ({status})")

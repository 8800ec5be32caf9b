"""What the relay fetches from SNS: the certificate that a message names, and a subscription's confirmation.

Both addresses stand in a message that a stranger may have written. They come here only after a scheme or a
handshake has pinned them to SNS's host in the topic's region; nothing is followed from there.
"""

import time
from http import HTTPStatus

import urllib3
from urllib3.exceptions import HTTPError

from push_relay.core.errors import CredentialsUnavailable

#: Bytes of an answer; a certificate has some 2,000.
MAX_ANSWER = 64 * 1024
#: Seconds that SNS may take to connect, to say something, and to say all of it.
CONNECT, READ, TOTAL = 2.0, 3.0, 4.0
#: Certificates kept; SNS signs with one a region.
MAX_KEPT = 16

_NO_SUCH_CERTIFICATE = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})


class SnsEndpoint:
    """SNS over HTTPS, with certificates kept for the process's life: their addresses name their content."""

    def __init__(self, pool: urllib3.PoolManager | None = None) -> None:
        timeout = urllib3.Timeout(connect=CONNECT, read=READ, total=TOTAL)
        self._pool = pool or urllib3.PoolManager(
            num_pools=4, maxsize=1, timeout=timeout, cert_reqs="CERT_REQUIRED"
        )
        self._certificates: dict[str, bytes] = {}

    def certificate(self, url: str) -> bytes:
        """Return a certificate (PEM); nothing where SNS has none of that name, which forgers ask for.

        Raises CredentialsUnavailable.
        """
        if url not in self._certificates:
            status, body = self._get(url, "SNS's certificate cannot be read")
            if status in _NO_SUCH_CERTIFICATE:
                return b""
            _require_ok(status, "SNS's certificate cannot be read")
            if len(self._certificates) >= MAX_KEPT:
                self._certificates.clear()
            self._certificates[url] = body
        return self._certificates[url]

    def confirm(self, url: str) -> None:
        """Confirm a subscription. Raises CredentialsUnavailable: SNS asks again."""
        status, _ = self._get(url, "SNS did not take the confirmation")
        _require_ok(status, "SNS did not take the confirmation")

    def _get(self, url: str, trouble: str) -> tuple[int, bytes]:
        deadline, body = time.monotonic() + TOTAL, b""
        try:
            response = self._pool.request(
                "GET", url, redirect=False, retries=False, preload_content=False, decode_content=False
            )
            try:
                while chunk := response.read1(MAX_ANSWER + 1 - len(body)):
                    body += chunk
                    if len(body) > MAX_ANSWER or time.monotonic() > deadline:
                        raise CredentialsUnavailable(f"{trouble} (too long an answer)")
            finally:
                response.close()
                # Needed once in months: a connection that is kept is one that SNS has closed by then.
                self._pool.clear()
        except HTTPError as exc:
            raise CredentialsUnavailable(f"{trouble} ({type(exc).__name__})") from None
        return response.status, body


def _require_ok(status: int, trouble: str) -> None:
    if status != HTTPStatus.OK:
        raise CredentialsUnavailable(f"{trouble} ({status})")

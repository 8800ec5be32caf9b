"""What the relay fetches from SNS: the certificate that a message names, and a subscription's confirmation.

Both addresses stand in a message that a stranger may have written. They come here only after a scheme or a
handshake has pinned them to SNS's host in the topic's region; nothing is followed from there.
"""

from http import HTTPStatus

import urllib3
from urllib3.exceptions import HTTPError

from push_relay.core.errors import CredentialsUnavailable

#: Bytes of an answer; a certificate has some 2,000.
MAX_ANSWER = 64 * 1024
#: Certificates kept; SNS signs with one a region.
MAX_KEPT = 16


class SnsEndpoint:
    """SNS over HTTPS, with certificates kept for the process's life: their addresses name their content."""

    def __init__(self, pool: urllib3.PoolManager | None = None) -> None:
        timeout = urllib3.Timeout(connect=2, read=3, total=4)
        self._pool = pool or urllib3.PoolManager(
            num_pools=4, maxsize=1, retries=False, timeout=timeout, cert_reqs="CERT_REQUIRED"
        )
        self._certificates: dict[str, bytes] = {}

    def certificate(self, url: str) -> bytes:
        """Return a certificate (PEM). Raises CredentialsUnavailable."""
        if url not in self._certificates:
            if len(self._certificates) >= MAX_KEPT:
                self._certificates.clear()
            self._certificates[url] = self._get(url, "SNS's certificate cannot be read")
        return self._certificates[url]

    def confirm(self, url: str) -> None:
        """Confirm a subscription. Raises CredentialsUnavailable: SNS asks again."""
        self._get(url, "SNS did not take the confirmation")

    def _get(self, url: str, trouble: str) -> bytes:
        try:
            response = self._pool.request("GET", url, redirect=False, preload_content=False)
            try:
                body = response.read(MAX_ANSWER)
            finally:
                response.close()
        except HTTPError as exc:
            raise CredentialsUnavailable(f"{trouble} ({type(exc).__name__})") from None
        if response.status != HTTPStatus.OK:
            raise CredentialsUnavailable(f"{trouble} ({response.status})")
        return bytes(body)

"""What the relay fetches from SNS: the certificate that a message names, and a subscription's confirmation.

A stranger may have written the message that names them. Their addresses come here only after a scheme or a
handshake has pinned them to SNS's host in the topic's region; no redirect is followed from there.
"""

import time
from collections.abc import Callable, Mapping
from http import HTTPStatus

import urllib3
from urllib3.exceptions import HTTPError

from push_relay.core.errors import CredentialsUnavailable
from push_relay.core.trust.handshakes.sns import PROTECTED

#: Bytes of an answer; a certificate has some 2,000.
MAX_ANSWER = 64 * 1024
#: Seconds that SNS may take to connect, to say something, and to say all of it.
CONNECT, READ, TOTAL = 2.0, 3.0, 4.0
#: Certificates kept; SNS signs with one a region.
MAX_KEPT = 16
#: Certificates that one process asks for in PERIOD seconds: whoever forges makes up names without end.
MAX_FETCHES, PERIOD = 10, 60.0
#: Of these, what is left to names that come again: SNS repeats its message, and names the same one in all.
KEPT_FOR_REPEATED = 5
#: Names remembered of which no certificate was asked for.
MAX_PUT_OFF = 4096

#: Returns the headers that sign a GET of an address as the function's role; none if it has no credentials.
type Sign = Callable[[str], Mapping[str, str]]

_NO_SUCH_CERTIFICATE = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
#: How AWS answers a signed call that the role may not make.
_REFUSALS = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class SnsEndpoint:
    """SNS over HTTPS, with certificates kept for the process's life: their addresses name their content.

    Not for several threads: a function takes one request at a time.
    """

    def __init__(
        self,
        pool: urllib3.PoolManager | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        sign: Sign | None = None,
    ) -> None:
        timeout = urllib3.Timeout(connect=CONNECT, read=READ, total=TOTAL)
        self._pool = pool or urllib3.PoolManager(
            num_pools=4, maxsize=1, timeout=timeout, cert_reqs="CERT_REQUIRED"
        )
        self._monotonic = monotonic
        self._sign = sign or (lambda _url: {})
        self._certificates: dict[str, bytes] = {}
        self._fetches: list[float] = []
        self._absent: dict[str, float] = {}
        self._put_off: dict[str, None] = {}

    def certificate(self, url: str) -> bytes:
        """Return a certificate (PEM); nothing where SNS has none of that name, which forgers ask for.

        Raises CredentialsUnavailable, also where too many were asked for within a minute; one that is kept
        costs nothing, and nobody can drive it out by naming others that do not exist.
        """
        if url not in self._certificates:
            found = self._fetched(url)
            if not found:
                return b""
            if len(self._certificates) >= MAX_KEPT:
                del self._certificates[next(iter(self._certificates))]
            self._certificates[url] = found
        # Taken out and put in again: what has not been used for the longest stands first.
        self._certificates[url] = self._certificates.pop(url)
        return self._certificates[url]

    def _fetched(self, url: str) -> bytes:
        now = self._monotonic()
        self._absent = {name: since for name, since in self._absent.items() if now - since < PERIOD}
        if url in self._absent:
            return b""
        self._count(url, now)
        status, body = self._get(url, "SNS's certificate cannot be read")
        if status in _NO_SUCH_CERTIFICATE:
            self._absent[url] = now
            return b""
        _require_ok(status, "SNS's certificate cannot be read")
        return body

    def _count(self, url: str, now: float) -> None:
        """Count a fetch, where there is one left. Raises CredentialsUnavailable."""
        self._fetches = [moment for moment in self._fetches if now - moment < PERIOD]
        allowed = MAX_FETCHES if url in self._put_off else MAX_FETCHES - KEPT_FOR_REPEATED
        if len(self._fetches) >= allowed:
            if len(self._put_off) >= MAX_PUT_OFF:
                del self._put_off[next(iter(self._put_off))]
            self._put_off[url] = None
            wait = PERIOD - (now - self._fetches[0])
            raise CredentialsUnavailable("too many of SNS's certificates are asked for", retry_after=wait)
        self._fetches.append(now)

    def confirm(self, url: str) -> bool:
        """Confirm a subscription by a call that ends with PROTECTED; return whether it is protected.

        AWS takes that parameter only from a role that may call sns:ConfirmSubscription. For another role the
        subscription is confirmed without it, because an event that is lost is worse. Raises
        CredentialsUnavailable: SNS asks again.
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
        deadline, body = time.monotonic() + TOTAL, b""
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

"""The vendor's Push API over HTTP: one pool, kept alive, bounded, and every answer understood.

What is known and unknown of the vendor stands in docs/push-api.md.
"""

import email.utils
import threading
import time
from contextlib import suppress
from http import HTTPStatus
from ssl import SSLCertVerificationError
from typing import TYPE_CHECKING

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    SSLError,
)

from push_relay.core.encoding import MAX_ANSWER, Credentials, encode, read_answer
from push_relay.core.errors import (
    DeliveryUnknown,
    OutOfTime,
    RelayError,
    VendorRejected,
    VendorThrottled,
    VendorUnauthorized,
    VendorUnavailable,
)

if TYPE_CHECKING:
    from push_relay.core.account import Account
    from push_relay.core.push import Push

#: Nothing was sent: the push cannot have been shown.
_BEFORE_SENDING = (ConnectTimeoutError, NewConnectionError, NameResolutionError, ProxyError)
#: Seconds beyond which no Retry-After is meant: as long as a push is worth sending, if nothing else is said.
_LONGEST_WAIT = 7 * 86_400.0
#: A gateway gave up waiting (524 is Cloudflare's). What is behind it may still be working on the call.
_GATEWAY_TIMEOUTS = (HTTPStatus.GATEWAY_TIMEOUT, 524)
#: Seconds below which a call is not begun.
_LEAST = 0.5


class HttpPushApi:
    """The vendor, for one account: at most `account.connections` calls at a time across threads."""

    def __init__(self, base_url: str, account: "Account") -> None:
        self._account = account
        self._url = f"{base_url}/api/v2/push?format={account.form}"
        # It bounds the connections, and not the pool, which would not count the wait into the call's time.
        self._connections = threading.BoundedSemaphore(account.connections)
        self._pool = urllib3.PoolManager(
            num_pools=1,
            maxsize=account.connections,
            retries=False,
            cert_reqs="CERT_REQUIRED",
        )

    def send(self, push: "Push", credentials: Credentials, correlation_id: str, timeout: float) -> None:
        """Send a push within `timeout` seconds; return where the vendor took it.

        Raises one of the vendor's errors, OutOfTime where there was no time to begin, and MappingFailed
        for text that the format cannot hold.
        """
        account = self._account
        body = encode(push, credentials, account.form, xml_root=account.xml_root)
        deadline = time.monotonic() + timeout
        status, headers, answer = self._call(body, correlation_id, timeout)
        try:
            _judge(status, headers, answer)
        except RelayError as exc:
            # The relay gave up reading, and the vendor may still be sending its answer.
            exc.unfinished |= answer is None and time.monotonic() >= deadline
            raise

    def _call(
        self, body: bytes, correlation_id: str, timeout: float
    ) -> tuple[int, urllib3.HTTPHeaderDict, bytes | None]:
        """Return status, headers and the answer's beginning; None where the answer was cut off.

        Waiting for a connection, the request, and the answer to its last byte share the time.
        """
        deadline = time.monotonic() + timeout
        if timeout < _LEAST or not self._connections.acquire(timeout=timeout):
            raise OutOfTime("no time is left to send the push, or no connection came free in it")
        try:
            left = deadline - time.monotonic()
            if left < _LEAST:
                raise OutOfTime("the invocation ends before the push could be sent")
            response = self._request(body, correlation_id, left)
            try:
                return response.status, response.headers, self._body(response, deadline)
            finally:
                # A connection whose answer was not read to its end cannot carry another call.
                if response.length_remaining != 0:
                    response.close()
                response.release_conn()
                if not self._account.keep_alive:
                    # What was read to its end is idle in the pool by now, whatever the vendor does.
                    self._pool.clear()
        finally:
            self._connections.release()

    def _request(self, body: bytes, correlation_id: str, timeout: float) -> urllib3.BaseHTTPResponse:
        try:
            return self._pool.request(
                "POST",
                self._url,
                body=body,
                headers=self._headers(correlation_id),
                timeout=self._timeout(timeout),
                redirect=False,
                preload_content=False,
            )
        except _BEFORE_SENDING as exc:
            raise VendorUnavailable(f"the vendor cannot be reached ({type(exc).__name__})") from None
        except SSLError as exc:
            # Other failures of TLS can come at any time, after sending too.
            if not any(isinstance(cause, SSLCertVerificationError) for cause in exc.args):
                raise DeliveryUnknown(
                    "the connection was lost after sending (SSLError)", unfinished=False
                ) from None
            raise VendorUnavailable("the vendor's certificate is not one to trust") from None
        except HTTPError as exc:
            # If the vendor closed the connection, it no longer counts. If the relay gave up, it may still.
            raise DeliveryUnknown(
                f"the connection was lost after sending ({type(exc).__name__})",
                unfinished=not isinstance(exc, ProtocolError),
            ) from None

    def _body(self, response: urllib3.BaseHTTPResponse, deadline: float) -> bytes | None:
        """Return the answer's beginning; None where it was cut off, cannot be decoded or comes too late."""
        if response.length_remaining is not None:
            return _read(response, deadline)
        # A socket's timeout bounds one read, and an answer without a length takes many to its end: at the
        # deadline it is ended from without.
        watch = threading.Timer(deadline - time.monotonic(), _end_reading, [response])
        watch.daemon = True
        watch.start()
        try:
            return _read(response, deadline)
        finally:
            watch.cancel()
            watch.join()

    def _timeout(self, seconds: float) -> urllib3.Timeout:
        return urllib3.Timeout(
            total=seconds, connect=self._account.connect_timeout, read=self._account.read_timeout
        )

    def _headers(self, correlation_id: str) -> dict[str, str]:
        form = self._account.form
        headers = {"Content-Type": form.content_type, "Accept": f"application/{form}"}
        if not self._account.keep_alive:
            headers["Connection"] = "close"
        return headers if correlation_id == "-" else {**headers, "X-Correlation-Id": correlation_id}


def _read(response: urllib3.BaseHTTPResponse, deadline: float) -> bytes | None:
    body = b""
    sock = getattr(response.connection, "sock", None)
    try:
        while len(body) < MAX_ANSWER and response.length_remaining != 0:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            if sock is not None:
                sock.settimeout(left)
            chunk = response.read1(MAX_ANSWER - len(body))
            if not chunk:
                # An answer without a length ends like one that was ended at the deadline.
                return body if time.monotonic() < deadline else None
            body += chunk
    except HTTPError:
        return None
    return body


def _end_reading(response: urllib3.BaseHTTPResponse) -> None:
    # Refused where the answer has been read to its end in the meantime.
    with suppress(OSError, RuntimeError, ValueError):
        response.shutdown()


def _judge(status: int, headers: urllib3.HTTPHeaderDict, body: bytes | None) -> None:
    """Raise what an answer means; return where it means that the push was taken."""
    retry_after = _retry_after(headers)
    # "Success is generally 200": no other 2xx is a refusal either (RFC 9110, 15.3).
    taken = HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise VendorUnauthorized(f"the vendor refused the credentials ({status})", retry_after=retry_after)
    if status == HTTPStatus.REQUEST_TIMEOUT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise VendorUnavailable(
            f"the vendor answered {status}", retry_after=retry_after, unfinished=status in _GATEWAY_TIMEOUTS
        )
    # What a breach of a limit gets is unknown: whoever names a time to come back has refused nothing.
    if status == HTTPStatus.TOO_MANY_REQUESTS or (not taken and retry_after is not None):
        raise VendorThrottled(f"the vendor asks for fewer calls ({status})", retry_after=retry_after)
    answer = read_answer(body or b"")
    if not taken:
        raise VendorRejected(f"the vendor answered {status}", vendor_code=answer.error_code)
    if body is None:
        raise DeliveryUnknown(f"the vendor's {status} was cut off", unfinished=False)
    if answer.error_code:
        raise VendorRejected(f"the vendor answered {status} with an error", vendor_code=answer.error_code)
    if answer.doubtful:
        raise DeliveryUnknown(
            f"the vendor's {status} came with a web page, or with half an error", unfinished=False
        )


def _retry_after(headers: urllib3.HTTPHeaderDict) -> float | None:
    """Return seconds from a Retry-After of either form (RFC 9110, 10.2.3); None where there is none."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdecimal():
        return min(float(value[:9]), _LONGEST_WAIT)
    try:
        moment = email.utils.parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, moment - time.time()), _LONGEST_WAIT)

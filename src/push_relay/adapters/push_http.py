"""Call the vendor's Push API over HTTP, and read every answer that it may give.

docs/push-api.md lists what is known and unknown about the vendor.
"""

import email.utils
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from push_relay.adapters import tls
from push_relay.adapters.connection_pool import ConnectionPool
from push_relay.adapters.http_call import Answer, Moment, NoAnswer, NotConnected
from push_relay.core.delivery.encoding import MAX_ANSWER_BYTES, Credentials, encode, read_answer
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

#: The longest `Retry-After` that is used: the default age at which a push expires.
_LONGEST_WAIT_SECS = 7 * 86_400.0
#: A gateway gave up waiting (524 is Cloudflare's). The server behind it may still be working on the call.
_GATEWAY_TIMEOUTS = (HTTPStatus.GATEWAY_TIMEOUT, 524)
#: A call is not begun with less time.
_LEAST_SECS = 0.5


class HttpPushApi:
    """The vendor, for one account: at most `account.connections` calls at a time across threads."""

    def __init__(self, base_url: str, account: "Account", now: Callable[[], Moment] = Moment.now) -> None:
        self._account = account
        url = urlsplit(base_url)
        self._target = f"{url.path}/api/v2/push?format={account.format}"
        self._calls = threading.BoundedSemaphore(account.connections)
        self._connections = ConnectionPool(
            url,
            tls.vendor_context() if url.scheme == "https" else None,
            connect_secs=account.connect_timeout_secs,
            read_secs=account.read_timeout_secs,
            keep_alive=account.keep_alive,
            now=now,
        )

    def send(self, push: "Push", credentials: Credentials, correlation_id: str, timeout: float) -> None:
        """Send a push within `timeout` seconds; return if the vendor accepted it.

        Raises one of the vendor's errors, OutOfTime if there was no time to begin, and what `encode` raises.
        """
        account = self._account
        body = encode(push, credentials, account.format, xml_root=account.xml_root)
        deadline = time.monotonic() + timeout
        if timeout < _LEAST_SECS or not self._calls.acquire(timeout=timeout):
            raise OutOfTime("no time is left to send the push, or no connection became free in time")
        try:
            if deadline - time.monotonic() < _LEAST_SECS:
                raise OutOfTime("the invocation ends before the push could be sent")
            answer = self._call(body, correlation_id, deadline)
        finally:
            self._calls.release()
        try:
            _judge(answer)
        except RelayError as exc:
            # If the relay has stopped reading, the vendor may still be sending its answer.
            exc.unfinished |= answer.timed_out
            raise

    def close(self) -> None:
        """Close the connections that no call uses."""
        self._connections.close()

    def _call(self, body: bytes, correlation_id: str, deadline: float) -> Answer:
        """Return the vendor's final answer.

        Raises VendorUnavailable if the push was not sent, DeliveryUnknown if there was no answer to it.
        """
        headers = self._headers(correlation_id)
        try:
            return self._connections.call(self._target, headers, body, MAX_ANSWER_BYTES, deadline)
        except NotConnected as exc:
            raise VendorUnavailable(f"the vendor cannot be reached ({exc})") from None
        except NoAnswer as exc:
            # The vendor no longer counts a connection that it has closed. If the relay gave up, it may.
            raise DeliveryUnknown(
                f"the connection was lost after sending ({exc})", unfinished=exc.timed_out
            ) from None

    def _headers(self, correlation_id: str) -> dict[str, str]:
        form = self._account.format
        headers = {
            "Content-Type": form.content_type,
            "Accept": f"application/{form}",
            "User-Agent": "push-relay",
        }
        if not self._account.keep_alive:
            headers["Connection"] = "close"
        return headers if correlation_id == "-" else {**headers, "X-Correlation-Id": correlation_id}


def _judge(given: Answer) -> None:
    """Return if an answer means that the push was accepted; otherwise raise the error that it means."""
    status, body = given.status, given.body
    retry_after = _retry_after(given.headers.get("Retry-After"))
    # "Success is generally 200", and other statuses 2xx are not refusals either (RFC 9110, 15.3).
    accepted = HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise VendorUnauthorized(f"the vendor refused the credentials ({status})", retry_after=retry_after)
    if status == HTTPStatus.REQUEST_TIMEOUT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise VendorUnavailable(
            f"the vendor answered {status}", retry_after=retry_after, unfinished=status in _GATEWAY_TIMEOUTS
        )
    # The vendor's answer to too many calls is unknown, but one with `Retry-After` is not a final refusal.
    if status == HTTPStatus.TOO_MANY_REQUESTS or (not accepted and retry_after is not None):
        raise VendorThrottled(f"the vendor asks for fewer calls ({status})", retry_after=retry_after)
    answer = read_answer(body or b"")
    if not accepted:
        raise VendorRejected(f"the vendor answered {status}", vendor_code=answer.error_code)
    if body is None:
        raise DeliveryUnknown(f"the vendor's {status} was cut off", unfinished=False)
    if answer.error_code:
        raise VendorRejected(f"the vendor answered {status} with an error", vendor_code=answer.error_code)
    if answer.doubtful:
        raise DeliveryUnknown(
            f"the vendor's {status} came with a web page, or with half an error", unfinished=False
        )


def _retry_after(value: str) -> float | None:
    """Return the seconds of a `Retry-After` in either form (RFC 9110, 10.2.3); None if there is none."""
    value = value.strip()
    if value.isascii() and value.isdecimal():
        return min(float(value[:9]), _LONGEST_WAIT_SECS)
    try:
        moment = email.utils.parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, moment - time.time()), _LONGEST_WAIT_SECS)

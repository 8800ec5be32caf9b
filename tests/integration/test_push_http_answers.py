"""Unusual answers of the vendor: a `Retry-After` of any form, and large, cut and malformed bodies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from push_client import PUSH, client, send
from push_relay.adapters import push_http
from push_relay.core.delivery.encoding import Credentials
from push_relay.core.errors import (
    DeliveryUnknown,
    RelayError,
    VendorRejected,
    VendorUnavailable,
)
from raw_server import head, raw, reply

RETRY_AFTER = [
    ("17", 17),
    ("0", 0),
    (" 5 ", 5),
    ("99999999999999999999", 7 * 86_400),
    ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
    ("", None),
    ("soon", None),
    ("-5", None),
    ("1.5", None),
    ("٣", None),
    ("Wed, 21 Oct 2015 07:28:00 +99999999999", None),
    ("Mon, 01 Jan 0001 00:00:00 -0000", 0),
    ("Fri, 31 Dec 99999 23:59:59 GMT", None),
    ("Fri, 31 Dec 9999999999999999999 23:59:59 GMT", None),
    ("Fri, 31 Dec 9999 23:59:59 GMT", 7 * 86_400),
]


@pytest.mark.parametrize(("value", "seconds"), RETRY_AFTER)
def test_retry_after_is_read_in_both_formats_or_ignored(value: str, seconds: float | None) -> None:
    """A proxy may write anything there, and an accepted push must not count as lost because of it."""
    assert push_http._retry_after(value) in (seconds, seconds and 0.0)


@given(
    st.text()
    | st.from_regex(
        r"[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{1,5} \d{1,3}:\d\d:\d\d [+-]\d{1,12}", fullmatch=True
    )
)
def test_any_retry_after_is_read_without_an_error(value: str) -> None:
    """The result is a number of seconds that is not negative, or None."""
    seconds = push_http._retry_after(value)
    assert seconds is None or seconds >= 0


LARGE = b'{"pad": "' + b"x" * 5_000_000 + b'"}'


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (head(len(LARGE)) + LARGE, None),
        (head(len(LARGE), "400 Bad") + LARGE, VendorRejected),
        (head(len(LARGE)) + LARGE[:1000], DeliveryUnknown),
        (head(50, "400 Bad") + b"{", VendorRejected),
        (head(50, "503 No") + b"{", VendorUnavailable),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}", DeliveryUnknown),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nplanted\r\n", DeliveryUnknown),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 7\r\n\r\nplanted", DeliveryUnknown),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: planted\r\nConnection: close\r\n\r\n{}", None),
        (b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", None),
        (b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}", None),
        (b"HTTP/1.1 204 No Content\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nRetry-After: planted\r\nContent-Length: 0\r\n\r\n", None),
        (b"planted\r\n\r\n", DeliveryUnknown),
        (b"HTTP/1.1 planted\r\n\r\n", DeliveryUnknown),
        (b"HTTP/1.1 200 OK\r\n" + b"X: planted\r\n" * 500 + b"\r\n", DeliveryUnknown),
        (b"", DeliveryUnknown),
    ],
    ids=lambda value: str(value)[:60],
)
def test_large_cut_and_malformed_answers_become_the_right_errors(
    content: bytes, error: type[RelayError] | None
) -> None:
    """After a 200 that cannot be read the fate is unknown. Other statuses are enough without a body."""
    with raw(reply(content, closing=True)) as server:
        if error is None:
            send(server.address)
        else:
            with pytest.raises(error) as raised:
                send(server.address)
            assert type(raised.value) is error
            assert "planted" not in str(raised.value)


def test_an_answer_that_was_not_read_to_its_end_does_not_affect_the_next_call() -> None:
    """Its connection is not used for another call."""
    with raw(reply(head(len(LARGE)) + LARGE)) as server:
        sending = client(server.address, connections=1)
        for _ in range(3):
            sending.send(PUSH, Credentials(1, "k"), "-", 10)
        assert (server.connections, server.requests) == (3, 3)

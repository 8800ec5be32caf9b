"""The push client against a real server over real HTTP: every fault means the right error, in time."""

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import CREDENTIALS, ROTATED
from push_relay.adapters import push_http
from push_relay.adapters.push_http import HttpPushApi
from push_relay.core.account import Account
from push_relay.core.delivery.encoding import Credentials
from push_relay.core.errors import (
    DeliveryUnknown,
    MappingFailed,
    OutOfTime,
    RelayError,
    VendorRejected,
    VendorThrottled,
    VendorUnauthorized,
    VendorUnavailable,
)
from push_relay.core.push import Push, Recipient, RecipientKind, Wording
from push_relay.core.push_format import PushFormat
from raw_server import Raw, head, raw, reply, silent
from sandbox import Account as Organisation
from sandbox import SandboxServer
from sandbox.account import Limits

PUSH = Push(Recipient(RecipientKind.EMAIL, "ada@example.com"), Wording("Title", "Body ☃", sound=True), "key")
BOTH = pytest.mark.parametrize("form", list(PushFormat))
NO_LIMITS = Limits(daily_calls=None, connections=None)


@pytest.fixture(scope="module")
def shared() -> Iterator[SandboxServer]:
    """Run one sandbox for the module."""
    organisation = Organisation(CREDENTIALS.company_id, CREDENTIALS.integration_key, limits=NO_LIMITS)
    with SandboxServer(organisation) as running:
        yield running


@pytest.fixture
def sandbox(shared: SandboxServer) -> SandboxServer:
    """Return it as new."""
    shared.faults.clear()
    shared.record.clear()
    return shared


def client(address: str, form: PushFormat = PushFormat.JSON, **account: Any) -> HttpPushApi:
    """Return a client for the server at an address."""
    return HttpPushApi(address, Account(format=form, **account))


def send(
    address: str,
    form: PushFormat = PushFormat.JSON,
    *,
    timeout: float = 10,
    push: Push = PUSH,
    **account: Any,
) -> None:
    """Send one push."""
    client(address, form, **account).send(push, CREDENTIALS, "c-1", timeout)


@BOTH
def test_a_push_arrives_as_it_was_meant(sandbox: SandboxServer, form: PushFormat) -> None:
    """The contract is kept, the answer asked for in the same format, the correlation id passed on."""
    send(sandbox.address, form)
    (call,) = sandbox.record.calls()
    assert (call.accepted, call.violations, call.format, call.correlation_id) == (True, (), form.value, "c-1")
    assert call.push == {
        "Body": "Body ☃",
        "CompanyId": 4711,
        "Sound": True,
        "Title": "Title",
        "UserEmail": "ada@example.com",
    }


FAULTS: list[tuple[str, dict[str, Any], type[RelayError] | None]] = [
    ("latency", {"seconds": 0.05}, None),
    ("empty", {}, None),
    ("garbage", {}, None),
    ("status", {"status": 201}, VendorRejected),  # with an error code in its body
    ("status", {"status": 204}, None),
    ("status", {"status": 400}, VendorRejected),
    ("status", {"status": 401}, VendorUnauthorized),
    ("status", {"status": 403}, VendorUnauthorized),
    ("status", {"status": 404}, VendorRejected),
    ("status", {"status": 405}, VendorRejected),
    ("status", {"status": 408}, VendorUnavailable),
    ("status", {"status": 413}, VendorRejected),
    ("status", {"status": 429}, VendorThrottled),
    ("status", {"status": 400, "retry_after": 5}, VendorThrottled),
    ("status", {"status": 500}, VendorUnavailable),
    ("status", {"status": 503, "retry_after": 5}, VendorUnavailable),
    ("html", {"status": 502}, VendorUnavailable),
    ("html", {"status": 404}, VendorRejected),
    ("html", {"status": 200}, DeliveryUnknown),
    ("redirect", {"status": 301}, VendorRejected),
    ("redirect", {"status": 303}, VendorRejected),
    ("redirect", {"status": 307}, VendorRejected),
    ("redirect", {"status": 308}, VendorRejected),
    ("error_code", {"error_code": "UserNotFound", "message": "canary"}, VendorRejected),
    ("cut", {}, DeliveryUnknown),
    ("reset_before_read", {}, DeliveryUnknown),
    ("reset_after_read", {}, DeliveryUnknown),
]


@BOTH
@pytest.mark.parametrize(
    ("kind", "parameters", "error"),
    FAULTS,
    ids=[f"{k}-{'-'.join(map(str, p.values()))}" for k, p, _ in FAULTS],
)
def test_every_fault_is_the_right_error(
    sandbox: SandboxServer,
    form: PushFormat,
    kind: str,
    parameters: dict[str, Any],
    error: type[RelayError] | None,
) -> None:
    """One call each: nothing is tried again here, and nothing of the push is in an error's text."""
    sandbox.faults.order(kind, **parameters)
    if error is None:
        send(sandbox.address, form)
    else:
        with pytest.raises(error) as raised:
            send(sandbox.address, form)
        assert type(raised.value) is error
        for secret in ("ada@", "Body", CREDENTIALS.integration_key, "canary"):
            assert secret not in str(raised.value)
    assert len(sandbox.record.calls()) == 1


@BOTH
def test_an_error_under_200_is_told_by_its_code(sandbox: SandboxServer, form: PushFormat) -> None:
    """The vendor's own envelope, in the format that was asked for."""
    sandbox.faults.order("error_code", error_code="UserNotFound")
    with pytest.raises(VendorRejected) as refused:
        send(sandbox.address, form)
    assert refused.value.vendor_code == "UserNotFound"


@BOTH
def test_the_vendors_own_refusals(sandbox: SandboxServer, form: PushFormat) -> None:
    """Wrong credentials, a wrong root, a quota that is used up."""
    with pytest.raises(VendorUnauthorized):
        client(sandbox.address, form).send(PUSH, ROTATED, "-", 10)
    if form is PushFormat.XML:
        with pytest.raises(VendorRejected):
            send(sandbox.address, form, xml_root="Message")
    sandbox.account.limits = Limits(daily_calls=0, connections=None)
    with pytest.raises(VendorThrottled):
        send(sandbox.address, form)
    sandbox.account.limits = NO_LIMITS


def test_what_the_format_cannot_hold_is_never_sent(sandbox: SandboxServer) -> None:
    """The recipient: a character of title or body is replaced."""
    with pytest.raises(MappingFailed):
        send(
            sandbox.address, PushFormat.XML, push=replace(PUSH, recipient=Recipient(RecipientKind.USER, "\0"))
        )
    assert not sandbox.record.calls()


@pytest.mark.parametrize("timeout", [-1.0, 0.0, 0.4])
def test_without_time_nothing_is_sent(sandbox: SandboxServer, timeout: float) -> None:
    """The answer could not be heard any more."""
    with pytest.raises(OutOfTime):
        send(sandbox.address, timeout=timeout)
    assert not sandbox.record.calls()


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
def test_retry_after_is_read_in_both_forms_or_not_at_all(value: str, seconds: float | None) -> None:
    """A proxy may write anything there: a push that was taken must not look lost for it."""
    assert push_http._retry_after(value) in (seconds, seconds and 0.0)


@given(
    st.text()
    | st.from_regex(
        r"[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{1,5} \d{1,3}:\d\d:\d\d [+-]\d{1,12}", fullmatch=True
    )
)
def test_no_retry_after_breaks_the_client(value: str) -> None:
    """Seconds from now, never negative, or None."""
    seconds = push_http._retry_after(value)
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize("dated", [False, True])
def test_a_throttled_push_says_when_to_come_back(sandbox: SandboxServer, *, dated: bool) -> None:
    """From the wire: seconds, and a date two minutes away."""
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=2), usegmt=True)
    sandbox.faults.order("status", status=429, retry_after=date if dated else 120)
    with pytest.raises(VendorThrottled) as throttled:
        send(sandbox.address)
    assert throttled.value.retry_after is not None
    assert 110 < throttled.value.retry_after <= 120


def test_a_redirect_is_not_followed(sandbox: SandboxServer) -> None:
    """Credentials are in the body: they go to the vendor and nowhere else."""
    sandbox.faults.order(
        "redirect", status=307, location=f"{sandbox.address}/api/v2/push?format=json", times=1
    )
    with pytest.raises(VendorRejected):
        send(sandbox.address)
    assert len(sandbox.record.calls()) == 1


def test_a_vendor_that_is_not_there_is_unavailable() -> None:
    """Nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(VendorUnavailable, match="ConnectionRefusedError"):
        send(f"http://127.0.0.1:{port}")


def test_a_connection_is_used_again(sandbox: SandboxServer) -> None:
    """Twenty pushes, one connection; also after answers that were no success."""
    statuses = iter(["200 OK", "400 Bad", "500 Oops", "429 Slow"] * 5)

    def answer(_server: Raw, connection: socket.socket) -> None:
        connection.sendall(head(2, next(statuses)) + b"{}")

    with raw(answer) as server:
        sending = client(server.address)
        for _ in range(20):
            with suppress(VendorRejected, VendorUnavailable, VendorThrottled):
                sending.send(PUSH, CREDENTIALS, "-", 10)
        sending.close()
        assert (server.connections, server.requests) == (1, 20)
    assert sandbox.address


def test_no_connection_is_kept_where_the_vendor_counts_idle_ones() -> None:
    """A function that is frozen would hold it for as long as it likes."""

    def answer(_server: Raw, connection: socket.socket) -> None:
        connection.sendall(head(2) + b"{}")

    with raw(answer) as server:
        sending = client(server.address, keep_alive=False)
        for _ in range(3):
            sending.send(PUSH, CREDENTIALS, "-", 10)
        assert (server.connections, server.requests) == (3, 3)


def test_there_are_never_more_connections_than_the_account_has(sandbox: SandboxServer) -> None:
    """Twelve threads, three connections, and all pushes are sent."""
    sandbox.account.limits = Limits(daily_calls=None, connections=3)
    sandbox.faults.order("latency", seconds=0.02)
    sending = client(sandbox.address, connections=3)
    with ThreadPoolExecutor(12) as threads:
        list(threads.map(lambda _: sending.send(PUSH, CREDENTIALS, "-", 10), range(36)))
    calls = sandbox.record.calls()
    assert len(calls) == 36
    assert max(call.open_connections for call in calls) == 3
    sandbox.account.limits = NO_LIMITS


def elapsed(work: Callable[[], None], error: type[RelayError]) -> float:
    """Return how long it takes until an error is raised."""
    started = time.monotonic()
    with pytest.raises(error):
        work()
    return time.monotonic() - started


def test_a_silent_vendor_is_given_up_in_time() -> None:
    """The shorter of the account's and the invocation's time; the push may have been shown."""
    with raw(silent) as server:
        assert elapsed(lambda: send(server.address, timeout=0.6), DeliveryUnknown) < 5
        assert elapsed(lambda: send(server.address, timeout=20, read_timeout_secs=1), DeliveryUnknown) < 10


def test_waiting_for_a_connection_is_part_of_the_time() -> None:
    """One connection, two threads, a silent vendor: who had to wait has so much less time to send."""
    with raw(silent) as server:
        sending = client(server.address, connections=1, read_timeout_secs=6)
        with ThreadPoolExecutor(2) as threads:
            started = time.monotonic()
            outcomes = list(threads.map(lambda _: _attempt(sending, 8.0), range(2)))
            assert time.monotonic() - started < 11  # 6 s twice would be 12
    assert outcomes == ["DeliveryUnknown", "DeliveryUnknown"]


def test_who_gets_no_connection_in_time_has_sent_nothing() -> None:
    """So the push cannot have been shown, and is not in doubt."""
    with raw(silent) as server:
        sending = client(server.address, connections=1)
        with ThreadPoolExecutor(2) as threads:
            slow = threads.submit(_attempt, sending, 5.0)
            while not server.requests:
                time.sleep(0.01)
            assert _attempt(sending, 0.6) == "OutOfTime"
            assert slow.result() == "DeliveryUnknown"
        assert server.requests == 1


def _attempt(sending: HttpPushApi, timeout: float) -> str:
    try:
        sending.send(PUSH, CREDENTIALS, "-", timeout)
    except RelayError as exc:
        return type(exc).__name__
    return "sent"


@pytest.mark.parametrize("pause", [0.05, 20.0], ids=["trickles", "stops"])
def test_an_answer_that_trickles_or_stops_is_given_up_in_time(pause: float) -> None:
    """The whole call has so much time, its body included: the invocation must not end under it."""

    def answer(server: Raw, connection: socket.socket) -> bool:
        server.ended.wait(0.4)
        connection.sendall(head(100_000))
        while not server.ended.wait(pause):
            connection.sendall(b" ")
        return True

    with raw(answer) as server:
        assert elapsed(lambda: send(server.address, timeout=1.0), DeliveryUnknown) < 5


BIG = b'{"pad": "' + b"x" * 5_000_000 + b'"}'


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (head(len(BIG)) + BIG, None),
        (head(len(BIG), "400 Bad") + BIG, VendorRejected),
        (head(len(BIG)) + BIG[:1000], DeliveryUnknown),
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
def test_big_cut_and_broken_answers(content: bytes, error: type[RelayError] | None) -> None:
    """After a 200 that cannot be read nobody knows; another status says enough by itself."""
    with raw(reply(content, closing=True)) as server:
        if error is None:
            send(server.address)
        else:
            with pytest.raises(error) as raised:
                send(server.address)
            assert type(raised.value) is error
            assert "planted" not in str(raised.value)


def test_an_answer_that_was_not_read_to_its_end_does_not_spoil_the_next() -> None:
    """Its connection carries no other call."""
    with raw(reply(head(len(BIG)) + BIG)) as server:
        sending = client(server.address, connections=1)
        for _ in range(3):
            sending.send(PUSH, Credentials(1, "k"), "-", 10)
        assert (server.connections, server.requests) == (3, 3)

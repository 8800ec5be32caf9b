"""The push client against a real server over HTTP: every fault becomes the right error, in time."""

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

from ports import CREDENTIALS, ROTATED
from push_client import PUSH, client, send
from push_relay.adapters.push_http import HttpPushApi
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
from push_relay.core.push import Recipient, RecipientKind
from push_relay.core.push_format import PushFormat
from raw_server import Raw, head, raw, silent
from sandbox import Account as Organisation
from sandbox import SandboxServer
from sandbox.account import Limits

EACH_FORMAT = pytest.mark.parametrize("form", list(PushFormat))
NO_LIMITS = Limits(daily_calls=None, connections=None)


@pytest.fixture(scope="module")
def shared() -> Iterator[SandboxServer]:
    """Run one sandbox for the module."""
    organisation = Organisation(CREDENTIALS.company_id, CREDENTIALS.integration_key, limits=NO_LIMITS)
    with SandboxServer(organisation) as running:
        yield running


@pytest.fixture
def sandbox(shared: SandboxServer) -> SandboxServer:
    """Return the sandbox without faults and without a record."""
    shared.faults.clear()
    shared.record.clear()
    return shared


@EACH_FORMAT
def test_a_push_arrives_unchanged(sandbox: SandboxServer, form: PushFormat) -> None:
    """The answer is requested in the same format, and the correlation id is passed on."""
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


@EACH_FORMAT
@pytest.mark.parametrize(
    ("kind", "parameters", "error"),
    FAULTS,
    ids=[f"{k}-{'-'.join(map(str, p.values()))}" for k, p, _ in FAULTS],
)
def test_every_fault_becomes_the_right_error(
    sandbox: SandboxServer,
    form: PushFormat,
    kind: str,
    parameters: dict[str, Any],
    error: type[RelayError] | None,
) -> None:
    """Each fault costs one call, because this layer does not retry. No error's text quotes the push."""
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


@EACH_FORMAT
def test_an_error_with_status_200_is_recognised_by_its_code(sandbox: SandboxServer, form: PushFormat) -> None:
    """The vendor uses its own envelope for errors, in the requested format."""
    sandbox.faults.order("error_code", error_code="UserNotFound")
    with pytest.raises(VendorRejected) as refused:
        send(sandbox.address, form)
    assert refused.value.vendor_code == "UserNotFound"


@EACH_FORMAT
def test_refusals_of_the_vendor_become_the_right_errors(sandbox: SandboxServer, form: PushFormat) -> None:
    """They are wrong credentials, a wrong root element, and a quota that is used up."""
    with pytest.raises(VendorUnauthorized):
        client(sandbox.address, form).send(PUSH, ROTATED, "-", 10)
    if form is PushFormat.XML:
        with pytest.raises(VendorRejected):
            send(sandbox.address, form, xml_root="Message")
    sandbox.account.limits = Limits(daily_calls=0, connections=None)
    with pytest.raises(VendorThrottled):
        send(sandbox.address, form)
    sandbox.account.limits = NO_LIMITS


def test_a_recipient_that_the_format_cannot_contain_is_never_sent(sandbox: SandboxServer) -> None:
    """Such a character can be replaced in a title or a body, but not in a recipient."""
    with pytest.raises(MappingFailed):
        send(
            sandbox.address, PushFormat.XML, push=replace(PUSH, recipient=Recipient(RecipientKind.USER, "\0"))
        )
    assert not sandbox.record.calls()


@pytest.mark.parametrize("timeout", [-1.0, 0.0, 0.4])
def test_without_enough_time_nothing_is_sent(sandbox: SandboxServer, timeout: float) -> None:
    """The answer would arrive after the end of the invocation."""
    with pytest.raises(OutOfTime):
        send(sandbox.address, timeout=timeout)
    assert not sandbox.record.calls()


@pytest.mark.parametrize("dated", [False, True])
def test_a_throttled_push_has_the_retry_after_of_the_answer(sandbox: SandboxServer, *, dated: bool) -> None:
    """The answer has either a number of seconds, or a date that is two minutes away."""
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=2), usegmt=True)
    sandbox.faults.order("status", status=429, retry_after=date if dated else 120)
    with pytest.raises(VendorThrottled) as throttled:
        send(sandbox.address)
    assert throttled.value.retry_after is not None
    assert 110 < throttled.value.retry_after <= 120


def test_a_redirect_is_not_followed(sandbox: SandboxServer) -> None:
    """Credentials are in the body, so the call must not go anywhere except to the vendor."""
    sandbox.faults.order(
        "redirect", status=307, location=f"{sandbox.address}/api/v2/push?format=json", times=1
    )
    with pytest.raises(VendorRejected):
        send(sandbox.address)
    assert len(sandbox.record.calls()) == 1


def test_a_vendor_that_does_not_listen_is_unavailable() -> None:
    """The push was certainly not sent."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(VendorUnavailable, match="ConnectionRefusedError"):
        send(f"http://127.0.0.1:{port}")


def test_a_connection_is_used_again(sandbox: SandboxServer) -> None:
    """Twenty pushes use one connection, even after answers with errors."""
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


def test_no_connection_is_kept_if_keep_alive_is_off() -> None:
    """The vendor may count idle connections, and a frozen function would keep one for a long time."""

    def answer(_server: Raw, connection: socket.socket) -> None:
        connection.sendall(head(2) + b"{}")

    with raw(answer) as server:
        sending = client(server.address, keep_alive=False)
        for _ in range(3):
            sending.send(PUSH, CREDENTIALS, "-", 10)
        assert (server.connections, server.requests) == (3, 3)


def test_there_are_never_more_connections_than_the_account_has(sandbox: SandboxServer) -> None:
    """Twelve threads share three connections, and all pushes are sent."""
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
    """Return the time until an error is raised."""
    started = time.monotonic()
    with pytest.raises(error):
        work()
    return time.monotonic() - started


def test_a_call_of_a_silent_vendor_ends_in_time() -> None:
    """The shorter one of the account's timeout and the invocation's time applies. The fate is unknown."""
    with raw(silent) as server:
        assert elapsed(lambda: send(server.address, timeout=0.6), DeliveryUnknown) < 5
        assert elapsed(lambda: send(server.address, timeout=20, read_timeout_secs=1), DeliveryUnknown) < 10


def test_waiting_for_a_connection_is_part_of_the_time() -> None:
    """There are two threads and one connection. The thread that had to wait has less time for its call."""
    with raw(silent) as server:
        sending = client(server.address, connections=1, read_timeout_secs=6)
        with ThreadPoolExecutor(2) as threads:
            started = time.monotonic()
            outcomes = list(threads.map(lambda _: _attempt(sending, 8.0), range(2)))
            assert time.monotonic() - started < 11  # 6 s twice would be 12
    assert outcomes == ["DeliveryUnknown", "DeliveryUnknown"]


def test_a_push_that_gets_no_connection_in_time_was_not_sent() -> None:
    """The push cannot have been shown, so its fate is known."""
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
def test_a_call_ends_in_time_if_its_answer_trickles_or_stops(pause: float) -> None:
    """The time limit is for the whole call with its body, so that the invocation does not end first."""

    def answer(server: Raw, connection: socket.socket) -> bool:
        server.ended.wait(0.4)
        connection.sendall(head(100_000))
        while not server.ended.wait(pause):
            connection.sendall(b" ")
        return True

    with raw(answer) as server:
        assert elapsed(lambda: send(server.address, timeout=1.0), DeliveryUnknown) < 5

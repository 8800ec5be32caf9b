"""The sandbox's account: its daily calls, its connections and its credentials."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from sandbox import Account, Refusal, SandboxServer
from sandbox.account import Limits
from sandbox_client import COMPANY_ID, KEY, ask, ask_json, connected, json_push, send_push


@contextmanager
def sandbox(limits: Limits, **options: object) -> Iterator[SandboxServer]:
    """Run a sandbox whose account has these limits."""
    account = Account(COMPANY_ID, KEY, limits=limits, **options)  # type: ignore[arg-type]
    with SandboxServer(account) as server:
        yield server


class Clock:
    """A clock whose time a test sets."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """Return the time that was set."""
        return self.now


def test_the_documented_limits_are_the_default() -> None:
    """The vendor documents 2,500 calls a day and 3 connections."""
    assert Account(1, "k").limits == Limits(2500, 3, Refusal(429), Refusal(429))


def test_the_call_after_the_last_allowed_one_is_refused() -> None:
    """Its push is valid, so the record shows that it was refused only for the quota."""
    with sandbox(Limits(daily_calls=2)) as server:
        assert [send_push(server).status for _ in range(3)] == [200, 200, 429]
        assert server.record.counts.over_quota == 1
        refused = server.record.calls()[-1]
        assert (refused.valid, refused.accepted, refused.over_quota) == (True, False, True)


def test_every_attempt_counts_also_a_refused_one() -> None:
    """The vendor documents it, and it makes retries expensive."""
    with sandbox(Limits(daily_calls=4)) as server:
        server.faults.order("status", status=503, times=1)
        server.faults.order("reset_before_read", times=1)
        assert send_push(server).status == 503
        with pytest.raises(ConnectionResetError):
            send_push(server)
        assert send_push(server, b"no json").status == 400
        assert send_push(server, json_push(IntegrationKey="wrong")).status == 401
        assert send_push(server).status == 429


def test_other_endpoints_and_the_control_api_do_not_count() -> None:
    """A test that looks at the counters must not change them."""
    with sandbox(Limits()) as server:
        ask(server, "GET", "/_sandbox/summary")
        ask(server, "POST", "/elsewhere")
        assert server.account.usage().calls_today == 0


@pytest.mark.parametrize("retry_after", [None, 3600, "Wed, 21 Oct 2026 07:28:00 GMT"])
@pytest.mark.parametrize("status", [429, 403, 503, 400])
def test_a_call_beyond_the_quota_is_answered_as_configured(
    status: int, retry_after: int | str | None
) -> None:
    """The vendor's answer is unknown, so every likely one can be configured."""
    with sandbox(Limits(daily_calls=0, over_quota=Refusal(status, retry_after))) as server:
        answer = send_push(server)
        assert answer.status == status
        assert answer.headers.get("retry-after") == (None if retry_after is None else str(retry_after))
        assert answer.error_code == "QuotaExceeded"


def test_the_day_ends_in_the_organisations_time_zone() -> None:
    """The first call after local midnight starts the count again."""
    # 12:30 UTC is half an hour past midnight in Auckland, which is at UTC+12 in June.
    clock = Clock(datetime(2026, 6, 1, 11, 59, tzinfo=UTC))
    with sandbox(Limits(daily_calls=1), time_zone=ZoneInfo("Pacific/Auckland"), clock=clock) as server:
        assert [send_push(server).status for _ in range(2)] == [200, 429]
        clock.now = datetime(2026, 6, 1, 12, 30, tzinfo=UTC)
        assert server.account.usage().calls_today == 2, "only a call starts the new day's count"
        assert send_push(server).status == 200
        assert server.account.usage().calls_today == 1
        clock.now += timedelta(hours=12)
        assert send_push(server).status == 429


@contextmanager
def unfinished(server: SandboxServer) -> Iterator[socket.socket]:
    """Open a connection with a request whose body is not complete."""
    with connected(server) as connection:
        connection.putrequest("POST", "/api/v2/push?format=json")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(json_push())))
        connection.endheaders(b"{")
        assert connection.sock is not None
        yield connection.sock


def wait_for_open(server: SandboxServer, connections: int) -> None:
    """Wait until a number of connections have an unfinished request."""
    reached = threading.Event()
    for _ in range(1000):
        if server.account.usage().open_connections == connections:
            return
        reached.wait(0.005)
    pytest.fail(f"{server.account.usage().open_connections} connections are open, not {connections}")


def test_the_fourth_connection_at_a_time_is_refused() -> None:
    """When one of the three has its answer, another call is accepted."""
    with sandbox(Limits()) as server, ExitStack() as held:
        sockets = [held.enter_context(unfinished(server)) for _ in range(3)]
        wait_for_open(server, 3)
        answer = send_push(server)
        assert (answer.status, answer.error_code) == (429, "TooManyConnections")
        sockets[0].sendall(json_push()[1:])
        assert sockets[0].recv(100).startswith(b"HTTP/1.1 200")
        assert send_push(server).status == 200, "the connection that was answered is no longer counted"
        assert server.account.usage().max_connections == 4
        assert server.record.counts.over_connections == 1


def test_a_caller_that_disconnects_in_the_middle_of_its_request_is_recorded_and_no_longer_counted() -> None:
    """Its body is incomplete, so the call counts as not read."""
    with sandbox(Limits()) as server:
        with unfinished(server):
            wait_for_open(server, 1)
        server.record.wait_until(lambda counts: counts.calls == 1)
        wait_for_open(server, 0)
        call = server.record.calls()[0]
        assert (call.status, call.valid, call.accepted) == (None, False, False)


def test_idle_connections_and_event_streams_are_not_counted() -> None:
    """The documented limit is for calls. A connection pool and the page keep their connections open."""
    with sandbox(Limits(connections=1)) as server, ExitStack() as held:
        for _ in range(3):
            connection = held.enter_context(connected(server))
            connection.request(
                "POST", "/api/v2/push?format=json", json_push(), {"Content-Type": "application/json"}
            )
            response = connection.getresponse()
            assert response.read()
            assert response.status == 200
        stream = held.enter_context(connected(server))
        stream.request("GET", "/_sandbox/events")
        assert stream.getresponse().status == 200
        assert send_push(server).status == 200
        assert server.account.usage().max_connections == 1


def test_a_call_beyond_the_connections_is_answered_as_configured() -> None:
    """The vendor's answer is unknown here too."""
    limits = Limits(connections=0, over_connections=Refusal(503, 7))
    with sandbox(limits) as server:
        answer = send_push(server)
        assert (answer.status, answer.headers["retry-after"]) == (503, "7")


def test_a_caller_with_three_workers_is_never_refused() -> None:
    """A connection is free before its caller has the answer, so a pool of three never seems to have four."""
    with sandbox(Limits()) as server:
        with ThreadPoolExecutor(3) as pool:
            statuses = set(pool.map(lambda _: send_push(server).status, range(300)))
        assert statuses == {200}
        assert server.account.usage().max_connections <= 3


def test_credentials_can_be_changed_while_the_sandbox_runs() -> None:
    """The old ones are refused at once. The answer to the change does not contain the new key."""
    with sandbox(Limits()) as server:
        changed = {"company_id": 7, "integration_key": "rotated"}
        answer = ask_json(server, "PUT", "/_sandbox/credentials", changed)
        assert answer.status == 200
        assert b"rotated" not in answer.body
        assert send_push(server).status == 401
        assert send_push(server, json_push(CompanyId=7, IntegrationKey="rotated")).status == 200


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        {"company_id": "7", "integration_key": "k"},
        {"company_id": 7},
        {"company_id": 7, "integration_key": ""},
    ],
)
def test_invalid_credentials_are_refused(content: object) -> None:
    """The old ones stay valid."""
    with sandbox(Limits()) as server:
        assert ask_json(server, "PUT", "/_sandbox/credentials", content).status == 400
        assert send_push(server).status == 200


def test_limits_can_be_changed_while_the_sandbox_runs() -> None:
    """A limit that is not given does not change."""
    with sandbox(Limits()) as server:
        content = {"daily_calls": 10, "calls_today": 9, "over_quota": {"status": 403}}
        summary = ask_json(server, "PUT", "/_sandbox/limits", content).json
        assert summary["limits"]["daily_calls"] == 10
        assert summary["limits"]["connections"] == 3
        assert [send_push(server).status for _ in range(2)] == [200, 403]


@pytest.mark.parametrize(
    "content",
    [
        {"daily_calls": "10"},
        {"daily_calls": True},
        {"connections": -1},
        {"calls_today": 1.5},
        {"over_quota": 429},
        {"over_quota": {"status": 42}},
        {"over_quota": {"status": None}},
        {"weekly": 1},
    ],
)
def test_invalid_limits_are_refused(content: object) -> None:
    """The old ones do not change."""
    with sandbox(Limits()) as server:
        assert ask_json(server, "PUT", "/_sandbox/limits", content).status == 400
        assert server.account.limits == Limits()

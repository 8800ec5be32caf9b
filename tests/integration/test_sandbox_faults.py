"""The sandbox's faults, as a caller sees them over a real socket."""

import http.client
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from sandbox import Account, Faults, SandboxServer, WrongOrderError
from sandbox.account import Limits
from sandbox_client import COMPANY_ID, KEY, ask_json, connected, json_push, send_push

#: The text of a real reset. http.client raises ConnectionResetError for a clean end too, with another text.
RST = "reset by peer"
NO_LIMITS = Limits(daily_calls=None, connections=None)


@pytest.fixture(scope="module")
def shared() -> Iterator[SandboxServer]:
    """Run one sandbox for the module."""
    with SandboxServer(Account(COMPANY_ID, KEY, limits=NO_LIMITS)) as running:
        yield running


@pytest.fixture
def server(shared: SandboxServer) -> SandboxServer:
    """Return the shared sandbox without fault orders and calls."""
    shared.faults.clear()
    shared.record.clear()
    return shared


def last_call(server: SandboxServer) -> tuple[int | None, str | None, bool, bool]:
    """Return the last call's status and fault, and whether it was valid and accepted."""
    call = server.record.calls()[-1]
    return call.status, call.fault, call.valid, call.accepted


def test_a_reset_before_reading_shows_nothing(server: SandboxServer) -> None:
    """The call is recorded as not read. The next call has no fault."""
    server.faults.order("reset_before_read", times=1)
    with pytest.raises(ConnectionResetError, match=RST):
        send_push(server)
    assert last_call(server) == (None, "reset_before_read", False, False)
    assert server.record.calls()[-1].push is None
    assert server.record.counts.invalid == 0, "what was not read broke no contract"
    assert send_push(server).status == 200


def test_a_reset_before_reading_does_not_wait_for_the_body(server: SandboxServer) -> None:
    """The caller announces a large body and sends one byte of it."""
    server.faults.order("reset_before_read", times=1)
    with connected(server) as connection:
        connection.putrequest("POST", "/api/v2/push?format=json")
        connection.putheader("Content-Length", "1000000")
        with pytest.raises(ConnectionResetError, match=RST):
            _send_the_rest(connection)


def _send_the_rest(connection: http.client.HTTPConnection) -> None:
    """Continue as a caller does that does not expect a reset. It fails while sending or while reading."""
    connection.endheaders(b"{")
    connection.getresponse()


def test_a_reset_after_reading_has_shown_the_push(server: SandboxServer) -> None:
    """The caller cannot know that, but the phone has it."""
    server.faults.order("reset_after_read", times=1)
    with pytest.raises(ConnectionResetError, match=RST):
        send_push(server)
    assert last_call(server) == (None, "reset_after_read", True, True)
    assert [push["Title"] for push in server.record.pushes()] == ["Alarm"]


@pytest.mark.parametrize("status", [100, 102, 103, 199])
def test_interim_answers_come_before_the_final_one(status: int, server: SandboxServer) -> None:
    """The push is shown, and the final answer follows on the same connection."""
    server.faults.order("interim", status=status, times=1)
    body = json_push()
    with socket.create_connection(("127.0.0.1", urlsplit(server.address).port)) as connection:
        head = "POST /api/v2/push?format=json HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        answered = b"".join(iter(lambda: connection.recv(65_536), b""))
    lines = [line for line in answered.split(b"\r\n") if line.startswith(b"HTTP/1.1")]
    assert [int(line.split()[1]) for line in lines] == [status, status, 200]
    assert last_call(server) == (200, "interim", True, True)


@pytest.mark.parametrize("status", [101, 200, 99])
def test_an_interim_status_must_be_of_the_class_1xx(status: int, server: SandboxServer) -> None:
    """101 is refused too, because it would switch to another protocol."""
    with pytest.raises(WrongOrderError, match="interim"):
        server.faults.order("interim", status=status)


def test_an_invalid_push_is_not_shown_because_of_a_fault_after_acceptance(server: SandboxServer) -> None:
    """The call would be refused without the fault."""
    server.faults.order("reset_after_read", times=1)
    with pytest.raises(ConnectionResetError, match=RST):
        send_push(server, json_push(Sound="yes"))
    assert last_call(server) == (None, "reset_after_read", False, False)


def test_a_cut_answer_is_shorter_than_its_content_length(server: SandboxServer) -> None:
    """A careful caller can notice the cut."""
    server.faults.order("cut", times=1)
    with pytest.raises(http.client.IncompleteRead) as cut:
        send_push(server)
    assert cut.value.partial
    assert last_call(server) == (200, "cut", True, True)


def test_garbage_is_neither_json_nor_text(server: SandboxServer) -> None:
    """It cannot even be decoded."""
    server.faults.order("garbage", times=1)
    answer = send_push(server)
    assert answer.status == 200
    with pytest.raises(UnicodeDecodeError):
        answer.body.decode()
    assert last_call(server) == (200, "garbage", True, True)


def test_an_empty_answer_is_empty(server: SandboxServer) -> None:
    """A 200 without a body may be the vendor's normal success, so the push is shown."""
    server.faults.order("empty", times=1)
    answer = send_push(server)
    assert (answer.status, answer.body) == (200, b"")
    assert last_call(server) == (200, "empty", True, True)


@pytest.mark.parametrize("kind", ["garbage", "empty"])
def test_a_refusal_keeps_its_status_if_a_fault_changes_its_body(server: SandboxServer, kind: str) -> None:
    """The caller can still see from the status that nothing was shown."""
    server.faults.order(kind, times=1)
    assert send_push(server, json_push(IntegrationKey="wrong")).status == 401
    assert last_call(server) == (401, kind, True, False)


@pytest.mark.parametrize(("parameters", "status"), [({}, 502), ({"status": 200}, 200)])
def test_html_has_the_status_502_or_the_ordered_one(
    server: SandboxServer, parameters: dict[str, Any], status: int
) -> None:
    """A proxy between the relay and the vendor sends HTML. A bad one sends it with 200."""
    server.faults.order("html", times=1, **parameters)
    answer = send_push(server)
    assert answer.status == status
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.body.startswith(b"<!doctype html>")
    assert last_call(server) == (status, "html", True, False)


def test_a_redirect_leads_to_a_path_that_is_recorded(server: SandboxServer) -> None:
    """So the record shows a caller that follows the redirect with its credentials in the body."""
    server.faults.order("redirect", times=1)
    answer = send_push(server)
    assert (answer.status, answer.headers["location"]) == (307, "/elsewhere")
    assert last_call(server) == (307, "redirect", True, False)
    ask_json(server, "POST", answer.headers["location"], {})
    assert server.record.calls()[-1].path == "/elsewhere"


@pytest.mark.parametrize("answer_format", ["json", "xml"])
def test_an_error_code_hides_in_a_200(server: SandboxServer, answer_format: str) -> None:
    """The failure is visible in the envelope only, in both formats."""
    server.faults.order("error_code", error_code="UserNotFound", message="Who?", times=1)
    answer = send_push(server, answer_format=answer_format)
    assert answer.status == 200
    assert b"UserNotFound" in answer.body
    assert b"Who?" in answer.body
    assert last_call(server) == (200, "error_code", True, False)


@pytest.mark.parametrize("retry_after", [None, 0, 120, "Wed, 21 Oct 2026 07:28:00 GMT"])
@pytest.mark.parametrize("status", [204, 304, 400, 403, 404, 429, 500, 503, 599])
def test_any_status_can_be_ordered(server: SandboxServer, status: int, retry_after: int | str | None) -> None:
    """It may have a Retry-After, in seconds or as a date."""
    server.faults.order("status", status=status, retry_after=retry_after, times=1)
    answer = send_push(server)
    assert answer.status == status
    assert answer.headers.get("retry-after") == (None if retry_after is None else str(retry_after))
    assert last_call(server) == (status, "status", True, False)


def test_several_latencies_are_added_up(server: SandboxServer) -> None:
    """The answer is delayed, and the record contains the sum."""
    server.faults.order("latency", seconds=0.2, times=1)
    server.faults.order("latency", seconds=0.1, times=1)
    start = time.monotonic()
    assert send_push(server).status == 200
    assert time.monotonic() - start >= 0.3
    assert server.record.calls()[-1].latency_secs == pytest.approx(0.3)
    assert last_call(server) == (200, None, True, True)


def test_a_call_can_have_a_latency_and_another_fault(server: SandboxServer) -> None:
    """A vendor in trouble is often slow and then fails."""
    server.faults.order("status", status=503, times=1)
    server.faults.order("latency", seconds=0.1, times=1)
    start = time.monotonic()
    assert send_push(server).status == 503
    assert time.monotonic() - start >= 0.1


def test_the_push_of_a_caller_that_times_out_is_shown_and_its_connection_is_free(
    server: SandboxServer,
) -> None:
    """The vendor has read the request, so only its answer is lost."""
    server.faults.order("latency", seconds=60, times=1)
    with connected(server) as connection:
        connection.timeout = 0.2
        connection.request(
            "POST", "/api/v2/push?format=json", json_push(), {"Content-Type": "application/json"}
        )
        with pytest.raises(TimeoutError):
            connection.getresponse()
    deadline = time.monotonic() + 5
    while server.account.usage().open_connections and time.monotonic() < deadline:
        time.sleep(0.005)
    assert server.account.usage().open_connections == 0
    assert last_call(server) == (200, None, True, True)


def test_orders_are_used_up_in_the_order_in_which_they_were_given(server: SandboxServer) -> None:
    """A test can plan a sequence of faults."""
    server.faults.order("status", status=500, times=2)
    server.faults.order("status", status=503, times=1)
    assert [send_push(server).status for _ in range(4)] == [500, 500, 503, 200]
    assert server.faults.in_force() == []


def test_an_order_without_times_is_valid_until_it_is_deleted(server: SandboxServer) -> None:
    """Until then, every call has the fault."""
    server.faults.order("status", status=500)
    assert {send_push(server).status for _ in range(5)} == {500}
    server.faults.clear()
    assert send_push(server).status == 200


def test_the_same_seed_gives_the_same_faults() -> None:
    """A run with random faults can be repeated. The share of faults is about the ordered probability."""

    def drawn(seed: int) -> list[bool]:
        faults = Faults(seed=seed)
        faults.order("empty", probability=0.3)
        return [faults.draw().fault is not None for _ in range(1000)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert 220 < sum(drawn(1)) < 380


def test_a_call_of_another_endpoint_uses_up_no_order(server: SandboxServer) -> None:
    """Otherwise the planned call would have no fault."""
    server.faults.order("status", status=500, times=1)
    assert ask_json(server, "POST", "/elsewhere", {}).status == 405
    assert len(server.faults.in_force()) == 1


WRONG_ORDERS: list[tuple[object, str]] = [
    ("status", "object"),
    ({}, "kind"),
    ({"kind": "explode"}, "kind"),
    ({"kind": ["cut"]}, "kind"),
    ({"kind": "cut", "tims": 1}, "tims"),
    ({"kind": "cut", "seconds": 1}, "seconds"),
    ({"kind": "cut", "times": 0}, "times"),
    ({"kind": "cut", "times": True}, "times"),
    ({"kind": "cut", "probability": 0}, "probability"),
    ({"kind": "cut", "probability": 1.1}, "probability"),
    ({"kind": "cut", "probability": "half"}, "probability"),
    ({"kind": "latency"}, "seconds"),
    ({"kind": "latency", "seconds": -1}, "seconds"),
    ({"kind": "latency", "seconds": "1"}, "seconds"),
    ({"kind": "status"}, "status"),
    ({"kind": "status", "status": 100}, "status"),
    ({"kind": "status", "status": 600}, "status"),
    ({"kind": "status", "status": "503"}, "status"),
    ({"kind": "status", "status": 503, "retry_after": -1}, "retry_after"),
    ({"kind": "status", "status": 503, "retry_after": "soon"}, "retry_after"),
    (
        {"kind": "status", "status": 503, "retry_after": "Wed, 21 Oct 2026 07:28:00 GMT\r\nX: y"},
        "retry_after",
    ),
    ({"kind": "redirect", "status": 200}, "status"),
    ({"kind": "redirect", "location": "/a\r\nX: y"}, "location"),
    ({"kind": "redirect", "location": "/ä"}, "location"),
    ({"kind": "error_code"}, "error_code"),
    ({"kind": "error_code", "error_code": ""}, "error_code"),
]


@pytest.mark.parametrize(("order", "parameter"), WRONG_ORDERS)
def test_an_invalid_order_is_refused_with_the_name_of_the_parameter(
    server: SandboxServer, order: object, parameter: str
) -> None:
    """A test with a mistake in its order must not pass without the fault."""
    answer = ask_json(server, "POST", "/_sandbox/faults", order)
    assert answer.status == 400
    assert parameter in answer.json["error"]
    assert server.faults.in_force() == []


def test_no_order_of_a_list_is_accepted_if_one_of_them_is_invalid(server: SandboxServer) -> None:
    """A caller can then correct the list and send it again."""
    orders = [{"kind": "cut"}, {"kind": "explode"}]
    assert ask_json(server, "POST", "/_sandbox/faults", orders).status == 400
    assert server.faults.in_force() == []


def test_the_python_interface_refuses_invalid_orders_too() -> None:
    """Both interfaces use the same check."""
    with pytest.raises(WrongOrderError, match="status"):
        Faults().order("status", status="503")

"""The sandbox's record: what it contains of a call, what it never contains, and how others follow it."""

import http.client
import json
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sandbox import Account, Call, Record, SandboxServer
from sandbox_client import COMPANY_ID, KEY, ask, ask_json, connected, json_push, send_push, xml_push


@pytest.fixture(scope="module")
def shared() -> Iterator[SandboxServer]:
    """Run one sandbox for the module."""
    with SandboxServer(Account(COMPANY_ID, KEY)) as running:
        yield running


@pytest.fixture
def server(shared: SandboxServer) -> SandboxServer:
    """Return the shared sandbox without fault orders and calls."""
    shared.faults.clear()
    shared.record.clear()
    return shared


def calls(server: SandboxServer, query: str = "") -> Any:
    """Read the calls with the control API."""
    return ask(server, "GET", f"/_sandbox/calls{query}").json


def test_a_call_is_recorded_with_all_its_fields_except_the_key(server: SandboxServer) -> None:
    """Tests and the page rely on the names of these members."""
    send_push(server, correlation_id="abc-123", answer_format="xml")
    (call,) = calls(server)["calls"]
    assert call.pop("time").endswith("+00:00")
    assert call.pop("number") == server.record.last
    assert "<ResponseStatus" in call.pop("answer")
    assert call == {
        "method": "POST",
        "path": "/api/v2/push",
        "format": "xml",
        "content_type": "application/json",
        "correlation_id": "abc-123",
        "push": {
            "Body": "The queue's alarm is on",
            "CompanyId": COMPANY_ID,
            "ExpirySecs": 3600,
            "Sound": True,
            "Title": "Alarm",
            "UserEmail": "octo@example.com",
        },
        "status": 200,
        "fault": None,
        "latency_secs": 0,
        "valid": True,
        "accepted": True,
        "over_quota": False,
        "over_connections": False,
        "open_connections": 1,
        "violations": [],
    }


def test_a_refused_call_is_recorded_with_its_violations(server: SandboxServer) -> None:
    """The record names the field and the rule, and contains no push."""
    send_push(server, json_push(Sound="yes"))
    (call,) = calls(server)["calls"]
    assert (call["status"], call["valid"], call["accepted"], call["push"]) == (400, False, False, None)
    assert [(violation["field"], violation["rule"]) for violation in call["violations"]] == [
        ("Sound", "Type")
    ]


@pytest.mark.parametrize("fault", [None, "status", "cut", "reset_after_read", "reset_before_read"])
def test_the_integration_key_is_in_no_answer_record_or_file(tmp_path: Path, fault: str | None) -> None:
    """The bodies include some with the key in a wrong field."""
    file = tmp_path / "calls.jsonl"
    with SandboxServer(Account(COMPANY_ID, KEY), record=Record(file=file)) as server:
        if fault:
            server.faults.order(fault, **({"status": 503} if fault == "status" else {}))
        for body in (json_push(), xml_push(), json_push(CompanyId=KEY, Sound=KEY), json_push(CompanyId=1)):
            try:
                answer = send_push(
                    server, body, content_type=None if body[:1] == b"<" else "application/json"
                )
                assert KEY.encode() not in answer.body
            except (ConnectionResetError, http.client.IncompleteRead):
                continue
        assert KEY not in json.dumps(calls(server))
        assert KEY not in repr(server.record.calls())
    assert KEY not in file.read_text()


def test_calls_can_be_read_in_parts(server: SandboxServer) -> None:
    """A reader gives the number of the last call that it has, and gets the next ones, oldest first."""
    start = server.record.last
    for number in range(5):
        send_push(server, json_push(Title=str(number)))
    first = calls(server, f"?after={start}&limit=2")
    assert [call["push"]["Title"] for call in first["calls"]] == ["0", "1"]
    assert (first["more"], first["last"]) == (True, start + 5)
    rest = calls(server, f"?after={first['calls'][-1]['number']}")
    assert [call["push"]["Title"] for call in rest["calls"]] == ["2", "3", "4"]
    assert rest["more"] is False


@pytest.mark.parametrize("query", ["?after=x", "?after=-1", "?after=", "?limit=1.5", "?after=" + "9" * 5000])
def test_an_invalid_number_is_refused(server: SandboxServer, query: str) -> None:
    """The answer is 400 with a reason, and never a 500."""
    answer = ask(server, "GET", f"/_sandbox/calls{query}")
    assert answer.status == 400
    assert "must be an integer" in answer.json["error"]


def test_clearing_deletes_the_calls_and_continues_the_numbering(server: SandboxServer) -> None:
    """A number is never used twice, and the calls of today are still counted."""
    send_push(server)
    last, today = server.record.last, server.account.usage().calls_today
    summary = ask(server, "DELETE", "/_sandbox/calls").json
    assert (summary["calls"], summary["last"], summary["calls_today"]) == (0, last, today)
    send_push(server)
    assert [call["number"] for call in calls(server)["calls"]] == [last + 1]


def test_the_summary_contains_the_counters_and_the_fault_orders(server: SandboxServer) -> None:
    """The page shows them beside the phone."""
    server.faults.order("reset_before_read", times=1)
    with pytest.raises(ConnectionResetError):
        send_push(server)
    send_push(server)
    send_push(server, json_push(Title=""))
    send_push(server, json_push(CompanyId=1))
    server.faults.order("cut", times=3)
    summary = ask(server, "GET", "/_sandbox/summary").json
    counters = {name: summary[name] for name in ("calls", "valid", "invalid", "accepted", "faults")}
    assert counters == {"calls": 4, "valid": 2, "invalid": 1, "accepted": 1, "faults": 1}
    assert summary["limits"]["daily_calls"] == 2500
    assert summary["orders"] == [{"kind": "cut", "times": 3, "probability": 1.0}]


def test_the_file_gets_a_line_for_each_call_and_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    """It also contains the calls that are no longer kept in memory."""
    file = tmp_path / "calls.jsonl"
    with SandboxServer(Account(COMPANY_ID, KEY), record=Record(file=file, keep=1)) as server:
        for title in ("ä", "line\nbreak"):
            send_push(server, json_push(Title=title))
        lines = file.read_text(encoding="utf-8").splitlines()
        assert [json.loads(line)["push"]["Title"] for line in lines] == ["ä", "line\nbreak"]
        assert len(server.record.calls()) == 1
        assert server.record.counts.calls == 2
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_record_of_a_hundred_thousand_calls_can_be_followed_quickly() -> None:
    """A load test makes that many calls."""
    record = Record()
    call = Call(
        "POST", "/api/v2/push", push={"Title": "t", "Body": "b"}, status=200, valid=True, accepted=True
    )
    for _ in range(100_001):
        record.add(call)
    assert record.counts.accepted == 100_001
    assert len(record.calls()) == 100_000, "the oldest call must be dropped"
    start = time.process_time()
    for _ in range(1000):
        assert [newer.number for newer in record.calls(after=100_000)] == [100_001]
    assert time.process_time() - start < 3, "the cost must depend on the new calls only"


def test_a_wait_ends_when_its_condition_holds_or_its_time_has_passed() -> None:
    """With such a wait, a test does not have to sleep."""
    record = Record()
    later = threading.Timer(0.05, lambda: record.add(Call("POST", "/")))
    later.start()
    assert record.wait_until(lambda counts: counts.calls == 1).calls == 1
    with pytest.raises(TimeoutError, match="calls=1"):
        record.wait_until(lambda counts: counts.calls == 2, timeout_secs=0.01)
    later.join()


# --- server-sent events -----------------------------------------------------------------------------


class Stream:
    """Reads the events of a stream."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.response = response

    def next(self, wanted: str) -> tuple[Any, str]:
        """Return the content and the id of the next event with a name. A `call` before it fails the test."""
        while True:
            event = self._read()
            if event.get("event") == wanted:
                return json.loads(event["data"]), event.get("id", "")
            assert event.get("event") != "call", f"there was a call before the event {wanted}"

    def _read(self) -> dict[str, str]:
        event = {}
        while line := self.response.readline().decode().rstrip("\n"):
            name, _, content = line.partition(": ")
            event[name] = content
        return event


def test_a_stream_begins_with_the_recorded_calls_and_continues_with_new_ones(server: SandboxServer) -> None:
    """The page also learns of changed counters, of fault orders and of a cleared record."""
    send_push(server, json_push(Title="before"))
    with connected(server) as connection:
        connection.request("GET", "/_sandbox/events")
        response = connection.getresponse()
        assert response.getheader("content-type", "").startswith("text/event-stream")
        stream = Stream(response)
        stream.next("cleared")
        assert stream.next("call")[0]["push"]["Title"] == "before"
        assert stream.next("summary")[0]["calls"] == 1
        send_push(server, json_push(Title="after\n\ndata: x"))
        call, number = stream.next("call")
        assert call["push"]["Title"] == "after\n\ndata: x"
        assert number == f"{server.record.run}-{server.record.last}"
        ask_json(server, "POST", "/_sandbox/faults", {"kind": "cut"})
        while not stream.next("summary")[0]["orders"]:
            pass
        server.record.clear()
        stream.next("cleared")


def test_a_stream_resumes_after_the_last_event(server: SandboxServer) -> None:
    """A page that reconnects must not show a push twice."""
    send_push(server, json_push(Title="seen"))
    seen = f"{server.record.run}-{server.record.last}"
    send_push(server, json_push(Title="missed"))
    with connected(server) as connection:
        connection.request("GET", "/_sandbox/events", headers={"Last-Event-ID": seen})
        assert Stream(connection.getresponse()).next("call")[0]["push"]["Title"] == "missed"


@pytest.mark.parametrize("last_event_id", ["earlier-run-1", "1", "nonsense", "-", "²"])
def test_a_stream_begins_again_if_the_last_event_is_of_another_run(
    server: SandboxServer, last_event_id: str
) -> None:
    """A restarted sandbox counts from 1 again, so the number of an earlier run is meaningless."""
    send_push(server, json_push(Title="first of this run"))
    with connected(server) as connection:
        connection.request("GET", "/_sandbox/events", headers={"Last-Event-ID": last_event_id})
        stream = Stream(connection.getresponse())
        stream.next("cleared")
        assert stream.next("call")[0]["push"]["Title"] == "first of this run"


def test_a_follower_is_removed_when_its_reader_disconnects(server: SandboxServer) -> None:
    """Otherwise every closed page would leave a follower behind."""
    with connected(server) as connection:
        connection.request("GET", "/_sandbox/events")
        Stream(connection.getresponse()).next("summary")
        assert len(server.record._followers) == 1
    deadline = time.monotonic() + 5
    while server.record._followers and time.monotonic() < deadline:
        time.sleep(0.005)
    assert server.record._followers == []


@pytest.mark.parametrize(
    ("order", "recorded"),
    [
        ({"kind": "status", "status": 503}, "This fault was ordered"),
        ({"kind": "html"}, "Bad gateway"),
        ({"kind": "cut"}, '{"Response'),
        ({"kind": "empty"}, ""),
        ({"kind": "reset_after_read"}, ""),
    ],
)
def test_the_answer_is_recorded_as_it_was_sent(
    server: SandboxServer, order: dict[str, object], recorded: str
) -> None:
    """A person who looks for the cause of a refusal needs the vendor's words, and a fault changes them."""
    server.faults.order(**order, times=1)  # type: ignore[arg-type] # by their names
    with suppress(OSError, http.client.HTTPException):
        send_push(server)
    (call,) = server.record.calls()
    assert recorded in call.answer
    assert bool(call.answer) == bool(recorded)

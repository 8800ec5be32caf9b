"""Running the sandbox: who may drive it, how it starts, how it ends, and its command line."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from sandbox import Account, SandboxServer
from sandbox_client import COMPANY_ID, KEY, ask, ask_json, connected, json_push, send_push, xml_push

ROOT = Path(__file__).parents[2]
STARTS_WITHIN_SECS = 30


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    """Run one sandbox for the module."""
    with SandboxServer(Account(COMPANY_ID, KEY)) as running:
        yield running


# --- who may drive it -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/_sandbox/calls", "/_sandbox/events", "/_sandbox/page/phone.js"])
@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "[::1]:1", ""]
)
def test_a_strangers_host_is_refused(server: SandboxServer, path: str, host: str) -> None:
    """DNS that is bound to 127.0.0.1 from elsewhere gets nowhere."""
    assert ask(server, "GET", path, headers={"Host": host}).status == 421


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost:8025", "127.0.0.1:1"])
def test_this_machines_names_are_welcome(server: SandboxServer, host: str) -> None:
    """With any port: it may be forwarded."""
    assert ask(server, "GET", "/_sandbox/health", headers={"Host": host}).json == {"status": "ok"}


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_page_elsewhere_can_not_drive_it(server: SandboxServer, headers: dict[str, str]) -> None:
    """A browser tells where a request comes from."""
    content = {"Content-Type": "application/json", **headers}
    assert ask(server, "POST", "/_sandbox/faults", b'{"kind": "cut"}', content).status == 403
    assert server.faults.in_force() == []


def test_a_plain_form_can_not_drive_it(server: SandboxServer) -> None:
    """JSON needs a preflight, which is never granted."""
    answer = ask(server, "POST", "/_sandbox/faults", b'{"kind": "cut"}', {"Content-Type": "text/plain"})
    assert answer.status == 400
    assert server.faults.in_force() == []


def test_the_vendors_endpoint_answers_under_any_host(server: SandboxServer) -> None:
    """White-label hosts follow no pattern."""
    headers = {"Host": "push.vendor.example", "Content-Type": "application/json"}
    assert ask(server, "POST", "/api/v2/push?format=json", json_push(), headers).status == 200


@pytest.mark.parametrize(
    "path", ["/", "/_sandbox/page/style.css", "/_sandbox/page/phone.js", "/_sandbox/calls"]
)
def test_the_page_may_load_and_call_nothing_elsewhere(server: SandboxServer, path: str) -> None:
    """Every local answer carries the policy."""
    answer = ask(server, "GET", path)
    assert answer.status == 200
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/_sandbox/page/../server.py", "/_sandbox/page/%2e%2e/server.py", "/_sandbox/x"]
)
def test_only_the_pages_own_files_are_served(server: SandboxServer, path: str) -> None:
    """No path leads out of the page."""
    assert ask(server, "GET", path).status == 404


def test_faults_are_ordered_listed_and_taken_back(server: SandboxServer) -> None:
    """The control surface's round trip."""
    ordered = ask_json(server, "POST", "/_sandbox/faults", [{"kind": "status", "status": 503, "times": 2}])
    assert ordered.status == 201
    expected = [{"kind": "status", "times": 2, "probability": 1.0, "status": 503}]
    assert ordered.json == ask(server, "GET", "/_sandbox/faults").json == expected
    assert ask(server, "DELETE", "/_sandbox/faults").json == []
    assert ask(server, "GET", "/_sandbox/faults").json == []


# --- start and end ----------------------------------------------------------------------------------


def test_two_run_side_by_side() -> None:
    """Nothing is shared between two sandboxes in one process."""
    with SandboxServer(Account(1, "a")) as one, SandboxServer(Account(2, "b"), root="Note") as two:
        assert one.address != two.address
        assert send_push(one, json_push(CompanyId=1, IntegrationKey="a")).status == 200
        body = xml_push(CompanyId=2, IntegrationKey="b").replace(b"Push", b"Note")
        assert send_push(two, body, content_type=None).status == 200
        assert two.record.counts.calls == 1


def test_it_listens_to_this_machine_only(server: SandboxServer) -> None:
    """Never on every interface."""
    assert server._socket.getsockname()[0] == "127.0.0.1"


def test_an_answer_is_not_held_back(server: SandboxServer) -> None:
    """Nagle's delay of 40 ms on a kept connection would be measured as the relay's."""
    durations = []
    with connected(server) as connection:
        for _ in range(41):
            start = time.perf_counter()
            connection.request("GET", "/_sandbox/health")
            connection.getresponse().read()
            durations.append(time.perf_counter() - start)
    # Linux acknowledges the first few at once, and a busy machine delays some: each of the last would wait.
    assert min(durations[-20:]) < 0.03


def test_a_taken_port_is_told_at_once(server: SandboxServer) -> None:
    """Before a thread is started."""
    port = int(server.address.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        SandboxServer(Account(1, "k"), port=port)


def test_it_ends_at_once_although_others_hold_on() -> None:
    """Streams, delays, half requests and silent connections are let go."""
    with ExitStack() as held:
        with SandboxServer(Account(COMPANY_ID, KEY)) as server:
            server.faults.order("latency", seconds=600)
            for _ in range(2):
                stream = held.enter_context(connected(server))
                stream.request("GET", "/_sandbox/events")
                assert stream.getresponse().status == 200
            waiting = held.enter_context(connected(server))
            waiting.request(
                "POST", "/api/v2/push?format=json", json_push(), {"Content-Type": "application/json"}
            )
            half = held.enter_context(connected(server))
            half.putrequest("POST", "/api/v2/push?format=json")
            half.putheader("Content-Length", "100")
            half.endheaders(b"{")
            silent = held.enter_context(connected(server))
            silent.connect()
            server.record.wait_until(lambda counts: counts.calls == 1)
            start = time.monotonic()
        assert time.monotonic() - start < 20
        with pytest.raises(ConnectionRefusedError):
            send_push(server)


# --- the command line -------------------------------------------------------------------------------


@contextmanager
def command(*arguments: str, key: str | None = KEY) -> Iterator[subprocess.Popen[str]]:
    """Run the command line in a process of its own."""
    environment = {k: v for k, v in os.environ.items() if k != "SANDBOX_INTEGRATION_KEY"}
    environment["PYTHONPATH"] = str(ROOT / "tools")
    if key:
        environment["SANDBOX_INTEGRATION_KEY"] = key
    started = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-W", "error", "-m", "sandbox", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield started
    finally:
        if started.poll() is None:
            started.kill()
        started.communicate()


def test_it_prints_its_address_and_ends_cleanly_on_ctrl_c(tmp_path: Path) -> None:
    """With a page open, with no warning and no traceback."""
    file = tmp_path / "calls.jsonl"
    options = ["--port", "0", "--company-id", "7", "--daily-calls", "9", "--connections", "2"]
    with command(*options, "--time-zone", "Pacific/Auckland", "--record", str(file)) as sandbox:
        assert sandbox.stdout is not None
        address = sandbox.stdout.readline().split()[3]
        assert address.startswith("http://127.0.0.1:")
        with urlopen(f"{address}/_sandbox/summary", timeout=10) as answer:  # noqa: S310 - our own address
            assert b'"daily_calls":9' in answer.read()
        with socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2]))) as stream:
            stream.sendall(b"GET /_sandbox/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert stream.recv(15) == b"HTTP/1.1 200 OK"
            sandbox.send_signal(signal.SIGINT)
            rest, errors = sandbox.communicate(timeout=STARTS_WITHIN_SECS)
        assert (sandbox.returncode, errors, rest.strip()) == (0, "", "")
        assert file.exists()


@pytest.mark.parametrize(
    ("arguments", "key", "named"),
    [
        ([], None, "SANDBOX_INTEGRATION_KEY"),
        (["--time-zone", "Moon/Tranquility"], KEY, "Moon/Tranquility"),
        (["--record", "/nowhere/calls.jsonl"], KEY, "/nowhere/calls.jsonl"),
        (["--port", "99999"], KEY, "port"),
    ],
)
def test_a_wrong_start_is_one_clear_message_and_exit_2(
    arguments: list[str], key: str | None, named: str
) -> None:
    """The message names what is wrong."""
    with command(*arguments, key=key) as sandbox:
        printed, errors = sandbox.communicate(timeout=STARTS_WITHIN_SECS)
    assert sandbox.returncode == 2
    assert printed == ""
    assert named in errors.splitlines()[-1]
    assert "Traceback" not in errors


def test_a_taken_port_is_one_clear_message_and_exit_2(server: SandboxServer) -> None:
    """And what to do about it."""
    port = server.address.rpartition(":")[2]
    with command("--port", port) as sandbox:
        _, errors = sandbox.communicate(timeout=STARTS_WITHIN_SECS)
    assert sandbox.returncode == 2
    assert errors == f"sandbox: port {port} is taken; choose another with --port, or 0 for a free one\n"

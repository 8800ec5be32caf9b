"""The sandbox's server: who can control it, how it starts and ends, and its command line."""

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


# --- who can control it ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/_sandbox/calls", "/_sandbox/events", "/_sandbox/page/phone.js"])
@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "[::1]:1", ""]
)
def test_another_host_is_refused(server: SandboxServer, path: str, host: str) -> None:
    """A web page can let its own domain resolve to 127.0.0.1 (DNS rebinding)."""
    assert ask(server, "GET", path, headers={"Host": host}).status == 421


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost:8025", "127.0.0.1:1"])
def test_the_names_of_this_machine_are_accepted(server: SandboxServer, host: str) -> None:
    """The port does not matter, because it may be forwarded."""
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
def test_another_web_page_cannot_control_the_sandbox(server: SandboxServer, headers: dict[str, str]) -> None:
    """A browser sends the origin of a request in these headers."""
    content = {"Content-Type": "application/json", **headers}
    assert ask(server, "POST", "/_sandbox/faults", b'{"kind": "cut"}', content).status == 403
    assert server.faults.in_force() == []


def test_a_plain_form_cannot_control_the_sandbox(server: SandboxServer) -> None:
    """A form cannot send JSON. A script needs a preflight for JSON, which the sandbox does not answer."""
    answer = ask(server, "POST", "/_sandbox/faults", b'{"kind": "cut"}', {"Content-Type": "text/plain"})
    assert answer.status == 400
    assert server.faults.in_force() == []


def test_the_vendors_endpoint_answers_under_any_host(server: SandboxServer) -> None:
    """The vendor's white-label hosts follow no pattern."""
    headers = {"Host": "push.vendor.example", "Content-Type": "application/json"}
    assert ask(server, "POST", "/api/v2/push?format=json", json_push(), headers).status == 200


@pytest.mark.parametrize(
    "path", ["/", "/_sandbox/page/style.css", "/_sandbox/page/phone.js", "/_sandbox/calls"]
)
def test_every_answer_of_the_page_has_the_content_security_policy(server: SandboxServer, path: str) -> None:
    """With it, the page cannot load or call anything from another host."""
    answer = ask(server, "GET", path)
    assert answer.status == 200
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/_sandbox/page/../server.py", "/_sandbox/page/%2e%2e/server.py", "/_sandbox/x"]
)
def test_only_the_files_of_the_page_are_served(server: SandboxServer, path: str) -> None:
    """A path with `..` must not lead to another file."""
    assert ask(server, "GET", path).status == 404


def test_faults_can_be_ordered_listed_and_deleted(server: SandboxServer) -> None:
    """Tests in other languages and the page use the control API for that."""
    ordered = ask_json(server, "POST", "/_sandbox/faults", [{"kind": "status", "status": 503, "times": 2}])
    assert ordered.status == 201
    expected = [{"kind": "status", "times": 2, "probability": 1.0, "status": 503}]
    assert ordered.json == ask(server, "GET", "/_sandbox/faults").json == expected
    assert ask(server, "DELETE", "/_sandbox/faults").json == []
    assert ask(server, "GET", "/_sandbox/faults").json == []


# --- start and end ----------------------------------------------------------------------------------


def test_two_sandboxes_can_run_in_one_process() -> None:
    """They share nothing, not even the name of the XML root element."""
    with SandboxServer(Account(1, "a")) as one, SandboxServer(Account(2, "b"), root="Note") as two:
        assert one.address != two.address
        assert send_push(one, json_push(CompanyId=1, IntegrationKey="a")).status == 200
        body = xml_push(CompanyId=2, IntegrationKey="b").replace(b"Push", b"Note")
        assert send_push(two, body, content_type=None).status == 200
        assert two.record.counts.calls == 1


def test_the_sandbox_listens_on_the_loopback_interface_only(server: SandboxServer) -> None:
    """Other machines must not reach it, because it has no authentication of its own."""
    assert server._socket.getsockname()[0] == "127.0.0.1"


def test_an_answer_is_not_delayed_by_nagles_algorithm(server: SandboxServer) -> None:
    """Its 40 ms on a kept connection would be measured as time of the relay."""
    durations = []
    with connected(server) as connection:
        for _ in range(41):
            start = time.perf_counter()
            connection.request("GET", "/_sandbox/health")
            connection.getresponse().read()
            durations.append(time.perf_counter() - start)
    # Linux acknowledges the first packets at once, and a busy machine delays some answers. With the
    # algorithm, each of the last answers would wait.
    assert min(durations[-20:]) < 0.03


def test_a_port_in_use_raises_in_the_constructor(server: SandboxServer) -> None:
    """The error must not appear in a thread, where nobody sees it."""
    port = int(server.address.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        SandboxServer(Account(1, "k"), port=port)


def test_the_sandbox_ends_at_once_although_connections_are_open() -> None:
    """It does not wait for event streams, latencies, incomplete requests or idle connections."""
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
    """Run the command line in its own process."""
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


def test_the_command_prints_its_address_and_ends_cleanly_on_ctrl_c(tmp_path: Path) -> None:
    """A page is open, and there must be no warning and no traceback."""
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
    ("arguments", "key", "cause"),
    [
        ([], None, "SANDBOX_INTEGRATION_KEY"),
        (["--time-zone", "Moon/Tranquility"], KEY, "Moon/Tranquility"),
        (["--record", "/nowhere/calls.jsonl"], KEY, "/nowhere/calls.jsonl"),
        (["--port", "99999"], KEY, "port"),
    ],
)
def test_a_wrong_start_gives_one_clear_message_and_exit_code_2(
    arguments: list[str], key: str | None, cause: str
) -> None:
    """The message names the cause."""
    with command(*arguments, key=key) as sandbox:
        printed, errors = sandbox.communicate(timeout=STARTS_WITHIN_SECS)
    assert sandbox.returncode == 2
    assert printed == ""
    assert cause in errors.splitlines()[-1]
    assert "Traceback" not in errors


def test_a_port_in_use_gives_one_clear_message_and_exit_code_2(server: SandboxServer) -> None:
    """The message also contains the remedy."""
    port = server.address.rpartition(":")[2]
    with command("--port", port) as sandbox:
        _, errors = sandbox.communicate(timeout=STARTS_WITHIN_SECS)
    assert sandbox.returncode == 2
    assert errors == f"sandbox: port {port} is in use; choose another with --port, or 0 for a free one\n"

"""The CPU time of one event in direct mode, as a ratio to a bare urllib3 POST of the same push.

Only the CPU time of this process is measured; the server is another process. Both sides are measured
alternately in short rounds, so that other programs on the machine affect them equally. The result is the
median of the rounds' ratios, with their quartiles.
"""

import hashlib
import hmac
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import urllib3

from figures import Figure, summary
from loopback import loopback
from push_relay.adapters.push_http import HttpPushApi
from push_relay.bootstrap import receive
from push_relay.bootstrap.common import Common
from push_relay.core.delivery.connections import Unleased
from push_relay.core.delivery.encoding import Credentials
from push_relay.core.delivery.sender import Claim
from push_relay.core.push import DEFAULT_ACCOUNT
from push_relay.entrypoints.direct import DirectForward
from push_relay.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
ROUNDS, EVENTS = 31, 60
SECRET = "bench-signing-secret"  # noqa: S105 (it signs the benchmark's own events)


def measure(report: Callable[[str], None]) -> list[Figure]:
    """Return the ratios of an event's CPU time to the floor's. `report` is called with the progress."""
    report(f"event_cpu: {ROUNDS} rounds of {EVENTS} events")
    with loopback() as port, _discarded_log():
        _environment(port)
        floor = _floor(port)
        sides = {"without_ledger": _direct(ledger=False), "with_ledger": _direct(ledger=True)}
        for side in (floor, *sides.values()):
            _cpu_secs(side)  # this opens the connections, fills the caches and compiles the schema
        ratios: dict[str, list[float]] = {name: [] for name in sides}
        floors = []
        for _ in range(ROUNDS):
            floor_secs = _cpu_secs(floor)
            floors.append(floor_secs * 1e6)
            for name, side in sides.items():
                ratios[name].append(_cpu_secs(side) / floor_secs)
    return [
        summary(
            "event_cpu", "one event in direct mode / a bare urllib3 POST", ratios["without_ledger"], floors
        ),
        summary(
            "event_cpu_with_ledger",
            "the same with the ledger's, quota's and connections' DynamoDB calls / a bare urllib3 POST",
            ratios["with_ledger"],
            floors,
        ),
    ]


def _environment(port: int) -> None:
    os.environ.update(
        POWERTOOLS_SERVICE_NAME="push-relay",
        POWERTOOLS_METRICS_NAMESPACE="PushRelay",
        DELIVERY_MODE="direct",
        PUSH_BASE_URL=f"http://127.0.0.1:{port}",
        AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}",
        AWS_ACCESS_KEY_ID="bench",
        AWS_SECRET_ACCESS_KEY="bench",  # noqa: S106 (it signs calls to the local server)
        AWS_DEFAULT_REGION="eu-west-1",
        LEDGER_TABLE="bench",
        RELAY_CONFIG=str(ROOT / "tests/samples/shipped-routes.toml"),
        RELAY_SOURCES=str(ROOT / "src/sources"),
    )


def _floor(port: int) -> Callable[[], None]:
    push = {
        "Body": "#42 The oven reports 451 °C 🔥, by octocat",
        "CompanyId": 4711,
        "ExpirySecs": 86400,
        "IntegrationKey": "bench",
        "Sound": True,
        "Title": "octo-org/bakery: new issue",
        "UserExternalId": "4711",
    }
    pool = urllib3.PoolManager(retries=False)
    url = f"http://127.0.0.1:{port}/api/v2/push?format=json"
    headers = {"Content-Type": "application/json"}

    def post() -> None:
        pool.request("POST", url, body=json.dumps(push).encode(), headers=headers)

    return post


class _Secrets:
    def of(self, _source: str) -> list[bytes]:
        return [SECRET.encode()]

    refreshed = of


class _PushCredentials:
    def current(self) -> Credentials:
        return Credentials(4711, "bench")

    refreshed = current


class _NoLedger:
    def claim(self, _key: str, _lease: float, _replay: Any, _replay_id: str, _before: float = 0.0) -> Claim:
        return Claim.GRANTED

    def settle(self, _key: str, _status: str, _error_code: str = "") -> None: ...
    def release(self, _key: str, _receipt: Any) -> None: ...
    def error_code_of(self, _key: str) -> str:
        return ""

    def clear_parked(self, _key: str) -> None: ...
    def count_unknown(self, _key: str) -> int:
        return 1

    def note_window(self, _key: str, window: str, *, again: bool = False) -> str:  # noqa: ARG002 (the port's)
        return window


class _AllFree:
    @contextmanager
    def held(self, _pushes: int, _time_left: Any) -> Iterator[Any]:
        yield self

    def connection(self, *, urgent: bool) -> Any:  # noqa: ARG002 (the port's)
        return nullcontext(Unleased())


class _Context:
    def get_remaining_time_in_millis(self) -> int:
        return 20_000


def _direct(*, ledger: bool) -> Callable[[], None]:
    """Return a function that relays one event, with built-in secrets and, if wanted, without DynamoDB."""
    endpoint = receive.build(Common.of(Settings.read()))
    forward = endpoint.intake.forward
    assert isinstance(forward, DirectForward)  # noqa: S101 (DELIVERY_MODE is `direct`)
    lane = forward.relay.lanes[DEFAULT_ACCOUNT]
    lane = replace(lane, sender=replace(lane.sender, credentials=_PushCredentials()))
    relay = replace(forward.relay, lanes={DEFAULT_ACCOUNT: lane})
    if not ledger:
        vendor = HttpPushApi(os.environ["PUSH_BASE_URL"], lane.account)
        sender = replace(lane.sender, ledger=_NoLedger(), push_api=vendor)
        lane = replace(lane, sender=sender, connections=_AllFree())
        relay = replace(relay, lanes={DEFAULT_ACCOUNT: lane}, ledger=_NoLedger())
    intake = replace(
        endpoint.intake,
        door=replace(endpoint.intake.door, secrets=_Secrets()),
        forward=replace(forward, relay=relay),
    )
    endpoint = replace(endpoint, intake=intake)
    invocation = _webhook()

    def relay_one() -> None:
        answer = endpoint.handle(invocation, _Context())
        # The whole receipt is compared, because it would also contain an error of the ledger.
        if json.loads(answer["body"]).get("receipts") != [{"outcome": "delivered"}]:
            raise SystemExit(f"bench: the event was not delivered: {answer['body']}")

    return relay_one


def _webhook() -> dict[str, Any]:
    request = json.loads((ROOT / "src/sources/github/examples/issues-opened.request.json").read_text())
    body = json.dumps(request["body"], ensure_ascii=False)
    proof = hmac.new(SECRET.encode(), body.encode(), hashlib.sha256).hexdigest()
    return {
        "version": "2.0",
        "headers": {**request["headers"], "x-hub-signature-256": f"sha256={proof}"},
        "requestContext": {"http": {"method": "POST", "path": "/webhooks/github"}, "requestId": "bench"},
        "pathParameters": {"source": "github"},
        "body": body,
        "isBase64Encoded": False,
    }


def _cpu_secs(side: Callable[[], None]) -> float:
    """Return the CPU time of one call."""
    started = time.process_time()
    for _ in range(EVENTS):
        side()
    return (time.process_time() - started) / EVENTS


@contextmanager
def _discarded_log() -> Iterator[None]:
    """Redirect the standard output to /dev/null: the cost of writing the log lines is measured too."""
    terminal = os.dup(1)
    with Path(os.devnull).open("wb") as devnull:
        os.dup2(devnull.fileno(), 1)
        try:
            yield
        finally:
            os.dup2(terminal, 1)
            os.close(terminal)

"""The CPU time of one event in direct mode, as a ratio to a bare urllib3 POST of the same push.

Only the CPU time of this process is measured; the server is another process. All sides are measured
alternately in short rounds, so that other programs on the machine affect them equally. The result is the
median of the rounds' ratios, with their quartiles.
"""

import hashlib
import hmac
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import urllib3

from figures import Figure, summary
from loopback import SECRET, loopback
from open_permits import OpenPermits
from ports import PushCredentials, SigningSecrets
from push_relay.bootstrap import receive
from push_relay.bootstrap.common import Common
from push_relay.core.push import DEFAULT_ACCOUNT
from push_relay.entrypoints.direct import DirectForward
from push_relay.settings import Settings
from stores import Ledger

ROOT = Path(__file__).resolve().parents[1]
ROUNDS, EVENTS = 31, 60


def measure(report: Callable[[str], None]) -> list[Figure]:
    """Return the ratios of an event's CPU time to the floor's. `report` is called with the progress."""
    report(f"event_cpu: {ROUNDS} rounds of {EVENTS} events")
    with loopback() as port, _discarded_log(), tempfile.TemporaryDirectory() as directory:
        _environment(port, Path(directory, "relay.toml"))
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
            "the same with the DynamoDB calls of the ledger and the permits / a bare urllib3 POST",
            ratios["with_ledger"],
            floors,
        ),
    ]


def _environment(port: int, config: Path) -> None:
    routes = (ROOT / "tests/samples/shipped-routes.toml").read_text(encoding="utf-8")
    # The events of all rounds are more than the calls of a day.
    table = "[account.default]\n"
    config.write_text(routes.replace(table, f"{table}daily_calls = 1_000_000\n"), encoding="utf-8")
    os.environ.update(
        POWERTOOLS_SERVICE_NAME="push-relay",
        POWERTOOLS_METRICS_NAMESPACE="PushRelay",
        DELIVERY_MODE="direct",
        PUSH_BASE_URL=f"http://127.0.0.1:{port}",
        AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}",
        AWS_ACCESS_KEY_ID="bench",
        AWS_SECRET_ACCESS_KEY="bench",  # noqa: S106 (signs calls to the loopback)
        AWS_DEFAULT_REGION="eu-west-1",
        LEDGER_TABLE="bench",
        BACKLOG_TABLE="bench",
        RELAY_CONFIG=str(config),
        RELAY_SOURCES=str(ROOT / "src/sources"),
    )


def _floor(port: int) -> Callable[[], None]:
    push = {
        "Body": "The oven reports 451 °C 🔥\nby octocat, bug\nIt should never be above 250 °C.\n"
        "Seen twice this morning.",
        "CompanyId": 4711,
        "ExpirySecs": 86400,
        "IntegrationKey": "bench",
        "Sound": True,
        "Title": "New issue: octo-org/bakery #42",
        "UserExternalId": "4711",
    }
    pool = urllib3.PoolManager(retries=False)
    url = f"http://127.0.0.1:{port}/api/v2/push?format=json"
    headers = {"Content-Type": "application/json"}

    def post() -> None:
        pool.request("POST", url, body=json.dumps(push).encode(), headers=headers)

    return post


class _Context:
    def get_remaining_time_in_millis(self) -> int:
        return 20_000


def _direct(*, ledger: bool) -> Callable[[], None]:
    """Return a function that relays one event.

    The secrets are in memory and, without `ledger`, all stores too.
    """
    endpoint = receive.build(Common.of(Settings.read()))
    forward = endpoint.intake.forward
    assert isinstance(forward, DirectForward)  # noqa: S101 (because of DELIVERY_MODE)
    lane = forward.relay.lanes[DEFAULT_ACCOUNT]
    lane = replace(lane, sender=replace(lane.sender, credentials=PushCredentials()))
    relay = replace(forward.relay, lanes={DEFAULT_ACCOUNT: lane})
    memory = Ledger(time.time)
    if not ledger:
        permits = OpenPermits()
        lane = replace(lane, sender=replace(lane.sender, ledger=memory, permits=permits), permits=permits)
        relay = replace(relay, lanes={DEFAULT_ACCOUNT: lane}, ledger=memory)
    intake = replace(
        endpoint.intake,
        door=replace(endpoint.intake.door, secrets=SigningSecrets(SECRET.encode())),
        forward=replace(forward, relay=relay),
    )
    endpoint = replace(endpoint, intake=intake)
    invocation = webhook()

    def relay_one() -> None:
        # It is the same event each time, so it would be a duplicate.
        memory.items.clear()
        answer = endpoint.handle(invocation, _Context())
        # The whole receipt is compared, because it would also contain an error of the ledger.
        if json.loads(answer["body"]).get("receipts") != [{"outcome": "delivered"}]:
            raise SystemExit(f"bench: the event was not delivered: {answer['body']}")

    return relay_one


def webhook() -> dict[str, Any]:
    """Return a signed webhook of GitHub."""
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

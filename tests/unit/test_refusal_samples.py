"""What strangers cause costs few bytes of log, is seen at once, and is counted whole."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes import Captured, World, captured
from front_door import PLANTED, api_gateway_v2, request, world
from invocations import signature
from push_relay.core.outcomes import Outcome
from push_relay.telemetry import (
    BURST,
    LINE_SECS,
    LONGEST_WAIT_SECS,
    MOST_WAITING,
    OUTCOME_METRICS,
    Telemetry,
)
from signers import CASES

GITHUB = next(case for case in CASES if case.name == "github")
FLOOD = 100
#: Bytes of log and metrics that one request of a flood may cost on average.
ALLOWED = 100

type Invocation = dict[str, Any]
type Scene = Callable[[Path, Telemetry], Iterator[tuple[World, Invocation]]]


class Watch:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.secs = 5_000.0

    def __call__(self) -> float:
        """Return the seconds."""
        return self.secs


@contextmanager
def watched() -> Iterator[tuple[Captured, Watch]]:
    """Capture telemetry whose time the test moves."""
    watch = Watch()
    with captured() as said:
        said.telemetry._refusals._monotonic = watch
        yield said, watch


def relay(directory: Path, telemetry: Telemetry, **more: Any) -> World:
    """Return a relay behind GitHub's signature."""
    here = world(directory, GITHUB.verify, telemetry=telemetry, **more)
    here.secrets.secrets = (GITHUB.secret,)
    return here


def forged(source: str = PLANTED) -> Invocation:
    """Return a webhook under another secret."""
    sent = GITHUB.genuine(secret=GITHUB.other)
    return api_gateway_v2(replace(sent, url=sent.url.replace(PLANTED, source)))


def genuine(body: bytes) -> Invocation:
    """Return a webhook under the source's secret."""
    return api_gateway_v2(request(body, {"x-hub-signature-256": signature(body, GITHUB.secret)}))


def total(said: Captured) -> Counter[str]:
    """Add up the metrics, and hold the invariant in each line."""
    added: Counter[str] = Counter()
    for line in said.metrics:
        names = [metric["Name"] for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]]
        counted = {name: int(sum(line[name])) for name in names}
        outcomes = [counted.get(OUTCOME_METRICS[outcome], 0) for outcome in Outcome]
        assert counted.get("Received", 0) == sum(outcomes)
        added.update(counted)
    return added


# --- what a flood costs ---------------------------------------------------------------------------------


def _forged(directory: Path, telemetry: Telemetry) -> Iterator[tuple[World, Invocation]]:
    here = relay(directory, telemetry)
    while True:
        yield here, forged()


def _without_proof(directory: Path, telemetry: Telemetry) -> Iterator[tuple[World, Invocation]]:
    here = relay(directory, telemetry)
    while True:
        yield here, api_gateway_v2(request({"a": 1}))


def _unknown_sources(directory: Path, telemetry: Telemetry) -> Iterator[tuple[World, Invocation]]:
    here, number = relay(directory, telemetry), 0
    while number := number + 1:
        yield here, forged(f"source-{number}")


def _from_elsewhere(directory: Path, telemetry: Telemetry) -> Iterator[tuple[World, Invocation]]:
    here = relay(directory, telemetry, policy='allow_ips = ["198.51.100.0/24"]')
    while True:
        yield here, api_gateway_v2(GITHUB.genuine())


def _not_base64(directory: Path, telemetry: Telemetry) -> Iterator[tuple[World, Invocation]]:
    here = relay(directory, telemetry)
    while True:
        yield here, {**forged(), "body": "%", "isBase64Encoded": True}


def _without_secret(directory: Path, telemetry: Telemetry) -> Iterator[tuple[World, Invocation]]:
    here = relay(directory, telemetry)
    here.secrets.missing = True
    while True:
        yield here, forged()


def _questions(directory: Path, telemetry: Telemetry) -> Iterator[tuple[World, Invocation]]:
    here = relay(directory, telemetry, top='handshake = "cloudevents"')
    asked = request(b"", {"webhook-request-origin": "sender.example.com"})
    while True:
        yield here, api_gateway_v2(asked, method="OPTIONS")


def _all_in_turn(directory: Path, telemetry: Telemetry) -> Iterator[tuple[World, Invocation]]:
    scenes = [scene(directory / scene.__name__, telemetry) for scene in SCENES]
    while True:
        yield from (next(scene) for scene in scenes)


SCENES: list[Scene] = [
    _forged,
    _without_proof,
    _unknown_sources,
    _from_elsewhere,
    _not_base64,
    _without_secret,
    _questions,
]


@pytest.mark.parametrize("scene", [*SCENES, _all_in_turn], ids=lambda scene: scene.__name__)
@pytest.mark.parametrize("requests", [FLOOD, 20 * FLOOD])
def test_a_flood_costs_few_bytes_and_is_counted(scene: Scene, requests: int, tmp_path: Path) -> None:
    """All but the last few are in the metrics at any time; nothing of one moment is left out of the next."""
    with captured() as said:
        sent = scene(tmp_path, said.telemetry)
        statuses = set()
        for _ in range(requests):
            here, invocation = next(sent)
            statuses.add(here.receive(invocation)["statusCode"])
    assert statuses <= {200, 400, 401, 403, 404, 503}
    assert len(said.out.getvalue()) < ALLOWED * requests
    assert not said.err.getvalue()
    counted = total(said)
    assert 0 <= requests - counted["Received"] - counted["Handshake"] < MOST_WAITING


# --- what is seen ---------------------------------------------------------------------------------------


def test_the_first_forgeries_are_logged_and_counted_at_once(tmp_path: Path) -> None:
    """A person who has set a wrong secret sends a handful, and looks for it right away."""
    with captured() as said:
        here = relay(tmp_path, said.telemetry)
        for number in range(1, BURST + 1):
            here.receive(forged())
            assert len(said.logs) == number
            assert total(said) == {"Received": number, "Rejected": number}
    assert [(line["error_code"], line["count"]) for line in said.logs] == [("signature_invalid", 1)] * 3


def test_a_line_says_for_how_many_it_stands(tmp_path: Path) -> None:
    """One line a minute of one source and code; the counts of the lines add up."""
    with watched() as (said, watch):
        here = relay(tmp_path, said.telemetry)
        for _ in range(40):
            here.receive(forged())
        assert len(said.logs) == BURST
        watch.secs += LINE_SECS
        here.receive(forged())
        here.receive(forged())
    assert [line["count"] for line in said.logs] == [1, 1, 1, 38]
    assert total(said)["Rejected"] == 41


def test_after_a_quiet_time_the_first_are_logged_one_by_one_again(tmp_path: Path) -> None:
    """A person who mends the secret and tries again sees the result."""
    with watched() as (said, watch):
        here = relay(tmp_path, said.telemetry)
        for _ in range(10):
            here.receive(forged())
        watch.secs += 3600
        for _ in range(4):
            here.receive(forged())
    assert [line["count"] for line in said.logs] == [1, 1, 1, 8, 1, 1]


def test_a_flood_on_one_source_hides_no_other_source(tmp_path: Path) -> None:
    """Nor another cause: what is first of its kind has a line of its own."""
    with captured() as said:
        here = relay(tmp_path, said.telemetry)
        for _ in range(1000):
            here.receive(forged())
        here.receive(forged("nobody"))
        here.receive(api_gateway_v2(request({"a": 1})))
    assert [line["error_code"] for line in said.logs[BURST:]] == [
        "unknown_source",
        "signature_missing",
    ]


def test_what_waits_is_written_by_number_or_by_time(tmp_path: Path) -> None:
    """At the next request of any kind, 10 seconds after the first that waits."""
    with watched() as (said, watch):
        here = relay(tmp_path, said.telemetry)
        for _ in range(BURST + MOST_WAITING - 1):
            here.receive(forged())
        assert total(said)["Rejected"] == BURST
        here.receive(forged())
        assert total(said)["Rejected"] == BURST + MOST_WAITING
        here.receive(forged())
        watch.secs += LONGEST_WAIT_SECS
        here.receive({**forged(), "rawPath": "/health", "pathParameters": None, **_health()})
    assert total(said)["Rejected"] == BURST + MOST_WAITING + 1


def _health() -> Invocation:
    return {"requestContext": {"http": {"method": "GET", "path": "/health", "sourceIp": "203.0.113.7"}}}


def test_the_metrics_line_counts_by_source(tmp_path: Path) -> None:
    """One line for all, so that many sources cost no more than one."""
    with watched() as (said, watch):
        here = relay(tmp_path, said.telemetry)
        for _ in range(10):
            here.receive(forged())
        for _ in range(10):
            here.receive(forged("nobody"))
        watch.secs += 10
        said.telemetry.flush()
    by_source: Counter[str] = Counter()
    for line in said.metrics:
        by_source.update(line["refused"])
    assert by_source == {PLANTED: 10, "unknown": 10}


# --- genuine senders ------------------------------------------------------------------------------------


def test_each_error_of_a_genuine_sender_is_logged_and_counted(tmp_path: Path) -> None:
    """After the proof: what cannot be read, breaks the schema, or finds no queue; also during a flood."""
    with captured() as said:
        here = relay(tmp_path, said.telemetry)
        (tmp_path / "sources" / PLANTED / "schema.json").write_text('{"required": ["a"]}')
        for number in range(1, 31):
            here.receive(forged())
            assert here.receive(genuine(b"{"))["statusCode"] == 400
            assert here.receive(genuine(b"{}"))["statusCode"] == 422
            here.messages.break_down()
            assert here.receive(genuine(b'{"a": 1}'))["statusCode"] == 503
            here.messages.error = None
            errors = Counter(line["error_code"] for line in said.logs if "count" not in line)
            assert set(errors.values()) == {number}
    assert set(errors) == {"malformed_request", "schema_violation", "queue_unavailable"}


def test_what_the_relay_does_not_know_is_logged_each_time(tmp_path: Path) -> None:
    """It is a mistake of the relay's own, and a person has to see all of it."""
    with captured() as said:
        here = relay(tmp_path, said.telemetry)
        here.secrets.of = lambda source: [][len(source)]  # type: ignore[method-assign]
        for _ in range(20):
            assert here.receive(forged())["statusCode"] == 500
    assert [line["error_code"] for line in said.logs] == ["internal_error"] * 20


def test_where_a_source_is_open_nobody_has_proven_anything(tmp_path: Path) -> None:
    """So errors of its requests are sampled: they cost a stranger nothing."""
    with captured() as said:
        here = world(tmp_path, {"scheme": "none"}, policy="unverified = true", telemetry=said.telemetry)
        for _ in range(FLOOD):
            assert here.receive(api_gateway_v2(request(b"{")))["statusCode"] == 400
    assert len(said.out.getvalue()) < ALLOWED * FLOOD

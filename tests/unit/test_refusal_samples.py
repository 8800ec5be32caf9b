"""Requests without a proof cost few bytes of log, are noticed at once, and are all counted."""

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
#: The bytes of logs and metrics that one request of a flood may cost on average.
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
    """Capture telemetry whose clock the test moves."""
    watch = Watch()
    with captured() as output:
        output.telemetry._refusals._monotonic = watch
        yield output, watch


def relay(directory: Path, telemetry: Telemetry, **more: Any) -> World:
    """Return a relay that verifies GitHub's signature."""
    here = world(directory, GITHUB.verify, telemetry=telemetry, **more)
    here.secrets.secrets = (GITHUB.secret,)
    return here


def forged(source: str = PLANTED) -> Invocation:
    """Return a webhook that is signed with another secret."""
    sent = GITHUB.genuine(secret=GITHUB.other)
    return api_gateway_v2(replace(sent, url=sent.url.replace(PLANTED, source)))


def genuine(body: bytes) -> Invocation:
    """Return a webhook that is signed with the source's secret."""
    return api_gateway_v2(request(body, {"x-hub-signature-256": signature(body, GITHUB.secret)}))


def total(output: Captured) -> Counter[str]:
    """Add up the metrics. Each line must hold the invariant: what was received is the sum of the outcomes."""
    added: Counter[str] = Counter()
    for line in output.metrics:
        names = [metric["Name"] for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]]
        counted = {name: int(sum(line[name])) for name in names}
        outcomes = [counted.get(OUTCOME_METRICS[outcome], 0) for outcome in Outcome]
        assert counted.get("Received", 0) == sum(outcomes)
        added.update(counted)
    return added


# --- the cost of a flood --------------------------------------------------------------------------------


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
    question = request(b"", {"webhook-request-origin": "sender.example.com"})
    while True:
        yield here, api_gateway_v2(question, method="OPTIONS")


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
def test_a_flood_costs_few_bytes_and_is_counted_in_full(scene: Scene, requests: int, tmp_path: Path) -> None:
    """At any time only the last few requests are missing from the metrics. Thus a crash loses few counts."""
    with captured() as output:
        sent = scene(tmp_path, output.telemetry)
        statuses = set()
        for _ in range(requests):
            here, invocation = next(sent)
            statuses.add(here.receive(invocation)["statusCode"])
    assert statuses <= {200, 400, 401, 403, 404, 503}
    assert len(output.out.getvalue()) < ALLOWED * requests
    assert not output.err.getvalue()
    counted = total(output)
    assert 0 <= requests - counted["Received"] - counted["Handshake"] < MOST_WAITING


# --- what a person sees ---------------------------------------------------------------------------------


def test_the_first_forgeries_are_logged_and_counted_at_once(tmp_path: Path) -> None:
    """A person who has configured a wrong secret sends a few requests, and looks at the log right away."""
    with captured() as output:
        here = relay(tmp_path, output.telemetry)
        for number in range(1, BURST + 1):
            here.receive(forged())
            assert len(output.logs) == number
            assert total(output) == {"Received": number, "Rejected": number}
    assert [(line["error_code"], line["count"]) for line in output.logs] == [("signature_invalid", 1)] * 3


def test_a_log_line_has_the_number_of_requests_that_it_represents(tmp_path: Path) -> None:
    """A source and an error code have one line a minute, and the counts of all lines add up."""
    with watched() as (output, watch):
        here = relay(tmp_path, output.telemetry)
        for _ in range(40):
            here.receive(forged())
        assert len(output.logs) == BURST
        watch.secs += LINE_SECS
        here.receive(forged())
        here.receive(forged())
    assert [line["count"] for line in output.logs] == [1, 1, 1, 38]
    assert total(output)["Rejected"] == 41


def test_after_a_quiet_period_the_first_forgeries_are_logged_one_by_one_again(tmp_path: Path) -> None:
    """A person who corrects the secret and tries again sees the result."""
    with watched() as (output, watch):
        here = relay(tmp_path, output.telemetry)
        for _ in range(10):
            here.receive(forged())
        watch.secs += 3600
        for _ in range(4):
            here.receive(forged())
    assert [line["count"] for line in output.logs] == [1, 1, 1, 8, 1, 1]


def test_a_flood_on_one_source_hides_no_other_source(tmp_path: Path) -> None:
    """It does not hide another cause either: the first error of each kind has its own line."""
    with captured() as output:
        here = relay(tmp_path, output.telemetry)
        for _ in range(1000):
            here.receive(forged())
        here.receive(forged("nobody"))
        here.receive(api_gateway_v2(request({"a": 1})))
    assert [line["error_code"] for line in output.logs[BURST:]] == [
        "unknown_source",
        "signature_missing",
    ]


def test_counts_are_written_after_a_number_of_requests_or_a_time(tmp_path: Path) -> None:
    """Waiting counts are written at the next request of any kind, 10 seconds after the first of them."""
    with watched() as (output, watch):
        here = relay(tmp_path, output.telemetry)
        for _ in range(BURST + MOST_WAITING - 1):
            here.receive(forged())
        assert total(output)["Rejected"] == BURST
        here.receive(forged())
        assert total(output)["Rejected"] == BURST + MOST_WAITING
        here.receive(forged())
        watch.secs += LONGEST_WAIT_SECS
        here.receive({**forged(), "rawPath": "/health", "pathParameters": None, **_health()})
    assert total(output)["Rejected"] == BURST + MOST_WAITING + 1


def _health() -> Invocation:
    return {"requestContext": {"http": {"method": "GET", "path": "/health", "sourceIp": "203.0.113.7"}}}


def test_the_metrics_line_counts_by_source(tmp_path: Path) -> None:
    """One line covers all sources, so many sources cost no more than one."""
    with watched() as (output, watch):
        here = relay(tmp_path, output.telemetry)
        for _ in range(10):
            here.receive(forged())
        for _ in range(10):
            here.receive(forged("nobody"))
        watch.secs += 10
        output.telemetry.flush()
    by_source: Counter[str] = Counter()
    for line in output.metrics:
        by_source.update(line["refused"])
    assert by_source == {PLANTED: 10, "unknown": 10}


# --- genuine senders ------------------------------------------------------------------------------------


def test_each_error_of_a_genuine_sender_is_logged_and_counted(tmp_path: Path) -> None:
    """These errors occur after verification: a malformed body, a violated schema, and a failing queue."""
    with captured() as output:
        here = relay(tmp_path, output.telemetry)
        (tmp_path / "sources" / PLANTED / "schema.json").write_text('{"required": ["a"]}')
        for number in range(1, 31):
            here.receive(forged())
            assert here.receive(genuine(b"{"))["statusCode"] == 400
            assert here.receive(genuine(b"{}"))["statusCode"] == 422
            here.messages.break_down()
            assert here.receive(genuine(b'{"a": 1}'))["statusCode"] == 503
            here.messages.error = None
            errors = Counter(line["error_code"] for line in output.logs if "count" not in line)
            assert set(errors.values()) == {number}
    assert set(errors) == {"malformed_request", "schema_violation", "queue_unavailable"}


def test_an_internal_error_is_logged_each_time(tmp_path: Path) -> None:
    """It is a mistake of the relay, and a person has to see every occurrence."""
    with captured() as output:
        here = relay(tmp_path, output.telemetry)
        here.secrets.of = lambda source: [][len(source)]  # type: ignore[method-assign]
        for _ in range(20):
            assert here.receive(forged())["statusCode"] == 500
    assert [line["error_code"] for line in output.logs] == ["internal_error"] * 20


def test_errors_of_an_unverified_source_are_sampled(tmp_path: Path) -> None:
    """Nobody has proven an origin to such a source, so a stranger could cause any number of log lines."""
    with captured() as output:
        here = world(tmp_path, {"scheme": "none"}, policy="unverified = true", telemetry=output.telemetry)
        for _ in range(FLOOD):
            assert here.receive(api_gateway_v2(request(b"{")))["statusCode"] == 400
    assert len(output.out.getvalue()) < ALLOWED * FLOOD

"""The arithmetic of the costs: from what invocations were measured to use to dollars.

A function's CPU is a share of a core that grows with its memory, so the CPU time of an invocation becomes a
longer time; the time in which it waits for other services does not. The start of a process has a full core,
whatever the memory. All of it is billed. Nothing here is measured.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from prices import ASSUMPTIONS, PRICES

MILLION: Final = 1_000_000
_GB: Final = 1_000_000_000
_MB_IN_GB: Final = 1024
_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class Work:
    """The use of services by one invocation of a function, on average.

    events       the events that it handles
    cpu_ms       CPU time
    start_cpu_ms CPU time of a start, until the first invocation
    wait_ms      the time in which it waits for other services
    log_bytes    the bytes of its log, with what CloudWatch and Lambda add
    write_units  DynamoDB's
    read_units   DynamoDB's
    queue_calls  its own calls of SQS
    """

    events: int
    cpu_ms: float
    start_cpu_ms: float
    wait_ms: float
    log_bytes: float
    write_units: float = 0.0
    read_units: float = 0.0
    queue_calls: float = 0.0


class Inventory(NamedTuple):
    """The parts of a stack that are billed by the month. `series`: those that the functions write."""

    series: int
    alarms: int
    secrets: int


def billed_ms(work: Work, memory_mb: int) -> float:
    """Return the billed milliseconds of an invocation, with its share of the starts."""
    core = min(1.0, memory_mb / ASSUMPTIONS["full_core_mb"].value)
    start_ms = ASSUMPTIONS["cold_share"].value * work.start_cpu_ms / ASSUMPTIONS["start_cores"].value
    return math.ceil(work.cpu_ms / core + work.wait_ms) + start_ms


def wait_ms(*, table_trips: int = 0, queue_trips: int = 0, pushes: int = 0) -> float:
    """Return the time in which an invocation waits for so many calls in series, and for its pushes."""
    rounds = math.ceil(pushes / ASSUMPTIONS["connections"].value)
    return (
        table_trips * ASSUMPTIONS["table_call_ms"].value
        + queue_trips * ASSUMPTIONS["queue_call_ms"].value
        + rounds * ASSUMPTIONS["vendor_call_ms"].value
    )


def _lines(work: Work, memory_mb: int, architecture: str) -> dict[str, float]:
    """Return the dollars of one million events in one function, by service."""
    invocations = 1 / work.events
    gb_secs = billed_ms(work, memory_mb) / 1000 * memory_mb / _MB_IN_GB
    return {
        "Lambda requests": invocations * PRICES["lambda_requests"].value,
        "Lambda duration": invocations * MILLION * gb_secs * PRICES[f"lambda_gb_secs_{architecture}"].value,
        "DynamoDB": invocations
        * (
            work.write_units * PRICES["dynamodb_write_units"].value
            + work.read_units * PRICES["dynamodb_read_units"].value
        ),
        "SQS": invocations * work.queue_calls * PRICES["sqs_requests"].value,
        "logs": invocations * MILLION * work.log_bytes / _GB * PRICES["log_gb"].value,
    }


def per_million(receive: Work, deliver: Work, memory_mb: int, architecture: str) -> dict[str, float]:
    """Return the dollars of one million webhooks that are queued and delivered, by service.

    The event source receives and deletes the messages of an invocation with one call each, of up to ten.
    """
    lines = _lines(receive, memory_mb, architecture)
    for name, dollars in _lines(deliver, memory_mb, architecture).items():
        lines[name] += dollars
    lines["SQS"] += 2 / min(deliver.events, 10) * PRICES["sqs_requests"].value
    lines["endpoint"] = PRICES["http_api_requests"].value
    lines["logs"] += MILLION * (ASSUMPTIONS["access_log_bytes"].value / _GB) * PRICES["log_gb"].value
    return lines


def pipes_per_million() -> dict[str, float]:
    """Return the dollars of one million webhooks by an HTTP API, SQS, a Pipe and an API destination.

    They verify no signature, write no text, and keep no ledger and no quota.
    """
    return {
        "endpoint": PRICES["http_api_requests"].value,
        "SQS": 3 * PRICES["sqs_requests"].value,
        "EventBridge Pipes": PRICES["pipes_requests"].value,
        "API destinations": PRICES["api_destination_calls"].value,
    }


def fixed_per_month(tick: Work, memory_mb: int, architecture: str, has: Inventory) -> dict[str, float]:
    """Return the dollars of a month without any event, by service."""
    ticks = _lines(tick, memory_mb, architecture)
    return {
        "metrics": has.series * PRICES["metrics"].value,
        "alarms": has.alarms * PRICES["alarms"].value,
        "secrets": has.secrets * PRICES["secrets"].value
        + ASSUMPTIONS["secret_calls_a_month"].value / MILLION * PRICES["secret_calls"].value,
        "ticks": sum(ticks.values()) * ASSUMPTIONS["ticks_a_month"].value / MILLION,
        "polls": ASSUMPTIONS["polls_a_month"].value / MILLION * PRICES["sqs_requests"].value,
    }


def per_month(million: Mapping[str, float], fixed: Mapping[str, float], calls_a_day: int) -> dict[str, float]:
    """Return the dollars of a month with so many events a day, by service."""
    events = calls_a_day * _DAYS / MILLION
    return {**{name: dollars * events for name, dollars in million.items()}, **fixed}

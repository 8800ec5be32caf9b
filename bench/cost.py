"""The dollars of a million events and of a month, from what the functions use under the real runtime client.

CPU time, log bytes, metric series and the calls of AWS are measured: the functions run as in runtime_api.py,
and the loopback counts their calls. The rest is assumptions and prices, which prices.py lists. The CPU time
is that of this machine.
"""

import json
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import bench_events
import cost_model
from bench_world import Bench, Report
from cost_model import Inventory, Work
from figures import Goal
from invocation_answers import is_done
from loopback import VENDOR
from pace_aws import TICKS
from prices import ASSUMPTIONS
from runtime_api import HANDLERS, Function, function
from transformed import transformed

INVOCATIONS = 300
TEN: Final = 10
MEMORY_MB: Final = (128, 256, 512)
ARCHITECTURE: Final = "arm64"  # the template's default
CALLS_A_DAY: Final = 2_500
#: Round trips to DynamoDB of an invocation with pushes, as `pace_trips_*` measures them, and of a tick.
_TRIPS, _TICK_TRIPS = 2, 2
_SECRETS: Final = 2
_WARM_UP: Final = 20


class Costs(NamedTuple):
    """The rows, and the tables that they are the sums of."""

    rows: list[Goal]
    tables: dict[str, Any]


class _Used(NamedTuple):
    """The use of services by the invocations of a function on average, and the metric series in its log."""

    work: Work
    series: frozenset[str]


def measure(bench: Bench, report: Report) -> Costs:
    """Measure, and return the costs."""
    report(f"cost: {INVOCATIONS} invocations of each kind")
    receive = _used(bench, "receive", bench_events.webhook(), 1, cost_model.wait_ms(queue_trips=1))
    wait_ms = cost_model.wait_ms(table_trips=_TRIPS, pushes=1)
    single = _used(bench, "deliver", bench_events.batch(), 1, wait_ms)
    wait_ms = cost_model.wait_ms(table_trips=_TRIPS, pushes=TEN)
    ten = _used(bench, "deliver", bench_events.batch(TEN), TEN, wait_ms)
    tick = _used(bench, "deliver", TICKS[0], 0, cost_model.wait_ms(table_trips=_TICK_TRIPS))
    series = receive.series | single.series | tick.series
    millions = {
        memory_mb: cost_model.per_million(receive.work, single.work, memory_mb, ARCHITECTURE)
        for memory_mb in MEMORY_MB
    }
    in_tens = cost_model.per_million(receive.work, ten.work, MEMORY_MB[-1], ARCHITECTURE)
    fixed = cost_model.fixed_per_month(
        tick.work,
        MEMORY_MB[-1],
        ARCHITECTURE,
        Inventory(series=len(series), alarms=_alarms(), secrets=_SECRETS),
    )
    month = cost_model.per_month(millions[MEMORY_MB[-1]], fixed, CALLS_A_DAY)
    tables = {
        "per_million": {str(memory_mb): _rounded(lines) for memory_mb, lines in millions.items()},
        "per_million_in_batches_of_ten": _rounded(in_tens),
        "per_million_with_pipes": _rounded(cost_model.pipes_per_million()),
        "per_month": _rounded(month),
        "series": sorted(series),
        "billed_ms": {
            name: {
                str(memory_mb): round(cost_model.billed_ms(used.work, memory_mb), 1)
                for memory_mb in MEMORY_MB
            }
            for name, used in (("receive", receive), ("deliver", single), ("deliver_ten", ten))
        },
    }
    return Costs(_rows(millions, in_tens, month, series), tables)


def _rows(
    millions: dict[int, dict[str, float]],
    in_tens: dict[str, float],
    month: dict[str, float],
    series: frozenset[str],
) -> list[Goal]:
    pipes = {"eventbridge_pipes": round(sum(cost_model.pipes_per_million().values()), 2)}
    rows = []
    for memory_mb, lines in millions.items():
        what = f"dollars of a million webhooks, one in an invocation, at {memory_mb} MB; {_largest(lines)}"
        rows.append(Goal(f"cost_million_{memory_mb}", what, _sum(lines), None, peers=pipes))
    most_mb = MEMORY_MB[-1]
    what = f"the same in batches of ten, at {most_mb} MB; {_largest(in_tens)}"
    rows.append(Goal(f"cost_million_{most_mb}_tens", what, _sum(in_tens), None, peers=pipes))
    saved = millions[most_mb]["endpoint"]
    what = "dollars that a function URL in place of the HTTP API saves of a million webhooks"
    rows.append(Goal("cost_million_function_url_saves", what, round(saved, 2), None))
    what = f"dollars of a month with {CALLS_A_DAY:,} webhooks a day, at {most_mb} MB; {_largest(month)}"
    rows.append(Goal("cost_month", what, _sum(month), None))
    what = f"dollars of that for the {len(series)} metric series of normal operation"
    rows.append(Goal("cost_month_metrics", what, round(month["metrics"], 2), None))
    return rows


def _used(bench: Bench, name: str, event: object, events: int, wait_ms: float) -> _Used:
    """Run invocations, and return what one of them used.

    events  the events of an invocation; 0 for a tick, which sends nothing
    """
    with function(bench.artifact, HANDLERS[name], bench.environment(), bench.directory) as running:
        start_ms = running.cpu_secs * 1000
        for _ in range(_WARM_UP):
            _invoke(running, event)
        before, began = bench.server.counts(), running.cpu_secs
        logged = running.log.stat().st_size
        for _ in range(INVOCATIONS):
            _invoke(running, event)
        cpu_ms = (running.cpu_secs - began) * 1000 / INVOCATIONS
        after = bench.server.counts()
        text = running.log.read_bytes()[logged:].decode()
    counted = _difference(before, after)
    if name == "deliver" and counted(VENDOR, "calls") != events:
        raise SystemExit(f"bench: {counted(VENDOR, 'calls')} pushes of {events} were sent in an invocation")
    lines = text.splitlines()
    added = len(lines) * ASSUMPTIONS["log_event_bytes"].value / INVOCATIONS
    work = Work(
        events=max(1, events),
        cpu_ms=cpu_ms,
        start_cpu_ms=start_ms,
        wait_ms=wait_ms,
        log_bytes=len(text) / INVOCATIONS + added + ASSUMPTIONS["platform_log_bytes"].value,
        write_units=counted("", "write_units"),
        read_units=counted("", "read_units"),
        queue_calls=counted("SendMessage", "calls") + counted("SendMessageBatch", "calls"),
    )
    return _Used(work, frozenset(metric_series(lines)))


def metric_series(lines: Iterable[str]) -> Iterable[str]:
    """Yield the name of each metric series that log lines write, with its dimensions.

    A series is a metric of a namespace with the values of its dimensions, and each is billed.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    for line in lines:
        if '"CloudWatchMetrics"' not in line:
            continue
        content = json.loads(line)
        for directive in content["_aws"]["CloudWatchMetrics"]:
            for dimensions in directive["Dimensions"]:
                values = ", ".join(f"{name}={content[name]}" for name in sorted(dimensions))
                yield from (f"{metric['Name']} ({values})" for metric in directive["Metrics"])


def _difference(before: Any, after: Any) -> Any:
    """Return a function that returns the count of an invocation; the name "" is all calls."""

    def counted(name: str, what: str) -> float:
        names = [name] if name else list(after)
        total = sum(after.get(each, {}).get(what, 0) - before.get(each, {}).get(what, 0) for each in names)
        return float(total / INVOCATIONS)

    return counted


def _invoke(running: Function, event: object) -> None:
    answer = running.invoke(event)
    if event is not TICKS[0] and not is_done(answer):
        raise SystemExit(f"bench: an event was not taken: {answer}")


def _alarms() -> int:
    """Return the number of alarms of a stack with the default parameters."""
    resources = transformed()["Resources"].values()
    return sum(resource["Type"] == "AWS::CloudWatch::Alarm" for resource in resources)


def _sum(lines: dict[str, float]) -> float:
    return round(sum(lines.values()), 2)


def _largest(lines: dict[str, float]) -> str:
    name = max(lines, key=lambda each: lines[each])
    return f"the largest part is {name} with {lines[name]:.2f}"


def _rounded(lines: dict[str, float]) -> dict[str, float]:
    return {name: round(dollars, 3) for name, dollars in lines.items()}

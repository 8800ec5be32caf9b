"""The page bench/report.md, which is written from bench/report.json."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import shortfalls
from prices import AS_OF, ASSUMPTIONS, PRICES, REGION

#: The sections, and the beginnings of their rows' names.
_SECTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "Cold start": ("start_",),
    "One event": ("event_", "receive_"),
    "Many routes and many sources": ("flat_",),
    "Memory and artifact": ("memory_", "artifact_"),
    "Cost": ("cost_",),
    "Pace": ("pace_",),
}
_NAMES: Final = {
    "powertools": "Powertools",
    "powertools_idempotency": "Powertools with idempotency",
    "apprise": "Apprise",
    "eventbridge_pipes": "EventBridge Pipes and API destinations",
}
_TOP: Final = """<!-- Written by `make bench`. -->

# What the relay costs, measured

Measured on {date} with Python {python}.

Machine: {cores} cores of {processor} ({architecture}), {system}.

{count} rows have a goal, and {met} of them meet it. Each row of [report.json](report.json) has the
quartiles of its rounds and the time at which it was measured.

- **CPU time, not time.** Other programs on the machine change it little. A ratio is the median of
  rounds in which both sides were measured one after the other.
- **The floor of an event** is a bare POST by urllib3 on a kept-alive connection.
- **The floor of a start** is `python -c pass`.
- **TLS everywhere**: the floor, the relay and its peers call one local server, whose certificate
  they verify.
- **The relay is the built artifact** with its own packages. A start and the memory are measured
  under Lambda's real runtime client.
"""
_PEERS: Final = """## Peers

{versions}

`make bench-peers` installs them. Each does the same work in its own process: the same webhook of 10
KB in, one POST to the same server out.

- *Powertools* is a handler as its documentation shows it: resolver, logger, metrics, a cached
  secret, a model of the event, and GitHub's signature. It logs one line.
- *Powertools with idempotency* is the same handler with the DynamoDB layer. It has no daily calls,
  no connections and no cool-down.
- *Apprise* sends a JSON notification. It verifies no signature, and makes a connection with TLS for
  each of them, which is most of its value.
- terraform-aws-notify-slack and the Datadog forwarder are not packages of PyPI, and their code is
  not copied into this project, so this run does not measure them. Over plain HTTP with an event of
  4 KB they were once measured at 2.4 and 6.0 times a bare POST.
"""
_MODEL: Final = """## How the cost is calculated

Prices of {region} as of {as_of}, without the free tier. A webhook comes by the HTTP API, is queued
by `receive`, and is sent by `deliver`. CPU time, log bytes, DynamoDB's units, calls of SQS and
metric series are measured; the rest is assumed. The CPU time is that of this machine; at less than
{full:.0f} MB an invocation has that share of a core. The start of a process has a full core, and is
billed. DynamoDB's write units are those of the requests' sizes, so an item that is larger than the
request that changes it costs more. Not in it: data transfer, storage, and requests of KMS.

A million webhooks, one in an invocation:

{million}

Billed milliseconds of an invocation:

{billed}

A month with 2,500 webhooks a day at 512 MB:

{month}

The metric series are: {series}. A series costs nothing in an hour in which it has no value.
CloudWatch's free tier, ten metrics and ten alarms, is not taken off.

EventBridge Pipes with API destinations verify no signature, write no text, and keep no ledger, no
quota and no backlog.

| price or assumption | value | of what | checked at |
|---|---|---|---|
{prices}
"""


def page(report: Mapping[str, Any]) -> str:
    """Return the page."""
    goals: Mapping[str, Any] = report["goals"]
    with_goal = [row for row in goals.values() if row["goal"] is not None]
    top = _TOP.format(
        date=report["measured_at"][:10],
        count=len(with_goal),
        met=sum(row["met"] for row in with_goal),
        **report["machine"],
    )
    sections = [top]
    for title, names in _SECTIONS.items():
        rows = [row for name, row in goals.items() if name.startswith(names)]
        if rows:
            sections.append(f"## {title}\n\n{_table(rows)}\n")
    if short := shortfalls.section(goals):
        sections.append(short)
    if report["peers"]:
        versions = ", ".join(f"{name} {version}" for name, version in report["peers"].items())
        sections.append(_PEERS.format(versions=f"Versions: {versions}."))
    else:
        sections.append("## Peers\n\nThe peers were not installed. `make bench-peers` installs them.\n")
    if report["cost"]:
        sections.append(_cost(report["cost"]))
    return "\n".join(sections)


def _table(rows: Iterable[Mapping[str, Any]]) -> str:
    lines = ["| row | value | goal | result | peers | |", "|---|---:|---:|---|---|---|"]
    for row in rows:
        peers = ", ".join(f"{_NAMES[name]} {value:g}" for name, value in row.get("peers", {}).items())
        goal = "" if row["goal"] is None else f"{row['bound']} {row['goal']:g}"
        lines.append(
            f"| `{row['name']}` | {row['value']:g} | {goal} | {_result(row)} | {peers} | {row['what']} |"
        )
    return "\n".join(lines)


def _result(row: Mapping[str, Any]) -> str:
    """Return whether a row meets its goal, or by how much it falls short."""
    if row["met"] is None:
        return ""
    if row["met"]:
        return "met"
    short = abs(row["value"] - row["goal"])
    if row["value"] <= row["goal"] and row["bound"] == "at most":
        return "**not met**: a peer is better"
    percent = f", {100 * short / row['goal']:.0f} %" if row["goal"] else ""
    return f"**short by {short:.3g}**{percent}"


def _cost(cost: Mapping[str, Any]) -> str:
    columns = {f"{memory_mb} MB": lines for memory_mb, lines in cost["per_million"].items()}
    columns["512 MB, in tens"] = cost["per_million_in_batches_of_ten"]
    columns["Pipes"] = cost["per_million_with_pipes"]
    return _MODEL.format(
        region=REGION,
        as_of=AS_OF,
        full=ASSUMPTIONS["full_core_mb"].value,
        million=_dollars(columns),
        billed=_billed(cost["billed_ms"]),
        month=_dollars({"dollars": cost["per_month"]}),
        series=", ".join(f"`{name.partition(' ')[0]}`" for name in cost["series"]),
        prices="\n".join(
            f"| {name.replace('_', ' ')} | {price.value:g} | {price.unit} | {_source(price.source)} |"
            for name, price in {**PRICES, **ASSUMPTIONS}.items()
        ),
    )


def _source(source: str) -> str:
    return f"<{source}>" if source else "not checked"


def _dollars(columns: Mapping[str, Mapping[str, float]]) -> str:
    names = list(dict.fromkeys(name for lines in columns.values() for name in lines))
    rows = [f"| | {' | '.join(columns)} |", "|---|" + "---:|" * len(columns)]
    for name in names:
        cells = [f"{lines[name]:.2f}" if name in lines else "" for lines in columns.values()]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    sums = [f"**{sum(lines.values()):.2f}**" for lines in columns.values()]
    return "\n".join([*rows, f"| **dollars** | {' | '.join(sums)} |"])


def _billed(billed: Mapping[str, Mapping[str, float]]) -> str:
    columns = list(next(iter(billed.values())))
    rows = [f"| | {' | '.join(f'{each} MB' for each in columns)} |", "|---|" + "---:|" * len(columns)]
    for name, values in billed.items():
        function, _, ten = name.partition("_")
        text = f"`{function}`{' with ten events' if ten else ''}"
        rows.append(f"| {text} | {' | '.join(f'{values[each]:g}' for each in columns)} |")
    return "\n".join(rows)

"""Draw the charts of the report: an event's CPU time beside the peers, and the cost of a million events.

    python charts.py REPORT DIRECTORY

It runs in the peers' environment, which has matplotlib. A chart whose rows are missing is not drawn.
"""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

#: A bar of this length is not compared with the others.
CUT_OFF = 40
OWN, PEER, FLOOR, GOAL = "#1f6feb", "#9aa4b2", "#57606a", "#d1242f"
#: The bars of the first chart: the row, the peer in it (or none), and the text.
BARS = [
    ("receive_stub", "", "receive: verify and queue, queue in memory"),
    ("receive_queue", "", "receive, with the call of SQS"),
    ("event_direct", "", "one event, without ledger"),
    ("event_direct", "powertools", "Powertools as documented"),
    ("event_direct", "apprise", "Apprise, a new connection each time"),
    ("event_batch_partiql", "", "one of a batch of ten, with LedgerWrites=partiql"),
    ("event_batch", "", "one of a batch of ten, with ledger"),
    ("event_ledger", "", "one event, with ledger"),
    ("event_ledger", "powertools_idempotency", "Powertools with idempotency"),
]
PARTS = {
    "endpoint": "#8250df",
    "Lambda requests": "#0969da",
    "Lambda duration": "#54aeff",
    "DynamoDB": "#bf8700",
    "SQS": "#cf222e",
    "logs": "#1a7f37",
    "EventBridge Pipes": "#e85aad",
    "API destinations": "#6e7781",
}
STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "savefig.dpi": 110,
}


def events(goals: dict[str, Any], into: Path) -> None:
    """Draw the CPU time of one event. A bar that would make all others short is cut off."""
    bars = [("bare urllib3 POST", 1.0, FLOOR, None)]
    for name, peer, text in BARS:
        row = goals.get(name)
        if row and (not peer or peer in row.get("peers", {})):
            value = row["peers"][peer] if peer else row["value"]
            bars.append((text, value, PEER if peer else OWN, None if peer else row["goal"]))
    bars.reverse()
    most = 1.12 * max(max(value, goal or 0) for _, value, _, goal in bars if value < CUT_OFF)
    figure, axes = plt.subplots(figsize=(7.6, 3.4), layout="constrained")
    axes.barh(
        [text for text, *_ in bars],
        [min(value, most) for _, value, *_ in bars],
        color=[each[2] for each in bars],
    )
    for place, (_, value, _, goal) in enumerate(bars):
        if value > most:
            axes.text(most * 0.99, place, f"{value:.0f}, cut off", va="center", ha="right", color="white")
        else:
            # Not across the line of the goal.
            is_near = goal is not None and value <= goal < value + most / 12
            axes.text((goal if is_near else value) + most / 80, place, f"{value:.1f}", va="center")
        if goal:
            axes.plot([goal, goal], [place - 0.4, place + 0.4], color=GOAL, linewidth=2)
    axes.set_xlim(0, most)
    axes.set_xlabel("CPU time in bare POSTs; red: the goal")
    figure.suptitle("One event of 10 KB, from webhook to push, with TLS", x=0.01, ha="left", weight="bold")
    figure.savefig(into)


def costs(cost: dict[str, Any], into: Path) -> None:
    """Draw the dollars of a million events as stacked bars."""
    bars = {f"{memory_mb} MB": lines for memory_mb, lines in cost["per_million"].items()}
    bars["512 MB,\nin tens"] = cost["per_million_in_batches_of_ten"]
    bars["Pipes and\nAPI destinations"] = cost["per_million_with_pipes"]
    figure, axes = plt.subplots(figsize=(7.6, 3.6), layout="constrained")
    bottoms = [0.0] * len(bars)
    for part, color in PARTS.items():
        values = [lines.get(part, 0.0) for lines in bars.values()]
        axes.bar(list(bars), values, 0.6, bottom=bottoms, color=color, label=part)
        bottoms = [bottom + value for bottom, value in zip(bottoms, values, strict=True)]
    for place, total in enumerate(bottoms):
        axes.text(place, total + 0.1, f"${total:.2f}", ha="center", fontweight="bold")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside right center", frameon=False)
    axes.set_ylim(0, 1.08 * max(bottoms))
    axes.set_ylabel("dollars")
    figure.suptitle("A million webhooks, by the functions' memory", x=0.01, ha="left", weight="bold")
    figure.savefig(into)


def main(report: Path, directory: Path) -> None:
    """Draw both charts."""
    content = json.loads(report.read_text("utf-8"))
    plt.rcParams.update(STYLE)
    if "event_direct" in content["goals"]:
        events(content["goals"], directory / "event-cpu.png")
    if content["cost"]:
        costs(content["cost"], directory / "cost.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

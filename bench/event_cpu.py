"""The CPU time of one event as a ratio to a bare POST, of the relay and of its peers.

Each side is a process of its own and measures its own floor, see side_process.py. All processes are measured
alternately in short rounds, so that other programs on the machine affect them equally. The value is the
median of the rounds' ratios. Every server is offered by the loopback over TLS, and every side verifies its
certificate.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import bench_events
import peers_environment
from bench_world import Bench, Report
from figures import Goal, summary
from relayctl.project import ROOT
from runtime_api import PYTHON
from side_process import Rounds, Side, alternate, median, side

ROUNDS, CALLS = 31, 40
TEN: Final = 10
#: The sides: the child's name, the mode of delivery, the invocation's name, the writes of the ledger.
_SIDES: Final = {
    "event_direct": ("receive_alone", "direct", "webhook", "single"),
    "event_ledger": ("receive", "direct", "webhook", "single"),
    "event_batch": ("deliver", "queue", "ten", "single"),
    "event_batch_partiql": ("deliver", "queue", "ten", "partiql"),
    "receive_stub": ("receive_stub", "queue", "webhook", "single"),
    "receive_queue": ("receive", "queue", "webhook", "single"),
}
#: The meanings of the values, and the goals for them.
_GOALS: Final = {
    "event_direct": ("a webhook of 10 KB in direct mode, with secrets and ledger in memory", 2.2),
    "event_ledger": ("the same with the ledger and the permits in DynamoDB", 7.0),
    "event_batch": ("an event of a batch of ten in `deliver`, with the ledger and the permits", 3.0),
    "event_batch_partiql": ("the same with `LedgerWrites=partiql`", 3.0),
    "receive_stub": ("a webhook of 10 KB in `receive`, with secrets and queue in memory", 0.8),
    "receive_queue": ("the same with the call of SQS", 2.6),
}
#: The peers that do the same as a side.
_PEERS: Final = {
    "event_direct": ("powertools", "apprise"),
    "event_ledger": ("powertools_idempotency",),
}


def measure(bench: Bench, report: Report) -> list[Goal]:
    """Return the rows."""
    with ExitStack() as cleanup:
        invocations = {
            "webhook": written(bench, "webhook", bench_events.webhook()),
            "ten": written(bench, "ten", bench_events.batch(TEN)),
        }
        running: dict[str, Side] = {}
        for name, (child, mode, invocation, writes) in _SIDES.items():
            events = TEN if invocation == "ten" else 1
            own = OwnSide(child, mode, invocations[invocation], events, writes)
            running[name] = cleanup.enter_context(own_side(bench, bench.artifact, own))
        peers = peers_environment.commands(invocations["webhook"])
        if not peers:
            report(peers_environment.MISSING)
        for name, command in peers.items():
            running[name] = cleanup.enter_context(side(command, bench.environment_of_peers()))
        report(f"event_cpu: {ROUNDS} rounds of {CALLS} events, {len(running)} processes")
        found = alternate(running, ROUNDS, CALLS, report)
    return [_row(name, found) for name in _SIDES]


def _row(name: str, found: dict[str, Rounds]) -> Goal:
    what, goal = _GOALS[name]
    value, samples = summary(found[name].ratios, found[name].floors)
    peers = {peer: median(found[peer].ratios) for peer in _PEERS.get(name, ()) if peer in found}
    what = f"CPU time of {what} / a bare urllib3 POST"
    return Goal(name, what, value, goal, peers=peers, below_peers=True, samples=samples)


def written(bench: Bench, name: str, invocation: dict[str, Any]) -> Path:
    """Write an invocation to a file, and return the file."""
    file = bench.directory / f"{name}.json"
    file.write_text(json.dumps(invocation), "utf-8")
    return file


class OwnSide(NamedTuple):
    """A side of the relay's own.

    child       a name in sides.py
    mode        the mode of delivery
    invocation  the file of the invocation
    events      the events of the invocation
    writes      the value of LEDGER_WRITES
    """

    child: str
    mode: str
    invocation: Path
    events: int = 1
    writes: str = "single"


@contextmanager
def own_side(bench: Bench, artifact: Path, own: OwnSide) -> Iterator[Side]:
    """Start a side with a built artifact, which its process imports; end it at the end of the block."""
    path = f"{artifact}:{ROOT / 'bench'}:{ROOT / 'tests'}"
    mode = {"DELIVERY_MODE": own.mode, "LEDGER_WRITES": own.writes}
    environment = bench.environment(artifact) | mode | {"PYTHONPATH": path}
    # -S disables site-packages, so that a package that the artifact lacks is missing here too.
    command: list[str | Path] = [PYTHON, "-S", "-B", ROOT / "bench/sides.py", own.child, own.invocation]
    with side(command, environment, own.events) as started:
        yield started

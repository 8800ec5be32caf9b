"""A chaos run in memory, for the tests of its verdict and of its faults.

The run went well, until a test changes its evidence.
"""

from collections import Counter
from functools import partial
from types import SimpleNamespace
from typing import Any

from chaos.driver import Facts
from chaos.evidence import DeadLetter, Evidence
from chaos.plan import Kind, Planned, Way, Whose
from chaos.services import MAX_RECEIVES
from chaos.verdict import Verdict, judge

#: The only push of the run.
PUSH_ID = ("m0000001", "user:m0000001")
MARKER = PUSH_ID[0]
#: The attributes that the relay gives to a dead letter.
REASON = {"error_code": "vendor_rejected", "source": "push", "event_id": "e", "failed_at": "now"}


class GoodRun:
    """A run of one event whose push was shown once."""

    def __init__(self, kind: Kind = Kind.PLAIN, way: Way = Way.PUSH, *, whose: Whose = Whose.FIRST) -> None:
        self.event = Planned(MARKER, kind, way, (0.0,), whose=whose)
        self.facts = Facts(accepted={MARKER: 0.0})
        self.evidence = Evidence()
        self.evidence.shown[PUSH_ID] = 1
        self.source: Any = SimpleNamespace(receives={"m": MAX_RECEIVES}, handed_twice=0, again=Counter())
        self.counts = SimpleNamespace(over_quota=0, calls=1, faults=0)
        self.usage = SimpleNamespace(max_connections=3)
        other = SimpleNamespace(over_quota=0, calls=0, faults=0), SimpleNamespace(max_connections=0)
        organisations = [
            SimpleNamespace(
                account=account,
                daily_calls=10,
                sandbox=SimpleNamespace(
                    record=SimpleNamespace(counts=counts),
                    account=SimpleNamespace(usage=partial(_same, usage)),
                ),
            )
            for account, (counts, usage) in (("other", other), ("default", (self.counts, self.usage)))
        ]
        self.services: Any = SimpleNamespace(seed=1, organisations=organisations)

    def verdict(self) -> Verdict:
        """Return the verdict of the run."""
        return judge([self.event], self.facts, self.source, self.evidence, self.services)


def _same(usage: SimpleNamespace) -> SimpleNamespace:
    return usage


def dead_letter(**attributes: str) -> DeadLetter:
    """Return a dead letter of the run's whole event."""
    return DeadLetter(frozenset({MARKER}), (), attributes)


class Injector:
    """An injector for which each fault happens, or none."""

    def __init__(self, *, always: bool) -> None:
        self.always = always
        self.fail_probability = self.kill_probability = 1.0
        self.killed: list[str] = []

    def chance(self, probability: float) -> bool:
        """Return whether a fault happens."""
        return self.always and probability > 0

    def sample(self, values: list[Any], count: int) -> list[Any]:
        """Return the first values."""
        return values[:count]

    def note(self, step: str, **details: Any) -> None:
        """Write nothing."""

    def at(self, step: str, *, always: bool) -> None:
        """Note where the worker would be killed."""
        self.killed += [step] * always

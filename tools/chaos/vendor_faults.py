"""What befalls the vendor while a run lasts: constant small faults, outages, throttling, rotated keys."""

import random
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Final

from chaos.stage import Stage
from sandbox import FaultOrder

_CONSTANT: Final[tuple[dict[str, Any], ...]] = (
    {"kind": "latency", "seconds": 0.05, "probability": 0.15},
    {"kind": "latency", "seconds": 1.5, "probability": 0.002},  # longer than the relay waits
    {"kind": "status", "status": 503, "probability": 0.03},
    {"kind": "status", "status": 500, "probability": 0.01},
    {"kind": "status", "status": 408, "probability": 0.005},
    {"kind": "status", "status": 429, "probability": 0.002},
    {"kind": "status", "status": 429, "retry_after": 7, "probability": 0.002},
    {"kind": "status", "status": 503, "retry_after": 120, "probability": 0.002},
    {"kind": "reset_before_read", "probability": 0.01},
    {"kind": "reset_after_read", "probability": 0.01},
    {"kind": "cut", "probability": 0.01},
    {"kind": "garbage", "probability": 0.005},
    {"kind": "empty", "probability": 0.005},
    {"kind": "html", "probability": 0.005},
    {"kind": "html", "status": 200, "probability": 0.005},
    {"kind": "redirect", "probability": 0.003},
    {"kind": "error_code", "error_code": "UserNotFound", "probability": 0.015},
    {"kind": "status", "status": 400, "probability": 0.003},
    {"kind": "interim", "status": 103, "probability": 0.02},
    {"kind": "interim", "status": 102, "probability": 0.02},
    {"kind": "interim", "status": 100, "probability": 0.02},
)
_ROTATION_SECS: Final = 40.0
_HOUR: Final = 3600.0
#: What happens first, so that even the shortest run has it, and the calls until the next.
_FIRST: Final = (
    ("rotation", 20),
    ("throttled for hours", 20),
    ("slower than the timeout", 20),
    ("down for hours", 20),
)
_KINDS: Final = (
    "rotation",
    "outage",
    "resets",
    "throttled until",
    "slow",
    "slower than the timeout",
    "throttled for hours",
    "down for hours",
)


@dataclass(slots=True)
class Spell:
    """A time in which the vendor refuses every call. Moments are seconds since the epoch."""

    kind: str
    begun: float
    until: float
    calls_before: int
    calls: int = 0

    @property
    def hours(self) -> float:
        """How long it lasts."""
        return (self.until - self.begun) / _HOUR


@dataclass(slots=True)
class VendorFaults:
    """The vendor's state, changed as its calls add up."""

    stage: Stage
    dice: random.Random
    calls_between: tuple[int, int]
    happened: list[str] = field(default_factory=list)
    spells: list[Spell] = field(default_factory=list)
    _next: int = 40
    _new_key: tuple[float, str] | None = None
    _spell: Spell | None = None

    def begin(self) -> None:
        """Order the constant faults."""
        self.stage.sandbox.faults.add([FaultOrder.read(order) for order in _CONSTANT])

    def change(self) -> None:
        """Let happen what is due."""
        now = self.stage.world.now()
        calls = self.stage.sandbox.record.last
        if self._new_key and now >= self._new_key[0]:
            self.stage.rotate_secret(self._new_key[1])
            self._new_key = None
        if self._spell and now >= self._spell.until:
            self._end_spell(calls)
        if calls >= self._next and self._new_key is None and self._spell is None:
            self._happen(now, calls)

    @property
    def next_moment(self) -> float | None:
        """The next moment at which something changes by the clock."""
        moments = [self._new_key[0]] if self._new_key else []
        moments += [self._spell.until] if self._spell else []
        return min(moments, default=None)

    def _happen(self, now: float, calls: int) -> None:
        if len(self.happened) < len(_FIRST):
            kind, wait = _FIRST[len(self.happened)]
        else:
            kind, wait = self.dice.choice(_KINDS), self.dice.randint(*self.calls_between)
        self._next = calls + wait
        self.happened.append(kind)
        match kind:
            case "rotation":
                delay = self.dice.choice((0.0, _ROTATION_SECS))
                self._new_key = (now + delay, self.stage.rotate_at_vendor())
            case "outage":
                self._storm(self.dice.randint(6, 14), kind="status", status=503)
            case "resets":
                self._storm(self.dice.randint(4, 10), kind="reset_after_read")
            case "throttled until":
                until = formatdate(self.dice.randint(1, 5) + time.time(), usegmt=True)
                self._storm(self.dice.randint(5, 30), kind="status", status=429, retry_after=until)
            case "slower than the timeout":
                self._storm(self.dice.randint(5, 20), kind="latency", seconds=1.5)
            case "throttled for hours":
                self._begin_spell(kind, now, calls, 429)
            case "down for hours":
                self._begin_spell(kind, now, calls, 503)
            case _:
                self._storm(self.dice.randint(10, 40), kind="latency", seconds=0.3)

    def _begin_spell(self, kind: str, now: float, calls: int, status: int) -> None:
        """Refuse every call for some hours, without saying when to come back."""
        hours = self.dice.choice((0.2, 1.0, 3.0, 10.0))
        self._spell = Spell(kind, now, now + hours * _HOUR, calls)
        self.stage.sandbox.faults.clear()
        self.stage.sandbox.faults.add([FaultOrder.read({"kind": "status", "status": status})])

    def _end_spell(self, calls: int) -> None:
        if self._spell is not None:
            self._spell.calls = calls - self._spell.calls_before
            self.spells.append(self._spell)
            self._next = max(self._next, calls + 20)
        self._spell = None
        self.stage.sandbox.faults.clear()
        self.begin()

    def _storm(self, times: int, **order: Any) -> None:
        """Put an order before the constant ones."""
        faults = self.stage.sandbox.faults
        before = [kept for kept in faults.in_force() if kept.times is not None]
        faults.clear()
        constant = [FaultOrder.read(each) for each in _CONSTANT]
        faults.add([FaultOrder.read({**order, "times": times}), *before, *constant])

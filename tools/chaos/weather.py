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
    {"kind": "status", "status": 429, "probability": 0.01},
    {"kind": "status", "status": 429, "retry_after": 7, "probability": 0.01},
    {"kind": "status", "status": 503, "retry_after": 120, "probability": 0.005},
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
)
_ROTATION_SECS: Final = 40.0


@dataclass(slots=True)
class Weather:
    """The vendor's state, changed as its calls add up."""

    stage: Stage
    dice: random.Random
    calls_between: tuple[int, int]
    happened: list[str] = field(default_factory=list)
    _next: int = 40
    _new_key: tuple[float, str] | None = None

    def begin(self) -> None:
        """Order the constant faults."""
        self.stage.sandbox.faults.add([FaultOrder.read(order) for order in _CONSTANT])

    def change(self) -> None:
        """Let happen what is due."""
        now = self.stage.world.now()
        if self._new_key and now >= self._new_key[0]:
            self.stage.rotate_secret(self._new_key[1])
            self._new_key = None
        calls = self.stage.sandbox.record.last
        if calls >= self._next and self._new_key is None:
            self._next = calls + self.dice.randint(*self.calls_between)
            self._happen(now)

    @property
    def next_moment(self) -> float | None:
        """The next moment at which something changes by itself."""
        return self._new_key[0] if self._new_key else None

    def _happen(self, now: float) -> None:
        kinds = ("rotation", "outage", "resets", "throttled", "throttled until", "slow")
        # The first of a run is a rotation, so that even the shortest has one.
        kind = self.dice.choice(kinds) if self.happened else kinds[0]
        self.happened.append(kind)
        match kind:
            case "rotation":
                wait = self.dice.choice((0.0, _ROTATION_SECS))
                self._new_key = (now + wait, self.stage.rotate_at_vendor())
            case "outage":
                self._storm(self.dice.randint(6, 14), kind="status", status=503)
            case "resets":
                self._storm(self.dice.randint(4, 10), kind="reset_after_read")
            case "throttled":
                self._storm(self.dice.randint(5, 30), kind="status", status=429)
            case "throttled until":
                until = formatdate(self.dice.randint(1, 5) + time.time(), usegmt=True)
                self._storm(self.dice.randint(5, 30), kind="status", status=429, retry_after=until)
            case _:
                self._storm(self.dice.randint(10, 40), kind="latency", seconds=0.3)

    def _storm(self, times: int, **order: Any) -> None:
        """Put an order before the constant ones."""
        faults = self.stage.sandbox.faults
        before = [kept for kept in faults.in_force() if kept.times is not None]
        faults.clear()
        constant = [FaultOrder.read(each) for each in _CONSTANT]
        faults.add([FaultOrder.read({**order, "times": times}), *before, *constant])

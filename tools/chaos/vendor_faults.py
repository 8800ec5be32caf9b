"""The vendor's faults during a run: constant small ones, outages, throttling and rotated keys."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Final

from chaos.organisation import Organisation
from chaos.run_calendar import LongOutage
from chaos.services import Services
from sandbox import FaultOrder

_CONSTANT: Final[tuple[dict[str, Any], ...]] = (
    {"kind": "latency", "seconds": 0.05, "probability": 0.15},
    {"kind": "latency", "seconds": 1.5, "probability": 0.002},  # longer than the relay's read timeout
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
#: How late the new key may be in Secrets Manager.
_ROTATION_DELAY_SECS: Final = 40.0
_HOUR_SECS: Final = 3600.0
#: The first faults of a run without an outage of a day, so that even the shortest run has them;
#: and the number of calls until the next fault.
_FIRST: Final = (
    ("rotation", 20),
    ("throttled for hours", 20),
    ("slower than the timeout", 20),
    ("down for hours", 20),
)
#: The faults that stop no calls. All others do: while calls are stopped, a vendor that fails a few calls is
#: down for hours, because a probe now and then is all that it gets.
_CALM_KINDS: Final = ("rotation", "slow")
_KINDS: Final = (
    *_CALM_KINDS,
    "down for a few calls",
    "resets",
    "throttled until",
    "slower than the timeout",
    "throttled for hours",
    "down for hours",
)
_OUTAGE_HOURS: Final = (0.2, 1.0, 3.0, 10.0)
#: For this time before and after an outage of a day, nothing else begins that stops calls.
_CALM_SECS: Final = max(_OUTAGE_HOURS) * _HOUR_SECS


@dataclass(slots=True)
class Outage:
    """A time in which the vendor refuses every call.

    begun_at, ends_at  seconds since the epoch
    calls_before       the number of calls before the outage
    calls              the number of calls during the outage, known when it has ended
    """

    kind: str
    begun_at: float
    ends_at: float
    calls_before: int
    calls: int = 0

    @property
    def hours(self) -> float:
        """How long the outage lasts."""
        return (self.ends_at - self.begun_at) / _HOUR_SECS


@dataclass(slots=True)
class VendorFaults:
    """Changes the faults of an organisation's sandbox as its calls add up.

    calls_between  the fewest and the most calls between two faults
    long_outages   the outages of a day of all organisations
    happened       the kinds of the faults so far
    outages        the outages that have ended
    """

    services: Services
    organisation: Organisation
    dice: random.Random
    calls_between: tuple[int, int]
    long_outages: Sequence[LongOutage] = ()
    happened: list[str] = field(default_factory=list)
    outages: list[Outage] = field(default_factory=list)
    _next_call: int = 40
    _new_key: tuple[float, str] | None = None
    _outage: Outage | None = None
    _ahead: list[LongOutage] = field(default_factory=list)

    def begin(self) -> None:
        """Add the constant faults."""
        self._ahead = [each for each in self.long_outages if each.account == self.organisation.account]
        self._add_constant()

    def change(self) -> None:
        """Begin or end the faults that are due."""
        now = self.services.run_clock.now()
        calls = self.organisation.sandbox.record.last
        if self._new_key and now >= self._new_key[0]:
            self.organisation.rotate_secret(self.services.aws, self._new_key[1])
            self._new_key = None
        if self._outage and now >= self._outage.ends_at:
            self._end_outage(calls)
        if self._ahead and now >= self._ahead[0].begins and self._outage is None:
            planned = self._ahead.pop(0)
            self.happened.append(planned.kind)
            ends_at = now + planned.hours * _HOUR_SECS
            self._begin_outage(Outage(planned.kind, now, ends_at, calls), planned.status)
        elif calls >= self._next_call and self._new_key is None and self._outage is None:
            self._begin_fault(now, calls)

    @property
    def next_due(self) -> float | None:
        """The next time at which a fault begins or ends by the clock; None if none does."""
        due_times = [self._new_key[0]] if self._new_key else []
        due_times += [self._outage.ends_at] if self._outage else []
        due_times += [self._ahead[0].begins] if self._ahead and self._outage is None else []
        return min(due_times, default=None)

    def _is_calm(self, now: float) -> bool:
        """Return whether nothing may begin that stops calls: somebody's outage of a day is near.

        While it lasts, the other organisation's pushes must not wait, so it has none either.
        """
        return any(
            each.begins - _CALM_SECS <= now <= each.begins + each.hours * _HOUR_SECS + _CALM_SECS
            for each in self.long_outages
        )

    def _begin_fault(self, now: float, calls: int) -> None:
        if len(self.happened) < len(_FIRST) and not self.long_outages:
            kind, calls_until_next = _FIRST[len(self.happened)]
        else:
            kinds = _CALM_KINDS if self._is_calm(now) else _KINDS
            kind, calls_until_next = self.dice.choice(kinds), self.dice.randint(*self.calls_between)
        self._next_call = calls + calls_until_next
        self.happened.append(kind)
        match kind:
            case "rotation":
                delay_secs = self.dice.choice((0.0, _ROTATION_DELAY_SECS))
                self._new_key = (now + delay_secs, self.organisation.rotate_at_vendor())
            case "down for a few calls":
                self._add_first(self.dice.randint(6, 14), kind="status", status=503)
            case "resets":
                self._add_first(self.dice.randint(4, 10), kind="reset_after_read")
            case "throttled until":
                until = formatdate(self.dice.randint(1, 5) + time.time(), usegmt=True)
                self._add_first(self.dice.randint(5, 30), kind="status", status=429, retry_after=until)
            case "slower than the timeout":
                self._add_first(self.dice.randint(5, 20), kind="latency", seconds=1.5)
            case "throttled for hours" | "down for hours":
                ends_at = now + self.dice.choice(_OUTAGE_HOURS) * _HOUR_SECS
                status = 429 if kind.startswith("throttled") else 503
                self._begin_outage(Outage(kind, now, ends_at, calls), status)
            case _:
                self._add_first(self.dice.randint(10, 40), kind="latency", seconds=0.3)

    def _begin_outage(self, outage: Outage, status: int) -> None:
        """Refuse every call until the outage ends, without a `Retry-After`."""
        self._outage = outage
        self.organisation.sandbox.faults.clear()
        self.organisation.sandbox.faults.add([FaultOrder.read({"kind": "status", "status": status})])

    def _end_outage(self, calls: int) -> None:
        if self._outage is not None:
            self._outage.calls = calls - self._outage.calls_before
            self.outages.append(self._outage)
            self._next_call = max(self._next_call, calls + 20)
        self._outage = None
        self.organisation.sandbox.faults.clear()
        self._add_constant()

    def _add_constant(self) -> None:
        self.organisation.sandbox.faults.add([FaultOrder.read(order) for order in _CONSTANT])

    def _add_first(self, times: int, **order: Any) -> None:
        """Add a fault before the others, for a number of calls."""
        faults = self.organisation.sandbox.faults
        before = [active for active in faults.in_force() if active.times is not None]
        faults.clear()
        constant = [FaultOrder.read(each) for each in _CONSTANT]
        faults.add([FaultOrder.read({**order, "times": times}), *before, *constant])

"""Take orders of faults, and decide for each call which of them befall it.

A fault happens before the push is accepted (`status`, `html`, `redirect`, `error_code`,
`reset_before_read`) or after (`cut`, `garbage`, `empty`, `reset_after_read`): after it, the phone has shown
the push although the caller can't know; a call that is refused anyway is so under the same status. `latency`
delays whichever answer the call gets; `interim` puts answers of the class 1xx before it.
"""

import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from email.utils import parsedate_to_datetime
from typing import Any, Final, Self

KINDS: Final[dict[str, frozenset[str]]] = {
    "latency": frozenset({"seconds"}),
    "status": frozenset({"status", "retry_after"}),
    "reset_before_read": frozenset(),
    "reset_after_read": frozenset(),
    "cut": frozenset(),
    "garbage": frozenset(),
    "empty": frozenset(),
    "html": frozenset({"status"}),
    "redirect": frozenset({"status", "location"}),
    "error_code": frozenset({"error_code", "message"}),
    "interim": frozenset({"status"}),
}
"""Each kind of fault and its own parameters."""

AFTER_ACCEPTANCE: Final = frozenset({"cut", "garbage", "empty", "reset_after_read", "interim"})
_NEEDED: Final = {"latency": "seconds", "status": "status", "error_code": "error_code"}
_DEFAULT_STATUS: Final = {"html": 502, "redirect": 307, "interim": 103}
_INTERIM: Final = frozenset({100, 102, 103, 199})
_LONGEST_LATENCY_SECS: Final = 3_600
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


class WrongOrderError(ValueError):
    """An order of a fault that can't be carried out; its text says why."""


@dataclass(frozen=True, slots=True)
class FaultOrder:
    """An order: a kind, how often, how likely, and the kind's parameters. Made by `read`.

    Raises WrongOrderError when made with a parameter that is not the kind's, or out of range.
    """

    kind: str
    times: int | None = None
    """Calls that it befalls before it is used up; None for every one."""
    probability: float = 1.0
    seconds: float | None = None
    status: int | None = None
    retry_after: int | str | None = None
    """Seconds, or an HTTP date as it stands in the header (RFC 9110, 10.2.3)."""
    location: str | None = None
    error_code: str | None = None
    message: str | None = None

    @classmethod
    def read(cls, order: object) -> Self:
        """Read an order as it stands in JSON.

        Raises WrongOrderError, whose text names the parameter.
        """
        if not isinstance(order, Mapping):
            raise WrongOrderError("a fault order must be a JSON object")
        known = {parameter.name for parameter in fields(cls)}
        if unknown := sorted(set(order) - known):
            raise WrongOrderError(f"unknown parameter: {', '.join(unknown)}")
        if not isinstance(order.get("kind"), str):
            raise WrongOrderError(f"kind is missing: one of {', '.join(KINDS)}")
        return cls(**order)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise WrongOrderError(f"kind must be one of {', '.join(KINDS)}")
        _check_frequency(self.times, self.probability)
        for name in ("seconds", "status", "retry_after", "location", "error_code", "message"):
            if getattr(self, name) is not None and name not in KINDS[self.kind]:
                raise WrongOrderError(f"{name} is no parameter of {self.kind}")
        needed = _NEEDED.get(self.kind)
        if needed and getattr(self, needed) is None:
            raise WrongOrderError(f"{self.kind} needs {needed}")
        if self.status is None and self.kind in _DEFAULT_STATUS:
            object.__setattr__(self, "status", _DEFAULT_STATUS[self.kind])
        if self.location is None and self.kind == "redirect":
            object.__setattr__(self, "location", "/elsewhere")
        _check_parameters(self)

    def described(self) -> dict[str, Any]:
        """Write the order as JSON would have it, unused parameters left out and `times` always told."""
        own = KINDS[self.kind]
        described: dict[str, Any] = {"kind": self.kind, "times": self.times, "probability": self.probability}
        return described | {
            name: getattr(self, name) for name in sorted(own) if getattr(self, name) is not None
        }


def _check_frequency(times: object, probability: object) -> None:
    if times is not None and (type(times) is not int or times < 1):
        raise WrongOrderError("times must be an integer of at least 1, or null for every call")
    if type(probability) not in {int, float} or not 0 < probability <= 1:  # type: ignore[operator]
        raise WrongOrderError("probability must be a number above 0 and up to 1")


def _check_parameters(order: FaultOrder) -> None:
    if order.seconds is not None and (
        type(order.seconds) not in {int, float} or not 0 <= order.seconds <= _LONGEST_LATENCY_SECS
    ):
        raise WrongOrderError(f"seconds must be a number from 0 to {_LONGEST_LATENCY_SECS}")
    if order.kind == "redirect" and order.status not in _REDIRECTS:
        raise WrongOrderError("status of a redirect must be 301, 302, 303, 307 or 308")
    if order.kind == "interim" and order.status not in _INTERIM:
        raise WrongOrderError("status of an interim answer must be 100, 102, 103 or 199")
    final = None if order.kind == "interim" else order.status
    check_status_and_retry_after(final, order.retry_after)
    for name in ("location", "error_code", "message"):
        value = getattr(order, name)
        if value is None:
            continue
        if not isinstance(value, str) or not value or not value.isprintable():
            raise WrongOrderError(f"{name} must be a printable string that is not empty")
    if order.location is not None and not order.location.isascii():
        raise WrongOrderError("location must be ASCII, as it stands in the header")


def check_status_and_retry_after(status: object, retry_after: object) -> None:
    """Refuse a status that can't be a final answer's, and a Retry-After that is neither form.

    Raises WrongOrderError.
    """
    if status is not None and (type(status) is not int or not 200 <= status <= 599):  # noqa: PLR2004 - RFC 9110, 15
        raise WrongOrderError("status must be an integer from 200 to 599")
    if retry_after is None or (type(retry_after) is int and retry_after >= 0):
        return
    wrong = "retry_after must be a number of seconds or an HTTP date"
    if not isinstance(retry_after, str) or not retry_after.isascii() or not retry_after.isprintable():
        raise WrongOrderError(wrong)
    try:
        parsedate_to_datetime(retry_after)
    except ValueError:
        raise WrongOrderError(wrong) from None


@dataclass(frozen=True, slots=True)
class Drawn:
    """What befalls one call: a delay before its answer in seconds, and at most one other fault."""

    latency_secs: float = 0.0
    fault: FaultOrder | None = None


class Faults:
    """The orders in force. Safe to use from the test's thread while the server runs.

    Latencies add up; of the other kinds the oldest order whose dice fall right befalls the call. The same
    `seed` and the same sequence of calls give the same faults.
    """

    def __init__(self, *, seed: int = 0) -> None:
        self._lock = threading.Lock()
        self._random = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self._orders: list[FaultOrder] = []

    def order(self, kind: str, **parameters: Any) -> FaultOrder:
        """Order a fault, for example `order("status", status=503, retry_after=2, times=1)`.

        Raises WrongOrderError.
        """
        order = FaultOrder.read({"kind": kind, **parameters})
        self.add([order])
        return order

    def add(self, orders: list[FaultOrder]) -> None:
        """Put orders into force, together."""
        with self._lock:
            self._orders.extend(orders)

    def in_force(self) -> list[FaultOrder]:
        """List the orders that are not used up, each with the times that it has left."""
        with self._lock:
            return list(self._orders)

    def clear(self) -> None:
        """Take back every order."""
        with self._lock:
            self._orders.clear()

    def draw(self) -> Drawn:
        """Decide what befalls the next call."""
        latency_secs: float = 0.0
        fault: FaultOrder | None = None
        left: list[FaultOrder] = []
        with self._lock:
            for order in self._orders:
                waits = fault is not None and order.kind != "latency"
                if waits or self._random.random() >= order.probability:
                    left.append(order)
                    continue
                if order.seconds is not None:
                    latency_secs += order.seconds
                else:
                    fault = order
                if order.times is None:
                    left.append(order)
                elif order.times > 1:
                    left.append(replace(order, times=order.times - 1))
            self._orders = left
        return Drawn(latency_secs, fault)

"""The faults that are ordered, and the choice of the faults for each call.

| fault                                              | effect on a call that would be accepted      |
|----------------------------------------------------|----------------------------------------------|
| `status`, `html`, `redirect`, `error_code`         | the push is not shown                        |
| `reset_before_read`                                | the push is not shown                        |
| `cut`, `garbage`, `empty`, `reset_after_read`      | it is shown, and the caller cannot know that |
| `interim`                                          | answers of the class 1xx come first          |
| `latency`                                          | the answer is delayed                        |

A call that would be refused anyway keeps its status with `cut`, `garbage` and `empty`.
"""

import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from email.utils import parsedate_to_datetime
from typing import Any, Final, Self

#: The kinds of faults, and the parameters of each.
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

#: The faults that happen after the push is accepted, so that the phone shows it.
AFTER_ACCEPTANCE: Final = frozenset({"cut", "garbage", "empty", "reset_after_read", "interim"})
_REQUIRED: Final = {"latency": "seconds", "status": "status", "error_code": "error_code"}
_DEFAULT_STATUS: Final = {"html": 502, "redirect": 307, "interim": 103}
_INTERIM_STATUSES: Final = frozenset({100, 102, 103, 199})
_MAX_LATENCY_SECS: Final = 3_600
_REDIRECT_STATUSES: Final = frozenset({301, 302, 303, 307, 308})


class WrongOrderError(ValueError):
    """A fault order is invalid. The text contains the reason."""


@dataclass(frozen=True, slots=True)
class FaultOrder:
    """An order to inject a fault into calls. It is made by `read`.

    times        the number of calls after which the order is used up; None for every call
    probability  the probability for each call, above 0 and up to 1
    seconds      the latency
    retry_after  seconds, or an HTTP date (RFC 9110, 10.2.3)

    Raises WrongOrderError if a parameter does not belong to the kind or is out of range.
    """

    kind: str
    times: int | None = None
    probability: float = 1.0
    seconds: float | None = None
    status: int | None = None
    retry_after: int | str | None = None
    location: str | None = None
    error_code: str | None = None
    message: str | None = None

    @classmethod
    def read(cls, order: object) -> Self:
        """Read an order from its JSON object. Raises WrongOrderError, whose text names the parameter."""
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
                raise WrongOrderError(f"{name} is not a parameter of {self.kind}")
        required = _REQUIRED.get(self.kind)
        if required and getattr(self, required) is None:
            raise WrongOrderError(f"{self.kind} needs {required}")
        if self.status is None and self.kind in _DEFAULT_STATUS:
            object.__setattr__(self, "status", _DEFAULT_STATUS[self.kind])
        if self.location is None and self.kind == "redirect":
            object.__setattr__(self, "location", "/elsewhere")
        _check_parameters(self)

    def as_json(self) -> dict[str, Any]:
        """Return the order's JSON object: `kind`, `times`, `probability` and the given parameters."""
        parameters = {name: getattr(self, name) for name in sorted(KINDS[self.kind])}
        common: dict[str, Any] = {"kind": self.kind, "times": self.times, "probability": self.probability}
        return common | {name: value for name, value in parameters.items() if value is not None}


def _check_frequency(times: object, probability: object) -> None:
    if times is not None and (type(times) is not int or times < 1):
        raise WrongOrderError("times must be an integer of at least 1, or null for every call")
    if type(probability) not in {int, float} or not 0 < probability <= 1:  # type: ignore[operator]
        raise WrongOrderError("probability must be a number above 0 and up to 1")


def _check_parameters(order: FaultOrder) -> None:
    if order.seconds is not None and (
        type(order.seconds) not in {int, float} or not 0 <= order.seconds <= _MAX_LATENCY_SECS
    ):
        raise WrongOrderError(f"seconds must be a number from 0 to {_MAX_LATENCY_SECS}")
    if order.kind == "redirect" and order.status not in _REDIRECT_STATUSES:
        raise WrongOrderError("status of a redirect must be 301, 302, 303, 307 or 308")
    if order.kind == "interim" and order.status not in _INTERIM_STATUSES:
        raise WrongOrderError("status of an interim answer must be 100, 102, 103 or 199")
    final = None if order.kind == "interim" else order.status
    check_status_and_retry_after(final, order.retry_after)
    for name in ("location", "error_code", "message"):
        value = getattr(order, name)
        if value is None:
            continue
        if not isinstance(value, str) or not value or not value.isprintable():
            raise WrongOrderError(f"{name} must be a printable, non-empty string")
    if order.location is not None and not order.location.isascii():
        raise WrongOrderError("location must be ASCII")


def check_status_and_retry_after(status: object, retry_after: object) -> None:
    """Check the status of a final answer and a Retry-After, which are both optional.

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
    """The faults of one call: the latency of its answer, and at most one other fault."""

    latency_secs: float = 0.0
    fault: FaultOrder | None = None


class Faults:
    """The orders that are not used up. A test may use them from its own thread while the server runs.

    Several latencies of one call are added up. Of the other kinds, a call gets the oldest order whose
    probability chooses it. The same `seed` and the same sequence of calls give the same faults.
    """

    def __init__(self, *, seed: int = 0) -> None:
        self._lock = threading.Lock()
        self._random = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self._orders: list[FaultOrder] = []

    def order(self, kind: str, **parameters: Any) -> FaultOrder:
        """Add an order, for example with `order("status", status=503, retry_after=2, times=1)`.

        Raises WrongOrderError.
        """
        order = FaultOrder.read({"kind": kind, **parameters})
        self.add([order])
        return order

    def add(self, orders: list[FaultOrder]) -> None:
        """Add several orders at once."""
        with self._lock:
            self._orders.extend(orders)

    def in_force(self) -> list[FaultOrder]:
        """Return the orders that are not used up, each with its remaining `times`."""
        with self._lock:
            return list(self._orders)

    def clear(self) -> None:
        """Delete all orders."""
        with self._lock:
            self._orders.clear()

    def draw(self) -> Drawn:
        """Choose the faults of the next call, and count them against their orders' `times`."""
        latency_secs: float = 0.0
        fault: FaultOrder | None = None
        left: list[FaultOrder] = []
        with self._lock:
            for order in self._orders:
                is_blocked = fault is not None and order.kind != "latency"
                if is_blocked or self._random.random() >= order.probability:
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

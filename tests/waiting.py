"""Wait for a condition, with a generous deadline."""

import time
from collections.abc import Callable

from relayctl.stack import LocalStack


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    _wait(condition, secs=20.0, interval_secs=0.01, explain=lambda: "it never held")


def wait_for_stack(condition: Callable[[], bool], stack: LocalStack) -> None:
    """Wait until a condition about a deployed stack holds. A failure shows the functions' logs.

    A function's cold start takes long on a busy machine, and each look is a call of the local AWS.
    """
    _wait(condition, secs=120.0, interval_secs=0.2, explain=stack.log)


def _wait(
    condition: Callable[[], bool], *, secs: float, interval_secs: float, explain: Callable[[], str]
) -> None:
    deadline = time.monotonic() + secs
    while not condition():
        assert time.monotonic() < deadline, explain()
        time.sleep(interval_secs)

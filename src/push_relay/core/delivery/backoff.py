"""How long to wait before a parked push is tried again."""

from collections.abc import Callable

#: Seconds before the second attempt, at the most; each further wait may be twice as long, up to a cap.
BASE = 10.0
CAP = 900.0
#: The cap of what is urgent: after an outage it comes back first.
CAP_HIGH = 60.0
#: Seconds by which what is urgent is ahead of the rest when the account may call again.
HEAD_START = 2.0
#: Seconds over which the rest is spread then: a part of the wait, between these bounds.
SPREAD_PART, LEAST_SPREAD, LONGEST_SPREAD = 0.25, 2.0, 30.0


def backoff(
    attempt: int, retry_after: float | None, random: Callable[[], float], *, high: bool = False
) -> float:
    """Return seconds to wait after the how-manieth attempt.

    It is exponential with full jitter, so that what was parked together does not come back together
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). Who names a time is heeded in
    full, and waited for longer where the attempts are many: some name none to speak of, each time.
    """
    ceiling = min(CAP_HIGH if high else CAP, BASE * 2.0 ** min(max(attempt - 1, 0), 30))
    wait = 1 + (ceiling - 1) * random()
    return wait if retry_after is None else max(wait, retry_after + BASE * random())


def paced(wait: float, random: Callable[[], float], *, high: bool = False, tried: bool = False) -> float:
    """Return seconds to wait for a moment, `wait` seconds ahead, at which the account may call again.

    All that waits for it comes soon after it, whatever its own attempts: first what is urgent, last what was
    `tried` just now. So if one push makes the vendor fail, another one is the next probe.
    """
    spread = min(LONGEST_SPREAD, max(LEAST_SPREAD, SPREAD_PART * wait))
    if tried:
        return wait + HEAD_START + spread * (1 + random() / 2)
    return wait + (random() if high else HEAD_START + spread * random())

"""How long a parked push waits until it is tried again."""

from collections.abc import Callable

#: The longest wait before the second attempt. The longest wait doubles with each attempt, up to a limit.
BASE_SECS = 10.0
MAX_SECS = 900.0
#: The limit for urgent pushes, which are the first to return after an outage.
MAX_URGENT_SECS = 60.0
#: Seconds by which urgent pushes are ahead of the others when the account may call again.
HEAD_START_SECS = 2.0
#: The other pushes are spread then over a part of their wait, within these bounds.
SPREAD_PART, MIN_SPREAD_SECS, MAX_SPREAD_SECS = 0.25, 2.0, 30.0


def backoff(
    attempt: int, retry_after: float | None, random: Callable[[], float], *, high: bool = False
) -> float:
    """Return the seconds to wait after an attempt, whose number counts from 1.

    The wait is exponential with full jitter, so that pushes that were parked together do not return together
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). `Retry-After` is a floor. The
    computed wait is used if it is longer, because some vendors always answer 1 second.
    """
    longest = min(MAX_URGENT_SECS if high else MAX_SECS, BASE_SECS * 2.0 ** min(max(attempt - 1, 0), 30))
    wait = 1 + (longest - 1) * random()
    return wait if retry_after is None else max(wait, retry_after + BASE_SECS * random())


def paced(wait: float, random: Callable[[], float], *, high: bool = False, tried: bool = False) -> float:
    """Return the seconds to wait if the account may call again in `wait` seconds.

    All pushes that wait for that moment return soon after it, whatever the number of their attempts: urgent
    ones first, and those that were `tried` just now last. So if one push makes the vendor fail, another one
    is the next probe.
    """
    spread = min(MAX_SPREAD_SECS, max(MIN_SPREAD_SECS, SPREAD_PART * wait))
    if tried:
        return wait + HEAD_START_SECS + spread * (1 + random() / 2)
    return wait + (random() if high else HEAD_START_SECS + spread * random())

"""How long a parked push waits until it is tried again."""

from collections.abc import Callable

#: The longest wait before the second attempt. The longest wait doubles with each attempt, up to a limit.
BASE_SECS = 10.0
MAX_SECS = 900.0
#: The limit for urgent pushes, which are the first to return after an outage.
MAX_URGENT_SECS = 60.0


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

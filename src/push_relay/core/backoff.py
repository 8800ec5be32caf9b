"""How long to wait before a parked push is tried again."""

from collections.abc import Callable

#: Seconds before the second attempt, at the most; each further wait may be twice as long, up to a cap.
BASE = 10.0
CAP = 900.0
#: The cap of what is urgent: after an outage it comes back first.
CAP_HIGH = 60.0


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

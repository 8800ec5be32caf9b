"""The permits of an account, as one process knows them, and the way in which it changes them."""

import math
import random
import secrets
import threading
from collections.abc import Callable

from push_relay.core.clock import Clock
from push_relay.core.delivery.permit_calls import AccountDays, without_old_days
from push_relay.core.delivery.permits import Permits, PermitStore, WriteUnknown
from push_relay.core.errors import LedgerUnavailable

#: Attempts to change the permits. Between two of them another worker has changed them.
_ATTEMPTS = 30
#: Attempts that follow one another without a pause, and the longest pause between later ones.
_QUICK_ATTEMPTS, _PAUSE_SECS = 3, 0.02


class SharedPermits:
    """The permits that this process has last seen. Safe to use from several threads.

    Changes are made one after the other, so that each knows what the one before has changed. `lock` is held
    while one is made; a thread may hold it for several steps that belong together.
    """

    def __init__(
        self, store: PermitStore, days: AccountDays, clock: Clock, sleep: Callable[[float], None]
    ) -> None:
        self.store = store
        self.lock = threading.RLock()
        self._days = days
        self._clock = clock
        self._sleep = sleep
        self._seen = (Permits(), -math.inf)

    @property
    def known(self) -> Permits:
        """The permits as they were when this process last saw them."""
        return self._seen[0]

    @property
    def is_new(self) -> bool:
        """Whether this process has not seen the permits yet."""
        return self._seen[1] == -math.inf

    def is_fresh(self, secs: float) -> bool:
        """Return whether the permits were seen in the last seconds."""
        return 0 <= self._clock.now() - self._seen[1] < secs

    def read(self) -> Permits:
        """Read the permits. Raises LedgerUnavailable."""
        with self.lock:
            return self._keep(self.store.read())

    def assume(self, rule: Callable[[Permits], Permits]) -> None:
        """Change what this process knows, because the change could not be stored."""
        with self.lock:
            permits, seen = self._seen
            self._seen = (rule(permits), seen)

    def change[T](
        self,
        rule: Callable[[Permits], tuple[Permits, T]],
        *,
        fresh_secs: float = math.inf,
        is_forced: bool = False,
        is_repeatable: bool = True,
    ) -> T:
        """Change the permits by a rule, and return its answer for those that were replaced.

        If the rule changes nothing, nothing is written, and its answer is about permits that were seen in the
        last `fresh_secs`. `is_forced`: write nevertheless. No earlier write can follow it.
        Raises LedgerUnavailable; then the permits may have been changed.

        is_repeatable  whether it is safe to make the change twice. If it is not, and nobody can know whether
                       it was made, WriteUnknown is raised
        """
        with self.lock:
            is_new = self.is_new
            before = self.read() if is_new else self.known
            is_current = is_new or fresh_secs == math.inf or self.is_fresh(fresh_secs)
            for attempt in range(_ATTEMPTS):
                after, answer = rule(before)
                if after == before and not is_forced:
                    if is_current:
                        return answer
                    before, is_current = self.read(), True
                    continue
                after = without_old_days(after, self._days.today)._replace(stamp=secrets.token_hex(8))
                before, is_current = self._swapped(before, after, is_repeatable=is_repeatable), True
                if before.stamp == after.stamp:
                    return answer
                if attempt >= _QUICK_ATTEMPTS:
                    self._sleep(_PAUSE_SECS * random.random())  # noqa: S311 (not secret)
        raise LedgerUnavailable("too many workers change the account's permits at once")

    def _swapped(self, before: Permits, after: Permits, *, is_repeatable: bool) -> Permits:
        try:
            return self._keep(self.store.swap(before, after))
        except WriteUnknown as exc:
            self._keep(exc.permits)
            if not is_repeatable:
                raise
            return exc.permits

    def _keep(self, permits: Permits) -> Permits:
        self._seen = (permits, self._clock.now())
        return permits
